"""The catalogs of backups, one for this machine and one for the storage.

The checksum of a backup is put in its place first and removed last, so that a file with a
backup's name is always whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Protocol

from wa.backup.names import (
    CHECKSUM,
    MOST_CHECKSUM_BYTES,
    PREFIX,
    checksum_line,
    digest_in,
    moment_of,
)
from wa.backup.packing import Packed, digest
from wa.errors import WaError
from wa.s3.bucket import Bucket
from wa.settings import Storage
from wa.store.files import create, explained, need_room, part_file, put

FOLDER = "backups/"
"""The folder of the backups below the storage's prefix."""
_CHUNK = 1024 * 1024


class Catalog(Protocol):
    """The backups in one place, with the sizes that they had when `look` was called."""

    place: str
    """The word for the place in the output of commands."""
    sizes: dict[str, int]
    """The names of the backups that have a checksum, and their sizes in bytes."""

    def look(self) -> None:
        """List the backups. Raise WaError `network-error` and `storage-error`, as all methods do."""

    def checksum(self, name: str) -> str | None:
        """Return the SHA-256 in a backup's checksum file; None if there is none that can be read."""

    def file(self, name: str, parts: Path) -> AbstractContextManager[Path]:
        """Return a context with the file of a backup to read; a downloaded one is in `parts` meanwhile."""

    def add(self, name: str, file: Path, packed: Packed) -> None:
        """Put a packed snapshot in its place, with its checksum."""

    def remove(self, name: str) -> None:
        """Remove a backup and its checksum."""

    def remove_lone_checksums(self, before: datetime) -> None:
        """Remove checksums without a backup, made before a moment: killed processes left them."""


class LocalCatalog:
    """The backups in a directory of this machine; only the holder of the lock changes it."""

    place = "here"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int] = {}
        self._lone: list[str] = []

    def look(self) -> None:
        """Learn which backups there are."""
        with explained(self.folder):
            files = {}
            for path in self.folder.iterdir() if self.folder.exists() else ():
                if moment_of(path.name.removesuffix(CHECKSUM)):
                    with suppress(FileNotFoundError):  # removed just now
                        files[path.name] = path.stat().st_size
            self.sizes, self._lone = _sorted_out(files)

    def checksum(self, name: str) -> str | None:
        """Return the SHA-256 in a backup's checksum file; None if there is none that can be read."""
        try:
            with (self.folder / (name + CHECKSUM)).open("rb") as file:
                return digest_in(file.read(MOST_CHECKSUM_BYTES), name)
        except OSError:
            return None

    def is_sound(self, name: str) -> bool:
        """Return whether a backup has the digest in its checksum file."""
        try:
            return digest(self.folder / name).sha256 == self.checksum(name)
        except OSError:
            return False

    def file(self, name: str, parts: Path) -> AbstractContextManager[Path]:
        """Return a context with the file of a backup to read."""
        return nullcontext(self.folder / name)

    def add(self, name: str, file: Path, packed: Packed) -> None:
        """Move a packed snapshot on the same disk to its place, its checksum first."""
        with explained(self.folder):
            try:
                self._put_checksum(name, packed.sha256, file.parent)
                with file.open("rb") as part:
                    put(part, self.folder / name)
            except BaseException:
                if not (self.folder / name).exists():
                    (self.folder / (name + CHECKSUM)).unlink(missing_ok=True)
                raise
        self.sizes[name] = packed.size

    def _put_checksum(self, name: str, sha256: str, parts: Path) -> None:
        """Write the checksum file of a backup; it is in `parts` until it is whole."""
        with part_file(parts) as file:
            file.write(checksum_line(name, sha256))
            put(file, self.folder / (name + CHECKSUM))

    def rename(self, name: str, fresh: str, sha256: str) -> None:
        """Give a backup another name, its checksum first."""
        with explained(self.folder):
            self._put_checksum(fresh, sha256, self.folder)
            (self.folder / name).rename(self.folder / fresh)
            (self.folder / (name + CHECKSUM)).unlink(missing_ok=True)
        self.sizes[fresh] = self.sizes.pop(name)

    def remove(self, name: str) -> None:
        """Remove a backup, its checksum last."""
        with explained(self.folder):
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / (name + CHECKSUM)).unlink(missing_ok=True)
        self.sizes.pop(name, None)

    def remove_lone_checksums(self, before: datetime) -> None:
        """Remove the checksums without a backup: the holder of the lock alone makes backups here."""
        with explained(self.folder):
            for name in self._lone:
                if not (self.folder / name).exists():  # it may have been made, or copied here, since `look`
                    (self.folder / (name + CHECKSUM)).unlink(missing_ok=True)


