"""A snapshot is packed and checked at once; what the check does not prove sound is no backup."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing

import pytest

from wa.backup import snapshot
from wa.errors import WaError

CORES = [
    pytest.param(1, id="one core"),
    pytest.param(2, id="two cores", marks=pytest.mark.skipif(os.cpu_count() == 1, reason="this has one")),
]


@pytest.fixture(params=CORES)
def cores(request):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot limit a process to some processors")
    usable = os.sched_getaffinity(0)
    if len(usable) < request.param:
        pytest.skip("this process may use one processor")
    os.sched_setaffinity(0, sorted(usable)[: request.param])
    yield request.param
    os.sched_setaffinity(0, usable)


@pytest.fixture
def counts(home, wa, store):
    """The number of rows by table of a snapshot of a home with a message."""
    assert wa("send", "447700900123", "Hello").code == 0
    found = snapshot.take(home, home.path / "copy.db")
    assert found["messages"] == 1
    return found


def checkers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "checker"]


def mix_up_an_index(home) -> None:
    """Damage a store where nothing but a check from end to end looks."""
    with closing(sqlite3.connect(home.store)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA writable_schema=ON")
        db.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX messages_by_time ON messages (chat_jid)'"
            " WHERE name = 'messages_by_time'"
        )
        db.commit()


def test_a_snapshot_is_proved_once_its_check_is_over(cores, home, counts):
    with snapshot.proving(home, home.path / "copy.db", counts) as prove:
        assert len(checkers()) <= (cores > 1)
        prove()
    assert not checkers()


def test_a_snapshot_with_other_rows_is_none(cores, home, counts):
    more = {**counts, "messages": 4}
    with (
        pytest.raises(WaError, match="rows differ") as caught,
        snapshot.proving(home, home.path / "copy.db", more) as prove,
    ):
        prove()
    assert caught.value.code == "corrupt"
    assert not checkers()


def test_an_error_while_a_snapshot_is_packed_ends_its_check(cores, home, counts):
    with pytest.raises(KeyboardInterrupt), snapshot.proving(home, home.path / "copy.db", counts):
        raise KeyboardInterrupt
    assert not checkers()


def test_no_backup_of_a_damaged_store_is_left(cores, home, counts, wa):
    good = wa("backup", "--json").json["name"]
    left = sorted(home.backups.iterdir())
    mix_up_an_index(home)
    failed = wa("backup", "--json")
    assert (failed.code, failed.error["code"]) == (8, "corrupt")
    assert sorted(home.backups.iterdir()) == left
    [row] = wa("backup", "list", "--json").json
    assert row["name"] == good
