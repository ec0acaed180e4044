"""Importing exported chats: each message once, whatever was stored before or comes later; and their files."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, wait_for
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from wa.errors import WaError
from wa.imports.export_chat import archive as chat_archive
from wa.imports.export_chat.importer import import_chat
from wa.imports.export_chat.match import OF_A_MINUTE, OF_A_SECOND
from wa.people.from_cards import import_person
from wa.people.person import Person
from wa.record import chats, messages, search, write
from wa.store.condition import check
from wa.store.database import BATCH, Row, Store
from wa.store.open import open_store
from wa.store.paths import Home
from wa.whatsapp.events import MessageReceived

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
ME = "447700900000@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
LRM, NNBSP = "\u200e", "\u202f"
Take = Callable[..., Row]
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write an exported chat."""

    def write(text: str | bytes, name: str = "WhatsApp Chat with Reem.txt") -> Path:
        path = tmp_path / "exports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def pack(put: Put) -> Put:
    """Write an exported chat with files."""

    def write(
        text: str, files: dict[str, bytes], name: str = "WhatsApp Chat - Reem.zip", inside: str = "_chat.txt"
    ) -> Path:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(inside, text)
            for each, content in files.items():
                archive.writestr(each, content)
        return put(packed.getvalue(), name)

    return write


@pytest.fixture
def take(store: Store, home: Home) -> Iterator[Take]:
    """Import a file as Lea, whose contacts include Reem and Adam."""
    with store.write():
        import_person(store, Person("Reem", {REEM: None}, aliases=["Sister"]), NOW)
        import_person(store, Person("Adam Sample", {"447700900456": None}), NOW)
        store.insert("device", {"id": 1, "jid": ME, "push_name": "Lea"})

    def run(file: Path, **options: Any) -> Row:
        given_: dict[str, Any] = {
            "chat": None, "me": None, "date_order": None, "zone": LONDON, "own_jid": ME, "region": None,
            "dry_run": False,
        }  # fmt: skip
        found = import_chat(store, file, NOW, **{**given_, **options})
        assert found["read"] == found["added"] + found["already_there"] + sum(
            each["count"] for each in found["reasons"] if re.search("longer|cannot be read", each["reason"])
        )
        assert found["skipped"] == sum(each["count"] for each in found["reasons"])
        json.dumps(found)
        return found

    yield run
    assert check(store) == []
    assert not store.rows("SELECT name FROM sqlite_temp_master")
    assert not store.conn.in_transaction


def counts(report: Row) -> tuple[int, int]:
    """Return (added, already there)."""
    return report["added"], report["already_there"]


def said(store: Store, chat: str = REEM_JID) -> list[tuple[Any, ...]]:
    """Return (time in UTC, is ours, type, text) of a chat's messages, in order."""
    return [
        (messages.moment(at).strftime("%m-%d %H:%M:%S"), bool(mine), kind, text)
        for at, mine, kind, text in store.execute(
            "SELECT timestamp, is_from_me, message_type, content FROM messages WHERE chat_jid = ?"
            " ORDER BY timestamp, id",
            [chat],
        )
    ]


