"""What other people's phones get of a message, field by field: id, recipient, quote, file, secret."""

from __future__ import annotations

import base64
import hashlib
import io
import sqlite3
from contextlib import closing

import pytest
from conftest import wait_for
from media_samples import film, mp3, picture, voice
from PIL import Image, ImageChops, ImageStat

pytest_plugins = ["linked_fixture"]
SAME_PICTURE = 12
"""The most that the thumbnail of a picture differs from it, as a mean of 256 levels."""


def got(person):
    """Return the messages that a phone received: id, chat, and the fields of the message."""
    return [entry for entry in person.inbox() if "receipt" not in entry]


def part_of(person):
    """Return the fields of the one file or long text that a phone received."""
    (entry,) = got(person)
    return entry["message"][entry["kind"]]


def comes(listener, sender, to, text):
    """Let a text arrive and be recorded; return its id."""
    message_id = sender.send(to, text)
    assert listener.event(lambda event: event["message_id"] == message_id)
    return message_id


def stored(device, sql, *params):
    """Return all rows of a query on the store."""
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db:
        return db.execute(sql, params).fetchall()


# ── Ids and recipients ────────────────────────────────────────────────────────────────────────────


def test_messages_of_a_burst_reach_each_their_own_recipient(device, listener, newcomer, reem, town):
    adam, sara = newcomer("Adam"), newcomer("Sara")
    group = town.group("Several", adam, reem, sara)
    ours = len(reem.inbox())
    to = [adam.number, sara.number, group, sara.lid]
    sent = []
    for number in range(2):  # the second time every session and list of devices is known
        device.ok("pause")
        texts = [(each, f"{number} for {each}", "--no-wait") for each in to]
        queued = [device.json("send", *each, note="sending is paused") for each in texts]
        device.ok("resume")
        for row in queued:
            wait_for(lambda row=row: device.json("schedule", "show", row["id"])["status"] == "sent")
        sent += [device.json("schedule", "show", row["id"]) for row in queued]
    for person, chats in ((adam, [adam.number, group]), (sara, [sara.number, group, sara.lid])):
        expected = [(row["message_id"], row["message"]) for row in sent if row["message"][6:] in chats]
        assert [(entry["id"], entry["text"]) for entry in got(person)] == expected
        in_group = [entry["text"][6:] == group for entry in got(person)]
        assert [entry["chat"] == group for entry in got(person)] == in_group
        ids = {row["message_id"] for row in sent if row["message"][6:] in chats and row["to_jid"] != group}
        assert {row["message_id"] for row in device.chat(person)} == ids
    assert [row["message"] for row in sent] == [f"{number} for {each}" for number in range(2) for each in to]
    assert {each["chat"] for each in got(reem)[ours:]} <= {adam.lid, sara.lid, group}


def test_each_message_has_a_mark_with_its_id_and_a_secret_of_its_own(device, listener, adam):
    rows = [device.json("send", adam.number, f"marked {number}") for number in range(3)]
    secrets = []
    for row, entry in zip(rows, got(adam), strict=True):
        assert entry["id"] == row["message_id"]
        (mark,) = stored(device, "SELECT to_jid FROM wire WHERE message_id = ?", row["message_id"])
        assert mark[0].startswith(adam.lid.partition("@")[0])
        (secret,) = stored(device, "SELECT secret FROM scheduled_messages WHERE id = ?", row["id"])
        assert base64.b64decode(entry["message"]["messageContextInfo"]["messageSecret"]) == secret[0]
        secrets.append(secret[0])
    assert len(set(secrets)) == 3
    assert {len(secret) for secret in secrets} == {32}


def test_marking_as_read_names_to_each_sender_the_chat_and_the_own_messages_alone(
    device, listener, newcomer, reem, town
):
    adam, sara = newcomer("Adam"), newcomer("Sara")
    group = town.group("Read", adam, reem, sara)
    sent = {
        each: [comes(listener, each, group, f"{each.name} {n}") for n in range(2)] for each in (adam, sara)
    }
    alone = comes(listener, adam, reem, "not in the group")

    def told(person):
        found = [entry for entry in person.inbox() if entry.get("receipt") == "read"]
        return sorted((entry["chat"], each) for entry in found for each in entry["ids"])

    in_group = {person: sorted((group, each) for each in ids) for person, ids in sent.items()}
    device.ok("read", group, "--mark-read")
    for person, expected in in_group.items():
        wait_for(lambda person=person, expected=expected: told(person) == expected, what="the receipts")
    device.ok("read", adam.number, "--mark-read")
    wait_for(
        lambda: told(adam) == sorted([*in_group[adam], (adam.lid, alone)]), what="the other chat's receipt"
    )


