"""The integrity checks of the store: each finds a damage that the others cannot see."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from conftest import REEM, REEM_JID, own

from wa.connection.context import system_now
from wa.errors import WaError
from wa.record.derived.check import repair, verify
from wa.store.condition import check
from wa.store.locks import FileLock
from wa.store.schema.steps import SEARCH_INDEXES


def test_a_sound_store_has_no_problem_to_report(store):
    assert check(store) == []
    verify(store)


def test_a_row_that_refers_to_a_missing_row_is_reported(store):
    store.execute("PRAGMA foreign_keys=OFF")
    with store.write():
        store.insert("contact_phones", {"phone": "447700900123", "contact_id": 7, "label": None})
    assert len(check(store)) == 1
    with pytest.raises(WaError) as told:
        verify(store)
    assert told.value.code == "corrupt"


def test_a_damaged_search_index_is_reported(store):
    with store.write():
        store.execute("INSERT INTO messages_fts (rowid, folded) VALUES (1, 'hello')")
    assert check(store) == []
    with store.write():
        store.execute("UPDATE messages_fts_data SET block = zeroblob(30) WHERE id > 10")
    assert check(store) == ["database disk image is malformed"]


def test_all_search_indexes_are_checked(store):
    made = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING fts5 (%'"
    assert [row["name"] for row in store.rows(made)] == list(SEARCH_INDEXES)


def test_a_search_index_that_is_missing_is_reported(store):
    store.execute("DROP TABLE messages_terms")
    store.execute("DROP TABLE messages_fts")
    assert check(store) == ["no such table: messages_fts"]


# ── Repair of what is derived ─────────────────────────────────────────────────────────────────────


DAMAGES = {
    "blocks": ["UPDATE messages_fts_data SET block = zeroblob(30) WHERE id > 10"],
    "structure": ["DELETE FROM messages_fts_data WHERE id = 10"],
    "settings": ["DROP TABLE messages_fts_config"],
    "missing": ["DROP TABLE messages_terms", "DROP TABLE messages_fts"],
    "index of a table": [
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = replace(sql, '(timestamp)', '(timestamp) WHERE 0')"
        " WHERE name = 'messages_by_time'",
        "PRAGMA writable_schema=RESET",
        "REINDEX messages_by_time",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = replace(sql, ' WHERE 0', '') WHERE name = 'messages_by_time'",
    ],
}


def damage_pages(home, table):
    """Overwrite a part of each page of a table but its first."""
    db = sqlite3.connect(home.store)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = [page for (page,) in db.execute("SELECT pageno FROM dbstat WHERE name = ?", [table])]
    db.close()
    with home.store.open("r+b") as file:
        for page in sorted(pages)[1:]:
            file.seek((page - 1) * 4096)
            file.write(b"\xa5" * 200)


def fill(wa):
    """Receive some messages, enough for several pages of the search index."""
    lines = [
        {"from": REEM_JID, "text": f"Hello {number} " + chr(97 + number % 26) * 40} for number in range(300)
    ]
    assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
    own(system_now, lambda: wa("db", "stats", "--json").json["messages"] == 300)


def assert_repaired(wa):
    checked = wa("db", "check", "--json")
    assert (checked.code, checked.error["code"]) == (8, "corrupt")
    assert checked.error["hint"].startswith("`wa db check --repair`")
    database = next(each for each in wa("doctor", "--json").json if each["name"] == "database")
    assert database["hint"].startswith("`wa db check --repair`")
    done = wa("db", "check", "--repair", "--json")
    assert done.code == 0, done.err
    assert done.json["repaired"]
    assert wa("db", "check").code == 0
    assert [row["content"][:10] for row in wa("search", "hello 299", "--json").json] == ["Hello 299 "]
    assert wa("loopback", "say", REEM, "A message after the repair").code == 0
    own(system_now, lambda: len(wa("search", "after the repair", "--json").json) == 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_made_anew(wa, home, damage):
    fill(wa)
    db = sqlite3.connect(home.store, isolation_level=None)
    for statement in DAMAGES[damage]:
        db.execute(statement)
    db.close()
    assert_repaired(wa)


def test_an_index_that_is_too_damaged_to_be_dropped_is_made_anew(wa, home):
    fill(wa)
    damage_pages(home, "messages_fts_data")
    assert_repaired(wa)


@pytest.mark.parametrize("index", ["events_message", "messages_by_chat"])
def test_an_index_of_a_table_with_damaged_pages_is_made_anew(wa, home, index):
    fill(wa)
    wa("contacts", "add", "Reem Sample", REEM)
    made = "SELECT name, sql FROM sqlite_master ORDER BY name"
    with closing(sqlite3.connect(home.store)) as db:
        before = db.execute(made).fetchall()
    damage_pages(home, index)
    assert_repaired(wa)
    with closing(sqlite3.connect(home.store)) as db:
        assert db.execute(made).fetchall() == before


@pytest.mark.parametrize("table", ["messages", "sqlite_autoindex_messages_1"])
def test_damaged_messages_are_not_repaired(wa, home, table):
    """Nor an index that belongs to their table, and cannot be taken away from it."""
    fill(wa)
    damage_pages(home, table)
    for command in (("db", "check", "--json"), ("db", "check", "--repair", "--json")):
        told = wa(*command)
        assert (told.code, told.error["code"]) == (8, "corrupt")
        assert "restore" in told.error["hint"]


def test_a_row_that_its_indexes_do_not_know_is_told(wa, home):
    """Whether the row or the index was changed, nobody can tell; the index is made anew from the row."""
    fill(wa)
    mine = "type = 'index' AND tbl_name = 'messages' AND sql IS NOT NULL"
    with closing(sqlite3.connect(home.store, isolation_level=None)) as db:
        hidden = db.execute(f"SELECT * FROM sqlite_master WHERE {mine}").fetchall()
        for statement in (
            "PRAGMA writable_schema=ON", f"DELETE FROM sqlite_master WHERE {mine}",
            "PRAGMA writable_schema=RESET", "UPDATE messages SET timestamp = 5 WHERE id = 8",
            "PRAGMA writable_schema=ON",
        ):  # fmt: skip
            db.execute(statement)
        db.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", hidden)
        db.execute("PRAGMA writable_schema=RESET")
    assert wa("db", "check", "--json").error["hint"].startswith("`wa db check --repair`")
    told = wa("db", "check", "--repair", "--json").json["repaired"]
    assert "messages row 8 may be damaged itself: look at it" in told


@pytest.mark.parametrize("page", [1, 2])
def test_damage_that_no_check_survives_is_told_with_what_to_do(wa, home, page):
    """The schema, and the list of its steps: the store does not even open."""
    fill(wa)
    with closing(sqlite3.connect(home.store, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        steps = db.execute("SELECT rootpage FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()[
            0
        ]
    with home.store.open("r+b") as file:
        file.seek(100 if page == 1 else (steps - 1) * 4096)
        file.write(b"\xa5" * 200)
    for command in (("db", "check", "--json"), ("db", "check", "--repair", "--json")):
        told = wa(*command)
        assert (told.code, told.error["code"]) == (8, "corrupt")
        assert "`wa backup restore latest`" in told.error["hint"]


def test_nothing_is_repaired_under_a_running_listener(wa, home):
    lock = FileLock(home.session_lock)
    assert lock.acquire()
    try:
        told = wa("db", "check", "--repair", "--json")
        assert (told.code, told.error["code"]) == (7, "in-use")
    finally:
        lock.release()


def test_a_sound_store_needs_no_repair(wa, store):
    assert wa("db", "check", "--repair", "--json").json == {"ok": True, "repaired": []}


def test_the_search_index_is_made_anew_as_the_schema_made_it(store):
    made = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%' ORDER BY name"
    before = [(row["name"], " ".join(row["sql"].split())) for row in store.rows(made)]
    store.execute("DROP TABLE messages_terms")
    store.execute("DROP TABLE messages_fts")
    repair(store, system_now())
    assert [(row["name"], " ".join(row["sql"].split())) for row in store.rows(made)] == before
