"""What waited on the server while nobody listened, and the past: listeners that are stopped and killed in the middle."""

from __future__ import annotations

import random
import time
from subprocess import TimeoutExpired

import pytest
from conftest import wait_for

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

LOST_A_KILL = 2
"""How many messages a SIGKILL may cost: those that the library had acknowledged and not handed over yet."""
LEFT = 200
"""How many messages wait, at least, when a listener is interrupted."""


def interrupted(home, end, seed, times, total):
    """Let a backlog be taken by listeners that `end(process)` ends in the middle; the ids, in order."""
    chance = random.Random(seed)
    adam = home.relay.person("Adam")
    home.link_quickly()
    sent = adam.send_many(home.us, [f"line {number}" for number in range(total)])
    in_the_middle = 0
    for _ in range(times):
        if home.waiting < LEFT:
            sent += adam.send_many(home.us, [f"more {number}" for number in range(LEFT)])
        before = home.value("SELECT count(*) FROM messages")
        wanted = before + chance.randint(1, LEFT // 2)
        process = home.start("listen")
        wait_for(lambda wanted=wanted: home.value("SELECT count(*) FROM messages") >= wanted, what="a message")
        in_the_middle += home.waiting > 0
        end(process)
    process = home.start("listen")
    home.wait_until_recorded()
    home.stop(process)
    assert in_the_middle >= times * 0.5
    return sent


def recorded(home):
    """The ids of all messages, as they are read."""
    return [message_id for (message_id,) in home.rows("SELECT message_id FROM messages ORDER BY id")]


def killed(process):
    """SIGKILL, and wait for the end."""
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("times", "total"), [(4, 300), pytest.param(20, 1000, marks=pytest.mark.soak)], ids=["small", "full"]
)
def test_a_backlog_that_is_stopped_in_the_middle_is_complete_and_in_order(lived_in, times, total):
    sent = interrupted(lived_in, lived_in.stop, times, times, total)
    assert recorded(lived_in) == sent


@pytest.mark.parametrize(
    ("times", "total"), [(4, 300), pytest.param(20, 1000, marks=pytest.mark.soak)], ids=["small", "full"]
)
def test_a_backlog_that_is_killed_in_the_middle_loses_next_to_nothing(lived_in, tell, times, total):
    sent = interrupted(lived_in, killed, times, times, total)
    found = recorded(lived_in)
    lost = len(sent) - len(found)
    tell(kills=times, sent=len(sent), lost=lost)
    assert found == [each for each in sent if each in set(found)]
    assert lost <= LOST_A_KILL * times


def test_all_is_recorded_of_people_who_are_known_by_a_hidden_id_alone(lived_in):
    """Who is who is looked up while the library writes to the same database."""
    people = [lived_in.relay.person(f"Person {number}", mapped=False) for number in range(10)]
    lived_in.link_quickly()
    sent = [each for person in people for each in person.send_many(lived_in.us, map(str, range(80)))]
    process = lived_in.start("listen")
    lived_in.wait_until_recorded(30)
    lived_in.stop(process)
    assert recorded(lived_in) == sent
