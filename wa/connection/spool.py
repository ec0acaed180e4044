"""The spool: raw events as they arrived, stored at once, and removed when they are recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from wa.store.database import Row, Store
from wa.times import to_iso

HISTORY = "history"
"""The kind of a raw event that holds a part of the history, perhaps thousands of messages."""
HELD_BACK_SECONDS, PAUSE_SECONDS, GIVE_WAY = 0.2, 0.03, 0.001
_WAITING = "SELECT id, kind, payload, position FROM spool WHERE error IS NULL"


def append(store: Store, kind: str, payload: bytes, now: datetime) -> None:
    """Store a raw event: once this has returned, a kill cannot lose it.

    This does nothing else, for events that wait in the transport meanwhile are
    lost if the process dies.
    """
    with store.write(durable=False):
        store.execute(
            "INSERT INTO spool (kind, payload, received_at) VALUES (?, ?, ?)", [kind, payload, to_iso(now)]
        )


def waiting(store: Store, limit: int) -> list[Row]:
    """Return the oldest events that wait to be recorded, without parts of the history."""
    return store.rows(f"{_WAITING} AND kind != '{HISTORY}' ORDER BY id LIMIT ?", [limit])


def history_part(store: Store) -> Row | None:
    """Return the oldest part of the history that waits to be recorded."""
    return store.row(f"{_WAITING} AND kind = '{HISTORY}' ORDER BY id LIMIT 1")


def remove(store: Store, number: int) -> None:
    """Remove an event, in the transaction that records it."""
    store.execute("DELETE FROM spool WHERE id = ?", [number])


def set_position(store: Store, number: int, position: int) -> None:
    """Store how many steps of a part of the history are recorded, in the transaction of the last one."""
    store.execute("UPDATE spool SET position = ? WHERE id = ?", [position, number])


def set_aside(store: Store, number: int, error: Exception) -> None:
    """Store the reason why an event cannot be recorded; it stays, and later events are recorded."""
    reason = f"{type(error).__name__}: {error}"[:500]
    store.execute("UPDATE spool SET error = ? WHERE id = ?", [reason, number])


def count(store: Store) -> int:
    """Return the number of events not recorded yet, including those that cannot be recorded."""
    return int(store.value("SELECT count(*) FROM spool"))


def stuck(store: Store) -> list[str]:
    """Return the reasons why events cannot be recorded, one for each event, up to a thousand."""
    rows = store.rows("SELECT kind, error FROM spool WHERE error IS NOT NULL ORDER BY id LIMIT 1000")
    return [f"{row['kind']}: {row['error']}" for row in rows]


def retry_stuck(store: Store) -> None:
    """Mark events that could not be recorded to be tried again: this version may be able to."""
    with store.write():
        store.execute("UPDATE spool SET error = NULL WHERE error IS NOT NULL")


class WriteOrder:
    """The order of two writers in one process: appending an event goes before recording older ones.

    Without it, SQLite lets a waiting writer sleep for a while. Meanwhile events
    collect in the library's memory, and a kill loses them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event_waits = threading.Event()
        self._last = 0.0

    @contextmanager
    def append(self) -> Iterator[None]:
        """Hold the order while an event is appended."""
        self._event_waits.set()
        try:
            with self._lock:
                yield
        finally:
            self._last = time.monotonic()
            self._event_waits.clear()

    @contextmanager
    def record(self) -> Iterator[None]:
        """Hold the order while events are recorded; it begins a little later while more events arrive."""
        begin = time.monotonic()
        while self.event_waits() or (
            time.monotonic() - self._last < PAUSE_SECONDS and time.monotonic() - begin < HELD_BACK_SECONDS
        ):
            time.sleep(GIVE_WAY)
        with self._lock:
            yield

    def event_waits(self) -> bool:
        """Return whether an event waits to be appended."""
        return self._event_waits.is_set()
