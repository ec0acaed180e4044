"""The integrity checks of the store: each finds a damage that the others cannot see."""

from __future__ import annotations

import pytest

from wa.errors import WaError
from wa.store.condition import check, verify
from wa.store.schema import SEARCH_INDEXES


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
