"""How much is stored: rows and bytes by table, messages by chat, the files."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

from wa.store.database import Row, Store
from wa.times import to_iso

SEARCH = "messages_fts"
_COUNTED = ("contacts", "chats", "messages", "reactions", "receipts", "scheduled_messages", "stuck")
"""Tables whose rows stand at the top too, as does `size_bytes`: programs have read them there before."""


def stored(store: Store, now: datetime) -> Row:
    """Return the figures of the database and its files. Bytes of tables are None where SQLite cannot tell."""
    size, tables = store.home.store.stat().st_size, _tables(store)
    by_chat = store.execute(
        "SELECT chat_jid, count(*) AS n FROM messages GROUP BY chat_jid ORDER BY n DESC, chat_jid"
    )
    files, in_files = _in_folder(store.home.media)
    archives, in_archives = _in_folder(store.home.archive)
    return {
        **{name: tables[name]["rows"] for name in _COUNTED},
        "size_bytes": size,
        "total_messages": tables["messages"]["rows"],
        "messages_by_chat": dict(by_chat.fetchall()),
        "active_sessions": int(
            store.value("SELECT count(*) FROM chat_sessions WHERE expires_at > ?", [to_iso(now)])
        ),
        "database_size_bytes": size,
        "database_size_mb": round(size / 1024**2, 2),
        "wal_size_bytes": _size_of(store.home.store.with_name(f"{store.home.store.name}-wal")),
        "media_files": files,
        "media_size_bytes": in_files,
        "archives": archives,
        "archives_size_bytes": in_archives,
        "pruned_messages": tables["pruned"]["rows"],
        "tables": tables,
    }


def _tables(store: Store) -> dict[str, Row]:
    """Return rows and bytes of each table of ours, its indexes included."""
    sizes = _sizes(store)
    names = store.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        " AND name NOT GLOB '*sqlite_*' AND name NOT GLOB 'messages_fts_*' ORDER BY name"
    )
    rows = {row["name"]: row["name"] for row in names} | {SEARCH: f"{SEARCH}_docsize"}
    return {
        name: {
            "rows": store.value(f"SELECT count(*) FROM {counted}"),
            "bytes": None if sizes is None else sizes.get(name, 0),
        }
        for name, counted in rows.items()
    }


def _sizes(store: Store) -> dict[str, int] | None:
    """Return the bytes of each table; None if this SQLite was built without `dbstat`."""
    try:
        found = store.execute(
            f"SELECT CASE WHEN m.tbl_name GLOB '{SEARCH}_*' THEN '{SEARCH}' ELSE m.tbl_name END,"
            " sum(s.pgsize) FROM sqlite_master m JOIN"
            " (SELECT name, pgsize FROM dbstat WHERE aggregate = 1) s ON m.name = s.name GROUP BY 1"
        )
    except sqlite3.OperationalError:
        return None
    return dict(found.fetchall())


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _in_folder(folder: Path) -> tuple[int, int]:
    """Return the number of files in a folder and below, and their bytes."""
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            files += 1
            size += _size_of(Path(place) / name)
    return files, size
