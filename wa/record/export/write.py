"""Writing an export: to a file that appears when it is whole, with a folder of files beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from wa.errors import WaError
from wa.record.export.files import Copies, folder_of
from wa.record.export.job import Job
from wa.store.database import Row
from wa.store.files import is_stream, write_file

Form = Callable[[Job], Iterator[str]]
"""Yields the text of an export in pieces."""


def to_file(job: Job, form: Form, out: Path, *, with_media: bool, replacing: bool) -> Row:
    """Write an export, and return the report. Raise WaError `usage` if the file exists, `storage-error`.

    An error or a kill leaves what was there before, and nothing half-written.
    """
    folder = folder_of(out)
    replacing = replacing or (is_stream(out) and not with_media)
    if not replacing:
        check_free(out, *([folder] if with_media else []))
    if not with_media:
        _write(out, form(job), replacing=replacing)
        return report(job, out)
    copies = Copies(job.store.home, folder)
    job.file_of = copies.take
    with copies.made():
        _write(out, _then(form(job), copies.put), replacing=replacing)
    return report(job, out) | {
        "media": {"folder": str(folder), "copied": copies.copied, "missing": copies.missing}
    }


def check_free(*paths: Path) -> None:
    """Raise WaError `usage` if one of the paths exists."""
    for path in paths:
        if os.path.lexists(path):
            raise WaError("usage", f"{path} exists", "give another name, or --force to replace it")


def report(job: Job, out: Path) -> Row:
    """Return what an export has written, as data."""
    return {"file": str(out), "chats": job.chats, "messages": job.messages}


def _then(pieces: Iterator[str], finish: Callable[[], None]) -> Iterator[str]:
    yield from pieces
    finish()


def _write(out: Path, pieces: Iterator[str], *, replacing: bool) -> None:
    try:
        write_file(out, pieces, replacing=replacing)
    except FileExistsError:  # made by somebody else meanwhile
        check_free(out)
        raise
