"""Fields of the library's messages in our form: addresses and the people behind them, times, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from wa.jids import is_lid, known_server, phone_of_jid
from wa.times import to_iso
from wa.whatsapp.events import Event, JidMapped

PhoneOf = Callable[[str], "str | None"]  # returns the phone JID that a hidden id stands for, if known


def jid_text(jid: Any) -> str:
    """Return a JID as `user@server`, without its device; '' for an empty one."""
    return bare_jid(f"{text_of(jid.User)}@{text_of(jid.Server)}") if jid.User else ""


@lru_cache(maxsize=1024)  # a history names the same few people in each message
def bare_jid(jid: Any) -> str:
    """Return a JID's text without its device, at the server under which we know it."""
    user, at, server = text_of(jid).partition("@")
    return user.partition(":")[0] + at + known_server(server)


def seconds_of(time: int) -> int:
    """Return Unix seconds, from seconds or milliseconds; 0 for an impossible time."""
    seconds = time // 1000 if time > 10**11 else time  # in seconds the year 5138, in milliseconds 1973
    return seconds if 0 < seconds <= 10**11 else 0


def name_of(text: Any) -> str | None:
    """Return the name that a person chose, None if it is empty."""
    return None if (name := text_of(text)) in ("", "-") else name


def text_of(text: Any) -> str:
    """Return a text field as str; the library gives one that is not UTF-8 as bytes."""
    if isinstance(text, str):
        return text
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def encodable(text: str) -> str:
    """Return a text without the halves of characters that JSON can make: nothing can store them."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Content:
    """What is made of a message's content."""

    kind: str
    """One of the types of `messages.message_type`."""
    text: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """Values for `messages.details`."""
    quoted_id: str | None = None
    """The id of the message that this one is about, beside an answer's quote."""


def lines(*parts: str | None) -> str:
    """Return the parts that are not empty, each on a line of its own."""
    return "\n".join(filter(None, parts))


def labelled(label: str, value: str) -> str:
    """Return `label: value`, or the one of them that there is."""
    return ": ".join(filter(None, (label, value)))


def id_of(key: Any) -> str | None:
    """Return the id of the message that a key names, None if it names none."""
    return text_of(key.ID) or None


def known(**values: Any) -> dict[str, Any]:
    """Return the values that are neither 0, nor empty, nor None."""
    return {name: value for name, value in values.items() if value}


def mapped(
    pairs: Iterable[tuple[str, str]], people: Iterable[str] = (), phone_of: PhoneOf = lambda _: None
) -> list[Event]:
    """Return the pairs of a hidden id and a phone JID, in either order, and those known for `people`."""
    both = (each for pair in pairs for each in (pair, pair[::-1]))
    found = {lid: phone for lid, phone in both if is_lid(lid) and phone_of_jid(phone)}
    for jid in people:
        if is_lid(jid) and jid not in found and (phone := phone_of(jid)):
            found[jid] = phone
    return [JidMapped(lid, phone) for lid, phone in found.items()]


def iso_times(**times: int) -> dict[str, str]:
    """Return times, given in Unix seconds or milliseconds, in ISO form; impossible ones are left out."""
    found = {}
    for name, time in times.items():
        with suppress(ValueError, OverflowError):  # after the year 9999
            if seconds := seconds_of(time):
                found[name] = to_iso(datetime.fromtimestamp(seconds, timezone.utc))
    return found
