"""What was sent and received in the last days: reckoned in one reading of these days' messages."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from operator import add
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from wa.jids import phone_of_jid
from wa.record.figures.tally import COUNTS, QUARTER, RECEIVED, SENT, Counts, Tally, none, tallied
from wa.record.messages import moment
from wa.record.names import canonical, stored_name
from wa.store.database import Row, Store
from wa.times import resolve_wall, to_iso
from wa.values import Value

BY = ("day", "week", "month", "hour", "person", "tag")
_BUSIEST = 5
_WAITING = 20


class Period(Value):
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
    by_hour, by_day = _by_clock(tally, period)
    if by == "person":
        rows = _by_person(store, tally)
    elif by == "tag":
        rows = _by_tag(store, tally)
    elif by == "hour":
        rows = _by_name(enumerate(by_hour), by)
    else:
        rows = _by_name(((_NAMES[by](day), counts) for day, counts in by_day.items()), by)
    return {
        "chat_jid": chat,
        "chat_name": stored_name(store, chat) if chat else None,
        "days": days,
        "from": to_iso(period.begin()),
        "to": to_iso(period.end()),
        "timezone": str(zone),
        **_named(_sum(by_hour)),
        "median_seconds": {
            "delivery": _median(tally.to_delivery),
            "reading": _median(tally.to_reading),
            "answer": _median(tally.to_answer),
        },
        "busiest_hours": _busiest(by_hour),
        **_waiting(store, tally),
        "scheduled": _scheduled(store, chat, to_iso(period.begin()), to_iso(period.end())),
        "by": by,
        "rows": rows,
    }


def days_within(
    store: Store, now: datetime, zone: ZoneInfo, *, days: int, most: int, chat: str | None = None
) -> int:
    """Return so many of the last `days` days, one at least, as have at most `most` messages."""
    index, where = ("messages_by_chat", "WHERE chat_jid = :chat") if chat else ("messages_by_time", "")
    at = store.value(
        f"SELECT timestamp FROM messages INDEXED BY {index} {where}"
        " ORDER BY timestamp DESC LIMIT 1 OFFSET :most",
        {"chat": chat, "most": most},
    )
    if at is None:
        return days
    whole = (now.astimezone(zone).date() - moment(at).astimezone(zone).date()).days
    return max(1, min(days, whole))


def _add(total: Counts, counts: Counts) -> None:
    total[:] = map(add, total, counts)


def _sum(all_counts: Iterable[Counts]) -> Counts:
    total = none()
    for counts in all_counts:
        _add(total, counts)
    return total


def _named(counts: Counts) -> dict[str, int]:
    return dict(zip(COUNTS, counts, strict=True))


def _median(seconds: array[int]) -> int | None:
    return round(median(seconds)) if seconds else None


def _by_clock(tally: Tally, period: Period) -> tuple[list[Counts], dict[date, Counts]]:
    """Return the counts of each hour of the day, and of each day."""
    by_hour, by_day = [none() for _ in range(24)], {day: none() for day in period.days}
    for quarter, counts in tally.by_quarter.items():
        local = moment(quarter * QUARTER).astimezone(period.zone)
        _add(by_hour[local.hour], counts)
        _add(by_day[local.date()], counts)
    return by_hour, by_day


def _busiest(by_hour: list[Counts]) -> list[Row]:
    """Return the hours of the day with most messages, sent and received, the busiest first."""
    found = [(-counts[SENT] - counts[RECEIVED], hour) for hour, counts in enumerate(by_hour)]
    return [{"hour": hour, "messages": -count} for count, hour in sorted(found)[:_BUSIEST] if count]


def _waiting(store: Store, tally: Tally) -> Row:
    """Return who wrote last and has no answer, the one who waits longest first, and how many these are."""
    found = [
        (each.waits_since, jid, each.waiting)
        for jid, each in tally.chats.items()
        if each.is_direct and each.waiting
    ]
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


def _by_name(counts: Iterable[tuple[Any, Counts]], by: str) -> list[Row]:
    """Return a row for each name, in the order in which the names first come."""
    found: defaultdict[Any, Counts] = defaultdict(none)
    for name, each in counts:
        _add(found[name], each)
    return [{by: name, **_named(each)} for name, each in found.items()]


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


_NAMES: dict[str, Callable[[date], str]] = {
    "day": date.isoformat,
    "week": _week,
    "month": lambda day: f"{day:%Y-%m}",
}


def _people(store: Store, tally: Tally) -> dict[str, Counts]:
    """Return the counts by person; what we wrote in a group counts for the group."""
    found: defaultdict[str, Counts] = defaultdict(none)
    for jid, counts in tally.by_person.items():
        known = canonical(store, jid)
        _add(found[known], counts)
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
    people = _people(store, tally).items()
    of_people = [(tags.get(phone_of_jid(jid) or "") or [None], counts) for jid, counts in people]
    return _most_first(_by_name(((tag, counts) for own, counts in of_people for tag in own), "tag"))
