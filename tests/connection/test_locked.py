"""A store that another program has locked, for however long: what arrives is kept, and recorded later."""

from __future__ import annotations

import signal
import sys
import time

import pytest
from conftest import REEM, delivered, is_connected, is_owned, wait_for
from impatient import impatient
from locking import let_pass, locked


@pytest.fixture
def listener(home, spawn):
    """Start a listener; return it once it is connected."""

    def start(program=None):
        process = spawn("listen", "--json", program=program)
        wait_for(lambda: is_connected(home) and home.spool.exists())
        return process

    return start


def stored(wa):
    """Return the texts of Reem's chat."""
    found = wa("read", REEM, "--json")
    return [] if found.code else [row["content"] for row in found.json]


def say(wa, *texts):
    """Let Reem say something."""
    for text in texts:
        assert wa("loopback", "say", REEM, text).code == 0


def waiting(wa):
    """Return how many events wait to be recorded."""
    return wa("status", "--json").json["spool"]


SOAK = [pytest.mark.soak, pytest.mark.timeout(300)]
TEXTS = ["during 1", "during 2", "during 3"]


def held(seconds):
    """Return a parameter: how long the store is locked, in seconds."""
    return pytest.param(seconds, marks=SOAK if seconds > 10 else [])


@pytest.mark.parametrize("seconds", [held(2.5), held(61)])
def test_what_arrives_while_the_store_is_locked_is_recorded_afterwards(home, wa, listener, seconds):
    process = listener()
    say(wa, "before")
    wait_for(lambda: stored(wa) == ["before"])
    with locked(home):
        say(wa, *TEXTS)
        wait_for(lambda: waiting(wa) == 3)
        let_pass(seconds, process.popen)
    wait_for(lambda: stored(wa) == ["before", *TEXTS])
    assert waiting(wa) == 0
    process.signal(signal.SIGTERM)
    ended = process.finish(10)
    assert ended.code == 0
    assert ended.out.count("during") == 3


def test_what_arrives_while_the_store_is_locked_outlives_a_kill(home, wa, listener):
    process = listener()
    with locked(home):
        say(wa, *TEXTS)
        wait_for(lambda: waiting(wa) == 3)
        process.kill()
    assert wa("listen", "--for", "1s").code == 0
    assert stored(wa) == TEXTS


def test_sigterm_under_a_lock_ends_within_five_seconds_and_loses_nothing(home, wa, listener):
    process = listener()
    with locked(home):
        say(wa, *TEXTS)
        wait_for(lambda: waiting(wa) == 3)
        begin = time.monotonic()
        process.signal(signal.SIGTERM)
        ended = process.finish(10)
        assert time.monotonic() - begin < 5
        assert ended.code == 0, ended.err
    assert wa("listen", "--for", "1s").code == 0
    assert stored(wa) == TEXTS


@pytest.mark.parametrize(
    "give_up", [2.0, pytest.param(None, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
def test_a_lock_that_is_never_given_back_ends_the_process(home, wa, listener, give_up):
    process = listener(impatient(give_up) if give_up else None)
    with locked(home):
        begin = time.monotonic()
        say(wa, *TEXTS)
        ended = process.finish(150)
        assert ended.code == 7
        assert ended.error["code"] == "in-use"
        assert time.monotonic() - begin > (give_up or 115)
        assert wa("status", "--json").json["owner"] is None
    assert wa("doctor").code == 7  # for the reason that the owner ended with, no fault of ours
    assert wa("listen", "--for", "1s").code == 0
    assert stored(wa) == TEXTS


LOCKED_AFTER_THE_CLAIM = """
import sqlite3, sys
from wa.cli import main
from wa.whatsapp.loopback.connection import LoopbackTransport

send = LoopbackTransport.send
other = sqlite3.connect(sys.argv.pop(1), isolation_level=None, check_same_thread=False)


def send_under_a_lock(self, message):
    other.execute("BEGIN IMMEDIATE")
    return send(self, message)


LoopbackTransport.send = send_under_a_lock
main.main()
"""
"""`wa`, but the store is locked for good between the claim of a row and its wire mark."""


def test_sigterm_while_a_mark_cannot_be_stored_ends_in_time_and_the_message_goes_out_once(home, wa, spawn):
    wa("schedule", "add", REEM, "due", "--at", "in 1 second")
    process = spawn("listen", program=[sys.executable, "-c", LOCKED_AFTER_THE_CLAIM, str(home.store)])
    wait_for(lambda: wa("schedule", "list", "--status", "sending", "--json").json)
    let_pass(1.5, process.popen)
    begin = time.monotonic()
    process.signal(signal.SIGTERM)
    ended = process.finish(10)
    assert time.monotonic() - begin < 5
    assert ended.code == 0, ended.err
    assert delivered(home) == []
    spawn("listen")
    wait_for(lambda: wa("schedule", "list", "--status", "sent", "--json").json)
    assert delivered(home) == ["due"]


def test_a_listener_that_starts_under_a_lock_waits_for_it(home, wa, spawn):
    say(wa, *TEXTS)
    wa("schedule", "add", REEM, "due", "--at", "in 1 second")
    with locked(home):
        process = spawn("listen", "--json")
        wait_for(lambda: is_owned(home))
        let_pass(1.5, process.popen)
    wait_for(lambda: stored(wa)[:3] == TEXTS)
    wait_for(lambda: delivered(home) == ["due"])


def test_a_row_that_is_due_under_a_lock_goes_out_once_afterwards(home, wa, listener):
    process = listener()
    wa("schedule", "add", REEM, "due", "--at", "in 1 second")
    with locked(home):
        let_pass(3, process.popen)
        assert delivered(home) == []
    wait_for(lambda: wa("schedule", "list", "--status", "sent", "--json").json)
    assert delivered(home) == ["due"]
    assert process.popen.poll() is None
