"""Files that are sent and files that were received: what they are, where they are kept, how they are named.

What a file is, its content says. A name that somebody else chose is never used as it is.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO

from wa.errors import WaError
from wa.media import details as media_details
from wa.media.details import Details
from wa.media.formats import movie
from wa.media.types import Kind, extension_for, recognise
from wa.store.files import storage_error
from wa.store.paths import Home

__all__ = [
    "LIMITS",
    "Details",
    "Kind",
    "check_sendable",
    "details",
    "extension_for",
    "free_name",
    "keep",
    "kind_for_sending",
    "kind_of",
    "safe_name",
    "write_new",
]

_MB = 1024 * 1024
LIMITS = {"image": 16 * _MB, "video": 16 * _MB, "audio": 16 * _MB, "voice": 16 * _MB, "document": 100 * _MB}
"""Bytes. What is larger goes as a document. For those WhatsApp allows more, but the library holds a file
several times in memory, and a small server has 1 GB."""
_HEAD, _TAIL = 4096, 64 * 1024
"""Bytes by which a file is recognised; the list of what is in a ZIP is at its end."""
_PIECE = 256 * 1024
_LONGEST_NAME = 120
"""Bytes; filesystems take 255 or a little less, and ` (2)` has to fit."""


# ── What it is ──────────────────────────────────────────────────────────────────────────────────────


def kind_of(path: Path) -> Kind:
    """What a file is, by its content. Raises WaError `not-found`, `bad-data`, `storage-error`."""
    return _kind_of(path, path.name)


def _kind_of(path: Path, name: str) -> Kind:
    with _reading(path) as file:
        head = file.read(_HEAD)
        file.seek(max(_HEAD, file.seek(0, os.SEEK_END) - _TAIL))
        kind = recognise(head, file.read(_TAIL), name)
    if kind.name == "video":
        film = movie(path)
        if film.tracks and not film.has_video:  # phones record sound under the brands of video
            return Kind("audio", "audio/mp4")
    return kind


def kind_for_sending(path: Path) -> Kind:
    """`kind_of`, but a document where it is too large for its kind. Raises the same."""
    kind = kind_of(path)
    with _reading(path) as file:
        is_too_large = os.fstat(file.fileno()).st_size > LIMITS[kind.name]
    return Kind("document", kind.mimetype) if is_too_large else kind


def details(path: Path, kind: Kind) -> Details:
    """Size, length and a small picture of a file; None for what cannot be found out, and for a document."""
    if kind.name == "document" or not os.path.isfile(path):
        return Details()
    if kind.name == "image":
        return media_details.of_picture(path)
    if kind.name == "video":
        return media_details.of_video(path)
    return media_details.of_sound(path, kind.mimetype)


# ── To send ─────────────────────────────────────────────────────────────────────────────────────────


def check_sendable(path: Path) -> Path:
    """The absolute path of a file that can be sent; links are followed when it is read.

    Raises WaError `not-found` where there is none, `bad-data` for a directory,
    a pipe or a device, an empty file or one that is too large, and
    `storage-error` for one that may not be read.
    """
    with _reading(path) as file:
        _check_size(path, os.fstat(file.fileno()).st_size)
        return path.absolute()


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        mode = path.stat().st_mode  # before it is opened: that would wait for a pipe and wake a device
        if stat.S_ISDIR(mode):
            raise WaError("bad-data", f"{path} is a directory", f"name the files in it: {path}/*")
        if not stat.S_ISREG(mode):
            raise WaError(
                "bad-data", f"{path} is not a file but a pipe or a device", "save it to a file first"
            )
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise WaError("not-found", f"there is no file {path}", None) from None
    except OSError as error:
        raise storage_error(error, path) from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise storage_error(error, path) from error


def _check_size(path: Path, size: int) -> None:
    if size == 0:
        raise WaError("bad-data", f"{path} is empty", "there is nothing in it to send")
    if size > LIMITS["document"]:
        limit = LIMITS["document"] // _MB
        shown = f"{math.ceil(size * 10 / _MB) / 10:.1f}".removesuffix(
            ".0"
        )  # up: not "is 100 MB; up to 100 MB"
        raise WaError(
            "bad-data",
            f"{path} is {shown} MB; files up to {limit} MB can be sent",
            "split it, or send a link",
        )


def keep(home: Home, path: Path) -> tuple[str, str]:
    """Copy a file that is to be sent into the home, so that it may change or go before it is.

    Returns where it is, relative to the home, and what to call it for the
    recipient. The name of the copy comes from its content: the same file twice
    is there once. Raises what `check_sendable` raises; then nothing is left.
    """
    home.prepare()
    folder = home.path / "media" / "outbox"
    with _reading(path) as source:
        _check_size(path, os.fstat(source.fileno()).st_size)
        with _new_file(folder) as copy:
            digest = _copy(path, source, copy)
            kind = _kind_of(Path(copy.name), path.name)
            target = folder / f"{digest}{extension_for(kind.mimetype, kind.name)}"
            os.replace(copy.name, target)
            _sync(folder)
    return target.relative_to(home.path).as_posix(), safe_name(path.name, "file", "")


def _copy(path: Path, source: BinaryIO, copy: IO[bytes]) -> str:
    """Copy what there is, which may have become more or less by now, and return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    while piece := _read(path, source):
        size += len(piece)
        _check_size(path, size)
        digest.update(piece)
        copy.write(piece)
    _check_size(path, size)
    copy.flush()
    os.fsync(copy.fileno())
    return digest.hexdigest()


