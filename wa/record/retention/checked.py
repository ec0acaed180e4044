"""A line of an archive checked before anything of the archive is stored: it fits the tables of this store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wa.record.messages import LAST_SECOND, TYPES
from wa.record.retention import lines
from wa.store.database import Row, Store

_TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes, "REAL": (int, float)}
_HIGHEST_ID = 2**53
"""An id above would use up the ids of messages."""
_Answer = dict[str, type]
_ANSWERS: dict[str, _Answer] = {
    "reactions": {"sender": str, "emoji": str, "timestamp": int},
    "receipts": {"recipient": str, "kind": str, "at": str},
    "votes": {"voter": str, "choices": str, "said_at": int},
}


class Checker:
    """Checks lines; `tables` are the types of lines beside those of messages."""

    def __init__(self, store: Store, tables: list[str]) -> None:
        self._columns = {table: _columns_of(store, table) for table in ("messages", *tables)}
        self._tables = {**{table: table for table in tables}, lines.MESSAGE: "messages"}

    def check(self, found: Row) -> None:
        """Raise ValueError, KeyError or TypeError unless a line can be stored."""
        row, answers = lines.taken_apart(found)
        columns = self._columns[self._tables[found["type"]]]
        if unknown := row.keys() - columns.keys():
            raise ValueError(f"there is no column {min(unknown)} here")
        for name, fits in columns.items():
            if not fits(row.get(name)):
                raise ValueError(f"its {name} cannot be stored")
        if found["type"] == lines.MESSAGE:
            _check_message(row, answers)


def _columns_of(store: Store, table: str) -> dict[str, Callable[[Any], bool]]:
    """Return a check of its value for each column of a table."""
    return {
        each["name"]: _fits(_TYPES[each["type"]], may_be_null=not each["notnull"] or each["dflt"])
        for each in store.rows(
            'SELECT name, type, "notnull" AS "notnull", dflt_value IS NOT NULL AS dflt'
            f" FROM pragma_table_info('{table}')"
        )
    }


def _fits(kind: Any, *, may_be_null: bool) -> Callable[[Any], bool]:
    return lambda value: may_be_null if value is None else _is(value, kind)


def _is(value: Any, kind: Any) -> bool:
    """Return whether SQLite can store a value as one of a kind. Raise ValueError for lone surrogates."""
    if isinstance(value, int):
        return isinstance(value, kind) and -(2**63) <= value < 2**63
    return isinstance(value, kind) and (not isinstance(value, str) or bool(value.encode()) or not value)


def _check_message(row: Row, answers: dict[str, list[Row]]) -> None:
    if row["message_type"] not in TYPES or not 0 <= row["timestamp"] <= LAST_SECOND:
        raise ValueError("its type or time is none of a message")
    if not 0 < row["id"] < _HIGHEST_ID:
        raise ValueError("its id is none of a message")
    if row["details"] is not None and not isinstance(json.loads(row["details"]), dict):
        raise ValueError("its details are no object")
    for name, kinds in _ANSWERS.items():
        for each in answers[name]:
            if any(not _is(each[column], kind) for column, kind in kinds.items()):
                raise ValueError(f"its {name} cannot be stored")
        if name == "votes" and any(
            not isinstance(json.loads(each["choices"]), list) for each in answers[name]
        ):
            raise ValueError("its votes are for nothing")
