"""What a user meets when the line to WhatsApp fails, or when WhatsApp wants no more of us."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = ["linked_fixture"]


@pytest.fixture
def alone(device):
    """Nobody holds the connection, and nobody does when the test is over; nor does anything wait."""
    device.alone()
    yield device
    device.end()
    for row in device.json("schedule", "list", "--status", "pending"):
        device.ok("schedule", "cancel", row["id"])


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("listen", signal.SIGTERM, 0),
        ("listen", signal.SIGINT, 130),
        ("run-scheduler", signal.SIGTERM, 0),
        ("groups", signal.SIGINT, 130),
    ],
)
def test_a_command_that_waits_for_a_silent_line_ends_when_asked_to(alone, silence, command, number, code):
    waiting = alone.start(command, **silence.settings)
    silence.wait_for_a_knock()
    assert waiting.stop(number, within=8).code == code
    assert not alone.is_held


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_message_is_withdrawn_when_its_sender_is_interrupted(alone, silence, reem, number):
    before = len(reem.inbox())
    waiting = alone.start("send", "me", f"unsaid {number}", **silence.settings)
    silence.wait_for_a_knock()
    done = waiting.stop(number, within=8)
    assert done.code == 130
    assert "withdrawn" in done.err
    assert alone.queue(f"unsaid {number}")["status"] == "cancelled"
    assert reem.texts(before) == []


def test_a_silent_line_does_not_outlast_the_wait(alone, silence):
    done = alone.start("send", "me", "unheard", "--wait", "2", "--json", **silence.settings).finish(12)
    assert (done.code, done.error["code"]) == (6, "still-queued")
    assert alone.queue("unheard")["status"] == "pending"
    alone.ok("schedule", "cancel", alone.queue("unheard")["id"])


def test_nobody_answers_at_the_start(alone, nowhere, reem):
    before = len(reem.inbox())
    done = alone.run("send", "me", "later", "--wait", "2", "--json", **nowhere)
    assert (done.code, done.error["code"]) == (6, "still-queued")
    assert alone.queue("later")["status"] == "pending"
    listener = alone.listen()
    listener.wait(lambda: alone.queue("later")["status"] == "sent", "the message")
    assert reem.texts(before) == ["later"]


@pytest.mark.parametrize("code", [400, 463, 479])
def test_whatsapp_refuses_a_message(device, adam, reem, code):
    device.listening()
    reem.fault(ack_error={"code": code, "count": 1})
    done = device.run("send", adam.number, f"refused {code}", "--json")
    assert (done.code, done.out, done.error["code"]) == (5, "", "send-failed")
    assert str(code) in done.error["message"]
    assert device.queue(f"refused {code}")["status"] == "failed"
    device.ok("send", adam.number, "and on it goes")
    assert adam.texts() == ["and on it goes"]


def test_an_error_of_the_server_leaves_it_open(device, adam, reem):
    device.listening()
    reem.fault(ack_error={"code": 503, "count": 1})
    done = device.run("send", adam.number, "perhaps", "--json")
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    row = device.queue("perhaps")
    assert row["status"] == "unknown"
    assert device.json("status")["queue"]["unknown"] == 1
    assert device.json("schedule", "resolve", row["id"], "failed")["status"] == "failed"
    assert adam.texts() == []


def test_an_acknowledgement_that_is_late(device, adam, reem):
    device.listening()
    reem.fault(ack_delay={"seconds": 2, "count": 1})
    assert device.json("send", adam.number, "slowly")["status"] == "sent"
    assert adam.texts() == ["slowly"]


@pytest.mark.parametrize("route", [True, False], ids=["after it was passed on", "before it was passed on"])
def test_the_line_is_cut_once_before_the_acknowledgement(device, adam, reem, route):
    device.listening()
    reem.fault(drop_on_send={"route": route, "count": 1})
    assert device.json("send", adam.number, f"cut {route}")["status"] == "sent"
    assert adam.texts() == [f"cut {route}"]
