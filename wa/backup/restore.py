"""Restoring a backup: finding, opening and checking it, from this machine or from the storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from wa.backup import snapshot
from wa.backup.backups import Backups
from wa.backup.catalog import Catalog
from wa.backup.names import CHECKSUM
from wa.backup.packing import Damaged, digest, unpack
from wa.backup.replace import replace_store
from wa.errors import WaError
from wa.queue import place
from wa.record.retention.lock import alone
from wa.store.database import Row
from wa.store.files import part_path, put, storage_error
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.times import to_iso


@dataclass(frozen=True)
class Found:
    """A backup, by its name; with a path if it is a file that the user named."""

    name: str
    path: Path | None = None


class Reader:
    """A reader of the backups of a home; `parts` is the directory for its temporary files."""

    def __init__(self, backups: Backups, parts: Path) -> None:
        self._backups = backups
        self._parts = parts
        backups.look()

    def find(self, wanted: str) -> Found:
        """Return a backup by its name, the beginning of its name, `latest`, or the path of a file.

        Raise WaError `not-found` and `ambiguous`.
        """
        names = self._backups.names()
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
        if self._backups.trouble is not None:
            raise self._backups.trouble
        what = "there is no backup" if wanted == "latest" else f"there is no backup {wanted!r}"
        raise WaError("not-found", what, "`wa backup list` shows those there are")

    def open(self, found: Found, target: Path, copies: float) -> str:
        """Unpack a backup to `target`, and check it from end to end; return the place that it is from.

        If it is damaged on this machine, use the one in the storage. The disk must have room for `copies`
        times the snapshot. Raise Damaged, WaError `newer-version`, `bad-setting`, `storage-error` and
        `network-error`.
        """
        if found.path is not None:
            self._unpack(found.path, _checksum_beside(found.path), target, found.name, copies)
            return "file"
        damage: WaError | None = None
        for catalog in self._places_of(found):
            try:
                self._open_in(catalog, found.name, target, found.name, copies)
                return catalog.place
            except Damaged as error:
                damage = error
        raise damage or WaError("not-found", f"there is no backup {found.name!r}")

    def verify(self, found: Found, target: Path) -> list[str]:
        """Unpack and check a backup in each place that has it; return the places. Raise as `open` does."""
        if found.path is not None:
            return [self.open(found, target, 1)]
        places = []
        for catalog in self._places_of(found):
            is_here = catalog is self._backups.local
            shown = found.name if is_here else f"{found.name} in the storage"
            self._open_in(catalog, found.name, target, shown, 1)
            places.append("here" if is_here else "in the storage")
        return places

    def _places_of(self, found: Found) -> list[Catalog]:
        return [catalog for catalog in self._backups.catalogs if found.name in catalog.sizes]

    def _open_in(self, catalog: Catalog, name: str, target: Path, shown: str, copies: float) -> None:
        checksum = catalog.checksum(name) or ""
        with catalog.file(name, self._parts) as packed:
            self._unpack(packed, checksum, target, shown, copies)

    def older_good(self, than: str) -> str | None:
        """Return the newest sound backup older than a backup; None if there is none."""
        names = self._backups.names()
        for name in names[names.index(than) + 1 :]:
            try:
                self.open(Found(name), self._parts / "older.db", 1)
                return name
            except WaError as error:
                if error.code not in ("corrupt", "newer-version"):
                    return None
        return None

    def _unpack(self, packed: Path, checksum: str | None, target: Path, name: str, copies: float) -> None:
        """Unpack a backup and check it; `checksum` is None for a file without one."""
        try:
            if checksum is not None and digest(packed).sha256 != checksum:
                raise Damaged(name, "it is not what its checksum says")
            unpack(packed, target, self._backups.keys, name, copies=copies)
        except OSError as error:
            raise storage_error(error, packed) from error
        problems = snapshot.check(target)
        if problems:
            raise Damaged(name, problems[0])
        snapshot.check_version(target, name)


def _checksum_beside(path: Path) -> str | None:
    """Return the SHA-256 in the checksum file beside a file that the user named; None if there is none."""
    try:
        text = path.with_name(path.name + CHECKSUM).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.partition(" ")[0]


def restore(backups: Backups, wanted: str, transport: str) -> Row:
    """Replace the store by a backup, and pause sending; return the result.

    Raise WaError `in-use` while another process holds the connection, `not-found`, `corrupt` (for
    `latest`, its hint names an older good backup), and as `Reader.open` does.
    """
    home = backups.home
    lock = FileLock(home.session_lock)

    def in_use() -> WaError:
        holder = describe_holder(lock_holder(home.session_lock) or {})
        return WaError("in-use", f"{holder} holds the connection", "stop it, then restore")

    with lock.hold_or_raise(in_use):
        lock.write({"pid": os.getpid(), "command": "backup restore", "since": to_iso(backups.now())})
        with backups.lock("backup restore") as parts, alone(home):
            reader = Reader(backups, parts)
            found = reader.find(wanted)
            unpacked = parts / "restored.db"
            place = _open_or_offer(reader, found, wanted, unpacked)
            return {
                "name": found.name,
                "from": place,
                **replace_store(backups, unpacked, found.name, transport),
                "trouble": backups.trouble.message if backups.trouble else None,
            }


def advice(done: Row) -> list[str]:
    """Return the sentences for the user after a restore: the result, and what to do next."""
    lines = []
    if done["kept"]:
        lines.append(f"what was here before is in {done['kept']}")
    if not done["queue_known"]:
        lines.append(
            "the queue of the store that was here could not be read: what was sent since is not known"
        )
    lines.append(place.what_to_do(done["queue"].get("unknown", 0)))
    return lines


def _open_or_offer(reader: Reader, found: Found, wanted: str, target: Path) -> str:
    """Open a backup; when `latest` is damaged, name an older good one in the hint of the error."""
    try:
        return reader.open(found, target, copies=3)
    except WaError as error:
        if wanted != "latest" or error.code not in ("corrupt", "newer-version"):
            raise
        older = reader.older_good(found.name)
        hint = f"{older} is good: `wa backup restore {older}`" if older else "no older one is good"
        raise WaError(error.code, error.message, hint) from error


def extract(backups: Backups, wanted: str, target: Path) -> Row:
    """Unpack a backup into a new file; return the result.

    Raise WaError `usage` when the file exists, and as `restore` does.
    """
    if target.exists() or target.is_symlink():
        raise WaError("usage", f"{target} exists already", "name a file that does not exist yet")
    with backups.lock("backup restore") as parts:
        reader = Reader(backups, parts)
        found = reader.find(wanted)
        part = part_path(target.parent, target.name)
        try:
            place = _open_or_offer(reader, found, wanted, part)
            with part.open("rb") as file:
                put(file, target)
        except OSError as error:
            raise storage_error(error, target) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return {"name": found.name, "from": place, "to": str(target), "messages": _messages(target)}


def verify(backups: Backups, wanted: str, *, read_only: bool = False) -> Row:
    """Unpack a backup and check it from end to end, in each place that has it; return the result.

    With `read_only` it is unpacked among the system's temporary files, and nothing is written in the home.
    """
    with _elsewhere() if read_only else backups.lock("backup verify") as parts:
        reader = Reader(backups, parts)
        found = reader.find(wanted)
        unpacked = parts / "verified.db"
        return {
            "name": found.name,
            "places": reader.verify(found, unpacked),
            "messages": _messages(unpacked),
            "trouble": backups.trouble.message if backups.trouble else None,
        }


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """Yield a directory for its owner alone, which is removed at the end."""
    with TemporaryDirectory(prefix="wa-verify-") as folder:
        yield Path(folder)


def _messages(path: Path) -> int:
    return snapshot.counts_of(path).get("messages", 0)
