"""The stand-in for WhatsApp's servers, and the `wa loopback` commands that control it."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock
from for_each import for_each

from wa.connection.context import system_now
from wa.errors import WaError
from wa.jids import is_group
from wa.whatsapp.events import (
    Deleted,
    Edited,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.faults import FAULTS
from wa.whatsapp.loopback.groups import group_jid
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import Outgoing, ReadMark

NOW = FakeClock()()
STAMP = int(NOW.timestamp())
LID = "100000000000123@lid"


@pytest.fixture
def server(home):
    """The stand-in's database."""
    home.prepare()
    opened = Loopback(home)
    yield opened
    opened.close()


@pytest.fixture
def waiting(server, home):
    """Return the events that wait for us, decoded."""
    transport = LoopbackTransport(home, system_now)

    def look():
        events, number = [], 0
        while found := server.incoming(number):
            number = found[-1][0]
            events += [event for _, kind, payload in found for event in transport.decode(kind, payload)]
        return events

    return look


def accept(server, text, secret=None, *, receipt=False):
    """Accept a message from us."""
    message = Outgoing(REEM_JID, text, secret or os.urandom(32))
    server.accept(message, f"3EB0{text}", NOW, receipt=receipt)
    return message


# ── say ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "events"),
    [
        ({"text": "Hello", "id": "A"}, [MessageReceived(REEM_JID, "A", REEM_JID, STAMP, "Hello")]),
        (
            {"text": "Hello", "id": "A", "name": "Reem", "reply_to": "Z", "timestamp": 1_700_000_000},
            [
                MessageReceived(
                    REEM_JID, "A", REEM_JID, 1_700_000_000, "Hello", push_name="Reem", quoted_id="Z"
                )
            ],
        ),
        (
            {"text": "look", "id": "A", "type": "image"},
            [MessageReceived(REEM_JID, "A", REEM_JID, STAMP, "look", "image")],
        ),
        (
            {"from": ACCOUNT.jid, "to": REEM_JID, "text": "mine", "id": "A"},
            [MessageReceived(REEM_JID, "A", ACCOUNT.jid, STAMP, "mine", is_from_me=True)],
        ),
        (
            {"from": ACCOUNT.jid, "text": "a note", "id": "A"},
            [MessageReceived(ACCOUNT.jid, "A", ACCOUNT.jid, STAMP, "a note", is_from_me=True)],
        ),
        ({"edit": "A", "text": "new"}, [Edited(REEM_JID, "A", "new", STAMP)]),
        ({"delete": "A"}, [Deleted(REEM_JID, "A", STAMP)]),
        ({"react": "A", "text": "👍"}, [Reacted(REEM_JID, "A", REEM_JID, "👍", STAMP)]),
        ({"react": "A"}, [Reacted(REEM_JID, "A", REEM_JID, "", STAMP)]),
        ({"receipt": "A"}, [ReceiptReceived(REEM_JID, ("A",), REEM_JID, "delivered", STAMP)]),
        ({"receipt": "A", "text": "read"}, [ReceiptReceived(REEM_JID, ("A",), REEM_JID, "read", STAMP)]),
        (
            {"from": LID, "phone": REEM, "text": "Hello", "id": "A"},
            [JidMapped(LID, REEM_JID), MessageReceived(LID, "A", LID, STAMP, "Hello")],
        ),
    ],
)
def test_say_queues_the_events_of_a_line(server, waiting, line, events):
    server.say([{"from": REEM_JID, **line}], NOW)
    assert waiting() == events


def test_a_message_of_an_unknown_type_keeps_the_whole_line(server, waiting):
    server.say([{"from": REEM_JID, "text": "?", "type": "hologram", "id": "A"}], NOW)
    (event,) = waiting()
    assert event.message_type == "other"
    assert json.loads(event.raw)["type"] == "hologram"


def test_every_message_has_an_id_of_its_own(server):
    ids = server.say([{"from": REEM_JID, "text": "x"}] * 50, NOW)
    assert len(set(ids)) == 50


