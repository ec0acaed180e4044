"""The setting of quiet hours: how it is read, and when they are on the wall clock of a zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from for_each import for_each
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wa.errors import WaError
from wa.settings import QuietHours, parse_quiet_hours

LONDON = ZoneInfo("Europe/London")
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")

law = settings(database=None)
zones = st.sampled_from((LONDON, NEW_YORK, KOLKATA, LORD_HOWE))
moments = st.datetimes(
    datetime(2025, 1, 1),  # noqa: DTZ001
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(timezone.utc),
)


def utc(text: str) -> datetime:
    """Return the moment that a text means in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


NIGHT = QuietHours(time(22), time(8))
NAP = QuietHours(time(13), time(15))


@for_each(
    ("quiet", "zone", "moment", "end"),
    [
        (NIGHT, LONDON, "2026-11-21 21:59:59", None),
        (NIGHT, LONDON, "2026-11-21 22:00", "2026-11-22 08:00"),
        (NIGHT, LONDON, "2026-11-22 00:00", "2026-11-22 08:00"),
        (NIGHT, LONDON, "2026-11-22 07:59:59", "2026-11-22 08:00"),
        (NIGHT, LONDON, "2026-11-22 08:00", None),
        (NIGHT, LONDON, "2026-07-01 21:00", "2026-07-02 07:00"),
        (NIGHT, LONDON, "2026-03-28 23:00", "2026-03-29 07:00"),
        (NIGHT, LONDON, "2026-10-24 21:00", "2026-10-25 08:00"),
        (NIGHT, NEW_YORK, "2026-11-01 02:00", "2026-11-01 13:00"),
        (NIGHT, KOLKATA, "2026-11-21 16:30", "2026-11-22 02:30"),
        (NIGHT, KOLKATA, "2026-11-21 16:29", None),
        (NAP, LONDON, "2026-11-21 12:59", None),
        (NAP, LONDON, "2026-11-21 13:00", "2026-11-21 15:00"),
        (NAP, LONDON, "2026-11-21 15:00", None),
        # Clocks go back at 02:00: the hours end at the first 01:30 and do not begin again.
        (QuietHours(time(23), time(1, 30)), LONDON, "2026-10-25 00:15", "2026-10-25 00:30"),
        (QuietHours(time(23), time(1, 30)), LONDON, "2026-10-25 01:15", None),
        (QuietHours(time(1, 30), time(8)), LONDON, "2026-10-25 01:15", "2026-10-25 08:00"),
        # Clocks go forward at 01:00: skipped hours are never quiet, a skipped end is the skip.
        (QuietHours(time(1, 15), time(1, 45)), LONDON, "2026-03-29 01:00", None),
        (QuietHours(time(22), time(1, 30)), LONDON, "2026-03-29 00:59", "2026-03-29 01:00"),
    ],
)
def test_quiet_hours_end_on_the_wall_clock_of_the_zone(
    quiet: QuietHours, zone: ZoneInfo, moment: str, end: str | None
) -> None:
    assert quiet.end_if_quiet(utc(moment), zone) == (end and utc(end))


@pytest.mark.parametrize("text", ["22:00-08:00", " 22:00 - 8:00 "])
def test_parse_quiet_hours_reads_a_span(text: str) -> None:
    assert parse_quiet_hours(text) == NIGHT


@for_each("text", ["", "22:00", "22-08", "22:00-24:00", "25:00-08:00", "08:00-08:00", "8:00-08:00", "a-b"])
def test_a_text_that_is_not_a_span_is_refused(text: str) -> None:
    with pytest.raises(WaError, match="is not a span between two different times of day") as caught:
        parse_quiet_hours(text)
    assert caught.value.code == "usage"
    assert '"22:00-08:00"' in (caught.value.hint or "")


def answer(text: str) -> QuietHours | WaError:
    """Return the span that was read, or the error that was raised; any other exception fails the test."""
    try:
        return parse_quiet_hours(text)
    except WaError as error:
        return error


@law
@given(st.text())
def test_any_text_is_a_span_or_refused(text: str) -> None:
    found = answer(text)
    assert isinstance(found, QuietHours) or found.code == "usage"


@law
@given(moments, zones, st.times(), st.times())
def test_quiet_hours_end_later_and_are_over_at_their_end(
    moment: datetime, zone: ZoneInfo, start: time, end: time
) -> None:
    assume(start != end)
    quiet = QuietHours(start, end)
    over = quiet.end_if_quiet(moment, zone)
    if over is not None:
        assert moment < over <= moment + timedelta(hours=25)
        assert quiet.end_if_quiet(over, zone) is None
