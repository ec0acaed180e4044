"""An export as JSON Lines, which `wa history import` takes back, and as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from wa.as_json import public, to_json
from wa.record.export.job import Job
from wa.store.database import BATCH, Row
from wa.texts import clean

COLUMNS = (
    "id", "at", "chat_jid", "chat_name", "sender", "sender_name", "is_from_me", "message_type", "content",
    "reactions", "status", "edited_at", "deleted_at", "message_id", "quoted_id", "media_path", "file",
    "source",
)  # fmt: skip
"""The columns of the table: `content` is the text for people, `at` has the offset of its zone."""
_OURS = ("id", "at", "is_from_me", "edited_at", "deleted_at")
"""Columns that hold nothing that other people wrote."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The beginnings by which spreadsheets take a cell for a formula (OWASP, CSV injection)."""


def lines(job: Job) -> Iterator[str]:
    """Yield the messages as `wa read --json` prints them, a line a message."""
    for _, rows in job.each_chat():
        for row in rows:
            job.file_of(row)
            yield to_json(public(row)) + "\n"


def table(job: Job) -> Iterator[str]:
    """Yield the messages as CSV (RFC 4180); no text of other people can be a formula in it."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for _, rows in job.each_chat():
        for number, row in enumerate(rows, 1):
            table.writerow([_cell(name, value) for name, value in _values(job, row).items()])
            if number % BATCH == 0:
                yield _taken(written)
        yield _taken(written)
    yield _taken(written)


def _taken(written: io.StringIO) -> str:
    text = written.getvalue()
    written.seek(0)
    written.truncate()
    return text


def _values(job: Job, row: Row) -> dict[str, Any]:
    given = {
        "at": job.time(row).isoformat(timespec="seconds"),
        "is_from_me": "true" if row["is_from_me"] else "false",
        "content": job.say(row),
        "reactions": " ".join(each["emoji"] for each in row["reactions"]),
        "file": job.file_of(row),
    }
    return {name: given[name] if name in given else row[name] for name in COLUMNS}


def _cell(name: str, value: Any) -> str:
    """Return a value as text that is safe in a spreadsheet and on a terminal."""
    text = "" if value is None else str(value)
    if name in _OURS:
        return text
    shown = clean(text)
    return "'" + shown if text.startswith(_FORMULA) or shown.startswith(_FORMULA) else shown
