"""What the user does at the very moment at which the owner claims: whoever was first is believed."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from conftest import REEM, REEM_JID, delivered, is_owned, wait_for

from wa import schedule
from wa.app import system_now
from wa.contacts import Recipient
from wa.home import wake_owner
from wa.when import parse_duration

ROUNDS = 500
TO = Recipient(REEM_JID, REEM, None)


@pytest.fixture
def scheduler(home, spawn):
    """A run-scheduler in a process of its own, connected."""
    process = spawn("run-scheduler")
    wait_for(lambda: is_owned(home))
    return process


def due_soon(store, home, text, chance):
    """Queue a message that is due at about the moment at which a command started now acts; its id."""
    now = system_now()
    due = now + timedelta(seconds=chance.uniform(0, 0.04))
    row = schedule.enqueue(store, TO, text, due, now, grace=parse_duration("6h"))
    wake_owner(home.socket)
    return row["id"]


def settled(store):
    return not {"pending", "sending"} & set(schedule.counts(store))


def test_what_was_cancelled_in_time_never_goes_out(home, store, wa, scheduler):
    chance = random.Random(1)
    cancelled, too_late = set(), set()
    for number in range(ROUNDS):
        row_id = due_soon(store, home, f"text {number}", chance)
        result = wa("schedule", "cancel", row_id)
        assert result.code in (0, 2, 6), result.err
        (cancelled if result.code == 0 else too_late).add(f"text {number}")
    wait_for(lambda: settled(store))
    texts = delivered(home)
    assert sorted(texts) == sorted(too_late)
    assert schedule.counts(store) == {
        status: len(found) for status, found in (("cancelled", cancelled), ("sent", too_late)) if found
    }
    assert cancelled
    assert too_late


def test_an_edit_in_time_goes_out_instead_and_one_too_late_does_not(home, store, wa, scheduler):
    chance = random.Random(2)
    expected, edited = [], 0
    for number in range(ROUNDS):
        row_id = due_soon(store, home, f"old {number}", chance)
        result = wa("schedule", "edit", row_id, "--text", f"new {number}")
        assert result.code in (0, 2, 6), result.err
        expected.append(f"new {number}" if result.code == 0 else f"old {number}")
        edited += result.code == 0
    wait_for(lambda: settled(store))
    assert sorted(delivered(home)) == sorted(expected)
    assert 0 < edited < ROUNDS


def test_after_pause_has_returned_nothing_goes_out(home, store, wa, scheduler):
    chance = random.Random(3)
    held = 0
    for number in range(ROUNDS):
        row_id = due_soon(store, home, f"text {number}", chance)
        assert wa("pause").code == 0
        before = delivered(home)
        status = schedule.get(store, row_id)["status"]
        assert status in ("pending", "sent")
        held += status == "pending"
        wake_owner(home.socket)
        assert wa("status", "--json").json["sending"] == "paused"
        assert schedule.get(store, row_id)["status"] == status
        assert delivered(home) == before
        assert wa("resume").code == 0
    wait_for(lambda: settled(store))
    assert sorted(delivered(home)) == sorted(f"text {number}" for number in range(ROUNDS))
    assert held


def test_sending_with_one_key_from_many_processes_sends_once(home, store, spawn, scheduler):
    senders = [spawn("send", REEM, "Hello", "--key", "greeting") for _ in range(6)]
    assert [sender.finish().code for sender in senders] == [0] * 6
    assert delivered(home) == ["Hello"]
    assert schedule.counts(store) == {"sent": 1}


def test_many_senders_at_once_without_a_listener_all_get_through(home, store, spawn):
    senders = [spawn("send", REEM, f"Hello {number}") for number in range(8)]
    results = [sender.finish() for sender in senders]
    assert [result.code for result in results] == [0] * 8, [result.err for result in results]
    assert sorted(delivered(home)) == [f"Hello {number}" for number in range(8)]
