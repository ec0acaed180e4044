"""Durations and dates at the ends of the calendar are usage errors, and no fault of ours, wherever given."""

from __future__ import annotations

import pytest
from conftest import REEM, FakeClock
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(0, 40), st.integers(30_000, 40_000), st.integers(10**6, 10**13), st.just(10**29)
)
DURATIONS = st.builds(lambda number, unit: f"{number}{unit}", NUMBERS, st.sampled_from("smhdw"))
YEARS = st.sampled_from(["0000", "0001", "0999", "1000", "1969", "2026", "9898", "9997", "9998", "9999"])
DATES = st.builds(
    lambda year, day, clock, zone: f"{year}-{day} {clock}{zone}",
    YEARS,
    st.sampled_from(["01-01", "12-31", "02-29"]),
    st.sampled_from(["00:00", "23:59", "23:59:59.999999"]),
    st.sampled_from(["", "Z", "+23:59", "-23:59"]),
)
DISTANCES = st.builds(
    lambda number, unit, form: form.format(f"{number} {unit}"),
    NUMBERS,
    st.sampled_from(["seconds", "days", "weeks"]),
    st.sampled_from(["in {}", "{} ago"]),
)
ZONES = st.sampled_from(["Europe/London", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Monrovia"])
CHEAP = settings(max_examples=examples(60))


@CHEAP
@given(at=st.one_of(DATES, DISTANCES), grace=DURATIONS, zone=ZONES)
@example(at="9998-12-31 23:59:59.999999-23:59", grace="36525d", zone="Etc/GMT+12")
@example(at="1000-01-01 00:00+23:59", grace="1s", zone="Etc/GMT+12")
def test_times_and_graces_of_messages(wa, at, grace, zone):
    clock = FakeClock()
    added = wa("schedule", "add", REEM, "Hello", "--at", at, "--grace", grace, "--tz", zone, now=clock)
    assert added.code in (0, 2), (added.code, added.err)
    again = wa("schedule", "add", REEM, "Hello", "--at", at, now=clock, WA_GRACE=grace, WA_TZ=zone)
    assert again.code in (0, 2), again.err
    row = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--json", now=clock).json
    assert wa("schedule", "edit", row["id"], "--at", at, now=clock, WA_TZ=zone).code in (0, 2)
    assert wa("schedule", "list", now=clock, WA_TZ=zone).code == 0
    assert wa("schedule", "show", row["id"], now=clock, WA_TZ=zone).code == 0
    assert wa("status", now=clock, WA_TZ=zone).code == 0
    wa("schedule", "cancel", row["id"], now=clock)


@CHEAP
@given(when=st.one_of(DATES, DISTANCES), option=st.sampled_from(["--before", "--after"]), zone=ZONES)
def test_times_that_limit_a_list(wa, when, option, zone):
    wa("loopback", "say", REEM, "Hello")
    for command in (("read", REEM), ("search", "Hello")):
        found = wa(*command, option, when, WA_TZ=zone)
        assert found.code in (0, 2, 4), found.err


@pytest.mark.parametrize("length", ["0s", "36526d", "999999999999w", f"{10**29}s"])
def test_a_duration_of_listen_and_of_the_settings(wa, length):
    assert wa("listen", "--for", length, "--json").error["code"] == "usage"
    told = wa("send", REEM, "Hello", "--json", WA_GRACE=length)
    assert (told.code, told.error["code"]) == (2, "bad-setting")
    assert wa("send", REEM, "Hello", WA_GRACE="36525d").code == 0
    assert wa("send", REEM, "Hello", "--wait", length, "--json").error["code"] == "usage"
    assert wa("send", REEM, "Hello", WA_SEND_SPACING="1e300").code == 2


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "europe/nowhere", "../../etc/passwd", "Europe", "tzdata.zi"]
)
def test_a_zone_that_no_rules_know_is_a_usage_error(wa, zone):
    told = wa("schedule", "add", REEM, "Hello", "--at", "tomorrow 9am", "--tz", zone, "--json")
    assert (told.code, told.error["code"]) == (2, "usage")
    assert wa("contacts", "add", "Reem", REEM, "--tz", zone).code == 2
    assert wa("status", WA_TZ=zone).code == 2
