"""The loopback transport: the contract of all transports, and its own behaviour."""

from __future__ import annotations

import threading
import time

import pytest
from conftest import REEM, REEM_JID, wait_for
from transport_contract import Ear, OtherSide, TransportContract, connect, message_to

from wa.connection.context import system_now
from wa.whatsapp.events import ChatRead, MessageReceived, Named, ReceiptReceived
from wa.whatsapp.groups import GroupAction
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.signals import Banned, Disconnected, LoggedOut, Outdated, Replaced
from wa.whatsapp.transport import (
    ConnectFailed,
    Evidence,
    NotConnected,
    NotOnWhatsApp,
    Refused,
    SendError,
)

LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"


class LoopbackSide(OtherSide):
    """The stand-in's database, played by hand."""

    friend = friend_number = REEM_JID
    group = GROUP

    def __init__(self, home):
        self._home = home
        self.server = Loopback(home)

    def _play(self, **line):
        return self.server.say([{"from": REEM_JID, **line}], system_now())

    def say(self, text, **details):
        return self._play(text=text, **details)[0]

    def say_in_group(self, text):
        return self._play(text=text, group=GROUP)[0]

    def say_elsewhere(self, text):
        return self._play(**{"from": ACCOUNT.jid, "to": REEM_JID, "text": text})[0]

    def edit(self, message_id, text):
        self._play(edit=message_id, text=text)

    def delete(self, message_id):
        self._play(delete=message_id)

    def react(self, message_id, emoji):
        self._play(react=message_id, text=emoji)

    def read(self, message_id):
        self._play(receipt=message_id, text="read")

    def read_elsewhere(self):
        self._put("chat-read", ChatRead(REEM_JID))

    def name(self, name):
        self._put("name", Named(REEM_JID, name))

    def _put(self, kind, event):
        """Queue an event that `say` has no form for."""
        with self.server._write():
            self.server._put(kind, event)

    def map(self):
        self._play(**{"from": LID, "phone": REEM, "text": "Hello"})
        return LID, REEM_JID

    def delivered(self):
        return [(row["content"], row["message_id"]) for row in self.server.delivered()]

    def shows(self, message_id):
        text = next(row["content"] for row in self.server.delivered() if row["message_id"] == message_id)
        seen = {"edit": text, "react": "", "delete": None}
        seen |= {row["kind"]: row["content"] for row in self.server.changes() if row["about"] == message_id}
        return seen["edit"], seen["react"], seen["delete"] is not None

    def marked_read(self):
        rows = self.server._db.execute("SELECT message_id FROM read_marks")
        return {message_id for (message_id,) in rows}

    def cut(self):
        self.server.set_fault("offline", "on")

    def lose_acks(self):
        self.server.set_fault("ack-timeout", "0.05")
        self.server.set_fault("ack-lost", "on")

    def refuse(self, status):
        self.server.set_fault("refuse", str(status))

    def refuse_changes(self, status):
        self.refuse(status)

    def lose_answers(self):
        self.lose_acks()

    def forget(self, jid):
        self.server.set_fault("not-on-whatsapp", jid)

    def log_out(self):
        self.server.set_fault("logged-out", "on")

    def ban(self, seconds):
        self.server.set_fault("banned", str(seconds))

    def mend(self):
        self.server.reset()

    def second(self):
        return LoopbackTransport(self._home, system_now)

    def waiting(self):
        """Return how many events the server still holds for us."""
        return self.server._value("SELECT count(*) FROM incoming")


@pytest.fixture
def other(home):
    home.prepare()
    side = LoopbackSide(home)
    yield side
    side.server.close()


@pytest.fixture
def transport(home, other):
    return LoopbackTransport(home, system_now)


class TestContract(TransportContract):
    """The contract of all transports."""


@pytest.fixture
def open_transport(transport):
    """The transport, disconnected at the end."""
    yield transport
    transport.disconnect()


# ── Taken off the queue before, or after ──────────────────────────────────────────────────────────


def test_a_message_is_off_the_queue_before_the_handler_has_it(open_transport, other):
    other.say("Hello")
    left = []
    ear = Ear()
    ear.on_event = lambda kind, payload: left.append(other.waiting())
    connect(open_transport, ear)
    assert left == [0]


def test_a_receipt_is_on_the_queue_until_the_handler_has_returned(open_transport, other):
    other.read("3EB001")
    left = []
    ear = Ear()
    ear.on_event = lambda kind, payload: left.append(other.waiting())
    connect(open_transport, ear)
    assert left == [1]
    wait_for(lambda: other.waiting() == 0)


