"""Snapshots: copies of the store as it is at one moment, checked and counted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

from wa.backup.packing import Damaged
from wa.errors import WaError
from wa.store.database import BUSY_TIMEOUT
from wa.store.files import create, explained, need_room
from wa.store.open import emptied, explain
from wa.store.paths import Home
from wa.store.schema.steps import STEPS, applied_steps

SESSION = "session_file"
"""The table of a snapshot that holds `session.db`, if the user asked for that."""


def take(home: Home, path: Path, session: Path | None = None) -> dict[str, int]:
    """Copy the store as it is at one moment to `path`; return the store's number of rows by table.

    Writers wait for milliseconds. The copy is not checked yet: `proving` does that. `session` is a copy of
    session.db to include. Raise WaError `corrupt` and `storage-error`.
    """
    with explained(path):
        create(path).close()
    try:
        with closing(_connect(home.store)) as source, closing(_connect(path)) as copy:
            source.execute("BEGIN")  # the counts and the copy are of one moment
            counts = count(source)
            if not counts:
                raise emptied(home.store)
            size = int(
                source.execute(
                    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
                ).fetchone()[0]
            )
            need_room(path.parent, size * 1.5, "a backup")
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            source.backup(copy)
            source.execute("ROLLBACK")
            _put_session(copy, session)
    except sqlite3.Error as error:
        raise explain(error, home) from error
    return counts


@contextmanager
def proving(home: Home, path: Path, counts: dict[str, int]) -> Iterator[Callable[[], None]]:
    """Check a snapshot from end to end in a thread of its own, while the block packs it.

    Yield a function that waits for the end of the check and raises WaError `corrupt` unless the snapshot is
    sound and has these numbers of rows. An error in the block ends the check. SQLite and zstd work without
    Python's lock, so on two cores the check costs no time. On one core it begins when it is waited for: in
    turns, the two would push each other out of the processor's cache.
    """
    found: list[list[str]] = []  # it stays empty when the thread dies: then nothing is proved
    with opened(path) as db:
        thread = Thread(target=lambda: found.append(_faults(db)), name="checker")
        if _cores() > 1:
            thread.start()

        def prove() -> None:
            if thread.ident is None:
                thread.start()
            thread.join()
            (problems,) = found
            if not problems and (there := counts_of(path)) != counts:
                problems = [f"rows differ: {sorted(set(there.items()) ^ set(counts.items()))[:3]}"]
            if problems:
                raise WaError(
                    "corrupt",
                    f"{home.store} is damaged, so no backup of it was made: {'; '.join(problems[:3])}",
                    "`wa db check` tells more; `wa backup restore latest` brings back the last good one",
                )

        try:
            yield prove
        except BaseException:
            db.interrupt()
            raise
        finally:
            if thread.ident is not None:
                thread.join()


def _cores() -> int:
    """Return the number of processors that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(usable(0)) if usable else os.cpu_count() or 1


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)


def _put_session(copy: sqlite3.Connection, session: Path | None) -> None:
    drop_session(copy)
    if session is not None:
        copy.execute(f"CREATE TABLE {SESSION} (content BLOB NOT NULL)")
        copy.execute(f"INSERT INTO {SESSION} VALUES (?)", [session.read_bytes()])


def drop_session(db: sqlite3.Connection) -> None:
    """Remove the session's keys from a snapshot, and overwrite their bytes."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [SESSION]).fetchone():
        db.execute("PRAGMA secure_delete=ON")
        db.execute(f"DROP TABLE {SESSION}")


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a snapshot for one thread to read, unchanged and without SQLite's files beside it."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)) as db:
        yield db


def count(db: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rows by table, without virtual tables and the session's."""
    names = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'",
        [SESSION],
    ).fetchall()
    return {name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for (name,) in names}


def counts_of(path: Path) -> dict[str, int]:
    """Return a snapshot's number of rows by table."""
    with opened(path) as db:
        return count(db)


def check(path: Path) -> list[str]:
    """Return the faults of a snapshot, none if it is sound."""
    with opened(path) as db:
        return _faults(db)


def _faults(db: sqlite3.Connection) -> list[str]:
    try:
        found = [row[0] for row in db.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [each for each in found if each != "ok"]


def check_version(path: Path, name: str) -> None:
    """Raise WaError `newer-version` for a snapshot of a later wa, Damaged for a foreign database."""
    try:
        with opened(path) as db:
            applied = applied_steps(db)
    except sqlite3.DatabaseError as error:
        raise Damaged(name, str(error)) from None
    if not applied:
        raise Damaged(name, "it is a database, but not one of wa's")
    if applied - {step.__name__ for step in STEPS}:
        raise WaError(
            "newer-version",
            f"{name} was made by a newer version of wa",
            "install that version here, then restore it",
        )
