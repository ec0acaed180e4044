"""Reading and writing the one SQLite file that holds our data."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

from wa.store.fold import fold, searched
from wa.store.paths import Home

BUSY_TIMEOUT = 30.0
"""Seconds to wait for the transaction of another process, which is meant to last at most 0.25."""

BATCH = 500
"""Rows in one transaction, or in the first one of bulk work, so that other processes do not wait long."""
BATCH_SECONDS = 0.1
"""Seconds that a transaction of bulk work is to last, for the same reason."""
_AT_ONCE = 50
"""Rows in one statement that inserts many."""
BULK_CACHE, _BULK_WAL = 32_000, 4_000
"""KiB of pages that bulk work keeps in memory, and pages of the log (WAL) after which they are moved."""

Params = Sequence[Any] | dict[str, Any]
Row = dict[str, Any]


class Store:
    """A connection to `wa.db`, for the thread that made it, or for `any_thread`.

    It waits up to `busy_seconds` for the write lock, and then raises sqlite3.OperationalError.
    A read outside a transaction sees the newest commit. Code that writes, or reads in order to write,
    stands in `with store.write():`.
    """

    is_read_only = False
    """Whether nothing can be written: `ReadOnlyStore` of wa/store/open.py."""

    def __init__(
        self, home: Home, *, any_thread: bool = False, busy_seconds: float = BUSY_TIMEOUT, mode: str = "rw"
    ) -> None:
        self.home = home
        self.conn = sqlite3.connect(
            f"{home.store.absolute().as_uri()}?mode={mode}",  # so that it never makes a file
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
        self.file = os.stat(home.store)
        """The file that this connection has open, for comparison with what is in its place later."""
        self._durable = True
        self._before_bulk: list[tuple[str, int]] = []
        try:
            self.conn.execute("PRAGMA foreign_keys=ON")
            self.conn.execute("PRAGMA synchronous=FULL")
        except UnicodeDecodeError as error:  # SQLite's message repeats bytes of a damaged schema
            self.conn.close()
            raise sqlite3.DatabaseError(f"malformed database schema: {error}") from error
        self.conn.create_function("fold", 1, fold, deterministic=True)
        self.conn.create_function("searched", 2, searched, deterministic=True)

    @classmethod
    def over(cls, conn: sqlite3.Connection) -> Store:
        """Return a store, without a home, over a connection that is in a transaction."""
        made = cls.__new__(cls)
        made.conn, made._durable, made._before_bulk = conn, True, []
        return made

    def close(self) -> None:
        """Close the connection, and roll back an open transaction."""
        self.conn.close()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[None]:
        """Run the block as one transaction that holds the write lock from its start.

        A `durable` commit survives a power cut. Other commits survive a kill alone; bulk work uses them.
        Inside another transaction, the block is part of that one.
        """
        conn = self.conn
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

    def begin_bulk(self, cache: int = BULK_CACHE) -> None:
        """Begin to write many rows: with more memory (KiB), and fewer moves of pages from log to store."""
        if not self._before_bulk and not self.conn.in_transaction:
            names = ("cache_size", "wal_autocheckpoint")
            self._before_bulk = [(name, self.value(f"PRAGMA {name}")) for name in names]
            self.execute(f"PRAGMA cache_size=-{cache}")
            self.execute(f"PRAGMA wal_autocheckpoint={_BULK_WAL}")

    def end_bulk(self) -> None:
        """Give the memory back, and empty the log: no later commit, perhaps somebody's message, has to."""
        if self._before_bulk:
            for name, value in self._before_bulk:
                self.execute(f"PRAGMA {name}={value}")
            self._before_bulk = []
            self.execute("PRAGMA shrink_memory")
            with suppress(sqlite3.OperationalError):  # the disk is full: another commit tries again
                self.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def bulk(self, cache: int = BULK_CACHE) -> Iterator[None]:
        """Run the block as bulk work; `begin_bulk`."""
        self.begin_bulk(cache)
        try:
            yield
        finally:
            self.end_bulk()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let all that the block reads be of one moment."""
        if self.conn.in_transaction:
            yield
            return
        self.execute("BEGIN")
        try:
            yield
        finally:
            if self.conn.in_transaction:
                self.execute("COMMIT")

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Let the block wait this long, and no longer, while another process holds the write lock."""
        before = self.value("PRAGMA busy_timeout")
        self.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
        try:
            yield
        finally:
            self.execute(f"PRAGMA busy_timeout={before}")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run the block as a part of a transaction that is undone alone when it raises."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.conn.in_transaction:
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    @contextmanager
    def rehearse(self, *tables: str, empty: Sequence[str] = ()) -> Iterator[None]:
        """Let the block write to copies of these tables, which are dropped at the end.

        Tables named in `empty` are written too, but not read; their copies have no rows.
        """
        try:
            self.execute("BEGIN")  # all copies are of one moment
            for table in tables:
                self._copy_away(table)
            for table in empty:
                self._copy_away(table, with_rows=False)
            self.execute("COMMIT")
            yield
        finally:
            if self.conn.in_transaction:
                self.execute("ROLLBACK")
            for table in reversed((*tables, *empty)):
                self.execute(f"DROP TABLE IF EXISTS temp.{table}")

    def _copy_away(self, table: str, *, with_rows: bool = True) -> None:
        made = self.execute(
            "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
            [table],
        ).fetchall()
        for (sql,) in made:
            temporary, count = re.subn(r"^(CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\s+)", r"\1temp.", sql)
            assert count == 1, sql  # noqa: S101
            self.execute(temporary)
        if with_rows:
            self.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")

    def keep_small(self) -> None:
        """Keep at most half a megabyte of pages in memory: a process with several connections stays small."""
        self.execute("PRAGMA cache_size=-500")

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self.conn.execute(sql, params)

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Run a query; yield its rows as dicts, one in memory at a time."""
        cursor = self.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, values, strict=True)) for values in cursor)

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows of a query as dicts; for queries whose number of rows is bounded."""
        return list(self.stream(sql, params))

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """Return the first row of a query, or None."""
        cursor = self.execute(sql, params)
        values = cursor.fetchone()
        if values is None:
            return None
        return dict(zip([column[0] for column in cursor.description], values, strict=True))

    def value(self, sql: str, params: Params = ()) -> Any:
        """Return the first column of the first row, or None."""
        values = self.execute(sql, params).fetchone()
        return None if values is None else values[0]

    def ids_like(self, table: str, text: str, *, begins: bool = False) -> list[str]:
        """Return up to ten ids of a table that a text is, or begins, or that it completes after the `_`.

        The id that the text is comes first. With `begins`, the text may also begin the part after the `_`.
        """
        if not begins:
            exact = self.execute(
                f"SELECT id FROM {table} WHERE id >= :text AND id < :text || char(0x10ffff)"
                f" UNION SELECT id FROM {table} WHERE substr(id, instr(id, '_') + 1) = :text"
                " ORDER BY id LIMIT 10",
                {"text": text},
            ).fetchall()
            if exact:
                return sorted((row_id for (row_id,) in exact), key=lambda row_id: (row_id != text, row_id))
        # The text is in other letters, or behind another `_`: all ids are read.
        like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = self.execute(
            f"SELECT id FROM {table} WHERE id = :text OR id LIKE :prefix ESCAPE '\\'"
            " OR id LIKE :short ESCAPE '\\' ORDER BY id = :text DESC, id LIMIT 10",
            {"text": text, "prefix": f"{like}%", "short": f"%\\_{like}{'%' * begins}"},
        )
        return [row_id for (row_id,) in found]

    def insert(self, table: str, row: Row, *, ignore: bool = False) -> int | None:
        """Insert a row; return its rowid, or None when `ignore` is set and the row conflicts with another."""
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        otherwise = "ON CONFLICT DO NOTHING" if ignore else ""  # OR IGNORE would hide a NOT NULL violation
        cursor = self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) {otherwise}", row)
        return cursor.lastrowid if cursor.rowcount else None

    def insert_many(self, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows, values of the columns `names`, but those that conflict; return how many were inserted.

        Most go in fifty at a time: what SQLite prepares for a statement, it prepares for fifty rows at once.
        """
        sql, marks = f"INSERT INTO {table} ({', '.join(names)}) VALUES", f"({', '.join('?' * len(names))})"
        many, otherwise = ", ".join([marks] * _AT_ONCE), "ON CONFLICT DO NOTHING"
        last = len(rows) - len(rows) % _AT_ONCE
        count = 0
        for start in range(0, last, _AT_ONCE):
            values = [*chain.from_iterable(rows[start : start + _AT_ONCE])]
            count += self.execute(f"{sql} {many} {otherwise}", values).rowcount
        return count + self.conn.executemany(f"{sql} {marks} {otherwise}", rows[last:]).rowcount

    def update(self, table: str, row_id: int | str, changes: Row) -> None:
        """Change columns of the row with that id."""
        columns = ", ".join(f"{name} = :{name}" for name in changes)
        self.execute(f"UPDATE {table} SET {columns} WHERE id = :id", {**changes, "id": row_id})

    def delete(self, table: str, where: str, params: Params = ()) -> int:
        """Delete the rows of a table that a condition in SQL is true of; return their number."""
        return self.execute(f"DELETE FROM {table} WHERE {where}", params).rowcount

    def state(self) -> dict[str, Any]:
        """Return all values of the table `state`, by key: small facts that outlive a process."""
        return {key: json.loads(value) for key, value in self.execute("SELECT key, value FROM state")}

    def set_state(self, key: str, value: Any) -> None:
        """Store one fact; None removes it."""
        if value is None:
            self.execute("DELETE FROM state WHERE key = ?", [key])
        else:
            self.execute(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, json.dumps(value)],
            )

    def version(self) -> int:
        """Return a number that changes whenever another connection has committed."""
        return int(self.value("PRAGMA data_version"))
