"""The log of events: what is written into it, in which transaction, and for how long."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import spooled
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock, wait_for

from wa.connection.incoming.events import apply_event
from wa.people.recipients import Recipient
from wa.queue import outcomes, pacing, rows, states
from wa.queue.rows import STATUSES
from wa.record import merge_chats, write
from wa.record.events import log, told
from wa.record.messages import moment
from wa.store.database import BATCH, Store
from wa.store.rewrites import join_chats
from wa.times import to_iso
from wa.whatsapp.events import (
    CallTold,
    Deleted,
    Edited,
    JidMapped,
    MessageReceived,
    NothingToShow,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.transport import Accepted, Evidence

CLOCK = FakeClock()
NOW = CLOCK()
AT = int(NOW.timestamp()) - 100
LID = "100000000000123@lid"
TO_REEM = Recipient(REEM_JID, REEM, None)


def says(message_id: str, text: str = "Hello", **fields: Any) -> MessageReceived:
    """Return a message by Reem."""
    return MessageReceived(REEM_JID, message_id, REEM_JID, AT, text, **fields)


def hides(text: str = "Hello", **fields: Any) -> MessageReceived:
    """Return the message A by Reem's hidden id."""
    return MessageReceived(LID, "A", LID, AT, text, **fields)


def put(store: Store, *events: Any, source: str = "live") -> None:
    """Record events, each in a transaction of its own."""
    for event in events:
        with store.write():
            apply_event(store, event, NOW, source)


def lines(store: Store, *types: str) -> list[Any]:
    """Return type, row id and data of the lines of these types, of all without any."""
    return [
        (each["type"], each["row_id"], json.loads(each["data"])) for each in log.after(store, 0, types=types)
    ]


def queued(store: Store, **how: Any) -> str:
    """Queue a message to Reem; return its id."""
    row = rows.enqueue(store, TO_REEM, "Hi", NOW, NOW, grace=timedelta(hours=6), immediate=True, **how)
    return str(row["id"])


def test_a_message_is_told_as_read_shows_it(store, wa):
    put(store, says("A", push_name="Reem"), Reacted(REEM_JID, "A", ADAM_JID, "👍", AT + 1))
    ((kind, row_id, data),) = lines(store, "message")
    assert (kind, row_id, data["sender_name"], data["at"]) == ("message", 1, "Reem", to_iso(moment(AT)))
    (read,) = wa("read", REEM_JID, "--json").json
    read.pop("receipts")
    assert {**data, "reactions": read["reactions"]} == read
    assert [each["emoji"] for each in read["reactions"]] == ["👍"]


def test_receipts_of_our_messages_are_told_once(store):
    put(store, says("ours", is_from_me=True), says("theirs"))
    receipt = ReceiptReceived(REEM_JID, ("ours", "theirs", "unknown"), REEM_JID, "delivered", AT + 1)
    put(store, receipt, receipt, ReceiptReceived(REEM_JID, ("ours",), REEM_JID, "read", AT + 2))
    found = [data for _, _, data in lines(store, "receipt")]
    assert [(each["message_id"], each["kind"], each["status"]) for each in found] == [
        ("ours", "delivered", "delivered"),
        ("ours", "read", "read"),
    ]
    assert found[0] == {
        "row_id": 1, "chat_jid": REEM_JID, "message_id": "ours", "recipient": REEM_JID, "kind": "delivered",
        "at": to_iso(moment(AT + 1)), "status": "delivered",
    }  # fmt: skip


def test_of_the_past_nothing_is_told(store):
    put(
        store,
        says("A", is_from_me=True),
        Edited(REEM_JID, "A", "later", AT + 1, None),
        Reacted(REEM_JID, "A", ADAM_JID, "👍", AT + 1),
        ReceiptReceived(REEM_JID, ("A",), REEM_JID, "read", AT + 1),
        Deleted(REEM_JID, "A", AT + 2, None),
        source="history",
    )
    assert lines(store) == []


