"""Series whose process is killed at every point between the end of one date and the making of the next."""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import REEM, delivered, wait_for

from wa.connection.context import system_now
from wa.times import to_iso

KILL_POINTS = str(Path(__file__).parents[1] / "support/series_kill_points.py")
BETWEEN = ("ended", "computed", "added", "moved on", "followed")
SENDING = ("claimed", "marked", "accepted", "acknowledged", "recorded")
SERIES = 3


def kill(home, store, wa, spawn, seed, rounds, points=BETWEEN + SENDING):
    """Kill the process that sends on each of many days; check that each date went out once."""
    chance = random.Random(seed)
    assert wa("template", "add", "t", "{place} {date}").code == 0
    for number in range(SERIES):
        options = ("--at", "in 1 seconds", "--every", "day", "--template", "t", "--set", f"place={number}")
        assert wa("schedule", "add", f"44770090080{number}", *options).code == 0
    begin = system_now() + timedelta(seconds=1)
    kills = 0
    for day in range(rounds):
        point = points[day % len(points)]
        count = chance.randint(1, SERIES)
        args = (point, str(count), str(day), "run-scheduler", "--once")
        while system_now() < begin:
            pass
        kills += spawn(*args, program=[sys.executable, KILL_POINTS]).finish().code == -9
        send_the_rest(store, wa, lambda day=day: system_now() + timedelta(days=day))
        check(home, store, day + 1)
    return kills


def send_the_rest(store, wa, now):
    """Send what a killed process has left of a day; what it was sending waits for a moment first."""

    def quiet():
        done = wa("run-scheduler", "--once", now=now)
        assert done.code == 0, done.err
        due = "status = 'sending' OR (status = 'pending' AND scheduled_at <= ?)"
        return not store.value(f"SELECT count(*) FROM scheduled_messages WHERE {due}", [to_iso(now())])

    wait_for(quiet)


def check(home, store, dates):
    """Check that each series has one row a date, all sent, and one that waits for the next date."""
    assert Counter(delivered(home)).most_common(1)[0][1] == 1
    assert len(delivered(home)) == dates * SERIES
    rows = store.rows("SELECT series_id, status FROM scheduled_messages")
    assert Counter(row["status"] for row in rows) == {"sent": dates * SERIES, "pending": SERIES}
    assert set(Counter(row["series_id"] for row in rows if row["status"] == "pending").values()) == {1}
    assert store.value("SELECT count(*) FROM series s JOIN scheduled_messages q ON q.series_id = s.id"
                       " AND q.occurrence = s.current WHERE q.status = 'pending'") == SERIES  # fmt: skip


def test_each_date_goes_out_once_however_often_the_process_is_killed(home, store, wa, spawn):
    assert kill(home, store, wa, spawn, seed=29, rounds=5, points=BETWEEN) == 5


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_each_date_goes_out_once_after_two_hundred_kills(home, store, wa, spawn, seed):
    assert kill(home, store, wa, spawn, seed, rounds=44) >= 40


@pytest.mark.parametrize("point", [*BETWEEN, "recorded"])
def test_a_kill_between_two_dates_leaves_both_or_neither(home, store, wa, spawn, point):
    options = ("--at", "in 0 seconds", "--every", "day")
    row = wa("schedule", "add", REEM, "Good morning", *options, "--json").json
    process = spawn(point, "1", "0", "run-scheduler", "--once", program=[sys.executable, KILL_POINTS])
    assert process.finish().code == -9
    rows = store.rows("SELECT id, status FROM scheduled_messages ORDER BY occurrence")
    if point == "recorded":
        assert [each["status"] for each in rows] == ["sent", "pending"]
    else:
        assert rows == [{"id": row["id"], "status": "sending"}]
