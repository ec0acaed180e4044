"""The recipients of a job: each is found, checked and frozen before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.jids import jid_of_phone, show_jid
from wa.people import contacts, recipients
from wa.people.contacts import by_phone
from wa.people.recipients import Recipient
from wa.queue import checks
from wa.queue.jobs.sources import Given, Part
from wa.queue.templates.fields import fill, missing, names_in
from wa.queue.templates.values import values_for
from wa.record.names import canonical
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.fold import fold_name

_SHOWN = 20
"""The faults that an error names; it counts the others."""


@dataclass
class People:
    """The recipients of a job, frozen, and how many of those given were the same person again."""

    rows: list[Row] = field(default_factory=list)
    doubles: int = 0


@dataclass(frozen=True)
class Wish:
    """A job as the user wants it. `fields` are those of `--set`."""

    title: str | None
    parts: Sequence[Part]
    start: datetime | None
    """None for at once."""
    zone: ZoneInfo
    gap: float
    grace: timedelta
    max_retries: int
    key: str | None = None
    draft: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Row:
        """The pace, in the words of the tool before this one."""
        return {
            "recipientGapSeconds": self.gap,
            "maxRetries": self.max_retries,
            "graceSeconds": self.grace.total_seconds(),
        }


def tagged(store: Store, tags: Iterable[str]) -> Iterator[Given]:
    """Yield the contacts with one of some tags. Raise WaError `not-found` for a tag that nobody has."""
    for tag in tags:
        found = False
        for row in contacts.listing(store, tag):
            found = True
            yield Given(jid_of_phone(row["phone"]) if row["phone"] else "", {}, row["name"])
        if not found:
            raise WaError("not-found", f"nobody has the tag {tag!r}", "`wa contacts tag NAME TAG` gives one")


def freeze(
    store: Store, settings: Settings, me: str | None, given: Iterable[Given], wish: Wish, now: datetime
) -> People:
    """Return the recipients, each person once, with the fields that the texts use.

    Raise WaError, which names each, for recipients that cannot be found, fields that are missing or empty,
    and one person with different fields: `bad-data` where they stand in a file.
    """
    return _Freezing(store, settings, me, wish, now).run(given)


class _Freezing:
    def __init__(self, store: Store, settings: Settings, me: str | None, wish: Wish, now: datetime) -> None:
        self._store, self._settings, self._me, self._wish, self._now = store, settings, me, wish, now
        self._names = {name for part in wish.parts if part.has_fields for name in names_in(part.text)}
        self._directory: dict[str, set[int]] | None = None
        self._people = People()
        self._known: dict[object, tuple[int, str]] = {}
        self._faults: list[tuple[str, str]] = []

    def run(self, given: Iterable[Given]) -> People:
        """Return the recipients. Raise WaError."""
        for each in given:
            try:
                self._take(each)
            except WaError as error:
                where = each.where if each.where and each.where != each.word else None
                self._faults.append((error.code, f"{where}: {error.message}" if where else error.message))
        if self._faults:
            raise _all_of(self._faults)
        if not self._people.rows:
            raise WaError("usage", "there is no recipient", "name them with --to, --tag, --csv or --file")
        return self._people

    def _take(self, given: Given) -> None:
        if not given.word:
            raise WaError("recipient-not-found", "no number is known for this contact")
        to = self._resolve(given.word)
        owner = by_phone(self._store, to.phone) if to.phone else None
        contact = owner["id"] if owner else None
        fields = self._fields(to, given)
        key: object = contact if contact is not None else to.jid
        if key in self._known:
            self._people.doubles += 1
            number, where = self._known[key]
            if self._people.rows[number]["fields"] != fields:
                who = to.name or show_jid(to.jid)
                raise WaError("bad-data", f"{who} is there twice with different fields, first as {where}")
            return
        self._known[key] = (len(self._people.rows), given.where or given.word)
        self._people.rows.append(
            {
                "number": len(self._people.rows),
                "to_jid": to.jid,
                "to_phone": to.phone,
                "contact_name": to.name,
                "contact_id": contact,
                "fields": fields,
                "status": "waiting",
            }
        )

    def _resolve(self, word: str) -> Recipient:
        """Return the recipient that a word means; the directory of 10,000 contacts is read once."""
        if any(char.isalpha() for char in word) and "@" not in word:
            if self._directory is None:
                self._directory = recipients.directory(self._store)
            found = self._directory.get(fold_name(word), set())
            if len(found) == 1 and (phone := contacts.get(self._store, next(iter(found)))["phone"]):
                jid = canonical(self._store, jid_of_phone(phone))
                return Recipient(jid, phone, recipients.name_for(self._store, jid))
        return recipients.resolve(self._store, word, self._settings.region, self._me)

    def _fields(self, to: Recipient, given: Given) -> str | None:
        """Return the fields that the texts use, as JSON. Raise WaError for a missing one, or a long text."""
        if not self._names:
            return None
        local = (self._wish.start or self._now).astimezone(self._wish.zone)
        values = values_for(self._store, to, local)
        values.update({name.casefold(): value for name, value in given.fields.items()})
        values.update(self._wish.fields)
        values.update(given.fields)
        if absent := missing(self._names, values):
            shown = " and ".join(f"{{{name}}}" for name in absent)
            who = to.name or show_jid(to.jid)
            raise WaError("bad-data" if given.fields else "usage", f"{who} has no value for {shown}")
        used = {name: values[name] for name in sorted(self._names)}
        for part in self._wish.parts:
            if part.has_fields:
                checks.check_text(fill(part.text, used), may_be_empty=part.file is not None)
        return json.dumps(used, ensure_ascii=False)


def _all_of(faults: Sequence[tuple[str, str]]) -> WaError:
    """Return one error for all faults of a job's recipients."""
    shown = "; ".join(text for _, text in faults[:_SHOWN])
    if len(faults) > _SHOWN:
        shown += f"; and {len(faults) - _SHOWN} more"
    codes = {code for code, _ in faults}
    code = codes.pop() if len(codes) == 1 else "bad-data" if "bad-data" in codes else "recipient-not-found"
    return WaError(code, shown, "nothing was stored; mend these, then try again")
