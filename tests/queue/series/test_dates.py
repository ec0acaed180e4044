"""The dates and moments of rules, beside a reckoning of the test's own and the examples of RFC 5545."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from for_each import for_each

from wa.queue.series.dates import Plan, dates, moment, number_before
from wa.queue.series.rules import parse

DAY = timedelta(days=1)
FIRST, LAST = date(2026, 1, 31), date(2036, 1, 30)  # a Saturday; three leap days follow
EVERY = [FIRST + n * DAY for n in range((LAST - FIRST).days + 1)]
Test = Callable[[date], bool]


def length(d: date) -> int:
    return monthrange(d.year, d.month)[1]


def nth(n: int, weekday: int) -> Test:
    """The nth such day of its month, from the end if n is negative."""
    if n > 0:
        return lambda d: d.weekday() == weekday and (d.day + 6) // 7 == n
    return lambda d: d.weekday() == weekday and (length(d) - d.day) // 7 == -n - 1


def nth_of_year(n: int, weekday: int) -> Test:
    if n > 0:
        return lambda d: d.weekday() == weekday and (d.timetuple().tm_yday + 6) // 7 == n
    return lambda d: d.weekday() == weekday and (date(d.year, 12, 31) - d).days // 7 == -n - 1


def days_apart(n: int) -> Test:
    return lambda d: (d - FIRST).days % n == 0


def weeks_apart(n: int) -> Test:
    monday = date(2026, 1, 26)
    return lambda d: (d - monday).days // 7 % n == 0


def months_apart(n: int) -> Test:
    return lambda d: (d.year * 12 + d.month - (2026 * 12 + 1)) % n == 0


def years_apart(n: int) -> Test:
    return lambda d: (d.year - 2026) % n == 0


def on(*weekdays: int) -> Test:
    return lambda d: d.weekday() in weekdays


def day(*numbers: int) -> Test:
    return lambda d: d.day in numbers or d.day - length(d) - 1 in numbers


def months(*numbers: int) -> Test:
    return lambda d: d.month in numbers


RULES: dict[str, list[Test]] = {
    "day": [],
    "2 days": [days_apart(2)],
    "3 days": [days_apart(3)],
    "10 days": [days_apart(10)],
    "100 days": [days_apart(100)],
    "366 days": [days_apart(366)],
    "weekday": [on(0, 1, 2, 3, 4)],
    "weekend": [on(5, 6)],
    "mon,thu": [on(0, 3)],
    "wed": [on(2)],
    "week": [on(5)],
    "2 weeks": [on(5), weeks_apart(2)],
    "3 weeks": [on(5), weeks_apart(3)],
    "53 weeks": [on(5), weeks_apart(53)],
    "month": [day(31)],
    "2 months": [day(31), months_apart(2)],
    "3 months": [day(31), months_apart(3)],
    "5 months": [day(31), months_apart(5)],
    "year": [day(31), months(1)],
    "2 years": [day(31), months(1), years_apart(2)],
    "1st": [day(1)],
    "15th": [day(15)],
    "29th": [day(29)],
    "30th": [day(30)],
    "31st": [day(31)],
    "1st,15th": [day(1, 15)],
    "last day": [day(-1)],
    "15th and last day": [day(15, -1)],
    "last friday": [nth(-1, 4)],
    "first monday": [nth(1, 0)],
    "2nd tue": [nth(2, 1)],
    "third sunday": [nth(3, 6)],
    "5th wed": [nth(5, 2)],
    "1st sat,last sat": [lambda d: nth(1, 5)(d) or nth(-1, 5)(d)],
    "29 feb": [day(29), months(2)],
    "25 dec": [day(25), months(12)],
    "FREQ=DAILY;BYMONTH=2": [months(2)],
    "FREQ=DAILY;INTERVAL=2;BYDAY=MO,FR": [days_apart(2), on(0, 4)],
    "FREQ=DAILY;BYMONTHDAY=1,-1": [day(1, -1)],
    "FREQ=DAILY;INTERVAL=3;BYMONTH=6;BYDAY=SU": [days_apart(3), months(6), on(6)],
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU": [weeks_apart(2), on(0, 6)],
    "FREQ=WEEKLY;INTERVAL=4;BYDAY=TU;BYMONTH=1,7": [weeks_apart(4), on(1), months(1, 7)],
    "FREQ=WEEKLY;BYMONTH=12": [on(5), months(12)],
    "FREQ=MONTHLY;BYMONTHDAY=-3": [day(-3)],
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13": [on(4), day(13)],
    "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13": [on(5), lambda d: 7 <= d.day <= 13],
    "FREQ=MONTHLY;BYDAY=MO": [on(0)],
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU": [months_apart(2), lambda d: nth(1, 6)(d) or nth(-1, 6)(d)],
    "FREQ=MONTHLY;BYDAY=MO,2TU": [lambda d: d.weekday() == 0 or nth(2, 1)(d)],
    "FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12": [months_apart(18), day(10, 11, 12)],
    "FREQ=MONTHLY;BYMONTH=3,9;BYDAY=-1SU": [months(3, 9), nth(-1, 6)],
    "FREQ=MONTHLY;INTERVAL=7;BYMONTHDAY=31": [months_apart(7), day(31)],
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1": [months(2), day(-1)],
    "FREQ=YEARLY;BYMONTH=6,7": [months(6, 7), day(31)],
    "FREQ=YEARLY;BYDAY=20MO": [nth_of_year(20, 0)],
    "FREQ=YEARLY;BYDAY=-1FR,1MO": [lambda d: nth_of_year(-1, 4)(d) or nth_of_year(1, 0)(d)],
    "FREQ=YEARLY;BYMONTH=3;BYDAY=TH": [months(3), on(3)],
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH": [months(11), nth(4, 3)],
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8": [
        years_apart(4), months(11), on(1), lambda d: 2 <= d.day <= 8,
    ],
    "FREQ=YEARLY;BYMONTHDAY=1": [day(1)],
    "FREQ=YEARLY;INTERVAL=3;BYDAY=SU": [years_apart(3), on(6)],
    "FREQ=YEARLY;BYMONTH=1;BYDAY=WE,-1FR": [months(1), lambda d: d.weekday() == 2 or nth(-1, 4)(d)],
}  # fmt: skip


def reckoned(text: str) -> list[date]:
    return [d for d in EVERY if all(test(d) for test in RULES[text])]


def test_there_are_at_least_sixty_rules():
    assert len(RULES) >= 60


@for_each("text", RULES)
def test_the_dates_of_ten_years_are_those_of_an_independent_reckoning(text):
    plan, expected = Plan(parse(text), FIRST, last=LAST), reckoned(text)
    assert list(dates(plan, FIRST)) == expected
    for since in (date(2026, 2, 1), date(2028, 2, 29), date(2030, 12, 31), date(2035, 6, 17)):
        assert list(dates(plan, since)) == [d for d in expected if d >= since]


@for_each("text", RULES)
def test_until_count_and_except_leave_out_what_they_should(text):
    expected = reckoned(text)
    rule, middle = parse(text), date(2031, 5, 31)
    assert list(dates(Plan(rule, FIRST, last=middle), FIRST)) == [d for d in expected if d <= middle]
    counted = Plan(rule, FIRST, count=7, last=LAST)
    assert list(islice(dates(counted, FIRST), 8)) == expected[:7]
    assert list(dates(counted, middle)) == [d for d in expected[:7] if d >= middle]
    assert number_before(counted, middle) == sum(d < middle for d in expected[:7])
    without = Plan(rule, FIRST, last=LAST, count=9, without=frozenset(expected[1:9:3]))
    assert list(dates(without, FIRST)) == [d for d in expected[:9] if d not in expected[1:9:3]]
    later = Plan(rule, FIRST, last=LAST, count=5, counted_from=middle)
    assert list(dates(later, FIRST)) == [d for d in expected if d >= middle][:5]


# ── Moments ───────────────────────────────────────────────────────────────────────────────────────

ZONES = [
    ("Europe/London", time(1, 30)),
    ("America/New_York", time(2, 30)),
    ("Australia/Lord_Howe", time(2, 15)),
]
"""Zones, and a time of day that does not exist on one day of each year."""


def first_at_or_after(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at which a zone's clock shows a time or a later one, by trying quarters."""
    noon = (wall - DAY).replace(hour=12, tzinfo=zone)
    start = (wall - noon.utcoffset() - timedelta(hours=2)).replace(tzinfo=timezone.utc)
    moments = (start + n * timedelta(minutes=15) for n in range(20))
    return next(each for each in moments if each.astimezone(zone).replace(tzinfo=None) >= wall)