def at(text: str) -> int:
    """Return the Unix seconds of a time on London's clock."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())


def live(store: Store, when: str, text: str | None, number: str = "A", **fields: Any) -> None:
    """Record a live message."""
    mine = fields.pop("mine", False)
    chat = fields.pop("chat", REEM_JID)
    sender = fields.pop("sender", ME if mine else chat)
    event = MessageReceived(chat, number, sender, at(when), text, is_from_me=mine, **fields)
    with store.write():
        write.record(store, event, "live", NOW)


ANDROID = """13/04/2023, 10:14 - Messages and calls are end-to-end encrypted. Tap to learn more.
13/04/2023, 10:15 - Reem: Are we still on for Saturday?
13/04/2023, 10:15 - Lea: Yes!
Ten o'clock
13/04/2023, 10:16 - Reem: ok
13/04/2023, 10:16 - Reem: ok
14/04/2023, 09:00 - Lea: <Media omitted>
14/04/2023, 09:01 - Reem: This message was deleted
14/04/2023, 09:02 - Lea: On my way <This message was edited>
"""
IPHONE = f"""[13/04/2023, 10:14:59] Reem: {LRM}Messages and calls are end-to-end encrypted.
[13/04/2023, 10:15:00] Reem: Are we still on for Saturday?
[13/04/2023, 10:15:30] Lea: Yes!
Ten o'clock
[13/04/2023, 10:16:01] Reem: ok
[13/04/2023, 10:16:02] Reem: ok
{LRM}[14/04/2023, 09:00:00] Lea: {LRM}image omitted
"""


# ── One import ────────────────────────────────────────────────────────────────────────────────────


def test_a_chat_from_android_is_imported(put: Put, take: Take, store: Store) -> None:
    file = put(ANDROID)
    assert take(file) == {
        "file": str(file),
        "chat_jid": REEM_JID,
        "chat_name": "Reem",
        "date_order": "dmy",
        "participants": [
            {"name": "Reem", "jid": REEM_JID, "is_me": False, "messages": 4},
            {"name": "Lea", "jid": ME, "is_me": True, "messages": 3},
        ],
        "read": 8,
        "added": 8,
        "already_there": 0,
        "media": {"taken": 0, "missing": 0, "omitted": 1},
        "first": "2023-04-13T09:14:00.000Z",
        "last": "2023-04-14T08:02:00.000Z",
        "skipped": 0,
        "reasons": [],
    }
    assert said(store) == [
        (
            "04-13 09:14:00",
            False,
            "system",
            "Messages and calls are end-to-end encrypted. Tap to learn more.",
        ),
        ("04-13 09:15:00", False, "text", "Are we still on for Saturday?"),
        ("04-13 09:15:00", True, "text", "Yes!\nTen o'clock"),
        ("04-13 09:16:00", False, "text", "ok"),
        ("04-13 09:16:00", False, "text", "ok"),
        ("04-14 08:00:00", True, "other", None),
        ("04-14 08:01:00", False, "text", None),
        ("04-14 08:02:00", True, "text", "On my way"),
    ]
    rows = store.rows(
        "SELECT sender, status, source, edited_at, deleted_at, message_id FROM messages ORDER BY id"
    )
    assert {row["source"] for row in rows} == {"import"}
    assert [row["sender"] for row in rows][1:3] == [REEM_JID, ME]
    assert [row["status"] for row in rows][1:3] == ["read", "sent"]
    assert rows[6]["deleted_at"] == "2023-04-14T08:01:00.000Z"
    assert rows[7]["edited_at"] == "2023-04-14T08:02:00.000Z"
    assert all(row["message_id"].startswith(OF_A_MINUTE) for row in rows)
    (chat,) = chats.listing(store, 10)
    assert (chat["id"], chat["unread_count"], chat["last_message"]) == (REEM_JID, 0, "On my way")


def test_imported_messages_are_found_by_search(put: Put, take: Take, wa: Callable[..., Any]) -> None:
    take(put(ANDROID))
    (found,) = wa("search", "saturday", "--json").json
    assert found["content"] == "Are we still on for Saturday?"
    assert "On my way" in wa("read", "reem").out


def test_a_chat_from_an_iphone_is_imported(put: Put, take: Take, store: Store) -> None:
    report = take(put(IPHONE, "WhatsApp Chat - Reem.txt"))
    assert [each["name"] for each in report["participants"]] == ["Reem", "Lea"]
    assert said(store) == [
        ("04-13 09:14:59", False, "system", "Messages and calls are end-to-end encrypted."),
        ("04-13 09:15:00", False, "text", "Are we still on for Saturday?"),
        ("04-13 09:15:30", True, "text", "Yes!\nTen o'clock"),
        ("04-13 09:16:01", False, "text", "ok"),
        ("04-13 09:16:02", False, "text", "ok"),
        ("04-14 08:00:00", True, "image", None),
    ]


@pytest.mark.parametrize(
    ("encode", "damaged"),
    [
        (lambda text: text.encode("utf-8-sig"), 0),
        (lambda text: text.encode("utf-16"), 0),
        (lambda text: text.encode("utf-16-le"), 0),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), 0),
        (lambda text: text.replace("\n", "\r\n").encode(), 0),
        (lambda text: text.rstrip("\n").encode(), 0),
        (lambda text: text.encode().replace("’".encode(), b"\x92"), 1),
    ],
)
def test_a_text_in_another_encoding_is_imported(
    put: Put, take: Take, store: Store, encode: Callable[[str], bytes], damaged: int
) -> None:
    report = take(put(encode(ANDROID.replace("o'clock", "o’clock"))))
    assert report["added"] == 8
    text = "Yes!\nTen o\ufffdclock" if damaged else "Yes!\nTen o’clock"
    assert said(store)[2][3] == text
    assert [each["count"] for each in report["reasons"]] == [1] * damaged


@pytest.mark.parametrize(
    ("zone", "written", "meant"),
    [
        ("Europe/London", "25/03/2023, 12:00", "2023-03-25T12:00"),
        ("Europe/London", "26/03/2023, 01:30", "2023-03-26T01:00"),  # the clock skipped it
        ("Europe/London", "29/10/2023, 01:30", "2023-10-29T00:30"),  # the clock showed it twice
        ("Asia/Kolkata", "25/03/2023, 12:00", "2023-03-25T06:30"),
        ("America/New_York", "25/03/2023, 23:00", "2023-03-26T03:00"),
    ],
)
def test_times_are_those_of_the_wall_clock(put: Put, take: Take, zone: str, written: str, meant: str) -> None:
    report = take(put(f"{written} - Reem: Hello"), zone=ZoneInfo(zone))
    assert report["first"] == f"{meant}:00.000Z"


def test_lines_that_are_no_message_are_reported(put: Put, take: Take, store: Store) -> None:
    long = "x" * 70_000
    report = take(put(f"from my phone\n13/04/2023, 10:15 - Reem: {long}\n13/04/2023, 10:16 - Reem: ok"))
    assert [(each["reason"], each["count"], each["example"][:20]) for each in report["reasons"]] == [
        ("it stands before the first message", 1, "line 1: from my phon"),
        ("it is longer than a message can be", 1, "line 2: xxxxxxxxxxxx"),
    ]
    assert (report["read"], report["added"]) == (2, 1)


# ── Repeated imports ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("text", "number"), [(ANDROID, 8), (IPHONE, 6)])
def test_a_second_import_adds_nothing(put: Put, take: Take, store: Store, text: str, number: int) -> None:
    file = put(text)
    assert counts(take(file, dry_run=True)) == (number, 0)
    assert said(store) == []
    assert store.rows("SELECT id FROM chats") == []
    assert counts(take(file)) == (number, 0)
    before = said(store)
    assert counts(take(file)) == (0, number)
    assert counts(take(file, dry_run=True)) == (0, number)
    assert said(store) == before


def lines(*texts: str, minute: str = "13/04/2023, 10:15", name: str = "Reem") -> str:
    return "".join(f"{minute} - {name}: {text}\n" for text in texts)


@pytest.mark.parametrize(
    ("first", "later", "added"),
    [
        (lines("a", "b"), lines("a", "b", "c"), 1),
        (lines("a", "a"), lines("a", "a", "a"), 1),
        (lines("a", "a", "a"), lines("a"), 0),
        (lines("b", "c"), lines("a", "b", "c"), 1),
        (lines("a"), lines("a", minute="13/04/2023, 10:16"), 1),
        (lines("a"), lines("a", name="Lea"), 1),
        (lines("a"), lines("a "), 0),
        (lines("a"), lines("helo"), 1),
        (lines("helo"), lines("hello <This message was edited>"), 0),
        (lines("helo", "x"), lines("hello <This message was edited>", "x"), 0),
        (lines("helo"), lines("This message was deleted"), 0),
        (lines("This message was deleted"), lines("This message was deleted"), 0),
        (lines("This message was deleted"), lines("This message was deleted", "This message was deleted"), 1),
        (lines("<Media omitted>"), lines("IMG-20230413-WA0001.jpg (file attached)"), 0),
        (lines("<Media omitted>\na"), lines("IMG-20230413-WA0001.jpg (file attached)\na"), 0),
        (lines("Hello"), "[13/04/2023, 10:15:42] Reem: Hello\n", 1),
        ("[13/04/2023, 10:15:42] Reem: Hello\n", lines("Hello"), 0),
    ],
)
def test_a_later_export_adds_the_new_messages(
    put: Put, take: Take, store: Store, first: str, later: str, added: int
) -> None:
    tail = "".join(f"13/04/2023, 10:{minute} - Lea: so\n" for minute in range(20, 30))
    if first.startswith("["):
        tail = ""
    take(put(first + tail), me="-" if not tail else None)
    report = take(put(later + (tail if not later.startswith("[") else "")), me=None if tail else "-")
    assert report["added"] == added
    assert take(put(later), me="Lea" if "Lea" in later else "-")["added"] == 0


def test_a_newer_text_is_taken_over(put: Put, take: Take, store: Store) -> None:
    take(put(lines("helo") + lines("x", name="Lea")))
    assert counts(take(put(lines("hello <This message was edited>") + lines("x", name="Lea")))) == (0, 2)
    row = store.rows("SELECT content, edited_at FROM messages ORDER BY id")[0]
    assert row == {"content": "hello", "edited_at": "2023-04-13T09:15:00.000Z"}
    assert [each["content"] for each in search.search(store, "hello", search.Filter(), 10)] == ["hello"]


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.sampled_from(["Reem", "Lea"])), max_size=25
    ),
    st.data(),
)
def test_overlapping_exports_are_one_chat(
    put: Put, take: Take, store: Store, said_: list[tuple[int, str, str]], data: st.DataObject
) -> None:
    """Parts of a chat, imported in any order, give the same as the whole chat."""
    with store.write():
        for table in ("messages", "chats", "messages_fts"):
            store.execute(
                f"DELETE FROM {table}"
                if table != "messages_fts"
                else "INSERT INTO messages_fts (messages_fts) VALUES ('delete-all')"
            )
    ordered = sorted(said_, key=lambda each: each[0])
    whole = [f"13/04/2023, 10:1{minute} - {name}: {text}\n" for minute, text, name in ordered]
    for _ in range(3):
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, len(whole)))
        if part := whole[start:end]:
            take(put("".join(part)), me="Lea" if any(" Lea: " in each for each in part) else "-")
    if whole:
        take(put("".join(whole)), me="Lea" if any(" Lea: " in each for each in whole) else "-")
    wanted = sorted((name == "Lea", text) for _, text, name in ordered)
    assert sorted((mine, text) for _, mine, _, text in said(store)) == wanted


# ── Beside live messages ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("when", "text", "fields", "known"),
    [
        ("2023-04-13 10:15:00", "Hello", {}, True),
        ("2023-04-13 10:15:59", "Hello", {}, True),
        ("2023-04-13 10:16:00", "Hello", {}, False),
        ("2023-04-13 10:14:59", "Hello", {}, False),
        ("2023-04-13 10:15:20", "Hello ", {}, True),
        ("2023-04-13 10:15:20", f"{LRM}Hello", {}, True),
        ("2023-04-13 10:15:20", "hello", {}, False),
        ("2023-04-13 10:15:20", "Hello", {"mine": True}, False),
        ("2023-04-13 10:15:20", "Hello", {"chat": ADAM_JID}, False),
        ("2023-04-13 10:15:20", None, {"message_type": "image"}, False),
    ],
)
def test_a_live_message_is_recognised_by_its_minute(
    put: Put, take: Take, store: Store, when: str, text: str | None, fields: dict[str, Any], known: bool
) -> None:
    live(store, when, text, **fields)
    assert counts(take(put(lines("Hello")))) == ((0, 1) if known else (1, 0))


@pytest.mark.parametrize(
    ("second", "known"), [("28", False), ("29", True), ("30", True), ("31", True), ("32", False)]
)
def test_a_live_message_is_recognised_by_its_second(
    put: Put, take: Take, store: Store, second: str, known: bool
) -> None:
    live(store, f"2023-04-13 10:15:{second}", "Hello")
    assert counts(take(put("[13/04/2023, 10:15:30] Reem: Hello"))) == ((0, 1) if known else (1, 0))


def test_a_stored_message_matches_one_message_of_the_file(put: Put, take: Take, store: Store) -> None:
    live(store, "2023-04-13 10:15:10", "ok", "A")
    live(store, "2023-04-13 10:15:40", "ok", "B")
    assert counts(take(put(lines("ok", "ok", "ok")))) == (1, 2)
    assert counts(take(put(lines("ok", "ok", "ok")))) == (0, 3)


def test_neighbouring_seconds_are_not_mixed_up(put: Put, take: Take, store: Store) -> None:
    live(store, "2023-04-13 10:15:31", "ok")
    text = "[13/04/2023, 10:15:30] Reem: ok\n[13/04/2023, 10:15:31] Reem: ok\n"
    assert counts(take(put(text))) == (1, 1)
    assert counts(take(put(text))) == (0, 2)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Hello @\u2068Adam\u2069!", {"text": "Hello @447700900456!"}),
        ("<Media omitted>", {"text": None, "message_type": "image"}),
        ("<Media omitted>\nLook", {"text": "Look", "message_type": "video"}),
        ("PTT-20230413-WA0001.opus (file attached)", {"text": None, "message_type": "voice"}),
        ("Bill.pdf (file attached)", {"text": "Bill.pdf", "message_type": "document"}),
        ("<Media omitted>", {"text": "Bill.pdf", "message_type": "document"}),
        (
            "location: https://maps.google.com/?q=51.5,-0.1",
            {"text": "51.5, -0.1", "message_type": "location"},
        ),
        ("Adam.vcf (file attached)", {"text": "Adam Sample", "message_type": "contact"}),
    ],
)
def test_a_message_that_the_export_writes_differently_is_recognised(
    put: Put, take: Take, store: Store, text: str, stored: dict[str, Any]
) -> None:
    live(store, "2023-04-13 10:15:20", stored.pop("text"), **stored)
    assert counts(take(put(lines(text)))) == (0, 1)


def test_a_message_edited_or_deleted_here_is_recognised(put: Put, take: Take, store: Store) -> None:
    live(store, "2023-04-13 10:15:20", "new", "A")
    live(store, "2023-04-13 10:16:20", None, "B")
    with store.write():
        store.execute("UPDATE messages SET edited_at = '2023-04-13T10:00:00.000Z' WHERE message_id = 'A'")
        store.execute("UPDATE messages SET deleted_at = '2023-04-13T10:00:00.000Z' WHERE message_id = 'B'")
    assert counts(take(put(lines("old") + lines("gone", minute="13/04/2023, 10:16")))) == (0, 2)


def test_a_message_of_an_hour_that_comes_twice_is_recognised_in_either_hour(
    put: Put, take: Take, store: Store
) -> None:
    second = int(datetime(2023, 10, 29, 1, 30, 20, tzinfo=timezone.utc).timestamp())
    with store.write():
        event = MessageReceived(REEM_JID, "A", REEM_JID, second, "Hello")
        write.record(store, event, "live", NOW)
    assert counts(take(put("29/10/2023, 01:30 - Reem: Hello"))) == (0, 1)


def test_an_edit_whose_message_has_not_arrived_is_no_message(put: Put, take: Take, store: Store) -> None:
    with store.write():
        write.record_early(store, REEM_JID, "A", "Hello", at("2023-04-13 10:15:20"), NOW, REEM_JID)
    assert counts(take(put(lines("Hello")))) == (1, 0)


def test_with_seconds_a_live_message_replaces_the_imported_one(put: Put, take: Take, store: Store) -> None:
    take(put("[13/04/2023, 10:15:30] Reem: Hello"))
    live(store, "2023-04-13 10:15:30", "Hello", "REAL")
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["REAL"]


def test_without_seconds_a_live_message_replaces_the_imported_one(put: Put, take: Take, store: Store) -> None:
    take(put(lines("Hello")))
    live(store, "2023-04-13 10:15:42", "Hello", "REAL")
    (row,) = store.rows("SELECT message_id, timestamp FROM messages")
    assert row == {"message_id": "REAL", "timestamp": at("2023-04-13 10:15:42")}


def test_a_live_message_of_a_group_replaces_one_of_the_same_sender(
    put: Put, take: Take, store: Store
) -> None:
    group(store)
    take(put(lines("ok", name="Adam Sample") + lines("ok"), BOOKS), me="-")
    live(store, "2023-04-13 10:15:42", "ok", "REAL", chat=GROUP, sender=REEM_JID)
    assert store.rows("SELECT message_id FROM messages WHERE sender = ? ", [REEM_JID]) == [
        {"message_id": "REAL"}
    ]
    assert len(said(store, GROUP)) == 2


def test_a_live_picture_replaces_the_omitted_media(put: Put, take: Take, store: Store) -> None:
    take(put(lines("<Media omitted>")))
    live(store, "2023-04-13 10:15:42", None, "REAL", message_type="image", raw=b"keys")
    (row,) = store.rows("SELECT message_id, message_type, raw_proto FROM messages")
    assert row == {"message_id": "REAL", "message_type": "image", "raw_proto": b"keys"}


def test_equal_messages_of_one_minute_have_different_ids(put: Put, take: Take, store: Store) -> None:
    take(put(lines("ok")))
    first = store.value("SELECT message_id FROM messages")
    take(put(lines("ok", "ok")))
    ids = [row["message_id"] for row in store.rows("SELECT message_id FROM messages ORDER BY id")]
    assert ids == [first, first.removesuffix("-0") + "-1"]


# ── Which chat the file belongs to ────────────────────────────────────────────────────────────────

BOOKS = "WhatsApp Chat with Book club.txt"


def group(store: Store) -> None:
    """Store a group of Reem, Adam and us."""
    with store.write():
        chats.ensure(store, GROUP, NOW)
        store.execute("UPDATE chats SET name = 'Book club' WHERE id = ?", [GROUP])
        for member in (REEM_JID, ADAM_JID, ME):
            store.insert("group_members", {"chat_jid": GROUP, "member_jid": member})


@pytest.mark.parametrize(
    ("name", "options", "jid"),
    [
        ("WhatsApp Chat with Reem.txt", {}, REEM_JID),
        ("WhatsApp Chat with reem (1).txt", {}, REEM_JID),
        ("WhatsApp Chat with Sister.txt", {}, REEM_JID),
        ("WhatsApp Chat with +44 7700 900123.txt", {}, REEM_JID),
        ("WhatsApp Chat with Adam Sample.txt", {}, ADAM_JID),
        ("WhatsApp Chat with Adam_Sample.txt", {}, ADAM_JID),
        (BOOKS, {}, GROUP),
        ("WhatsApp Chat with Zoë.txt", {}, "12025550123@s.whatsapp.net"),
        ("WhatsApp Chat with Who_ Me_.txt", {}, "12025550124@s.whatsapp.net"),
        ("anything.txt", {"chat": "Reem"}, REEM_JID),
        ("anything.txt", {"chat": "ree"}, REEM_JID),
        ("anything.txt", {"chat": "Zoë"}, "12025550123@s.whatsapp.net"),
        ("anything.txt", {"chat": "447700900999"}, "447700900999@s.whatsapp.net"),
        ("anything.txt", {"chat": "07700 900999", "region": "GB"}, "447700900999@s.whatsapp.net"),
        ("anything.txt", {"chat": GROUP}, GROUP),
        ("WhatsApp Chat with Reem.txt", {"chat": "Adam Sample"}, ADAM_JID),
    ],
)
def test_the_chat_is_told_by_the_name_of_the_file_or_by_the_option(
    put: Put, take: Take, store: Store, name: str, options: dict[str, Any], jid: str
) -> None:
    group(store)
    with store.write():
        for number, given_ in (("12025550123", "Zoë"), ("12025550124", "Who: Me?")):
            store.insert("push_names", {"jid": f"{number}@s.whatsapp.net", "name": given_})
            chats.ensure(store, f"{number}@s.whatsapp.net", NOW)
    report = take(put(lines("Hello", name="Lea"), name), me="Lea", **options)
    assert report["chat_jid"] == jid
    assert said(store, jid) == [("04-13 09:15:00", True, "text", "Hello")]


@pytest.mark.parametrize(
    ("name", "options", "code", "part"),
    [
        ("chat.txt", {}, "not-found", "does not say whose chat"),
        ("WhatsApp Chat with Nobody.txt", {}, "not-found", "'Nobody'"),
        ("WhatsApp Chat with Ree.txt", {}, "not-found", "'Ree'"),
        ("WhatsApp Chat with Twin.txt", {}, "ambiguous", "'Twin'"),
        ("chat.txt", {"chat": "Nobody"}, "not-found", "'Nobody'"),
        ("chat.txt", {"chat": "Twin"}, "ambiguous", "'Twin'"),
        ("chat.txt", {"chat": "07700 900999"}, "usage", "country code"),
        ("chat.txt", {"chat": "Reem", "date_order": "dym"}, "usage", "dym"),
    ],
)
def test_an_unknown_chat_is_refused(
    put: Put, take: Take, store: Store, name: str, options: dict[str, Any], code: str, part: str
) -> None:
    with store.write():
        for number in ("12025550123", "12025550124"):
            import_person(store, Person("Twin", {number: None}), NOW)
    with pytest.raises(WaError) as caught:
        take(put(ANDROID, name), **options)
    assert caught.value.code == code
    assert part in caught.value.message
    assert "--chat" in (caught.value.hint or "") or options
    assert store.rows("SELECT id FROM messages") == []


# ── Senders ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "options", "mine"),
    [
        (["Reem", "Lea"], {}, ["Lea"]),
        (["Reem", "Lea M."], {}, ["Lea M."]),
        (["+44 7700 900123", "Lea M."], {}, ["Lea M."]),
        (["Sister", "Lea M."], {}, ["Lea M."]),
        (["Reem"], {}, []),
        (["Lea"], {}, ["Lea"]),
        (["Lea", "somebody"], {}, ["Lea"]),
        (["+44 7700 900000", "somebody"], {}, ["+44 7700 900000"]),
        (["Reem", "Lea M."], {"me": "lea m."}, ["Lea M."]),
        (["Reem", "Lea M."], {"me": "-"}, []),
        (["one", "two"], {"me": "one"}, ["one"]),
        (["~ one", "two"], {"me": "one"}, ["~ one"]),
        (["+44 7700 900000", "two"], {"me": "447700900000"}, ["+44 7700 900000"]),
        ([], {}, []),
    ],
)
def test_our_own_name_is_found(
    put: Put, take: Take, store: Store, names: list[str], options: dict[str, Any], mine: list[str]
) -> None:
    text = "13/04/2023, 10:14 - Messages are encrypted\n" + "".join(
        lines("Hello", name=name) for name in names
    )
    report = take(put(text), **options)
    assert [each["name"] for each in report["participants"] if each["is_me"]] == mine
    assert {each["jid"] for each in report["participants"] if not each["is_me"]} <= {REEM_JID}
    assert sum(mine for _, mine, _, _ in said(store)) == len(mine)


@pytest.mark.parametrize(
    ("names", "options", "part"),
    [
        (["one", "two"], {}, "one (1), two (1)"),
        (["one"], {}, "one (1)"),
        (["Reem", "Adam Sample"], {}, "Adam Sample (1)"),
        (["Reem", "one", "two"], {}, "Reem (1)"),
        (["Reem", "Lea"], {"me": "Leo"}, "'Leo'"),
        (["Lea", "~ Lea", "Reem"], {"me": "~Lea."}, "'~Lea.'"),
    ],
)
def test_an_ambiguous_name_of_ours_is_asked_for(
    put: Put, take: Take, store: Store, names: list[str], options: dict[str, Any], part: str
) -> None:
    with pytest.raises(WaError) as caught:
        take(put("".join(lines("Hello", name=name) for name in names)), **options)
    assert caught.value.code == "usage"
    assert part in caught.value.message
    assert "--me" in (caught.value.hint or "") or names[0] in (caught.value.hint or "")


def test_a_contact_with_our_name_is_not_us(put: Put, take: Take, store: Store) -> None:
    group(store)
    with store.write():
        import_person(store, Person("Lea", {"12025550123": None}), NOW)
    with pytest.raises(WaError, match="which of these people"):
        take(put(lines("Hello", name="Lea"), BOOKS))


def test_all_notes_to_ourselves_are_ours(put: Put, take: Take, store: Store) -> None:
    take(put(lines("Milk", name="Lea (You)"), "notes.txt"), chat="me")
    assert said(store, ME) == [("04-13 09:15:00", True, "text", "Milk")]


def test_each_sender_in_a_group_is_found(put: Put, take: Take, store: Store) -> None:
    group(store)
    with store.write():
        store.insert("push_names", {"jid": "12025550123@s.whatsapp.net", "name": "Zoë"})
        store.insert("push_names", {"jid": "12025550124@s.whatsapp.net", "name": "Reem"})
    names = ["Lea", "Reem", "Adam Sample", f"~{NNBSP}Zoë", "+1 202-555-0125", "Somebody", f"~{NNBSP}Else"]
    report = take(put("".join(lines("Hello", name=name) for name in names), BOOKS))
    jids = {each["name"]: each["jid"] for each in report["participants"]}
    assert jids["Lea"] == ME
    assert jids["Reem"] == REEM_JID
    assert jids["Adam Sample"] == ADAM_JID
    assert jids["~ Zoë"] == "12025550123@s.whatsapp.net"
    assert jids["+1 202-555-0125"] == "12025550125@s.whatsapp.net"
    assert jids["Somebody"].endswith("@unknown")
    assert jids["~ Else"].endswith("@unknown")
    assert len(set(jids.values())) == 7
    shown = [row["sender_name"] for row in messages.conversation(store, GROUP, 10)]
    assert shown[5:] == ["Somebody", "Else"]
    again = take(put("".join(lines("Hello", name=name) for name in names), BOOKS))
    assert again["participants"] == report["participants"]
    assert counts(again) == (0, 7)


def test_equal_messages_of_two_members_are_two(put: Put, take: Take, store: Store) -> None:
    group(store)
    live(store, "2023-04-13 10:15:30", "ok", chat=GROUP, sender=REEM_JID)
    assert counts(take(put(lines("ok", name="Adam Sample"), BOOKS), me="-")) == (1, 0)
    assert counts(take(put(lines("ok", name="Adam Sample") + lines("ok"), BOOKS), me="-")) == (0, 2)


def test_our_own_name_may_contain_a_colon(put: Put, take: Take, store: Store) -> None:
    with store.write():
        import_person(store, Person("Dr: Sample", {"12025550123": None}), NOW)
    take(put(lines("see: this", name="Dr: Sample") + lines("ok", name="Lea"), "x.txt"), chat="12025550123")
    assert said(store, "12025550123@s.whatsapp.net")[0][3] == "see: this"


def test_a_new_chat_gets_the_name_of_its_file(put: Put, take: Take, store: Store) -> None:
    take(put(lines("Hello", name="Lea"), "WhatsApp Chat with New club.txt"), chat=GROUP)
    assert store.rows("SELECT id, name, is_group FROM chats") == [
        {"id": GROUP, "name": "New club", "is_group": 1}
    ]


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────

PHOTO = "00000012-PHOTO-2023-04-13-10-15-00.jpg"
WITH_PHOTO = f"{LRM}[13/04/2023, 10:15:00] Reem: {LRM}<attached: {PHOTO}>\n"


def paths(store: Store) -> list[str | None]:
    return [row["media_path"] for row in store.rows("SELECT media_path FROM messages ORDER BY timestamp, id")]


def test_the_named_file_is_imported_with_the_chat(pack: Put, take: Take, store: Store, home: Home) -> None:
    file = pack(WITH_PHOTO, {PHOTO: b"picture", "other.jpg": b"not asked for"})
    assert take(file, dry_run=True)["media"] == {"taken": 1, "missing": 0, "omitted": 0}
    assert not (home.path / "media").exists()
    assert take(file)["media"] == {"taken": 1, "missing": 0, "omitted": 0}
    (path,) = paths(store)
    assert path
    assert path.startswith("media/import/")
    assert path.endswith(f"-{PHOTO}")
    kept = home.path / path
    assert kept.read_bytes() == b"picture"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [each.name for each in kept.parent.iterdir()] == [kept.name]
    assert said(store) == [("04-13 09:15:00", False, "image", None)]
    assert take(file)["media"] == {"taken": 0, "missing": 0, "omitted": 0}
    kept.unlink()
    assert take(file)["media"] == {"taken": 1, "missing": 0, "omitted": 0}
    assert kept.read_bytes() == b"picture"


def test_a_stored_message_gets_its_file(put: Put, pack: Put, take: Take, store: Store) -> None:
    live(store, "2023-04-13 10:15:00", None, message_type="image")
    take(put("[13/04/2023, 10:16:00] Reem: \u200evideo omitted\n", "WhatsApp Chat - Reem.txt"))
    clip = "00000013-VIDEO-2023-04-13-10-16-00.mp4"
    text = WITH_PHOTO + f"[13/04/2023, 10:16:00] Reem: {LRM}<attached: {clip}>\n"
    assert counts(take(pack(text, {PHOTO: b"picture", clip: b"clip"}))) == (0, 2)
    assert [bool(path) for path in paths(store)] == [True, True]


def test_an_android_zip_names_its_text_after_the_chat(pack: Put, take: Take, store: Store) -> None:
    text = lines("IMG-20230413-WA0001.jpg (file attached)\nLook", "notes.txt (file attached)")
    files = {"IMG-20230413-WA0001.jpg": b"picture", "notes.txt": b"13/04/2023, 10:15 - x: y"}
    report = take(pack(text, files, name="x.zip", inside="WhatsApp Chat with Reem.txt"))
    assert report["media"]["taken"] == 2
    assert [text for *_, text in said(store)] == ["Look", "notes.txt"]


@pytest.mark.parametrize(
    "evil",
    [
        "../../evil.jpg",
        "/tmp/evil.jpg",
        "a/../../evil.jpg",
        "..\\..\\evil.jpg",
        "C:\\evil.jpg",
        "C:/evil.jpg",
    ],
)
def test_no_file_is_written_outside_the_home(
    pack: Put, take: Take, store: Store, home: Home, tmp_path: Path, evil: str
) -> None:
    file = pack(WITH_PHOTO.replace(PHOTO, "evil.jpg"), {evil: b"x"})
    before = {path for path in tmp_path.rglob("*") if home.path not in path.parents}
    report = take(file)
    assert report["media"]["missing"] == 1
    assert report["reasons"][0]["reason"] == "the name of a file leads out of the ZIP"
    assert {path for path in tmp_path.rglob("*") if home.path not in path.parents} == before
    assert not Path("/tmp/evil.jpg").exists()
    assert paths(store) == [None]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a b.jpg", "a_b.jpg"),
        ("…;rm -rf $HOME.jpg", "_rm_-rf_HOME.jpg"),
        ("photo\x1b[2J.jpg", "photo_2J.jpg"),
        ("Фото.jpg", "Фото.jpg"),
        ("x" * 250 + ".jpg", "x" * 96 + ".jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("-rf.jpg", "rf.jpg"),
        ("Cafe\u0301.jpg", "Café.jpg"),
    ],
)
def test_names_of_files_are_made_safe(pack: Put, take: Take, store: Store, name: str, kept: str) -> None:
    take(pack(f"[13/04/2023, 10:15:00] Reem: {LRM}<attached: {name}>\n", {name: b"x"}))
    (path,) = paths(store)
    assert path
    assert path.partition("/import/")[2][17:] == kept


def test_names_match_in_composed_and_decomposed_form(pack: Put, take: Take, store: Store) -> None:
    take(pack(f"[13/04/2023, 10:15:00] Reem: {LRM}<attached: Caf\u00e9.jpg>\n", {"Cafe\u0301.jpg": b"x"}))
    assert paths(store) != [None]


def test_a_missing_file_is_counted(pack: Put, put: Put, take: Take, store: Store) -> None:
    assert take(pack(WITH_PHOTO, {}))["media"] == {"taken": 0, "missing": 1, "omitted": 0}
    assert take(put(WITH_PHOTO, "WhatsApp Chat - Reem.txt"))["media"]["missing"] == 1
    assert said(store) == [("04-13 09:15:00", False, "image", None)]


def spoil(path: Path, old: bytes, new: bytes) -> Path:
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new))
    return path


def encrypt(path: Path, name: bytes) -> Path:
    """Mark an entry as encrypted in both of its headers."""
    raw = bytearray(path.read_bytes())
    for signature, flags, length in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        start = raw.find(signature)
        while start >= 0:
            if raw[start + length : start + length + len(name)] == name:
                raw[start + flags] |= 1
            start = raw.find(signature, start + 1)
    path.write_bytes(bytes(raw))
    return path


def test_a_damaged_or_encrypted_file_is_skipped_and_reported(
    pack: Put, take: Take, store: Store, home: Home
) -> None:
    files = {PHOTO: os.urandom(1000), "b.jpg": b"fine", "c.jpg": b"secret"}
    text = WITH_PHOTO + "".join(
        f"[13/04/2023, 10:1{number}:00] Reem: {LRM}<attached: {name}>\n"
        for number, name in ((6, "b.jpg"), (7, "c.jpg"))
    )
    file = spoil(pack(text, files), files[PHOTO][:500], bytes(500))
    report = take(encrypt(file, b"c.jpg"))
    assert report["media"] == {"taken": 1, "missing": 2, "omitted": 0}
    assert [(each["reason"], each["example"]) for each in report["reasons"]] == [
        ("the file is damaged", PHOTO),
        ("the file is encrypted", "c.jpg"),
    ]
    assert [bool(path) for path in paths(store)] == [False, True, False]
    assert len(list((home.path / "media/import").iterdir())) == 1


def test_files_that_would_fill_the_disk_are_refused(
    pack: Put, take: Take, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_archive, "_SPARE_BYTES", 1 << 60)
    file = pack(WITH_PHOTO, {PHOTO: b"picture"})
    with pytest.raises(WaError) as caught:
        take(file)
    assert caught.value.code == "storage-error"
    assert list((home.path / "media/import").iterdir()) == []
    monkeypatch.undo()
    assert take(file)["media"]["taken"] == 1
    assert len(said(store)) == 1


# ── Bad input ─────────────────────────────────────────────────────────────────────────────────────


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


TEXT = lines("Hello").encode()


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("WhatsApp Chat with Reem.txt", b"", "is empty"),
        ("WhatsApp Chat with Reem.txt", b"\n\n", "no line of"),
        ("WhatsApp Chat with Reem.txt", b"Hello\n", "no line of"),
        ("WhatsApp Chat with Reem.txt", bytes(range(256)) * 50, "no line of"),
        ("WhatsApp Chat with Reem.txt", bytes(3_000_000), "no line of"),
        ("WhatsApp Chat with Reem.txt", b"\xff\xfe\x00", "no line of"),
        ("WhatsApp Chat - Reem.zip", TEXT, "is no ZIP"),
        ("WhatsApp Chat - Reem.zip", b"", "is empty"),
        ("WhatsApp Chat - Reem.zip", b"PK\3\4" + bytes(100), "is a damaged ZIP"),
        ("WhatsApp Chat - Reem.zip", zipped({}), "there is no chat in"),
        ("WhatsApp Chat - Reem.zip", zipped({"a.jpg": b"x"}), "there is no chat in"),
        ("WhatsApp Chat - Reem.zip", zipped({"__MACOSX/_chat.txt": TEXT}), "there is no chat in"),
        ("WhatsApp Chat - Reem.zip", zipped({"_chat.txt": TEXT})[:-10], "is a damaged ZIP"),
        ("WhatsApp Chat - Reem.zip", zipped({"_chat.txt": TEXT}).replace(b"Hello", b"Jello"), "is damaged"),
        ("WhatsApp Chat - Reem.zip", zipped({"_chat.txt": b""}), "no line of"),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    put: Put, take: Take, store: Store, home: Home, name: str, content: bytes, part: str
) -> None:
    with pytest.raises(WaError) as caught:
        take(put(content, name))
    assert caught.value.code == "bad-data"
    assert part in caught.value.message
    assert caught.value.hint
    assert store.rows("SELECT id FROM messages") == []
    assert not (home.path / "media").exists()


def test_an_encrypted_text_is_refused(pack: Put, take: Take) -> None:
    with pytest.raises(WaError, match="is encrypted"):
        take(encrypt(pack(ANDROID, {}), b"_chat.txt"))


def test_a_zip_that_says_it_unpacks_to_more_than_the_limit_is_refused(
    pack: Put, take: Take, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_archive, "_MOST_BYTES", 5000)
    text = WITH_PHOTO + f"[13/04/2023, 10:16:00] Reem: {LRM}<attached: b.mp4>\n"
    for inside, files, part in (
        (text, {PHOTO: b"x" * 4000, "b.mp4": bytes(2000)}, "more than 5,000 bytes: b.mp4 alone has 2,000"),
        (text, {"not named.bin": bytes(6000)}, "not named.bin alone has 6,000"),
        ("x" * 10_000, {}, "_chat.txt alone has 10,000"),
    ):
        with pytest.raises(WaError) as caught:
            take(pack(inside, files))
        assert caught.value.code == "bad-data"
        assert part in caught.value.message
        assert store.rows("SELECT id FROM messages") == []
        assert not (home.path / "media").exists()


def test_a_zip_with_two_chats_is_refused_with_both_their_names(put: Put, take: Take, store: Store) -> None:
    for one, other in (
        ("WhatsApp Chat with Reem.txt", "WhatsApp Chat with Adam Sample.txt"),
        ("Reem/_chat.txt", "Adam/_chat.txt"),
        ("_chat.txt", "WhatsApp Chat with Reem.txt"),
        ("a.txt", "b.txt"),
    ):
        with pytest.raises(WaError) as caught:
            take(put(zipped({one: TEXT, other: TEXT, "x.jpg": b"x"}), "WhatsApp Chat - Reem.zip"))
        assert caught.value.code == "usage"
        assert one in caught.value.message
        assert other in caught.value.message
    assert store.rows("SELECT id FROM messages") == []


def test_of_a_large_export_with_damaged_headers_all_else_is_read(
    put: Put, take: Take, store: Store, wa: Callable[..., Any]
) -> None:
    lines_ = big(5000, random.Random(5)).splitlines(keepends=True)
    for number in range(500, 5000, 1000):
        lines_[number] = lines_[number].replace("/", "x", 1)
    report = take(put("".join(lines_)))
    assert (report["read"], report["added"], report["skipped"]) == (5000, 4995, 5)
    (reason,) = report["reasons"]
    assert reason["reason"] == "its date or time cannot be read"
    assert [each.split(":")[0] for each in reason["example"].split("; ")] == [
        "line 501",
        "line 1501",
        "line 2501",
    ]
    assert not [text for *_, text in said(store) if text and "\n" in text]
    again = wa("history", "import", str(put("".join(lines_))))
    assert again.code == 8
    assert "4995 already there, 5 skipped" in again.out
    assert "skipped 5 × its date or time cannot be read (line 501: " in again.err


def test_the_text_of_the_report_has_the_files(pack: Put, take: Take, wa: Callable[..., Any]) -> None:
    text = WITH_PHOTO + f"[13/04/2023, 10:16:00] Reem: {LRM}<attached: gone.jpg>\n"
    told = wa(
        "history",
        "import",
        str(pack(text + f"[13/04/2023, 10:17:00] Reem: {LRM}image omitted\n", {PHOTO: b"x"})),
    )
    assert told.code == 0
    assert told.out.strip().endswith("0 skipped; files: 1 taken, 1 missing, 1 left out by the phone")


def test_a_message_in_two_exports_of_one_file_is_stored_once(put: Put, take: Take, store: Store) -> None:
    android, iphone = "{}/04/2023, 10:15 - Reem: {}\n", "[{}/04/2023, 10:15:20] Reem: {}\n"
    older, newer = [(13, "a"), (14, "b"), (14, "b"), (15, "b")], [(14, "b"), (14, "b"), (15, "b"), (16, "c")]
    for form, later in ((android, android), (iphone, iphone), (iphone, android)):
        with store.write():
            store.execute("DELETE FROM messages")
        text = "".join(form.format(*each) for each in older) + "".join(later.format(*each) for each in newer)
        assert counts(take(put(text), me="-")) == (5, 3)
        assert [text for *_, text in said(store)] == ["a", "b", "b", "b", "c"]
        assert counts(take(put(text), me="-")) == (0, 8)


def test_two_exports_in_one_file_are_matched_each_by_its_own_precision(
    put: Put, take: Take, store: Store
) -> None:
    live(store, "2023-04-13 10:15:42", "one", "A")
    live(store, "2023-04-14 10:15:42", "two", "B")
    live(store, "2023-04-15 10:15:42", "three", "C")
    text = (
        "[13/04/2023, 10:15:42] Reem: one\n[14/04/2023, 10:15:20] Reem: two\n"
        "15/04/2023, 10:15 - Reem: three\n16/04/2023, 10:15 - Reem: four\n"
    )
    assert counts(take(put(text), me="-")) == (2, 2)
    assert counts(take(put(text), me="-")) == (0, 4)


def test_a_missing_file_a_folder_and_a_device_are_refused(put: Put, take: Take, tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "none.txt", "not-found"),
        (tmp_path, "bad-data"),
        (Path("/dev/null"), "bad-data"),
    ):
        with pytest.raises(WaError) as caught:
            take(path)
        assert caught.value.code == code
    if os.geteuid():
        file = put(ANDROID)
        file.chmod(0)
        with pytest.raises(WaError) as caught:
            take(file)
        assert caught.value.code == "storage-error"


@settings(max_examples=examples(150))
@given(st.integers(0, 10_000), st.integers(1, 40), st.randoms())
def test_a_damaged_zip_never_breaks_the_import(
    pack: Put, put: Put, take: Take, start: int, size: int, chance: random.Random
) -> None:
    raw = bytearray(pack(IPHONE + WITH_PHOTO, {PHOTO: b"picture" * 20, "b.jpg": b"b"}).read_bytes())
    start %= len(raw)
    for place in range(start, min(start + size, len(raw))):
        raw[place] = chance.randrange(256)
    with suppress(WaError):
        take(put(bytes(raw), "WhatsApp Chat - Reem.zip"))


# ── Large files, and kills ────────────────────────────────────────────────────────────────────────


def big(number: int, chance: random.Random) -> str:
    """Return so many messages, many of them in the same minutes and with the same text."""
    moment = datetime(2023, 4, 13, tzinfo=timezone.utc)
    written = []
    for each in range(number):
        moment += timedelta(seconds=chance.choice((0, 0, 5, 30, 120)))
        text = chance.choice(("ok", "yes", f"number {each}"))
        written.append(f"{moment:%d/%m/%Y, %H:%M} - {chance.choice(('Reem', 'Lea'))}: {text}\n")
    return "".join(written)


def test_a_transaction_is_short_and_the_index_is_used(put: Put, take: Take, store: Store) -> None:
    ran: list[str] = []
    store.conn.set_trace_callback(ran.append)
    assert take(put(big(2000, random.Random(1))))["added"] == 2000
    store.conn.set_trace_callback(None)
    sizes, rows = [], 0
    for sql in ran:
        is_insert = sql.startswith("INSERT INTO messages (")
        rows = 0 if sql.startswith("BEGIN") else rows + is_insert * (1 + sql.count("), ("))
        sizes += [rows] if sql.startswith("COMMIT") else []
    assert sum(sizes) == 2000
    assert sizes[0] <= BATCH
    assert all(after <= 3 * before for before, after in pairwise([*filter(None, sizes)]))
    (matching,) = {
        sql.partition("json_each")[0]: sql for sql in ran if "json_each" in sql and "m.chat_jid" in sql
    }.values()
    store.execute("CREATE TEMP TABLE matched (id INTEGER PRIMARY KEY)")
    plan = " | ".join(row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {matching}"))
    store.execute("DROP TABLE matched")
    assert "messages_by_chat (chat_jid=? AND timestamp>? AND timestamp<?)" in plan


def test_progress_is_reported_for_both_readings(put: Put, take: Take) -> None:
    file = put(big(300, random.Random(1)))
    told: list[tuple[str, int, list[int]]] = []

    def begin(name: str, size: int) -> Callable[[int], object]:
        told.append((name, size, []))
        return told[-1][2].append

    take(file, progress=lambda: nullcontext(SimpleNamespace(begin=begin)))
    size = file.stat().st_size
    assert [(name, whole, sum(parts)) for name, whole, parts in told] == [
        (f"looking at {file.name}", size, size),
        (file.name, size, size),
    ]


def test_an_import_after_an_error_midway_duplicates_no_message(
    put: Put, take: Take, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put(big(3000, random.Random(2)))
    record, calls = write.record_many, []

    def fail(*args: Any) -> int:
        calls.append(args)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return record(*args)

    monkeypatch.setattr(write, "record_many", fail)
    with pytest.raises(OSError, match="No space"):
        take(file)
    there = len(said(store))
    assert 0 < there < 3000
    monkeypatch.undo()
    assert counts(take(file)) == (3000 - there, there)
    assert len(said(store)) == 3000


KILLED = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo
from wa.imports.export_chat.importer import import_chat
from wa.store.paths import Home
from wa.store.open import open_store
home = Home(Path(sys.argv[1]))
import_chat(open_store(home), Path(sys.argv[2]), datetime(2026, 11, 20, tzinfo=timezone.utc), chat=None,
            me=None, date_order=None, own_jid=None, zone=ZoneInfo("Europe/London"), region=None,
            dry_run=False)
"""


