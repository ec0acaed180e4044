"""A backup brought back: found, opened, checked, and written into the store in one commit.

What was sent before is not sent again. The store that is replaced knows more of the
queue than the backup does; so its rows are carried over, while SQLite's backup API
holds the write lock, and the others see either all of it or nothing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from wa import retention, snapshot
from wa.carrying import carry_over, nothing_known
from wa.errors import WaError
from wa.home import FileLock, Home, describe_holder, lock_holder, storage_error
from wa.migrations import migrations
from wa.retention import CHECKSUM
from wa.shelf import FOLDER, PARTS, Shelf, sync_folder
from wa.snapshot import Damaged
from wa.store import BUSY_TIMEOUT, Row, open_store
from wa.when import to_iso

_PAGES = 16
"""Pages written before the queue is carried over: fewer than any store has."""
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Found:
    """A backup by its name; with a path, it is a file of the user's."""

    name: str
    path: Path | None = None


class Reader:
    """Opens backups, from here or from the bucket. What it makes on the way is in `parts`."""

    def __init__(self, shelf: Shelf, parts: Path) -> None:
        self._shelf = shelf
        self._parts = parts
        self._local = shelf.local()
        self._trouble: WaError | None = None
        if shelf.bucket is not None:
            try:
                shelf.look()
            except WaError as error:
                self._trouble = error

    @property
    def trouble(self) -> WaError | None:
        """Why nothing is known of the bucket, where that is so."""
        return self._trouble

    def names(self) -> list[str]:
        """All backups, the newest first."""
        return retention.newest_first({**self._local, **(self._shelf.remote or {})}, self._shelf.now())

    def find(self, wanted: str) -> Found:
        """The backup that is meant: by its name, the beginning of one, `latest`, or as the path of a file.

        Raises WaError `not-found` and `ambiguous`.
        """
        names = self.names()
        if wanted in names:
            return Found(wanted)
        path = Path(wanted).expanduser()
        if wanted != "latest" and path.is_file():
            return Found(path.name, path)
        fits = (
            names[:1]
            if wanted == "latest"
            else [name for name in names if wanted and name.startswith(wanted)]
        )
        if len(fits) > 1:
            raise WaError(
                "ambiguous", f"{wanted!r} fits several: {', '.join(fits[:5])}", "give more of the name"
            )
        if fits:
            return Found(fits[0])
        if self._trouble is not None:
            raise self._trouble
        what = "there is no backup" if wanted == "latest" else f"there is no backup {wanted!r}"
        raise WaError("not-found", what, "`wa backup list` shows those there are")

    def open(self, found: Found, target: Path, copies: float) -> list[str]:
        """Put the snapshot in a backup at `target`, checked from end to end; where it was found sound.

        A local one that is damaged is passed over where the bucket has it too. Raises Damaged,
        WaError `newer-version`, `bad-setting`, `storage-error` and `network-error`.
        """
        if found.path is not None:
            self._unpack(found.path, _checksum_beside(found.path), target, found.name, copies)
            return ["file"]
        damage: WaError | None = None
        if found.name in self._local:
            try:
                packed = self._shelf.folder / found.name
                self._unpack(packed, self._shelf.local_checksum(found.name) or "", target, found.name, copies)
                return ["here"]
            except Damaged as error:
                damage = error
        if found.name in (self._shelf.remote or {}):
            packed, digest = self._download(found.name)
            try:
                self._unpack(packed, digest, target, found.name, copies)
                return ["storage"]
            finally:
                packed.unlink(missing_ok=True)
        raise damage or WaError("not-found", f"there is no backup {found.name!r}")

    def verify(self, found: Found) -> list[str]:
        """Open a backup wherever it is; the places. Raises as `open` does for one that is not sound."""
        target = self._parts / "verified.db"
        if found.path is not None:
            return self.open(found, target, 1)
        places = []
        shelf = self._shelf
        if found.name in self._local:
            checksum = shelf.local_checksum(found.name) or ""
            self._unpack(shelf.folder / found.name, checksum, target, found.name, 1)
            places.append("here")
        if found.name in (shelf.remote or {}):
            packed, digest = self._download(found.name)
            try:
                self._unpack(packed, digest, target, f"{found.name} in the storage", 1)
            finally:
                packed.unlink(missing_ok=True)
            places.append("in the storage")
        return places

    def older_good(self, than: str) -> str | None:
        """The newest sound backup before one."""
        names = self.names()
        for name in names[names.index(than) + 1 :]:
            try:
                self.open(Found(name), self._parts / "older.db", 1)
                return name
            except WaError as error:
                if error.code not in ("corrupt", "newer-version"):
                    return None
        return None

    def _unpack(self, packed: Path, checksum: str | None, target: Path, name: str, copies: float) -> None:
        """Unpack and check; `checksum` None for a file that has none."""
        try:
            if checksum is not None and snapshot.digest(packed).sha256 != checksum:
                raise Damaged(name, "it is not what its checksum says")
            snapshot.unpack(packed, target, self._shelf.keys, name, copies=copies)
        except OSError as error:
            raise storage_error(error, packed) from error
        problems = snapshot.check(target)
        if problems:
            raise Damaged(name, problems[0])
        snapshot.check_version(target, name)

    def _download(self, name: str) -> tuple[Path, str]:
        bucket = self._shelf.bucket
        assert bucket is not None  # noqa: S101
        digest = self._shelf.remote_checksum(name) or ""
        found = bucket.open(FOLDER + name)
        if found is None:
            raise bucket.refused or WaError("not-found", f"{name} has gone from the storage", "try again")
        body, size = found
        target = self._parts / name
        snapshot.need_room(self._parts, size, "to download the backup")
        try:
            with closing(body), snapshot.create(target) as file:
                while chunk := body.read(_CHUNK):
                    file.write(chunk)
        except OSError as error:
            raise storage_error(error, target) from error
        return target, digest


