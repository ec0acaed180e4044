"""A snapshot written over the live store, in one commit.

The store that is replaced knows more of the queue than the backup does. So its rows are carried
over while SQLite's backup API holds the write lock: other processes see all of it or nothing.
"""

from __future__ import annotations

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
from wa.store.database import BUSY_TIMEOUT, Row
from wa.store.files import create, put, storage_error, sync_folder
from wa.store.open import open_store
from wa.store.paths import Home
from wa.store.schema import apply_steps

_PAGES = 16
"""Pages written before the queue is carried over: fewer than any store has."""
_DONE = 101
"""SQLITE_DONE, which Python's sqlite3 names from 3.11 on."""


def replace_store(backups: Backups, unpacked: Path, name: str, transport: str) -> Row:
    """Write an unpacked snapshot over the store, a copy of which is kept; return what was done.

    Sending is paused. Raise WaError `bad-setting` for a snapshot of another transport, `in-use` and
    `storage-error`.
    """
    home, now = backups.home, backups.now()
    kept: Path | None = _free_path(backups.local.folder, now)
    if not home.store.exists():
        open_store(home).close()
        kept = None
    with closing(_connect(unpacked)) as source:
        _prepare(source, name, transport)
        try:
            is_known = _replace(backups, source, name, kept, now)
        except sqlite3.OperationalError as error:
            raise WaError(
                "storage-error",
                f"the store could not be replaced: {error}; it is as it was",
                "free some disk space, stop what uses it, and try again",
            ) from error
        except sqlite3.DatabaseError:  # its beginning is so damaged that nothing can be written into it
            assert kept is not None  # noqa: S101
            _set_aside(home, kept)
            open_store(home).close()
            _replace(backups, source, name, None, now)
            is_known = False
    return {"kept": str(kept) if kept else None, "queue_known": is_known, **_summary(home)}


def _free_path(folder: Path, moment: datetime) -> Path:
    """Return where the copy of the present store goes."""
    return folder / copy_name_at(free_moment(moment, lambda at: (folder / copy_name_at(at)).exists()))


def _summary(home: Home) -> Row:
    with closing(_connect(home.store)) as live:
        live.execute("PRAGMA busy_timeout=0")  # a reader of what was there before is not waited for
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


def _replace(
    backups: Backups, source: sqlite3.Connection, name: str, kept: Path | None, now: datetime
) -> bool:
    """Write the snapshot over the live store in one commit.

    Return whether the present store could be read, so that what it knew of the queue is in the new one.
    The first step of SQLite's backup takes the write lock, which it holds until the end. In between, the
    present store can still be read, and what is changed in the source is written too
    (sqlite.org/c3ref/backup_finish.html). `kept` is where a copy of the present store goes.
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
            target.execute("PRAGMA journal_mode=WAL")  # else nobody could read what is there
            source.backup(target, pages=_PAGES, progress=after_step, sleep=0.05)
    except (sqlite3.Error, WaError, OSError):  # when asked to end, the commit may have been made: keep it
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
        # Damaged, or empty: what can be known is what the backup says.
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
    """Give up on a lock, which SQLite's `backup` would try to get for ever."""
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
