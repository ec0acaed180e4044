"""The moments that the wall-clock times of an exported chat stand for."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from wa.times import resolve_wall

_EPOCH, _SECOND = datetime(1970, 1, 1), timedelta(seconds=1)  # noqa: DTZ001 (of the wall clock)


def moments(at: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """Return the moments, in Unix seconds, when the wall clock of a zone showed a time: one or two."""
    offset = _offset(at.replace(minute=0, second=0), zone)
    if offset is not None:
        return ((at - _EPOCH) // _SECOND - offset,)
    first = int(resolve_wall(at, zone).timestamp())
    earlier, later = (at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if earlier is not None and later is not None and earlier > later:
        return first, first + int((earlier - later).total_seconds())
    return (first,)


@lru_cache(maxsize=64)
def _offset(hour: datetime, zone: ZoneInfo) -> int | None:
    """Return the offset from UTC, in seconds, of a zone in an hour of the wall clock, None if it changes."""
    try:
        edges = (hour, hour + timedelta(minutes=59, seconds=59))
    except OverflowError:
        return None
    found = {each.replace(tzinfo=zone, fold=fold).utcoffset() for each in edges for fold in (0, 1)}
    offset = found.pop()
    return offset // _SECOND if offset is not None and not found and not offset % _SECOND else None