class RemoteCatalog:
    """The backups in the S3-compatible storage."""

    place = "storage"

    def __init__(self, storage: Storage) -> None:
        self._bucket = Bucket(storage)
        self.sizes: dict[str, int] = {}
        self._lone: list[str] = []

    def look(self) -> None:
        """Learn which backups there are."""
        files = {name[len(FOLDER) :]: size for name, size in self._bucket.sizes(FOLDER + PREFIX)}
        self.sizes, self._lone = _sorted_out(files)

    def checksum(self, name: str) -> str | None:
        """Return the SHA-256 in a backup's checksum file; None if there is none."""
        found = self._bucket.open(FOLDER + name + CHECKSUM)
        return digest_in(found[0].read(MOST_CHECKSUM_BYTES), name) if found else None

    @contextmanager
    def file(self, name: str, parts: Path) -> Iterator[Path]:
        """Download a backup to `parts`, and remove the file at the end."""
        found = self._bucket.open(FOLDER + name)
        if found is None:
            raise self._bucket.refused or WaError(
                "not-found", f"{name} has gone from the storage", "try again"
            )
        body, size = found
        path = parts / name
        need_room(parts, size, "to download the backup")
        try:
            with explained(path), closing(body), create(path) as file:
                while chunk := body.read(_CHUNK):
                    file.write(chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def add(self, name: str, file: Path, packed: Packed) -> None:
        """Upload a packed snapshot, its checksum first.

        Do nothing if the bucket has all of this backup already, from a run killed before it noted that. Raise
        WaError `storage-error` when the bucket has another backup of that name.
        """
        if self.has_another(name, packed):
            raise WaError(
                "storage-error",
                f"the bucket has another {name}",
                "each home needs a B2_PREFIX of its own",
            )
        if self.sizes.get(name) == packed.size:
            return
        line = checksum_line(name, packed.sha256)
        self._bucket.put(FOLDER + name + CHECKSUM, line, md5(line, usedforsecurity=False).digest())
        self._bucket.put(FOLDER + name, file, packed.md5)
        self.sizes[name] = packed.size

    def has_another(self, name: str, packed: Packed) -> bool:
        """Return whether the bucket has another backup of that name."""
        return name in self.sizes and self.checksum(name) != packed.sha256

    def remove(self, name: str) -> None:
        """Remove a backup, its checksum last."""
        self._bucket.delete(FOLDER + name)
        self._bucket.delete(FOLDER + name + CHECKSUM)
        self.sizes.pop(name, None)

    def remove_lone_checksums(self, before: datetime) -> None:
        """Remove the checksums without a backup whose upload was begun before a moment."""
        for name in self._lone:
            at = moment_of(name)
            if at and at < before and name not in self.sizes:
                self._bucket.delete(FOLDER + name + CHECKSUM)


def _sorted_out(files: dict[str, int]) -> tuple[dict[str, int], list[str]]:
    """Return the sizes of the backups among some files, and the names with only a checksum file."""
    ours = {name: size for name, size in files.items() if moment_of(name)}
    checksums = {name[: -len(CHECKSUM)] for name in files if name.endswith(CHECKSUM)}
    sizes = {name: size for name, size in ours.items() if name in checksums}
    return sizes, sorted(name for name in checksums if moment_of(name) and name not in ours)
