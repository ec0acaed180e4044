"""A store that is moved, deleted, replaced or emptied, with and without a process that has it open."""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest
from conftest import REEM, is_connected, own, wait_for

from wa.backup import snapshot
from wa.connection.context import system_now
from wa.errors import WaError
from wa.store.open import open_store

LOST = {
    "moved": (7, "storage-error"),
    "deleted": (7, "storage-error"),
    "replaced": (7, "storage-error"),
    "emptied": (8, "corrupt"),
    "truncated": (8, "corrupt"),
}


def lose(home, how, tmp_path):
    """Do to wa.db what another program might do."""
    if how == "moved":
        home.store.rename(tmp_path / "away.db")
    elif how == "deleted":
        home.store.unlink()
    elif how == "replaced":
        shutil.copyfile(home.store, tmp_path / "other.db")
        os.replace(tmp_path / "other.db", home.store)
    elif how == "emptied":
        home.store.write_bytes(b"")
    else:
        os.truncate(home.store, 100)


def stored(wa):
    """Return the texts of Reem's chat."""
    found = wa("read", REEM, "--json")
    return [] if found.code else [row["content"] for row in found.json]


@pytest.mark.parametrize(
    ("how", "command"), [*((how, "listen") for how in LOST), ("deleted", "run-scheduler")]
)
def test_a_store_that_is_lost_ends_its_owner_within_seconds(home, wa, spawn, tmp_path, how, command):
    wa("loopback", "say", REEM, "before")
    process = spawn(command, "--json") if command == "listen" else spawn(command)
    wait_for(lambda: is_connected(home) and stored(wa) == ["before"])
    with sqlite3.connect(home.store) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    lose(home, how, tmp_path)
    wa("loopback", "say", REEM, "since")
    result = process.finish(10)
    assert result.code == LOST[how][0], result.err
    assert "Traceback" not in result.err
    assert "wa.db" in result.err


@pytest.mark.parametrize("how", ["moved", "deleted", "emptied"])
def test_no_command_makes_a_store_where_there_are_backups(home, store, wa, tmp_path, how):
    assert wa("backup").code == 0
    store.close()
    lose(home, how, tmp_path)
    for command in (["status"], ["chats"], ["send", REEM, "Hello"], ["listen", "--for", "1s"], ["backup"]):
        result = wa(*command, "--json")
        assert (result.code, result.error["code"]) == (8, "corrupt"), command
        assert "wa backup restore" in result.error["hint"]
    doctor = wa("doctor", "--json")
    assert doctor.code == 8
    assert how == "emptied" or not home.store.exists()
    assert wa("backup", "list", "--json").code == 0
    assert wa("backup", "restore", "latest").code == 0
    assert wa("status").code == 0
    assert wa("doctor").code == 0


def test_a_database_without_a_table_is_an_emptied_store_where_there_are_backups(home, store, wa):
    assert wa("backup").code == 0
    store.close()
    home.store.unlink()
    with sqlite3.connect(home.store) as db:
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert wa("backup", "--json").error["code"] == "corrupt"
    with pytest.raises(WaError, match="empty"):
        snapshot.take(home, home.path / "copy.db")


@pytest.mark.parametrize(("how", "code"), [("deleted", "storage-error"), ("emptied", "corrupt")])
def test_a_lost_store_is_told_while_its_owner_is_about_to_end(home, wa, spawn, tmp_path, how, code):
    wa("contacts", "add", "Reem", REEM)
    process = spawn("listen")
    wait_for(lambda: is_connected(home))
    lose(home, how, tmp_path)
    found = wa("backup", "--json").error["code"]
    assert found == code
    assert process.finish(10).code == LOST[how][0]
    assert wa("backup", "--json").error["code"] == code
    doctor = {check["name"]: check for check in wa("doctor", "--json").json}
    assert doctor["database"]["code"] == code


def test_a_store_that_is_put_back_is_whole(home, wa, spawn, tmp_path):
    process = spawn("listen")
    wait_for(lambda: is_connected(home))
    wa("loopback", "say", REEM, "before")
    wait_for(lambda: stored(wa) == ["before"])
    lose(home, "moved", tmp_path)
    assert process.finish(10).code == 7
    assert wa("status").code == 7
    (tmp_path / "away.db").rename(home.store)
    assert wa("listen", "--for", "1s").code == 0
    assert stored(wa) == ["before"]


def test_what_arrives_while_the_store_is_gone_is_recorded_once_it_is_back(home, wa, spawn, tmp_path):
    process = spawn("listen")
    wait_for(lambda: is_connected(home))
    lose(home, "moved", tmp_path)
    for number in range(5):
        wa("loopback", "say", REEM, f"line {number}")
    assert process.finish(10).code == 7
    (tmp_path / "away.db").rename(home.store)
    own(system_now, lambda: len(stored(wa)) == 5)
    assert stored(wa) == [f"line {number}" for number in range(5)]


@pytest.mark.no_home
def test_a_first_start_that_was_killed_leaves_nothing_in_the_way(home):
    home.prepare()
    half = home.path / ".wa-store.part"
    half.mkdir()
    (half / "wa.db").write_bytes(b"SQLite format 3\0")
    open_store(home).close()
    assert not half.exists()
    assert home.store.stat().st_mode & 0o777 == 0o600
