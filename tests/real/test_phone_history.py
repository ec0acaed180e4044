"""The history as phones send it, what they add on request, and parts of it that are damaged."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from conftest import wait_for
from linked import DAY, Device, memory_folder, past

from wa.connection.pairing import FIRST_SECONDS

pytest_plugins = ["linked_fixture"]

ENDS = ('type="hist_sync"', "<closed")
"""In the relay's log: a client has taken the notice of a history, and its connection was closed."""
GROUP = "120363000000000777@g.us"
PICTURE = os.urandom(3000)


@pytest.fixture
def home(town):
    """A home that is not linked, for one test."""
    with memory_folder() as folder:
        made = Device(town, Path(folder) / "home")
        try:
            yield made
        finally:
            made.end()


def contents(rows):
    """Return the texts of messages."""
    return [row["content"] for row in rows]


# ── What the history holds ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def old_friend(town):
    """A person in the history."""
    return town.person("Adam")


@pytest.fixture(scope="module")
def reem(town, old_friend):
    """The person whose account the device is linked to: its history has everything that phones put there."""
    adam, nadia = old_friend, town.person("Nadia")
    newest = int(time.time()) - DAY
    count = iter(range(100))

    def entry(chat, from_me=False, **content):
        number = next(count)
        return {"chat": chat, "id": f"H{number:02}", "from_me": from_me, "t": newest + number, **content}

    history = [
        entry(adam.lid, text="an old text", status="READ"),
        entry(adam.lid, from_me=True, text="my answer", status="DELIVERY_ACK",
              more={"userReceipt": [{"userJID": adam.lid, "receiptTimestamp": newest + 2}]}),
        entry(adam.lid, file={
            "field": "imageMessage", "data": PICTURE.hex(), "mimetype": "image/jpeg", "caption": "the cake",
        }),
        entry(adam.lid, text="well said", reactions=[{"text": "👍", "t": newest, "by": adam.lid}]),
        entry(adam.lid, message={"pollCreationMessageV3": {"name": "Lunch?", "options": [
            {"optionName": "Pizza"}, {"optionName": "Soup"}], "selectableOptionsCount": 1}}),
        entry(adam.lid, stub="E2E_ENCRYPTED"),
        entry(adam.lid, stub="CALL_MISSED_VOICE"),
        entry(adam.lid, stub="REVOKE", more={"revokeMessageTimestamp": newest + 30}),
        entry(adam.lid, message={"editedMessage": {"message": {"protocolMessage": {
            "type": "MESSAGE_EDIT", "timestampMS": 1000 * (newest + 60),
            "key": {"remoteJID": adam.lid, "fromMe": False, "ID": "H00"},
            "editedMessage": {"conversation": "an old text, put right"}}}}}),
        entry(GROUP, stub="GROUP_CREATE", params=["Book club"], sender=nadia.lid),
        entry(GROUP, text="from Nadia", sender=nadia.lid, push="Nadia", name="Book club"),
        entry(GROUP, stub="GROUP_PARTICIPANT_ADD", params=[adam.lid], sender=nadia.lid),
    ]  # fmt: skip
    chats = {
        adam.lid: {"unreadCount": 2, "archived": True, "pinned": newest, "muteEndTime": newest + 9 * DAY,
                   "ephemeralExpiration": DAY, "ephemeralSettingTimestamp": newest},
        GROUP: {"markedAsUnread": True, "participant": [{"userJID": adam.lid, "rank": "ADMIN"}]},
        nadia.lid: {"markedAsUnread": True, "lidJID": nadia.lid, "pnJID": nadia.pn},
    }  # fmt: skip
    more = {
        "INITIAL_BOOTSTRAP": {
            "phoneNumberToLidMappings": [{"pnJID": adam.pn, "lidJID": adam.lid}],
            "globalSettings": {"mediaVisibility": "ON", "chatDbLidMigrationTimestamp": newest},
        },
        "INITIAL_STATUS_V3": {"statusV3Messages": [{
            "key": {"remoteJID": "status@broadcast", "fromMe": False, "ID": "S1", "participant": adam.lid},
            "message": {"conversation": "at the sea"}, "messageTimestamp": newest, "participant": adam.lid,
        }]},
        "NON_BLOCKING_DATA": {"pastParticipants": [{"groupJID": GROUP, "pastParticipants": [
            {"userJID": nadia.lid, "leaveReason": "LEFT", "leaveTS": newest}]}]},
    }  # fmt: skip
    return town.person("Reem", history=history, chats=chats, more_history=more, inline_history=True)


