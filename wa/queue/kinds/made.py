"""Polls, places, contacts and stickers made of what a user typed; nothing is stored before all is checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from wa.errors import WaError
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.times import quoted
from wa.values import Value

OPTIONS = (2, 12)
"""The fewest and the most options of a poll, WhatsApp's own limits."""
MAX_QUESTION, MAX_OPTION = 255, 100
"""The most characters of a poll's question and of an option, the limits of WhatsApp's apps."""
MAX_NAME = 1_000
"""The most characters of a place's name."""
MOST_CONTACTS = 257
"""The most contacts of a message, the limit of WhatsApp's apps."""


class Made(Value):
    """A message that is neither a text nor a file that goes out as it is."""

    kind: str
    """Its type, as in `MessageReceived.message_type`."""
    text: str
    """What people read of it in a list, as in `MessageReceived.content`."""
    details: Row | None = None
    """As `MessageReceived.details`."""
    path: Path | None = None
    """The file of a sticker."""
    cards: bytes | None = None
    """The vCards of contacts, and `name`, the name of a file of them."""
    name: str = ""

    def keep(self, home: Home) -> Row | None:
        """Copy its file into the home; return the columns of that, None if it has none."""
        from wa.media import outgoing  # it takes 3 ms to load

        if self.path is not None:
            where, name = outgoing.keep(home, self.path)
        elif self.cards is not None:
            where, name = outgoing.keep_data(home, self.cards, self.name)
        else:
            return None
        return {"media_path": where, "media_type": self.kind, "file_name": name}


_POLL = 'wa send TO --poll "Lunch?" --option Pizza --option Soup'


# ── Polls ───────────────────────────────────────────────────────────────────────────────────────────


def poll(question: str, options: Sequence[str], most: int | None) -> Made:
    """Return a poll in which a person may choose up to `most` options, 1 for None. Raise WaError `usage`."""
    question, *options = (" ".join(each.split()) for each in (question, *options))
    _check_length("the question of a poll", question, MAX_QUESTION)
    for option in options:
        _check_length("an option of a poll", option, MAX_OPTION)
    fewest, highest = OPTIONS
    if not fewest <= len(options) <= highest:
        raise WaError(
            "usage",
            f"a poll has {fewest} to {highest} options, and this one has {len(options)}",
            _POLL,
        )
    if twice := next((each for each in options if options.count(each) > 1), None):
        raise WaError("usage", f"the option {quoted(twice)} is there twice", "leave one of them out")
    most = 1 if most is None else most
    if not 1 <= most <= len(options):
        raise WaError(
            "usage", f"one cannot choose {most} of {len(options)} options", f"--multi 1 to {len(options)}"
        )
    about = {"question": question, "options": options, "choices": most}
    return Made("poll", "\n".join([question, *options]), {"poll": about})


def _check_length(what: str, text: str, most: int) -> None:
    if not text:
        raise WaError("usage", f"{what} is empty", _POLL)
    if len(text) > most:
        raise WaError("usage", f"{what} has {len(text)} characters; phones take {most}", "shorten it")


# ── Places ──────────────────────────────────────────────────────────────────────────────────────────

_PLACE = re.compile(r"\s*([+-]?[0-9]{1,3}(?:\.[0-9]*)?)\s*[,;]\s*([+-]?[0-9]{1,3}(?:\.[0-9]*)?)\s*", re.ASCII)


def location(typed: str, name: str | None) -> Made:
    """Return a place from latitude and longitude in degrees, such as `-33.9,18.4`. Raise WaError `usage`."""
    found, example = _PLACE.fullmatch(typed), "--location 51.5007,-0.1246"
    if found is None:
        raise WaError("usage", f"{quoted(typed)} is no latitude and longitude in degrees", example)
    latitude, longitude = (float(each) + 0.0 for each in found.groups())  # no -0.0
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise WaError(
            "usage",
            f"{quoted(typed)} is off the globe",
            f"the latitude, -90 to 90, and then the longitude, -180 to 180: {example}",
        )
    if name is not None:
        name = " ".join(name.split())
        if not name or len(name) > MAX_NAME:
            what = "is empty" if not name else f"has more than {MAX_NAME:,} characters"
            raise WaError("usage", f"the name of the place {what}", "--name is what the place is called")
    return place({"latitude": latitude, "longitude": longitude, **({"name": name} if name else {})})


def place(where: Row) -> Made:
    """Return a place; `where` is as `location` in `MessageReceived.details`."""
    said = [where.get("name"), where.get("address"), degrees(where)]
    return Made("location", "\n".join(filter(None, said)), {"location": where})


def degrees(where: Row) -> str:
    """Return latitude and longitude as text."""
    return f"{round(where['latitude'], 6)}, {round(where['longitude'], 6)}"


def place_in(text: str) -> Row | None:
    """Return the place that a text of `place` describes; None for another text."""
    *names, last = text.splitlines() or [""]
    found = _PLACE.fullmatch(last)
    if found is None:
        return None
    latitude, longitude = map(float, found.groups())
    if math.fabs(latitude) > 90 or math.fabs(longitude) > 180:
        return None
    named = dict(zip(("name", "address"), names, strict=False))
    return {"latitude": latitude, "longitude": longitude, **named}


# ── Contacts and stickers ───────────────────────────────────────────────────────────────────────────


def contacts(store: Store, names: Sequence[str], region: str | None) -> Made:
    """Return a message with the cards of contacts: their names and numbers, and nothing else that we keep.

    Raise WaError `not-found`, `ambiguous`, and `usage` for one without a number, and for too many.
    """
    from wa.media.vcard import Card, Tel
    from wa.media.vcard_writing import write_card
    from wa.people import recipients
    from wa.phones import spaced

    rows = [recipients.find(store, name, region) for name in names]
    rows = list({row["id"]: row for row in rows}.values())
    if len(rows) > MOST_CONTACTS:
        raise WaError("usage", f"a message has at most {MOST_CONTACTS} contacts", "send them in parts")
    for row in rows:
        if not row["phones"]:
            hint = "wa contacts edit NAME --phone 447700900123"
            raise WaError("usage", f"no number is known for {row['name']}", hint)
    written, shown, about = "", [], []
    for row in rows:
        numbers = [each["phone"] for each in row["phones"]]
        # WhatsApp knows the main number.
        tels = [
            Tel(f"+{each['phone']}", each["label"], each["phone"] if each["phone"] == row["phone"] else None)
            for each in row["phones"]
        ]
        written += write_card(Card(row["name"], tels=tels))
        shown.append(f"{row['name']} {', '.join(map(spaced, numbers))}")
        about.append({"name": row["name"], "numbers": numbers})
    name = name_of_cards(about)
    return Made("contact", "\n".join(shown), {"cards": about}, cards=written.encode(), name=name)


def name_of_cards(cards: Sequence[Row]) -> str:
    """Return the name of a file of vCards, from `cards` in the details of its message."""
    return f"{cards[0]['name'] or 'contact'}.vcf" if len(cards) == 1 else f"{len(cards)} contacts.vcf"


def sticker(path: Path) -> Made:
    """Return a sticker from a file. Raise as `stickers.look_at` does."""
    from wa.media import stickers

    stickers.look_at(path)
    return Made("sticker", "", path=path)
