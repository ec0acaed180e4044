"""The condition of the store: its figures and its integrity."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from wa.errors import WaError
from wa.store.database import Store
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.store.schema.steps import SEARCH_INDEXES

_FEATURES = {
    "full-text search": "CREATE VIRTUAL TABLE temp.a USING fts5 (x, tokenize='trigram case_sensitive 1')",
    "RETURNING": "DELETE FROM temp.b RETURNING x",
    "JSON": "SELECT '{\"a\": 1}' ->> 'a'",
    "window functions": "SELECT lag(1) OVER ()",
}


def missing_feature() -> str | None:
    """Return the name of a feature that the store needs and this SQLite has not; None if it has all."""
    db = sqlite3.connect(":memory:")
    try:
        db.execute("CREATE TABLE temp.b (x)")
        for name, sql in _FEATURES.items():
            try:
                db.execute(sql)
            except sqlite3.OperationalError:
                return name
    finally:
        db.close()
    return None


def is_locked(store: Store, seconds: float) -> bool:
    """Return whether another process holds the write lock, after waiting `seconds` for it.

    A store that is only read cannot tell: the answer is no.
    """
    if store.is_read_only:
        return False
    try:
        with store.patience(seconds), store.write():
            return False
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return True


def check(store: Store) -> list[str]:
    """Return the faults of the database and of its search indexes, each as a sentence.

    Of a store that is only read, the inside of the search indexes is not checked: FTS5 does so in a write.
    """
    try:
        found = [row["integrity_check"] for row in store.rows("PRAGMA integrity_check(20)")]
        problems = [each for each in found if each != "ok"]
        broken = store.rows("PRAGMA foreign_key_check")
        problems += [f"{row['table']} row {row['rowid']} refers to nothing" for row in broken]
        for index in SEARCH_INDEXES:  # one that is missing is an error, too
            if store.is_read_only:
                store.execute(f"SELECT 1 FROM {index} LIMIT 0")
            else:
                store.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return problems


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Run a block while no process holds the connection. Raise WaError `in-use` when one does."""
    path = store.home.session_lock

    def in_use() -> WaError:
        holder = describe_holder(lock_holder(path) or {})
        return WaError("in-use", f"{holder} is at work on the store", "stop it for as long as this takes")

    with FileLock(path).hold_or_raise(in_use):
        yield
