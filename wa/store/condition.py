"""The figures and the integrity of the store, for `wa db stats` and `wa db check`."""

from __future__ import annotations

import sqlite3

from wa.store.database import Store

_COUNTED = ("contacts", "chats", "messages", "reactions", "receipts", "scheduled_messages", "spool")


def stats(store: Store) -> dict[str, int]:
    """Rows of each table, and the size of the file in bytes."""
    found = {table: int(store.value(f"SELECT count(*) FROM {table}")) for table in _COUNTED}
    found["size_bytes"] = store.home.store.stat().st_size
    return found


def check(store: Store) -> list[str]:
    """What is wrong with the database: nothing, as a rule."""
    try:
        found = [row["integrity_check"] for row in store.rows("PRAGMA integrity_check(20)")]
        problems = [each for each in found if each != "ok"]
        broken = store.rows("PRAGMA foreign_key_check")
        problems += [f"{row['table']} row {row['rowid']} refers to nothing" for row in broken]
        store.execute("INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check')")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return problems
