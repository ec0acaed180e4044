"""Events from the spool to the record: every kind, in any order, and those that cannot be read."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import spooled
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock, wait_for
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from wa.connection import apply, spool
from wa.connection.context import system_now
from wa.queue import outcomes
from wa.record import chats, messages, search, write
from wa.record.search import Filter
from wa.store.condition import check
from wa.store.database import BATCH
from wa.store.open import open_store
from wa.values import replace
from wa.whatsapp.events import (
    ChatRead,
    Deleted,
    Edited,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback

NOW = FakeClock()()
AT = 1_795_000_000
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"


def message(message_id="A", content="Hello", **fields):
    """Return a message from Reem."""
    base = MessageReceived(REEM_JID, message_id, REEM_JID, AT, content)
    return replace(base, **fields)


def ours(message_id="A", content="Hello", **fields):
    """Return a message to Reem that we wrote on another device."""
    return message(message_id, content, sender=ACCOUNT.jid, is_from_me=True, **fields)


def receipt(kind, message_id="A", recipient=REEM_JID, **fields):
    """Return a receipt for messages of ours."""
    return replace(ReceiptReceived(REEM_JID, (message_id,), recipient, kind, AT), **fields)


@pytest.fixture
def put(store):
    """Record events, each in a transaction of its own."""
    return spooled.applier(store, NOW)


@pytest.fixture
def receive(store, home):
    """Spool raw events of the stand-in's form, and apply them until nothing is left to do."""
    transport = LoopbackTransport(home, system_now)

    def run(*payloads):
        for kind, fields in payloads:
            payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
            spooled.append(store, kind, payload, NOW)
        while spooled.apply_batch(store, transport.decode, NOW):
            pass

    return run


def raw(message_id, content="Hello", **fields):
    """Return a message as the stand-in writes it."""
    base = {"chat_jid": REEM_JID, "message_id": message_id, "sender": REEM_JID, "timestamp": AT}
    return "message", {**base, "content": content, **fields}


def only(store):
    """Return the one message in the store."""
    (row,) = store.rows("SELECT * FROM messages")
    return row


def chat(store, jid=REEM_JID):
    """Return the row of a chat."""
    return store.row("SELECT * FROM chats WHERE id = ?", [jid])


def found(store, query):
    """Return the ids of the messages that a search finds."""
    return [row["message_id"] for row in search.search(store, query, Filter(), 50)]


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_stored_with_all_its_fields(store, put):
    put(message("A", "Hello", push_name="Reem", quoted_id="Z"))
    row = only(store)
    assert row["chat_jid"] == row["sender"] == REEM_JID
    assert (row["message_id"], row["content"], row["timestamp"]) == ("A", "Hello", AT)
    assert (row["message_type"], row["status"], row["source"]) == ("text", "received", "live")
    assert (row["is_from_me"], row["quoted_id"]) == (0, "Z")
    assert row["created_at"] == "2026-11-20T12:00:00.000Z"
    assert chat(store)["unread_count"] == 1
    assert chat(store)["last_message_time"] == AT


@pytest.mark.parametrize("kind", [kind for kind in messages.TYPES if kind not in ("reaction", "system")])
def test_a_message_of_any_type_is_stored_and_counts_as_unread(store, put, kind):
    put(message("A", "a caption", message_type=kind))
    assert only(store)["message_type"] == kind
    assert chat(store)["unread_count"] == 1
    assert found(store, "caption") == ["A"]


@pytest.mark.parametrize("kind", ["reaction", "system"])
def test_a_reaction_or_notice_is_not_unread_and_does_not_move_its_chat_up(store, put, kind):
    put(message("A"), message("B", "…", message_type=kind, timestamp=AT + 60))
    assert chat(store)["unread_count"] == 1
    assert chat(store)["last_message_time"] == AT


def test_a_message_without_a_text_is_stored(store, put):
    put(message("A", None, message_type="voice"))
    assert only(store)["content"] is None
    assert found(store, "a") == []


