"""The file that "Export chat" makes: a text, or a ZIP with a text and the files that were sent.

Nothing in it is trusted. A file of a ZIP is copied to `media/import` in the home,
named by the digest of its content and a harmless form of its name.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import lzma
import os
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import IO, AnyStr, BinaryIO

from wa.errors import WaError
from wa.imports.export_chat.language.phrases import titles
from wa.imports.progress import Advance
from wa.media.names import plain_name
from wa.store.files import free_bytes, make_folder, part_file, put, storage_error
from wa.store.paths import Home

FOLDER = "media/import"
"""The folder that files are copied to, below the home."""
_MOST_BYTES = 2 * 1024**3
"""The most bytes to which the members of a ZIP may unpack, all together."""
_SPARE_BYTES = 64 * 1024**2
"""Bytes that stay free on the disk."""
_PIECE = 1024**2
_LONGEST_LINE = 1024**2
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError)
"""The errors of zipfile for a damaged or unusual ZIP."""
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4
_HINT = "give the .txt or .zip that WhatsApp made: open the chat on the phone, More, Export chat"


class Unusable(Exception):
    """A file of the ZIP cannot be copied; the text says why."""


class Files(Container[str]):
    """The files beside the text, by their name in the text."""

    def __init__(self) -> None:
        self._found: dict[str, zipfile.ZipInfo] = {}
        self.refused: list[str] = []
        """Names of entries whose path would lead out of the target folder."""

    def add(self, info: zipfile.ZipInfo) -> None:
        """Remember a file by the last part of its name."""
        path = PurePosixPath(_name_of(info).replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", str(path)):
            self.refused.append(str(path))
        elif path.name:
            self._found.setdefault(_same(path.name), info)

    def get(self, name: str) -> zipfile.ZipInfo | None:
        """Return a file by its name, None if there is none."""
        return self._found.get(_same(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _same(name) in self._found


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return an entry's name, read as UTF-8 even if the ZIP does not declare that."""
    if info.flag_bits & 0x800:  # APPNOTE.TXT 4.4.4
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


@dataclass
class Export:
    """An exported chat, open."""

    path: Path
    archive: zipfile.ZipFile | None = None
    text: zipfile.ZipInfo | None = None
    files: Files = field(default_factory=Files)
    damaged: int = 0
    """The number of lines with bytes that are not UTF-8."""

    @property
    def size(self) -> int:
        """The size of the text in bytes."""
        return self.text.file_size if self.text else self.path.stat().st_size

    @property
    def titles(self) -> list[str]:
        """The chat's possible titles, from the name of the file or of its folder."""
        names = _name_of(self.text).split("/")[::-1] if self.text else []
        names.append(self.path.name)
        if self.path.name == "_chat.txt":
            names.append(self.path.absolute().parent.name)
        return list(dict.fromkeys(title for name in names for title in titles(name)))

    def lines(self, advance: Advance = lambda size: None) -> Iterator[str]:
        """Yield the lines of the text, from its start. Raise WaError `bad-data` for a damaged ZIP."""
        self.damaged = 0
        try:
            with self._open() as stream:
                encoding = _encoding(stream)
            with self._open() as stream:
                if encoding:
                    text = TextIOWrapper(stream, encoding, errors="replace", newline="\n")
                    for line in _lines(text.readline, "\n"):
                        advance(2 * len(line))
                        yield line
                else:
                    for raw in _lines(stream.readline, b"\n"):
                        advance(len(raw))
                        yield self._decoded(raw)
        except _DAMAGE as error:
            raise WaError("bad-data", f"{self.path} is damaged: {error}", "export the chat again") from None
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _open(self) -> IO[bytes]:
        return self.archive.open(self.text) if self.archive and self.text else self.path.open("rb")

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.damaged += 1
            return raw.decode("utf-8", "replace")

    def extract(self, home: Home, name: str) -> str:
        """Copy a file into the home; return its path there. Raise Unusable, WaError `storage-error`."""
        info = self.files.get(name)
        if info is None:
            raise Unusable("the file was not exported along with the chat")
        if info.flag_bits & _ENCRYPTED:
            raise Unusable("the file is encrypted")
        folder = home.path / FOLDER
        try:
            _make_room(home, info.file_size)
            # Use the same name at each try, so that it replaces the part that a killed import left.
            with part_file(folder, f"{info.CRC:08x}-{info.file_size}") as part:
                kept = folder / f"{self._copy(info, part)[:16]}-{plain_name(_same(name))}"
                put(part, kept)
        except _DAMAGE:
            raise Unusable("the file is damaged") from None
        except OSError as error:
            raise storage_error(error, folder) from error
        return f"{FOLDER}/{kept.name}"

    def _copy(self, info: zipfile.ZipInfo, part: BinaryIO) -> str:
        """Write an entry to a file; return its SHA-256. ZipFile reads no more bytes than it declares."""
        assert self.archive is not None  # noqa: S101
        digest = hashlib.sha256()
        with self.archive.open(info) as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                part.write(piece)
        return digest.hexdigest()


