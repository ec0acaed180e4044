"""Older messages that the phone is asked for: it answers, is silent or late, or the command ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import WA, wait_for
from fork_server import Forked
from impatient import impatient_with_phone
from linked import DAY, past

pytest_plugins = ["linked_fixture"]
SOON, LONG = 0.5, 3
"""Seconds after which a slow phone answers, and for which a command waits for a phone that does answer."""


def fetch(device, chat, *args, phone=None):
    """Start `wa history fetch`, which waits `phone` seconds for each answer, or as long as it does."""
    program = None if phone is None else impatient_with_phone(phone)
    return device.start("history", "fetch", chat, *args, program=program)


def stored(device, sql, *params):
    """Return the rows of a query on the store."""
    with closing(sqlite3.connect(device.home.store)) as db:
        return db.execute(sql, params).fetchall()


def checkpoint(device, chat):
    """Return the status of a chat's checkpoint, and the number of messages here."""
    count = "SELECT count(*) FROM messages WHERE chat_jid = c.chat_jid"
    sql = f"SELECT status, ({count}) FROM sync_checkpoints c WHERE chat_jid = ?"
    return next(iter(stored(device, sql, chat)), None)


def asked(device, chat):
    """Return the requests for older messages of a chat, oldest first."""
    rows = stored(device, "SELECT args FROM requests WHERE kind = 'fetch-history' ORDER BY id")
    found = [json.loads(args) for (args,) in rows]
    return [each for each in found if each["chat_jid"] == chat]


@pytest.fixture
def begin(device, friend, reem):
    """Start `wa history fetch` with a friend; return it once the phone was asked."""

    def start(*args):
        before = len(requests_of(reem))
        command = fetch(device, friend.number, *args)
        wait_for(lambda: len(requests_of(reem)) > before, what="the request")
        return command

    return start


def requests_of(person):
    """Return the requests that a person's phone got from the linked devices."""
    return [each for each in person.inbox() if "peerDataOperation" in json.dumps(each)]


@pytest.fixture
def friend(device, listener, newcomer, reem):
    """A person with one message here and 130 older ones on the phone; the phone answers at once."""
    person = newcomer("Friend")
    message_id = person.send(reem, "Hello")
    assert listener.event(lambda event: event["message_id"] == message_id)
    reem.set(history=past(person, 130, age=DAY))
    yield person
    reem.fault(no_answer=None, answer_delay=None, damaged_history=None)


def test_the_phone_answers_part_by_part_beside_a_listener_and_alone(device, friend):
    done = fetch(device, friend.number, "--max", "70", "--json").finish()
    assert (done.code, done.err) == (0, "")
    row = done.json
    assert (row["chat_jid"], row["received"], row["added"]) == (friend.pn, 70, 70)
    assert (row["complete"], row["status"]) == (False, "completed")
    assert [(each["max_messages"], each["resume"]) for each in asked(device, friend.pn)] == [
        (70, False),
        (20, False),
    ]
    assert all(each["requested_by"].startswith("wa history fetch") for each in asked(device, friend.pn))
    assert device.chat(friend)[-1]["status"] == "received"  # what is older is not unread, and reads nothing
    device.alone()
    done = fetch(device, friend.number, "--max", "500").finish()
    assert done.err == "asking the phone; whether phones answer this is unknown\n"
    assert done.out == "Friend: 60 older messages, 60 of them new; the phone has no more\n"
    assert checkpoint(device, friend.pn) == ("completed", 131)
    out = fetch(device, friend.number).finish().out
    assert out == "Friend: the phone has no older messages\n"
    assert checkpoint(device, friend.pn) == ("completed", 131)
    texts = [row["content"] for row in device.chat(friend) if row["content"] != "Hello"]
    assert len(set(texts)) == len(texts) == 49


def test_a_phone_that_falls_silent_interrupts_and_the_same_command_goes_on(device, friend, reem):
    reem.fault(no_answer={"skip": 1, "count": 1})
    done = fetch(device, friend.number, "--max", "100", "--json", phone=LONG).finish()
    assert (done.code, done.error["code"], done.out) == (7, "network-error", "")
    assert f"has not answered within {LONG} seconds" in done.error["message"]
    assert "50 older messages came before that" in done.error["message"]
    assert checkpoint(device, friend.pn) == ("interrupted", 51)
    assert fetch(device, friend.number, "--json").finish().json["received"] == 50
    assert [each["resume"] for each in asked(device, friend.pn)] == [False, False, True]