def test_an_unknown_kind_is_stored_as_other_with_its_bytes(store, home, receive):
    server = Loopback(home)
    server.say([{"from": REEM_JID, "text": "", "type": "hologram", "id": "A"}], NOW)
    ((_, kind, payload),) = server.incoming(0)
    server.close()
    receive((kind, payload))
    row = only(store)
    assert row["message_type"] == "other"
    assert json.loads(row["raw_proto"])["type"] == "hologram"
    assert spool.count(store) == 0


def test_our_own_message_from_another_device_is_sent_and_not_unread(store, put):
    put(message("A"), ours("B", "from my phone", timestamp=AT + 1))
    row = store.row("SELECT * FROM messages WHERE message_id = 'B'")
    assert (row["chat_jid"], row["is_from_me"], row["status"]) == (REEM_JID, 1, "sent")
    assert chat(store)["unread_count"] == 0
    assert chat(store)["last_message_time"] == AT + 1


def test_the_same_message_twice_is_stored_once(store, put):
    put(message("A"), message("A"), message("A", "another text"))
    assert only(store)["content"] == "Hello"
    assert chat(store)["unread_count"] == 1
    assert found(store, "hello") == ["A"]
    assert check(store) == []


def sent_row(text):
    """Return the columns of a sent queue row from which its message is made."""
    return {
        "to_jid": REEM_JID, "message": text, "quoted_id": None,
        "media_type": None, "details": None, "media_path": None, "file_name": None,
    }  # fmt: skip


def test_one_id_in_two_chats_is_two_messages(store, put):
    put(message("A"), message("A", chat_jid=ADAM_JID, sender=ADAM_JID))
    assert store.value("SELECT count(*) FROM messages") == 2


def test_our_message_is_stored_once_whether_it_is_sent_or_comes_back_first(store, put):
    with store.write():
        outcomes._record_sent(store, sent_row("Hello"), "A", AT, NOW)
    put(ours("A"))
    assert only(store)["is_from_me"] == 1
    put(ours("B"))
    with store.write():
        outcomes._record_sent(store, sent_row("Hello"), "B", AT, NOW)
    assert store.value("SELECT count(*) FROM messages") == 2


def test_an_older_message_does_not_move_its_chat_down(store, put):
    put(message("A"), message("B", timestamp=AT - 60))
    assert chat(store)["last_message_time"] == AT


def test_a_message_without_a_required_field_is_kept_in_the_spool(store, receive):
    """Ignoring a row that exists must not mean ignoring a row that is broken."""
    receive(raw("A", timestamp=None), raw("B"))
    assert [row["message_id"] for row in store.rows("SELECT * FROM messages")] == ["B"]
    assert spool.count(store) == 1


def test_a_message_with_a_time_beyond_the_calendar_breaks_no_command(store, receive, wa):
    receive(raw("A"), raw("B", timestamp=AT * 1_000_000))
    for command in (["status"], ["chats"], ["read", REEM], ["search", "hello"], ["listen", "--for", "0s"]):
        result = wa(*command)
        assert result.code in (0, 2), f"{command}: {result.err}"


# ── Edits and deletions ───────────────────────────────────────────────────────────────────────────


def test_an_edit_changes_the_text_and_says_when(store, put):
    put(message("A", "Helo"), Edited(REEM_JID, "A", "Hello", AT + 5))
    row = only(store)
    assert row["content"] == "Hello"
    assert row["edited_at"] == "2026-11-18T11:06:45.000Z"
    assert row["timestamp"] == AT


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 3, 1), (1, 3, 2)])
def test_edits_in_any_order_keep_the_newest_text(store, put, order):
    put(message("A", "version 0"))
    put(*[Edited(REEM_JID, "A", f"version {number}", AT + number) for number in order])
    assert only(store)["content"] == "version 3"
    assert found(store, "version 3") == ["A"]
    assert check(store) == []


