"""The files of exported messages: copied into a folder beside the export, under names of ours.

The folder is made under another name, and gets its own when the export is whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from wa.media.received import inside
from wa.record.messages import FILES
from wa.store.database import Row
from wa.store.files import create, explained, part_path, sync_folder
from wa.store.paths import Home

_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".mp4", ".mov", ".3gp", ".webm", ".ogg", ".opus",
    ".mp3", ".m4a", ".aac", ".amr", ".wav", ".flac", ".pdf", ".vcf", ".txt", ".csv", ".docx", ".xlsx",
    ".pptx", ".odt", ".ods", ".zip",
)  # fmt: skip
"""The endings that a copy keeps: a browser that opens such a file runs nothing of it."""


def name_of(row: Row) -> str:
    """Return the name of the copy of a message's file, made of nothing that other people chose."""
    suffix = PurePosixPath(row["media_path"]).suffix.lower()
    return f"{row['id']:08}-{row['message_type']}{suffix if suffix in _SUFFIXES else '.bin'}"


def folder_of(out: Path) -> Path:
    """Return the folder for the files of an export."""
    return out.with_name(f"{out.stem}-media")


def source_of(home: Home, row: Row) -> Path | None:
    """Return the path of a message's file; None if it is deleted, not here, or not in the folder of files."""
    return None if row["deleted_at"] or not row["media_path"] else inside(home, row["media_path"])


class Copies:
    """The files that were copied, in a folder that is not in its place yet."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home, self._folder = home, folder
        self._part = part_path(folder.parent, secrets.token_hex(8))
        self._old = part_path(folder.parent, secrets.token_hex(8))
        self.copied = 0
        self.missing = 0

    def take(self, row: Row) -> str | None:
        """Copy the file of a message; return its path beside the export. None if the file is not here."""
        path = source_of(self._home, row)
        if path is None:
            self.missing += row["message_type"] in FILES and not row["deleted_at"]
            return None
        name = name_of(row)
        with create(self._part / name) as copy, path.open("rb") as source:
            shutil.copyfileobj(source, copy, 1024**2)
            copy.flush()
            os.fsync(copy.fileno())
        self.copied += 1
        return f"{self._folder.name}/{name}"

    def put(self) -> None:
        """Give the folder its name, in place of one that is there."""
        sync_folder(self._part)
        if self._folder.exists():
            self._folder.rename(self._old)
        self._part.rename(self._folder)
        sync_folder(self._folder.parent)

    def undo(self) -> None:
        """Put the folder back that was there before."""
        if not self._part.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._old.exists():
            self._old.rename(self._folder)

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the folder for the block; afterwards nothing is left of it unless `put` was called."""
        with explained(self._part):
            self._part.mkdir(mode=0o700)
        try:
            yield
        except BaseException:
            self.undo()
            raise
        finally:
            for folder in (self._part, self._old):
                shutil.rmtree(folder, ignore_errors=True)
