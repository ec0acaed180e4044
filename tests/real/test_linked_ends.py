"""Failures of the connection to WhatsApp and refusals by WhatsApp, as a user meets them."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest
from conftest import wait_for
from linked import Device, past
from relay.control import FAULTS

pytest_plugins = ["linked_fixture"]
ACK_SECONDS = 75
"""The seconds for which the library waits for an acknowledgement."""


@pytest.fixture(autouse=True)
def no_fault_is_left(reem):
    """Clear the faults of a test when it ends."""
    yield
    reem.fault(**dict.fromkeys(FAULTS))


@pytest.fixture
def sara(town, old_friend):
    """A person whose account only one test uses."""
    return town.person("Sara", history=past(old_friend))


@pytest.fixture
def own(town, sara, memory_path):
    """A home linked to the account of Sara, for tests that cannot be undone."""
    made = Device(town, memory_path / "home")
    made.link(sara)
    yield made
    made.end()


def seldom(*cases):
    """Return parameters that run only in `make soak`, because they resemble others."""
    return [pytest.param(case, marks=pytest.mark.soak) for case in cases]


def sent_texts(person, text):
    """Return how often a person's phone received that text."""
    return person.texts().count(text)


@pytest.fixture
def alone(device):
    """A device whose connection no process holds, before and after the test; no row is left pending."""
    device.alone()
    yield device
    device.end()
    for row in device.json("schedule", "list", "--status", "pending"):
        device.ok("schedule", "cancel", row["id"])


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("listen", signal.SIGTERM, 0),
        pytest.param("listen", signal.SIGINT, 130, marks=pytest.mark.soak),
        ("run-scheduler", signal.SIGTERM, 0),
        ("groups", signal.SIGINT, 130),
    ],
)
def test_a_command_that_waits_for_a_silent_server_ends_on_a_signal(alone, silence, command, number, code):
    waiting = alone.start(command, **silence.settings)
    silence.wait_for_a_knock()
    assert waiting.stop(number).code == code
    assert not alone.is_held


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_message_is_withdrawn_when_its_sender_is_interrupted(alone, silence, reem, number):
    before = len(reem.inbox())
    waiting = alone.start("send", "me", f"unsaid {number}", **silence.settings)
    silence.wait_for_a_knock()
    done = waiting.stop(number)
    assert done.code == 130
    assert "cancelled" in done.err
    assert alone.queue(f"unsaid {number}")["status"] == "cancelled"
    assert reem.texts(before) == []


def test_a_silent_server_does_not_delay_the_end_of_the_wait(alone, silence):
    done = alone.start("send", "me", "unheard", "--wait", "2", "--json", **silence.settings).finish(30)
    assert (done.code, done.error["code"]) == (6, "still-queued")
    assert alone.queue("unheard")["status"] == "pending"
    alone.ok("schedule", "cancel", alone.queue("unheard")["id"])


def test_without_its_mark_no_message_leaves_and_the_exit_code_says_that_it_stays(alone, adam):
    def store(sql):
        with closing(sqlite3.connect(alone.home.store, timeout=30)) as db:
            db.execute(sql)

    store("CREATE TRIGGER no_marks BEFORE INSERT ON wire BEGIN SELECT RAISE(ABORT, 'no marks'); END")
    try:
        done = alone.run("send", adam.number, "unmarked", "--json")
        assert (done.code, done.error["code"]) == (6, "still-queued"), "the next owner sends it"
        listener = alone.start("listen", "--json").finish()
        assert (listener.code, listener.error["code"]) == (7, "storage-error")
        assert adam.texts() == []
    finally:
        store("DROP TRIGGER no_marks")
    listener = alone.listen()
    listener.wait(lambda: alone.queue("unmarked")["status"] == "sent", "the message")
    assert listener.stop().code == 0
    assert adam.texts() == ["unmarked"]


def test_a_message_queued_while_the_server_is_unreachable_is_sent_later(alone, nowhere, reem):
    before = len(reem.inbox())
    done = alone.run("send", "me", "later", "--wait", "2", "--json", **nowhere)
    assert (done.code, done.error["code"]) == (6, "still-queued")
    assert alone.queue("later")["status"] == "pending"
    listener = alone.listen()
    listener.wait(lambda: alone.queue("later")["status"] == "sent", "the message")
    assert reem.texts(before) == ["later"]