def test_an_edit_that_comes_before_its_message_is_not_lost(store, put):
    """A message that could not be decrypted at first arrives again, after the events about it."""
    put(Edited(REEM_JID, "A", "Hello", AT + 5), message("A", "Helo"))
    assert only(store)["content"] == "Hello"


def test_two_edits_of_ours_that_come_before_the_message_show_the_newer_one(store, put):
    me = {"by": ACCOUNT.jid, "is_from_me": True}
    put(Edited(REEM_JID, "A", "Helo", AT + 5, **me), Edited(REEM_JID, "A", "Hello!", AT + 9, **me), ours())
    assert [row["content"] for row in store.rows("SELECT content FROM messages")] == ["Hello!"]


def test_a_deletion_that_comes_before_its_message_is_not_lost(store, put):
    put(Deleted(REEM_JID, "A", AT + 5), message("A", "oops"))
    row = only(store)
    assert row["content"] is None
    assert row["deleted_at"]


def test_search_follows_edits(store, put):
    put(message("A", "first words"), Edited(REEM_JID, "A", "second thoughts", AT + 1))
    assert found(store, "first") == []
    assert found(store, "second") == ["A"]
    assert check(store) == []


def test_an_edit_gives_a_text_to_a_message_without_one(store, put):
    put(message("A", None, message_type="image"), Edited(REEM_JID, "A", "a caption", AT + 1))
    assert found(store, "caption") == ["A"]


def test_a_deletion_leaves_a_tombstone(store, put):
    put(message("A", "a secret", raw=b"secret"), Deleted(REEM_JID, "A", AT + 5))
    row = only(store)
    assert row["deleted_at"] == "2026-11-18T11:06:45.000Z"
    assert (row["content"], row["raw_proto"]) == (None, None)
    assert (row["message_id"], row["sender"], row["timestamp"]) == ("A", REEM_JID, AT)


def test_search_does_not_find_a_deleted_message(store, put):
    put(message("A", "a secret"), message("B", "another secret"), Deleted(REEM_JID, "A", AT + 5))
    assert found(store, "secret") == ["B"]
    assert check(store) == []


def test_a_deleted_message_stays_deleted(store, put):
    put(message("A", "a secret"), Deleted(REEM_JID, "A", AT + 5))
    put(message("A", "a secret"), Edited(REEM_JID, "A", "edited", AT + 9), Deleted(REEM_JID, "A", AT + 10))
    row = only(store)
    assert (row["content"], row["edited_at"]) == (None, None)
    assert row["deleted_at"] == "2026-11-18T11:06:45.000Z"
    assert check(store) == []


def test_events_about_unknown_messages_are_harmless(store, put):
    put(
        Edited(REEM_JID, "Z", "text", AT),
        Deleted(REEM_JID, "Z", AT),
        Reacted(REEM_JID, "Z", REEM_JID, "👍", AT),
        receipt("read", "Z"),
        ChatRead(REEM_JID),
    )
    assert store.value("SELECT count(*) FROM messages WHERE content IS NOT NULL") == 0


# ── Reactions ─────────────────────────────────────────────────────────────────────────────────────


def shown_reactions(store):
    """Return (sender, emoji) of the reactions that `wa read` shows to message A."""
    rows = messages.conversation(store, REEM_JID, 50)
    return [(each["sender"], each["emoji"]) for each in rows[0]["reactions"]]


def test_a_newer_reaction_of_a_person_replaces_the_older_one(store, put):
    put(
        message("A"),
        Reacted(REEM_JID, "A", REEM_JID, "👍", AT + 1),
        Reacted(REEM_JID, "A", REEM_JID, "🎉", AT + 3),
        Reacted(REEM_JID, "A", REEM_JID, "😡", AT + 2),
        Reacted(REEM_JID, "A", ACCOUNT.jid, "👍", AT + 2),
    )
    assert sorted(shown_reactions(store)) == sorted([(REEM_JID, "🎉"), (ACCOUNT.jid, "👍")])


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_an_empty_reaction_takes_the_reaction_back(store, put, order):
    events = {
        1: Reacted(REEM_JID, "A", REEM_JID, "👍", AT + 1),
        2: Reacted(REEM_JID, "A", REEM_JID, "", AT + 2),
    }
    put(message("A"), *[events[number] for number in order])
    assert shown_reactions(store) == []


