"""The cursors of pages: made for a program, and read when it hands one back.

The functions that read one raise WaError `usage` for a text that no page gave.
"""

from __future__ import annotations

import re

from wa.errors import WaError
from wa.record.messages import END, Place
from wa.store.database import Row


def of_message(row: Row) -> str:
    """Return the cursor behind a message."""
    return f"{row['timestamp']}~{row['id']}"


def place(cursor: str) -> Place:
    """Return the place of the message behind which a page begins; for the first page, one behind all."""
    if not cursor:
        return END
    at, number = _parts(r"([0-9]{1,15})~([0-9]{1,18})", cursor)
    return int(at), int(number)


def of_chat(row: Row) -> str:
    """Return the cursor behind a chat."""
    at = row["last_message_time"]
    return f"{-1 if at is None else at}~{row['id']}"


def chat(cursor: str) -> tuple[int, str] | None:
    """Return the time and the id of the chat behind which a page begins, None for the first page."""
    if not cursor:
        return None
    at, jid = _parts(r"(-?[0-9]{1,15})~(\S{1,200})", cursor)
    return int(at), jid


def number(cursor: str) -> int:
    """Return how many entries are on the pages before."""
    return int(_parts("([0-9]{1,9})", cursor)[0]) if cursor else 0


def _parts(pattern: str, cursor: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, cursor)
    if match is None:
        raise WaError("usage", "the cursor is not one that a page gave", "leave it out for the first page")
    return match.groups()