def test_a_sender_in_a_group_becomes_a_member(server, waiting):
    for sender in (REEM_JID, ADAM_JID):
        server.say([{"from": sender, "text": "x", "group": "Family"}], NOW)
    infos = [event for event in waiting() if isinstance(event, GroupInfo)]
    assert {info.jid for info in infos} == {group_jid("Family")}
    assert {member for member, _ in infos[0].members} == {ACCOUNT.jid, REEM_JID}
    assert {member for member, _ in infos[1].members} == {ACCOUNT.jid, REEM_JID, ADAM_JID}
    assert infos[1].name == "Family"


def test_a_group_may_be_named_by_its_jid(server, waiting):
    server.say([{"from": REEM_JID, "text": "x", "group": "1203630000000000001@g.us"}], NOW)
    info, message = waiting()
    assert (info.jid, info.name, message.chat_jid) == ("1203630000000000001@g.us", None, info.jid)


def test_posts_make_no_group(server, waiting):
    places = ["status@broadcast", "120363000000000001@newsletter"]
    server.say([{"from": REEM_JID, "text": "at the sea", "group": place} for place in places], NOW)
    assert [(post.chat_jid, post.content) for post in waiting()] == [(each, "at the sea") for each in places]


@for_each("name", ["Family", "", "Fam ily ♥", "x" * 300])
def test_a_group_name_makes_a_jid(name):
    assert is_group(group_jid(name))
    assert group_jid(name) == group_jid(name)
    assert group_jid(name) != group_jid(name + "2")


def test_one_wrong_line_refuses_all_lines(server, waiting):
    with pytest.raises(KeyError):
        server.say([{"from": REEM_JID, "text": "fine"}, {"text": "from nobody"}], NOW)
    assert waiting() == []
    server.say([{"from": REEM_JID, "text": "next"}], NOW)
    assert [event.content for event in waiting()] == ["next"]


def test_queued_events_outlive_the_process(home, shell, waiting):
    assert shell("loopback", "say", REEM, "Hello").code == 0
    assert [event.content for event in waiting()] == ["Hello"]


# ── The commands ──────────────────────────────────────────────────────────────────────────────────


def test_say_prints_the_id_of_the_message_and_accepts_an_id(wa, waiting):
    (given,) = wa("loopback", "say", REEM, "Hello", "--json").json["message_ids"]
    assert wa("loopback", "say", REEM, "again", "--id", "MINE", "--name", "Reem").out == "MINE\n"
    assert [event.message_id for event in waiting()] == [given, "MINE"]
    assert waiting()[1].push_name == "Reem"


@pytest.mark.parametrize("sender", [REEM, "+44 7700 900123", REEM_JID, "reem"])
def test_say_finds_people_as_other_commands_do(wa, waiting, sender):
    wa("contacts", "add", "Reem", REEM)
    assert wa("loopback", "say", sender, "Hello").code == 0
    assert [event.sender for event in waiting()] == [REEM_JID]


def test_say_reads_json_lines(wa, waiting):
    lines = [
        {"from": REEM, "text": "one ✓", "id": "A"},
        {"from": REEM_JID, "edit": "A", "text": "two"},
        {"from": "me", "to": REEM, "text": "three", "id": "B"},
    ]
    text = "\n\n".join(json.dumps(line) for line in lines) + "\n"
    assert wa("loopback", "say", "-", "--json", stdin=text).json == {"message_ids": ["A", "B"]}
    first, second, third = waiting()
    assert (first.content, second.content) == ("one ✓", "two")
    assert (third.chat_jid, third.is_from_me) == (REEM_JID, True)


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'"text"',
        b"{}",
        b'{"text": "from nobody"}',
        b'{"from": ""}',
        b"\xff\xfe",
        b'{"from": "447700900123", "text": "x", "timestamp": "soon"}',
        b'{"from": "447700900123", "text": "x", "timestamp": [1]}',
        b'{"from": "447700900123", "text": "x", "timestamp": 1e400}',
    ],
)
def test_say_refuses_all_lines_with_a_bad_one(wa, waiting, line):
    stdin = b'{"from": "447700900123", "text": "fine"}\n' + line + b"\n"
    result = wa("loopback", "say", "-", "--json", stdin=stdin)
    assert (result.code, result.out, result.error["code"]) == (8, "", "bad-data"), result.err
    assert waiting() == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["say", REEM], 2, "usage"),
        (["say", "nobody", "Hello"], 4, "recipient-not-found"),
        (["say", "x@nowhere", "Hello"], 4, "recipient-not-found"),
        (["fault", "no-such-fault", "on"], 2, "usage"),
        (["fault", "offline"], 2, "usage"),
        (["fault", "offline", "maybe"], 2, "usage"),
        (["fault", "ack-delay"], 2, "usage"),
        (["fault", "ack-delay", "-1"], 2, "usage"),
        (["fault", "ack-delay", "nan"], 2, "usage"),
        (["fault", "ack-delay", "inf"], 2, "usage"),
        (["fault", "refuse", "4.5"], 2, "usage"),
        (["fault", "refuse", "soon"], 2, "usage"),
        (["fault", "not-on-whatsapp"], 2, "usage"),
        (["fault", "not-on-whatsapp", "nobody"], 2, "usage"),
        (["no-such-command"], 2, "usage"),
    ],
)
def test_bad_requests_are_refused(wa, arguments, code, word):
    result = wa("loopback", *arguments, "--json")
    assert (result.code, result.out, result.error["code"]) == (code, "", word), result.err