# ── Quotes ────────────────────────────────────────────────────────────────────────────────────────


def assert_quotes(part, message_id, sender, text):
    """Check the quote in the fields of a message."""
    context = part["contextInfo"]
    quoted = (context["stanzaID"], context["participant"], context["quotedMessage"])
    assert quoted == (message_id, sender.lid, {"conversation": text})


def test_an_answer_quotes_id_sender_and_text_of_its_message(device, listener, newcomer, reem):
    adam, sara = newcomer("Adam"), newcomer("Sara")
    asked = [comes(listener, adam, reem, f"question {number}") for number in range(3)]
    comes(listener, sara, reem, "another question")
    device.ok("send", adam.number, "the answer to 1", "--reply-to", asked[1])
    part = part_of(adam)
    assert part["text"] == "the answer to 1"
    assert_quotes(part, asked[1], adam, "question 1")
    assert got(sara) == []


def test_an_answer_to_our_own_message_quotes_us(device, listener, adam, reem):
    first = device.json("send", adam.number, "I meant")
    device.ok("send", adam.number, "this", "--reply-to", first["message_id"])
    assert_quotes(got(adam)[-1]["message"]["extendedTextMessage"], first["message_id"], reem, "I meant")


def test_an_answer_in_a_group_quotes_its_member(device, listener, newcomer, reem, town):
    adam, sara = newcomer("Adam"), newcomer("Sara")
    group = town.group("Quotes", adam, reem, sara)
    asked = {each: comes(listener, each, group, f"{each.name} asks") for each in (sara, adam)}
    device.ok("send", group, "to Sara", "--reply-to", asked[sara])
    for each in (adam, sara):
        (entry,) = [entry for entry in got(each) if entry.get("kind") == "extendedTextMessage"]
        assert (entry["chat"], entry["text"]) == (group, "to Sara")
        assert_quotes(entry["message"]["extendedTextMessage"], asked[sara], sara, "Sara asks")


def test_a_file_can_be_an_answer(device, listener, adam, reem, put):
    asked = comes(listener, adam, reem, "what does it look like?")
    device.ok("send", adam.number, "like this", "--reply-to", asked, "--file", put("cake.jpg", picture()))
    part = part_of(adam)
    assert part["caption"] == "like this"
    assert_quotes(part, asked, adam, "what does it look like?")


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


