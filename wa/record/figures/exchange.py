"""What was sent and received in the last days: reckoned in one reading of these days' messages."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from wa.jids import phone_of_jid
from wa.record.figures.tally import COUNTS, QUARTER, RECEIVED, SENT, Counts, Tally, none, tallied
from wa.record.messages import moment
from wa.record.names import canonical, stored_name
from wa.store.database import Row, Store
from wa.times import resolve_wall, to_iso

BY = ("day", "week", "month", "hour", "person", "tag")
_BUSIEST = 5
_WAITING = 20


@dataclass(frozen=True)
class Period:
    """The last days, today included, as the calendar of a zone has them."""

    days: list[date]
    zone: ZoneInfo

    @classmethod
    def of(cls, now: datetime, zone: ZoneInfo, days: int) -> Period:
        """Return the period of so many days."""
        today = now.astimezone(zone).date()
        return cls([today - timedelta(days=back) for back in range(days - 1, -1, -1)], zone)

    def begin(self) -> datetime:
        """Return the moment at which the first day begins."""
        return resolve_wall(datetime.combine(self.days[0], time()), self.zone)

    def end(self) -> datetime:
        """Return the moment at which the day after the last one begins."""
        return resolve_wall(datetime.combine(self.days[-1] + timedelta(days=1), time()), self.zone)


def figures(
    store: Store, now: datetime, zone: ZoneInfo, *, days: int, by: str = "day", chat: str | None = None
) -> Row:
    """Return the figures of the last `days` days, today included, of a chat or of all."""
    period = Period.of(now, zone, days)
    first, end = int(period.begin().timestamp()), int(period.end().timestamp())
    tally = tallied(store, chat, max(first, 0), end, people=by in ("person", "tag"))
    all_counts = _sum(tally.by_quarter.values())
    return {
        "chat_jid": chat,
        "chat_name": stored_name(store, chat) if chat else None,
        "days": days,
        "from": to_iso(period.begin()),
        "to": to_iso(period.end()),
        "timezone": str(zone),
        **_named(all_counts),
        "median_seconds": {
            "delivery": _median(tally.to_delivery),
            "reading": _median(tally.to_reading),
            "answer": _median(tally.to_answer),
        },
        "busiest_hours": _busiest(tally, zone),
        **_waiting(store, tally),
        "scheduled": _scheduled(store, chat, to_iso(period.begin()), to_iso(period.end())),
        "by": by,
        "rows": _groups(store, tally, period, by),
    }


def _sum(all_counts: Iterable[Counts]) -> Counts:
    total = none()
    for counts in all_counts:
        for number, count in enumerate(counts):
            total[number] += count
    return total


def _named(counts: Counts) -> dict[str, int]:
    return dict(zip(COUNTS, counts, strict=True))


def _median(seconds: array[int]) -> int | None:
    return round(median(seconds)) if seconds else None


def _busiest(tally: Tally, zone: ZoneInfo) -> list[Row]:
    """Return the hours of the day with most messages, sent and received, the busiest first."""
    messages: Counter[int] = Counter()
    for quarter, counts in tally.by_quarter.items():
        messages[_local(quarter, zone).hour] += counts[SENT] + counts[RECEIVED]
    found = sorted(messages.items(), key=lambda pair: (-pair[1], pair[0]))[:_BUSIEST]
    return [{"hour": hour, "messages": count} for hour, count in found]


def _local(quarter: int, zone: ZoneInfo) -> datetime:
    return moment(quarter * QUARTER).astimezone(zone)


def _waiting(store: Store, tally: Tally) -> Row:
    """Return who wrote last and has no answer, the one who waits longest first, and how many these are."""
    found = [(each.waits_since, jid, each.waiting) for jid, each in tally.chats.items() if each.waits_since]
    return {
        "waiting_count": len(found),
        "waiting": [
            {
                "chat_jid": jid,
                "name": stored_name(store, jid),
                "since": to_iso(moment(since)),
                "messages": count,
            }
            for since, jid, count in sorted(found)[:_WAITING]
        ],
    }


def _scheduled(store: Store, chat: str | None, first: str, end: str) -> dict[str, int]:
    """Return the number of messages that were scheduled for a span of time, by status."""
    statuses = "('draft', 'pending', 'held', 'sending', 'sent', 'failed', 'unknown', 'cancelled', 'missed')"
    found = store.execute(
        "SELECT status, count(*) FROM scheduled_messages INDEXED BY queue_by_status"
        f" WHERE status IN {statuses} AND scheduled_at >= :first AND scheduled_at < :end"
        " AND NOT is_immediate AND to_jid = coalesce(:chat, to_jid) GROUP BY status",
        {"chat": chat, "first": first, "end": end},
    )
    return dict(found.fetchall())


def _groups(store: Store, tally: Tally, period: Period, by: str) -> list[Row]:
    """Return the counts of each day, week, month, hour of the day, person or tag."""
    if by == "person":
        return _by_person(store, tally)
    if by == "tag":
        return _by_tag(store, tally)
    name_of = _NAMES[by]
    names: Iterable[Any] = (
        range(24) if by == "hour" else dict.fromkeys(name_of(_at(day)) for day in period.days)
    )
    found = {name: none() for name in names}
    for quarter, counts in tally.by_quarter.items():
        name = name_of(_local(quarter, period.zone))
        found[name] = _sum([found[name], counts])
    return [{by: name, **_named(counts)} for name, counts in found.items()]


def _at(day: date) -> datetime:
    return datetime.combine(day, time())


def _week(at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02}"


_NAMES: dict[str, Callable[[datetime], Any]] = {
    "day": lambda at: at.date().isoformat(),
    "week": _week,
    "month": lambda at: f"{at:%Y-%m}",
    "hour": lambda at: at.hour,
}


def _people(store: Store, tally: Tally) -> dict[str, Counts]:
    """Return the counts by person; what we wrote in a group counts for the group."""
    found: defaultdict[str, Counts] = defaultdict(none)
    for jid, counts in tally.by_person.items():
        known = canonical(store, jid)
        found[known] = _sum([found[known], counts])
    return found


def _most_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -(row["sent"] + row["received"]))


def _by_person(store: Store, tally: Tally) -> list[Row]:
    return _most_first(
        [
            {"person": jid, "name": stored_name(store, jid), **_named(counts)}
            for jid, counts in sorted(_people(store, tally).items())
        ]
    )


def _by_tag(store: Store, tally: Tally) -> list[Row]:
    """Return the counts by tag, None for people without one; who has several tags counts for each."""
    tags = {
        phone: json.loads(written)
        for phone, written in store.execute(
            "SELECT p.phone, c.tags FROM contacts c JOIN contact_phones p ON p.contact_id = c.id"
            " WHERE c.tags != '[]'"
        )
    }
    found: defaultdict[str | None, Counts] = defaultdict(none)
    for jid, counts in _people(store, tally).items():
        for tag in tags.get(phone_of_jid(jid) or "") or [None]:
            found[tag] = _sum([found[tag], counts])
    return _most_first([{"tag": tag, **_named(counts)} for tag, counts in found.items()])
