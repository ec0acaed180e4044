"""The rows of series: each date once, the next made with the end of the last, whatever comes between."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import REEM, FakeClock, delivered, own
from series_rows import DAILY, queue, series_of, statuses

from wa.queue import outcomes, rows, states
from wa.store.paths import Home
from wa.times import from_iso, to_iso
from wa.whatsapp.transport import Evidence, Refused, SendError

pytest_plugins = ["series_fixture"]


def test_add_answers_with_the_row_its_series_and_the_next_five_times(add, wa, clock):
    row = add("--at", "2026-11-27 10:00", "--every", "last friday", "--tz", "America/New_York")
    assert row["series"]["rrule"] == "FREQ=MONTHLY;BYDAY=-1FR"
    assert (row["series_id"], row["occurrence"]) == (row["series"]["id"], "2026-11-27")
    assert (row["series"]["status"], row["series"]["starts_at_local"]) == (
        "active",
        "2026-11-27T10:00:00.000",
    )
    assert row["next"] == [
        f"{day}T{hour}:00:00.000Z"
        for day, hour in [
            ("2026-11-27", 15),
            ("2026-12-25", 15),
            ("2027-01-29", 15),
            ("2027-02-26", 15),
            ("2027-03-26", 14),
        ]
    ]
    assert wa("schedule", "show", row["id"], "--json", now=clock).json == row
    said = wa(
        "schedule", "add", REEM, "x", "--at", "2026-11-27 10:00", "--every", "last friday", now=clock
    ).out
    assert "↻ last friday" in said
    assert said.count("then ") == 4


def test_a_message_without_a_rule_has_no_series(wa, clock):
    row = wa("schedule", "add", REEM, "Once", "--at", "2026-11-27 10:00", "--json", now=clock).json
    assert (row["series"], row["next"], row["series_id"], row["rrule"]) == (None, [], None, None)


def test_a_series_begins_with_the_first_date_of_its_rule(add):
    assert add("--at", "2026-11-21 09:00", "--every", "mon,thu")["occurrence"] == "2026-11-23"
    # the time of today has passed, and the rule has today
    assert add("--at", "11:00", "--every", "day")["occurrence"] == "2026-11-21"
    assert add("--at", "13:00", "--every", "day")["occurrence"] == "2026-11-20"


def test_each_date_goes_out_once_and_makes_the_next(add, store, home, go):
    add(*DAILY)
    for day in (21, 22, 23):
        go(f"2026-11-{day}T08:59")
        assert statuses(store)[f"2026-11-{day}"] == "pending"
        go(f"2026-11-{day}T09:00")
    assert queue(store) == [
        ("2026-11-21", "sent"),
        ("2026-11-22", "sent"),
        ("2026-11-23", "sent"),
        ("2026-11-24", "pending"),
    ]
    assert len(delivered(home)) == 3


def test_nine_o_clock_stays_nine_o_clock_across_a_clock_change(add, store, go):
    add("--at", "2027-03-27 09:00", "--every", "day")
    go("2027-03-27T09:00")
    go("2027-03-28T08:00")
    assert queue(store)[:2] == [("2027-03-27", "sent"), ("2027-03-28", "sent")]


def test_a_time_that_does_not_exist_or_exists_twice(wa, clock):
    options = ("--at", "2027-03-27 01:30", "--every", "day", "--json")
    done = wa("schedule", "add", REEM, "x", *options, now=clock)
    assert done.json["next"][:3] == [
        "2027-03-27T01:30:00.000Z",
        "2027-03-28T01:00:00.000Z",
        "2027-03-29T00:30:00.000Z",
    ]
    assert "01:30 does not exist on 28 Mar 2027" in done.err
    done = wa(
        "schedule", "add", REEM, "x", "--at", "2027-09-04 00:15", "--tz", "America/Santiago", "--every", "day"
    )
    assert "00:15 does not exist on 5 Sep 2027 in America/Santiago" in done.err
    # the series begins on the very day of the change
    options = ("--at", "2027-03-28 01:30", "--every", "day", "--json")
    done = wa("schedule", "add", REEM, "y", *options, now=clock).json
    assert done["series"]["starts_at_local"] == "2027-03-28T01:30:00.000"
    assert done["next"][:2] == ["2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z"]
    options = ("--at", "2027-10-31 01:30", "--every", "day", "--json")
    assert wa("schedule", "add", REEM, "z", *options, now=clock).json["next"][0] == "2027-10-31T00:30:00.000Z"


# ── Ends ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "ends",
    [
        ("--count", "2"),
        ("--until", "2026-11-22"),
        ("--until", "2026-11-22 09:00"),
        ("--until", "2026-11-23 08:59"),
        ("--count", "3", "--except", "2026-11-23"),
    ],
)
def test_a_series_ends_with_its_last_date(add, store, ends, go):
    row = add(*DAILY, *ends)
    assert len(row["next"]) == 2
    go("2026-11-21T09:00")
    assert series_of(store)["status"] == "active"
    go("2026-11-22T09:00")
    assert queue(store) == [("2026-11-21", "sent"), ("2026-11-22", "sent")]
    assert series_of(store)["status"] == "ended"


@pytest.mark.parametrize("end", ["refused", "unknown", "cancelled", "missed"])
def test_the_next_row_is_made_whatever_became_of_the_last(add, store, clock, end, go):
    row = add(*DAILY)
    clock.at = from_iso("2026-11-21T09:00:00.000Z")
    if end == "cancelled":
        states.cancel(store, row["id"], clock())
    elif end == "missed":
        go("2026-11-21T16:00")
    else:
        with store.write():
            rows.update(store, row["id"], clock(), status="sending", secret=b"s", wire_after=0, attempts=1)
            store.insert("wire", {"message_id": "A", "to_jid": "x", "at": to_iso(clock())})
        result = Refused(463) if end == "refused" else SendError("no answer")
        outcomes.settle(
            store, row["id"], result, lambda secret, ids: Evidence(sent=None, message_id="A"), clock()
        )
    was = {"refused": "failed"}.get(end, end)
    assert queue(store) == [("2026-11-21", was), ("2026-11-22", "pending")]
    if end == "unknown":
        outcomes.resolve(store, row["id"], "sent", clock())
        assert queue(store) == [("2026-11-21", "sent"), ("2026-11-22", "pending")]
    if end in ("refused", "missed"):
        states.retry(store, row["id"], clock(), force=False, grace=clock() - clock())
        states.cancel(store, row["id"], clock())
        assert queue(store) == [("2026-11-21", "cancelled"), ("2026-11-22", "pending")]


# ── Late ──────────────────────────────────────────────────────────────────────────────────────────


def test_after_nine_days_the_newest_date_goes_out_and_eight_are_missed(add, store, home, go):
    add(*DAILY)
    go("2026-11-29T12:00")
    expected = [(f"2026-11-{day}", "missed") for day in range(21, 29)]
    assert queue(store) == [*expected, ("2026-11-29", "sent"), ("2026-11-30", "pending")]
    assert len(delivered(home)) == 1


def test_no_date_goes_out_when_the_newest_is_past_its_grace(add, store, home, go):
    add(*DAILY)
    go("2026-11-23T15:01")
    assert [status for _, status in queue(store)] == ["missed"] * 3 + ["pending"]
    assert delivered(home) == []


def test_an_older_date_inside_its_grace_gives_way_to_a_newer_one(add, store, home, go):
    add(*DAILY, "--grace", "5d")
    go("2026-11-24T09:30")
    assert [status for _, status in queue(store)] == ["missed"] * 3 + ["sent", "pending"]
    assert len(delivered(home)) == 1


def test_a_series_that_was_down_for_years_is_caught_up_in_short_transactions(add, store, go):
    add(*DAILY)
    go("2030-11-20T10:00")
    found = queue(store)
    assert found[-2:] == [("2030-11-20", "sent"), ("2030-11-21", "pending")]
    assert {status for _, status in found[:-2]} == {"missed"}
    assert len(found) == 1462


def test_a_clock_that_was_a_year_ahead_is_set_back(add, store, home, go):
    add(*DAILY)
    counted = add(*DAILY, "--count", "30", text="Counted")["series_id"]
    go("2026-11-21T09:00")
    before = queue(store)
    go("2027-11-21T08:00")
    assert len(queue(store)) > 360
    assert store.value("SELECT status FROM series WHERE id = ?", [counted]) == "ended"
    go("2026-11-21T10:00")
    assert queue(store) == before
    assert [row["status"] for row in store.rows("SELECT status FROM series")] == ["active"] * 2
    go("2026-11-22T09:00")
    assert statuses(store)["2026-11-22"] == "sent"
    assert len(delivered(home)) == 4


def test_a_date_that_went_out_while_the_clock_was_ahead_does_not_go_out_again(
    add, store, clock, home, wa, go
):
    add(*DAILY)
    go("2026-11-25T10:00")
    assert statuses(store)["2026-11-25"] == "sent"
    clock.at = from_iso("2026-11-20T12:00:00.000Z")
    assert wa("resume", now=clock).code == 0
    for day in range(21, 27):
        go(f"2026-11-{day}T09:00")
    assert queue(store) == [*((f"2026-11-{day}", "sent") for day in range(21, 27)), ("2026-11-27", "pending")]
    assert len(delivered(home)) == 6


def test_a_held_date_stays_held_when_the_clock_is_set_back(add, store, clock, go, work):
    row = add(*DAILY)
    states.hold(store, row["id"], clock())
    go("2026-11-23T08:00")
    clock.at = from_iso("2026-11-20T12:00:00.000Z")
    work()
    assert queue(store) == [("2026-11-21", "held")]


# ── Held and drafts ───────────────────────────────────────────────────────────────────────────────


def test_a_held_date_is_missed_and_the_series_goes_on(add, store, clock, home, go):
    row = add(*DAILY)
    states.hold(store, row["id"], clock())
    go("2026-11-21T14:59")
    assert queue(store) == [("2026-11-21", "held")]
    clock.at = from_iso("2026-11-22T09:00:00.000Z")
    own(clock, lambda: statuses(store).get("2026-11-22") == "sent")
    assert queue(store) == [("2026-11-21", "missed"), ("2026-11-22", "sent"), ("2026-11-23", "pending")]
    assert len(delivered(home)) == 1


def test_a_draft_series_waits_for_approve_and_then_goes_on(add, wa, store, clock, home, go, work):
    first = add(*DAILY, "--draft")
    assert (first["status"], first["series"]["is_draft"]) == ("draft", True)
    states.cancel(store, first["id"], clock())
    assert queue(store) == [("2026-11-21", "cancelled"), ("2026-11-22", "draft")]
    go("2026-11-25T10:00")
    assert queue(store)[1:] == [("2026-11-22", "draft")]
    draft = wa("schedule", "list", "--status", "draft", "--json", now=clock).json[0]["id"]
    assert wa("schedule", "approve", draft, now=clock).code == 2
    assert wa("schedule", "approve", draft, "--now", now=clock).code == 0
    work()
    assert [status for _, status in queue(store)[1:]] == ["sent", "missed", "missed", "sent", "pending"]
    assert len(delivered(home)) == 2


# ── Keys, copies, bad input ───────────────────────────────────────────────────────────────────────


def test_a_key_makes_one_series(add, wa, store, clock):
    first = add(*DAILY, "--key", "k")
    assert add(*DAILY, "--key", "k") == first
    clock.advance(days=1)
    again = add("--at", "09:00", "--every", "day", "--key", "k")
    assert again["series_id"] == first["series_id"]
    assert store.value("SELECT count(*) FROM series") == 1
    for other in (("Other", *DAILY), ("Good morning", *DAILY[:2], "--every", "week")):
        refused = wa("schedule", "add", REEM, *other, "--key", "k", "--json", now=clock)
        assert (refused.code, refused.error["code"]) == (2, "usage"), other
    once = wa("schedule", "add", REEM, "Good morning", *DAILY[:2], "--key", "k", "--json", now=FakeClock())
    assert (once.code, once.error["code"]) == (2, "usage")


def test_no_row_is_made_in_a_copied_home_before_resume(add, wa, store, clock, home: Home):
    row = add(*DAILY)
    store.set_state("place", {"machine": "another", "inode": 1})
    states.cancel(store, row["id"], clock())
    assert queue(store) == [("2026-11-21", "cancelled")]
    clock.at = from_iso("2026-11-23T10:00:00.000Z")
    assert wa("resume", now=clock).code == 0
    assert queue(store) == [
        ("2026-11-21", "cancelled"),
        ("2026-11-22", "unknown"),
        ("2026-11-23", "unknown"),
        ("2026-11-24", "pending"),
    ]


@pytest.mark.parametrize(
    "options",
    [
        ("--every", "FREQ=HOURLY"),
        ("--every", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
        ("--every", "FREQ=DAILY;COUNT=3"),
        ("--every", "blue moon"),
        ("--every", ""),
        ("--every", "day", "--count", "0"),
        ("--every", "day", "--count", "-1"),
        ("--every", "day", "--count", "10001"),
        ("--every", "day", "--until", "2026-11-21 08:59"),
        ("--every", "month", "--until", "soon"),
        ("--every", "last friday", "--until", "2026-11-26"),
        ("--every", "day", "--count", "1", "--except", "2026-11-21"),
        ("--every", "day", "--except", "03/04"),
        ("--count", "2"),
        ("--until", "2026-12-24"),
        ("--except", "2026-12-24"),
    ],
)
def test_what_is_refused_is_usage_and_stores_nothing(wa, store, clock, options):
    done = wa("schedule", "add", REEM, "x", "--at", "2026-11-21 09:00", *options, "--json", now=clock)
    assert (done.code, done.error["code"], done.out) == (2, "usage", "")
    assert queue(store) == []
    assert store.value("SELECT count(*) FROM series") == 0


def test_a_list_does_not_load_the_library_for_dates(add):
    add(*DAILY)
    program = "import sys; from wa.cli.main import App, run; run(['schedule', 'list'], App())\n"
    program += "sys.stdout.write('dateutil' if 'dateutil' in sys.modules else 'not loaded')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "not loaded", done.stderr


def test_the_queue_uses_indexes_for_series(store):
    from wa.queue.series import queued

    for sql in (
        f"SELECT min(expires_at) {queued.HELD}",
        "SELECT id FROM scheduled_messages WHERE series_id = 'a' AND occurrence = 'b'",
        "SELECT max(occurrence) FROM scheduled_messages WHERE series_id = 'a' AND occurrence IS NOT NULL",
    ):
        plan = " ".join(row["detail"] for row in store.rows(f"EXPLAIN QUERY PLAN {sql}"))
        assert "queue_held" in plan or "queue_occurrences" in plan, plan