def test_a_late_answer_is_recorded_and_the_next_command_goes_on_behind_it(device, friend, reem):
    reem.fault(answer_delay={"seconds": LONG, "count": 1})
    assert fetch(device, friend.number, phone=SOON).finish().code == 7
    wait_for(lambda: checkpoint(device, friend.pn) == ("interrupted", 51), what="the late answer")
    assert fetch(device, friend.number, "--json").finish().json["added"] == 50
    assert checkpoint(device, friend.pn) == ("completed", 101)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_signal_cancels_and_the_same_command_resumes(device, begin, friend, reem, number):
    reem.fault(no_answer={"count": 1})
    done = begin().stop(number)
    assert (done.code, done.out) == (130 if number == signal.SIGINT else 0, "")
    assert checkpoint(device, friend.pn) == ("cancelled", 1)
    assert fetch(device, friend.number, "--json").finish().json["received"] == 50
    assert [each["resume"] for each in asked(device, friend.pn)] == [False, True]


def test_a_terminal_shows_how_far_it_is(device, friend, reem):
    reem.fault(answer_delay={"seconds": SOON})
    ours, theirs = pty.openpty()
    words = [WA, "history", "fetch", friend.number, "--max", "70"]
    settings = device.environment(TERM="xterm", COLUMNS="90")
    command = Forked(words, stdin=theirs, stdout=theirs, stderr=theirs, env=settings, cwd=Path.cwd())
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the last process that had the terminal has ended
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert command.wait(30) == 0
    assert "50/70" in shown.decode()


def test_a_killed_command_leaves_nothing_in_the_way(device, begin, friend, reem):
    reem.fault(answer_delay={"seconds": SOON, "count": 1})
    begin().kill()
    wait_for(lambda: checkpoint(device, friend.pn)[1] == 51, what="the answer to nobody")
    assert fetch(device, friend.number, "--json").finish().json["added"] == 50
    assert checkpoint(device, friend.pn) == ("completed", 101)


def test_the_command_takes_over_from_a_listener_that_is_killed(device, friend, reem):
    reem.fault(answer_delay={"seconds": 3 * SOON, "count": 1})
    command = fetch(device, friend.number, "--json")
    wait_for(lambda: asked(device, friend.pn), what="the request")
    device._listener.kill()
    done = command.finish()
    assert (done.code, done.json["added"]) == (0, 50)
    assert checkpoint(device, friend.pn) == ("completed", 51)
    device.alone()


def test_a_damaged_answer_is_reported_and_asked_for_again(device, friend, reem):
    reem.fault(damaged_history={"how": "zlib", "kind": "ON_DEMAND", "count": 1})
    done = fetch(device, friend.number, "--json").finish()
    assert (done.code, done.error["code"]) == (8, "bad-data")
    assert checkpoint(device, friend.pn) == ("interrupted", 1)
    assert stored(device, "SELECT damaged_parts FROM sync_status") == [(0,)]
    assert fetch(device, friend.number, "--json").finish().json["added"] == 50
    assert checkpoint(device, friend.pn) == ("completed", 51)


def test_a_group_without_messages_and_what_cannot_be_asked_for(device, listener, newcomer, reem, town):
    adam = newcomer("Adam")
    group = town.group("Old times", adam, reem)
    wait_for(lambda: device.run("groups").out.count("Old times"), what="the group")
    at = int(time.time()) - DAY
    old = [
        {
            "chat": group,
            "id": f"G{number}",
            "from_me": False,
            "sender": adam.lid,
            "text": f"old {number}",
            "t": at,
        }
        for number in range(3)
    ]
    reem.set(history=old)
    done = fetch(device, group, "--json").finish()
    assert (done.code, done.json["received"], done.json["complete"]) == (0, 3, True)
    assert fetch(device, "447700900998").finish().code == 4
    assert fetch(device, "status@broadcast").finish().code in (2, 4)
    assert fetch(device, group, "--max", "0").finish().code == 2
    assert fetch(device, group, "--max", "10001").finish().code == 2
