"""Fields of the old tool's records: each is returned in its type, or the record is skipped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from wa.imports.wajs.json_stream import Unreadable
from wa.queue.checks import MAX_TEXT
from wa.store.database import Row
from wa.times import resolve_wall, to_iso

Complain = Callable[[str, str], None]
"""Called with a reason and an example for a fault of a record that is imported anyway."""


class Skip(Exception):
    """A record cannot be imported; the text says why."""


def an_object(record: Any) -> Row:
    """Return a record that is an object of JSON."""
    if isinstance(record, Unreadable):
        raise Skip(str(record))
    if not isinstance(record, dict):
        raise Skip("it is not an object")
    return record


def a_list(found: Any) -> list[Any]:
    """Return a value that is a list."""
    if not isinstance(found, list):
        raise Skip("where a list should be is something else")
    return found


def text(record: Row, name: str, default: Any = ...) -> Any:
    """Return a string of a record; it may be absent only with a `default`."""
    found = record.get(name)
    if found is None:
        found = default
    if found is ... or not isinstance(found, (str, type(None))):
        raise Skip(f"its {name} is {'missing' if found is ... else 'not a string'}")
    if found and len(found) > MAX_TEXT:
        raise Skip(f"its {name} is too long")
    return found if default is None else found or ""


def texts(record: Row, name: str) -> list[str]:
    """Return a list of strings; an absent list is empty."""
    found = record.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Skip(f"its {name} are not strings")
    if any(len(each) > MAX_TEXT for each in found):
        raise Skip(f"one of its {name} is too long")
    return found


def first(record: Row, *names: str) -> Any:
    """Return the first of several fields that a record has, None if it has none."""
    return next((record[name] for name in names if record.get(name) is not None), None)


def number(record: Row, *names: str) -> int:
    """Return the count in the first of several fields that a record has, 0 if it has none."""
    found = first(record, *names) or 0
    if not isinstance(found, int) or not 0 <= found < 2**31:
        raise Skip("a count of it is not a number")
    return found


def moment(when: Any, zone: ZoneInfo) -> datetime | None:
    """Return a time of the old tool as a datetime: ISO 8601 text, or Unix seconds or milliseconds.

    A time without a zone is in `zone`. Return None for an empty or absent time.
    """
    from dateutil.parser import isoparse  # Python 3.10 reads only a part of ISO 8601

    if when is None or when == "":
        return None
    try:
        if isinstance(when, str):
            found = isoparse(when)
            return resolve_wall(found, zone) if found.tzinfo is None else found.astimezone(timezone.utc)
        if not isinstance(when, bool):
            seconds = float(when) / (1000 if float(when) > 1e11 else 1)
            return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError, TypeError):
        pass
    raise Skip("a time of it cannot be read")


def iso(found: datetime | None) -> str | None:
    """Return a moment as ISO text."""
    return to_iso(found) if found else None