def half(colour, size):
    """Return a picture that is white on its left and has a colour on its right."""
    made = Image.new("RGB", size, "white")
    made.paste(colour, (size[0] // 2, 0, *size))
    written = io.BytesIO()
    made.save(written, "JPEG")
    return written.getvalue()


def test_each_picture_has_its_own_size_and_thumbnail(device, listener, adam, put):
    sent = [half("red", (320, 200)), half("blue", (200, 320))]
    files = [each for number, data in enumerate(sent) for each in ("--file", put(f"{number}.jpg", data))]
    device.ok("send", adam.number, "both", *files)
    for data, entry in zip(sent, got(adam), strict=True):
        part, real = entry["message"]["imageMessage"], Image.open(io.BytesIO(data))
        assert (part["width"], part["height"]) == real.size
        shown = Image.open(io.BytesIO(base64.b64decode(part["JPEGThumbnail"])))
        assert abs(shown.width / shown.height - real.width / real.height) < 0.05
        difference = ImageChops.difference(shown.resize((64, 64)), real.resize((64, 64)))
        assert max(ImageStat.Stat(difference).mean) < SAME_PICTURE


@pytest.mark.parametrize("name", ["note.ogg", "song.mp3", "party.mp4"])
def test_a_recording_says_how_long_it_is(device, listener, adam, put, name):
    data = {"note.ogg": voice(3.0), "song.mp3": mp3(), "party.mp4": film(duration=7_000)}[name]
    device.ok("send", adam.number, "--file", put(name, data))
    part = part_of(adam)
    assert part.get("PTT", False) == (name == "note.ogg")
    if name == "song.mp3":
        assert part["seconds"] > 0
    else:
        assert part["seconds"] == {"note.ogg": 3, "party.mp4": 7}[name]
    if name == "party.mp4":
        assert (part["width"], part["height"]) == (640, 360)


def test_a_document_has_its_name_size_and_digests(device, listener, adam, put):
    data = b"%PDF-1.7\n" + bytes(1000)
    device.ok("send", adam.number, "the bill", "--file", put("bill.pdf", data))
    assert got(adam)[0]["sha256"] == hashlib.sha256(data).hexdigest()  # the phone could decrypt it
    part = part_of(adam)
    assert (part["fileName"], part["title"], part["caption"]) == ("bill.pdf", "bill.pdf", "the bill")
    assert (part["mimetype"], int(part["fileLength"])) == ("application/pdf", len(data))
    assert base64.b64decode(part["fileSHA256"]) == hashlib.sha256(data).digest()
    (path,) = [path for path in device.relay.call("state")["media"] if part["directPath"].startswith(path)]
    token = path.rpartition("/")[2]
    assert base64.urlsafe_b64decode(token + "=") == base64.b64decode(part["fileEncSHA256"])
    assert part["URL"].endswith(part["directPath"])


# ── What happens beside messages ──────────────────────────────────────────────────────────────────


def test_what_happens_beside_messages_is_told_live_with_who_did_it(
    device, listener, town, reem, adam, newcomer
):
    nadia = newcomer("Nadia")
    # Calls
    for caller, step, is_video, reason in (
        (adam, "offer", False, "timeout"),
        (adam, "offer", True, "accepted_elsewhere"),
        (nadia, "offer_notice", True, "timeout"),
    ):
        caller.call(reem, "terminate", caller.call(reem, step, video=is_video), reason=reason)
    nadia.send(reem, callLogMesssage={"isVideo": False, "callOutcome": "REJECTED", "callType": "REGULAR"})
    nadia.send(reem, call={"callKey": "MDAx"})
    # A group
    group = town.group("Book club", adam, reem, nadia)
    adam.send(group, "hello all")
    town.group_subject(group, adam, "Night readers")
    town.group_change(group, adam, "promote", nadia)
    town.group_change(group, adam, "remove", nadia)
    town.group_setting(group, adam, "ephemeral", expiration=str(604_800))
    # Timers and mentions
    adam.send(reem, protocolMessage={"type": "EPHEMERAL_SETTING", "ephemeralExpiration": 86_400})
    mention = {"mentionedJID": [nadia.lid, reem.lid]}
    text = f"ask @{nadia.lid.split('@')[0]}"
    adam.send(reem, extendedTextMessage={"text": text, "contextInfo": mention})
    adam.send(reem, "the end")
    listener.event(lambda row: row["content"] == "the end")

    def told(chat):
        lines = [each.partition("] ")[2].partition(": ") for each in device.ok("read", chat).splitlines()]
        return [(who, text) for who, _, text in lines]

    assert told(adam.number) == [
        ("Adam", "Missed voice call"),
        ("Adam", "Video call, answered on another device"),
        ("Adam", "[system] Disappearing messages: 1 day"),
        ("Adam", "ask @Nadia"),
        ("Adam", "the end"),
    ]
    assert told(nadia.number) == [
        ("Nadia", "Missed video call"),
        ("Nadia", "Declined voice call"),
        ("Nadia", "[system] Call"),
    ]
    in_group = "Night readers · Adam"
    assert told(group) == [
        (in_group, "[system] Created the group: Book club"),
        (in_group, "hello all"),
        (in_group, "[system] Named the group: Night readers"),
        (in_group, "[system] Made an admin: Nadia"),
        (in_group, "[system] Removed: Nadia"),
        (in_group, "[system] Disappearing messages: 7 days"),
    ]
    unread = {row["id"]: row["unread_count"] for row in device.json("unread")}
    assert [unread[each] for each in (adam.pn, nadia.pn, group)] == [3, 1, 1]
    (asked,) = [row for row in device.chat(adam) if row["details"] and "mentions" in row["details"]]
    assert asked["content"] == f"ask @{nadia.number}"
    assert asked["details"]["mentions"] == [nadia.pn, reem.pn]
    key = {"remoteJID": adam.lid, "fromMe": True, "ID": asked["message_id"]}
    reaction = {"reactionMessage": {"key": key, "text": "👍"}}
    edit = {"type": "MESSAGE_EDIT", "key": key, "editedMessage": {"conversation": "ask nobody"}}
    for kind, content in (
        ("reaction", reaction),
        ("edited", {"protocolMessage": edit}),
        ("deleted", {"protocolMessage": {"type": "REVOKE", "key": key}}),
    ):
        adam.send(reem, **content)
        seen = listener.event(lambda row, kind=kind: row.get("event") == kind)
        assert (seen["message_id"], seen["sender"]) == (asked["message_id"], adam.pn)
