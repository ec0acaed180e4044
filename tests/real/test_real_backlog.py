"""The backlog on the server, and the history from the phone: listeners that end midway."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from itertools import groupby

import pytest
import spooled
from conftest import wait_for

from wa.whatsapp.neonize.wire_log import MOST_IN_HAND

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

BUSY = "while True: pass"
"""A program that keeps a core busy."""
LEFT = 200
"""Messages that wait, at least, when a listener is started."""
TRIES = 5
"""Listeners that may end too fast, for each one that is interrupted midway."""


def interrupted(home, end, seed, times, total):
    """Let listeners that `end(process)` ends midway receive a backlog.

    Return the ids of the messages, in order, and how many listeners were ended.
    """
    chance = random.Random(seed)
    adam = home.relay.person("Adam")
    home.link_quickly()
    sent = adam.send_many(home.us, [f"line {number}" for number in range(total)])
    in_the_middle = ended = 0
    while in_the_middle < times:
        assert ended < TRIES * times, "hardly any was interrupted in the middle"
        if home.waiting < LEFT:
            sent += adam.send_many(home.us, [f"more {number}" for number in range(LEFT)])
        wanted = kept(home) + chance.randint(1, LEFT // 2)
        process = home.start("listen")
        wait_for(lambda wanted=wanted: kept(home) >= wanted, what="a message")
        in_the_middle += home.waiting > 0
        end(process)
        ended += 1
    process = home.start("listen")
    home.wait_until_recorded()
    home.stop(process)
    return sent, ended


def kept(home):
    """Return how many messages a kill can no longer lose, recorded or spooled."""
    return home.value("SELECT count(*) FROM messages") + spooled.waiting(home.home).count("message")


def recorded(home):
    """Return the ids of all messages, in the order of reading."""
    return [message_id for (message_id,) in home.rows("SELECT message_id FROM messages ORDER BY id")]


def killed(process):
    """Send SIGKILL, and wait for the end."""
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("times", "total"), [(2, 300), pytest.param(20, 1000, marks=pytest.mark.soak)], ids=["small", "full"]
)
def test_a_backlog_stopped_midway_is_complete_and_in_order(lived_in, times, total):
    sent, _ = interrupted(lived_in, lived_in.stop, times, times, total)
    assert recorded(lived_in) == sent


@pytest.fixture
def busy_cores(request):
    """As many programs that keep a core busy as the parameter says."""
    programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(request.param)]
    yield request.param
    for each in programs:
        each.kill()
        each.wait()


SOAK = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("seed", "times", "total", "busy_cores"),
    [
        (2, 2, 300, 0),
        *[pytest.param(seed, 20, 1600, 0, marks=SOAK) for seed in range(20, 23)],
        *[pytest.param(seed, 20, 1600, os.cpu_count(), marks=SOAK) for seed in range(30, 33)],
    ],
    indirect=["busy_cores"],
)
def test_a_backlog_killed_midway_loses_at_most_two_messages_a_kill(
    lived_in, tell, seed, times, total, busy_cores
):
    """A kill may lose what the library has decrypted and not yet handed over; on average less than one."""
    sent, kills = interrupted(lived_in, killed, seed, times, total)
    found = recorded(lived_in)
    kept = set(found)
    lost = len(sent) - len(found)
    runs = [len([*run]) for is_lost, run in groupby(sent, lambda each: each not in kept) if is_lost]
    tell(seed=seed, busy_cores=busy_cores, kills=kills, sent=len(sent), lost=lost, lost_in_a_row=runs)
    assert found == [each for each in sent if each in kept]
    assert max(runs, default=0) <= (5 if busy_cores else 3)
    assert lost <= MOST_IN_HAND * kills


def test_every_message_of_people_known_only_by_hidden_id_is_recorded(lived_in):
    """Hidden ids are looked up while the library writes to the same database."""
    people = [lived_in.relay.person(f"Person {number}", mapped=False) for number in range(10)]
    lived_in.link_quickly()
    sent = [each for person in people for each in person.send_many(lived_in.us, map(str, range(80)))]
    process = lived_in.start("listen")
    lived_in.wait_until_recorded()
    lived_in.stop(process)
    assert recorded(lived_in) == sent


PARTS = 5
SMALL_STEPS = """
import sys, threading
from wa.cli import main as cli
from wa.connection import apply, spool

