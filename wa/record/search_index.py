"""The search index: the folded text of every message. All of it can be made anew from the messages.

A transaction that stores many messages adds their texts at its end, with `add_new`: FTS5 gathers texts in
memory, and writes them out at each savepoint and before each statement that may change many rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wa.record.messages import PAD
from wa.store.database import BATCH, Store
from wa.store.fold import searched

_MADE = """
CREATE VIRTUAL TABLE messages_fts USING fts5 (
    folded, content='', tokenize='trigram case_sensitive 1', detail='none'
);
CREATE VIRTUAL TABLE messages_terms USING fts5vocab (messages_fts, row)
"""
"""The tables as the schema makes them."""
_TEXT = "searched(content, details)"
"""SQL for the text of a message in the index."""
_IS_IN = "EXISTS (SELECT 1 FROM messages_fts_docsize d WHERE d.id = m.id)"
"""SQL for whether the message m is in the index."""


def add(store: Store, number: int | None) -> None:
    """Add the text of the message with the id `number`, in the caller's transaction."""
    _insert(store, _text_of(store, number), number)


def add_new(store: Store, after: int) -> None:
    """Add the messages with ids above `after` that are not in it yet, in the caller's transaction."""
    rows = store.execute(
        "SELECT id, content, details FROM messages NOT INDEXED"
        " WHERE id > :after AND (content != '' OR details IS NOT NULL)"
        " AND id NOT IN (SELECT id FROM messages_fts_docsize WHERE id > :after)",
        {"after": after},
    )
    # In Python this is faster than with an SQL function, and FTS5 need not write out what it has gathered.
    while texts := [(number, searched(*text) + PAD) for number, *text in rows.fetchmany(BATCH)]:
        store.conn.executemany("INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)", texts)


def remove(store: Store, number: int) -> None:
    """Remove the text of the message with the id `number`, in the caller's transaction."""
    _take_out(store, _text_of(store, number), number)


def remove_many(store: Store, numbers: Sequence[int]) -> None:
    """Remove the texts of the messages with these ids, in the caller's transaction."""
    store.execute(
        f"INSERT INTO messages_fts (messages_fts, rowid, folded) SELECT 'delete', id, {_TEXT} || ?"
        f" FROM messages m WHERE id IN (SELECT value FROM json_each(?)) AND {_IS_IN}",
        [PAD, json.dumps(list(numbers))],
    )


@contextmanager
def changing(store: Store, number: int | None) -> Iterator[None]:
    """Replace the text of a message that the block changes, in the caller's transaction."""
    before = _text_of(store, number)
    yield
    _replace(store, number, before)


def add_details(store: Store, number: int) -> None:
    """Add what the details of a message tell, which it has only now, in the caller's transaction."""
    _replace(store, number, store.value("SELECT fold(content) FROM messages WHERE id = ?", [number]))


def _replace(store: Store, number: int | None, before: str) -> None:
    """Replace the text `before` of a message in the index by its present one."""
    after = _text_of(store, number)
    if before != after:
        _take_out(store, before, number)
        _insert(store, after, number)


def _text_of(store: Store, number: int | None) -> str:
    return str(store.value(f"SELECT {_TEXT} FROM messages WHERE id = ?", [number]) or "")


def _take_out(store: Store, text: str, number: int | None) -> None:
    """Remove a text; one that `add_new` has yet to add is not there."""
    if store.value("SELECT 1 FROM messages_fts_docsize WHERE id = ?", [number]) is not None:
        _insert(store, text, number, "'delete'")


def _insert(store: Store, text: str, number: int | None, command: str = "NULL") -> None:
    if text:
        store.execute(
            f"INSERT INTO messages_fts (messages_fts, rowid, folded) VALUES ({command}, ?, ?)",
            [number, text + PAD],
        )


def shrink(store: Store) -> None:
    """Write the index anew without what was removed; it holds the write lock for as long as that takes."""
    store.execute("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")


def strayed(store: Store) -> tuple[int, int]:
    """Return how many messages the index lacks, and how many of its texts belong to no message."""
    missing = store.value(
        "SELECT count(*) FROM messages m WHERE (content != '' OR details IS NOT NULL)"
        f" AND NOT {_IS_IN} AND {_TEXT} != ''"
    )
    left = store.value(
        "SELECT count(*) FROM messages_fts_docsize d"
        " WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = d.id)"
    )
    return int(missing), int(left)


def make_anew(store: Store) -> None:
    """Make the index anew from the messages."""
    try:
        with store.write():
            store.execute("DROP TABLE IF EXISTS messages_terms")
            store.execute("DROP TABLE IF EXISTS messages_fts")
            _fill(store)
    except sqlite3.DatabaseError:  # the index is too damaged to be dropped: forget its tables and pages
        store.execute("PRAGMA writable_schema=ON")
        try:
            with store.write():
                store.execute("DELETE FROM sqlite_master WHERE name GLOB 'messages_fts*'")
                store.execute("DELETE FROM sqlite_master WHERE name = 'messages_terms'")
        finally:
            store.execute("PRAGMA writable_schema=RESET")
        store.execute("VACUUM")
        with store.write():
            _fill(store)


def _fill(store: Store) -> None:
    """Make the search index from the messages, in the caller's transaction."""
    for statement in _MADE.split(";\n"):
        store.execute(statement)
    add_new(store, 0)