def test_without_the_stand_in_there_is_no_loopback_command(wa):
    result = wa("loopback", "delivered", WA_TRANSPORT="neonize")
    assert result.code == 2
    assert "loopback" not in wa("--help", WA_TRANSPORT="neonize").out


def test_a_server_that_was_begun_by_an_earlier_version_takes_messages_of_every_kind(wa, home):
    with closing(sqlite3.connect(home.loopback)) as old:
        old.execute(
            "CREATE TABLE delivered (id INTEGER PRIMARY KEY AUTOINCREMENT, to_jid TEXT NOT NULL,"
            " content TEXT NOT NULL, message_id TEXT NOT NULL, secret TEXT NOT NULL UNIQUE, at TEXT NOT NULL)"
        )
        old.execute(
            "INSERT INTO delivered VALUES (1, ?, 'old', 'A', 'B', '2026-01-01T00:00:00Z')", [REEM_JID]
        )
        old.commit()
    assert wa("send", REEM, "--location", "1,2").code == 0
    rows = wa("loopback", "delivered", "--json").json
    assert [(row["content"], row["kind"]) for row in rows] == [("old", "text"), ("1.0, 2.0", "location")]


def test_delivered_lists_accepted_messages_in_order(wa, server):
    for text in ("one", "two\nlines"):
        accept(server, text)
    rows = wa("loopback", "delivered", "--json").json
    assert [(row["content"], row["to_jid"]) for row in rows] == [("one", REEM_JID), ("two\nlines", REEM_JID)]
    assert set(rows[0]) == {
        "id", "to_jid", "content", "message_id", "secret", "at", "kind", "details",
    }  # fmt: skip
    assert rows[0]["at"] == "2026-11-20T12:00:00.000Z"
    assert wa("loopback", "delivered").out.splitlines()[1] == "2026-11-20 12:00\t+447700900123\ttwo lines"


def test_delivered_without_messages_is_an_empty_list(wa):
    assert wa("loopback", "delivered", "--json").json == []
    assert wa("loopback", "delivered").out == ""


# ── Faults ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value", "stored", "normal"),
    [
        ("offline", "on", "on", "off"),
        ("ack-lost", "on", "on", "off"),
        ("logged-out", "on", "on", "off"),
        ("outdated", "on", "on", "off"),
        ("receipts", "off", "off", "on"),
        ("ack-delay", "2", "2.0", "off"),
        ("upload-delay", "2", "2.0", "off"),
        ("ack-timeout", "0", "0.0", "off"),
        ("banned", "60", "60.0", "off"),
        ("refuse", "463", "463", "off"),
    ],
)
def test_a_fault_is_set_and_undone(wa, server, name, value, stored, normal):
    assert wa("loopback", "fault", name, value, "--json").json == {"faults": {name: stored}}
    assert server.faults() == {name: stored}
    wa("loopback", "fault", name, value)
    assert server.faults() == {name: stored}
    assert wa("loopback", "fault", name, normal, "--json").json == {"faults": {}}


def test_every_fault_is_tried_above():
    tried = {"offline", "ack-lost", "logged-out", "outdated", "receipts", "ack-delay", "ack-timeout"}
    assert tried | {"banned", "refuse", "upload-delay", "not-on-whatsapp"} == set(FAULTS)


