"""Files to send that come in over the network: written piece by piece, and kept with the row that sends them.

    with receiving(home, size) as upload:
        upload.write(piece)
        upload.end()
        with store.write():
            …  # add a row with upload.columns
            upload.keep()

Until `keep` the file has a name of its own and a lock on it, and is removed at the end of the block. A killed
process leaves a file without a lock, which `left_behind` finds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from wa.media.kinds import extension_for, kind_of
from wa.media.names import safe_name
from wa.media.outgoing import LIMITS, check_size, kind_for_sending
from wa.store.database import Row, Store
from wa.store.files import explained, make_folder, need_room, part_file, put
from wa.store.paths import Home

MOST_BYTES = LIMITS["document"]
"""The most bytes of an upload."""
_STEP = 8 * 1024 * 1024
"""Bytes after which the file is synced, so that no wait for a slow disk is long, and the room on the disk is
looked at again, for other uploads may come in at the same time."""


class Upload:
    """A file that comes in. `columns` are its columns in the queue, once `end` was called."""

    def __init__(self, home: Home, part: BinaryIO) -> None:
        self.columns: Row = {}
        self.size = 0
        self._home = home
        self._part = part
        self._digest = hashlib.sha256()
        self._is_ours = False

    def write(self, piece: bytes) -> None:
        """Add bytes to the file. Raise WaError `storage-error` when the disk is full, or nearly."""
        with explained(self._folder):
            self._part.write(piece)
            if self.size // _STEP != (self.size + len(piece)) // _STEP:
                need_room(self._folder, 0, "an upload")
                self._sync()
        self._digest.update(piece)
        self.size += len(piece)

    def end(self, name: str) -> None:
        """Sync the file, and look at what it is; `name` is the sender's name for it.

        Raise WaError `bad-data` for an empty file, and `storage-error`.
        """
        name = safe_name(name, "file", "")
        check_size(name, self.size)
        with explained(self._folder):
            self._sync()
            path = Path(self._part.name)
            kind = kind_of(path, name)
            extension = extension_for(kind.mimetype, kind.name)
            self._target = self._folder / f"{self._digest.hexdigest()}{extension}"
            self.columns = {
                "media_path": self._target.relative_to(self._home.path).as_posix(),
                "media_type": kind_for_sending(path, name).name,
                "file_name": name,
            }

    def _sync(self) -> None:
        self._part.flush()
        os.fsync(self._part.fileno())

    @property
    def path(self) -> Path:
        """Its path until `keep`."""
        return Path(self._part.name)

    @property
    def _folder(self) -> Path:
        return Path(self._part.name).parent

    def keep(self) -> None:
        """Give the file its name, which tells its content: the same file is kept once.

        Call it in the transaction that adds its row. Raise WaError `storage-error`.
        """
        with explained(self._folder):
            try:
                put(self._part, self._target, replacing=False)
            except FileExistsError:
                return
        self._is_ours = True

    def withdraw(self, store: Store) -> None:
        """Undo `keep`, if its transaction failed."""
        if self._is_ours:
            with store.write():  # nobody else takes the file for a row meanwhile
                self._target.unlink(missing_ok=True)


def _folder_of(home: Home) -> Path:
    return home.media / "upload"


@contextmanager
def receiving(home: Home, size: int) -> Iterator[Upload]:
    """Open a file for an upload of at most `size` bytes. Raise WaError `storage-error` without room."""
    home.prepare()
    folder = _folder_of(home)
    with explained(folder):
        make_folder(folder)
        need_room(folder, size, "an upload")
        opened, part = _begun(folder)
    try:
        yield Upload(home, part)
    finally:
        opened.__exit__(None, None, None)


def _begun(folder: Path) -> tuple[AbstractContextManager[BinaryIO], BinaryIO]:
    """Return a new file in a directory, with a lock on it, and the context that it is in."""
    while True:
        opened = part_file(folder)
        part = opened.__enter__()
        fcntl.flock(part, fcntl.LOCK_EX)
        if os.fstat(part.fileno()).st_nlink:
            return opened, part
        opened.__exit__(None, None, None)  # `left_behind` had it before its lock


def left_behind(home: Home) -> Iterator[tuple[Path, Path | None]]:
    """Yield the files that killed processes left, each with the name that `keep` gave it, if it did.

    Remove a file before you take the next one: until then it has a lock.
    """
    for path in list(_folder_of(home).glob(".wa-*.part")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # it is being written
                continue
            found = os.fstat(file.fileno())
            kept = _other_name(path, found.st_ino) if found.st_nlink > 1 else None
            yield path, kept


def _other_name(path: Path, inode: int) -> Path | None:
    with os.scandir(path.parent) as entries:
        return next(
            (path.parent / each.name for each in entries if each.inode() == inode and each.name != path.name),
            None,
        )
