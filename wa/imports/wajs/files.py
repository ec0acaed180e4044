"""The sources of the old tool's files, a folder or a bucket. Files are read as streams."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from wa.errors import WaError
from wa.imports.progress import Advance
from wa.imports.wajs.json_stream import Readable
from wa.s3.bucket import Bucket
from wa.settings import Storage
from wa.store.files import storage_error

FILES = ("contacts.json", "scheduled.json", "scheduled-messages.json", "jobs.json", "chats.json")


class Source(Protocol):
    """A place with the old tool's files."""

    refused: WaError | None
    """The refusal of a file that may only be missing; None if there was no refusal."""

    def open(self, name: str) -> tuple[Readable, int] | None:
        """Return a file to read and its size in bytes; None where there is no such file."""


class Folder:
    """Files in a directory."""

    refused: WaError | None = None

    def __init__(self, path: Path) -> None:
        """Raise WaError `not-found` when there is no such directory."""
        if not path.is_dir():
            raise WaError("not-found", f"there is no folder {path}", "--from names the folder with the files")
        self._path = path

    def open(self, name: str) -> tuple[Readable, int] | None:
        """Return a file to read and its size in bytes; None where there is no such file."""
        path = self._path / name
        try:
            size = path.stat().st_size
            return path.open("rb"), size
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise WaError("bad-data", f"{path} is a directory", "move it away") from None
        except OSError as error:
            raise storage_error(error, path) from error


def source_of(folder: Path | None, storage: Storage | None) -> Source:
    """Return the folder or, if none is given, the bucket of the settings.

    Raise WaError `bad-setting` when there is neither, and `not-found` for a missing folder.
    """
    if folder is not None:
        return Folder(folder)
    if storage is None:
        raise WaError("bad-setting", "no storage is set", "set B2_BUCKET and the rest, or give --from DIR")
    return Bucket(storage)


def find(source: Source) -> list[str]:
    """Return the names of the old tool's files that the source has.

    Raise WaError `not-found` when there is none, `bad-data` when one is
    neither a list nor an object of JSON.
    """
    there = [name for name in FILES if _is_there(source, name)]
    if not there:
        raise source.refused or WaError(
            "not-found", f"none of {', '.join(FILES)} is there", "check the folder, or B2_PREFIX"
        )
    return there


def _is_there(source: Source, name: str) -> bool:
    found = source.open(name)
    if found is None:
        return False
    stream = found[0]
    try:
        start = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    finally:
        stream.close()
    if not start.startswith((b"{", b"[")):
        raise WaError(
            "bad-data",
            f"{name} is not a JSON object or list",
            "move it away, or mend it; nothing was written",
        )
    return True


class Counted:
    """A file that reports the bytes read to a progress bar."""

    def __init__(self, stream: Readable, advance: Advance) -> None:
        self._stream, self._advance = stream, advance

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        piece = self._stream.read(size)
        self._advance(len(piece))
        return piece
