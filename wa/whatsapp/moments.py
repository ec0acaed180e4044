"""Times in the texts of messages: of events, calls to come, invitations.

The text has a time in UTC, so that it is true in every zone; `details` has it in ISO form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from wa.times import from_iso

_LABELS = {"starts_at": "Starts", "ends_at": "Ends", "expires_at": "Until"}


def spoken(times: Mapping[str, str]) -> list[str]:
    """Return the ISO times of `details` as text: `Starts 2026-12-04 18:00 UTC`."""
    return [f"{_LABELS[name]} {_utc(at)}" for name, at in times.items()]


def in_zone(text: str, details: Mapping[str, Any], local: Callable[[datetime], str]) -> str:
    """Return a message's text with its times in the zone that `local` writes them in."""
    for name in details.keys() & _LABELS:
        text = text.replace(_utc(details[name]), local(from_iso(details[name])))
    return text


def _utc(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"
