"""The one SQLite file that holds our data: how it is opened, written and upgraded."""

from __future__ import annotations

import errno
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlite_utils import Database

from wa.errors import WaError
from wa.store.home import FileLock, Home, storage_error
from wa.store.schema import STEPS, migrations

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another process's transaction, none of which is meant to last 0.25."""

BATCH = 500
"""Rows a bulk transaction may touch, so that it is over long before others mind."""

Params = Sequence[Any] | dict[str, Any]
Row = dict[str, Any]


def fold(text: str | None) -> str:
    """`text` as search compares it: no case, no accents, `ß` as `ss`, no control characters.

    Marks are dropped where they are accents or vowel points (canonical
    combining class 10 and up, Unicode §4.3); those that make another letter,
    such as the Japanese voicing marks, stay.
    """
    if not text:
        return ""
    if text.isascii():
        folded = text.lower()
    else:
        parts = unicodedata.normalize("NFKD", text.casefold())
        folded = "".join(c for c in parts if unicodedata.combining(c) < 10).casefold()
    return folded if folded.isprintable() else "".join(c if c >= " " else " " for c in folded)


class Store:
    """A connection to `wa.db`. It belongs to the thread that made it, unless made for `any_thread`.

    Reads outside a transaction see the newest commit. Everything that writes,
    or reads in order to write, stands in `with store.write():`.
    """

    def __init__(self, home: Home, *, any_thread: bool = False) -> None:
        self.home = home
        conn = sqlite3.connect(
            home.store, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=not any_thread
        )
        self.db = Database(conn, execute_plugins=False)
        self._durable = True
        conn.execute("PRAGMA foreign_keys=ON")
        conn.execute("PRAGMA synchronous=FULL")
        conn.create_function("fold", 1, fold, deterministic=True)

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self.db.close()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[None]:
        """One transaction that holds the write lock from its start.

        `durable` commits survive a power cut; the others survive a kill, and
        are for bulk. Inside another transaction it is part of that one.
        """
        conn = self.db.conn
        if conn.in_transaction:
            yield
            return
        if durable != self._durable:
            conn.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        conn.execute("BEGIN IMMEDIATE")
        try:
            yield
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:  # SQLite has ended it by itself when the disk is full
                conn.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that is undone alone when it raises."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.db.conn.in_transaction:
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    @contextmanager
    def rehearse(self, *tables: str) -> Iterator[None]:
        """Let what is written to these tables go to copies of them, which are thrown away at the end."""
        try:
            self.execute("BEGIN")  # all copies are of one moment
            for table in tables:
                self._copy_away(table)
            self.execute("COMMIT")
            yield
        finally:
            if self.db.conn.in_transaction:
                self.execute("ROLLBACK")
            for table in reversed(tables):
                self.execute(f"DROP TABLE IF EXISTS temp.{table}")

    def _copy_away(self, table: str) -> None:
        made = self.execute(
            "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
            [table],
        ).fetchall()
        for (sql,) in made:
            temporary, count = re.subn(r"^(CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\s+)", r"\1temp.", sql)
            assert count == 1, sql  # noqa: S101
            self.execute(temporary)
        self.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self.db.conn.execute(sql, params)

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """All rows of a query, as dicts; for queries that are bounded."""
        cursor = self.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """The first row of a query, or None."""
        cursor = self.execute(sql, params)
        values = cursor.fetchone()
        if values is None:
            return None
        return dict(zip([column[0] for column in cursor.description], values, strict=True))

    def value(self, sql: str, params: Params = ()) -> Any:
        """The first column of the first row, or None."""
        values = self.execute(sql, params).fetchone()
        return None if values is None else values[0]

    def insert(self, table: str, row: Row, *, ignore: bool = False) -> int | None:
        """Insert a row; its rowid, or None where `ignore` met one that is there."""
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        otherwise = "ON CONFLICT DO NOTHING" if ignore else ""  # OR IGNORE would pass over a missing value
        cursor = self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) {otherwise}", row)
        return cursor.lastrowid if cursor.rowcount else None

    def state(self) -> dict[str, Any]:
        """All of the small facts that outlive a process, by key."""
        return {key: json.loads(value) for key, value in self.execute("SELECT key, value FROM state")}

    def set_state(self, key: str, value: Any) -> None:
        """Keep one of them; None forgets it."""
        if value is None:
            self.execute("DELETE FROM state WHERE key = ?", [key])
        else:
            self.execute(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, json.dumps(value)],
            )

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self.value("PRAGMA data_version"))


