"""A line of an export read: checked as a stranger's, for whatever it holds is stored and shown later."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from wa.errors import WaError
from wa.record.messages import COUNTED, LAST_SECOND, TYPES
from wa.store.database import Row
from wa.times import from_iso

_LONGEST_ID = 200
_LONGEST_TEXT = 1_000_000
_HIGHEST_ID = 2**53
"""A number above would use up the numbers of messages."""
_STATUSES = ("sent", "delivered", "read", "received", "early")
_SOURCES = ("live", "history", "import", "migration")
_WORD = re.compile(r"[a-z_]{1,30}")
_ADDRESS = re.compile(r"[!-~]{1,200}")
_BAD = "it has no usable "


class Unusable(Exception):
    """A line is no message that can be stored; the text says why."""


@dataclass(frozen=True)
class Line:
    """A message, and what stands beside it in its line."""

    row: Row
    """The columns of `messages`, with the id that it had."""
    chat_name: str | None
    sender_name: str | None
    reactions: list[Row]
    options: list[Row]
    """The options of a poll, each with the JIDs of its voters."""
    unknown_votes: int


def read(text: bytes) -> Line:
    """Return the message of a line. Raise Unusable."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("it is no JSON") from None
    if not isinstance(given, dict) or "message_id" not in given or "event" in given:
        raise Unusable("it is no message")
    if given.get("message_type") not in TYPES or given["message_type"] == "reaction":
        raise Unusable(f"{_BAD}message_type")
    poll = given.get("poll") or {}
    return Line(
        _row(given),
        _take(given, "chat_name", _maybe(_is_id)),
        _take(given, "sender_name", _maybe(_is_id)),
        _take(given, "reactions", _list_of(_is_reaction), []),
        _take(poll, "options", _list_of(_is_option), []) if isinstance(poll, dict) else [],
        _take(poll, "unknown_votes", _is_small, 0) if isinstance(poll, dict) else 0,
    )


def _row(given: Row) -> Row:
    row = {name: _take(given, name, check) for name, check in _COLUMNS.items()}
    details = row["details"]
    counts = _take(given, "receipts", _maybe(_is_counts))
    if counts and any(counts.values()):
        details = {**(details or {}), COUNTED: {name: counts[name] for name in _COUNTS}}
    return row | {"details": None if details is None else _as_json(details)}


def _take(given: Row, name: str, check: Callable[[Any], bool], otherwise: Any = None) -> Any:
    """Return a value that passes a check. Raise Unusable for another one; a value that is missing is None."""
    value = given.get(name, otherwise)
    try:
        if check(value):
            return value
    except (TypeError, KeyError, ValueError, WaError):
        pass
    raise Unusable(f"{_BAD}{name}")


# ── What a value may be ─────────────────────────────────────────────────────────────────────────────


def _maybe(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _is_text(value: Any, longest: int = _LONGEST_TEXT) -> bool:
    """Return whether a value is text that the store can hold. Raise ValueError for lone surrogates."""
    return isinstance(value, str) and len(value.encode()) <= longest and "\0" not in value


def _is_id(value: Any) -> bool:
    return _is_text(value, _LONGEST_ID) and bool(value)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and bool(_ADDRESS.fullmatch(value))


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and bool(from_iso(value))


def _is_count(value: Any, most: int = _HIGHEST_ID) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < most


def _is_small(value: Any) -> bool:
    return _is_count(value, 10_000)


def _is_seconds(value: Any) -> bool:
    return _is_count(value, LAST_SECOND + 1)


def _is_path(value: Any) -> bool:
    """Return whether a path stays in the folder of files of the home."""
    parts = PurePosixPath(value).parts
    return (
        _is_text(value, 1000)
        and len(parts) > 1
        and parts[0] == "media"
        and ".." not in parts
        and "\0" not in value
    )


def _is_reaction(value: Any) -> bool:
    return _is_address(value["sender"]) and _is_id(value["emoji"]) and _is_seconds(value["timestamp"])


def _is_option(value: Any) -> bool:
    return _is_text(value["name"]) and _list_of(_is_address)(value["voters"])


_COUNTS = ("delivered", "read", "members")


def _is_counts(value: Any) -> bool:
    return all(_is_small(value[name]) for name in _COUNTS)


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("outcome"), str)


def _is_card(value: Any) -> bool:
    return _list_of(_is_text)(value["numbers"])


def _is_poll(value: Any) -> bool:
    return _is_text(value["question"]) and _list_of(_is_text)(value["options"])


_DETAILS: dict[str, Callable[[Any], bool]] = {
    "mentions": _list_of(_is_address),
    "call": _is_call,
    "poll": _is_poll,
    "cards": _list_of(_is_card),
    "file_name": _is_text,
    "seconds": _is_count,
    "size": _is_count,
    "version_id": _is_id,
    "starts_at": _is_moment,
    "ends_at": _is_moment,
    "expires_at": _is_moment,
}
"""The details that code reads; others are only shown."""


def _is_flat(value: Any, depth: int = 20) -> bool:
    """Return whether a value is nested so little that SQLite, too, can read it as JSON."""
    if not isinstance(value, (dict, list)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_flat(each, depth - 1) for each in inner)


def _as_json(details: Row) -> str:
    """Return details as JSON. Raise ValueError for a number that JSON does not have."""
    return json.dumps(details, ensure_ascii=False, allow_nan=False)


def _are_details(value: Any) -> bool:
    is_small = isinstance(value, dict) and _is_flat(value) and _is_text(_as_json(value))
    return (
        is_small
        and COUNTED not in value
        and all(_DETAILS[name](value[name]) for name in _DETAILS.keys() & value)
    )


_COLUMNS: dict[str, Callable[[Any], bool]] = {
    "id": _is_count,
    "chat_jid": lambda value: _is_address(value) and "@" in value,
    "message_id": _is_id,
    "sender": _is_address,
    "content": _maybe(_is_text),
    "timestamp": _is_seconds,
    "is_from_me": lambda value: isinstance(value, bool),
    "message_type": _is_id,
    "status": _maybe(lambda value: value in _STATUSES),
    "quoted_id": _maybe(_is_id),
    "edited_at": _maybe(_is_moment),
    "deleted_at": _maybe(_is_moment),
    "media_path": _maybe(_is_path),
    "details": _maybe(_are_details),
    "unavailable": _maybe(lambda value: isinstance(value, str) and bool(_WORD.fullmatch(value))),
    "source": lambda value: value in _SOURCES,
    "created_at": _is_moment,
}
"""The columns that are taken over, each with what it may hold."""
