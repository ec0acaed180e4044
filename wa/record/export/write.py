"""Writing an export: to a file that appears when it is whole, with a folder of files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from wa.record.export.files import Copies, folder_of
from wa.record.export.job import Job
from wa.store.database import Row
from wa.store.files import check_free, is_stream, write_out

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
        write_out(out, form(job), force=replacing)
        return report(job, out)
    copies = Copies(job.store.home, folder)
    job.file_of = copies.take
    with copies.made():
        write_out(out, _then(form(job), copies.put), force=replacing)
    return report(job, out) | {
        "media": {"folder": str(folder), "copied": copies.copied, "missing": copies.missing}
    }


def report(job: Job, out: Path) -> Row:
    """Return what an export has written, as data."""
    return {"file": str(out), "chats": job.chats, "messages": job.messages}


def _then(pieces: Iterator[str], finish: Callable[[], None]) -> Iterator[str]:
    yield from pieces
    finish()