def open_store(home: Home) -> Store:
    """Open the store, making or upgrading it first where needed.

    Raises WaError `newer-version` for a store from a later wa, `in-use` where
    an upgrade has to wait for a running process, `corrupt` and `storage-error`.
    """
    try:
        if home.store.exists() and home.store.stat().st_mode & 0o077:
            home.store.chmod(0o600)
        store = Store(home)
    except OSError as error:
        raise storage_error(error, home.store) from error
    except sqlite3.Error as error:
        raise explain(error, home) from error
    try:
        if not _is_current(store):
            _migrate(store)
    except sqlite3.Error as error:
        store.close()
        raise explain(error, home) from error
    except BaseException:
        store.close()
        raise
    return store


def _is_current(store: Store) -> bool:
    known = {step.__name__ for step in STEPS}
    applied = {migration.name for migration in migrations.applied(store.db)}
    if applied - known:
        raise WaError(
            "newer-version",
            f"{store.home.store} was written by a newer version of wa",
            "install that version here, or restore a backup made by this one",
        )
    return applied == known


def _migrate(store: Store) -> None:
    """Bring the schema up to date, one process at a time.

    An existing store also needs the session lock: the process that holds it
    runs the older code.
    """
    with FileLock(store.home.migrate_lock).hold():
        if _is_current(store):  # another process was here first
            return
        session = FileLock(store.home.session_lock)
        fresh = store.value("SELECT count(*) FROM sqlite_master") == 0
        if not fresh and not session.acquire():
            raise WaError(
                "in-use",
                "the store must be upgraded, and another wa process is at work on it",
                "restart the listener (or run-scheduler), then try again",
            )
        try:
            store.execute("PRAGMA journal_mode=WAL")
            migrations.apply(store.db)
        finally:
            session.release()


def is_damaged(home: Home) -> bool:
    """Whether the database itself is broken, and not only what was asked of it."""
    try:
        conn = sqlite3.connect(home.store, timeout=BUSY_TIMEOUT)
        try:
            return bool(conn.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
        finally:
            conn.close()
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def _is_odd(text: str) -> bool:
    """Whether an error is none of those that the disk or another process causes."""
    return not any(sign in text for sign in ("full", "I/O", "locked", "unable to open", "readonly"))


_DAMAGE = (
    "not a database",
    "malformed",
    "unsupported file format",
    "decode to UTF-8",
    "vtable constructor failed",
    "user-defined function raised",  # fold() was given what is no text
)


def explain(error: sqlite3.Error, home: Home) -> WaError:
    """What an error of SQLite's means to the user."""
    text = str(error)
    if any(sign in text for sign in _DAMAGE) or (_is_odd(text) and is_damaged(home)):
        return WaError(
            "corrupt",
            f"{home.store} is damaged: {text}",
            "move it away and restore a copy; `wa db check` tells more",
        )
    if "is full" in text or ("I/O" in text and not home.has_room()):
        return storage_error(OSError(errno.ENOSPC, text), home.store)
    if "locked" in text:
        return WaError(
            "in-use",
            f"{home.store} is locked by another program",
            "try again, and look for a program that holds it open: fuser wa.db",
        )
    return WaError(
        "storage-error",
        f"cannot use {home.store}: {text}",
        f"check that {home.path} can be written and has room",
    )


def linked_account(store: Store) -> Row | None:
    """The linked account, as it was when last connected; None where none is linked any more."""
    return store.row("SELECT jid, lid, push_name FROM device WHERE id = 1 AND linked_at IS NOT NULL")


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
