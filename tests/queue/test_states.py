"""Drafts and held messages: nothing but the user's word lets them go out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from conftest import REEM, FakeClock, delivered, own

from wa.people.recipients import Recipient
from wa.queue import rows as queue
from wa.store.database import Store
from wa.store.paths import Home

GRACE = timedelta(hours=1)
AT = ("--at", "2026-11-20 14:00")


@pytest.fixture
def clock() -> FakeClock:
    """Friday noon; London's clock shows UTC."""
    return FakeClock("2026-11-20T12:00:00")


def status_of(store: Store, row_id: str) -> str:
    return str(queue.get(store, row_id)["status"])


def send_all(store: Store, clock: FakeClock) -> None:
    """Let the process that sends do all that it would do now; a message made last shows that it did."""
    last = queue.enqueue(
        store, Recipient(f"{REEM}@s.whatsapp.net", REEM, None), "last", clock(), clock(), grace=GRACE
    )
    own(clock, lambda: status_of(store, last["id"]) == "sent")


@pytest.mark.parametrize("command", [("send",), ("schedule", "add", *AT)], ids=["send", "schedule add"])
def test_a_draft_goes_out_after_approve_alone(wa, home: Home, store, clock, command):
    *group, verb = command[:2] if command[0] == "schedule" else command
    row = wa(*group, verb, REEM, "Proposed", *command[2:], "--draft", "--json", now=clock).json
    assert row["status"] == "draft"
    send_all(store, clock)
    clock.advance(hours=2, seconds=1)
    send_all(store, clock)
    assert delivered(home) == ["last", "last"]
    assert wa("schedule", "list", "--json", now=clock).json[0]["id"] == row["id"]
    late = wa("schedule", "approve", row["id"], "--json", now=clock)
    if verb == "add":
        assert (late.code, late.error["code"]) == (2, "wrong-state")
        assert "--now" in late.error["hint"]
        late = wa("schedule", "approve", row["id"], "--now", "--json", now=clock)
    assert (late.code, late.json["status"]) == (0, "pending")
    own(clock, lambda: status_of(store, row["id"]) == "sent")
    assert delivered(home) == ["last", "last", "Proposed"]


def test_a_draft_that_is_approved_in_time_goes_out_at_its_time(wa, home, store, clock):
    row = wa("schedule", "add", REEM, "Proposed", *AT, "--draft", "--json", now=clock).json
    assert wa("schedule", "approve", row["id"], now=clock).code == 0
    send_all(store, clock)
    assert delivered(home) == ["last"]
    clock.advance(hours=2)
    own(clock, lambda: status_of(store, row["id"]) == "sent")
    assert delivered(home) == ["last", "Proposed"]


def test_a_draft_of_send_with_files_is_one_draft_for_each(wa, store, clock, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    files = [part for name in ("a.txt", "b.txt") for part in ("--file", str(tmp_path / name))]
    assert wa("send", REEM, "Both", *files, "--draft", now=clock).code == 0
    assert [row["status"] for row in queue.listing(store, "all")] == ["draft", "draft"]


def test_a_key_answers_with_its_draft(wa, store, clock):
    first = wa("send", REEM, "Once", "--draft", "--key", "k", "--json", now=clock).json
    again = wa("send", REEM, "Once", "--key", "k", "--json", now=clock)
    assert (again.code, again.json["id"], again.json["status"]) == (0, first["id"], "draft")
    assert queue.counts(store) == {"draft": 1}


def test_a_held_message_stays_until_it_is_released(wa, home, store, clock):
    row = wa("schedule", "add", REEM, "Held", *AT, "--json", now=clock).json
    assert wa("schedule", "hold", row["id"], "--json", now=clock).json["status"] == "held"
    clock.advance(days=30)
    send_all(store, clock)
    assert status_of(store, row["id"]) == "held"
    released = wa("schedule", "unhold", row["id"], now=clock)
    assert released.code == 0
    assert "grace has ended" in released.err
    send_all(store, clock)
    assert status_of(store, row["id"]) == "missed"
    assert "Held" not in delivered(home)


def test_a_held_message_goes_out_after_unhold(wa, home, store, clock):
    row = wa("schedule", "add", REEM, "Held", *AT, "--json", now=clock).json
    wa("schedule", "hold", row["id"], now=clock)
    wa("schedule", "unhold", row["id"], now=clock)
    clock.advance(hours=2)
    own(clock, lambda: status_of(store, row["id"]) == "sent")
    assert delivered(home) == ["Held"]


def test_several_are_cancelled_at_once_and_an_error_stops_none_of_them(wa, store, clock):
    ids = [wa("schedule", "add", REEM, text, *AT, "--json", now=clock).json["id"] for text in "abc"]
    wa("schedule", "cancel", ids[1], now=clock)
    result = wa("schedule", "cancel", *ids, now=clock)
    assert result.code == 2
    assert ids[1] in result.err
    assert [status_of(store, each) for each in ids] == ["cancelled"] * 3


def test_a_draft_survives_a_restore_as_a_draft(wa, store, clock, home):
    row = wa("schedule", "add", REEM, "Proposed", *AT, "--draft", "--json", now=clock).json
    assert wa("backup", now=clock).code == 0
    store.close()
    home.store.unlink()
    clock.advance(days=14)
    assert wa("backup", "restore", "latest", now=clock).code == 0
    shown = wa("schedule", "show", row["id"], "--json", now=clock).json
    assert shown["status"] == "draft"