def test_a_message_that_comes_after_all_is_told_again(store):
    put(store, says("A", "Waiting for this message", unavailable="waiting"), says("A", "Here it is"))
    told_of = [(row_id, data["content"]) for _, row_id, data in lines(store, "message")]
    assert told_of == [(1, "Waiting for this message"), (1, "Here it is")]


def test_what_is_taken_away_in_the_same_transaction_leaves_no_line(store):
    with store.write():
        write.record(store, says("A", "Waiting", unavailable="waiting"), "live", NOW)
        apply_event(store, NothingToShow(REEM_JID, "A"), NOW)
    assert lines(store) == []


def test_what_was_deleted_for_everyone_leaves_the_log(store):
    put(
        store,
        says("A", "a secret"),
        says("B", "no secret"),
        Edited(REEM_JID, "A", "another secret", AT + 1, REEM_JID),
        Reacted(REEM_JID, "A", ADAM_JID, "👍", AT + 1),
        Deleted(REEM_JID, "A", AT + 2, REEM_JID),
    )
    kinds = [kind for kind, _, _ in lines(store)]
    assert kinds == ["message", "message", "edited", "reaction", "deleted"]
    text = "".join(each["data"] for each in log.after(store, 0))
    assert "another secret" not in text
    assert "a secret" not in text
    assert "no secret" in text


def test_a_receipt_that_comes_before_its_message_is_told_behind_it(store):
    row_id = queued(store)
    with store.write():
        rows.update(store, row_id, NOW, status="unknown", message_id="ours")
    put(
        store, *(ReceiptReceived(REEM_JID, ("ours",), REEM_JID, kind, AT) for kind in ("delivered", "sender"))
    )
    found = [(kind, data["status"]) for kind, _, data in lines(store)]
    assert found == [
        ("queue", "unknown"),
        ("queue", "sent"),
        ("message", "delivered"),
        ("receipt", "delivered"),
    ]


def test_what_was_deleted_before_it_came_is_not_kept(store):
    put(
        store,
        Edited(REEM_JID, "A", "one", AT + 1, REEM_JID),
        Edited(REEM_JID, "A", "two", AT + 2, REEM_JID),
        Deleted(REEM_JID, "A", AT + 3, REEM_JID),
        says("A", "secret", details={"file_name": "secret.pdf"}, raw=b"secret", secret=b"s" * 32),
    )
    ((kind, row_id, data),) = lines(store)
    assert (kind, data["content"], data["details"], bool(data["deleted_at"])) == ("message", None, None, True)
    row = store.row("SELECT content, details, raw_proto, secret FROM messages WHERE id = ?", [row_id])
    assert row == dict.fromkeys(("content", "details", "raw_proto", "secret"))


def test_an_edit_that_comes_first_is_told_with_its_message(store):
    edits = [Edited(REEM_JID, "A", text, AT + at, REEM_JID) for at, text in enumerate(("one", "two"))]
    put(store, *edits, says("A", "none"))
    assert [(kind, data["content"]) for kind, _, data in lines(store)] == [("message", "two")]


def test_a_call_is_told_when_its_line_is_written(store):
    spooled.append(store, "live", b"", NOW)
    ringing = CallTold("C", REEM_JID, REEM_JID, "offer", AT - 900)
    while spooled.apply_batch(store, lambda kind, payload: [ringing], NOW):
        pass
    ((kind, _, data),) = lines(store)
    assert (kind, data["message_type"], data["details"]["call"]["outcome"]) == ("message", "system", "missed")


# ── The queue ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", STATUSES)
def test_the_end_of_an_attempt_is_told(store, status):
    row_id = queued(store)
    with store.write():
        states.end(store, row_id, NOW, status=status)
    found = [(row, data["status"], data["message"]) for _, row, data in lines(store, "queue")]
    assert found == ([(row_id, status, "Hi")] if status in ("sent", "failed", "missed", "unknown") else [])


