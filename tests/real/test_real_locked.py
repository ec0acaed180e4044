"""The real library, and a store that another program has locked: every message that arrives is kept."""

from __future__ import annotations

import time

import pytest
from conftest import wait_for
from locking import let_pass, locked

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

TEXTS = ["during 1", "during 2", "during 3"]
SOAK = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.fixture
def adam(lived_in):
    """Somebody who has written a message, which is recorded."""
    person = lived_in.relay.person("Adam", receipts=["delivered"])
    lived_in.link_quickly()
    return person


def listening(home):
    """Start a listener; return it once it is connected."""
    process = home.start("listen")
    wait_for(lambda: home.is_connected and "connected" in home.said(process), what="a connection")
    return process


def recorded(home):
    """Return the texts of all messages, in the order of recording."""
    return [text for (text,) in home.rows("SELECT content FROM messages ORDER BY id")]


@pytest.mark.parametrize("seconds", [2.5, pytest.param(61, marks=SOAK)])
@pytest.mark.parametrize("end", [pytest.param("none", marks=SOAK), "kill", pytest.param("stop", marks=SOAK)])
def test_messages_that_arrive_while_the_store_is_locked_are_recorded(lived_in, adam, seconds, end):
    process = listening(lived_in)
    adam.send(lived_in.us, "before")
    wait_for(lambda: recorded(lived_in) == ["before"], what="a message")
    with locked(lived_in.home):
        adam.send_many(lived_in.us, TEXTS)
        wait_for(lambda: not lived_in.waiting, what="an empty server")
        let_pass(seconds, process)
        if end == "kill":
            process.kill()
            process.wait()
        if end == "stop":
            lived_in.stop(process)
    if end != "none":
        process = lived_in.start("listen")
    lived_in.wait_until_recorded()
    assert recorded(lived_in) == ["before", *TEXTS]
    lived_in.stop(process)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_lock_that_is_never_given_back_ends_the_process_after_two_minutes(lived_in, adam):
    process = listening(lived_in)
    with locked(lived_in.home):
        begin = time.monotonic()
        adam.send_many(lived_in.us, TEXTS)
        assert process.wait(150) == 7, lived_in.said(process)
        assert 115 < time.monotonic() - begin < 140
        assert "locked" in lived_in.said(process)
    process = lived_in.start("listen")
    lived_in.wait_until_recorded()
    assert recorded(lived_in) == TEXTS
    lived_in.stop(process)