def test_a_reaction_may_come_before_its_message(store, put):
    put(Reacted(REEM_JID, "A", REEM_JID, "👍", AT + 1), message("A"))
    assert shown_reactions(store) == [(REEM_JID, "👍")]


def test_a_reaction_under_a_hidden_id_is_replaced_by_one_under_the_number(store, receive):
    """It is one person, by number or by hidden id."""
    react = {"message_id": "A", "chat_jid": GROUP}
    receive(
        raw("A", chat_jid=GROUP),
        ("reaction", {**react, "sender": LID, "emoji": "👍", "timestamp": AT + 1}),
        ("mapping", {"lid": LID, "pn": REEM_JID}),
        ("reaction", {**react, "sender": REEM_JID, "emoji": "", "timestamp": AT + 2}),
    )
    assert messages.conversation(store, GROUP, 50)[0]["reactions"] == []


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["delivered"], "delivered"),
        (["inactive"], "delivered"),
        (["delivered", "delivered"], "delivered"),
        (["delivered", "read"], "read"),
        (["read", "delivered"], "read"),
        (["played"], "read"),
        (["sender"], "sent"),
        (["retry"], "sent"),
    ],
)
def test_receipts_move_the_status_of_our_message(store, put, kinds, status):
    put(ours("A"), *[receipt(kind) for kind in kinds])
    assert only(store)["status"] == status
    assert store.value("SELECT count(*) FROM receipts") == len(set(kinds))


@pytest.mark.parametrize("kind", ["delivered", "read"])
def test_a_receipt_may_come_before_its_message_is_recorded(store, put, kind):
    put(receipt(kind))
    with store.write():
        outcomes._record_sent(store, sent_row("Hello"), "A", AT, NOW)
    assert only(store)["status"] == kind


@pytest.mark.parametrize("kind", ["delivered", "read"])
def test_a_receipt_may_come_before_our_message_from_another_device(store, put, kind):
    put(receipt(kind), ours("A"))
    assert only(store)["status"] == kind


def test_one_receipt_may_be_about_several_messages(store, put):
    put(ours("A"), ours("B"), replace(receipt("read"), message_ids=("A", "B")))
    assert [row["status"] for row in store.rows("SELECT status FROM messages")] == ["read", "read"]


def test_a_receipt_does_not_change_messages_of_others(store, put):
    put(message("A"), receipt("read"))
    assert only(store)["status"] == "received"
    assert chat(store)["unread_count"] == 1


def test_receipts_of_a_group_are_kept_for_each_member(store, put):
    put(ours("A", chat_jid=GROUP))
    put(
        receipt("delivered", chat_jid=GROUP, recipient=REEM_JID),
        receipt("delivered", chat_jid=GROUP, recipient=ADAM_JID),
    )
    assert store.value("SELECT count(*) FROM receipts") == 2


# ── Chats, names and groups ───────────────────────────────────────────────────────────────────────


def test_reading_a_chat_on_another_device_marks_it_as_read(store, put):
    put(message("A"), message("B"), message("C", chat_jid=ADAM_JID, sender=ADAM_JID), ChatRead(REEM_JID))
    assert chat(store)["unread_count"] == 0
    assert chat(store, ADAM_JID)["unread_count"] == 1
    statuses = {row["message_id"]: row["status"] for row in store.rows("SELECT * FROM messages")}
    assert statuses == {"A": "read", "B": "read", "C": "received"}


def test_push_names_follow_their_people(store, put):
    put(message("A", push_name="Reem"), Named(REEM_JID, "Reem A."))
    assert [row["name"] for row in chats.listing(store, 5)] == ["Reem A."]
    put(message("B", push_name="Reemy"))
    assert [row["name"] for row in chats.listing(store, 5)] == ["Reemy"]


