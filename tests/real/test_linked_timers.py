"""What we send into a chat whose messages disappear carries its timer; a reply shows what it answers."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest
from conftest import wait_for
from linked import DAY
from media_samples import picture, voice

pytest_plugins = ["linked_fixture"]
WEEK = 7 * DAY


def contexts(person):
    """Return the contextInfo of each message that a phone received, with its kind."""
    found = [(each["kind"], each["message"][each["kind"]]) for each in person.inbox() if "kind" in each]
    return [(kind, part.get("contextInfo", {}) if isinstance(part, dict) else {}) for kind, part in found]


def timer(device, chat):
    """Return the seconds after which the messages of a chat disappear."""
    return stored(device, "SELECT ephemeral FROM chats WHERE id = ?", chat)


def stored(device, sql, *params):
    """Return the first value of a query on the store."""
    with closing(sqlite3.connect(device.home.store)) as db:
        row = db.execute(sql, params).fetchone()
    return row[0] if row else None


def device_sees(listener, message_id):
    """Wait until a message is recorded."""
    assert listener.event(lambda event: event["message_id"] == message_id)


@pytest.fixture(scope="module")
def now():
    """The time of the test in Unix seconds."""
    return int(time.time())


def test_every_kind_that_is_sent_carries_the_timer_until_it_is_changed_or_off(
    device, listener, adam, reem, put, now
):
    setting = {"type": "EPHEMERAL_SETTING", "key": {"remoteJID": reem.lid}}
    adam.send(reem, protocolMessage={**setting, "ephemeralExpiration": DAY})
    wait_for(lambda: timer(device, adam.pn) == DAY, what="the timer")
    asked = adam.send(reem, "a question")
    device_sees(listener, asked)
    device.ok("send", adam.number, "a text")
    device.ok("send", adam.number, "a reply", "--reply-to", asked)
    for name, data in (("cake.jpg", picture()), ("hello.ogg", voice()), ("list.txt", b"eggs")):
        device.ok("send", adam.number, "--file", put(name, data))
    kinds = [kind for kind, _ in contexts(adam)]
    assert kinds == ["extendedTextMessage"] * 2 + ["imageMessage", "audioMessage", "documentMessage"]
    assert [context.get("expiration") for _, context in contexts(adam)] == [DAY] * 5
    assert all(now <= int(context["ephemeralSettingTimestamp"]) for _, context in contexts(adam))
    week = {"expiration": WEEK, "ephemeralSettingTimestamp": str(int(time.time()))}
    adam.send(reem, extendedTextMessage={"text": "changed", "contextInfo": week})
    wait_for(lambda: timer(device, adam.pn) == WEEK, what="the new timer")
    device.ok("send", adam.number, "a week")
    assert contexts(adam)[-1][1] == week
    reem.send(adam, protocolMessage={**setting, "ephemeralExpiration": 0})
    wait_for(lambda: timer(device, adam.pn) == 0, what="the end of the timer")
    device.ok("send", adam.number, "for ever")
    assert adam.inbox()[-1]["message"]["conversation"] == "for ever"


def test_a_groups_timer_comes_from_its_change_and_from_its_info(device, newcomer, reem, town):
    adam = newcomer("Adam")
    known = town.group("Known", adam, reem)
    device.listening()
    adam.send(known, "Hello")
    wait_for(lambda: stored(device, "SELECT name FROM chats WHERE id = ?", known), what="the group")
    town.group_setting(known, adam, "ephemeral", expiration=str(DAY))
    wait_for(lambda: timer(device, known) == DAY, what="the change")
    device.ok("send", known, "gone tomorrow")
    assert contexts(adam)[-1][1]["expiration"] == DAY
    device.alone()
    town.group_setting(known, adam, "ephemeral", expiration=str(WEEK))
    with closing(sqlite3.connect(device.home.store)) as db, db:
        db.execute("DELETE FROM state WHERE key = 'groups_at'")  # as after a day
    device.listening()
    wait_for(lambda: timer(device, known) == WEEK, what="the change while offline")
    town.group_setting(known, adam, "not_ephemeral")
    wait_for(lambda: timer(device, known) == 0, what="the end")


def test_the_history_tells_timers(device, newcomer, reem, now):
    adam = newcomer("Adam")
    device.listening()
    entry = {"key": {"remoteJID": adam.lid, "fromMe": False, "ID": "OLD"}, "messageTimestamp": str(now - DAY)}
    reem.history_raw(syncType="RECENT", progress=50, conversations=[{
        "ID": adam.lid, "lidJID": adam.lid, "pnJID": adam.pn, "ephemeralExpiration": DAY,
        "ephemeralSettingTimestamp": str(now - WEEK),
        "messages": [{"message": {**entry, "message": {"conversation": "old"}}, "msgOrderID": "1"}],
    }])  # fmt: skip
    wait_for(lambda: timer(device, adam.pn) == DAY, what="the timer of the history")
    device.ok("send", adam.number, "still there?")
    assert contexts(adam)[-1][1] == {"expiration": DAY, "ephemeralSettingTimestamp": str(now - WEEK)}


def test_a_reply_to_a_file_quotes_it_as_what_it_is(device, listener, adam, reem, put):
    sent = {
        "imageMessage": adam.send_file(reem, picture(), caption="the cake", mimetype="image/jpeg"),
        "audioMessage": adam.send_file(reem, voice(), field="audioMessage", PTT=True, seconds=3),
        "documentMessage": adam.send_file(reem, b"eggs", field="documentMessage", fileName="list.txt"),
    }
    for message_id in sent.values():  # all of them first: the library may use a key twice when they cross
        device_sees(listener, message_id)
    for message_id in sent.values():
        device.ok("send", adam.number, "a reply", "--reply-to", message_id)
    own = device.json("send", adam.number, "mine", "--file", put("pie.jpg", picture()))
    device.ok("send", adam.number, "a reply", "--reply-to", own["message_id"])
    found = [each["quotedMessage"] for kind, each in contexts(adam) if kind == "extendedTextMessage"]
    assert [list(each) for each in found] == [*([kind] for kind in sent), ["imageMessage"]]
    image, sound, document, ours = (next(iter(each.values())) for each in found)
    assert (image["caption"], "JPEGThumbnail" in image) == ("the cake", False)
    assert (sound["PTT"], sound["seconds"]) == (True, 3)
    assert document["fileName"] == "list.txt"
    assert ours["caption"] == "mine"