def _read(path: Path, source: BinaryIO) -> bytes:
    try:
        return source.read(_PIECE)
    except OSError as error:  # the fault of this file, not of where it is copied to
        raise storage_error(error, path) from error


@contextmanager
def _new_file(folder: Path) -> Iterator[IO[bytes]]:
    """A file for its owner alone, gone in the end unless renamed. Raises WaError `storage-error`."""
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


def _sync(folder: Path) -> None:
    """Make a new name in a folder last; some filesystems cannot."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────

_JOINERS = "\u200c\u200d"
"""Part of how Persian, Indic scripts and emoji are written; the other invisible characters go."""
_EDGES = f" .{_JOINERS}"
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\.|\Z)", re.IGNORECASE
)
_SUFFIX = re.compile(r"(?<=.)\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,10}\Z", re.DOTALL)


def safe_name(name: str | None, fallback: str, extension: str) -> str:
    """A file name made of one that somebody else chose, or of `fallback`; `extension` where it has none.

    It stays in its folder, is visible, no option, harmless to a terminal, good
    on Windows too, and at most 120 bytes long. Other scripts stay as they are.
    """
    made = _cleaned(name or "") or _cleaned(fallback) or "file"
    if not _SUFFIX.search(made) and re.fullmatch(r"\.[A-Za-z0-9]{1,10}", extension):
        made += extension
    if _RESERVED.match(made):
        made = f"_{made}"
    if len(made.encode()) <= _LONGEST_NAME:
        return made
    suffix = found[0] if (found := _SUFFIX.search(made)) else ""
    stem = made.removesuffix(suffix).encode()[: _LONGEST_NAME - len(suffix)]
    return stem.decode(errors="ignore").rstrip(_EDGES) + suffix


def _cleaned(name: str) -> str:
    spaced = " ".join(name[:1000].split())
    # Cc: controls, Cf: direction marks and other invisible ones, Cs: what is no character
    seen = (
        each for each in spaced if each in _JOINERS or unicodedata.category(each) not in ("Cc", "Cf", "Cs")
    )
    one_line = " ".join(unicodedata.normalize("NFC", "".join(seen)).split())
    parts = (part for part in re.split(r"[/\\]", one_line) if part.strip(_EDGES))
    return _FORBIDDEN.sub("_", "_".join(parts)).lstrip(f"-{_EDGES}").rstrip(_EDGES)


def free_name(folder: Path, name: str) -> Path:
    """Where a new file of this name can be: `name.ext`, or `name (2).ext` and so on where it is taken."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file")
    stem, suffix = os.path.splitext(name)
    names = (name if number == 1 else f"{stem} ({number}){suffix}" for number in count(1))
    return next(folder / each for each in names if not os.path.lexists(folder / each))


def write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file, whole or not at all and for its owner alone, to where `free_name` says.

    Raises WaError `storage-error`.
    """
    with _new_file(folder) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        while True:
            path = free_name(folder, name)
            with suppress(FileExistsError):  # another process was faster: the next name
                _name(Path(file.name), path)
                _sync(folder)
                return path


def _name(written: Path, path: Path) -> None:
    """Give a file its name unless that is taken. Raises FileExistsError."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except (
        OSError
    ):  # FAT and many network disks have no links: take the name first, then replace what is ours
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            os.replace(written, path)
        except OSError:
            path.unlink()
            raise


def check_folder(folder: Path) -> None:
    """Make the folder that files are to go to. Raises WaError `storage-error`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def copy_to(path: Path, folder: Path) -> Path:
    """Put a copy of a file into a folder, unless it is there; where it is. Raises WaError `storage-error`."""
    try:
        data = path.read_bytes()
        there = folder / path.name
        if there.is_file() and there.read_bytes() == data:
            return there
    except OSError as error:
        raise storage_error(error, folder) from error
    return write_new(folder, path.name, data)