def test_a_history_that_comes_inside_the_notification_is_stored(device, old_friend):
    rows = device.chat(old_friend)
    texts = contents(rows)
    assert texts[:2] == ["an old text, put right", "my answer"]
    assert rows[1]["is_from_me"]
    assert {row["message_type"] for row in rows} >= {"text", "image", "poll", "system"}
    assert "Missed voice call" in texts
    assert any(row["deleted_at"] for row in rows)
    (liked,) = [row for row in rows if row["reactions"]]
    assert (liked["content"], [each["emoji"] for each in liked["reactions"]]) == ("well said", ["👍"])
    group = contents(device.chat(GROUP))
    assert group[:2] == ["Created the group: Book club", "from Nadia"]
    assert group[2].startswith("Added: ")


def test_a_chat_of_the_history_is_known_by_number(device, old_friend):
    names = {chat["name"] for chat in device.json("chats")}
    assert {"Adam", "Book club"} <= names
    assert device.chat(old_friend) == device.chat(old_friend.lid)


def test_the_list_of_chats_is_as_on_the_phone(device, old_friend):
    (listed,) = device.json("chats", "--archived", "--pinned", "--muted")
    assert listed["id"] == old_friend.pn
    assert listed["muted_until"] > time.time()


def counted(device):
    """Return the number of unread messages by chat."""
    return {chat["id"]: chat["unread_count"] for chat in device.json("unread")}


def test_what_is_unread_on_the_phone_is_unread_here_until_it_is_read_there(device, old_friend, reem):
    """A chat that was marked as unread by hand counts as one with an unread message."""
    assert counted(device) == {old_friend.pn: 2, GROUP: 1}
    unread = [row["content"] for row in device.chat(old_friend) if row["status"] == "received"]
    assert [text.splitlines()[0] for text in unread] == ["well said", "Lunch?"]
    device.listening()
    older = next(row for row in device.chat(old_friend) if row["content"] == "well said")
    reem.receipt(old_friend, [older["message_id"]], "read")
    wait_for(lambda: counted(device) == {old_friend.pn: 1, GROUP: 1}, what="what is read on the phone")


def test_a_file_of_the_history_can_be_downloaded(device, old_friend):
    (row,) = device.json("download", old_friend.number)
    assert hashlib.sha256(Path(row["path"]).read_bytes()).digest() == hashlib.sha256(PICTURE).digest()


def test_an_account_without_history_says_so_and_linking_does_not_wait_for_it(home, town):
    person = town.person("Nobody's Friend")
    assert home.link(person)[-1] == {"event": "caught-up", "messages": 0}
    lines = town.call("log", match=f"{person.number}:1@s.whatsapp.net", last=5000)["log"]
    times = {what: [float(line.split()[0]) for line in lines if what in line] for what in ENDS}
    told, closed = (found[-1] for found in times.values())
    assert closed - told < FIRST_SECONDS
    done = home.run("history", "status")
    assert (done.code, done.out) == (0, "")
    assert "completed, 100 %" in done.err


# ── A damaged part ────────────────────────────────────────────────────────────────────────────────

REASONS = {
    "missing": "404",
    "truncated": "hash of media ciphertext",
    "hash": "hash of media plaintext",
    "zlib": "zlib",
    "protobuf": "unmarshal",
}


@pytest.mark.parametrize("how", REASONS)
def test_a_damaged_part_is_reported_and_the_rest_is_stored(device, reem, newcomer, how):
    """The library tells of it in its log alone, so each kind is tried."""
    friend = newcomer("Friend")
    device.listening()
    before = damage(device)[0]
    reem.set(history=past(friend, 9), chunk=3, chats={}, more_history={})
    reem.fault(damaged_history={"how": how, "kind": "RECENT", "part": 2, "count": 1})
    reem.share_history()
    wait_for(lambda: len(device.chat(friend)) == 6, what="the sound parts")
    wait_for(lambda: damage(device)[0] == before + 1, what="the report")
    assert REASONS[how] in damage(device)[1]
    rows = device.run("history", "status", "--json").json
    (chat,) = [each for each in rows if each["chat_jid"] == friend.pn]
    assert (chat["messages"], chat["status"]) == (6, "interrupted")


def test_a_damaged_first_part_does_not_stop_linking(home, town):
    friend = town.person("Friend")
    person = town.person("Unlucky", history=past(friend, 9), chunk=3)
    person.fault(damaged_history={"how": "missing", "kind": "INITIAL_BOOTSTRAP"})
    assert home.link(person)[-1] == {"event": "caught-up", "messages": 6}
    assert damage(home)[0] == 1


def damage(device):
    """Return the number of damaged parts that `history status` tells, and the line that tells it."""
    lines = device.run("history", "status").err.splitlines()
    told = next((line for line in lines if line.startswith("parts of the history")), ": 0 ")
    return int(told.split(": ")[1].split(" ")[0]), told
