"""What one person writes in quick succession, handed over as one event: hooks with `--settle`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wa.as_json import public, to_json
from wa.errors import WaError
from wa.record import messages
from wa.store.database import Row, Store

MOST_MESSAGES = 50
"""Messages of one event."""
MOST_WAITS = 10
"""Somebody who writes without end is heard after so many times the pause that a hook waits for."""
LONGEST = timedelta(hours=1)
_ROUNDED = timedelta(seconds=1)
"""The time at which a message was written is known to the second."""
_TEXTS = ("content", "details", "message")


@dataclass
class Window:
    """How long a hook waits for the next message of a person."""

    settle: timedelta
    begun: datetime
    """When the first message was recorded."""
    last: datetime
    """When the newest was recorded."""
    written: datetime
    """When the newest was written: what waited on the server while the line was down comes all at once."""
    left: int = MOST_MESSAGES - 1
    """Messages that may still join."""

    def end(self) -> datetime:
        """Return when it is over if nothing more comes."""
        return min(self.last + self.settle, self.begun + MOST_WAITS * self.settle)

    def takes(self, at: datetime, written: datetime) -> bool:
        """Return whether a message that was recorded and written at these times joins."""
        return self.left > 0 and at < self.end() and abs(written - self.written) <= self.settle + _ROUNDED

    def is_over(self, now: datetime) -> bool:
        """Return whether nothing more joins; so it is too if the clock was set back far behind the newest."""
        return not (self.left > 0 and self.last - self.settle <= now < self.end())


def check(settle: float, max_age: float) -> None:
    """Raise WaError `usage` if a hook cannot wait for so many seconds: what it hears would be late always."""
    if settle > LONGEST.total_seconds():
        raise WaError("usage", "--settle is an hour at most", "a few seconds: --settle 5s")
    if settle and settle >= max_age:
        hint = "make --settle shorter, or --max-age longer"
        raise WaError("usage", "with --settle as long as --max-age, every event would be late", hint)


def event_of(store: Store, number: int, lines: Sequence[Row], *, late: bool) -> str:
    """Return messages, lines of the log in order, as one JSON object, with the id `number`.

    Its data is the newest message, with all in `messages`, each as it is now: an edit is in it.
    """
    found = {line["row_id"]: _now(store, line) for line in lines}
    return text_of(number, lines[-1]["at"], list(found.values()), late=late)


def text_of(number: int, at: str, rows: list[Row], *, late: bool) -> str:
    """Return rows of messages as one event."""
    data = {**rows[-1], "messages": rows}
    return to_json({"type": "message", "id": number, "at": at, "late": late, "data": data})


def _now(store: Store, line: Row) -> Row:
    """Return the message of a line as it is now; as it was then if it is no longer stored."""
    found = messages.about(store, line["chat_jid"], line["message_id"])
    if found is None:
        told: Row = json.loads(line["data"])
        return told
    return public(messages.with_reactions(store, [found])[0])


def messages_of(data: Row) -> list[Row]:
    """Return the messages of an event's data, the oldest first."""
    found: list[Row] = data.get("messages") or [data]
    return found


def readable(data: Row) -> Row:
    """Return the newest message of an event that is not a stand-in for one to come; the newest if all are."""
    return next((each for each in messages_of(data)[::-1] if each["unavailable"] is None), data)


def without_deleted(store: Store, text: str) -> str:
    """Return an event of several messages without what those said that are deleted by now."""
    event = json.loads(text)
    for each in messages_of(event["data"]):
        now = messages.find(store, each["chat_jid"], each["message_id"])
        if now is not None and now["deleted_at"]:
            forget(event["data"], each["message_id"], now["deleted_at"])
    return to_json(event)


def forget(data: Any, message_id: str, deleted_at: str) -> None:
    """Remove from an event's data what a message said."""
    for each in (data, *data.get("messages", ())):
        if each.get("message_id") == message_id:
            each |= {name: None for name in _TEXTS if name in each} | {"deleted_at": deleted_at}
            each.pop("poll", None)
    data.pop("session", None)
