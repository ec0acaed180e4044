"""The lines of an archive: a message with what belongs to it, and rows of other tables."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from wa.record.retention.archive import to_line
from wa.store.database import Row, Store

T = TypeVar("T")

_MOST_BYTES = 250_000
"""The bytes of lines behind which no further row joins a batch: the search index takes a second for 10 MB."""
MESSAGE = "message"
"""The type of a line with a message; that of any other row is the name of its table."""
_ANSWERS = {
    "reactions": "SELECT sender, emoji, timestamp FROM reactions"
    " WHERE chat_jid = :chat_jid AND message_id = :message_id",
    "receipts": "SELECT recipient, kind, at FROM receipts"
    " WHERE message_id = :message_id AND chat_jid = :chat_jid",
    "votes": "SELECT voter, choices, said_at FROM poll_votes"
    " WHERE chat_jid = :chat_jid AND poll_id = :message_id",
}


def of_message(store: Store, row: Row) -> str:
    """Return the line of a message, a row with all its columns."""
    key = {name: row[name] for name in ("chat_jid", "message_id")}
    answers = {name: found for name, sql in _ANSWERS.items() if (found := store.rows(sql, key))}
    return to_line({"type": MESSAGE, **row, **answers})


def of_row(table: str, row: Row) -> str:
    """Return the line of a row of another table."""
    return to_line({"type": table, **row})


def parsed(line: bytes) -> Row:
    """Return what a line holds, with bytes as bytes. Raise ValueError if it is no object."""
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError(line[:80])
    return {name: _value(each) for name, each in found.items()}


def _value(found: Any) -> Any:
    return b64decode(found["base64"], validate=True) if isinstance(found, dict) else found


def taken_apart(found: Row) -> tuple[Row, dict[str, list[Row]]]:
    """Return the row of a message, and what belongs to it, by the names in the line."""
    answers = {name: found.get(name, []) for name in _ANSWERS}
    row = {name: value for name, value in found.items() if name != "type" and name not in _ANSWERS}
    return row, answers


def type_and_size(line: bytes) -> tuple[str, int]:
    """Return the type of a line of an archive, and its bytes."""
    return line[9 : line.index(b'"', 9)].decode(), len(line)


def batches(
    found: Iterable[T], most: int, type_and_size: Callable[[T], tuple[str, int]]
) -> Iterator[tuple[str, list[T]]]:
    """Yield what is removed in one transaction: things of one type in a row, and the type."""
    batch: list[T] = []
    kind, size = "", 0
    for each in found:
        its_kind, its_size = type_and_size(each)
        if batch and (its_kind != kind or len(batch) == most or size > _MOST_BYTES):
            yield kind, batch
            batch, size = [], 0
        kind = its_kind
        batch.append(each)
        size += its_size
    if batch:
        yield kind, batch