@pytest.mark.parametrize(("name", "clock"), ZONES, ids=[name for name, _ in ZONES])
def test_the_moments_of_ten_years_are_those_of_an_independent_reckoning(name, clock):
    zone = ZoneInfo(name)
    by_day = {d: first_at_or_after(datetime.combine(d, clock), zone) for d in EVERY}
    moved = {d for d, at in by_day.items() if at.astimezone(zone).time() != clock}
    assert len(moved) == 10  # one day a year on which the time does not exist
    for text in RULES:
        for d in dates(Plan(parse(text), FIRST, last=LAST), FIRST):
            assert moment(d, clock, zone) == by_day[d], (text, d)


# ── RFC 5545, 3.8.5.3 ─────────────────────────────────────────────────────────────────────────────


def several(year: int, **by_month: list[int]) -> list[date]:
    names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    return [
        date(year, names.index(name) + 1, number) for name, numbers in by_month.items() for number in numbers
    ]


def ranged(first: date, last: date, step: int = 1) -> list[date]:
    return [first + n * DAY for n in range(0, (last - first).days + 1, step)]


SEP2, DEC23 = date(1997, 9, 2), date(1997, 12, 23)
TEN_FRIDAYS = several(1997, sep=[5], oct=[3], nov=[7], dec=[5]) + several(
    1998, jan=[2], feb=[6], mar=[6], apr=[3], may=[1], jun=[5]
)
RFC: list[tuple[str, date, dict[str, object], list[date], bool]] = [
    # rule, DTSTART, COUNT or UNTIL, its dates, and whether these are all of them
    ("FREQ=DAILY", SEP2, {"count": 10}, ranged(SEP2, date(1997, 9, 11)), True),
    ("FREQ=DAILY", SEP2, {"last": DEC23}, ranged(SEP2, DEC23), True),
    ("FREQ=DAILY;INTERVAL=2", SEP2, {}, ranged(SEP2, date(1997, 12, 3), 2), False),
    ("FREQ=DAILY;INTERVAL=10", SEP2, {"count": 5}, several(1997, sep=[2, 12, 22], oct=[2, 12]), True),
    *[
        (rule, date(1998, 1, 1), {"last": date(2000, 1, 31)},
         [d for year in (1998, 1999, 2000) for d in ranged(date(year, 1, 1), date(year, 1, 31))], True)
        for rule in ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "FREQ=DAILY;BYMONTH=1")
    ],
    ("FREQ=WEEKLY", SEP2, {"count": 10}, ranged(SEP2, date(1997, 11, 4), 7), True),
    ("FREQ=WEEKLY", SEP2, {"last": DEC23}, ranged(SEP2, DEC23, 7), True),
    ("FREQ=WEEKLY;INTERVAL=2", SEP2, {}, ranged(SEP2, date(1998, 2, 17), 14), False),
    *[
        ("FREQ=WEEKLY;BYDAY=TU,TH", SEP2, end,
         several(1997, sep=[2, 4, 9, 11, 16, 18, 23, 25, 30], oct=[2]), True)
        for end in ({"count": 10}, {"last": date(1997, 10, 6)})
    ],
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,FR", date(1997, 9, 1), {"last": DEC23},
     several(1997, sep=[1, 3, 5, 15, 17, 19, 29], oct=[1, 3, 13, 15, 17, 27, 29, 31],
             nov=[10, 12, 14, 24, 26, 28], dec=[8, 10, 12, 22]), True),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH", SEP2, {"count": 8},
     several(1997, sep=[2, 4, 16, 18, 30], oct=[2, 14, 16]), True),
    ("FREQ=MONTHLY;BYDAY=1FR", date(1997, 9, 5), {"count": 10}, TEN_FRIDAYS, True),
    ("FREQ=MONTHLY;BYDAY=1FR", date(1997, 9, 5), {"last": DEC23}, TEN_FRIDAYS[:4], True),
    ("FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU", date(1997, 9, 7), {"count": 10},
     several(1997, sep=[7, 28], nov=[2, 30]) + several(1998, jan=[4, 25], mar=[1, 29], may=[3, 31]), True),
    ("FREQ=MONTHLY;BYDAY=-2MO", date(1997, 9, 22), {"count": 6},
     several(1997, sep=[22], oct=[20], nov=[17], dec=[22]) + several(1998, jan=[19], feb=[16]), True),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", date(1997, 9, 28), {},
     several(1997, sep=[28], oct=[29], nov=[28], dec=[29]) + several(1998, jan=[29], feb=[26]), False),
    ("FREQ=MONTHLY;BYMONTHDAY=2,15", SEP2, {"count": 10},
     several(1997, sep=[2, 15], oct=[2, 15], nov=[2, 15], dec=[2, 15]) + several(1998, jan=[2, 15]), True),
    ("FREQ=MONTHLY;BYMONTHDAY=1,-1", date(1997, 9, 30), {"count": 10},
     several(1997, sep=[30], oct=[1, 31], nov=[1, 30], dec=[1, 31])
     + several(1998, jan=[1, 31], feb=[1]), True),
    ("FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13,14,15", date(1997, 9, 10), {"count": 10},
     several(1997, sep=[10, 11, 12, 13, 14, 15]) + several(1999, mar=[10, 11, 12, 13]), True),
    ("FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", SEP2, {},
     several(1997, sep=[2, 9, 16, 23, 30], nov=[4, 11, 18, 25])
     + several(1998, jan=[6, 13, 20, 27], mar=[3, 10, 17, 24, 31]), False),
    ("FREQ=YEARLY;BYMONTH=6,7", date(1997, 6, 10), {"count": 10},
     [d for year in range(1997, 2002) for d in several(year, jun=[10], jul=[10])], True),
    ("FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2,3", date(1997, 3, 10), {"count": 10},
     several(1997, mar=[10])
     + [d for year in (1999, 2001, 2003) for d in several(year, jan=[10], feb=[10], mar=[10])], True),
    ("FREQ=YEARLY;BYDAY=20MO", date(1997, 5, 19), {},
     [date(1997, 5, 19), date(1998, 5, 18), date(1999, 5, 17)], False),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", date(1997, 3, 13), {},
     several(1997, mar=[13, 20, 27]) + several(1998, mar=[5, 12, 19, 26])
     + several(1999, mar=[4, 11, 18, 25]),
     False),
    ("FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", date(1997, 6, 5), {},
     several(1997, jun=[5, 12, 19, 26], jul=[3, 10, 17, 24, 31], aug=[7, 14, 21, 28])
     + several(1998, jun=[4, 11, 18, 25], jul=[2, 9, 16, 23, 30], aug=[6, 13, 20, 27])
     + several(1999, jun=[3, 10, 17, 24], jul=[1, 8, 15, 22, 29], aug=[5, 12, 19, 26]), False),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", SEP2, {"without": frozenset([SEP2])},
     several(1998, feb=[13], mar=[13], nov=[13]) + several(1999, aug=[13]) + several(2000, oct=[13]), False),
    ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", date(1997, 9, 13), {},
     several(1997, sep=[13], oct=[11], nov=[8], dec=[13])
     + several(1998, jan=[10], feb=[7], mar=[7], apr=[11], may=[9], jun=[13]), False),
    ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", date(1996, 11, 5), {},
     [date(1996, 11, 5), date(2000, 11, 7), date(2004, 11, 2)], False),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU", date(1997, 8, 5), {"count": 4},
     several(1997, aug=[5, 10, 19, 24]), True),
    ("FREQ=MONTHLY;BYMONTHDAY=15,30", date(2007, 1, 15), {"count": 5},
     several(2007, jan=[15, 30], feb=[15], mar=[15, 30]), True),
]  # fmt: skip
"""Every example that is daily or rarer and needs our parts alone; without a WKST that changes nothing."""


@for_each(("text", "first", "ends", "expected", "whole"), RFC)
def test_the_examples_of_rfc_5545(text, first, ends, expected, whole):
    found = list(islice(dates(Plan(parse(text), first, **ends), first), len(expected) + 1))
    assert found[: len(expected)] == expected
    assert (len(found) == len(expected)) == whole