def _make_room(home: Home, size: int) -> None:
    """Make the folder, for its owner alone. Raise OSError if the disk has no room for `size` bytes."""
    make_folder(home.path / FOLDER)
    if free_bytes(home.path) < size + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _encoding(stream: IO[bytes]) -> str | None:
    """Return the form of UTF-16 that the start of a text shows; None for UTF-8."""
    start = stream.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(
        (start[:1] == b"\0", start[1:2] == b"\0") if len(start) == 4 else (False, False)
    )


def _lines(readline: Callable[[int], AnyStr], end: AnyStr) -> Iterator[AnyStr]:
    """Yield lines; of an endless line yield only the beginning."""
    while piece := readline(_LONGEST_LINE):
        yield piece
        while len(piece) == _LONGEST_LINE and not piece.endswith(end):
            piece = readline(_LONGEST_LINE)


@contextmanager
def opened(path: Path) -> Iterator[Export]:
    """Open an exported chat. Raise WaError `not-found`, `bad-data`, `storage-error`."""
    try:
        if path.exists() and not path.is_file():
            what = "a directory" if path.is_dir() else "not a file, and it has to be read twice"
            raise WaError("bad-data", f"{path} is {what}", _HINT)
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise WaError("not-found", f"there is no file {path}", None) from None
    except OSError as error:
        raise storage_error(error, path) from error
    if start in (b"PK\3\4", b"PK\5\6"):  # APPNOTE.TXT 4.3.7, 4.3.16
        try:
            archive = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise WaError("bad-data", f"{path} is a damaged ZIP: {error}", "export the chat again") from None
        with archive:
            yield _found_in(path, archive)
    elif not start or path.suffix.lower() == ".zip":
        raise WaError("bad-data", f"{path} is {'no ZIP' if start else 'empty'}", _HINT)
    else:
        yield Export(path)


def _check_size(path: Path, names: dict[zipfile.ZipInfo, str]) -> None:
    """Raise WaError `bad-data` if the members say that they unpack to more than the limit."""
    size = 0
    for each, name in names.items():
        size += each.file_size
        if size > _MOST_BYTES:
            what = f"{path} unpacks to more than {_MOST_BYTES:,} bytes: {name} alone has {each.file_size:,}"
            raise WaError("bad-data", what, "unpack it, and give the text in it: its files are left out")


def _found_in(path: Path, archive: zipfile.ZipFile) -> Export:
    """Find the text in a ZIP, and the files beside it. Raise WaError `bad-data`, `usage` for two chats."""
    names = {each: _name_of(each).replace("\\", "/") for each in archive.infolist()}
    names = {each: name for each, name in names.items() if not name.endswith("/") and "__MACOSX" not in name}
    _check_size(path, names)
    texts = {each: name.rpartition("/")[2] for each, name in names.items() if name.lower().endswith(".txt")}
    chats = [each for each, name in texts.items() if name == "_chat.txt" or titles(name)] or list(texts)
    if not chats:
        raise WaError("bad-data", f"there is no chat in {path}", _HINT)
    if len(chats) > 1:
        listed = ", ".join(sorted(names[each] for each in chats)[:5])
        what = f"there are {len(chats)} chats in {path}: {listed}"
        raise WaError("usage", what, "unpack it and give one of them")
    text = chats[0]
    if text.flag_bits & _ENCRYPTED:
        raise WaError("bad-data", f"{path} is encrypted", "unpack it, and give the text")
    export = Export(path, archive, text)
    for each in names:
        if each is not text:
            export.files.add(each)
    return export
