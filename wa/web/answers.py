"""Answers: values as JSON, and the status that belongs to each error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wa.as_json import public, to_json
from wa.errors import EXIT_OF_CODE, ExitStatus, WaError
from wa.web.access import Refused

_OF_CODE = {
    "wrong-state": 409,
    "unknown-outcome": 409,
    "still-queued": 202,
    "rate-limit-exceeded": 429,
    "temporary-ban": 429,
    "bad-data": 400,
    "bad-setting": 500,
}
_OF_EXIT = {
    ExitStatus.INTERNAL: 500,
    ExitStatus.USAGE: 400,
    ExitStatus.NOT_AUTHORIZED: 503,
    ExitStatus.NOT_FOUND: 404,
    ExitStatus.NOT_SENT: 422,
    ExitStatus.UNKNOWN: 409,
    ExitStatus.UNREACHABLE: 503,
    ExitStatus.BAD_DATA: 503,
}
RETRY_SECONDS = 60
"""Seconds that `Retry-After` names where nothing better is known."""
OF_HTTP = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its body, and further headers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"


def answer(value: Mapping[str, Any], status: int = 200, **headers: str) -> Answer:
    """Return the answer for one row; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, to_json(public(value)).encode(), named)


def listed(rows: Iterable[Mapping[str, Any]], next_cursor: str | None = None) -> Answer:
    """Return the answer for a list; `Next-Cursor` is there when there is more."""
    text = "[" + ",\n ".join(to_json(public(row)) for row in rows) + "]"
    return Answer(200, text.encode(), {} if next_cursor is None else {"Next-Cursor": next_cursor})


def status_of(error: WaError) -> int:
    """Return the HTTP status of an error."""
    return _OF_CODE.get(error.code) or _OF_EXIT[EXIT_OF_CODE[error.code]]


def failed(error: WaError | Refused) -> Answer:
    """Return the answer for an error."""
    detail = {"code": error.code, "message": error.message, "hint": error.hint}
    status = error.status if isinstance(error, Refused) else status_of(error)
    headers = {}
    if isinstance(error, Refused) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    elif status == 429:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(status, to_json({"error": detail}).encode(), headers)