@pytest.mark.parametrize("number", ["12025550199", "+12025550199", "12025550199@s.whatsapp.net"])
def test_not_on_whatsapp_may_be_set_for_several_numbers(wa, server, number):
    wa("loopback", "fault", "not-on-whatsapp", "12025550198")
    wa("loopback", "fault", "not-on-whatsapp", number)
    named = server.faults()["not-on-whatsapp"].split()
    assert sorted(named) == ["12025550198@s.whatsapp.net", "12025550199@s.whatsapp.net"]


def test_reset_clears_all_faults_and_nothing_else(wa, server, waiting):
    accept(server, "one")
    server.say([{"from": REEM_JID, "text": "waiting"}], NOW)
    for name, value in (("offline", "on"), ("refuse", "463"), ("not-on-whatsapp", REEM)):
        assert wa("loopback", "fault", name, value).code == 0
    assert wa("loopback", "reset", "--json").json == {"faults": {}}
    assert server.faults() == {}
    assert len(list(server.delivered())) == 1
    assert len(waiting()) == 1


# ── What the transport relies on ──────────────────────────────────────────────────────────────────


def test_a_secret_is_accepted_once(server):
    secret = os.urandom(32)
    accept(server, "one", secret)
    with pytest.raises(Exception, match="UNIQUE"):
        accept(server, "two", secret)
    assert [row["content"] for row in server.delivered()] == ["one"]
    assert server.accepted_id(secret) == "3EB0one"
    assert server.accepted_id(os.urandom(32)) is None


def test_acceptance_and_its_receipt_are_one_transaction(server, waiting):
    secret = os.urandom(32)
    accept(server, "one", secret, receipt=True)
    with pytest.raises(Exception, match="UNIQUE"):
        accept(server, "two", secret, receipt=True)
    assert [event.message_ids for event in waiting()] == [("3EB0one",)]


def test_the_newest_connection_replaces_the_others(server, home):
    assert server.connection() is None
    first = server.take_connection()
    other = Loopback(home)
    second = other.take_connection()
    other.close()
    assert server.connection() == second != first


def test_a_change_by_another_connection_is_seen(server, home):
    before = server.version()
    assert server.version() == before
    other = Loopback(home)
    other.set_fault("offline", "on")
    other.close()
    assert server.version() != before


def test_marking_as_read_twice_is_harmless(server):
    mark = ReadMark(REEM_JID, REEM_JID, ["A", "B"])
    server.note_read(mark)
    server.note_read(mark)
    assert server._value("SELECT count(*) FROM read_marks") == 2


def test_accepted_messages_survive_a_kill(home, spawn, server):
    program = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from wa.connection.context import system_now\n"
        "from wa.store.paths import Home\n"
        "from wa.whatsapp.loopback.server import Loopback\n"
        "from wa.whatsapp.transport import Outgoing\n"
        "server = Loopback(Home(Path(os.environ['WA_HOME'])))\n"
        "message = Outgoing('447700900123@s.whatsapp.net', 'Hello', b'secret')\n"
        "server.accept(message, 'A', system_now(), receipt=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert spawn(program=[sys.executable, "-c", program]).finish().code == -9
    assert [row["content"] for row in server.delivered()] == ["Hello"]


def test_twelve_processes_that_say_at_once_on_a_fresh_home_lose_no_message(home, spawn, waiting):
    processes = [spawn("loopback", "say", REEM, f"message {number}") for number in range(12)]
    results = [process.finish() for process in processes]
    assert [result.code for result in results] == [0] * 12, [result.err for result in results]
    assert {event.content for event in waiting()} == {f"message {number}" for number in range(12)}


def test_the_stand_in_s_file_is_for_its_owner_alone(home, shell):
    shell("loopback", "say", REEM, "Hello")
    assert home.loopback.stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_reported_as_damaged(home, wa):
    home.prepare()
    home.loopback.write_bytes(b"this is not a database" * 100)
    result = wa("loopback", "delivered", "--json")
    assert result.code in (7, 8)
    assert "loopback.db" in result.error["message"]


def test_an_unknown_fault_lists_the_known_faults(server):
    with pytest.raises(WaError) as error:
        server.set_fault("no-such-fault", "on")
    assert all(name in error.value.hint for name in FAULTS)
