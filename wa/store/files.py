"""Files that only their owner may read, written whole and synced; and the mapping of OSError to WaError.

    with part_file(folder) as part:
        part.write(data)
        put(part, folder / "name")

The file is written under a name of its own, and has `name` once all of it is on the disk. A power
cut leaves the whole file or none; an error leaves none, a kill at most a file `.wa-….part`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wa.errors import WaError

_SPARE_BYTES = 8 * 1024 * 1024
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF)
"""The errors of filesystems, most of them on a network, that cannot sync a directory."""


def part_path(folder: Path, name: str) -> Path:
    """Return the path of a file while it is being written."""
    return folder / f".wa-{name}.part"


@contextmanager
def part_file(folder: Path, name: str | None = None) -> Iterator[BinaryIO]:
    """Open a new file in a directory for writing; `put` gives it its name. Raise OSError.

    The file is removed at the end of the block unless `put` was called. With a `name` it replaces the
    file that a killed process left under that name, so only one process at a time may use the name.
    """
    path = part_path(folder, name or os.urandom(8).hex())
    with create(path) as file:
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def create(path: Path, *, replacing: bool = True) -> BinaryIO:
    """Open a new, empty file to write, for its owner alone. Raise OSError.

    It replaces a file of that name; raise FileExistsError instead when `replacing` is not set.
    """
    if replacing:
        path.unlink(missing_ok=True)
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def put(part: BinaryIO, target: Path, *, replacing: bool = True) -> None:
    """Sync an open file, and give it its final name on the same disk.

    Raise OSError, and FileExistsError when the name is taken and `replacing` is not set.
    """
    part.flush()
    os.fsync(part.fileno())
    if replacing:
        os.replace(part.name, target)
    else:
        _name_new(Path(part.name), target)
    sync_folder(target.parent)


def _name_new(written: Path, target: Path) -> None:
    try:
        os.link(written, target)
    except FileExistsError:
        raise
    except OSError:  # FAT and many network disks have no links: make an empty file, then replace it
        create(target, replacing=False).close()
        try:
            os.replace(written, target)
        except OSError:
            target.unlink()
            raise


def write_file(path: Path, pieces: Iterable[str], *, replacing: bool = True) -> None:
    """Write text (UTF-8) to a file for its owner alone: afterwards it is whole, or as it was before.

    A link stays a link, and a pipe or a terminal is written to directly. Raise WaError
    `storage-error`, and FileExistsError when the file exists and `replacing` is not set.
    """
    try:
        data = (piece.encode() for piece in pieces)
        if is_stream(path):
            with path.open("wb") as file:
                file.writelines(data)
            return
        if replacing:
            path = path.resolve()
        elif os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with part_file(path.parent) as part:
            part.writelines(data)
            put(part, path, replacing=replacing)
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, path) from error


def write_out(path: Path, pieces: Iterable[str], *, force: bool) -> None:
    """Write text as `write_file` does, for a command with --force. Raise WaError `usage` too."""
    try:
        write_file(path, pieces, replacing=force)
    except FileExistsError:
        check_free(path)
        raise


def check_free(*paths: Path) -> None:
    """Raise WaError `usage` if one of the paths exists."""
    for path in paths:
        if os.path.lexists(path):
            raise WaError("usage", f"{path} exists", "give another name, or --force to replace it")


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a terminal or another device: writing to it replaces nothing."""
    return path.exists() and not path.is_file() and not path.is_dir()


def make_folder(folder: Path) -> None:
    """Make a directory for its owner alone, and its parents, unless they exist. Raise OSError."""
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a directory are on the disk. Raise OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write to the disk of a directory."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def free_inodes(folder: Path) -> int | None:
    """Return how many files can still be made on the disk of a directory; None where that is not limited."""
    free = os.statvfs(folder)
    return free.f_favail if free.f_files else None


def need_room(folder: Path, size: float, what: str) -> None:
    """Raise WaError `storage-error` unless a disk has room for `size` bytes and some to spare.

    `what` is the subject of the error message, such as "a backup".
    """
    free, needed = free_bytes(folder), int(size) + _SPARE_BYTES
    if free < needed:
        raise WaError(
            "storage-error",
            f"{what} takes up to {needed / 1e6:,.0f} MB in {folder}, and {free / 1e6:,.0f} MB are free",
            "free some disk space, then try again; nothing was begun",
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise an OSError of the block as WaError `storage-error`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path) -> WaError:
    """Return the WaError `storage-error` for an error of the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = f"check that {path} is a place that can be written"
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = f"check who owns {path}: ls -ld {path}"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "free some disk space, then try again; nothing was half-written"
    elif error.errno == errno.EROFS:
        hint = "the disk is mounted read-only; set WA_HOME to a place that can be written"
    return WaError("storage-error", f"cannot use {path}: {reason}", hint)
