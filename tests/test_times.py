"""Human times as tables, weekday by weekday and across clock changes, and their laws as properties."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from for_each import for_each
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from wa.errors import WaError
from wa.times import (
    describe,
    distance,
    format_duration,
    from_iso,
    load_zone,
    parse_duration,
    resolve_wall,
    to_iso,
)
from wa.when import When, parse_when, read_when

UTC = timezone.utc
LONDON = ZoneInfo("Europe/London")
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = (LONDON, NEW_YORK, KOLKATA, LORD_HOWE)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# A Saturday, when London's clock shows UTC.
NOW = utc("2026-11-21 09:00")


def wall(text: str, zone: ZoneInfo = LONDON, now: datetime = NOW, *, past: bool = False) -> str:
    """Return what `text` means on the wall clock of `zone`, such as `Sat 2026-11-21 18:30:00`."""
    return parse_when(text, now, zone, past=past).astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S")


def refusal(text: str, now: datetime = NOW, *, past: bool = False) -> WaError:
    with pytest.raises(WaError) as caught:
        parse_when(text, now, LONDON, past=past)
    assert caught.value.code == "usage"
    assert caught.value.hint
    return caught.value


FORMS = [
    # ISO 8601
    ("2026-12-25T10:00", "Fri 2026-12-25 10:00:00"),
    ("2026-12-25 10:00", "Fri 2026-12-25 10:00:00"),
    ("2026-12-25t10:00:30", "Fri 2026-12-25 10:00:30"),
    ("2026-12-25 10:00:30.999", "Fri 2026-12-25 10:00:30"),
    ("2026-12-25 10:00:30,1234567", "Fri 2026-12-25 10:00:30"),
    ("2026-12-25 9:05", "Fri 2026-12-25 09:05:00"),
    ("2026-12-25 at 9am", "Fri 2026-12-25 09:00:00"),
    ("2026-12-25T10:00Z", "Fri 2026-12-25 10:00:00"),
    ("2026-12-25T10:00:00z", "Fri 2026-12-25 10:00:00"),
    ("2026-12-25T10:00+01:00", "Fri 2026-12-25 09:00:00"),
    ("2026-12-25 10:00 +0100", "Fri 2026-12-25 09:00:00"),
    ("2026-12-25T10:00:00.5-05", "Fri 2026-12-25 15:00:00"),
    ("2026-12-25T10:00+05:30", "Fri 2026-12-25 04:30:00"),
    ("2028-02-29 10:00", "Tue 2028-02-29 10:00:00"),
    ("9998-12-25 10:00", "Fri 9998-12-25 10:00:00"),
    # A time of day
    ("18:30", "Sat 2026-11-21 18:30:00"),
    ("18:30:15", "Sat 2026-11-21 18:30:15"),
    ("08:59", "Sun 2026-11-22 08:59:00"),
    ("09:00", "Sun 2026-11-22 09:00:00"),
    ("09:01", "Sat 2026-11-21 09:01:00"),
    ("9am", "Sun 2026-11-22 09:00:00"),
    ("9 AM", "Sun 2026-11-22 09:00:00"),
    ("9:30 pm", "Sat 2026-11-21 21:30:00"),
    ("9:30pm", "Sat 2026-11-21 21:30:00"),
    ("12pm", "Sat 2026-11-21 12:00:00"),
    ("12am", "Sun 2026-11-22 00:00:00"),
    ("12:30am", "Sun 2026-11-22 00:30:00"),
    ("noon", "Sat 2026-11-21 12:00:00"),
    ("midnight", "Sun 2026-11-22 00:00:00"),
    # A day near by
    ("today 18:30", "Sat 2026-11-21 18:30:00"),
    ("today 09:00", "Sat 2026-11-21 09:00:00"),
    ("tomorrow 9am", "Sun 2026-11-22 09:00:00"),
    ("tomorrow at 9am", "Sun 2026-11-22 09:00:00"),
    ("tomorrow noon", "Sun 2026-11-22 12:00:00"),
    ("  TOMORROW \t At\n 9AM ", "Sun 2026-11-22 09:00:00"),
    # A distance
    ("in 2 hours", "Sat 2026-11-21 11:00:00"),
    ("in 1 hour", "Sat 2026-11-21 10:00:00"),
    ("in an hour", "Sat 2026-11-21 10:00:00"),
    ("in a minute", "Sat 2026-11-21 09:01:00"),
    ("in 0 seconds", "Sat 2026-11-21 09:00:00"),
    ("in 0s", "Sat 2026-11-21 09:00:00"),
    ("in 90 seconds", "Sat 2026-11-21 09:01:30"),
    ("in 90s", "Sat 2026-11-21 09:01:30"),
    ("in 15 minutes", "Sat 2026-11-21 09:15:00"),
    ("in 15m", "Sat 2026-11-21 09:15:00"),
    ("in 2h", "Sat 2026-11-21 11:00:00"),
    ("in 1h30m", "Sat 2026-11-21 10:30:00"),
    ("in 1 hour 30 minutes", "Sat 2026-11-21 10:30:00"),
    ("in 3 days", "Tue 2026-11-24 09:00:00"),
    ("in 1d", "Sun 2026-11-22 09:00:00"),
    ("in 1d12h", "Sun 2026-11-22 21:00:00"),
    ("in a week", "Sat 2026-11-28 09:00:00"),
    ("in 2 weeks", "Sat 2026-12-05 09:00:00"),
    ("In 1W", "Sat 2026-11-28 09:00:00"),
    # A weekday
    ("friday 14:00", "Fri 2026-11-27 14:00:00"),
    ("next friday 14:00", "Fri 2026-11-27 14:00:00"),
    ("next friday at 2pm", "Fri 2026-11-27 14:00:00"),
    ("fri 9am", "Fri 2026-11-27 09:00:00"),
    ("thurs 9am", "Thu 2026-11-26 09:00:00"),
    ("saturday 10:00", "Sat 2026-11-21 10:00:00"),
    ("sat 08:00", "Sat 2026-11-28 08:00:00"),
    ("next sat 10:00", "Sat 2026-11-28 10:00:00"),
    ("this friday 9am", "Fri 2026-11-27 09:00:00"),
    ("this saturday 9.30am", "Sat 2026-11-21 09:30:00"),
    ("Fri. 9am", "Fri 2026-11-27 09:00:00"),
    ("on friday at 9am", "Fri 2026-11-27 09:00:00"),
    # The time of day first
    ("noon tomorrow", "Sun 2026-11-22 12:00:00"),
    ("9am tomorrow", "Sun 2026-11-22 09:00:00"),
    ("at 9am", "Sun 2026-11-22 09:00:00"),
    ("at noon", "Sat 2026-11-21 12:00:00"),
    ("14:00 on friday", "Fri 2026-11-27 14:00:00"),
    ("10:00 25 dec", "Fri 2026-12-25 10:00:00"),
    ("9 pm on the 25th of December 2027", "Sat 2027-12-25 21:00:00"),
    ("10:00:30 2026-12-25", "Fri 2026-12-25 10:00:30"),
    # As one writes it
    ("now", "Sat 2026-11-21 09:00:00"),
    ("Now", "Sat 2026-11-21 09:00:00"),
    ("in 10 min", "Sat 2026-11-21 09:10:00"),
    ("in 10 mins", "Sat 2026-11-21 09:10:00"),
    ("in 10mins", "Sat 2026-11-21 09:10:00"),
    ("in 2 hrs", "Sat 2026-11-21 11:00:00"),
    ("in 1 hr 30 min", "Sat 2026-11-21 10:30:00"),
    ("in 30 secs", "Sat 2026-11-21 09:00:30"),
    ("in 2 wks", "Sat 2026-12-05 09:00:00"),
    ("9.30am", "Sat 2026-11-21 09:30:00"),
    ("9.30 pm", "Sat 2026-11-21 21:30:00"),
    ("9.30 p.m.", "Sat 2026-11-21 21:30:00"),
    ("tomorrow 9 a.m.", "Sun 2026-11-22 09:00:00"),
    ("12 noon", "Sat 2026-11-21 12:00:00"),
    ("12:00 noon", "Sat 2026-11-21 12:00:00"),
    ("12 midnight", "Sun 2026-11-22 00:00:00"),
    ("25th december 10:00", "Fri 2026-12-25 10:00:00"),
    ("25 Dec. 10:00", "Fri 2026-12-25 10:00:00"),
    ("December 25th at 10:00", "Fri 2026-12-25 10:00:00"),
    ("the 1st of Jan at 00:00", "Fri 2027-01-01 00:00:00"),
    ("Dec. 25, 2027, 10:00", "Sat 2027-12-25 10:00:00"),
    ("Thursday, 24 December 2026 10:00", "Thu 2026-12-24 10:00:00"),
    ("thu dec 24 10:00", "Thu 2026-12-24 10:00:00"),
    # A day of a month
    ("25 dec 10:00", "Fri 2026-12-25 10:00:00"),
    ("dec 25 10:00", "Fri 2026-12-25 10:00:00"),
    ("December 25 at 10am", "Fri 2026-12-25 10:00:00"),
    ("25 december 2027 10:00", "Sat 2027-12-25 10:00:00"),
    ("25 Dec 2027 at 10am", "Sat 2027-12-25 10:00:00"),
    ("dec 25 2027 10:00", "Sat 2027-12-25 10:00:00"),
    ("1 sept 10:00", "Wed 2027-09-01 10:00:00"),
    ("21 nov 09:00", "Sun 2027-11-21 09:00:00"),
    ("21 nov 09:01", "Sat 2026-11-21 09:01:00"),
    ("20 nov 10:00", "Sat 2027-11-20 10:00:00"),
    ("29 feb 10:00", "Tue 2028-02-29 10:00:00"),
    ("feb 29 10:00", "Tue 2028-02-29 10:00:00"),
]


# With a zone of its own, which is London's wall clock here in the answer.
ZONED = [
    ("2026-12-31 10:00 America/New_York", "Thu 2026-12-31 15:00:00"),
    ("2026-12-31T10:00 america/new_york", "Thu 2026-12-31 15:00:00"),
    ("31 dec 10:00 Asia/Kolkata", "Thu 2026-12-31 04:30:00"),
    ("10:00 Asia/Kolkata", "Sun 2026-11-22 04:30:00"),
    ("18:30 UTC", "Sat 2026-11-21 18:30:00"),
    ("tomorrow 9am America/Argentina/Buenos_Aires", "Sun 2026-11-22 12:00:00"),
    ("Sun 25 Oct 2026 01:30+01:00 Europe/London, in 1 hour", "Sun 2026-10-25 01:30:00"),
]


@for_each(("text", "expected"), ZONED)
def test_a_zone_behind_the_time_is_its_own(text: str, expected: str) -> None:
    now = utc("2026-10-24 09:00") if "Oct" in text else NOW
    assert wall(text, now=now) == expected
    assert wall(text, KOLKATA, now) == wall(text, KOLKATA, now.astimezone(NEW_YORK))


@for_each(
    ("text", "zone", "said"),
    [
        ("2027-03-28 01:30", LONDON, "skips 01:30 on Sun 28 Mar 2027: 02:00 is meant"),
        ("in 127 days", LONDON, None),
        ("2027-03-28 02:00", LONDON, None),
        ("2027-03-14 02:15 America/New_York", LONDON, "skips 02:15 on Sun 14 Mar 2027: 03:00 is meant"),
        ("2027-10-31 01:30", LONDON, "shows 01:30 twice on Sun 31 Oct 2027: the first is meant"),
        ("2027-10-31T01:30+00:00", LONDON, None),
        ("25 dec 10:00", LONDON, None),
    ],
)
def test_a_time_that_a_clock_change_moves_is_said(text: str, zone: ZoneInfo, said: str | None) -> None:
    remark = read_when(text, NOW, zone).remark()
    assert remark is None if said is None else remark is not None and remark.endswith(said)


@for_each(("text", "expected"), FORMS)
def test_each_form_of_a_time_is_read(text: str, expected: str) -> None:
    assert wall(text) == expected


@for_each(("text", "expected"), FORMS)
@for_each("zone", [NEW_YORK, KOLKATA, LORD_HOWE])
def test_a_form_means_the_same_on_every_wall_clock(text: str, expected: str, zone: ZoneInfo) -> None:
    if "+" in text or "-05" in text or text.lower().endswith("z"):
        assert parse_when(text, NOW, zone) == parse_when(text, NOW, LONDON)
    else:
        assert wall(text, zone, resolve_wall(datetime(2026, 11, 21, 9), zone)) == expected  # noqa: DTZ001


def test_a_fraction_is_kept_to_the_microsecond() -> None:
    assert parse_when("2026-12-25 10:00:30.1234567", NOW, LONDON).microsecond == 123456


def test_the_answer_is_in_utc() -> None:
    texts = ("18:30", "in 2 hours", "in 2 days", "2026-12-25T10:00+05:30", "fri 9am")
    assert {parse_when(text, NOW.astimezone(KOLKATA), KOLKATA).tzinfo for text in texts} == {UTC}


def test_the_day_is_that_of_the_zone() -> None:
    late = utc("2026-11-21 20:00")  # already Sunday in Kolkata
    assert wall("today 18:30", KOLKATA, late) == "Sun 2026-11-22 18:30:00"
    assert wall("tomorrow 9am", KOLKATA, late) == "Mon 2026-11-23 09:00:00"
    assert wall("sunday 9am", KOLKATA, late) == "Sun 2026-11-22 09:00:00"


WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@for_each("zone", ZONES)
@for_each("today", range(7))
@for_each("named", range(7))
def test_next_weekday_is_the_first_after_today_and_a_weekday_alone_may_be_today(
    zone: ZoneInfo, today: int, named: int
) -> None:
    noon = datetime.combine(date(2026, 11, 16 + today), time(12))
    now = resolve_wall(noon, zone)
    ahead = (named - today) % 7

    def after(days: int, clock: time) -> datetime:
        return resolve_wall(datetime.combine(noon.date() + timedelta(days=days), clock), zone)

    for name in (f"next {WEEK[named]}", f"Next {WEEK[named][:3].title()}"):
        assert parse_when(f"{name} 14:00", now, zone) == after(ahead or 7, time(14))
    for name in (WEEK[named], WEEK[named][:3], f"this {WEEK[named]}"):
        assert parse_when(f"{name} 14:00", now, zone) == after(ahead, time(14))
        assert parse_when(f"{name} 10:00", now, zone) == after(ahead or 7, time(10))


@for_each("today", range(7))
@for_each("named", range(7))
def test_looking_back_a_weekday_is_the_last_before_today(today: int, named: int) -> None:
    now = utc(f"2026-11-{16 + today} 12:00")
    days = (today - named) % 7 or 7
    expected = utc(f"2026-11-{16 + today} 00:00") - timedelta(days=days)
    assert parse_when(WEEK[named], now, LONDON, past=True) == expected
    assert parse_when(f"{WEEK[named][:3]} 23:59", now, LONDON, past=True) == expected + timedelta(
        minutes=1439
    )


@for_each(
    ("text", "expected"),
    [
        ("2020-01-01 10:00", "Wed 2020-01-01 10:00:00"),
        ("2026-12-25", "Fri 2026-12-25 00:00:00"),
        ("18:30", "Fri 2026-11-20 18:30:00"),
        ("08:59", "Sat 2026-11-21 08:59:00"),
        ("09:00", "Sat 2026-11-21 09:00:00"),
        ("today", "Sat 2026-11-21 00:00:00"),
        ("today 18:30", "Sat 2026-11-21 18:30:00"),
        ("tomorrow", "Sun 2026-11-22 00:00:00"),
        ("yesterday", "Fri 2026-11-20 00:00:00"),
        ("yesterday 18:30", "Fri 2026-11-20 18:30:00"),
        ("Yesterday at 6pm", "Fri 2026-11-20 18:00:00"),
        ("next friday", "Fri 2026-11-27 00:00:00"),
        ("25 dec", "Thu 2025-12-25 00:00:00"),
        ("dec 25 10:00", "Thu 2025-12-25 10:00:00"),
        ("21 nov", "Sat 2026-11-21 00:00:00"),
        ("21 nov 18:00", "Sat 2026-11-21 18:00:00"),
        ("22 nov", "Sat 2025-11-22 00:00:00"),
        ("25 dec 2027", "Sat 2027-12-25 00:00:00"),
        ("29 feb", "Thu 2024-02-29 00:00:00"),
        ("2 hours ago", "Sat 2026-11-21 07:00:00"),
        ("an hour ago", "Sat 2026-11-21 08:00:00"),
        ("2d ago", "Thu 2026-11-19 09:00:00"),
        ("1h30m ago", "Sat 2026-11-21 07:30:00"),
        ("3 weeks ago", "Sat 2026-10-31 09:00:00"),
        ("in 2 hours", "Sat 2026-11-21 11:00:00"),
        ("now", "Sat 2026-11-21 09:00:00"),
        ("2 days ago", "Thu 2026-11-19 09:00:00"),
        ("10 mins ago", "Sat 2026-11-21 08:50:00"),
        ("last week", "Mon 2026-11-09 00:00:00"),
        ("this week", "Mon 2026-11-16 00:00:00"),
        ("last month", "Thu 2026-10-01 00:00:00"),
        ("this month", "Sun 2026-11-01 00:00:00"),
        ("last year", "Wed 2025-01-01 00:00:00"),
        ("this year", "Thu 2026-01-01 00:00:00"),
        ("last friday", "Fri 2026-11-20 00:00:00"),
        ("last saturday", "Sat 2026-11-14 00:00:00"),
        ("10:00 yesterday", "Fri 2026-11-20 10:00:00"),
        ("25th of dec.", "Thu 2025-12-25 00:00:00"),
    ],
)
def test_looking_back_reads_the_past(text: str, expected: str) -> None:
    assert wall(text, past=True) == expected


@for_each(
    ("now", "text", "expected"),
    [
        ("2096-02-29 12:00", "29 feb 10:00", "2104-02-29"),
        ("2096-02-29 08:00", "29 feb 10:00", "2096-02-29"),
        ("2024-02-28 12:00", "29 feb 10:00", "2024-02-29"),
        ("2026-12-31 23:59", "1 jan 00:00", "2027-01-01"),
        ("2026-12-31 23:59", "tomorrow 9am", "2027-01-01"),
        ("2028-02-28 12:00", "tomorrow 9am", "2028-02-29"),
    ],
)
def test_a_day_without_a_year_is_the_next_one(now: str, text: str, expected: str) -> None:
    assert parse_when(text, utc(now), LONDON).date().isoformat() == expected


# Zone, text typed a day before the clock change, moment meant in UTC.
CLOCK_CHANGES = [
    (LONDON, "2026-03-29 00:59", "2026-03-29 00:59"),
    (LONDON, "2026-03-29 01:00", "2026-03-29 01:00"),
    (LONDON, "2026-03-29 01:30", "2026-03-29 01:00"),
    (LONDON, "2026-03-29 02:00", "2026-03-29 01:00"),
    (LONDON, "2026-03-29 02:01", "2026-03-29 01:01"),
    (LONDON, "2026-10-25 00:59", "2026-10-24 23:59"),
    (LONDON, "2026-10-25 01:30", "2026-10-25 00:30"),
    (LONDON, "2026-10-25 02:00", "2026-10-25 02:00"),
    (LONDON, "2027-03-28 01:30", "2027-03-28 01:00"),
    (LONDON, "2027-10-31 01:30", "2027-10-31 00:30"),
    (NEW_YORK, "2026-03-08 01:59", "2026-03-08 06:59"),
    (NEW_YORK, "2026-03-08 02:30", "2026-03-08 07:00"),
    (NEW_YORK, "2026-03-08 03:00", "2026-03-08 07:00"),
    (NEW_YORK, "2026-11-01 01:30", "2026-11-01 05:30"),
    (NEW_YORK, "2026-11-01 02:00", "2026-11-01 07:00"),
    (NEW_YORK, "2027-03-14 02:59", "2027-03-14 07:00"),
    (NEW_YORK, "2027-11-07 01:00", "2027-11-07 05:00"),
    (KOLKATA, "2026-03-29 02:30", "2026-03-28 21:00"),
    (KOLKATA, "2026-10-25 01:30", "2026-10-24 20:00"),
    (LORD_HOWE, "2026-04-05 01:45", "2026-04-04 14:45"),
    (LORD_HOWE, "2026-04-05 02:00", "2026-04-04 15:30"),
    (LORD_HOWE, "2026-10-04 02:15", "2026-10-03 15:30"),
    (LORD_HOWE, "2026-10-04 02:30", "2026-10-03 15:30"),
    (LORD_HOWE, "2027-04-04 01:45", "2027-04-03 14:45"),
    (LORD_HOWE, "2027-10-03 02:15", "2027-10-02 15:30"),
]


@for_each(("zone", "typed", "expected"), CLOCK_CHANGES)
def test_wall_times_before_and_after_a_clock_change_are_read(
    zone: ZoneInfo, typed: str, expected: str
) -> None:
    naive = datetime.fromisoformat(typed)
    now = utc(expected) - timedelta(hours=20)
    clock = typed[11:]
    forms = [typed, f"tomorrow {clock}", f"{naive:%a} {clock}", f"{naive:%d %b} {clock}", clock]
    assert resolve_wall(naive, zone) == utc(expected)
    assert [parse_when(form, now, zone) for form in forms] == [utc(expected)] * len(forms)


@for_each(
    ("zone", "now", "text", "expected"),
    [
        (LONDON, "2026-03-28 12:00", "in 1 day", "2026-03-29 11:00"),
        (LONDON, "2026-03-28 12:00", "in 24 hours", "2026-03-29 12:00"),
        (LONDON, "2026-10-24 11:00", "in 1 day", "2026-10-25 12:00"),
        (LONDON, "2026-10-24 11:00", "in 24h", "2026-10-25 11:00"),
        (LONDON, "2026-03-28 01:30", "in 1 day", "2026-03-29 01:00"),
        (LONDON, "2026-03-22 01:30", "in a week", "2026-03-29 01:00"),
        (NEW_YORK, "2026-10-31 16:00", "in 1d", "2026-11-01 17:00"),
        (NEW_YORK, "2027-03-13 17:00", "in 1d2h", "2027-03-14 18:00"),
        (KOLKATA, "2026-03-28 12:00", "in 1 day", "2026-03-29 12:00"),
        (LORD_HOWE, "2026-10-03 02:00", "in 1 day", "2026-10-04 01:30"),
        # The second 01:15 of that night: no form may mean the first one.
        (LONDON, "2026-10-25 01:15", "in 0 seconds", "2026-10-25 01:15"),
        (LONDON, "2026-10-25 01:15", "in 1 minute", "2026-10-25 01:16"),
        (LONDON, "2026-10-25 01:15", "01:30", "2026-10-26 01:30"),
    ],
)
def test_days_keep_wall_time_and_hours_elapse(zone: ZoneInfo, now: str, text: str, expected: str) -> None:
    assert parse_when(text, utc(now), zone) == utc(expected)


@for_each(
    ("text", "said"),
    [
        ("", '"" was not understood'),
        ("  \n ", '"" was not understood'),
        ("soon", '"soon" was not understood as a day or a time'),
        ("9", '"9" was not understood'),
        ("25:00", '"25:00" was not understood'),
        ("13pm", '"13pm" was not understood'),
        ("0am", '"0am" was not understood'),
        ("18.30", '"18.30" was not understood'),
        ("in", '"in" was not understood'),
        ("ago", '"ago" was not understood'),
        ("next week", '"next week" was not understood'),
        ("december", '"december" was not understood'),
        ("2026-1-5 10:00", '"2026-1-5 10:00" was not understood'),
        ("31/04", '"31/04" was not understood'),
        ("١٨:٣٠", '"١٨:٣٠" was not understood'),
        ("１８:３０", '"１８:３０" was not understood'),
        ("²5 dec 10:00", '"²5 dec 10:00" was not understood'),
        ("x" * 5000, "x…"),
        ("9" * 5000, "9…"),
        ("tonight", '"tonight" does not say which hours are night'),
        ("tonight at 8", '"tonight at 8" does not say which hours are night'),
        ("tomorrow", '"tomorrow" was read as Sun 22 Nov 2026 in Europe/London, without a time of day'),
        ("today", '"today" was read as Sat 21 Nov 2026 in Europe/London, without a time of day'),
        ("next friday", "was read as Fri 27 Nov 2026 in Europe/London, without a time of day"),
        ("fri", "was read as Fri 27 Nov 2026 in Europe/London, without a time of day"),
        ("sat", "was read as Sat 21 Nov 2026 in Europe/London, without a time of day"),
        ("last friday 10:00", "is in the past: Fri 20 Nov 2026 10:00 Europe/London"),
        ("last week", '"last week" was not understood'),
        ("tue 24 dec 10:00", "was read as Thu 24 Dec 2026, which is another weekday"),
        ("9.30", '"9.30" can be read in two ways: 30 September or 9:30'),
        ("03.04", '"03.04" can be read in several ways: 3 April or 4 March or 03:04'),
        ("tomorrow 9am Mars/Olympus", '"Mars/Olympus" is not a known time zone'),
        ("9am midnight", '"9am midnight" was not understood'),
        ("midnight tomorrow", "midnight can be read in two ways: start or end"),
        ("in 10 mns", 'but "10 mns" is not an amount of time'),
        ("25 dec", "was read as Fri 25 Dec 2026 in Europe/London, without a time of day"),
        ("25 dec 2027", "was read as Sat 25 Dec 2027 in Europe/London, without a time of day"),
        ("2026-12-25", "was read as Fri 25 Dec 2026 in Europe/London, without a time of day"),
        ("tomorrow 9", 'was read as a time on Sun 22 Nov 2026, but "9" is not a time of day'),
        ("tomorrow at", 'was read as a time on Sun 22 Nov 2026, but "at" is not a time of day'),
        ("friday 24:00", 'was read as a time on Fri 27 Nov 2026, but "24:00" is not a time of day'),
        ("2026-12-25T10:60", 'a time on Fri 25 Dec 2026, but "10:60" is not a time of day'),
        ("2026-12-25T10:00:60Z", 'a time on Fri 25 Dec 2026, but "10:00:60" is not a time of day'),
        ("2026-12-25T10:00+25:00", '"10:00+25:00" is not a time of day'),
        ("2026-12-25 10:00 GMT", '"10:00 gmt" is not a time of day'),
        ("tomorrow midnight", "midnight can be read in two ways: start or end"),
        ("31 feb 10:00", '"31 feb 10:00" was read as the day "31 feb", which does not exist'),
        ("29 feb 2027 10:00", 'the day "29 feb 2027", which does not exist'),
        ("99 dec 10:00", 'the day "99 dec", which does not exist'),
        ("0 dec 10:00", 'the day "0 dec", which does not exist'),
        ("2026-02-30 10:00", 'the day "2026-02-30", which does not exist'),
        ("2026-13-01 10:00", 'the day "2026-13-01", which does not exist'),
        ("0000-01-01 10:00", 'the day "0000-01-01", which does not exist'),
        ("in -5 minutes", 'was read as a distance from now, but "-5 minutes" is negative'),
        ("in 2 months", 'was read as a distance from now, but "2 months" is not an amount of time'),
        ("in 5", 'but "5" is not an amount of time'),
        ("in 1.5 hours", 'but "1.5 hours" is not an amount of time'),
        ("in 30m1h", 'but "30m1h" is not an amount of time'),
        ("in half an hour", 'but "half an hour" is not an amount of time'),
        ("in 0 minutes", '"in 0 minutes" is no distance at all from now'),
        ("2020-01-01 10:00", '"2020-01-01 10:00" is in the past: Wed 1 Jan 2020 10:00 Europe/London'),
        ("2020-01-01", '"2020-01-01" is in the past: Wed 1 Jan 2020 00:00 Europe/London'),
        ("2026-07-01T10:00Z", "is in the past: Wed 1 Jul 2026 11:00 Europe/London"),
        ("25 dec 2025 10:00", "is in the past: Thu 25 Dec 2025 10:00 Europe/London"),
        ("today 08:59:59", "is in the past: Sat 21 Nov 2026 08:59:59 Europe/London"),
        ("yesterday", "is in the past: Fri 20 Nov 2026 00:00 Europe/London"),
        ("yesterday 18:30", "is in the past: Fri 20 Nov 2026 18:30 Europe/London"),
        ("2 hours ago", "is in the past: Sat 21 Nov 2026 07:00 Europe/London"),
        ("9999-12-31 10:00", "was read as a moment outside the years 1000 to 9998"),
        ("9999-12-31T23:59-23:59", "outside the years 1000 to 9998"),
        ("0001-01-01T00:00+23:59", "outside the years 1000 to 9998"),
        ("32 dec 9999 10:00", "outside the years 1000 to 9998"),
        ("in 99999999999 days", "outside the years 1000 to 9998"),
        ("in 10000000 weeks", "outside the years 1000 to 9998"),
        ("in 10000000000000000000000 seconds", "outside the years 1000 to 9998"),
        ("99999999999 days ago", "outside the years 1000 to 9998"),
    ],
)
def test_a_refusal_gives_the_reason(text: str, said: str) -> None:
    assert said in refusal(text).message


@for_each(
    ("text", "message", "hint"),
    [
        (
            "03/04",
            '"03/04" can be read in two ways: 3 April or 4 March',
            '"3 April 10:00" or "4 March 10:00"',
        ),
        (
            "03/04/2026",
            '"03/04/2026" can be read in two ways: 3 April 2026 or 4 March 2026',
            '"3 April 2026 10:00" or "4 March 2026 10:00"',
        ),
        ("3.4.2026", "in two ways: 3 April 2026 or 4 March 2026", '"3 April 2026 10:00"'),
        ("03-04-2026", "in two ways: 3 April 2026 or 4 March 2026", '"4 March 2026 10:00"'),
        ("03/04 at 18:30", "in two ways: 3 April or 4 March", '"3 April 18:30" or "4 March 18:30"'),
        ("3/4/27 9am", "in two ways: 3 April 2027 or 4 March 2027", '"3 April 2027 9am"'),
        ("04/04", '"04/04" was read as 4 April, but', '"4 April 10:00"'),
        ("25/12 10:00", '"25/12 10:00" was read as 25 December, but', '"25 December 10:00"'),
        ("12/25/2027", "was read as 25 December 2027, but", '"25 December 2027 10:00"'),
        ("29/02", "was read as 29 February, but", '"29 February 10:00"'),
    ],
)
@for_each("past", [False, True])
def test_a_month_in_digits_is_refused(text: str, message: str, hint: str, past: bool) -> None:
    error = refusal(text, past=past)
    assert message in error.message
    assert hint in (error.hint or "")
    for form in (error.hint or "").split('"')[1::2]:
        if "2026" not in form:
            assert parse_when(form, NOW, LONDON) > NOW


@for_each("text", ["soon", "tonight", "next friday", "2020-01-01 10:00", "in 5", "fri 99:00"])
def test_the_forms_in_a_hint_can_be_typed(text: str) -> None:
    forms = (refusal(text).hint or "").split('"')[1::2]
    prefix = "fri " if text.startswith("fri") else ""
    assert forms
    assert all(parse_when(prefix + form, NOW, LONDON) > NOW for form in forms)


@for_each("text", ["soon", "tonight", "tomorrow 9", "in -5 minutes", "31 feb", "9999-12-31"])
def test_looking_back_refuses_the_same_texts(text: str) -> None:
    refusal(text, past=True)


@for_each("text", ["soon", "next week", "31 feb", "9999-12-31", "2 months ago"])
def test_looking_back_the_forms_in_a_hint_are_of_the_past(text: str) -> None:
    forms = (refusal(text, past=True).hint or "").split('"')[1::2]
    assert forms
    assert all(parse_when(form, NOW, LONDON, past=True) < NOW for form in forms)


@for_each("zone", ZONES)
@for_each("text", ["18:30", "tomorrow 9am", "friday 14:00", "29 feb 10:00", "in 2 days"])
def test_a_time_after_the_year_9999_is_refused(text: str, zone: ZoneInfo) -> None:
    with pytest.raises(WaError, match="outside the years|does not exist"):
        parse_when(text, utc("9999-12-31 23:59"), zone)


@for_each("zone", ZONES)
@for_each("text", ["18:30", "yesterday 9am", "friday 14:00", "29 feb 10:00", "2 days ago"])
def test_a_time_before_the_year_1_is_refused(text: str, zone: ZoneInfo) -> None:
    with pytest.raises(WaError, match="outside the years|does not exist"):
        parse_when(text, utc("0001-01-01 00:00"), zone, past=True)


@for_each(
    ("zone", "moment", "now", "expected"),
    [
        (LONDON, "2026-12-24 10:00", "2026-11-21 09:00", "Thu 24 Dec 2026 10:00 Europe/London, in 33 days"),
        (
            LONDON,
            "2026-07-01 09:00:05",
            "2026-07-01 09:00",
            "Wed 1 Jul 2026 10:00:05 Europe/London, in 5 seconds",
        ),
        (
            NEW_YORK,
            "2026-12-24 15:00",
            "2026-12-24 14:00",
            "Thu 24 Dec 2026 10:00 America/New_York, in 1 hour",
        ),
        (
            KOLKATA,
            "2026-12-24 20:00",
            "2026-12-24 20:03",
            "Fri 25 Dec 2026 01:30 Asia/Kolkata, 3 minutes ago",
        ),
        (LONDON, "2026-10-25 00:30", "2026-10-25 00:30", "Sun 25 Oct 2026 01:30+01:00 Europe/London, now"),
        (
            LONDON,
            "2026-10-25 01:30",
            "2026-10-25 00:30",
            "Sun 25 Oct 2026 01:30+00:00 Europe/London, in 1 hour",
        ),
        (LONDON, "2026-10-25 02:00", "2026-10-25 00:00", "Sun 25 Oct 2026 02:00 Europe/London, in 2 hours"),
        # A week of one hour less or more is still seven days of the wall clock.
        (LONDON, "2026-04-01 08:00", "2026-03-25 09:00", "Wed 1 Apr 2026 09:00 Europe/London, in 7 days"),
        (LONDON, "2026-10-28 08:00", "2026-10-21 08:00", "Wed 28 Oct 2026 08:00 Europe/London, in 6 days"),
    ],
)
def test_describe_shows_day_time_zone_and_distance(
    zone: ZoneInfo, moment: str, now: str, expected: str
) -> None:
    assert describe(utc(moment), zone, utc(now)) == expected


@for_each(
    ("away", "expected"),
    [
        (timedelta(0), "now"),
        (timedelta(milliseconds=400), "now"),
        (timedelta(seconds=1), "in 1 second"),
        (timedelta(seconds=30), "in 30 seconds"),
        (timedelta(seconds=59), "in 59 seconds"),
        (timedelta(seconds=60), "in 1 minute"),
        (timedelta(minutes=5, seconds=59), "in 5 minutes"),
        (timedelta(minutes=60), "in 1 hour"),
        (timedelta(hours=2) - timedelta(milliseconds=1), "in 2 hours"),
        (timedelta(hours=24), "in 24 hours"),
        (timedelta(hours=36), "in 36 hours"),
        (timedelta(hours=47, minutes=59), "in 47 hours"),
        (timedelta(hours=48), "in 2 days"),
        (timedelta(days=33, hours=1), "in 33 days"),
        (timedelta(days=33) - timedelta(seconds=1), "in 32 days"),
        (-timedelta(seconds=1), "1 second ago"),
        (-timedelta(minutes=3), "3 minutes ago"),
        (-timedelta(hours=1, minutes=59), "1 hour ago"),
        (-timedelta(days=400), "400 days ago"),
    ],
)
def test_distance_is_told_in_words(away: timedelta, expected: str) -> None:
    assert distance(NOW + away, NOW) == expected


@for_each(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("6h", timedelta(hours=6)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("1w2d3h4m5s", timedelta(days=9, hours=3, minutes=4, seconds=5)),
        (" 6H ", timedelta(hours=6)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@for_each(
    "text",
    [
        "",
        "6",
        "h",
        "0s",
        "0h0m",
        "-5m",
        "1.5h",
        "2 hours",
        "30m1h",
        "1h1h",
        "٦h",
        "6x",
        "9" * 20 + "d",
        "9" * 5000,
    ],
)
def test_a_text_that_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(WaError, match="is not a usable duration") as caught:
        parse_duration(text)
    assert caught.value.code == "usage"
    assert '"90s"' in (caught.value.hint or "")


@for_each(
    ("d", "expected"),
    [
        (timedelta(hours=6), "6h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=2), "2d"),
        (timedelta(days=10), "10d"),
        (timedelta(days=14), "2w"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(seconds=1.9), "1s"),
        (timedelta(0), "0s"),
    ],
)
def test_format_duration(d: timedelta, expected: str) -> None:
    assert format_duration(d) == expected


@for_each(
    ("text", "expected"),
    [
        ("2026-12-24T10:00:00.000Z", utc("2026-12-24 10:00")),
        ("2026-12-24T10:00:00Z", utc("2026-12-24 10:00")),
        ("2026-12-24T10:00:00.5Z", utc("2026-12-24 10:00:00.500000")),
        ("2026-12-24T10:00:00.123456789Z", utc("2026-12-24 10:00:00.123456")),
    ],
)
def test_from_iso_reads_a_moment_in_utc(text: str, expected: datetime) -> None:
    assert from_iso(text) == expected
    assert from_iso(text).tzinfo is UTC


@for_each(
    "text",
    [
        "",
        "Z",
        "2026-12-24",
        "2026-12-24T10:00Z",
        "2026-12-24T10:00:00.000",
        "2026-13-24T10:00:00Z",
        "x" * 19 + "Z",
    ],
)
def test_from_iso_refuses_other_texts(text: str) -> None:
    with pytest.raises(WaError, match="stored where a time should be"):
        from_iso(text)


def test_to_iso_cuts_and_does_not_round() -> None:
    moment = datetime(2026, 12, 24, 15, 29, 59, 999999, KOLKATA)
    assert to_iso(moment) == "2026-12-24T09:59:59.999Z"


@for_each("name", ["Europe/London", "America/New_York", "Asia/Kolkata", "UTC"])
def test_load_zone_reads_a_name(name: str) -> None:
    assert load_zone(name) is ZoneInfo(name)


@for_each(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../x",
        "Europe/../UTC",
        "/etc/passwd",
        "a\0b",
        "America",
        "Mars/Base",
        "\udc80",
        "x" * 5000,
    ],
)
def test_a_text_that_is_not_a_time_zone_is_refused(name: str) -> None:
    with pytest.raises(WaError, match="is not a known time zone") as caught:
        load_zone(name)
    assert caught.value.code == "usage"
    assert "Europe/London" in (caught.value.hint or "")


law = settings(database=None)
zones = st.sampled_from(ZONES)
naive_moments = st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001
moments = st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
WORDS = (
    "in ago next at today tomorrow yesterday tonight noon midnight fri monday dec 29 feb 31 2027 9am 9:30 pm "
    "18:30 an a hour hours days 2 0 99999999999 weeks 1h30m 90s -5 03/04 2026-03-29 01:30 2026-12-25T10:00Z "
    "+01:00 9999-12-31 0001-01-01 now this last week 25th of Dec. 9.30am mins seconds the "
    "on UTC Asia/Kolkata ,"
)
phrases = st.lists(st.sampled_from(WORDS.split()), max_size=5).map(" ".join)
iso_like = st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}Z?")


def answer(parse: Callable[..., object], *args: object, **options: bool) -> object:
    """Return the function's result or the WaError it raises; any other exception fails the test."""
    try:
        return parse(*args, **options)
    except WaError as error:
        return error


