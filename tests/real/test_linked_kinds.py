"""Messages of many kinds: what a linked home shows and downloads of those of a phone, and what phones get."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import webp
from conftest import wait_for
from google.protobuf.json_format import MessageToDict
from linked import DAY
from media_samples import film, picture
from relay.trust import installed_neonize

pytest_plugins = ["linked_fixture"]

NADIA = (
    "BEGIN:VCARD\nVERSION:3.0\nN:;Nadia;;;\nFN:Nadia\n"
    "TEL;type=CELL;type=VOICE;waid=447700900456:+44 7700 900456\nEND:VCARD"
)
LUNCH = ("--poll", "Lunch?", "--option", "Pizza", "--option", "Soup")
OPTIONS = [{"optionName": "Pizza"}, {"optionName": "Soup"}]

OMAR = "BEGIN:VCARD\nVERSION:3.0\nFN:Omar\nTEL:+447700900457\nitem1.TEL:+44 7700 900458\nEND:VCARD"


@pytest.fixture
def comes(listener, adam, reem):
    """Let Adam send messages, each given as its fields; return their rows once all are recorded."""

    def send(*messages):
        sent = [adam.send(reem, **fields) for fields in messages]
        return [listener.event(lambda event, sent=each: event["message_id"] == sent) for each in sent]

    return send


def test_contact_cards_have_names_and_numbers_are_found_and_downloaded(device, comes, adam, tmp_path):
    both = {
        "displayName": "2 contacts",
        "contacts": [{"displayName": "Nadia", "vcard": NADIA}, {"vcard": OMAR}],
    }
    one, several, unnamed = comes(
        {"contactMessage": {"displayName": "Nadia", "vcard": NADIA}},
        {"contactsArrayMessage": both},
        {"contactMessage": {"vcard": OMAR}},
    )
    assert one["content"] == "Nadia +44 7700 900456"
    assert several["content"] == "Nadia +44 7700 900456\nOmar +44 7700 900457, +44 7700 900458"
    assert unnamed["content"] == "Omar +44 7700 900457, +44 7700 900458"
    assert one["details"]["cards"] == [{"name": "Nadia", "numbers": ["447700900456"]}]
    found = device.json("search", "900457", "--from", adam.number)
    assert [row["message_id"] for row in found] == [unnamed["message_id"], several["message_id"]]
    rows = device.json("download", adam.number, "--out", str(tmp_path))
    assert [os.path.basename(row["path"]) for row in rows] == ["Nadia.vcf", "2 contacts.vcf", "Omar.vcf"]
    assert (tmp_path / "2 contacts.vcf").read_text().count("BEGIN:VCARD") == 2
    (last,) = device.json("download", adam.number, "contact", "1")
    assert Path(last["path"]).read_bytes() == OMAR.encode() + b"\r\n"


def test_a_video_note_and_a_pack_of_stickers_are_downloaded(device, listener, adam, reem):
    data = film() + os.urandom(8)
    about = {"mimetype": "video/mp4", "seconds": 3}
    note = adam.send_file(reem, data, "ptvMessage", **about)
    pack = adam.send_file(reem, b"PK\3\4" + data, "stickerPackMessage", name="Cats")
    event = listener.event(lambda event: event["message_id"] == note)
    assert event["details"] == {"video_note": True, "size": len(data), **about}
    listener.event(lambda event: event["message_id"] == pack)
    assert "[video note] 0:03" in device.ok("read", adam.number)
    rows = device.json("download", adam.number)
    assert [Path(row["path"]).read_bytes() for row in rows] == [data, b"PK\3\4" + data]
    assert [Path(row["path"]).suffix for row in rows] == [".mp4", ".zip"]


def described(device, message_id):
    """Return the description of a picture that was recorded, as the JSON that phones of the relay take."""
    sys.path.insert(0, str(installed_neonize() / "proto"))
    message = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2").Message()
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db:
        sql = "SELECT raw_proto FROM messages WHERE message_id = ?"
        message.ParseFromString(db.execute(sql, [message_id]).fetchone()[0])
    return MessageToDict(message.imageMessage, preserving_proto_field_name=True)


def test_a_picture_in_better_quality_is_no_second_message(device, comes, listener, adam, newcomer, reem):
    small, large = picture(), picture() + os.urandom(40_000)
    elsewhere = newcomer("Sara").send_file(reem, large, mimetype="image/jpeg", caption="the cake")
    first = adam.send_file(reem, small, mimetype="image/jpeg", caption="the cake")
    for each in (elsewhere, first):
        listener.event(lambda event, sent=each: event["message_id"] == sent)
    better = described(device, elsewhere) | {"contextInfo": {"pairedMediaType": "HD_IMAGE_CHILD"}}
    key = {"ID": first, "remoteJID": reem.pn, "fromMe": True}
    second = adam.send(
        reem,
        messageContextInfo={
            "messageAssociation": {"associationType": "HD_IMAGE_DUAL_UPLOAD", "parentMessageKey": key}
        },
        associatedChildMessage={"message": {"imageMessage": better}},
    )
    comes({"conversation": "after it"})
    shown, after = device.chat(adam)
    assert (shown["message_id"], shown["content"], after["content"]) == (first, "the cake", "after it")
    assert (shown["details"]["size"], shown["details"]["version_id"]) == (len(large), second)
    (row,) = device.json("download", adam.number)
    assert Path(row["path"]).read_bytes() == large


# ── What we send ──────────────────────────────────────────────────────────────────────────────────


def stored(device, sql, *params):
    """Return the first row of a query on the store."""
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db:
        return db.execute(sql, params).fetchone()


def got(person):
    """Return the newest message that a phone received: its id, kind and whole content."""
    entry = [each for each in person.inbox() if "kind" in each][-1]
    return entry["id"], entry["kind"], entry["message"]


def hears(listener, message_id):
    """Wait until a message is recorded."""
    assert listener.event(lambda event: event["message_id"] == message_id)


@pytest.fixture(scope="module")
def friend(town, device):
    """Somebody whose messages disappear after a day, in a chat that knows it."""
    return town.person("Friend", receipts=["delivered"])


@pytest.fixture
def timed(device, listener, friend, reem):
    """Send to the friend; return the row, and what the phone got, which has all that every message has."""
    if stored(device, "SELECT ephemeral FROM chats WHERE id = ?", friend.pn) != (DAY,):
        setting = {"type": "EPHEMERAL_SETTING", "key": {"remoteJID": reem.lid}}
        friend.send(reem, protocolMessage={**setting, "ephemeralExpiration": DAY})
        wait_for(lambda: stored(device, "SELECT ephemeral FROM chats WHERE id = ?", friend.pn) == (DAY,))

    def send(*args, command="send"):
        row = device.json(command, *([friend.number] if command == "send" else []), *args)
        message_id, kind, message = got(friend)
        inside = message
        if kind == "viewOnceMessage":
            inside = message[kind]["message"]
            (kind,) = inside
        part = inside[kind]
        assert part["contextInfo"].pop("expiration") == DAY
        assert int(part["contextInfo"].pop("ephemeralSettingTimestamp")) > 0
        assert message_id == row["message_id"]
        assert stored(device, "SELECT count(*) FROM wire WHERE message_id = ?", message_id) == (1,)
        (secret,) = stored(device, "SELECT secret FROM scheduled_messages WHERE id = ?", row["id"])
        assert base64.b64decode(message["messageContextInfo"]["messageSecret"]) == secret
        with closing(sqlite3.connect(f"file:{device.home.session}?mode=ro", uri=True)) as db:  # the evidence
            sql = "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ?"
            assert db.execute(sql, [secret]).fetchall() == [(message_id,)]
        if kind == "pollCreationMessage":
            assert stored(device, "SELECT secret FROM messages WHERE message_id = ?", message_id) == (secret,)
        return row, kind, part

    return send


def test_a_poll_of_one_choice_and_of_several(timed, friend, reem, listener):
    asked = friend.send(reem, "When?")
    hears(listener, asked)
    for args, choices in ((LUNCH, 1), ((*LUNCH, "--multi", "2"), 2)):
        _, kind, part = timed(*args, "--reply-to", asked)
        assert (kind, part["name"], part["options"]) == ("pollCreationMessage", "Lunch?", OPTIONS)
        assert part["selectableOptionsCount"] == choices
        assert part["contextInfo"]["stanzaID"] == asked


def test_a_place(timed):
    _, kind, part = timed("--location", "-33.9,18.4", "--name", "Cape Town")
    where = {"degreesLatitude": -33.9, "degreesLongitude": 18.4, "name": "Cape Town"}
    assert (kind, part) == ("locationMessage", {**where, "contextInfo": {}})


def test_one_card_and_several(device, timed):
    device.ok("contacts", "add", "Nadia Sample", "447700900456")
    device.ok("contacts", "add", "Zoë END:VCARD", "447700900789")
    _, kind, part = timed("--contact", "nadia")
    assert (kind, part["displayName"]) == ("contactMessage", "Nadia Sample")
    assert part["vcard"].splitlines() == [
        "BEGIN:VCARD", "VERSION:3.0", "FN:Nadia Sample", "N:;Nadia Sample;;;",
        "TEL;waid=447700900456:+447700900456", "END:VCARD",
    ]  # fmt: skip
    _, kind, part = timed("--contact", "nadia", "--contact", "zoë")
    assert (kind, part["displayName"]) == ("contactsArrayMessage", "2 contacts")
    assert [each["displayName"] for each in part["contacts"]] == ["Nadia Sample", "Zoë END:VCARD"]
    assert part["contacts"][1]["vcard"].splitlines()[-2:] == [
        "TEL;waid=447700900789:+447700900789", "END:VCARD",
    ]  # fmt: skip
    assert all(each["vcard"].count("BEGIN:VCARD") == 1 for each in part["contacts"])


def test_a_sticker_still_and_moving(timed, put):
    for data, moves in ((webp.lossless(200, 100), None), (webp.moving(200, 100), True)):
        _, kind, part = timed("--sticker", put("cat.dat", data))
        assert (kind, part["mimetype"], part.get("isAnimated") or None) == (
            "stickerMessage",
            "image/webp",
            moves,
        )
        assert (part["width"], part["height"]) == (200, 100)
        assert part["fileSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_mention_is_by_hidden_id_once_that_is_known(device, timed, friend, newcomer):
    adam = newcomer("Adam")
    _, _, part = timed("hi @A!", "--mention", adam.number)
    assert part["text"] == f"hi @A! @{adam.number}"
    assert part["contextInfo"]["mentionedJID"] == [adam.pn]
    device.ok("send", adam.number, "Hello")
    user = adam.lid.partition("@")[0]
    _, _, part = timed(f"hi @{adam.number}!", "--mention", adam.number)
    assert (part["text"], part["contextInfo"]["mentionedJID"]) == (f"hi @{user}!", [adam.lid])
    (row,) = device.json("read", friend.number, "1")
    assert (row["content"], row["details"]) == (f"hi @{adam.number}!", {"mentions": [adam.pn]})


def test_a_picture_to_be_viewed_once(timed, put, friend):
    _, kind, part = timed("look", "--file", put("cake.jpg", picture()), "--view-once")
    assert (kind, part["caption"], part["viewOnce"]) == ("imageMessage", "look", True)
    assert "viewOnceMessage" in got(friend)[2]


def test_a_picture_is_forwarded_whole_with_listener_and_without(device, timed, listener, adam, reem, friend):
    for is_alone in (False, True):
        cake = picture() + bytes([is_alone])
        came = adam.send_file(reem, cake, caption="the cake", mimetype="image/jpeg")
        hears(listener, came)
        if is_alone:
            device.alone()
        row, kind, part = timed(adam.number, came, friend.number, command="forward")
        assert (kind, part["caption"]) == ("imageMessage", "the cake")
        assert part["contextInfo"] == {"forwardingScore": 1, "isForwarded": True}
        assert base64.b64decode(part["fileSHA256"]) == hashlib.sha256(cake).digest()
        assert (device.home.path / row["media_path"]).read_bytes() == cake


def test_a_picture_that_whatsapp_no_longer_has_queues_nothing(device, listener, adam, reem, friend, town):
    came = adam.send_file(reem, picture() + b"gone", caption="gone", mimetype="image/jpeg")
    hears(listener, came)
    before = stored(device, "SELECT count(*) FROM scheduled_messages")
    town.call("forget_media")
    done = device.run("forward", adam.number, came, friend.number, "--json")
    assert (done.code, done.error["code"]) == (4, "not-found")
    assert stored(device, "SELECT count(*) FROM scheduled_messages") == before


def test_votes_of_three_in_our_poll_one_changed_one_taken_back(device, town, reem, newcomer):
    adam, sara, omar = (newcomer(name) for name in ("Adam", "Sara", "Omar"))
    group = town.group("Lunch", reem, adam, sara, omar)
    device.listening()
    hello = adam.send(group, "Hello")
    hears(device.listening(), hello)
    poll = device.json("send", group, *LUNCH, "--multi", "2")["message_id"]
    adam.vote(group, poll, "Pizza")
    sara.vote(group, poll, "Pizza", "Soup")
    omar.vote(group, poll, "Pizza")
    adam.vote(group, poll, "Soup")
    omar.vote(group, poll)

    def votes():
        found = device.json("poll", group, poll)["poll"]
        return {each["name"]: sorted(each["voters"]) for each in found["options"]}

    expected = {"Pizza": [sara.pn], "Soup": sorted([adam.pn, sara.pn])}
    wait_for(lambda: votes() == expected, what="the votes")
    single = device.json("send", adam.number, *LUNCH)["message_id"]
    adam.vote(reem, single, "Soup")
    wait_for(lambda: device.json("poll", adam.number, single)["poll"]["options"][1]["voters"] == [adam.pn])
