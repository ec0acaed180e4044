"""The backups of a home, on this machine and in the storage, and the lock for changing them.

Unfinished files are in a directory of their own, which the holder of the lock may empty.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from wa.backup.catalog import Catalog, LocalCatalog, RemoteCatalog
from wa.backup.names import is_encrypted, moment_of, newest_first
from wa.errors import WaError
from wa.settings import BackupKeys, Storage
from wa.store.database import Row
from wa.store.files import explained
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.store.paths import Home
from wa.times import to_iso

LOCK_SECONDS = 60.0


class Backups:
    """The backups of a home: those on this machine, and those in the storage if one is set."""

    def __init__(
        self, home: Home, storage: Storage | None, keys: BackupKeys, now: Callable[[], datetime]
    ) -> None:
        self.home = home
        self.keys = keys
        self.now = now
        self.local = LocalCatalog(home.backups)
        self.remote = RemoteCatalog(storage) if storage is not None else None
        self.trouble: WaError | None = None
        """The error of the storage in the last `look`, None if there was none."""

    @property
    def catalogs(self) -> list[Catalog]:
        """The catalogs that can be read: without the storage's while that cannot be reached."""
        if self.remote is None or self.trouble is not None:
            return [self.local]
        return [self.local, self.remote]

    def look(self) -> None:
        """List the backups in each catalog; an error of the storage becomes `trouble`."""
        self.local.look()
        if self.remote is not None:
            try:
                self.remote.look()
            except WaError as error:
                self.trouble = error

    def names(self) -> list[str]:
        """Return the names of all known backups, the newest first."""
        return newest_first({name for catalog in self.catalogs for name in catalog.sizes}, self.now())

    def rows(self) -> list[Row]:
        """Return the rows of `wa backup list`, the newest backup first.

        `remote` is None while the storage cannot be reached.
        """
        local, remote = self.local.sizes, self.remote.sizes if self.remote is not None else {}
        is_known = self.remote is not None and self.trouble is None
        return [
            {
                "name": name,
                "at": to_iso(moment_of(name) or self.now()),
                "size_bytes": local.get(name, remote.get(name)),
                "encrypted": is_encrypted(name),
                "local": name in local,
                "remote": remote.get(name) == local.get(name, remote.get(name, 0)) if is_known else None,
            }
            for name in self.names()
        ]

    @property
    def parts(self) -> Path:
        """The directory of unfinished files."""
        return self.local.folder / ".making"

    @contextmanager
    def lock(self, command: str) -> Iterator[Path]:
        """Hold the lock for making, removing and restoring backups; empty `parts`, and yield it.

        Raise WaError `in-use` when another process keeps the lock, and `storage-error`.
        """
        lock = FileLock(self.home.backup_lock)
        deadline = time.monotonic() + LOCK_SECONDS
        while not lock.acquire():
            if time.monotonic() > deadline:
                holder = describe_holder(lock_holder(self.home.backup_lock) or {})
                raise WaError("in-use", f"{holder} is at work on the backups", "try again when it has ended")
            time.sleep(0.05)
        try:
            lock.write({"pid": os.getpid(), "command": command})
            with explained(self.local.folder):
                self.local.folder.mkdir(mode=0o700, exist_ok=True)
                shutil.rmtree(self.parts, ignore_errors=True)
                self.parts.mkdir(mode=0o700, exist_ok=True)
            yield self.parts
        finally:
            shutil.rmtree(self.parts, ignore_errors=True)
            lock.release()