@pytest.mark.parametrize("code", [479, *seldom(400, 463)])
def test_a_message_that_whatsapp_refuses_fails(device, adam, reem, code):
    device.listening()
    reem.fault(ack_error={"code": code, "count": 1})
    done = device.run("send", adam.number, f"refused {code}", "--json")
    assert (done.code, done.out, done.error["code"]) == (5, "", "send-failed")
    assert str(code) in done.error["message"]
    assert device.queue(f"refused {code}")["status"] == "failed"
    device.ok("send", adam.number, "and on it goes")
    assert adam.texts() == ["and on it goes"]


def test_after_an_error_of_the_server_the_outcome_is_unknown(device, adam, reem):
    device.listening()
    reem.fault(ack_error={"code": 503, "count": 1})
    done = device.run("send", adam.number, "perhaps", "--json")
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    row = device.queue("perhaps")
    assert row["status"] == "unknown"
    assert device.json("status")["queue"]["unknown"] == 1
    assert device.json("schedule", "resolve", row["id"], "failed")["status"] == "failed"
    assert adam.texts() == []


def test_a_late_acknowledgement_is_waited_for(device, adam, reem):
    device.listening()
    reem.fault(ack_delay={"seconds": 2, "count": 1})
    assert device.json("send", adam.number, "slowly")["status"] == "sent"
    assert adam.texts() == ["slowly"]


@pytest.mark.parametrize("route", [True, False], ids=["after it was passed on", "before it was passed on"])
def test_a_connection_cut_once_before_the_acknowledgement_sends_the_message_once(device, adam, reem, route):
    device.listening()
    reem.fault(drop_on_send={"route": route, "count": 1})
    assert device.json("send", adam.number, f"cut {route}")["status"] == "sent"
    assert adam.texts() == [f"cut {route}"]


@pytest.mark.parametrize("route", [True, False], ids=["after it was passed on", "before it was passed on"])
def test_a_connection_cut_twice_before_the_acknowledgement_never_sends_twice(device, adam, reem, route):
    """The library sends again once. Then a receipt proves that it was sent, or the outcome is unknown."""
    device.listening()
    reem.fault(drop_on_send={"route": route, "count": 2})
    done = device.run("send", adam.number, f"twice {route}", "--json")
    if route:
        wait_for(lambda: device.queue("twice True")["status"] == "sent")
        assert done.code in (0, 6)
    else:
        assert (done.code, done.error["code"]) == (6, "unknown-outcome")
        assert device.queue("twice False")["status"] == "unknown"
    device.ok("send", adam.number, "afterwards")
    assert adam.texts() == ([f"twice {route}"] if route else []) + ["afterwards"]


# ── Reconnecting ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("goodbye", [0, 503, *seldom(515, 516)])
def test_a_listener_survives_the_loss_of_its_connection(device, adam, reem, goodbye):
    listener = device.listening()
    reem.drop(goodbye)
    came = adam.send(reem, f"after {goodbye}")
    listener.event(lambda event: event["message_id"] == came)
    assert device.json("send", adam.number, "and back")["status"] == "sent"
    assert adam.texts() == ["and back"]


@pytest.mark.parametrize("reason", [503, 400, *seldom(500, 409)])
def test_a_listener_survives_a_login_that_fails(device, adam, reem, reason):
    listener = device.listening()
    reem.fault(refuse_login={"reason": reason, "count": 1})
    reem.drop()
    came = adam.send(reem, f"after {reason}")
    listener.event(lambda event: event["message_id"] == came)
    assert device.json("send", adam.number, "and back")["status"] == "sent"
    assert adam.texts() == ["and back"]


@pytest.mark.parametrize("reason", [503, *seldom(400)])
def test_a_first_login_that_fails_is_tried_again(alone, adam, reem, reason):
    reem.fault(refuse_login={"reason": reason, "count": 1})
    assert alone.json("send", adam.number, "patience")["status"] == "sent"
    assert adam.texts() == ["patience"]