@pytest.mark.parametrize(("play", "comes_again"), [("say", False), ("read", True)])
def test_after_a_failed_handler_a_receipt_comes_again_and_a_message_does_not(
    open_transport, other, play, comes_again
):
    getattr(other, play)("3EB001")
    ear = Ear()

    def fail(kind, payload):
        raise OSError("the disk is full")

    ear.on_event = fail
    open_transport.connect(ear.handlers())
    wait_for(lambda: ear.events)
    open_transport.disconnect()
    assert bool(connect(open_transport).events) is comes_again


# This program connects, and is killed inside the handler.
DIES_IN_HANDLER = """
import os, signal, time
from pathlib import Path
from wa.connection.context import system_now
from wa.store.paths import Home
from wa.whatsapp.groups import GroupAction
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.transport import Handlers

def die(kind, payload):
    os.kill(os.getpid(), signal.SIGKILL)

transport = LoopbackTransport(Home(Path(os.environ["WA_HOME"])), system_now)
transport.connect(Handlers(die, lambda signal: None, lambda message_id, jid: None))
while True:
    time.sleep(1)
"""


@pytest.mark.parametrize(("play", "comes_again"), [("say", False), ("read", True)])
def test_a_kill_in_the_handler_loses_a_message_and_no_receipt(
    open_transport, other, spawn, python, play, comes_again
):
    getattr(other, play)("3EB001")
    result = spawn(program=[python, "-c", DIES_IN_HANDLER]).finish()
    assert result.code == -9, result.err
    assert bool(connect(open_transport).events) is comes_again


@pytest.fixture
def python():
    """The interpreter that runs the tests."""
    import sys

    return sys.executable


# ── Faults ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "value", "signal"),
    [
        ("offline", "on", Disconnected),
        ("logged-out", "on", LoggedOut),
        ("outdated", "on", Outdated),
        ("banned", "60", Banned),
    ],
)
def test_a_fault_set_by_another_process_ends_the_connection(open_transport, shell, fault, value, signal):
    ear = connect(open_transport)
    assert shell("loopback", "fault", fault, value).code == 0
    ear.wait(signal)
    with pytest.raises(NotConnected):
        open_transport.send(message_to(REEM_JID))


@pytest.mark.parametrize(
    ("fault", "value", "signal"),
    [("logged-out", "on", LoggedOut), ("outdated", "on", Outdated), ("banned", "60", Banned)],
)
def test_a_connection_made_under_such_a_fault_gets_its_signal(open_transport, other, fault, value, signal):
    other.server.set_fault(fault, value)
    ear = Ear()
    open_transport.connect(ear.handlers())
    assert [type(each) for each in ear.signals] == [signal]
    with pytest.raises(NotConnected):
        open_transport.send(message_to(REEM_JID))


def test_no_event_is_handed_over_while_offline(open_transport, other):
    other.say("Hello")
    other.cut()
    with pytest.raises(ConnectFailed):
        open_transport.connect(Ear().handlers())
    assert other.waiting() == 1


def test_send_fails_at_once_when_another_process_has_cut_the_connection(open_transport, shell):
    ear = connect(open_transport)
    shell("loopback", "fault", "offline", "on")
    with pytest.raises(NotConnected):
        open_transport.send(message_to(REEM_JID))
    assert ear.marks == []


def test_a_refusal_set_by_another_process_applies_to_the_next_message(open_transport, shell, other):
    connect(open_transport)
    shell("loopback", "fault", "refuse", "463")
    with pytest.raises(Refused):
        open_transport.send(message_to(REEM_JID))
    shell("loopback", "reset")
    open_transport.send(message_to(REEM_JID))
    assert len(other.delivered()) == 1


def test_ack_delay_holds_back_the_acknowledgement_alone(open_transport, other):
    connect(open_transport)
    other.server.set_fault("ack-delay", "0.4")
    sent = []
    thread = threading.Thread(target=lambda: sent.append(open_transport.send(message_to(REEM_JID))))
    began = time.monotonic()
    thread.start()
    wait_for(other.delivered)
    assert sent == [] or time.monotonic() - began >= 0.4
    thread.join()
    assert time.monotonic() - began >= 0.4
    assert other.delivered() == [("Hello", sent[0].message_id)]


