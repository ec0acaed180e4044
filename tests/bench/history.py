"""Storing history: from a part as the library hands it over to the rows, beside raw executemany, in turns."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import corpus, parts
from bench.corpus import Corpus
from bench.subjects import Subject, Worker, each
from bench.table import Row, at_least, compared
from bench.turns import Tell
from wa.connection.context import system_now
from wa.connection.incoming.recorder import Recorder
from wa.jids import is_group
from wa.record.messages import PAD
from wa.store.database import Store
from wa.store.fold import fold
from wa.store.paths import Home
from wa.times import to_iso
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.neonize.library import library
from wa.whatsapp.neonize.reading import NeonizeReader

CHUNK = 10_000
"""Messages in a part of the history; after each, ours and the floor take turns."""
BATCH = 500
"""Rows in a transaction of the floor."""
GOAL = at_least(1.2)
PATIENCE = 120.0
SAME = (
    "SELECT count(*), sum(length(content)), sum(length(raw_proto)), sum(timestamp)"
    " FROM messages WHERE message_type != 'system'"
)

_MESSAGE = (
    "INSERT OR IGNORE INTO messages (id, chat_jid, message_id, sender, content, timestamp, is_from_me,"
    " message_type, status, quoted_id, raw_proto, source, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_TEXT = "INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)"
_CHAT = (
    "INSERT INTO chats (id, is_group, last_message_time, created_at, updated_at) VALUES (?,?,?,?,?)"
    " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at,"
    " last_message_time = max(coalesce(last_message_time, 0), excluded.last_message_time)"
)

Batch = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]


class Recording:
    """The thread of the listener that records what arrived, with the real library's decoder."""

    def __init__(self, path: str) -> None:
        home = Home(Path(path))
        library()
        self._woken, self._failed = threading.Event(), list[BaseException]()
        self._recorder = Recorder(home, NeonizeReader(home), system_now, self._woken.set, self._fail)
        self._store = Store(home)
        self._recorder.start()

    def _fail(self, error: BaseException) -> None:
        self._failed.append(error)
        self._woken.set()

    def add(self, file: str) -> float:
        """Hand over the part in a file as the library does; return the seconds until it is recorded."""
        payload = Path(file).read_bytes()
        gc.collect()
        began = time.perf_counter()
        self._recorder.keep("history", payload)
        while not self._is_recorded():
            if not self._woken.wait(PATIENCE) or self._failed:
                raise RuntimeError(f"the history is not recorded: {self._failed}")
            self._woken.clear()
        return time.perf_counter() - began

    def _is_recorded(self) -> bool:
        part = self._recorder.spool.history
        return part.place(self._store)[0] >= part.file.end

    def close(self) -> None:
        """Stop the thread."""
        self._recorder.finish(PATIENCE)
        self._store.close()


