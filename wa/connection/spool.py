"""The spool: events as they arrived, appended at once to a file, and recorded later.

There are two files: parts of the history, which may take minutes to record, have their own, so that
live events do not wait behind them. The store holds how far each file is recorded (the offset, for a
part of the history the position in it), written in the transaction that records the events. What cannot
be recorded moves to the table `stuck`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from wa.connection.incoming import file
from wa.connection.incoming.file import DAMAGED, Record, SpoolFile
from wa.store.database import Store
from wa.store.files import storage_error
from wa.store.locks import lock_holder
from wa.store.open import fault_of
from wa.store.paths import Home
from wa.times import from_iso, to_iso

HISTORY = "history"
"""The kind of a raw event that holds a part of the history, perhaps thousands of messages."""
LIVE_PLACE, HISTORY_PLACE = "spool", "spool_history"
"""The keys in the table `state` of how far the two files are recorded."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Part:
    """One of the two files, and how far it is recorded.

    `key` is the key in the table `state`: {"generation", "offset", "step"}.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.file = SpoolFile(path)
        self.key = key

    def place(self, store: Store) -> tuple[int, int]:
        """Return the offset of the next record, and how many steps of it are recorded."""
        known = store.state().get(self.key, {})
        offset = known.get("offset", 0)
        start = self.file.start(known.get("generation"), offset)
        return start, known.get("step", 0) if start == offset else 0

    def set_place(self, store: Store, offset: int, position: int = 0) -> None:
        """Store what `place` returns, in the transaction that records the events before it."""
        known = {"generation": self.file.generation, "offset": offset, "step": position}
        store.set_state(self.key, known)

    def begin_anew(self, store: Store, offset: int) -> None:
        """Begin a large file anew when all of it is recorded, in a store that is in its place."""
        if offset < file.ANEW or offset != self.file.end or fault_of(store) is not None:
            return
        with store.write():  # a power cut must not undo what is no longer in the file
            self.set_place(store, offset)
        self.file.begin_anew(offset)


class Spool:
    """The files of a home, opened by the holder of the session lock. Raise WaError `storage-error`."""

    def __init__(self, home: Home) -> None:
        try:
            self.live = Part(home.spool, LIVE_PLACE)
            self.history = Part(home.spool_history, HISTORY_PLACE)
        except OSError as error:
            raise storage_error(error, home.spool) from error
        self._parts = (self.live, self.history)

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.file.close()

    def append(self, kind: str, payload: bytes, now: datetime) -> None:
        """Append a raw event: once this has returned, a kill cannot lose it.

        This does nothing else, for events that wait in the transport meanwhile are lost if the process
        dies. While the file cannot be written, the event waits in memory, and `trouble` is the reason.
        """
        part = self.history if kind == HISTORY else self.live
        part.file.append(kind, payload, (now - _EPOCH) // timedelta(milliseconds=1))

    @property
    def trouble(self) -> OSError | None:
        """The reason why events wait in memory; None while the files can be written."""
        return self.live.file.trouble or self.history.file.trouble

    def write_waiting(self) -> bool:
        """Append the events that wait in memory. Return whether none is left."""
        return all(part.file.write_waiting() for part in self._parts)

    def is_in_place(self) -> bool:
        """Return whether the files are still those in the home."""
        return all(part.file.is_in_place() for part in self._parts)

    def retry_stuck(self, store: Store) -> None:
        """Append the events that could not be recorded once more: this version may be able to."""
        last = store.value("SELECT max(id) FROM stuck WHERE kind != ?", [DAMAGED])
        number = 0
        while row := store.row(
            "SELECT * FROM stuck WHERE kind != ? AND id > ? AND id <= ? ORDER BY id LIMIT 1",
            [DAMAGED, number, last],
        ):
            number = row["id"]
            self.append(row["kind"], row["payload"], from_iso(row["received_at"]))
        if last is None or not self.write_waiting():
            return
        for part in self._parts:
            part.file.sync()
        with store.write():
            store.execute("DELETE FROM stuck WHERE kind != ? AND id <= ?", [DAMAGED, last])


def set_aside(store: Store, record: Record, error: Exception, now: datetime) -> None:
    """Store an event that cannot be recorded, with the reason, in the transaction that moves on behind it."""
    at = to_iso(_EPOCH + timedelta(milliseconds=record.at)) if record.at else to_iso(now)
    reason = f"{type(error).__name__}: {error}"[:500]
    store.insert(
        "stuck", {"kind": record.kind, "payload": record.payload, "error": reason, "received_at": at}
    )


def count(store: Store) -> int:
    """Return the number of events not recorded yet, including those that cannot be recorded."""
    waiting = sum(file.waiting(*each)[0] for each in _files(store))
    return waiting + int(store.value("SELECT count(*) FROM stuck"))


def oldest(store: Store) -> datetime | None:
    """Return when the oldest live event that is not recorded yet arrived; None if none waits."""
    _, since = file.waiting(*_files(store)[0])
    return _EPOCH + timedelta(milliseconds=since) if since else None


def damage(store: Store) -> int:
    """Return how many bytes of the files cannot be read, and wait to be set aside by the next owner."""
    if _is_appended_to(store) or not (found := sum(file.damage(*each) for each in _files(store))):
        return 0
    return 0 if _is_appended_to(store) else found


def _is_appended_to(store: Store) -> bool:
    """Return whether there is an owner, which may be in the middle of an append."""
    return lock_holder(store.home.session_lock) is not None


def _files(store: Store) -> list[tuple[Path, str | None, int]]:
    """Return the path of each file, with the generation and the offset up to which it is recorded."""
    state = store.state()
    paths = ((store.home.spool, LIVE_PLACE), (store.home.spool_history, HISTORY_PLACE))
    places = ((path, state.get(key, {})) for path, key in paths)
    return [(path, place.get("generation"), place.get("offset", 0)) for path, place in places]


def stuck(store: Store) -> list[str]:
    """Return the reasons why events cannot be recorded, one for each event, up to a thousand."""
    rows = store.rows("SELECT kind, error FROM stuck ORDER BY id LIMIT 1000")
    return [f"{row['kind']}: {row['error']}" for row in rows]