def test_a_login_that_is_always_refused_keeps_messages_queued(alone, adam, reem):
    reem.fault(refuse_login={"reason": 400})
    listener = alone.start("listen", "--json")
    listener.says("not connected")
    assert "refused" in listener.err
    done = alone.run("send", adam.number, "in vain", "--wait", "1", "--json")
    assert (done.code, done.error["code"]) == (6, "still-queued")
    assert alone.queue("in vain")["status"] == "pending"
    reem.fault(refuse_login=None)
    assert alone.json("send", adam.number, "at last")["status"] == "sent"
    listener.wait(lambda: alone.queue("in vain")["status"] == "sent", "the message")
    assert listener.stop().code == 0
    assert sorted(adam.texts()) == ["at last", "in vain"]


# ── Refusals by WhatsApp ──────────────────────────────────────────────────────────────────────────


def test_after_429_sending_is_braked(own, adam, sara):
    listener = own.listen()
    sara.fault(ack_error={"code": 429, "count": 1})
    own.json("schedule", "add", adam.number, "for later", "--at", "in 1 second")
    listener.wait(lambda: own.queue("for later")["attempts"] == 1, "an attempt")
    listener.wait(lambda: own.queue("for later")["status"] == "pending", "the end of it")
    assert "429" in own.queue("for later")["note"]
    done = own.run("send", adam.number, "impatient", "--json")
    assert (done.code, done.error["code"]) == (5, "rate-limit-exceeded")
    assert own.queue("impatient")["status"] == "failed"
    assert own.queue("for later")["attempts"] == 1
    assert own.json("status")["queue"]["pending"] == 1
    assert adam.texts() == []


@pytest.mark.soak
def test_after_429_a_send_fails_at_once(own, adam, sara):
    sara.fault(ack_error={"code": 429, "count": 1})
    done = own.run("send", adam.number, "too much", "--json")
    assert (done.code, done.error["code"]) == (5, "rate-limit-exceeded")
    assert (own.queue("too much")["status"], adam.texts()) == ("failed", [])


def test_a_device_that_is_logged_out_says_so_and_is_linked_again(own, adam, sara, old_friend):
    listener = own.listen("--no-send")
    own.json("schedule", "add", adam.number, "when I am back", "--at", "in 1 second", note="will not send it")
    sara.unlink()
    done = listener.finish()
    assert (done.code, done.error["code"]) == (3, "not-authorized")
    assert "wa link" in done.error["hint"]
    assert not own.is_held
    assert own.json("status")["account"] is None
    done = own.run("send", adam.number, "no way", "--json")
    assert (done.code, done.error["code"]) == (3, "not-authorized")
    assert own.run("listen").code == 3
    assert own.chat(old_friend)
    own.link(sara)
    listener = own.listen()
    listener.wait(lambda: own.queue("when I am back")["status"] == "sent", "the message")
    assert adam.texts() == ["when I am back"]


@pytest.mark.parametrize("reason", [401, *seldom(403, 406)])
def test_a_login_refused_as_logged_out_is_not_authorized(own, adam, sara, old_friend, reason):
    sara.fault(refuse_login={"reason": reason, "count": 1})
    done = own.run("send", adam.number, "too late", "--json")
    assert (done.code, done.out, done.error["code"]) == (3, "", "not-authorized")
    assert "wa link" in done.error["hint"]
    row = own.queue("too late")
    assert (row["status"], row["error_code"]) == ("failed", "not-authorized")
    assert own.json("status")["account"] is None
    assert own.run("run-scheduler").code == 3
    assert own.chat(old_friend)
    assert adam.texts() == []


def test_a_listener_that_is_replaced_ends_and_its_account_stays(alone, adam, reem):
    listener = alone.listen()
    reem.replaced()
    done = listener.finish()
    assert (done.code, done.error["code"]) == (3, "replaced")
    assert not alone.is_held
    assert alone.json("status")["account"] is not None
    assert alone.json("send", adam.number, "mine again")["status"] == "sent"
    assert adam.texts() == ["mine again"]


