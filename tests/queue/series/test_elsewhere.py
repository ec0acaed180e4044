"""Series, drafts and holds in a backup that is restored: nothing that was sent since goes out again."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import REEM, delivered
from series_rows import DAILY, queue, series_of, statuses

pytest_plugins = ["series_fixture"]


@pytest.fixture
def backed_up(add, go, wa, clock) -> dict[str, Any]:
    """A daily series that was sent on the 21st and 22nd, with a backup of that day."""
    row = add(*DAILY)
    go("2026-11-21T09:00")
    go("2026-11-22T09:00")
    assert wa("backup", now=clock).code == 0
    return row


def restore(wa: Any, clock: Any) -> str:
    done = wa("backup", "restore", "latest", now=clock)
    assert done.code == 0, done.err
    return str(done.err)


def test_a_backup_over_the_same_store_sends_no_date_again(backed_up, go, wa, store, clock, home):
    go("2026-11-23T09:00")
    go("2026-11-24T09:00")
    before = queue(store)
    restore(wa, clock)
    assert queue(store) == before
    assert series_of(store)["current"] == "2026-11-25"
    clock.advance(hours=1)
    assert wa("resume", now=clock).code == 0
    go("2026-11-25T09:00")
    assert queue(store) == [*((f"2026-11-{day}", "sent") for day in range(21, 26)), ("2026-11-26", "pending")]
    assert len(delivered(home)) == 5


def test_on_a_fresh_machine_each_date_since_the_backup_is_unknown(backed_up, go, wa, store, clock, home):
    store.close()
    home.store.unlink()
    clock.advance(days=14)
    restore(wa, clock)
    from wa.store.database import Store

    fresh = Store(home)
    days = [f"2026-{'11' if day < 31 else '12'}-{day if day < 31 else day - 30:02}" for day in range(23, 37)]
    expected = [("2026-11-21", "sent"), ("2026-11-22", "sent"), *((day, "unknown") for day in days)]
    assert queue(fresh) == expected
    reasons = fresh.rows("SELECT DISTINCT error_code FROM scheduled_messages WHERE status = 'unknown'")
    assert [row["error_code"] for row in reasons] == ["restored"]
    # nothing is made before resume, whatever is settled or cancelled meanwhile
    row = wa("schedule", "list", "--status", "unknown", "--json", now=clock).json[-1]
    wa("schedule", "resolve", row["id"], "failed", now=clock)
    wa("pause", now=clock)
    assert len(queue(fresh)) == len(expected)
    clock.advance(days=2)
    assert wa("resume", now=clock).code == 0
    assert queue(fresh)[-3:] == [
        ("2026-12-07", "unknown"),
        ("2026-12-08", "unknown"),
        ("2026-12-09", "pending"),
    ]
    go("2026-12-09T09:00")
    assert statuses(fresh)["2026-12-09"] == "sent"
    assert len(delivered(home)) == 3
    fresh.close()


def test_a_series_that_was_cancelled_since_stays_cancelled(backed_up, wa, store, clock, go, home):
    assert wa("schedule", "cancel", backed_up["series_id"], now=clock).code == 0
    before = queue(store)
    clock.advance(hours=1)
    restore(wa, clock)
    assert series_of(store)["status"] == "ended"
    assert queue(store) == before
    wa("resume", now=clock)
    go("2026-11-24T10:00")
    assert len(delivered(home)) == 2


def test_a_series_that_was_made_since_is_kept_and_a_hold_and_an_edit_too(
    backed_up, add, wa, store, clock, go, home
):
    wa("template", "add", "t", "Hi {weekday}", now=clock)
    wa("schedule", "edit", backed_up["series_id"], "--at", "18:00", now=clock)
    wa("schedule", "hold", backed_up["series_id"], now=clock)
    options = ("--at", "2026-11-25 10:00", "--every", "week", "--template", "t", "--json")
    new = wa("schedule", "add", REEM, *options, now=clock).json
    restore(wa, clock)
    rows = {row["id"]: row for row in store.rows("SELECT id, status, starts_at_local FROM series")}
    assert rows[backed_up["series_id"]]["status"] == "held"
    assert rows[backed_up["series_id"]]["starts_at_local"] == "2026-11-21T18:00:00.000"
    assert rows[new["series_id"]]["status"] == "active"
    wa("resume", now=clock)
    go("2026-11-25T10:00")
    assert delivered(home)[2:] == ["Hi Wednesday"]


def test_a_date_that_two_stores_made_is_one_row(backed_up, wa, store, clock, home, go):
    """The row of the 23rd was made again after a restore on another machine, and sent there."""
    twin = store.row("SELECT * FROM scheduled_messages WHERE occurrence = '2026-11-23'")
    with store.write():
        store.execute("DELETE FROM scheduled_messages WHERE id = ?", [twin["id"]])
        store.insert("scheduled_messages", {**twin, "id": "1_abc", "status": "sent"})
    restore(wa, clock)
    assert statuses(store)["2026-11-23"] == "sent"
    assert len(queue(store)) == 3


def test_drafts_and_holds_stay_what_they_were(wa, store, clock, home):
    def add(*options: str) -> str:
        row = wa("schedule", "add", REEM, "x", *options, "--json", now=clock).json
        return str(row["id"])

    draft = add(*DAILY[:2], "--draft")
    series = add(*DAILY, "--draft")
    held = add(*DAILY[:2])
    wa("schedule", "hold", held, now=clock)
    assert wa("backup", now=clock).code == 0
    store.close()
    home.store.unlink()
    clock.advance(days=14)
    restore(wa, clock)
    wa("resume", now=clock)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    found = {
        row["id"]: row["status"]
        for row in wa("schedule", "list", "--status", "all", "--json", now=clock).json
    }
    assert found == {draft: "draft", series: "draft", held: "held"}
    assert delivered(home) == []
