"""Files that were received: written whole or not at all, for their owner alone, never over another file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from wa.media.kinds import extension_for
from wa.media.names import free_name, safe_name
from wa.store.files import storage_error
from wa.store.paths import Home


@contextmanager
def new_file(folder: Path) -> Iterator[IO[bytes]]:
    """Open a new file for its owner alone; it is removed at the end unless renamed.

    Raise WaError `storage-error`.
    """
    try:
        for each in (*reversed(folder.parents), folder):
            if not each.is_dir():
                each.mkdir(mode=0o700, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix=".wa-", delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk; some filesystems cannot."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def keep(home: Home, data: bytes, mimetype: str, message_type: str, at: datetime, name: str | None) -> str:
    """Write the file of a message into the home; return its path, relative to the home.

    `name` is the sender's name for it, `at` the time of the message. Raise WaError `storage-error`.
    """
    folder = home.path / "media"
    folder.mkdir(mode=0o700, exist_ok=True)
    extension = extension_for(mimetype, message_type)
    name = safe_name(name, f"{at:%Y%m%d-%H%M%S}-{message_type}", extension)
    return str(write_new(folder, name, data).relative_to(home.path))


def write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file where `free_name` says, and return its path. Raise WaError `storage-error`."""
    with new_file(folder) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        while True:
            path = free_name(folder, name)
            with suppress(FileExistsError):  # another process was faster: the next name
                _name(Path(file.name), path)
                sync_folder(folder)
                return path


def _name(written: Path, path: Path) -> None:
    """Give a file its name. Raise FileExistsError if the name is taken."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # FAT and many network disks have no links: reserve the name, then replace that file
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            os.replace(written, path)
        except OSError:
            path.unlink()
            raise


def check_folder(folder: Path) -> None:
    """Make the folder that files are to go to. Raise WaError `storage-error`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def copy_to(path: Path, folder: Path) -> Path:
    """Copy a file into a folder unless it is there; return its path. Raise WaError `storage-error`."""
    try:
        data = path.read_bytes()
        there = folder / path.name
        if there.is_file() and there.read_bytes() == data:
            return there
    except OSError as error:
        raise storage_error(error, folder) from error
    return write_new(folder, path.name, data)