@law
@given(st.text() | phrases | iso_like, moments, zones, st.booleans())
@example("0" * 5000 + ":00", NOW, LONDON, False)
def test_any_text_is_read_or_refused(text: str, now: datetime, zone: ZoneInfo, past: bool) -> None:
    found = answer(parse_when, text, now, zone, past=past)
    if isinstance(found, WaError):
        assert found.code == "usage"
        assert found.hint
        return
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC
    assert past or found >= now
    assert str(zone) in describe(found, zone, now)


@law
@given(st.text())
def test_any_text_is_a_setting_or_refused(text: str) -> None:
    for parse in (parse_duration, load_zone):
        found = answer(parse, text)
        assert not isinstance(found, WaError) or found.code == "usage"


@law
@given(naive_moments, moments, zones)
def test_a_moment_written_out_is_read_back(naive: datetime, now: datetime, zone: ZoneInfo) -> None:
    moment = resolve_wall(naive.replace(microsecond=0), zone)
    shown = moment.astimezone(zone)
    assume(not shown.fold)
    day, clock = f"{shown.day} {shown:%B %Y}", f"{shown:%I:%M:%S %p}"
    for text in (
        f"{shown:%Y-%m-%d %H:%M:%S}",
        f"{shown:%b %d %Y} at {shown:%H:%M:%S}",
        f"{day} {clock}",
        to_iso(moment),
    ):
        assert parse_when(text, now, zone, past=True) == moment


