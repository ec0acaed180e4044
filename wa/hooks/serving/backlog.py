"""What one hook has yet to hear: the events behind its place in the log, and which of them are due.

In memory are MOST_KNOWN hand-overs at most; of each, the ids of its events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wa.hooks import deliveries, table, wanted
from wa.hooks.bursts import Window
from wa.record.events import log as events
from wa.record.messages import moment
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.times import from_iso

MOST_KNOWN, AT_A_TIME = 500, 100
"""Hand-overs that are known and not done; when there are fewer, a hook reads on, so many lines."""
AGAIN_MOST = timedelta(hours=1)
"""The longest time to the next attempt."""
LAZY = 200
"""Events that do not concern a hook which it passes before that is noted."""


@dataclass
class Known:
    """An event that is to be handed over; or several messages, as one event with the id of the first."""

    chat: str
    not_before: datetime | None = None
    numbers: list[int] = field(default_factory=list)
    """The ids of its events in the log."""
    window: Window | None = None
    """For how long further messages of the person join it; None when nothing joins it any more."""
    is_running: bool = False
    delivery: Row = field(default_factory=dict)
    is_late: bool = False
    text: str = ""
    """The event as JSON: while it is handed over, and of one that was set aside before."""
    is_old: bool = False
    """Whether it was set aside before."""


class Backlog:
    """The events that a hook has yet to hear, by their ids, in order."""

    def __init__(self, hook: Row) -> None:
        self.known: dict[int, Known] = {}
        self.read_to = hook["cursor"]
        self._hook, self._noted_to = hook, hook["cursor"]
        self._settle = timedelta(seconds=hook["settle"])
        self._open: dict[tuple[str, str], Known] = {}
        """By chat and person, what further messages may join."""

    def is_empty_up_to(self, newest: int) -> bool:
        """Return whether all events up to a place are handed over, or are to be handed over later."""
        if self.read_to < newest:
            return False
        # Afterwards: what was read in between is known by now.
        return not any(each.is_running or each.not_before is None for each in list(self.known.values()))

    def running(self) -> int:
        """Return how many are being handed over."""
        return sum(each.is_running for each in self.known.values())

    def due(self, now: datetime) -> Iterator[tuple[int, Known]]:
        """Yield what may be handed over now: of each chat the first that is left."""
        begun = set[str]()
        for number, each in list(self.known.items()):
            is_first = each.chat not in begun
            begun.add(each.chat)
            if is_first and not each.is_running and is_due(each, now):
                yield number, each

    def pause(self, now: datetime, most: float) -> float:
        """Return the seconds until something is due that nothing but its time keeps back; `most` at most."""
        ends = [each.window.end() for each in self.known.values() if each.window is not None]
        return min([most, *((end - now).total_seconds() for end in ends if end > now)])

    def fill(self, store: Store, now: datetime) -> None:
        """Read on in the log while there is room, and take up one event that the user wants tried again."""
        while len(self.known) < MOST_KNOWN and self.read_on(store):
            pass
        found = deliveries.next_failed(store, self._hook["id"], now)
        if found is not None and found["event_id"] not in self.known:
            again = Known(found["chat_jid"] or "", text=found["event"], is_old=True)
            self.known[found["event_id"]] = again

    def read_on(self, store: Store) -> bool:
        """Read the next lines of the log. Return whether there may be more."""
        hook, newest = self._hook, events.newest(store)
        oldest = events.oldest(store)  # afterwards: what comes in between was not deleted
        first = newest + 1 if oldest is None else oldest
        if first > self.read_to + 1 and not self.known:
            with store.write():
                table.note_missed(store, hook["id"], first - 1, first - 1 - self.read_to)
            self.read_to = first - 1
        lines = events.after(store, self.read_to, AT_A_TIME, types=hook["events"])
        settled = deliveries.settled_behind(store, hook["id"], self.read_to) if lines else set()
        begun = deliveries.begun(store, hook["id"]) if lines else {}
        for line in lines:
            if line["id"] not in settled:
                self._take(store, line, begun.get(line["id"]))
        is_full = len(lines) == AT_A_TIME
        self.read_to = lines[-1]["id"] if is_full else max(newest, self.read_to, *(e["id"] for e in lines))
        if not self.known and self.read_to - self._noted_to >= LAZY:
            with store.write(durable=False):
                self.pass_on(store)
        return is_full

    def _take(self, store: Store, line: Row, begun: Row | None) -> None:
        """Take a line of the log that the hook may want; `begun` is what is noted of an attempt before."""
        number, chat = line["id"], line["chat_jid"] or ""
        first = self.known.get(begun["folded_into"]) if begun else None
        if first is not None:
            first.numbers.append(number)
            return
        if not wanted.is_wanted(store, self._hook, line):
            return
        made = Known(chat, numbers=[number])
        if begun is not None:  # what was handed over under this id stays what it was
            made.not_before = from_iso(begun["next_at"]) if begun["next_at"] else None
        elif self._settle and line["type"] == "message":
            data = json.loads(line["data"])
            key = (chat, canonical(store, data["sender"]))
            at, written = from_iso(line["at"]), moment(data["timestamp"])
            earlier = self._open.get(key)
            if earlier is not None and earlier.window is not None and earlier.window.takes(at, written):
                earlier.numbers.append(number)
                earlier.window.last, earlier.window.written = at, written
                earlier.window.left -= 1
                return
            made.window = Window(self._settle, at, at, written)
            self._open[key] = made
        self.known[number] = made

    def begin(self, known: Known) -> None:
        """Let nothing more join what is about to be handed over."""
        known.window = None
        self._open = {key: each for key, each in self._open.items() if each.window is not None}

    def pass_on(self, store: Store, done: int | None = None) -> None:
        """Note, in the transaction, that the hook is done with `done`, and all before what is left."""
        left = [number for number, each in self.known.items() if not each.is_old and number != done]
        place = min(left) - 1 if left else self.read_to
        table.pass_to(store, self._hook["id"], place)
        self._noted_to = max(place, self._noted_to)


def is_due(known: Known, now: datetime) -> bool:
    """Return whether an event may be handed over; at a time too far away too: the clock was set back."""
    if known.window is not None:
        return known.window.is_over(now)
    at = known.not_before
    return at is None or not now < at <= now + AGAIN_MOST