def test_a_message_that_was_sent_is_told_with_its_row_in_one_transaction(store):
    row_id = queued(store)
    with store.write():
        rows.update(store, row_id, NOW, status="sending", claimed_at=to_iso(NOW))
        store.execute("UPDATE scheduled_messages SET secret = x'00' WHERE id = ?", [row_id])
    outcomes.settle(store, row_id, Accepted("3EB0AA", AT), lambda *_: Evidence(None), NOW)
    (queue, message) = lines(store)
    assert (queue[0], queue[1], queue[2]["status"], queue[2]["message_id"]) == (
        "queue", row_id, "sent", "3EB0AA",
    )  # fmt: skip
    assert (message[0], message[2]["message_id"], message[2]["is_from_me"]) == ("message", "3EB0AA", True)
    put(store, Deleted(REEM_JID, "3EB0AA", AT + 2, None))
    assert [(kind, data.get("message")) for kind, _, data in lines(store, "queue")] == [("queue", None)]


def test_a_change_that_is_rolled_back_is_not_told(store):
    row_id = queued(store)

    def fail() -> None:
        with store.write():
            states.end(store, row_id, NOW, status="failed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert lines(store) == []


def test_it_is_told_that_sending_stops(store):
    pacing.pause(store, NOW)
    pacing.pause(store, NOW)
    with store.write():
        pacing.brake(store, NOW)
    pacing.ban(store, NOW, 60)
    found = [(data["status"], data["reason"], data["until"]) for _, _, data in lines(store)]
    assert found == [
        ("paused", "paused", None),
        ("paused", "brake", to_iso(NOW + timedelta(minutes=15))),
        ("paused", "ban", to_iso(NOW + timedelta(minutes=1))),
    ]


def test_doubtful_rows_of_a_copied_home_are_told(store):
    row_id = queued(store)
    with store.write():
        assert rows.doubt(store, to_iso(NOW + timedelta(seconds=1)), NOW) == 1
    assert [(row, data["status"]) for _, row, data in lines(store)] == [(row_id, "unknown")]


# ── The log itself ──────────────────────────────────────────────────────────────────────────────────


def test_lines_are_kept_for_seven_days_and_no_id_comes_again(store):
    count = BATCH + 3
    with store.write():
        for _ in range(count):
            log.add(store, "connection", NOW - timedelta(days=7, seconds=1), {"state": "offline"})
        log.add(store, "connection", NOW - timedelta(days=6), {"state": "connected"})
    log.prune(store, NOW)
    (left,) = log.after(store, 0)
    assert (left["id"], log.oldest(store), log.newest(store)) == (count + 1, count + 1, count + 1)
    log.prune(store, NOW + timedelta(days=7))
    assert (log.oldest(store), log.newest(store)) == (None, count + 1)
    with store.write():
        log.add(store, "connection", NOW, {"state": "connected"})
    assert [each["id"] for each in log.after(store, 0)] == [count + 2]


def test_a_running_owner_prunes(store, spawn):
    with store.write():
        log.add(store, "connection", NOW - timedelta(days=400), {"state": "offline"})
    spawn("listen")
    wait_for(lambda: log.oldest(store) not in (None, 1))


def test_a_reader_chooses_types_and_a_chat(store):
    other = MessageReceived(ADAM_JID, "B", ADAM_JID, AT, "Hi")
    put(store, says("A"), other, Reacted(REEM_JID, "A", ADAM_JID, "👍", AT), says("C"))
    assert [each["message_id"] for each in log.after(store, 0, chat=REEM_JID)] == ["A", "A", "C"]
    assert [each["message_id"] for each in log.after(store, 0, types=["message"])] == ["A", "B", "C"]
    assert [each["message_id"] for each in log.after(store, 2, 1, types=["message", "edited"])] == ["C"]


def test_lines_of_a_hidden_id_follow_to_the_number(store):
    hidden = MessageReceived(LID, "A", LID, AT, "Hello")
    put(store, hidden, JidMapped(LID, REEM_JID))
    merge_chats.join_split_chats(store, NOW)
    assert [each["chat_jid"] for each in log.after(store, 0)] == [REEM_JID]
    assert any(part.__module__ == log.__name__ for part in join_chats.parts())


IN_BOTH_CHATS: dict[str, tuple[list[Any], list[Any], list[tuple[str, str | None]]]] = {
    # what each chat has of one message before they are joined, and what is told of it in the end
    "both live": ([says("A")], [hides()], [("message", "Hello")]),
    "history first": ([("history", says("A"))], [hides()], [("message", "Hello")]),
    "history later": ([hides()], [("history", says("A"))], [("message", "Hello")]),
    "a stand-in first": (
        [says("A", "Waiting", unavailable="waiting")],
        [hides()],
        [("message", "Waiting"), ("message", "Hello")],
    ),
    "a stand-in later": ([hides()], [says("A", "Waiting", unavailable="waiting")], [("message", "Hello")]),
    "filled by the history": (
        [hides(text="Waiting", unavailable="waiting")],
        [("history", says("A"))],
        [("message", "Waiting"), ("message", "Hello")],
    ),
    "edited": (
        [hides()],
        [Edited(REEM_JID, "A", "new", AT + 1, REEM_JID)],
        [("message", "Hello"), ("edited", "new")],
    ),
    "deleted": (
        [hides()],
        [Deleted(REEM_JID, "A", AT + 1, REEM_JID)],
        [("message", None), ("deleted", None)],
    ),
    "deleted in one of both": (
        [hides(), says("A")],
        [Deleted(REEM_JID, "A", AT + 1, REEM_JID)],
        [("message", None), ("deleted", None)],
    ),
}


@pytest.mark.parametrize("case", IN_BOTH_CHATS)
def test_a_message_that_two_chats_of_one_person_have_is_told_once_and_never_lost(store, case):
    first, later, expected = IN_BOTH_CHATS[case]
    for event in [*first, *later]:
        source, event = event if isinstance(event, tuple) else ("live", event)
        put(store, event, source=source)
    put(store, JidMapped(LID, REEM_JID))
    merge_chats.join_split_chats(store, NOW)
    (row,) = store.rows("SELECT id, chat_jid FROM messages")
    found = lines(store)
    assert [(kind, data["content"]) for kind, _, data in found] == expected
    assert {(row_id, data["id"]) for _, row_id, data in found} == {(row["id"], row["id"])}
    assert {each["chat_jid"] for each in log.after(store, 0)} == {REEM_JID}


@pytest.mark.parametrize(("ago", "late"), [(14, False), (16, True)])
def test_what_happened_long_before_it_is_handed_over_is_late(store, ago, late):
    """A message that waited on the server is late although it was recorded just now."""
    said = MessageReceived(REEM_JID, "A", REEM_JID, int((NOW - timedelta(minutes=ago)).timestamp()), "Hi")
    put(store, said)
    with store.write():
        log.add(store, "connection", NOW - timedelta(minutes=ago), {"state": "offline"})
    message, line = log.after(store, 0)
    assert told.is_late(message, NOW) is late
    assert told.is_late(line, NOW) is late
    event = json.loads(log.event_of(message, late=late))
    assert list(event) == ["type", "id", "at", "late", "data"]
    assert (event["type"], event["id"], event["late"], event["data"]["content"]) == ("message", 1, late, "Hi")


def test_the_connection_is_told_when_it_changes(store, spawn, wa):
    listener = spawn("listen", "--json")
    wait_for(lambda: [data["state"] for _, _, data in lines(store, "connection")] == ["connected"])
    assert wa("loopback", "fault", "offline", "on").code == 0
    states_told = ["connected", "offline"]
    wait_for(lambda: [data["state"] for _, _, data in lines(store, "connection")] == states_told)
    assert wa("loopback", "fault", "offline", "off").code == 0
    wait_for(lambda: len(lines(store, "connection")) == 3)
    listener.popen.terminate()
    ended = listener.finish()
    found = [data["state"] for _, _, data in lines(store, "connection")]
    assert found == ["connected", "offline", "connected", "none"]
    heard = [json.loads(line) for line in ended.out.splitlines()]
    assert [(each["event"], each["state"]) for each in heard] == [
        ("connection", "offline"),
        ("connection", "connected"),
    ]
