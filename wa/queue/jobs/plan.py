"""The plan of a job: when each recipient gets each part, if all goes well, and when the job is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso

GAP, MAX_RETRIES, GRACE = 30.0, 3, 6 * 3600.0
"""The seconds between two recipients, the attempts after the first, and the seconds of grace, by default."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pace:
    """The pace of a job: seconds after each part, seconds between recipients, retries and grace."""

    delays: tuple[float, ...]
    gap: float
    max_retries: int
    grace: timedelta

    def after(self, part: int) -> float:
        """Return the seconds that a job waits after a part; after the last one, before the next recipient."""
        is_last = part + 1 == len(self.delays)
        return max(self.delays[part], self.gap) if is_last else self.delays[part]


def pace_of(job: Row) -> Pace:
    """Return the pace of a job, which is kept in the words of the tool before this one."""
    config: dict[str, Any] = job["config"]
    return Pace(
        tuple(float(part.get("delayAfterSeconds") or 0) for part in job["message_parts"]),
        float(_or(config.get("recipientGapSeconds"), GAP)),
        int(_or(config.get("maxRetries"), MAX_RETRIES)),
        timedelta(seconds=float(_or(config.get("graceSeconds"), GRACE))),
    )


def _or(value: Any, otherwise: float) -> Any:
    return otherwise if value is None else value


class Clock:
    """The moments at which a job's messages may go out, one after the other.

    It knows spacing, quiet hours and the daily limit, to which what was sent in the last 24 hours counts.
    `stalls_at` is the first moment up to which nothing could be sent for longer than the job's grace.
    """

    def __init__(self, settings: Settings, pace: Pace, sent: Iterable[datetime]) -> None:
        self._settings, self._pace = settings, pace
        self._sent = deque(sent, maxlen=settings.daily_limit or 1)
        self._last: datetime | None = None
        self.stalls_at: datetime | None = None

    def next(self, due: datetime) -> datetime:
        """Return when a message that is due at a moment goes out."""
        at = due
        if self._last is not None:
            at = max(at, self._last + timedelta(seconds=self._settings.send_spacing))
        limit = self._settings.daily_limit
        if limit is not None and len(self._sent) >= limit:
            at = max(at, self._sent[0] + _DAY)
        quiet = self._settings.quiet_hours
        at = (quiet.end_if_quiet(at, self._settings.zone) if quiet else None) or at
        if self.stalls_at is None and at - due > self._pace.grace:
            self.stalls_at = due + self._pace.grace
        self._last = at
        self._sent.append(at)
        return at


def moments(
    clock: Clock, pace: Pace, start: datetime, positions: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int, datetime]]:
    """Yield each position (recipient, part) with the moment at which its message goes out."""
    due = start
    for recipient, part in positions:
        at = clock.next(due)
        yield recipient, part, at
        due = at + timedelta(seconds=pace.after(part))


def sent_lately(store: Store, settings: Settings, now: datetime) -> Sequence[datetime]:
    """Return the moments of the messages sent in the last 24 hours, oldest first, at most the limit."""
    if settings.daily_limit is None:
        return []
    found = store.rows(
        "SELECT claimed_at FROM scheduled_messages WHERE claimed_at > ?"
        " AND status IN ('sending', 'sent', 'unknown') ORDER BY claimed_at DESC LIMIT ?",
        [to_iso(now - _DAY), settings.daily_limit],
    )
    return [min(from_iso(row["claimed_at"]), now) for row in reversed(found)]
