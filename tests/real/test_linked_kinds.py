"""Messages of many kinds, from a phone to a linked home: what is shown, found and downloaded."""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from media_samples import film, picture
from relay.trust import installed_neonize

pytest_plugins = ["linked_fixture"]

NADIA = (
    "BEGIN:VCARD\nVERSION:3.0\nN:;Nadia;;;\nFN:Nadia\n"
    "TEL;type=CELL;type=VOICE;waid=447700900456:+44 7700 900456\nEND:VCARD"
)
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
