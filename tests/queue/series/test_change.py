"""Series as a whole: ended, held, released, edited; on a date that went out, and on one that did not."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ADAM, REEM, FakeClock, Result, delivered
from series_rows import DAILY, queue, series_of, statuses

from wa.queue import rows

pytest_plugins = ["series_fixture"]


@pytest.fixture
def edit(wa: Any, clock: FakeClock) -> Any:
    """Edit a series; return its newest row as `--json` shows it."""

    def run(series_id: str, *options: str) -> dict[str, Any]:
        done = wa("schedule", "edit", series_id, *options, "--json", now=clock)
        assert done.code == 0, done.err
        return dict(done.json)

    return run


def schedule(wa: Any, clock: FakeClock, *args: str) -> Result:
    done: Result = wa("schedule", *args, "--json", now=clock)
    return done


# ── Cancelled, held, released ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["row", "series", "beginning"])
def test_cancel_ends_a_series_with_its_row(add, wa, store, clock, go, by, home):
    row = add(*DAILY)
    ids = {
        "row": (row["id"], "--series"),
        "series": (row["series_id"],),
        "beginning": (row["series_id"][:9],),
    }
    done = schedule(wa, clock, "cancel", *ids[by])
    assert (done.code, done.json["status"], done.json["series"]["status"], done.json["next"]) == (
        0, "cancelled", "ended", [],
    )  # fmt: skip
    go("2026-11-22T10:00")
    assert queue(store) == [("2026-11-21", "cancelled")]
    assert delivered(home) == []
    for verb in ("cancel", "hold", "unhold", "edit"):
        options = ("--text", "x") if verb == "edit" else ()
        again = schedule(wa, clock, verb, row["series_id"], *options)
        assert (again.code, again.error["code"]) == (2, "wrong-state"), verb
    key = schedule(wa, clock, "cancel", row["id"], "--series")
    assert (key.code, key.error["code"]) == (2, "wrong-state")


def test_a_series_that_is_ended_while_a_row_is_sent_has_no_further_row(add, wa, store, clock, home):
    row = add(*DAILY)
    with store.write():
        rows.update(store, row["id"], clock(), status="sending")
    done = schedule(wa, clock, "cancel", row["series_id"])
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    assert row["id"] in done.error["message"]
    assert series_of(store)["status"] == "ended"


def test_a_held_series_lets_its_dates_pass(add, wa, store, clock, go, home):
    row = add(*DAILY)
    held = schedule(wa, clock, "hold", row["id"], "--series").json
    assert (held["status"], held["series"]["status"]) == ("held", "held")
    said = wa("schedule", "edit", row["series_id"], "--at", "09:00", now=clock).out
    assert f"unhold {row['series_id']}" in said
    go("2026-11-23T16:00")
    assert queue(store) == [*((f"2026-11-{day}", "missed") for day in (21, 22, 23)), ("2026-11-24", "held")]
    assert schedule(wa, clock, "unhold", row["series_id"]).json["status"] == "pending"
    go("2026-11-24T09:00")
    assert statuses(store)["2026-11-24"] == "sent"
    assert len(delivered(home)) == 1


def test_a_row_without_a_series_is_not_taken_for_one(wa, clock):
    row = schedule(wa, clock, "add", REEM, "Once", "--at", "2026-11-21 09:00").json
    for verb in ("cancel", "hold", "edit"):
        options = ("--text", "x") if verb == "edit" else ()
        done = schedule(wa, clock, verb, row["id"], "--series", *options)
        assert (done.code, done.error["code"]) == (2, "wrong-state"), verb
    done = schedule(wa, clock, "edit", row["id"], "--every", "week")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert schedule(wa, clock, "cancel", "s123").code == 4


def test_series_are_listed(add, wa, clock):
    first, second = add(*DAILY), add("--at", "2026-11-27 10:00", "--every", "last friday")
    schedule(wa, clock, "cancel", first["series_id"])
    [shown] = schedule(wa, clock, "series").json
    assert shown["id"] == second["series_id"]
    assert shown["next"] == second["next"]
    assert {row["id"] for row in schedule(wa, clock, "series", "--all").json} == {
        first["series_id"],
        shown["id"],
    }
    text = wa("schedule", "series", now=clock).out
    assert "last friday, 10:00" in text
    assert wa("schedule", "show", second["series_id"], "--json", now=clock).json["id"] == second["id"]
    assert "↻ last friday" in wa("schedule", "list", now=clock).out


# ── Edited ────────────────────────────────────────────────────────────────────────────────────────


def test_one_date_is_edited_and_the_series_is_not(add, edit, store, go, home):
    row = add(*DAILY)
    edit(row["id"], "--text", "Only today", "--at", "2026-11-21 11:00")
    go("2026-11-21T10:59")
    assert statuses(store) == {"2026-11-21": "pending"}
    go("2026-11-21T11:00")
    go("2026-11-22T09:00")
    assert statuses(store) == {"2026-11-21": "sent", "2026-11-22": "sent", "2026-11-23": "pending"}
    assert delivered(home) == ["Only today", "Good morning"]


def test_the_text_of_a_series_changes_from_its_next_date_on(add, edit, go, home):
    row = add(*DAILY)
    go("2026-11-21T09:00")
    assert edit(row["series_id"], "--text", "Hello")["message"] == "Hello"
    go("2026-11-22T09:00")
    go("2026-11-23T09:00")
    assert delivered(home) == ["Good morning", "Hello", "Hello"]


def test_a_later_time_on_a_day_that_was_sent_begins_tomorrow(add, edit, store, go, home):
    row = add(*DAILY)
    go("2026-11-21T09:00")
    edited = edit(row["series_id"], "--at", "18:00")
    assert edited["scheduled_at"] == "2026-11-22T18:00:00.000Z"
    go("2026-11-21T18:00")
    assert queue(store) == [("2026-11-21", "sent"), ("2026-11-22", "pending")]
    assert len(delivered(home)) == 1


def test_a_later_time_on_a_day_that_was_not_sent_moves_that_day(add, edit, store, go, home, clock):
    row = add(*DAILY)
    clock.at = clock.at.replace(day=21, hour=8)
    assert edit(row["series_id"], "--at", "18:00")["scheduled_at"] == "2026-11-21T18:00:00.000Z"
    go("2026-11-21T09:00")
    assert queue(store) == [("2026-11-21", "pending")]
    go("2026-11-21T18:00")
    assert queue(store) == [("2026-11-21", "sent"), ("2026-11-22", "pending")]
    # and an earlier time, when it has passed today, begins tomorrow
    assert edit(row["series_id"], "--at", "07:00")["scheduled_at"] == "2026-11-22T07:00:00.000Z"


def test_another_zone_keeps_the_wall_time_and_no_date_comes_twice(add, edit, store, go, home):
    row = add(*DAILY)
    go("2026-11-21T09:00")
    # it is still the 21st in New York, where nine o'clock comes five hours later
    edited = edit(row["series_id"], "--tz", "America/New_York")
    assert edited["scheduled_at"] == "2026-11-22T14:00:00.000Z"
    go("2026-11-21T14:00")
    go("2026-11-22T14:00")
    assert queue(store) == [("2026-11-21", "sent"), ("2026-11-22", "sent"), ("2026-11-23", "pending")]


def test_another_rule_begins_with_the_first_date_without_a_row(add, edit, store, go, home, clock):
    row = add(*DAILY)
    go("2026-11-21T09:00")
    edited = edit(row["series_id"], "--every", "mon,thu")
    assert (edited["occurrence"], edited["rrule"]) == ("2026-11-23", "FREQ=WEEKLY;BYDAY=MO,TH")
    assert queue(store) == [("2026-11-21", "sent"), ("2026-11-23", "pending")]
    # a cancelled date stays cancelled under any rule
    schedule_row = edited["id"]
    from wa.queue import states

    states.cancel(store, schedule_row, clock())
    assert statuses(store)["2026-11-26"] == "pending"
    edited = edit(row["series_id"], "--every", "day")
    assert edited["occurrence"] == "2026-11-22"
    assert edited["next"][:3] == [f"2026-11-{day}T09:00:00.000Z" for day in (22, 24, 25)]


def test_intervals_are_counted_from_the_first_day_and_from_a_new_one(add, edit, go):
    row = add(*DAILY)
    go("2026-11-21T09:00")
    go("2026-11-22T09:00")
    assert edit(row["series_id"], "--every", "3 days")["occurrence"] == "2026-11-24"
    edited = edit(row["series_id"], "--at", "2026-12-01 08:00")
    assert edited["next"][:2] == ["2026-12-01T08:00:00.000Z", "2026-12-04T08:00:00.000Z"]


def test_a_count_holds_for_all_dates_before_and_after_an_edit(add, edit, store, go, home):
    row = add(*DAILY, "--count", "4")
    go("2026-11-21T09:00")
    go("2026-11-22T09:00")
    edited = edit(row["series_id"], "--every", "monday")
    assert edited["next"] == ["2026-11-23T09:00:00.000Z", "2026-11-30T09:00:00.000Z"]
    assert edit(row["series_id"], "--count", "5")["next"][-1] == "2026-12-07T09:00:00.000Z"
    assert edit(row["series_id"], "--except", "2026-11-30", "--until", "2026-12-24")["next"] == [
        "2026-11-23T09:00:00.000Z",
        "2026-12-07T09:00:00.000Z",
    ]
    go("2026-11-23T09:00")
    go("2026-12-07T09:00")
    assert series_of(store)["status"] == "ended"
    assert len(delivered(home)) == 4


def test_another_recipient_gets_all_that_follows(add, edit, store, go):
    row = add(*DAILY)
    edited = edit(row["id"], "--series", "--to", ADAM)
    assert (edited["to_phone"], edited["series"]["to_phone"]) == (ADAM, ADAM)
    go("2026-11-21T09:00")
    assert [each["to_phone"] for each in store.rows("SELECT to_phone FROM scheduled_messages")] == [
        ADAM,
        ADAM,
    ]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--text", ""),
        ("--every", "blue moon"),
        ("--count", "1"),
        ("--count", "0"),
        ("--until", "2026-11-21 20:00"),
        ("--at", "2026-11-20 09:00"),
        ("--tz", "Mars/Olympus"),
        ("--except", "tomorrow", "--until", "2026-11-22 10:00"),
    ],
)
def test_an_edit_that_is_refused_changes_nothing(add, wa, store, go, clock, options):
    row = add(*DAILY)
    go("2026-11-21T10:00")
    before = (queue(store), series_of(store))
    done = schedule(wa, clock, "edit", row["series_id"], *options)
    assert (done.code, done.error["code"]) == (2, "usage"), done.out
    assert (queue(store), series_of(store)) == before
