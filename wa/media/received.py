"""Received files: written whole or not at all, for their owner alone, never over another file."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from wa.media.kinds import extension_for
from wa.media.names import free_name, safe_name
from wa.store.files import explained, make_folder, part_file, put, storage_error
from wa.store.paths import Home


def keep(home: Home, data: bytes, mimetype: str, message_type: str, at: datetime, name: str | None) -> str:
    """Write the file of a message into the home; return its path, relative to the home.

    `name` is the sender's name for it, `at` the time of the message. Raise WaError `storage-error`.
    """
    name = name_for(name, message_type, at, extension_for(mimetype, message_type))
    return str(write_new(home.media, name, data).relative_to(home.path))


def name_for(name: str | None, message_type: str, at: datetime, extension: str) -> str:
    """Return a safe name for the file of a message: the sender's, else one of its time and kind."""
    return safe_name(name, f"{at:%Y%m%d-%H%M%S}-{message_type}", extension)


def inside(home: Home, stored: str) -> Path | None:
    """Return the path of a stored file; None if it is not there, a link, or not in the folder of files."""
    path = home.path / stored
    try:
        if path.resolve(strict=True) != home.media.resolve() / path.relative_to(home.media):
            return None
        return path if stat.S_ISREG(os.lstat(path).st_mode) else None
    except (OSError, ValueError):
        return None


def write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file under the name that `free_name` finds; return its path. Raise WaError `storage-error`."""
    return _put_new(folder, name, lambda part: part.write(data))


def _put_new(folder: Path, name: str, fill: Callable[[BinaryIO], object]) -> Path:
    with explained(folder):
        make_folder(folder)
        with part_file(folder) as part:
            fill(part)
            while True:
                path = free_name(folder, name)
                with suppress(FileExistsError):  # another process was faster: the next name
                    put(part, path, replacing=False)
                    return path


def check_folder(folder: Path) -> None:
    """Make the folder for files unless it exists. Raise WaError `storage-error`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def copy_to(path: Path, folder: Path, name: str | None = None) -> Path:
    """Copy a file into a folder, by its name or another one, unless it is in it under that name.

    Return the path of the copy. Raise WaError `storage-error`.
    """
    there = folder / (name or path.name)
    with explained(folder), path.open("rb") as source:
        if there.is_file() and filecmp.cmp(path, there, shallow=False):
            return there
        return _put_new(folder, there.name, lambda part: shutil.copyfileobj(source, part, 1024**2))
