"""Processes that prune and restore archives are killed at any moment: no message is lost, none is twice."""

from __future__ import annotations

import random
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from wa.record import write
from wa.record.retention import archive, ledger, lines
from wa.store.condition import check
from wa.whatsapp.events import MessageReceived

KILL_POINTS = str(Path(__file__).parents[1] / "support/backup_kill_points.py")
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=timezone.utc)
OLD = int((NOON - timedelta(days=100)).timestamp())
KILLS = 6
ROWS = 40
"""Messages of the queue that were sent long ago."""
COUNT = 230
"""Messages to prune: more than one batch."""
PLACES = (
    ("", 17_000), ("", 17_000), ("_remove_messages", 1200), ("write", 470), ("_take", 1200), ("put", 12),
    ("remove_noted", 200), ("_archive", 8), ("_finish", 5),
)  # fmt: skip
"""Functions whose lines a process is killed at, and about how many of them a run has; "" for any event."""
PRUNE = ("db", "prune", "--older-than", "90d", "--media")
RESTORE = ("db", "restore-archive", "latest")


@pytest.fixture
def filled(store):
    """A home with old messages, of which every tenth has a file, and some new ones."""
    home = store.home
    home.media.mkdir(exist_ok=True)
    people = [f"4477009001{number:02}@s.whatsapp.net" for number in range(5)]
    new = int(NOON.timestamp()) - 100
    events = [
        MessageReceived(
            people[number % 5],
            f"M{number}",
            people[number % 5],
            (OLD if number < COUNT else new) + number,
            f"text {number}",
        )
        for number in range(COUNT + 10)
    ]
    with store.write():
        write.record_many(store, events, "live", NOON)
        files = [(number, f"media/f{number}.jpg", "image") for number in range(1, COUNT + 1, 10)]
        write.attach_files(store, files)
        for number in range(ROWS):
            at = f"2025-01-01T10:00:{number:02}.000Z"
            row = {"id": f"R{number}", "to_jid": people[0], "message": "sent", "status": "sent"}
            row |= {"scheduled_at": at, "created_at": at, "updated_at": at, "idempotency_key": f"K{number}"}
            store.insert("scheduled_messages", row)
    for _, path, _ in files:
        (home.path / path).write_bytes(b"jpeg")
    return home


def rows(home):
    """Return the messages and the queue of the store by their ids."""
    with closing(sqlite3.connect(home.store)) as db:
        db.row_factory = sqlite3.Row
        found = {row["message_id"]: dict(row) for row in db.execute("SELECT * FROM messages")}
        queue = {row["id"]: dict(row) for row in db.execute("SELECT * FROM scheduled_messages")}
    return found | queue


def archived(home):
    """Return the messages and rows of the queue in the archives by their ids; each archive has to open."""
    found = {}
    for path in home.archive.glob("pruned_*"):
        for line in archive.read(path):
            row, _ = lines.taken_apart(lines.parsed(line))
            found[row["message_id"] or row["id"]] = row
    return found


def start(spawn, number, *args, log="-"):
    """Start `wa ARGS` as a process that kills itself at its N-th event."""
    program = [sys.executable, KILL_POINTS]
    return spawn(str(number), "SIGKILL", log, *args, program=program, CLOCK=NOON.isoformat())


def point(dice):
    """Return a random event to be killed at: any, or one where the store or the folder changes."""
    name, most = dice.choice(PLACES)
    return f"{dice.randrange(1, most)}{' line ' * bool(name)}{name}"


def kill_at_random(spawn, home, dice, all_of_them, kills):
    """Prune and restore, killed at random events, and prune to the end; check after every kill."""
    left = kills
    while left or len(rows(home)) != 10:
        args = dice.choice((PRUNE, PRUNE, RESTORE)) if left else PRUNE
        process = start(spawn, point(dice) if left else 0, *args).finish()
        assert process.code in (0, 4, -9), process.err  # 4: there is no archive yet
        left -= left > 0
        stored, kept = rows(home), archived(home)
        assert stored.keys() | kept.keys() == all_of_them.keys()
        for message_id, row in all_of_them.items():
            assert stored.get(message_id, row) == row
            assert message_id in stored or kept[message_id] == row


@pytest.mark.parametrize("kills", [KILLS, pytest.param(100, marks=pytest.mark.soak)])
def test_a_killed_prune_or_restore_loses_nothing_and_goes_on(spawn, store, filled, kills):
    dice = random.Random(f"prune {kills}")
    everything = rows(filled)
    kill_at_random(spawn, filled, dice, everything, kills)
    assert len(rows(filled)) == 10
    assert ledger.count(store) == COUNT
    assert store.value("SELECT count(*) FROM spent") == ROWS
    assert list(filled.archive.glob(".wa-*")) == []
    assert list(filled.media.glob("*.jpg")) == []
    assert check(store) == []
    for path in sorted(filled.archive.iterdir()):
        done = start(spawn, 0, "db", "restore-archive", str(path)).finish()
        assert done.code == 0, done.err
    assert rows(filled) == everything
    assert ledger.is_empty(store)
    assert store.value("SELECT count(*) FROM spent") == 0
    assert check(store) == []
