"""The dates of a series, computed by dateutil.rrule on dates without time and zone.

No date is looked for more than 100 years ahead, so that a rule that never happens ends the search.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from wa.queue.series.rules import Rule
from wa.times import resolve_wall
from wa.values import Value, replace

REACH = timedelta(days=36525)
MOST_COUNTED = 10_000
"""The most dates of a series with a count, for they are counted anew for each date."""
_DAY = timedelta(days=1)


class Plan(Value):
    """A rule with its ends: `first` and `last` date, and at most `count` dates from `counted_from` on.

    The dates `without` are left out; they count.
    """

    rule: Rule
    first: date
    last: date | None = None
    count: int | None = None
    counted_from: date | None = None
    without: frozenset[date] = frozenset()


def dates(plan: Plan, since: date) -> Iterator[date]:
    """Yield the dates of a plan from `since` on, in order, for at most 100 years."""
    if plan.count is None:
        found = _by_rule(plan, since)
    else:
        counted = islice(_by_rule(plan, plan.counted_from or plan.first), plan.count)
        found = (each for each in counted if each >= since)
    return (each for each in found if each not in plan.without)


def number_before(plan: Plan, day: date) -> int:
    """Return how many dates of a plan that count lie before a day."""
    found = islice(_by_rule(plan, plan.counted_from or plan.first), plan.count)
    number = 0
    for each in found:
        if each >= day:
            break
        number += 1
    return number


def _by_rule(plan: Plan, since: date) -> Iterator[date]:
    """Yield the dates of the rule alone. dateutil gets what makes dates; what limits them is applied here.

    dateutil heeds `until` once it has found a date: with a limit that no date meets, it would search to
    the year 9999.
    """
    from dateutil import rrule

    rule = explicit(plan.rule, plan.first)
    since = max(since, plan.first)
    end = min(since + REACH if since < date(9900, 1, 1) else date.max, plan.last or date.max)
    has_days = rule.freq != "DAILY"
    found = rrule.rrule(
        getattr(rrule, rule.freq),
        dtstart=_midnight(_aligned(rule, plan.first, since)),
        interval=rule.interval,
        byweekday=[rrule.weekdays[day](nth) if nth else rrule.weekdays[day] for nth, day in _days(rule)]
        if rule.days and has_days
        else None,
        bymonthday=rule.month_days if rule.month_days and has_days else None,
        bymonth=rule.months if rule.months and rule.freq == "YEARLY" else None,
        until=_midnight(end),
    )
    return (day for day in (each.date() for each in found) if day >= since and _is_within(rule, day))


def _is_within(rule: Rule, day: date) -> bool:
    """Return whether a day meets what limits the dates of a rule: its months, and its days if it is daily."""
    if rule.months and day.month not in rule.months:
        return False
    if rule.freq != "DAILY":
        return True
    from_end = day.day - monthrange(day.year, day.month)[1] - 1
    return (not rule.days or any(day.weekday() == each for _, each in rule.days)) and (
        not rule.month_days or day.day in rule.month_days or from_end in rule.month_days
    )


def explicit(rule: Rule, first: date) -> Rule:
    """Return a rule with the days that follow from its first date, as RFC 5545 says, 3.3.10."""
    if rule.days or rule.month_days or rule.freq == "DAILY":
        return rule
    if rule.freq == "WEEKLY":
        return replace(rule, days=((0, first.weekday()),))
    if rule.freq == "MONTHLY":
        return replace(rule, month_days=(first.day,))
    return replace(rule, month_days=(first.day,), months=rule.months or (first.month,))


def _days(rule: Rule) -> list[tuple[int, int]]:
    """Return the weekdays of a rule; where some have an ordinal, "every" one is spelled out.

    dateutil takes only the days that fit both the weekdays with an ordinal and those without.
    """
    if not any(nth for nth, _ in rule.days):
        return list(rule.days)
    most = 53 if rule.freq == "YEARLY" and not rule.months else 5
    return [(each, day) for nth, day in rule.days for each in ([nth] if nth else range(1, most + 1))]


def _aligned(rule: Rule, first: date, since: date) -> date:
    """Return the start of a period of the rule at or before `since`, so that only few dates are computed."""
    step = rule.interval
    if rule.freq == "DAILY":
        return first + (since - first).days // step * step * _DAY
    if rule.freq == "WEEKLY":
        monday = first - first.weekday() * _DAY
        return max(date.min, monday) + (since - monday).days // (7 * step) * 7 * step * _DAY
    if rule.freq == "MONTHLY":
        start = first.year * 12 + first.month - 1
        year, month = divmod(start + (since.year * 12 + since.month - 1 - start) // step * step, 12)
        return date(year, month + 1, 1)
    return date(first.year + (since.year - first.year) // step * step, 1, 1)


def moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the moment of a date at a time of day: the first of two; the end of the gap if there is none."""
    return resolve_wall(datetime.combine(day, clock), zone)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def skipped(plan: Plan) -> str | None:
    """Return in words which months or years a rule skips, for they lack its day; None if it skips none."""
    rule = explicit(plan.rule, plan.first)
    if rule.freq == "YEARLY" and rule.months == (2,) and rule.month_days and min(rule.month_days) == 29:
        return "years without a 29 February are skipped"
    number = max(map(abs, rule.month_days), default=0)
    if number > 28 and rule.freq in ("MONTHLY", "YEARLY"):
        lengths = [
            29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31
            for month in rule.months or range(1, 13)
        ]
        if number > min(lengths) or (number == 29 and 29 in lengths):
            return f"months without a day {number} are skipped"
    if any(abs(nth) == 5 for nth, _ in rule.days) and (rule.freq == "MONTHLY" or rule.months):
        return "months without a fifth such day are skipped"
    return None
