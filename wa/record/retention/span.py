"""How old is old: the times after which messages, and what was done with, are pruned."""

from __future__ import annotations

import re
from datetime import timedelta

from wa.times import parse_duration

YEAR = timedelta(days=365)
"""The time for which jobs, series and rows of the queue are kept after they ended."""
_NOTHING = re.compile(r"0+ ?[smhdw]?", re.IGNORECASE)


def age(text: str) -> timedelta:
    """Return a duration, `0d` too. Raise WaError `usage` for any other text that is none."""
    return timedelta() if _NOTHING.fullmatch(text.strip()) else parse_duration(text)