def test_our_own_push_name_names_no_chat(store, put):
    put(ours("A", push_name="Me"))
    assert [row["name"] for row in chats.listing(store, 5)] == [None]


def test_a_members_name_does_not_name_the_group(store, put):
    put(GroupInfo(GROUP, "Family", ((REEM_JID, "admin"),)))
    put(message("A", chat_jid=GROUP, push_name="Reem"), Named(GROUP, "not a person"))
    (group,) = chats.groups(store)
    assert group["name"] == "Family"
    assert group["members"] == [{"member_jid": REEM_JID, "role": "admin", "name": "Reem"}]


def test_group_info_replaces_the_stored_name_and_members(store, put):
    put(GroupInfo(GROUP, "Family", ((REEM_JID, "member"), (ADAM_JID, "member"))))
    put(GroupInfo(GROUP, "Friends", ((REEM_JID, "admin"),)))
    (group,) = chats.groups(store)
    assert group["name"] == "Friends"
    assert [(each["member_jid"], each["role"]) for each in group["members"]] == [(REEM_JID, "admin")]


def test_group_info_without_name_or_members_leaves_those_stored(store, put):
    put(GroupInfo(GROUP, "Family", ((REEM_JID, "admin"),)), GroupInfo(GROUP, None, None))
    (group,) = chats.groups(store)
    assert group["name"] == "Family"
    assert len(group["members"]) == 1
    assert group["is_group"] == 1


def test_a_group_without_messages_is_a_chat(store, put):
    put(GroupInfo(GROUP, "Family", ((REEM_JID, "member"),)))
    assert [row["id"] for row in chats.listing(store, 5)] == [GROUP]


# ── The spool ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("message", b"\xff not json"),
        ("message", b"[]"),
        ("message", b"{}"),
        ("message", b'{"no_such_field": 1}'),
        ("no-such-kind", b"{}"),
        ("edit", b'{"chat_jid": null, "message_id": null, "content": null, "timestamp": null}'),
        ("message", json.dumps(raw("X", chat_jid=None)[1]).encode()),
    ],
)
def test_an_event_that_cannot_be_applied_stays_with_the_reason_and_delays_no_other(
    store, receive, kind, payload
):
    receive(raw("A"), (kind, payload), raw("B"))
    assert [row["message_id"] for row in store.rows("SELECT * FROM messages ORDER BY id")] == ["A", "B"]
    (row,) = store.rows("SELECT * FROM stuck")
    assert (row["kind"], row["payload"]) == (kind, payload)
    assert row["error"]
    assert spool.stuck(store) == [f"{kind}: {row['error']}"]


def test_an_event_is_applied_whole_or_not_at_all(store, home):
    """An event that fails after its first change leaves nothing behind."""

    def decode(kind, payload):
        return [message("A"), JidMapped(None, None)]

    spooled.append(store, "both", b"", NOW)
    spooled.apply_batch(store, decode, NOW)
    assert store.value("SELECT count(*) FROM messages") == 0
    assert found(store, "hello") == []
    assert spool.count(store) == 1
    assert check(store) == []


def test_status_counts_the_events_that_could_not_be_recorded(receive, wa, store):
    receive(*[("message", b"not json")] * 7, raw("A"))
    assert wa("status", "--json").json["spool"] == 7
    text = wa("status").out
    assert "7 events wait to be recorded" in text
    assert "7 of them cannot be read" in text
    assert "JSONDecodeError" in text


def test_waiting_events_are_counted_without_a_reason_too(store, wa):
    spooled.append(store, "message", b"{}", NOW)
    assert wa("status", "--json").json["spool"] == 1
    assert spool.stuck(store) == []


def test_events_are_recorded_in_the_order_in_which_they_came(store, receive):
    texts = [f"message {number}" for number in range(50)]
    receive(*[raw(f"{number:02}", text, timestamp=AT - number) for number, text in enumerate(texts)])
    assert [row["content"] for row in store.rows("SELECT content FROM messages ORDER BY id")] == texts