@pytest.mark.parametrize(
    "delay", [0.05, *(pytest.param(each, marks=pytest.mark.soak) for each in (0.0, 0.15))]
)
def test_an_import_after_a_kill_duplicates_no_message(
    put: Put, take: Take, store: Store, home: Home, delay: float
) -> None:
    text = big(12_000, random.Random(3))
    file = put(text)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(home.path), str(file)])
    try:
        wait_for(lambda: store.value("SELECT count(*) FROM messages") or process.poll() is not None)
        time.sleep(delay)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    there = store.value("SELECT count(*) FROM messages")
    assert there
    assert counts(take(file)) == (12_000 - there, there)
    wanted = sorted(line.partition(": ")[2] for line in text.splitlines())
    assert sorted(each[3] for each in said(store)) == wanted


def test_memory_does_not_grow_with_the_file(put: Put, take: Take, home: Home) -> None:
    def peak(number: int) -> int:
        file = put(big(number, random.Random(4)), f"WhatsApp Chat with Reem ({number}).txt")
        code = KILLED + "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        run = subprocess.run(
            [sys.executable, "-c", code, str(home.path), str(file)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(run.stdout)

    small, large = peak(1000), peak(20_000)
    assert large - small < 8 * 1024  # KB; the file alone has 900 KB


def test_an_import_leaves_a_sound_store(put: Put, take: Take, store: Store, home: Home) -> None:
    take(put("[13/04/2023, 10:15:30] Reem: Hello"))
    assert store.value("SELECT message_id FROM messages").startswith(OF_A_SECOND)
    again = open_store(home)
    assert check(again) == []
    again.close()