most, begun, record = int(sys.argv.pop(1)), [], apply._apply_history


def record_some(store, *args):
    count = store.value("SELECT count(*) FROM messages")
    begun.append(count)
    if most and count - begun[0] >= most:
        threading.Event().wait()
    return record(store, *args)


apply.BATCH_SECONDS = 0
apply._apply_history = record_some
cli.main()
"""
"""`wa`, but it commits after each step of the history, so that a kill can come between two steps."""


def in_small_steps(most=0):
    """The program: a listener that stops after so many messages."""
    return [sys.executable, "-c", SMALL_STEPS, str(most)]


def recorded_so_far(home):
    """Return how many messages are recorded."""
    return home.value("SELECT count(*) FROM messages")


def past(people, count):
    """Return a history of `count` messages, a minute apart, with several people and in both directions."""
    begin = int(time.time()) - 3600 - count * 60
    return [
        {
            "chat": people[number % len(people)].pn,
            "id": f"PAST{number}",
            "from_me": number % 3 == 0,
            "text": f"once upon a time {number}",
            "t": begin + number * 60,
        }
        for number in range(count)
    ]


def past_of(home):
    """Return the recorded history, without the times of recording and the numbers."""
    messages = home.rows(
        "SELECT chat_jid, message_id, CASE WHEN is_from_me THEN '' ELSE sender END, is_from_me, timestamp,"
        " content, message_type FROM messages ORDER BY chat_jid, message_id"
    )
    checkpoints = home.rows(
        "SELECT chat_jid, status, messages_synced, last_message_id, last_timestamp, progress_percent,"
        " error_message FROM sync_checkpoints ORDER BY chat_jid"
    )
    whole = home.rows("SELECT status, kind, progress_percent, messages FROM sync_status")
    return {"messages": messages, "checkpoints": checkpoints, "whole": whole}


def begin_past(home, program=None):
    """Start a listener and let the phone share its history; return when all parts are in the spool.

    A SIGKILL would lose the parts that the library has received and not yet handed over.
    """
    process = home.start("listen", program=program)
    wait_for(lambda: home.is_connected, what="a connection")
    home.us.share_history()
    kept_parts = lambda: len(spooled.kinds(home.home.spool_history))  # noqa: E731
    wait_for(lambda: kept_parts() == PARTS + 1, what="all parts, and the names")
    return process


@pytest.mark.soak
@pytest.mark.parametrize("total", [1500, 5000], ids=["small", "full"])
def test_a_history_whose_recording_is_killed_three_times_is_complete(
    relay, lived_in, memory_path, tell, total
):
    from lived_in_fixture import LivedIn  # a plugin, which pytest has to import first

    history = past([relay.person(f"Person {number}") for number in range(5)], total)
    unbroken = LivedIn(relay, memory_path, "Leila")
    for home in (unbroken, lived_in):
        home.link_quickly()
        home.us.set(history=history, chunk=total // PARTS)
    try:
        process = begin_past(unbroken)
        unbroken.wait_until_recorded()
        unbroken.stop(process)
    finally:
        unbroken.end()

    chance = random.Random(total)
    most = total // 8  # in the middle of the first part
    begun = recorded_so_far(lived_in)  # each process stops when it has recorded `most` more
    process = begin_past(lived_in, in_small_steps(most))
    seen = []
    for number in range(3):
        wanted = begun + chance.randint(1, most)
        wait_for(lambda wanted=wanted: recorded_so_far(lived_in) >= wanted, what="more")
        killed(process)
        seen.append(begun := recorded_so_far(lived_in))
        process = lived_in.start("listen", program=in_small_steps(0 if number == 2 else most))
    lived_in.wait_until_recorded()
    lived_in.stop(process)
    tell(total=total, recorded_at_each_kill=seen)
    assert any(each % (total // PARTS) for each in seen), "none was killed in the middle of a part"
    assert len(past_of(lived_in)["messages"]) == total
    assert past_of(lived_in) == past_of(unbroken)