def test_a_batch_is_bounded(store, home):
    events = [("message", json.dumps(raw(str(number))[1]).encode()) for number in range(BATCH + 20)]
    spooled.append_all(store, events, NOW)
    decode = LoopbackTransport(home, system_now).decode
    first = spooled.apply_batch(store, decode, NOW)
    assert 0 < first <= BATCH
    assert spool.count(store) == BATCH + 20 - first
    while spooled.apply_batch(store, decode, NOW):
        pass
    assert store.value("SELECT count(*) FROM messages") == BATCH + 20


def test_a_batch_ends_after_its_time_limit(store, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(apply.time, "monotonic", lambda: next(ticks) * 0.075)
    for number in range(10):
        spooled.append(store, "message", str(number).encode(), NOW)
    assert spooled.apply_batch(store, lambda kind, payload: [message(payload.decode())], NOW) == 2


def test_a_batch_is_one_transaction_with_the_spool(store, home):
    """Another connection sees an event in the spool or as a message, never as neither or both."""
    seen = []
    other = open_store(home)

    def decode(kind, payload):
        seen.append((spool.count(other), other.value("SELECT count(*) FROM messages")))
        return [message(payload.decode())]

    for number in range(3):
        spooled.append(store, "message", str(number).encode(), NOW)
    spooled.apply_batch(store, decode, NOW)
    seen.append((spool.count(other), other.value("SELECT count(*) FROM messages")))
    other.close()
    assert seen == [(3, 0), (3, 0), (3, 0), (0, 3)]


def test_a_full_disk_stops_the_work_and_marks_no_event_as_unreadable(store, monkeypatch):
    def full(*args):
        raise sqlite3.OperationalError("database or disk is full")

    spooled.append(store, "message", b"", NOW)
    monkeypatch.setattr(write, "record", full)
    with pytest.raises(sqlite3.OperationalError):
        spooled.apply_batch(store, lambda kind, payload: [message("A")], NOW)
    assert spool.stuck(store) == []
    assert spool.count(store) == 1


def test_a_spool_that_is_a_directory_is_reported(home, wa):
    home.spool.mkdir()
    result = wa("listen", "--for", "20s", "--json")
    assert (result.code, result.error["code"]) == (7, "storage-error")
    assert "Traceback" not in result.err


def test_events_spooled_before_a_kill_are_recorded_by_the_next_owner(store, wa):
    spooled.append(store, "message", json.dumps(raw("A", "left over")[1]).encode(), NOW)
    assert wa("listen", "--for", "1s").code == 0
    assert only(store)["content"] == "left over"
    assert spool.count(store) == 0


def test_a_listener_goes_on_past_an_event_that_it_cannot_read(store, home, spawn, wa):
    listener = spawn("listen", "--json")
    wa("loopback", "say", REEM, "before")
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 1)
    server = Loopback(home)
    with server._write():
        server._db.execute("INSERT INTO incoming (kind, payload) VALUES ('message', 'not json')")
    server.close()
    wa("loopback", "say", REEM, "after")
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 2)
    assert listener.popen.poll() is None
    assert wa("status", "--json").json["spool"] == 1


# ── Any order, any number of times ────────────────────────────────────────────────────────────────

