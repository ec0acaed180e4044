"""A backup brought back: found, opened and checked, here or from the bucket."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from wa.backup import retention, snapshot
from wa.backup.catalog import FOLDER, Shelf
from wa.backup.replace import replace_store
from wa.backup.retention import CHECKSUM
from wa.backup.snapshot import Damaged
from wa.errors import WaError
from wa.store.database import Row
from wa.store.files import create, need_room, put, storage_error
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.times import to_iso

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
        need_room(self._parts, size, "to download the backup")
        try:
            with closing(body), create(target) as file:
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
                **replace_store(shelf, image, found.name, transport),
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
            with part.open("rb") as file:
                put(file, target)
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
