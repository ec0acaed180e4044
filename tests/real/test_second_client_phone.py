"""What phones and the server say besides messages, as Baileys understands it: a second judge of the relay."""

from __future__ import annotations

import hashlib
import os
import time

import pytest
from baileys import NEWEST
from conftest import wait_for
from linked import past

pytest_plugins = ["baileys_fixture"]
pytestmark = pytest.mark.soak

LINKED_WITHIN = 10.0
"""Seconds in which a client is linked that does not wait in vain for a history, which takes it 20."""


@pytest.fixture(scope="module")
def client():
    """The version of Baileys, and the form of addresses."""
    return NEWEST, "lid"


@pytest.fixture(scope="module")
def nadia(town):
    """A person without a history."""
    return town.person("Nadia", receipts=["delivered"])


@pytest.fixture(scope="module")
def linked(nadia, start_baileys):
    """A Baileys client linked to Nadia's account, and the seconds that this took."""
    made = start_baileys("nadia")
    begin = time.monotonic()
    made.link(nadia)
    return made, time.monotonic() - begin


@pytest.fixture
def baileys(linked):
    """The Baileys client."""
    return linked[0]


def histories(baileys):
    """Return the parts of history that the client has processed."""
    return [event["data"] for event in baileys.events if event["event"] == "messaging-history.set"]


def test_a_client_of_an_account_without_history_does_not_wait_for_one(linked):
    assert linked[1] < LINKED_WITHIN
    (part,) = wait_for(lambda: histories(linked[0]), what="the empty history")
    assert part["messages"] == []


def test_a_history_comes_inside_the_notification_and_in_all_its_kinds(baileys, nadia, adam):
    old = past(adam, 3)
    chats = {adam.lid: {"unreadCount": 2, "archived": True, "pnJID": adam.pn}}
    for entry in old:
        entry["chat"] = adam.lid
    old[0] |= {"reactions": [{"text": "👍", "t": old[0]["t"], "by": adam.lid}], "status": "READ"}
    old[1] = {key: old[1][key] for key in ("chat", "id", "from_me", "t")} | {"stub": "CALL_MISSED_VOICE"}
    more = {"NON_BLOCKING_DATA": {}, "INITIAL_STATUS_V3": {}}
    count = len(histories(baileys))
    nadia.set(history=old, chats=chats, more_history=more, inline_history=True)
    nadia.share_history()
    wait_for(lambda: len(histories(baileys)) > count + 1, what="the parts of the history")
    part = next(each for each in histories(baileys)[count:] if each["chats"])
    (chat,) = part["chats"]
    assert (chat["id"], chat["unreadCount"], chat["archived"]) == (adam.lid, 2, True)
    assert {each["id"]: each.get("phoneNumber") for each in part["contacts"]}[adam.lid] == adam.pn
    said = {each["key"]["id"]: each for each in part["messages"]}
    assert said[old[0]["id"]]["reactions"][0]["text"] == "👍"
    assert said[old[1]["id"]]["messageStubType"]


def test_older_messages_are_sent_to_a_client_that_asks_by_a_peer_message(baileys, nadia, adam):
    old = past(adam, 9)
    nadia.set(history=old, chats={}, more_history={}, inline_history=False)
    key = {"remoteJid": adam.pn, "fromMe": False, "id": old[3]["id"]}
    asked = baileys.call("fetchMessageHistory", 4, key, 1000 * old[3]["t"])

    def answer():
        found = [part for part in histories(baileys) if part.get("peerDataRequestSessionId") == asked]
        return found[0] if found else None

    found = wait_for(answer, what="the answer of the phone")
    assert [each["key"]["id"] for each in found["messages"]] == [each["id"] for each in old[4:8]]


def test_the_phone_sends_what_the_client_was_not_sent(baileys, nadia, adam):
    sent = adam.withhold(nadia, "", conversation="left out at first")
    assert baileys.message(sent)["message"] == {"conversation": "left out at first"}
    quiet = adam.withhold(nadia, "hosted_unavailable_fanout", conversation="not to be asked for")
    after = adam.send(nadia, "and this?")
    baileys.message(after)
    assert quiet not in str(nadia.inbox())


def test_a_file_that_is_gone_is_asked_for_and_sent_again(town, baileys, nadia, adam):
    picture = os.urandom(5000)
    sent = adam.send_file(nadia, picture, mimetype="image/jpeg")
    baileys.message(sent)
    town.call("forget_media")
    baileys.call("updateMediaMessage", {"message": sent})
    assert baileys.sha256(sent) == hashlib.sha256(picture).hexdigest()


def test_each_step_of_a_call_is_told(baileys, nadia, adam):
    call = adam.call(nadia, video=True)
    for step, more in (("preaccept", {}), ("accept", {}), ("terminate", {"reason": "timeout"})):
        adam.call(nadia, step, call, **more)

    def told():
        found = [each for each in baileys.updates("call") if each["id"] == call]
        return found if len(found) == 4 else None

    found = wait_for(told, what="the steps of the call")
    assert [each["status"] for each in found] == ["offer", "preaccept", "accept", "timeout"]
    assert (found[0]["isVideo"], found[0]["chatId"]) == (True, adam.lid)
    other = adam.call(nadia)
    wait_for(lambda: any(each["id"] == other for each in baileys.updates("call")), what="the call")
    baileys.call("rejectCall", other, adam.lid)
    wait_for(lambda: {"call": "reject", "id": other, "from": nadia.number} in adam.inbox())
