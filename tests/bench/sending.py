"""The queue: its pace beside three durable commits a message, and its lateness."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from itertools import count as numbers
from pathlib import Path
from typing import Any

from bench import commands, corpus
from bench.processes import in_pipe, running, wait_until
from bench.subjects import Subject
from bench.table import Row, at_most, compared
from bench.turns import Tell, in_turns
from wa.connection.context import system_now
from wa.record.messages import PAD
from wa.store.fold import fold
from wa.store.paths import Home
from wa.times import from_iso, to_iso

PACE, LATE = at_most(1.2), at_most(20, "ours")
READY_SECONDS = 4.0
"""Seconds before the first message is due, in which the scheduler starts."""

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


class Raw:
    """The floor of sending: three durable commits a message, written by hand."""

    def __init__(self, home: Home) -> None:
        self._ours = _durable(home.store)
        self._theirs = _durable(home.loopback)

    def send(self, count: int) -> float:
        """Send the next messages; return the milliseconds of each."""
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


def pace(subjects: list[Subject], count: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure milliseconds a message, with receipts and without, in homes that are new in each round."""
    made = numbers()
    cases: dict[str, Callable[[], float]] = {"floor": lambda: _by_hand(subjects[0], next(made), count)}
    for subject in subjects:
        for receipts in (True, False):
            name = subject.name if receipts else f"{subject.name}, off"
            cases[name] = lambda one=subject, on=receipts: _drained(one, next(made), count, on)  # type: ignore[misc]
    tell("queue")
    taken = in_turns(cases, rounds, warm=False)
    floor = taken["floor"]
    off = taken.get("beside, off")
    return [
        compared(f"queue: {count:,} due, a message", "ms", taken["ours"], floor, taken.get("beside"), PACE),
        compared("queue: the same, receipts off", "ms", taken["ours, off"], floor, off, PACE),
    ]


def _by_hand(subject: Subject, number: int, count: int) -> float:
    home = subject.home(f"queue-{number}")
    subject.call("bench.homes:queue", path=home.path, count=count)
    raw = Raw(home)
    try:
        return raw.send(count)
    finally:
        raw.close()


def _drained(subject: Subject, number: int, count: int, receipts: bool) -> float:
    """Let run-scheduler send all due messages; return the milliseconds a message."""
    home = subject.home(f"queue-{number}")
    subject.call("bench.homes:queue", path=home.path, count=count, receipts=receipts)
    conn = sqlite3.connect(home.store)
    with running((subject.wa, "run-scheduler"), home.path):
        wait_until(lambda: _is_done(conn), "the end of the queue", every=0.2, most=60 + count / 50)
    first, last = conn.execute("SELECT min(claimed_at), max(sent_at) FROM scheduled_messages").fetchone()
    conn.close()
    return (from_iso(last) - from_iso(first)).total_seconds() / count * 1000


def _is_done(conn: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM scheduled_messages WHERE status IN ('pending', 'sending') LIMIT 1"
    return conn.execute(sql).fetchone() is None


def lateness(subjects: list[Subject], count: int, seconds: float, tell: Tell) -> list[Row]:
    """Measure how long after its time a message reaches the server; one round, for it is a minute long."""
    late = {}
    for subject in subjects:
        tell(f"lateness: {seconds:g} s of {subject.name}")
        late[subject.name] = _late(subject, count, seconds)
    rows = []
    for what, share, goal in (("p50", 0.5, None), ("p99", 0.99, LATE), ("the latest", 1.0, None)):
        found = {
            name: [values[min(int(len(values) * share), len(values) - 1)]] for name, values in late.items()
        }
        name = f"lateness: {count:,} in {seconds:g} s, {what}"
        rows.append(compared(name, "ms", found["ours"], None, found.get("beside"), goal))
    return rows


def _late(subject: Subject, count: int, seconds: float) -> list[float]:
    """Return the milliseconds of each message, sorted."""
    home = subject.home("lateness")
    start = from_iso(
        subject.call("bench.homes:queue", path=home.path, count=count, wait=READY_SECONDS, over=seconds)
    )
    conn = sqlite3.connect(home.store)
    with running((subject.wa, "run-scheduler"), home.path):
        if system_now() > start:
            raise RuntimeError("the scheduler was not ready in time")
        wait_until(lambda: _is_done(conn), "the end of the queue", every=0.5, most=seconds + 30)
    conn.execute("ATTACH ? AS server", [str(home.loopback)])
    found: list[tuple[Any, Any]] = conn.execute(
        "SELECT s.scheduled_at, d.at FROM scheduled_messages s JOIN server.delivered d USING (message_id)"
    ).fetchall()
    conn.close()
    return sorted((from_iso(at) - from_iso(due)).total_seconds() * 1000 for due, at in found)


def beside_listener(subjects: list[Subject], rounds: int, tell: Tell) -> list[Row]:
    """Measure `wa send` while a listener runs, beside a command that only reads."""
    tell("send while a listener runs")
    cases: dict[str, Callable[[], float]] = {}
    homes = []
    for subject in subjects:
        home = subject.home("listening")
        subject.call("bench.homes:lived_in", path=home.path, kind="small")
        homes.append((subject, home))
        for name, args in (("", ("send", commands.PERSON, "Hello")), (" status", ("status",))):
            cases[f"{subject.name}{name}"] = partial(_milliseconds, (subject.wa, *args), home.path)
    if len(homes) == 1:
        with running((homes[0][0].wa, "listen"), homes[0][1].path):
            taken = in_turns(cases, rounds)
    else:
        (one, here), (other, there) = homes
        with running((one.wa, "listen"), here.path), running((other.wa, "listen"), there.path):
            taken = in_turns(cases, rounds)
    return [
        compared(
            "wa send beside a listener, status as floor", "ms", taken["ours"], taken["ours status"],
            taken.get("beside"), beside_floor=taken.get("beside status"),
        )
    ]  # fmt: skip


def _milliseconds(command: tuple[str, ...], home: Path) -> float:
    return in_pipe(command, home).seconds * 1000
