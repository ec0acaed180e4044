"""A user's command at the moment at which the owner claims the row: the first of the two wins."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from conftest import REEM, REEM_JID, delivered, is_connected, wait_for

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.store.wake import wake_owner
from wa.times import parse_duration

pytestmark = pytest.mark.no_home

ROUNDS = pytest.mark.parametrize("rounds", [100, pytest.param(500, marks=pytest.mark.soak)])
TO = Recipient(REEM_JID, REEM, None)


@pytest.fixture
def scheduler(home, spawn):
    """A connected run-scheduler in a process of its own."""
    process = spawn("run-scheduler")
    wait_for(lambda: is_connected(home))
    return process


class Race:
    """Rounds between the user and the owner, timed as close as the speed of the machine allows."""

    def __init__(self, seed, rounds):
        self.chance = random.Random(seed)
        self.rounds = rounds
        self.seconds = 0.02
        self.won, self.lost = set(), set()

    def __iter__(self):
        """Yield the numbers of the rounds; there are more rounds if one side has always won."""
        for number in range(20 * self.rounds):
            if number >= self.rounds and self.won and self.lost:
                return
            yield number

    def due(self, now):
        """Return the time at which a command that starts now acts, about."""
        return now + timedelta(seconds=self.chance.uniform(0, 2 * self.seconds))

    def ended(self, text, won):
        """Note whether the user was first; the winner gets the later start in the next round."""
        (self.won if won else self.lost).add(text)
        self.seconds = max(0.0005, self.seconds * (0.8 if won else 1.25))


def due_soon(store, home, text, race):
    """Queue a message that is due about when a command that starts now acts; return its id."""
    now = system_now()
    due = race.due(now)
    row = schedule.enqueue(store, TO, text, due, now, grace=parse_duration("6h"))
    wake_owner(home.socket)
    return row["id"]


def settled(store):
    return not {"pending", "sending"} & set(schedule.counts(store))


@ROUNDS
def test_a_row_cancelled_in_time_is_never_sent(home, store, wa, scheduler, rounds):
    race = Race(1, rounds)
    for number in race:
        row_id = due_soon(store, home, f"text {number}", race)
        result = wa("schedule", "cancel", row_id)
        assert result.code in (0, 2, 6), result.err
        race.ended(f"text {number}", result.code == 0)
    wait_for(lambda: settled(store))
    assert sorted(delivered(home)) == sorted(race.lost)
    assert schedule.counts(store) == {"cancelled": len(race.won), "sent": len(race.lost)}
    assert race.won
    assert race.lost


@ROUNDS
def test_an_edited_text_goes_out_only_if_the_edit_was_in_time(home, store, wa, scheduler, rounds):
    race = Race(2, rounds)
    for number in race:
        row_id = due_soon(store, home, f"old {number}", race)
        result = wa("schedule", "edit", row_id, "--text", f"new {number}")
        assert result.code in (0, 2, 6), result.err
        in_time = result.code == 0
        race.ended(f"{'new' if in_time else 'old'} {number}", in_time)
    wait_for(lambda: settled(store))
    assert sorted(delivered(home)) == sorted(race.won | race.lost)
    assert race.won
    assert race.lost


@ROUNDS
def test_no_message_goes_out_after_pause_has_returned(home, store, wa, scheduler, rounds):
    race = Race(3, rounds)
    for number in race:
        row_id = due_soon(store, home, f"text {number}", race)
        assert wa("pause").code == 0
        before = delivered(home)
        status = schedule.get(store, row_id)["status"]
        assert status in ("pending", "sent")
        race.ended(f"text {number}", status == "pending")
        wake_owner(home.socket)
        assert wa("status", "--json").json["sending"] == "paused"
        assert schedule.get(store, row_id)["status"] == status
        assert delivered(home) == before
        assert wa("resume").code == 0
    wait_for(lambda: settled(store))
    assert sorted(delivered(home)) == sorted(race.won | race.lost)
    assert race.won


def test_sending_with_one_key_from_many_processes_sends_once(home, store, spawn, scheduler):
    senders = [spawn("send", REEM, "Hello", "--key", "greeting") for _ in range(6)]
    assert [sender.finish().code for sender in senders] == [0] * 6
    assert delivered(home) == ["Hello"]
    assert schedule.counts(store) == {"sent": 1}


def test_many_senders_at_once_without_a_listener_all_send(home, store, spawn):
    senders = [spawn("send", REEM, f"Hello {number}") for number in range(8)]
    results = [sender.finish() for sender in senders]
    assert [result.code for result in results] == [0] * 8, [result.err for result in results]
    assert sorted(delivered(home)) == [f"Hello {number}" for number in range(8)]
