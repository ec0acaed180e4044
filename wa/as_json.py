"""Rows as JSON for programs, the same on the command line and over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from wa.times import to_iso

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_HARMFUL = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MOMENTS = {"timestamp": "at", "last_message_time": "last_message_at", "muted_until": "muted_until_at"}
"""Columns with Unix seconds, and the names under which their moments stand beside them as ISO text."""
_FLAGS = ("is_from_me", "is_group", "is_favorite", "last_is_from_me", "is_archived", "is_pinned")


def to_json(value: Any) -> str:
    """Return a value as one line of JSON in which no character can harm a terminal."""
    text = _ENCODER.encode(value)
    if text.isascii() and "\x7f" not in text:
        return text
    return _HARMFUL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for JSON: with flags as booleans, and beside Unix seconds the same moment as ISO text."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        shown[name] = bool(value) if name in _FLAGS else value
        if name == "details" and isinstance(value, str):  # as a row of the queue has them
            shown[name] = json.loads(value)
        if name in _MOMENTS and not isinstance(value, str):
            moment = None if value is None else datetime.fromtimestamp(value, timezone.utc)
            shown[_MOMENTS[name]] = moment and to_iso(moment)
    return shown