EVENTS = [
    *[message(f"R{number}", f"from Reem {number}", timestamp=AT + number) for number in range(4)],
    *[message(f"A{number}", "from Adam", chat_jid=ADAM_JID, sender=ADAM_JID) for number in range(2)],
    message("L0", "under a hidden id", chat_jid=LID, sender=LID),
    message("R0", "from Reem 0", chat_jid=LID, sender=LID),
    ours("M0", "ours"),
    ours("M1", "ours too"),
    message("G0", "to all", chat_jid=GROUP),
    message("S0", "system", message_type="system"),
    Edited(REEM_JID, "R1", "edited once", AT + 10),
    Edited(REEM_JID, "R1", "edited twice", AT + 20),
    Deleted(REEM_JID, "R2", AT + 30),
    Reacted(REEM_JID, "R3", REEM_JID, "👍", AT + 5),
    Reacted(REEM_JID, "R3", REEM_JID, "", AT + 6),
    receipt("delivered", "M0"),
    receipt("read", "M0"),
    receipt("delivered", "M1"),
    ChatRead(ADAM_JID),
    ChatRead(LID),
    JidMapped(LID, REEM_JID),
    Named(REEM_JID, "Reem"),
    GroupInfo(GROUP, "Family", ((REEM_JID, "member"),)),
]


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, len(EVENTS) - 1), max_size=60), st.integers(1, 9), st.booleans())
def test_any_order_and_number_of_events_stores_each_message_once(home, home_at, order, batch, all_of_them):
    """Each message is in its chat once, is found once, and the number of unread messages is right."""
    if all_of_them:
        rest = [number for number in range(len(EVENTS)) if number not in order]
        random.Random(batch).shuffle(rest)
        order = [*order, *rest]
    with tempfile.TemporaryDirectory(dir=home.path.parent) as path:
        store = open_store(home_at(Path(path) / "home"))
        for start in range(0, len(order), batch):
            spooled.append_all(store, [(str(number), b"") for number in order[start : start + batch]], NOW)
            spooled.record_all(store, lambda kind, payload: [EVENTS[int(kind)]], NOW)
        _check_invariants(store, [EVENTS[number] for number in order])
        store.close()


def _check_invariants(store, events):
    assert spool.count(store) == 0, spool.stuck(store)
    mapped = any(isinstance(event, JidMapped) for event in events)
    said = {
        (REEM_JID if mapped and event.chat_jid == LID else event.chat_jid, event.message_id)
        for event in events
        if isinstance(event, MessageReceived)
    }
    stored = Counter(
        (row["chat_jid"], row["message_id"])
        for row in store.rows("SELECT * FROM messages WHERE status != 'early'")
    )
    assert set(stored.values()) <= {1}
    assert set(stored) == said
    texts = {row["message_id"]: row["content"] for row in store.rows("SELECT * FROM messages")}
    edits = [event.timestamp for event in events if isinstance(event, Edited)]
    if edits and "R1" in texts:
        assert texts["R1"] == ("edited twice" if AT + 20 in edits else "edited once")
    if any(isinstance(event, Deleted) for event in events):
        assert texts.get("R2") is None
    if any(isinstance(event, ReceiptReceived) and event.kind == "read" for event in events) and "M0" in texts:
        assert store.value("SELECT status FROM messages WHERE message_id = 'M0'") == "read"
    for row in store.rows("SELECT * FROM chats"):
        unread = store.value(
            "SELECT count(*) FROM messages WHERE chat_jid = ? AND status = 'received'", [row["id"]]
        )
        assert row["unread_count"] == unread, row
        assert not (mapped and row["id"] == LID)
    with_text = store.value("SELECT count(*) FROM messages WHERE content IS NOT NULL")
    assert len(search.search(store, "e", Filter(), 1000)) == sum(
        "e" in row["content"] for row in store.rows("SELECT content FROM messages WHERE content IS NOT NULL")
    )
    assert store.value("SELECT count(*) FROM messages_fts") == with_text
    assert check(store) == []


def test_events_that_could_not_be_recorded_are_tried_again_by_the_next_owner(store, home, wa):
    """A version that can read an event records it in a home that an older version used."""
    payload = json.dumps(vars(message("A"))).encode()
    spooled.append(store, "message", payload, NOW)
    spooled.apply_batch(store, lambda kind, raw: 1 / 0, NOW)
    assert spool.stuck(store) == ["message: ZeroDivisionError: division by zero"]
    assert wa("listen", "--for", "1s").code == 0
    assert only(store)["message_id"] == "A"
    assert spool.count(store) == 0