def _checksum_beside(path: Path) -> str | None:
    """The digest that stands beside a file of the user's; None where there is none."""
    try:
        text = path.with_name(path.name + CHECKSUM).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.partition(" ")[0]


def restore(shelf: Shelf, wanted: str, transport: str) -> Row:
    """Replace the store by a backup; what was done. Sending is paused afterwards.

    Raises WaError `in-use` while another process holds the connection, `not-found`,
    `corrupt` (with an older one that is good, for `latest`), and as `Reader.open` does.
    """
    lock = FileLock(shelf.home.session_lock)
    if not lock.acquire():
        holder = describe_holder(lock_holder(shelf.home.session_lock) or {})
        raise WaError("in-use", f"{holder} holds the connection", "stop it, then restore")
    try:
        lock.write({"pid": os.getpid(), "command": "backup restore", "since": to_iso(shelf.now())})
        with shelf.alone("backup restore") as parts:
            reader = Reader(shelf, parts)
            found = reader.find(wanted)
            image = parts / "restored.db"
            old = shelf.home.store.stat().st_size if shelf.home.store.exists() else 0
            where = _open_or_offer(reader, found, wanted, image, old)
            return {
                "name": found.name,
                "from": where,
                **_write(shelf, image, found.name, transport),
                "trouble": reader.trouble.message if reader.trouble else None,
            }
    finally:
        lock.release()


def _open_or_offer(reader: Reader, found: Found, wanted: str, image: Path, old: int) -> str:
    try:
        return reader.open(found, image, copies=3)[0]
    except WaError as error:
        if wanted != "latest" or error.code not in ("corrupt", "newer-version"):
            raise
        older = reader.older_good(found.name)
        hint = f"{older} is good: `wa backup restore {older}`" if older else "no older one is good"
        raise WaError(error.code, error.message, hint) from error


def extract(shelf: Shelf, wanted: str, target: Path) -> Row:
    """Put the snapshot in a backup into a file of its own, which must not exist; what was done."""
    if target.exists() or target.is_symlink():
        raise WaError("usage", f"{target} exists already", "name a file that does not exist yet")
    with shelf.alone("backup restore") as parts:
        reader = Reader(shelf, parts)
        found = reader.find(wanted)
        part = target.with_name(f".{target.name}.part")
        try:
            where = _open_or_offer(reader, found, wanted, part, 0)
            part.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise storage_error(error, target) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return {"name": found.name, "from": where, "to": str(target), "messages": _messages(target)}


def verify(shelf: Shelf, wanted: str) -> Row:
    """Open a backup and check it from end to end; what was found."""
    with shelf.alone("backup verify") as parts:
        reader = Reader(shelf, parts)
        found = reader.find(wanted)
        places = reader.verify(found)
        return {
            "name": found.name,
            "places": places,
            "messages": _messages(parts / "verified.db"),
            "trouble": reader.trouble.message if reader.trouble else None,
        }


def _messages(path: Path) -> int:
    return snapshot.counts_of(path).get("messages", 0)


# ── Into the live store ──────────────────────────────────────────────────────────────────────────────