@pytest.mark.soak
def test_a_ban_is_remembered(own, adam, sara):
    nobody = "nothing is running that will send it"
    own.json("schedule", "add", adam.number, "patiently", "--at", "in 1 second", note=nobody)
    sara.fault(refuse_login={"reason": 402, "code": 101, "expire": 3600, "count": 1})
    done = own.run("listen", "--json")
    assert (done.code, done.error["code"]) == (5, "temporary-ban")
    assert "until" in done.error["message"]
    assert not own.is_held
    # The server would let us in now: a command that connected before the end of the ban would succeed.
    for command in (["listen"], ["send", adam.number, "impatiently"]):
        done = own.run(*command, "--json")
        assert (done.code, done.error["code"]) == (5, "temporary-ban"), command
    assert own.run("run-scheduler").code == 5
    wait_for(lambda: own.run("run-scheduler", "--once").code == 5)  # it ends with 0 if no row is due
    assert own.queue("patiently")["status"] == "pending"
    assert own.queue("impatiently")["status"] == "failed"
    assert adam.texts() == []


def test_an_outdated_client_is_client_outdated(alone, adam, reem):
    reem.fault(refuse_login={"reason": 405})
    done = alone.run("listen", "--json")
    assert (done.code, done.error["code"]) == (7, "client-outdated")
    done = alone.run("send", adam.number, "outdated", "--json")
    assert (done.code, done.error["code"]) == (7, "client-outdated")
    assert alone.queue("outdated")["status"] == "failed"
    assert adam.texts() == []
    reem.fault(refuse_login=None)
    assert alone.json("send", adam.number, "upgraded")["status"] == "sent"


def test_a_send_takes_over_when_the_listener_ends(alone, adam, reem):
    """The owner ends while it sends: the waiting `send` takes over."""
    listener = alone.listen()
    reem.fault(ack_delay={"seconds": 1.5, "count": 1})
    sender = alone.start("send", adam.number, "handed over", "--json")
    sender.wait(lambda: adam.texts() == ["handed over"], "the message")
    reem.replaced()
    assert listener.finish().code == 3
    done = sender.finish()
    assert done.code in (0, 6), done
    wait_for(lambda: alone.queue("handed over")["status"] in ("sent", "unknown"))
    assert adam.texts() == ["handed over"]


# ── A server that stops answering ─────────────────────────────────────────────────────────────────


@pytest.mark.soak
@pytest.mark.parametrize(("receipts", "code", "status"), [(["delivered"], 0, "sent"), ([], 6, "unknown")])
def test_without_an_acknowledgement_a_receipt_decides_the_outcome(
    device, newcomer, reem, receipts, code, status
):
    adam = newcomer("Adam", receipts=receipts)
    device.listening()
    reem.fault(never_ack={"count": 1})
    done = device.start("send", adam.number, f"no word {status}", "--json").finish(ACK_SECONDS + 30)
    assert done.code == code
    assert device.queue(f"no word {status}")["status"] == status
    assert adam.texts() == [f"no word {status}"]


@pytest.mark.soak
def test_a_dead_connection_is_noticed_and_replaced(alone, adam, reem):
    listener = alone.listen()
    reem.stall()
    listener.says("not connected", 90)
    came = adam.send(reem, "are you there?")
    listener.event(lambda event: event["message_id"] == came, 60)
    assert alone.json("send", adam.number, "yes")["status"] == "sent"
    assert adam.texts() == ["yes"]
    assert listener.stop().code == 0


@pytest.mark.soak
def test_a_message_into_a_dead_connection_is_sent_once_or_unknown(alone, adam, reem):
    listener = alone.listen()
    reem.stall()
    done = alone.start("send", adam.number, "into the void", "--wait", "120", "--json").finish(150)
    status = alone.queue("into the void")["status"]
    assert (done.code, status) in ((0, "sent"), (6, "unknown")), done
    assert sent_texts(adam, "into the void") == (1 if status == "sent" else 0)
    assert listener.stop().code == 0


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_listener_with_a_dead_connection_ends_on_a_signal(alone, reem, number):
    listener = alone.listen()
    reem.stall()
    assert listener.stop(number).code == (0 if number == signal.SIGTERM else 130)
