"""Storing history: our store beside the same rows by raw executemany, in turns."""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import corpus
from bench.corpus import Corpus
from bench.table import Row
from wa.connection import apply
from wa.connection.context import system_now
from wa.jids import is_group, phone_of_jid
from wa.people import edit
from wa.record import write
from wa.record.messages import PAD
from wa.store.database import BATCH, Store
from wa.store.fold import fold
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import to_iso
from wa.whatsapp.events import GroupInfo, JidMapped, MessageReceived, Named

CHUNK = 10_000
"""Messages after which ours and the floor take turns."""
GOAL_RATIO, GOAL_RATE = 0.7, 10_000

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


class Ours:
    """The store, filled through our own functions."""

    def __init__(self, home: Home, now: datetime) -> None:
        self._now = now
        home.prepare()
        self._store = open_store(home)
        with self._store.write(durable=False):
            _introduce(self._store, now)

    def add(self, chunk: Sequence[MessageReceived]) -> float:
        """Record the messages; return the seconds."""
        began = time.perf_counter()
        for start in range(0, len(chunk), BATCH):
            with self._store.write(durable=False):
                write.record_many(self._store, chunk[start : start + BATCH], "history", self._now)
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class Raw:
    """The same rows, ready-made, with nothing but sqlite3."""

    def __init__(self, home: Home, now: datetime) -> None:
        self._at = to_iso(now)
        Ours(home, now).close()
        self._conn = sqlite3.connect(home.store, isolation_level=None)
        self._conn.execute("PRAGMA foreign_keys=ON")
        self._conn.execute("PRAGMA synchronous=NORMAL")
        self._people = {corpus.hidden(person): person for person in corpus.people()}
        self._last = 0

    def add(self, chunk: Sequence[MessageReceived]) -> float:
        """Insert the messages; return the seconds, without those of making the rows."""
        batches = [self._rows(chunk[start : start + BATCH]) for start in range(0, len(chunk), BATCH)]
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
            event.raw,
            "history",
            self._at,
        )

    def close(self) -> None:
        """Close the database."""
        self._conn.close()


def _introduce(store: Store, now: datetime) -> None:
    """Record contacts, push names, hidden ids and groups."""
    for number, person in enumerate(corpus.people()):
        name = corpus.name_of(number)
        apply.apply_event(store, JidMapped(corpus.hidden(person), person), now)
        apply.apply_event(store, Named(person, name), now)
        if number % 3:
            edit.add(store, name, [str(phone_of_jid(person))], now, region=None)
    for number, group in enumerate(corpus.groups()):
        members = tuple((person, "member") for person in corpus.people()[number : number + 12])
        apply.apply_event(store, GroupInfo(group, f"Group {number}", members), now)


def build(home: Home, count: int, tell: Callable[[str], None]) -> None:
    """Only make the store."""
    ours = Ours(home, system_now())
    for number, chunk in enumerate(Corpus(count).chunks(CHUNK), 1):
        ours.add(chunk)
        if number % 10 == 0:
            tell(f"history: {number * CHUNK:,} stored")
    ours.close()


def measure(home: Home, scratch: Path, count: int, tell: Callable[[str], None]) -> list[Row]:
    """Make our store and the floor's; return the rows of the table."""
    now = system_now()
    ours, raw = Ours(home, now), Raw(Home(scratch / "raw"), now)
    spent, least = 0.0, 0.0
    for number, chunk in enumerate(Corpus(count).chunks(CHUNK), 1):
        gc.collect()
        turns = [ours.add, raw.add] if number % 2 else [raw.add, ours.add]
        seconds = {turn: turn(chunk) for turn in turns}
        spent, least = spent + seconds[ours.add], least + seconds[raw.add]
        if number % 10 == 0:
            tell(f"history: {number * CHUNK:,} stored, {number * CHUNK / spent:,.0f}/s")
    ours.close()
    raw.close()
    return _report(count, count / spent, count / least)


def _report(count: int, rate: float, floor: float) -> list[Row]:
    ratio = rate / floor
    return [
        Row(
            f"history: {count:,} messages stored",
            f"{rate:,.0f} /s",
            f"{floor:,.0f} /s",
            f"{ratio:.2f}",
            f"≥ {GOAL_RATIO:g} ×",
            ratio >= GOAL_RATIO,
        ),
        Row(
            "history: messages a second", f"{rate:,.0f} /s", "", "", f"≥ {GOAL_RATE:,} /s", rate >= GOAL_RATE
        ),
    ]
