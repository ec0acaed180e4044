"""The queue: its pace beside three durable commits a message, and its lateness."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench import corpus
from bench.processes import WA, running, seconds_of, wait_until
from bench.table import Row, at_most, show
from wa.connection.context import system_now
from wa.jids import phone_of_jid
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.record.messages import PAD
from wa.store.fold import fold
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import from_iso, to_iso
from wa.whatsapp.loopback.server import Loopback

GOAL = 1.5
GOAL_LATE = 50.0
"""Milliseconds, 99th percentile."""
GOAL_SEND = 0.3
"""Seconds that a send may take beyond a trivial command."""
GRACE = timedelta(hours=6)

_CLAIM = (
    "UPDATE scheduled_messages SET status = 'sending', secret = ?, claimed_at = ?, attempts = attempts + 1,"
    " wire_after = ?, updated_at = ? WHERE id = (SELECT id FROM scheduled_messages INDEXED BY queue_due"
    " WHERE status = 'pending' AND max(scheduled_at, coalesce(not_before, '')) <= ?"
    " ORDER BY max(scheduled_at, coalesce(not_before, '')), scheduled_at, id LIMIT 1)"
    " RETURNING id, to_jid, message"
)
_PACE = "INSERT INTO state VALUES ('pacing', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_DELIVERED = "INSERT INTO delivered (to_jid, content, message_id, secret, at) VALUES (?, ?, ?, ?, ?)"
_OUTCOME = (
    "UPDATE scheduled_messages SET status = 'sent', sent_at = ?, message_id = ?, updated_at = ? WHERE id = ?"
)
_MESSAGE = (
    "INSERT INTO messages (chat_jid, message_id, sender, content, timestamp, is_from_me, status, created_at)"
    " VALUES (?, ?, ?, ?, ?, 1, 'sent', ?)"
)
_CHAT = (
    "INSERT INTO chats (id, last_message_time, created_at, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT (id)"
    " DO UPDATE SET last_message_time = excluded.last_message_time, updated_at = excluded.updated_at"
)


def fill(home: Home, count: int, due: Callable[[int], datetime]) -> None:
    """Queue messages, the n-th for `due(n)`."""
    home.prepare()
    store = open_store(home)
    people = corpus.people()
    with store.write():
        for number in range(count):
            jid = people[number % len(people)]
            person = Recipient(jid, phone_of_jid(jid), corpus.name_of(number % len(people)))
            text = f"Message {number}: see you at the harbour, das wird schön"
            schedule.enqueue(store, person, text, due(number), system_now(), grace=GRACE)
    store.close()


class Raw:
    """The floor of sending: three durable commits a message, written by hand."""

    def __init__(self, home: Home, count: int) -> None:
        self.left = count
        now = system_now()
        fill(home, count, lambda number: now)
        Loopback(home).close()
        self._ours = _durable(home.store)
        self._theirs = _durable(home.loopback)

    def send(self, count: int) -> float:
        """Send the next messages; return the milliseconds of each."""
        count = min(count, self.left)
        self.left -= count
        began = time.perf_counter()
        for _ in range(count):
            self._send_one()
        return (time.perf_counter() - began) / count * 1000

    def _send_one(self) -> None:
        secret, message_id = os.urandom(32), "3EB0" + os.urandom(9).hex().upper()
        stamp = int(time.time())
        at = to_iso(system_now())
        ours, theirs = self._ours, self._theirs
        ours.execute("BEGIN IMMEDIATE")
        last = ours.execute("SELECT coalesce(max(number), 0) FROM wire").fetchone()[0]
        row_id, jid, text = ours.execute(_CLAIM, [secret, at, last, at, at]).fetchone()
        ours.execute("INSERT INTO wire (message_id, to_jid, at) VALUES (?, ?, ?)", [message_id, jid, at])
        ours.execute(_PACE, [f'{{"at": "{at}", "gap": 0.0, "since": "{at}"}}'])
        ours.execute("COMMIT")
        theirs.execute("BEGIN IMMEDIATE")
        theirs.execute(_DELIVERED, [jid, text, message_id, secret.hex(), at])
        theirs.execute("INSERT INTO incoming (kind, payload) VALUES ('receipt', ?)", [b"x" * 160])
        theirs.execute("COMMIT")
        ours.execute("BEGIN IMMEDIATE")
        ours.execute(_OUTCOME, [at, message_id, at, row_id])
        number = ours.execute(_MESSAGE, [jid, message_id, corpus.ME, text, stamp, at]).lastrowid
        ours.execute("INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)", [number, fold(text) + PAD])
        ours.execute(_CHAT, [jid, stamp, at, at])
        ours.execute("COMMIT")

    def close(self) -> None:
        """Close both files."""
        self._ours.close()
        self._theirs.close()


def _durable(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous=FULL")
    return conn


def pace(scratch: Path, count: int, tell: Callable[[str], None]) -> list[Row]:
    """Measure milliseconds a message, with receipts and without; the floor before, between and after."""
    part = -(-count // 3)
    raw = Raw(Home(scratch / "raw-queue"), count)
    floors = [raw.send(part)]
    tell("queue: with receipts")
    with_receipts = _drain(Home(scratch / "queue"), count, receipts=True)
    floors.append(raw.send(part))
    tell("queue: without receipts")
    without = _drain(Home(scratch / "queue-quiet"), count, receipts=False)
    floors.append(raw.send(part))
    raw.close()
    floor = median(floors)
    return [
        at_most(f"queue: {count:,} due, a message", with_receipts, floor, GOAL),
        at_most("queue: the same, receipts off", without, floor, GOAL),
    ]


def _drain(home: Home, count: int, *, receipts: bool) -> float:
    """Let run-scheduler send all due messages; return the milliseconds a message."""
    now = system_now()
    fill(home, count, lambda number: now)
    if not receipts:
        server = Loopback(home)
        server.set_fault("receipts", "off")
        server.close()
    conn = sqlite3.connect(home.store)
    with running([WA, "run-scheduler"], home.path):
        wait_until(lambda: _is_done(conn), "the end of the queue", every=0.2, most=60 + count / 50)
    first, last = conn.execute("SELECT min(claimed_at), max(sent_at) FROM scheduled_messages").fetchone()
    conn.close()
    return (from_iso(last) - from_iso(first)).total_seconds() / count * 1000


def _is_done(conn: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM scheduled_messages WHERE status IN ('pending', 'sending') LIMIT 1"
    return conn.execute(sql).fetchone() is None


def lateness(scratch: Path, count: int, seconds: float, tell: Callable[[str], None]) -> list[Row]:
    """Measure how long after its time a message reaches the server."""
    tell(f"lateness: {seconds:g} s")
    home = Home(scratch / "lateness")
    start = system_now() + timedelta(seconds=3)
    fill(home, count, lambda number: start + timedelta(seconds=number * seconds / count))
    conn = sqlite3.connect(home.store)
    with running([WA, "run-scheduler"], home.path):
        if system_now() > start:
            raise RuntimeError("the scheduler was not ready in time")
        wait_until(lambda: _is_done(conn), "the end of the queue", every=0.5, most=seconds + 30)
    conn.close()
    late = _lateness(home)
    p99 = late[int(len(late) * 0.99)]
    name = f"lateness: {count:,} in {seconds:g} s"
    return [
        Row(f"{name}, p50", show(late[len(late) // 2], "ms")),
        Row(f"{name}, p99", show(p99, "ms"), goal=f"≤ {GOAL_LATE:g} ms", met=p99 <= GOAL_LATE),
        Row(f"{name}, max", show(late[-1], "ms")),
    ]


def _lateness(home: Home) -> list[float]:
    """Return the milliseconds of each message, sorted."""
    conn = sqlite3.connect(home.store)
    conn.execute("ATTACH ? AS server", [str(home.loopback)])
    found: list[tuple[Any, Any]] = conn.execute(
        "SELECT s.scheduled_at, d.at FROM scheduled_messages s JOIN server.delivered d USING (message_id)"
    ).fetchall()
    conn.close()
    return sorted((from_iso(at) - from_iso(due)).total_seconds() * 1000 for due, at in found)


def beside_listener(home: Home, runs: int, tell: Callable[[str], None]) -> list[Row]:
    """Measure `wa send` while a listener runs, minus a trivial command."""
    tell("send while a listener runs")
    send, trivial = [], []
    with running([WA, "listen"], home.path):
        first = seconds_of([WA, "send", "447700900123", "Hello 0"], home.path)
        for number in range(1, runs + 1):
            trivial.append(seconds_of([WA, "status"], home.path))
            send.append(seconds_of([WA, "send", "447700900123", f"Hello {number}"], home.path))
    base = median(trivial)
    extra = median(send) - base
    goal = f"≤ {GOAL_SEND * 1000:.0f} ms more"
    return [
        _beside("send beside a listener, status as floor", extra, base, goal),
        _beside("send beside a listener, the first one", first - base, base, goal),
    ]


def _beside(what: str, extra: float, base: float, goal: str) -> Row:
    ours, floor = show((base + extra) * 1000, "ms"), show(base * 1000, "ms")
    return Row(what, ours, floor, f"+{extra * 1000:.0f} ms", goal, extra <= GOAL_SEND)
