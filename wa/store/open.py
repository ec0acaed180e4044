"""Opening, making and upgrading the store, and the mapping of SQLite's errors to WaError."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from wa.errors import WaError
from wa.settings import read_only_error
from wa.store.database import BUSY_TIMEOUT, Store
from wa.store.files import create, part_path, put, storage_error
from wa.store.locks import FileLock, lock_holder
from wa.store.paths import Home, no_home
from wa.store.schema import steps as schema

_RESTORE = "`wa backup restore latest` brings back the last good backup; without any, remove the file"
_BACK = "put the file back, or `wa backup restore latest`, then start again"


def open_store(home: Home, *, anew: bool = False, any_thread: bool = False) -> Store:
    """Open the store; make or upgrade it first if need be.

    Raise WaError `newer-version` for a store from a later wa, `in-use` when an upgrade has to wait for
    the process that holds the connection, `corrupt` and `storage-error`: also instead of making a store
    where there was one. `anew` makes one all the same, for a backup to be restored into.
    """
    with _explained(home):
        if not home.store.exists():
            _make(home, anew=anew)
        found = home.store.stat()
        if not found.st_size and not anew:
            raise emptied(home.store)
        if found.st_mode & 0o077:
            home.store.chmod(0o600)
        store = Store(home, any_thread=any_thread)
    with _explained(home, store):
        if not _is_current(store):
            _migrate(store)
    return store


@contextmanager
def _explained(home: Home, opened: Store | None = None) -> Iterator[None]:
    """Turn errors of SQLite, and of the system until a store is `opened`, into WaErrors; then close that."""
    try:
        yield
    except BaseException as error:
        if opened is not None:
            opened.close()
        elif isinstance(error, OSError):
            raise storage_error(error, home.store) from error
        if isinstance(error, sqlite3.Error):
            raise explain(error, home) from error
        raise


def open_store_for(home: Home, transport: str, *, any_thread: bool = False) -> Store:
    """Open the store as `open_store` does. Raise WaError `bad-setting` if it belongs to another transport."""
    return _of_transport(open_store(home, any_thread=any_thread), transport)


def _of_transport(store: Store, transport: str) -> Store:
    bound = store.state().get("transport")
    if bound not in (None, transport):
        store.close()
        raise WaError(
            "bad-setting",
            f"{store.home.path} belongs to the transport {bound}, and WA_TRANSPORT is {transport}",
            f"set WA_TRANSPORT={bound}, or another WA_HOME",
        )
    return store


class ReadOnlyStore(Store):
    """A store that is only read. Once it is closed, the files of the home are as they were."""

    is_read_only = True

    def __init__(self, home: Home, *, any_thread: bool = False, busy_seconds: float = BUSY_TIMEOUT) -> None:
        self._log = home.store.with_name(f"{home.store.name}-wal")
        self._had_log = self._log.exists()
        # To read, SQLite makes an empty log if there is none. Where it cannot, as on a disk that is mounted
        # read-only, it must be told that nobody writes.
        can_make_one = self._had_log or os.access(home.path, os.W_OK)
        mode = "ro" if can_make_one else "ro&immutable=1"
        super().__init__(home, any_thread=any_thread, busy_seconds=busy_seconds, mode=mode)

    def close(self) -> None:
        """Close the connection, and let SQLite remove the empty log that it has made."""
        super().close()
        with suppress(OSError, sqlite3.Error):
            if not self._had_log and not self._log.stat().st_size:
                # SQLite removes it with the last connection that could have written, and so only for such a
                # one. It has nothing to write, and leaves a log alone that another process has begun to use.
                with closing(Store(self.home, busy_seconds=0)) as store:
                    store.value("PRAGMA schema_version")


def look_at_store_for(home: Home, transport: str, *, any_thread: bool = False) -> Store:
    """Open the store to read it alone: nothing is made, upgraded or repaired.

    Raise WaError as `open_store_for` does, `not-authorized` when there is none, and `usage` for one that
    must be upgraded first.
    """
    with _explained(home):
        if not home.store.exists():
            _check_that_none_is_missing(home)
            raise no_home(home)
        if not home.store.stat().st_size:
            raise emptied(home.store)
        store = ReadOnlyStore(home, any_thread=any_thread)
    with _explained(home, store):
        if not _is_current(store):
            what = f"{home.store}, which an older version wrote, must be upgraded first"
            raise read_only_error(what, "any command without --read-only and WA_READ_ONLY upgrades it")
        _of_transport(store, transport)
    return store


def bind_store(store: Store, transport: str) -> None:
    """Record the transport that the store belongs to, unless it belongs to one already."""
    if "transport" not in store.state():
        with store.write():
            store.set_state("transport", transport)


def _is_current(store: Store) -> bool:
    known = {step.__name__ for step in schema.STEPS}
    applied = schema.applied_steps(store.conn)
    if applied - known:
        raise WaError(
            "newer-version",
            f"{store.home.store} was written by a newer version of wa",
            "install that version here, or restore a backup made by this one",
        )
    return applied == known


def _make(home: Home, *, anew: bool) -> None:
    """Make the store under another name, and give it its own once it is whole: so none of ours is empty."""
    with FileLock(home.migrate_lock).hold():
        if home.store.exists():  # another process was here first
            return
        if not anew:
            _check_that_none_is_missing(home)
        workshop = Home(part_path(home.path, "store"))
        shutil.rmtree(workshop.path, ignore_errors=True)
        workshop.path.mkdir(mode=0o700)
        try:
            create(workshop.store).close()
            store = Store(workshop)
            try:
                store.execute("PRAGMA journal_mode=WAL")
                store.execute("PRAGMA synchronous=OFF")
                schema.apply_steps(store.conn)
            finally:
                store.close()
            for log in (home.store.with_name(f"{home.store.name}{end}") for end in ("-wal", "-shm")):
                log.unlink(missing_ok=True)
            with workshop.store.open("rb+") as file:
                put(file, home.store)
        finally:
            shutil.rmtree(workshop.path, ignore_errors=True)


def _has_backups(home: Home) -> bool:
    return home.backups.is_dir() and any(each.is_file() for each in home.backups.iterdir())


def _check_that_none_is_missing(home: Home) -> None:
    """Raise WaError when the home had a store, which somebody has moved or removed."""
    log = home.store.with_name(f"{home.store.name}-wal")
    if _has_backups(home):
        text = f"{home.store} is missing, and {home.backups} holds backups of it"
        raise WaError("corrupt", text, "`wa backup restore latest` brings back the last good one")
    if home.spool.exists() and lock_holder(home.session_lock) is not None:  # its holder has a store
        raise WaError("storage-error", f"{home.store} was moved or removed while wa had it open", _BACK)
    if log.exists() and log.stat().st_size:
        text = f"{home.store} was moved or removed, and {log.name}, which belongs to it, was not"
        raise WaError("storage-error", text, f"{_BACK}; to begin without it, remove {log.name}")


def _migrate(store: Store) -> None:
    """Bring the schema up to date, one process at a time.

    For an existing store this takes the session lock too: a process that holds it runs the older code.
    """
    with FileLock(store.home.migrate_lock).hold():
        if _is_current(store):  # another process was here first
            return
        session = FileLock(store.home.session_lock)
        fresh = store.value("SELECT count(*) FROM sqlite_master") == 0
        if fresh and _has_backups(store.home):
            raise emptied(store.home.store)
        if not fresh and not session.acquire():
            raise WaError(
                "in-use",
                "the store must be upgraded, and another wa process is at work on it",
                "restart the listener (or run-scheduler), then try again",
            )
        try:
            store.execute("PRAGMA journal_mode=WAL")
            schema.apply_steps(store.conn)
        finally:
            session.release()


def fault_of(store: Store) -> WaError | None:
    """Return why a store is no longer the file that was opened: it was moved, replaced or emptied."""
    path = store.home.store
    try:
        found = os.stat(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return WaError("storage-error", f"{path} was moved or removed while wa had it open: {reason}", _BACK)
    if not found.st_size:
        return emptied(path)
    if (found.st_dev, found.st_ino) != (store.file.st_dev, store.file.st_ino):
        return WaError("storage-error", f"{path} was replaced while wa had it open", _BACK)
    return None


def emptied(path: Path) -> WaError:
    """Return the error of a store without a byte in it."""
    return WaError("corrupt", f"{path} is empty: another program has emptied it", _RESTORE)


def is_damaged(home: Home) -> bool:
    """Return whether the database itself is broken, and not only a statement."""
    try:
        conn = sqlite3.connect(f"{home.store.absolute().as_uri()}?mode=ro", timeout=BUSY_TIMEOUT, uri=True)
        try:
            return bool(conn.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
        finally:
            conn.close()
    except sqlite3.OperationalError:
        return False
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # a message may repeat bytes of a damaged schema
        return True


def _is_odd(text: str) -> bool:
    """Return whether an error is caused neither by the disk nor by another process."""
    return not any(sign in text for sign in ("full", "I/O", "locked", "unable to open", "readonly"))


_DAMAGE = (
    "not a database",
    "malformed",
    "unsupported file format",
    "decode to UTF-8",
    "vtable constructor failed",
    "user-defined function raised",  # fold() was called with a value that is not text
)


def explain(error: sqlite3.Error, home: Home) -> WaError:
    """Return the WaError for an error of SQLite, with a hint."""
    text = str(error)
    if any(sign in text for sign in _DAMAGE) or (_is_odd(text) and is_damaged(home)):
        return WaError(
            "corrupt",
            f"{home.store} is damaged: {text}",
            "`wa db check` tells whether `--repair` is enough, or a backup has to be restored",
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


@contextmanager
def explained(home: Home) -> Iterator[None]:
    """Raise the WaError for an error of SQLite or of the operating system in the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, home) from error
    except OSError as error:
        raise storage_error(error, home.path) from error
