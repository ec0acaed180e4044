"""The backups that there are, here and in the bucket: kept, listed and thinned out.

A backup is a packed snapshot and, beside it, its checksum in a file of its own, which
`sha256sum -c` reads. The checksum is put in its place first and taken away last, so
that whatever bears a backup's name is whole. What is being made is in a directory of
its own, which whoever has the lock may empty.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from wa.backup import retention, snapshot
from wa.backup.retention import CHECKSUM
from wa.backup.snapshot import Packed
from wa.errors import WaError
from wa.s3 import Bucket
from wa.settings import BackupKeys
from wa.store.database import Row, Store
from wa.store.files import part_file, put, storage_error
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.store.paths import Home
from wa.times import to_iso

FOLDER = "backups/"
"""Where they are below the storage's prefix."""
LOCK_SECONDS = 60.0
PARTS = ".making"
_MOST_CHECKSUM = 1024


@dataclass
class Shelf:
    """The backups of a home, here and in its bucket."""

    home: Home
    bucket: Bucket | None
    keys: BackupKeys
    now: Callable[[], datetime]
    remote: dict[str, int] | None = None
    """The backups in the bucket and their sizes in bytes; None before `look`, and without a bucket."""
    _orphans: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the local ones are."""
        return self.home.backups

    @contextmanager
    def alone(self, command: str) -> Iterator[Path]:
        """Be the only one who makes, removes or restores; an empty directory for what is half-done.

        Raises WaError `in-use` where another one does not end, and `storage-error`.
        """
        lock = FileLock(self.home.backup_lock)
        deadline = time.monotonic() + LOCK_SECONDS
        while not lock.acquire():
            if time.monotonic() > deadline:
                holder = describe_holder(lock_holder(self.home.backup_lock) or {})
                raise WaError("in-use", f"{holder} is at work on the backups", "try again when it has ended")
            time.sleep(0.05)
        parts = self.folder / PARTS
        try:
            lock.write({"pid": os.getpid(), "command": command})
            try:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                shutil.rmtree(parts, ignore_errors=True)
                parts.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise storage_error(error, self.folder) from error
            yield parts
        finally:
            shutil.rmtree(parts, ignore_errors=True)
            lock.release()

    def local(self) -> dict[str, int]:
        """The backups that are here, with a checksum each, and their sizes in bytes."""
        try:
            found = {path.name: path for path in self.folder.iterdir()} if self.folder.exists() else {}
            return {
                name: path.stat().st_size
                for name, path in found.items()
                if retention.moment_of(name) and name + CHECKSUM in found
            }
        except OSError as error:
            raise storage_error(error, self.folder) from error

    def look(self) -> None:
        """Learn what is in the bucket. Raises WaError `network-error` and `storage-error`."""
        assert self.bucket is not None  # noqa: S101
        begin = f"{FOLDER}whatsapp_"
        ours = {}
        for name, size in self.bucket.sizes(begin):
            bare = name[len(FOLDER) :]
            if retention.moment_of(bare.removesuffix(CHECKSUM)):
                ours[bare] = size
        self.remote = {name: ours[name] for name in ours if name + CHECKSUM in ours}
        self._orphans = [
            name for name in ours if name.endswith(CHECKSUM) and name[: -len(CHECKSUM)] not in ours
        ]

    def listing(self) -> list[Row]:
        """All backups, the newest first."""
        local, remote = self.local(), self.remote or {}
        return [
            {
                "name": name,
                "at": to_iso(retention.moment_of(name) or self.now()),
                "size_bytes": local.get(name, remote.get(name)),
                "encrypted": retention.is_encrypted(name),
                "local": name in local,
                "remote": name in remote if self.remote is not None else None,
            }
            for name in retention.newest_first({**local, **remote}, self.now())
        ]

    def local_checksum(self, name: str) -> str | None:
        """The digest that stands beside a backup; None for none that can be read."""
        try:
            with (self.folder / (name + CHECKSUM)).open("rb") as file:
                return _digest_in(file.read(_MOST_CHECKSUM), name)
        except OSError:
            return None

    def remote_checksum(self, name: str) -> str | None:
        """The digest that stands beside a backup in the bucket."""
        assert self.bucket is not None  # noqa: S101
        found = self.bucket.open(FOLDER + name + CHECKSUM)
        return _digest_in(found[0].read(_MOST_CHECKSUM), name) if found else None

    def is_sound(self, name: str) -> bool:
        """Whether a local backup is what its checksum says."""
        try:
            return snapshot.digest(self.folder / name).sha256 == self.local_checksum(name)
        except OSError:
            return False

    def keep(self, part: Path, name: str, packed: Packed) -> None:
        """Put a finished file in its place under its name, its checksum first, for good."""
        try:
            with part_file(part.parent) as checksum:
                checksum.write(f"{packed.sha256}  {name}\n".encode())
                put(checksum, self.folder / (name + CHECKSUM))
            with part.open("rb") as file:
                put(file, self.folder / name)
        except OSError as error:
            raise storage_error(error, self.folder) from error

    def free_name(self, store: Store, moment: datetime) -> str:
        """The name for a backup that is made now; one that is taken moves on by a second."""
        taken = {name[: len("whatsapp_YYYYMMDD_HHMMSS")] for name in {**self.local(), **(self.remote or {})}}
        while True:
            name = retention.name_at(moment, encrypted=self.keys.recipient is not None)
            known = store.value("SELECT 1 FROM backup_history WHERE name IN (?, ?)", [name, f"{name}.age"])
            if name[: len("whatsapp_YYYYMMDD_HHMMSS")] not in taken and known is None:
                return name
            moment += timedelta(seconds=1)

    def remove_local(self, name: str) -> None:
        """Remove a backup from this machine, its checksum last."""
        try:
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / (name + CHECKSUM)).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, self.folder) from error

    def remove_remote(self, name: str) -> None:
        """Remove a backup from the bucket, its checksum last."""
        assert self.bucket is not None  # noqa: S101
        assert self.remote is not None  # noqa: S101
        self.bucket.delete(FOLDER + name)
        self.bucket.delete(FOLDER + name + CHECKSUM)
        self.remote.pop(name, None)

    def superfluous(self, store: Store) -> tuple[list[str], list[str]]:
        """The backups that retention no longer needs: here, and in the bucket.

        What waits for its upload stays, and the newest good one, which is looked for only
        where something is to be removed; what is damaged does not count as a backup.
        """
        waiting = {row["name"] for row in waiting_rows(store)}
        names, now = set(self.local()), self.now()
        here = retention.removable(names, now, waiting)
        while here:
            newest = next(iter(retention.newest_first(names, now)), None)
            if newest is None or self.is_sound(newest):
                break
            names.discard(newest)
            here = retention.removable(names, now, waiting)
        return here, retention.removable(self.remote or {}, now)

    def prune(self, store: Store) -> list[str]:
        """Remove what retention no longer needs; the names, each once. Raises WaError as the removals do."""
        here, there = self.superfluous(store)
        for name in here:
            self.remove_local(name)
        for path in list(self.folder.glob(f"whatsapp_*{CHECKSUM}")):
            bare = path.name.removesuffix(CHECKSUM)
            if retention.moment_of(bare) and not (self.folder / bare).exists():
                self.remove_local(bare)
        for name in there:
            self.remove_remote(name)
        if self.bucket is not None:
            for name in self._orphans:
                at = retention.moment_of(name.removesuffix(CHECKSUM))
                is_done = name.removesuffix(CHECKSUM) in (self.remote or {})  # meanwhile, by this very run
                if at and at < self.now() - retention.TOO_YOUNG and not is_done:
                    self.bucket.delete(FOLDER + name)
        return sorted({*here, *there})


def _digest_in(text: bytes, name: str) -> str | None:
    """The digest in a checksum file, which has to name the backup."""
    found = re.fullmatch(rb"([0-9a-f]{64})  (\S+)\n", text)
    return found[1].decode() if found and found[2] == name.encode() else None


def waiting_rows(store: Store) -> list[Row]:
    """The backups that wait for their upload, the newest first."""
    return store.rows(
        "SELECT id, name, sha256 FROM backup_history INDEXED BY backup_history_waiting"
        " WHERE upload = 'waiting' AND status = 'done' ORDER BY id DESC"
    )