def test_a_late_acknowledgement_delays_no_event(open_transport, other):
    ear = connect(open_transport)
    other.server.set_fault("ack-delay", "60")
    failed = []

    def send():
        try:
            open_transport.send(message_to(REEM_JID))
        except SendError as error:
            failed.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    wait_for(other.delivered)
    other.say("meanwhile")
    wait_for(lambda: ear.texts(open_transport) == ["meanwhile"])
    open_transport.disconnect()
    thread.join(30)
    assert not thread.is_alive(), "disconnect ends the wait for an acknowledgement"
    assert type(failed[0]) is SendError


def test_send_waits_for_a_lost_acknowledgement_until_ack_timeout(open_transport, other):
    connect(open_transport)
    other.server.set_fault("ack-lost", "on")
    other.server.set_fault("ack-timeout", "0.3")
    began = time.monotonic()
    with pytest.raises(SendError, match="timed out"):
        open_transport.send(message_to(REEM_JID))
    assert 0.3 <= time.monotonic() - began < 10


def test_without_receipts_a_message_is_delivered(open_transport, other):
    ear = connect(open_transport)
    other.server.set_fault("receipts", "off")
    open_transport.send(message_to(REEM_JID, "no receipt"))
    other.server.set_fault("receipts", "on")
    sent = open_transport.send(message_to(REEM_JID, "receipt"))
    wait_for(lambda: ear.events)
    receipts = ear.decoded(open_transport)
    assert all(isinstance(each, ReceiptReceived) for each in receipts)
    assert [each.message_ids for each in receipts] == [(sent.message_id,)]
    assert len(other.delivered()) == 2


def test_not_on_whatsapp_applies_to_one_address(open_transport, other):
    connect(open_transport)
    other.forget("12025550199@s.whatsapp.net")
    open_transport.send(message_to(REEM_JID))
    assert len(other.delivered()) == 1


# ── Evidence ──────────────────────────────────────────────────────────────────────────────────────


def test_evidence_of_a_refused_message_says_not_sent(open_transport, other):
    ear = connect(open_transport)
    other.refuse(503)
    message = message_to(REEM_JID)
    with pytest.raises(Refused):
        open_transport.send(message)
    marked = [message_id for message_id, _ in ear.marks]
    assert len(marked) == 1
    assert open_transport.evidence(message.secret, marked) == Evidence(sent=False)


def test_evidence_of_an_accepted_message_is_no_proof(open_transport, other):
    """As with WhatsApp itself: a frame that was written need not have arrived."""
    ear = connect(open_transport)
    message = message_to(REEM_JID)
    sent = open_transport.send(message)
    found = open_transport.evidence(message.secret, [ear.marks[0][0]])
    assert found == Evidence(sent=None, message_id=sent.message_id)


def test_an_event_is_never_handed_to_two_connections(other, monkeypatch):
    """The first connection has seen the event and not yet taken it when the second one comes."""
    other.say("Hello")
    seen, go_on = threading.Event(), threading.Event()
    look = Loopback.incoming

    def look_and_wait(server, after):
        found = look(server, after)
        if found and not seen.is_set():
            seen.set()
            go_on.wait(30)
        return found

    monkeypatch.setattr(Loopback, "incoming", look_and_wait)
    first, second = other.second(), other.second()
    early, late = Ear(), Ear()
    first.connect(early.handlers())
    assert seen.wait(30)
    connect(second, late)
    go_on.set()
    early.wait(Replaced)
    first.disconnect()
    second.disconnect()
    assert early.texts(first) + late.texts(second) == ["Hello"]


def test_waiting_events_come_to_the_next_connection_once(home, other):
    """Two connections one after the other, the first of them cut while it is being served."""
    said = [f"message {number}" for number in range(200)]
    for text in said:
        other.say(text)
    first, second = other.second(), other.second()
    early, late = Ear(), Ear()
    first.connect(early.handlers())
    wait_for(lambda: early.events)
    connect(second, late)
    first.disconnect()
    second.disconnect()
    texts = early.texts(first) + late.texts(second)
    assert sorted(texts) == sorted(said)
    assert all(isinstance(each, MessageReceived) for each in late.decoded(second))


def test_a_group_that_we_have_left_takes_no_message(open_transport, other):
    connect(open_transport)
    other.say_in_group("to all")
    open_transport.send(message_to(GROUP, "Hello"))
    open_transport.manage_group(GroupAction("leave", GROUP))
    with pytest.raises(NotOnWhatsApp):
        open_transport.send(message_to(GROUP, "Goodbye"))
    other.say_in_group("You are back")
    open_transport.send(message_to(GROUP, "Hello again"))
    assert [text for text, _ in other.delivered()] == ["Hello", "Hello again"]
