"""Received files: written whole or not at all, for their owner alone, never over another file."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from wa.media.kinds import extension_for
from wa.media.names import free_name, safe_name
from wa.store.files import explained, make_folder, part_file, put, storage_error
from wa.store.paths import Home


def keep(home: Home, data: bytes, mimetype: str, message_type: str, at: datetime, name: str | None) -> str:
    """Write the file of a message into the home; return its path, relative to the home.

    `name` is the sender's name for it, `at` the time of the message. Raise WaError `storage-error`.
    """
    extension = extension_for(mimetype, message_type)
    name = safe_name(name, f"{at:%Y%m%d-%H%M%S}-{message_type}", extension)
    return str(write_new(home.media, name, data).relative_to(home.path))


def write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file under the name that `free_name` finds; return its path. Raise WaError `storage-error`."""
    with explained(folder):
        make_folder(folder)
        with part_file(folder) as part:
            part.write(data)
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


def copy_to(path: Path, folder: Path) -> Path:
    """Copy a file into a folder unless it is in it; return its path. Raise WaError `storage-error`."""
    try:
        data = path.read_bytes()
        there = folder / path.name
        if there.is_file() and there.read_bytes() == data:
            return there
    except OSError as error:
        raise storage_error(error, folder) from error
    return write_new(folder, path.name, data)