def _write(shelf: Shelf, image: Path, name: str, transport: str) -> Row:
    home, now = shelf.home, shelf.now()
    kept: Path | None = shelf.folder / f"replaced_{now:%Y%m%d_%H%M%S}.db"
    if not home.store.exists():
        open_store(home).close()
        kept = None
    with closing(_connect(image)) as source:
        _prepare(source, name, transport)
        try:
            is_known = _replace(home, source, name, kept, now)
        except sqlite3.OperationalError as error:
            raise WaError(
                "storage-error",
                f"the store could not be replaced: {error}; it is as it was",
                "free some disk space, stop what uses it, and try again",
            ) from error
        except sqlite3.DatabaseError:  # its very beginning is damaged, so that nothing can be written into it
            assert kept is not None  # noqa: S101
            _set_aside(home, kept)
            open_store(home).close()
            _replace(home, source, name, None, now)
            is_known = False
    return {"kept": str(kept) if kept else None, "queue_known": is_known, **_summary(home)}


def _summary(home: Home) -> Row:
    with closing(_connect(home.store)) as live:
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        statuses = live.execute("SELECT status, count(*) FROM scheduled_messages GROUP BY status").fetchall()
        newest, messages = live.execute("SELECT max(timestamp), count(*) FROM messages").fetchone()
    return {"messages": messages, "last_message_at": newest, "queue": dict(statuses)}


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)


def _prepare(source: sqlite3.Connection, name: str, transport: str) -> None:
    """Make of a snapshot what this version of wa expects, with nothing in it but itself."""
    source.execute("PRAGMA journal_mode=MEMORY")
    source.execute("PRAGMA synchronous=OFF")
    migrations.apply(Database(source, execute_plugins=False))
    snapshot.drop_session(source)
    bound = source.execute("SELECT json_extract(value, '$') FROM state WHERE key = 'transport'").fetchone()
    if bound and bound[0] != transport:
        raise WaError(
            "bad-setting",
            f"{name} is of the transport {bound[0]}, and WA_TRANSPORT is {transport}",
            f"set WA_TRANSPORT={bound[0]}",
        )


def _replace(home: Home, source: sqlite3.Connection, name: str, kept: Path | None, now: datetime) -> bool:
    """Write the snapshot over the live store in one commit; whether what that knew of the queue came along.

    The first step of the backup takes the write lock until its end. In between, the
    present store can still be read, and what is changed in the source goes along
    (sqlite.org/c3ref/backup_finish.html). `kept` is where a copy of the present store goes.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT
    carried: list[bool] = []

    def after_step(status: int, remaining: int, total: int) -> None:
        if not carried and status == sqlite3.SQLITE_OK:
            if kept is not None:
                _keep_copy(home, kept, kept.parent / PARTS)
            carried.append(_carry_over(home, source, name, now))
        elif not carried and time.monotonic() > deadline:
            raise WaError(
                "in-use",
                f"{home.store} is locked by another program",
                "look for it: fuser wa.db; then try again",
            )

    try:
        with closing(_connect(home.store)) as target:
            source.backup(target, pages=_PAGES, progress=after_step, sleep=0.05)
    except BaseException:
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise
    return carried[0]


def _carry_over(home: Home, source: sqlite3.Connection, name: str, now: datetime) -> bool:
    source.execute("ATTACH ? AS live", [str(home.store)])
    try:
        carry_over(source, "live", name, now)
        return True
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # damaged: what can be known is what the backup says
        nothing_known(source, "nothing")
        carry_over(source, "nothing", name, now)
        return False
    finally:
        source.execute("DETACH live")


def _keep_copy(home: Home, kept: Path, parts: Path) -> None:
    """Copy the present store, page by page, whatever it is worth."""
    part = parts / kept.name
    snapshot.create(part).close()
    try:
        with closing(_connect(home.store)) as live, closing(_connect(part)) as copy:
            copy.execute("PRAGMA journal_mode=OFF")
            live.backup(copy)
        part.replace(kept)
        sync_folder(kept.parent)
    except OSError as error:
        raise storage_error(error, kept) from error
    finally:
        part.unlink(missing_ok=True)


def _set_aside(home: Home, kept: Path) -> None:
    """Move a store away that SQLite takes for none, with what belongs to it."""
    try:
        for ending in ("-shm", "-wal", ""):
            path = home.store.with_name(home.store.name + ending)
            if path.exists():
                path.replace(kept.with_name(kept.name + ending))
        sync_folder(home.path)
    except OSError as error:
        raise storage_error(error, kept) from error