class Raw:
    """The same rows, ready-made, with nothing but sqlite3 at its default settings."""

    def __init__(self, home: Home, now: datetime) -> None:
        self._at = to_iso(now)
        self._conn = sqlite3.connect(home.store, isolation_level=None)
        self._conn.execute("PRAGMA foreign_keys=ON")
        self._conn.execute("PRAGMA synchronous=NORMAL")
        self._people = {corpus.hidden(person): person for person in corpus.people()}
        self._message = library().e2e.Message
        self._last = 0

    def add(self, chunk: Sequence[MessageReceived]) -> float:
        """Insert the messages; return the seconds, without those of making the rows."""
        batches = [self._rows(chunk[start : start + BATCH]) for start in range(0, len(chunk), BATCH)]
        gc.collect()
        began = time.perf_counter()
        for found, texts, chats in batches:
            self._conn.execute("BEGIN IMMEDIATE")
            self._conn.executemany(_MESSAGE, found)
            self._conn.executemany(_TEXT, texts)
            self._conn.executemany(_CHAT, chats)
            self._conn.execute("COMMIT")
        return time.perf_counter() - began

    def _rows(self, events: Sequence[MessageReceived]) -> Batch:
        found, texts = [], []
        newest: dict[str, int] = {}
        for event in events:
            self._last += 1
            found.append(self._row(event))
            if event.content:
                texts.append((self._last, fold(event.content) + PAD))
            newest[event.chat_jid] = max(newest.get(event.chat_jid, 0), event.timestamp)
        chats = [(chat, is_group(chat), stamp, self._at, self._at) for chat, stamp in newest.items()]
        return found, texts, chats

    def _row(self, event: MessageReceived) -> tuple[Any, ...]:
        raw = None
        if event.message_type in ("image", "voice"):
            message = self._message()
            parts.file(message, event)
            raw = message.SerializeToString()
        return (
            self._last,
            event.chat_jid,
            event.message_id,
            self._people.get(event.sender, event.sender),
            event.content,
            event.timestamp,
            event.is_from_me,
            event.message_type,
            "sent" if event.is_from_me else "read",
            event.quoted_id,
            raw,
            "history",
            self._at,
        )

    def stored(self) -> tuple[Any, ...]:
        """Return figures by which two stores with the same messages are alike."""
        return tuple(self._conn.execute(SAME).fetchone())

    def close(self) -> None:
        """Close the database."""
        self._conn.close()


def build(subjects: list[Subject], scratch: Path, count: int, tell: Tell) -> None:
    """Only make the stores."""
    _store(subjects, scratch, count, tell, with_floor=False)


def measure(subjects: list[Subject], scratch: Path, count: int, tell: Tell) -> list[Row]:
    """Make the stores of the checkouts and that of the floor; return the rows of the table."""
    taken = _store(subjects, scratch, count, tell, with_floor=True)
    rates = {name: [size / seconds for size, seconds in values] for name, values in taken.items()}
    what = f"history: {count:,} messages through spool and decoding"
    return [compared(what, "/s", rates["ours"], rates["floor"], rates.get("beside"), GOAL)]


def _store(
    subjects: list[Subject], scratch: Path, count: int, tell: Tell, *, with_floor: bool
) -> dict[str, list[tuple[int, float]]]:
    """Store the messages, everything in turns; return the messages and seconds of each turn."""
    encoder, file = parts.Encoder(), scratch / "history.part"
    for subject in subjects:
        subject.call("bench.homes:introduced", path=subject.home("big").path)
    workers: dict[str, Worker] = each(
        subjects, lambda one: Worker(one, "bench.history:Recording", path=one.home("big").path)
    )
    taken: dict[str, list[tuple[int, float]]] = {name: [] for name in workers}
    raw = None
    if with_floor:
        home = Home(scratch / "raw")
        subjects[0].call("bench.homes:introduced", path=home.path)
        raw = Raw(home, system_now())
        taken["floor"] = []
    done = 0
    for number, chunk in enumerate(Corpus(count).chunks(CHUNK)):
        done += len(chunk)
        file.write_bytes(encoder.part(chunk, 99 * done // count))
        for name in list(taken) if number % 2 else reversed(taken):
            seconds = raw.add(chunk) if name == "floor" and raw else workers[name].do("add", file=file)
            taken[name].append((len(chunk), seconds))
        if number % 10 == 9:
            tell(f"history: {done:,} stored, {_rate(taken['ours']):,.0f}/s")
    for worker in workers.values():
        worker.close()
    os.unlink(file)
    if raw is not None:
        _check(subjects, raw)
        raw.close()
    return taken


def _rate(values: list[tuple[int, float]]) -> float:
    return sum(size for size, _ in values) / sum(seconds for _, seconds in values)


def _check(subjects: list[Subject], raw: Raw) -> None:
    """Raise RuntimeError unless the checkouts stored what the floor stored."""
    for subject in subjects:
        conn = sqlite3.connect(subject.home("big").store)
        found = tuple(conn.execute(SAME).fetchone())
        conn.close()
        if found != raw.stored():
            raise RuntimeError(f"{subject.name} stored {found}, the floor {raw.stored()}")