@law
@given(phrases | naive_moments.map(lambda wall: f"{wall:%d %b %H:%M}"), moments, zones, zones)
def test_what_is_shown_of_a_time_is_read_back(
    text: str, now: datetime, zone: ZoneInfo, ours: ZoneInfo
) -> None:
    found = answer(read_when, text, now, zone)
    assume(isinstance(found, When) and not found.moment.microsecond)
    assert isinstance(found, When)
    shown = describe(found.moment, found.zone, now)
    assert parse_when(shown, now, ours) == found.moment
    assert parse_when(shown.rpartition(", ")[0], now, ours) == found.moment


@law
@given(moments, zones, st.times())
def test_a_time_of_day_is_within_the_day(now: datetime, zone: ZoneInfo, clock: time) -> None:
    limit = timedelta(hours=25)
    assert now < parse_when(f"{clock:%H:%M:%S}", now, zone) <= now + limit
    assert now - limit <= parse_when(f"{clock:%H:%M:%S}", now, zone, past=True) <= now


@law
@given(moments)
def test_iso_round_trips_to_the_millisecond(moment: datetime) -> None:
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert from_iso(to_iso(moment)) == cut
    assert to_iso(cut) == to_iso(moment)


@law
@given(st.timedeltas(timedelta(seconds=1), timedelta(days=5000)))
def test_durations_round_trip_to_the_second(d: timedelta) -> None:
    assert parse_duration(format_duration(d)) == d - timedelta(microseconds=d.microseconds)


@law
@given(st.integers(2026, 2027), zones, st.data())
def test_resolve_wall_never_goes_back_and_never_lands_in_a_gap(
    year: int, zone: ZoneInfo, data: st.DataObject
) -> None:
    days = st.sampled_from([date(year, 1, 1) + timedelta(days=n) for n in range(365)])
    near = data.draw(days | st.sampled_from([datetime.fromisoformat(t).date() for _, t, _ in CLOCK_CHANGES]))
    first, second = sorted(datetime.combine(near, data.draw(st.times())) for _ in range(2))
    before, after = resolve_wall(first, zone), resolve_wall(second, zone)
    assert before <= after
    shown = before.astimezone(zone)
    assert shown.fold == 0
    assert shown.replace(tzinfo=None) >= first
    if shown.replace(tzinfo=None) != first:
        earlier = (before - timedelta(microseconds=1)).astimezone(zone)
        assert earlier.replace(tzinfo=None) < first
        assert earlier.utcoffset() != shown.utcoffset()
