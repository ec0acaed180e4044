"""Pruning: old messages go to an archive, which is checked, and are then removed from the store.

A message is removed only if it still is what the archive holds of it, with its reactions and receipts; one
that was changed meanwhile stays for the next time. So it is in the store or in an archive that opens, or in
both, whenever the process is killed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from wa.record import chats, polls, responses, write
from wa.record.events import log
from wa.record.messages import START, moment
from wa.record.retention import archive, files, ledger, lines
from wa.record.retention.lock import alone
from wa.store.database import Row, Store
from wa.store.rewrites import Shelf, forget_old, old_rows, still_needed
from wa.times import parse_duration, to_iso

YEAR = timedelta(days=365)
"""The time for which jobs, series and rows of the queue are kept after they ended."""
BATCH = 100
"""Rows that are read, or removed, at once."""
_BY_ID = "SELECT * FROM messages WHERE id = ?"
_NOTHING = re.compile(r"0+ ?[smhdw]?", re.IGNORECASE)


def age(text: str) -> timedelta:
    """Return a duration, `0d` too. Raise WaError `usage` for any other text that is none."""
    return timedelta() if _NOTHING.fullmatch(text.strip()) else parse_duration(text)


def _no_pause() -> None:
    """Go on at once."""


@dataclass
class Pruning:
    """A run: what it is to prune, and what it has pruned so far."""

    store: Store
    before: datetime
    """Messages that were sent before this moment are pruned."""
    now: datetime
    chat: str | None = None
    with_archive: bool = True
    with_files: bool = False
    old: datetime | None = None
    """Rows of other tables that were done with before this moment are pruned; none of them if None."""
    advance: Callable[[int], object] = lambda count: None
    """Called with the number of rows handled since the last call; each is handled up to twice."""
    pause: Callable[[], None] = _no_pause
    """Called between two batches; what it raises ends the run."""
    path: Path | None = field(default=None, init=False)
    messages: int = field(default=0, init=False)
    size: int = field(default=0, init=False)
    rows: dict[str, int] = field(default_factory=dict, init=False)
    kept: int = field(default=0, init=False)
    first: int | None = field(default=None, init=False)
    last: int | None = field(default=None, init=False)
    of_chats: set[str] = field(default_factory=set, init=False)
    removed_files: files.Removed = field(default_factory=files.Removed, init=False)

    def run(self) -> Row:
        """Prune, and return the report. Raise WaError `in-use` and `storage-error`."""
        with alone(self.store.home):
            archive.remove_left(self.store.home)
            files.remove_left(self.store)
            if not self.with_archive:
                self._remove_all()
            elif (written := self._archive()) is not None:
                self._forget_counts()
                self.path = written
                self._remove_archived(written)
            self._finish()
            return self.report() | {"archive": str(self.path) if self.path else None}

    def rehearse(self) -> Row:
        """Return what `run` would report, without its archive; nothing is written."""
        for _ in self._lines():
            pass
        return self.report()

    def total(self) -> int:
        """Return the number of messages that are old enough, for a progress bar."""
        of_chat = "" if self.chat is None else "chat_jid = :chat AND "
        sql = f"SELECT count(*) FROM messages WHERE {of_chat}timestamp < :before"
        return int(self.store.value(sql, {"before": self._seconds, "chat": self.chat}))

    def report(self) -> Row:
        """Return what was pruned."""
        first, last = (None if at is None else to_iso(moment(at)) for at in (self.first, self.last))
        return {
            "before": to_iso(self.before),
            "chat_jid": self.chat,
            "messages": self.messages,
            "chats": len(self.of_chats),
            "first_at": first,
            "last_at": last,
            "size_bytes": self.size,
            "kept": self.kept,
            "rows": self.rows,
            "files": self.removed_files.count,
            "files_bytes": self.removed_files.size,
        }

    @property
    def _seconds(self) -> float:
        return self.before.timestamp()

    # ── What is old enough ──────────────────────────────────────────────────────────────────────────

    def _lines(self) -> Iterator[str]:
        """Yield the lines of all that is old enough and not needed any more, and count it."""
        for page in self._pages():
            for row in page:
                line = lines.of_message(self.store, row)
                self._count(row, len(line.encode()))
                yield line
            self.advance(len(page))
            self.pause()
        for shelf in self._shelves():
            for rows in shelf.pages(self.store, BATCH):
                for row in rows:
                    line = lines.of_row(shelf.table, row)
                    self.rows[shelf.table] = self.rows.get(shelf.table, 0) + 1
                    self.size += len(line.encode())
                    yield line
                self.pause()

    def _shelves(self) -> list[Shelf]:
        found: list[Shelf] = []
        if self.old is not None and self.chat is None:
            old_rows.run(self.store, found, to_iso(self.old), self._seconds)
        return found

    def _pages(self) -> Iterator[list[Row]]:
        """Yield the messages that are old enough and not needed any more, the oldest first."""
        place = START
        of_chat = "" if self.chat is None else "chat_jid = :chat AND "
        sql = (
            f"SELECT * FROM messages WHERE {of_chat}timestamp < :before AND (timestamp, id) > (:time, :id)"
            " ORDER BY timestamp, id LIMIT :limit"
        )
        params = {"before": self._seconds, "chat": self.chat, "limit": BATCH}
        while page := self.store.rows(sql, {**params, "time": place[0], "id": place[1]}):
            place = (page[-1]["timestamp"], page[-1]["id"])
            needed = _needed(self.store, page)
            self.kept += len(needed)
            yield [row for row in page if row["id"] not in needed]

    def _count(self, row: Row, size: int) -> None:
        at = row["timestamp"]
        self.messages += 1
        self.size += size
        self.of_chats.add(row["chat_jid"])
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)

    def _forget_counts(self) -> None:
        """Begin to count anew: what was changed since it was archived is not removed."""
        self.messages = self.size = 0
        self.first = self.last = None
        self.rows, self.of_chats = {}, set()

    # ── Archiving and removing ──────────────────────────────────────────────────────────────────────

    def _archive(self) -> Path | None:
        head = {
            "home": archive.home_id(self.store),
            "made_at": to_iso(self.now),
            "before": to_iso(self.before),
            "chat_jid": self.chat,
        }
        return archive.write(self.store.home, head, self._lines(), self.now)

    def _remove_archived(self, path: Path) -> None:
        """Remove what an archive holds, unless it was changed since."""
        shelves = {shelf.table: shelf for shelf in self._shelves()}
        for kind, batch in lines.batches(archive.read(path), BATCH, lines.type_and_size):
            if kind == lines.MESSAGE:
                self._remove_messages({lines.parsed(line)["id"]: line for line in batch})
            else:
                rows = [lines.taken_apart(lines.parsed(line))[0] for line in batch]
                self._remove_rows(shelves[kind], rows)
            self.advance(len(batch))
            self.pause()

    def _remove_all(self) -> None:
        """Remove what is old enough, without an archive."""
        found = (row for page in self._pages() for row in page)
        for _, batch in lines.batches(found, BATCH, lambda row: ("", len(row["content"] or ""))):
            self._remove_messages(dict.fromkeys(row["id"] for row in batch))
            self.advance(2 * len(batch))
            self.pause()
        for shelf in self._shelves():
            for rows in shelf.pages(self.store, BATCH):
                self._remove_rows(shelf, rows)
                self.pause()

    def _finish(self) -> None:
        """Note that this is done, and delete what no archive needs."""
        for shelf in self._shelves():
            shelf.done(self.store)
        if self.old is not None and self.chat is None:
            forget_old.run(self.store, to_iso(self.old))

    def _remove_messages(self, archived: dict[int, bytes | None]) -> None:
        """Remove messages that are what their lines say, or that have None in place of a line.

        They are compared before the write lock is taken, and again if the store has changed since.
        """
        store = self.store
        seen = store.version()
        gone = _unchanged(store, archived)
        with store.write(durable=False):
            if store.version() != seen:
                gone = _unchanged(store, archived)
            rows = [row for row, _ in gone]
            ledger.add(store, rows)
            responses.forget(store, rows)
            polls.forget(store, rows)
            log.forget(store, rows)
            write.remove_many(store, [row["id"] for row in rows])
            for chat in {row["chat_jid"] for row in rows if row["status"] == "received"}:
                chats.count_unread(store, chat)
            if self.with_files:
                files.note(store, [row["media_path"] for row in rows if row["media_path"]])
        for row, size in gone:
            self._count(row, size)
        if self.with_files:
            files.remove_noted(store, self.removed_files)

    def _remove_rows(self, shelf: Shelf, rows: list[Row]) -> None:
        """Remove rows of another table that are what they were."""
        with self.store.write(durable=False):
            removed = shelf.remove(self.store, rows)
        if removed:
            self.rows[shelf.table] = self.rows.get(shelf.table, 0) + removed


def _unchanged(store: Store, archived: dict[int, bytes | None]) -> list[tuple[Row, int]]:
    """Return the messages that are what their lines say and that nobody needs, and the bytes of each line."""
    rows = [row for number in archived if (row := store.row(_BY_ID, [number]))]
    needed = _needed(store, rows)
    found = ((row, lines.of_message(store, row).encode()) for row in rows if row["id"] not in needed)
    return [(row, len(line)) for row, line in found if archived[row["id"]] in (None, line + b"\n")]


def _needed(store: Store, rows: Sequence[Row]) -> set[int]:
    """Return the ids of the messages that somebody still needs."""
    found: set[int] = set()
    still_needed.run(store, rows, found)
    return found
