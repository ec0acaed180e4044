"""Files to send: checked, and copied into the home, so that the originals may change or go."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wa.errors import WaError
from wa.media.kinds import Kind, extension_for, kind_of, reading
from wa.media.names import safe_name
from wa.store.files import explained, make_folder, part_file, put, storage_error
from wa.store.paths import Home

_MB = 1024 * 1024
LIMITS = {"image": 16 * _MB, "video": 16 * _MB, "audio": 16 * _MB, "voice": 16 * _MB, "document": 100 * _MB}
"""The most bytes of a file of each kind. A larger picture, video or recording is sent as a document. WhatsApp
allows larger documents, but the library holds a file several times in memory, and a small server has 1 GB."""
_PIECE = 256 * 1024


def kind_for_sending(path: Path, name: str | None = None) -> Kind:
    """Return the kind that a file is sent as, a document if it is too large.

    `name` is its name if it differs from that in `path`. Raise as `kind_of` does.
    """
    kind = kind_of(path, name)
    with reading(path) as file:
        is_too_large = os.fstat(file.fileno()).st_size > LIMITS[kind.name]
    return Kind("document", kind.mimetype) if is_too_large else kind


def check_sendable(path: Path) -> Path:
    """Return the absolute path of a file that can be sent; links are followed when it is read.

    Raise WaError `not-found` if there is no such file, `bad-data` for a
    directory, a pipe, a device, an empty file and a file that is too large,
    and `storage-error` for a file that may not be read.
    """
    with reading(path) as file:
        check_size(path, os.fstat(file.fileno()).st_size)
        return path.absolute()


def check_size(path: Path | str, size: int) -> None:
    """Raise WaError `bad-data` for a file that is empty, or too large to be sent."""
    if size == 0:
        raise WaError("bad-data", f"{path} is empty", "there is nothing in it to send")
    if size > LIMITS["document"]:
        limit = LIMITS["document"] // _MB
        # Round up, so that the error never says "is 100 MB; files up to 100 MB can be sent".
        shown = f"{math.ceil(size * 10 / _MB) / 10:.1f}".removesuffix(".0")
        raise WaError(
            "bad-data",
            f"{path} is {shown} MB; files up to {limit} MB can be sent",
            "split it, or send a link",
        )


def keep(home: Home, path: Path) -> tuple[str, str]:
    """Copy a file to send into the home.

    Return the path of the copy, relative to the home, and the name that the
    recipient sees. The copy is named by its content, so the same file twice is
    kept once. Raise as `check_sendable` does; then no copy is left.
    """
    with reading(path) as source:
        check_size(path, os.fstat(source.fileno()).st_size)
        return _keep(home, path.name, lambda copy: _copy(path, source, copy))


def keep_data(home: Home, data: bytes, name: str) -> tuple[str, str]:
    """Write a file to send into the home, as `keep` does."""

    def write(copy: BinaryIO) -> str:
        from hashlib import sha256

        copy.write(data)
        copy.flush()
        return sha256(data).hexdigest()

    return _keep(home, name, write)


def _keep(home: Home, name: str, fill: Callable[[BinaryIO], str]) -> tuple[str, str]:
    """Write a file of the home with a function that returns its SHA-256. Return as `keep` does."""
    home.prepare()
    folder = home.media / "outbox"
    with explained(folder):
        make_folder(folder)
        with part_file(folder) as copy:
            digest = fill(copy)
            kind = kind_of(Path(copy.name), name)
            target = folder / f"{digest}{extension_for(kind.mimetype, kind.name)}"
            put(copy, target)
    return target.relative_to(home.path).as_posix(), safe_name(name, "file", "")


def _copy(path: Path, source: BinaryIO, copy: BinaryIO) -> str:
    """Copy a file, and return its SHA-256. Check its size again, for it may have changed by now."""
    from hashlib import sha256  # it loads OpenSSL, which a process that sends no file need not have

    digest, size = sha256(), 0
    while piece := _read(path, source):
        size += len(piece)
        check_size(path, size)
        digest.update(piece)
        copy.write(piece)
    check_size(path, size)
    copy.flush()
    return digest.hexdigest()


def _read(path: Path, source: BinaryIO) -> bytes:
    try:
        return source.read(_PIECE)
    except OSError as error:  # an error of the original, not of the copy
        raise storage_error(error, path) from error
