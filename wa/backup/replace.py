"""Writing a snapshot over the live store, in one commit.

The present store has newer rows of the queue than the backup. So they are carried over while
SQLite's backup API holds the write lock: other processes see all of the change or none of it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

from wa.backup import snapshot
from wa.backup.backups import Backups
from wa.backup.carry_over import carry_over, nothing_known
from wa.backup.names import copy_name_at, free_moment
from wa.errors import WaError
from wa.queue import place
from wa.store.database import BUSY_TIMEOUT, Row
from wa.store.files import create, put, storage_error, sync_folder
from wa.store.open import open_store
from wa.store.paths import Home
from wa.store.schema.steps import apply_steps

_PAGES = 16
"""The pages that are written before the queue is carried over: fewer than any store has."""
_DONE = 101
"""SQLITE_DONE, which Python's sqlite3 names from 3.11 on."""


def replace_store(backups: Backups, unpacked: Path, name: str, transport: str) -> Row:
    """Keep a copy of the store, write an unpacked snapshot over it, and pause sending; return the result.

    Raise WaError `bad-setting` for a snapshot of another transport, `in-use` and `storage-error`.
    """
    home, now = backups.home, backups.now()
    kept: Path | None = _free_path(backups.local.folder, now)
    if not home.store.exists():
        open_store(home, anew=True).close()
        kept = None
    with closing(_connect(unpacked)) as source:
        _prepare(source, name, transport)
        _set_place(source, home)
        try:
            is_known = _replace(backups, source, name, kept, now)
        except sqlite3.OperationalError as error:
            raise WaError(
                "storage-error",
                f"the store could not be replaced: {error}; it is as it was",
                "free some disk space, stop what uses it, and try again",
            ) from error
        except sqlite3.DatabaseError:  # the start of the store is so damaged that SQLite cannot write to it
            assert kept is not None  # noqa: S101
            _set_aside(home, kept)
            open_store(home, anew=True).close()
            _set_place(source, home)
            _replace(backups, source, name, None, now)
            is_known = False
    return {"kept": str(kept) if kept else None, "queue_known": is_known, **_summary(home)}


def _free_path(folder: Path, moment: datetime) -> Path:
    """Return a new path for the copy of the present store."""
    return folder / copy_name_at(free_moment(moment, lambda at: (folder / copy_name_at(at)).exists()))


def _summary(home: Home) -> Row:
    with closing(_connect(home.store)) as live:
        live.execute("PRAGMA busy_timeout=0")  # do not wait for readers of the old content
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        live.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000:.0f}")
        statuses = live.execute("SELECT status, count(*) FROM scheduled_messages GROUP BY status").fetchall()
        newest, messages = live.execute("SELECT max(timestamp), count(*) FROM messages").fetchone()
    return {"messages": messages, "last_message_at": newest, "queue": dict(statuses)}


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)


def _prepare(source: sqlite3.Connection, name: str, transport: str) -> None:
    """Bring a snapshot up to this version's schema, and remove the session's keys from it."""
    source.execute("PRAGMA journal_mode=MEMORY")
    source.execute("PRAGMA synchronous=OFF")
    apply_steps(source)
    snapshot.drop_session(source)
    bound = source.execute("SELECT json_extract(value, '$') FROM state WHERE key = 'transport'").fetchone()
    if bound and bound[0] != transport:
        raise WaError(
            "bad-setting",
            f"{name} is of the transport {bound[0]}, and WA_TRANSPORT is {transport}",
            f"set WA_TRANSPORT={bound[0]}",
        )


def _set_place(source: sqlite3.Connection, home: Home) -> None:
    """Note in a snapshot that it is of this home, which it is about to fill."""
    source.execute("DELETE FROM state WHERE key IN ('place', 'copied')")
    source.execute("INSERT INTO state VALUES ('place', ?)", [json.dumps(place.here(home))])


def _replace(
    backups: Backups, source: sqlite3.Connection, name: str, kept: Path | None, now: datetime
) -> bool:
    """Write the snapshot over the live store in one commit.

    Return whether the present store could be read, so that its queue was carried over. The first step of
    SQLite's backup takes the write lock, and holds it until the end. In between, the present store can
    still be read, and changes of the source are written too (sqlite.org/c3ref/backup_finish.html).
    `kept` is the path for a copy of the present store.
    """
    home = backups.home
    deadline = time.monotonic() + BUSY_TIMEOUT
    is_known: bool | None = None

    def after_step(status: int, remaining: int, total: int) -> None:
        nonlocal is_known
        if is_known is None and status == sqlite3.SQLITE_OK:
            if kept is not None:
                _keep_copy(home, kept, backups.parts)
            is_known = _carry_over(home, source, name, now)
        elif is_known is None and time.monotonic() > deadline:
            raise WaError(
                "in-use",
                f"{home.store} is locked by another program",
                "look for it: fuser wa.db; then try again",
            )

    try:
        with closing(_connect(home.store)) as target:
            target.execute("PRAGMA journal_mode=WAL")  # so that other processes can read it meanwhile
            source.backup(target, pages=_PAGES, progress=after_step, sleep=0.05)
    except (sqlite3.Error, WaError, OSError):  # not for a signal: the commit may be made, so keep the copy
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise
    assert is_known is not None  # noqa: S101
    return is_known


def _carry_over(home: Home, source: sqlite3.Connection, name: str, now: datetime) -> bool:
    source.execute("ATTACH ? AS live", [str(home.store)])
    try:
        carry_over(source, "live", name, now)
        return True
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            raise
        # The present store is damaged or empty: only the backup's rows are known.
        nothing_known(source, "unread")
        carry_over(source, "unread", name, now)
        return False
    finally:
        source.execute("DETACH live")


def _keep_copy(home: Home, kept: Path, parts: Path) -> None:
    """Copy the present store page by page, damaged or not."""
    part = parts / kept.name
    try:
        create(part).close()
        with closing(_connect(home.store)) as live, closing(_connect(part)) as copy:
            copy.execute("PRAGMA journal_mode=OFF")
            live.backup(copy, progress=_at_once)
        with part.open("rb") as file:
            put(file, kept)
    except OSError as error:
        raise storage_error(error, kept) from error
    finally:
        part.unlink(missing_ok=True)


def _at_once(status: int, remaining: int, total: int) -> None:
    """Raise when the store is locked, for SQLite's `backup` would try for ever."""
    if status not in (sqlite3.SQLITE_OK, _DONE):
        raise sqlite3.OperationalError("database is locked")


def _set_aside(home: Home, kept: Path) -> None:
    """Move away a store that SQLite does not recognise, with the files that belong to it."""
    try:
        for ending in ("-shm", "-wal", ""):
            path = home.store.with_name(home.store.name + ending)
            if path.exists():
                path.replace(kept.with_name(kept.name + ending))
        sync_folder(home.path)
    except OSError as error:
        raise storage_error(error, kept) from error
