"""What is unread: read on another device, answered, taken over from the phone, deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
import spooled
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered
from query_plans import plans

from wa.connection.spool import HISTORY
from wa.record import history_sync, reads
from wa.record.messages import moment
from wa.store.condition import check
from wa.times import to_iso
from wa.values import replace
from wa.whatsapp.events import (
    ChatRead,
    Deleted,
    Edited,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
)
from wa.whatsapp.loopback.lines import ACCOUNT

CLOCK = FakeClock()
NOW = CLOCK()
AT = 1_790_000_000
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"


def got(message_id, at=0, chat=REEM_JID, **fields):
    """Return a message that Reem wrote `at` seconds after AT."""
    return MessageReceived(chat, message_id, fields.pop("by", REEM_JID), AT + at, message_id, **fields)


def ours(message_id, at=0, chat=REEM_JID, **fields):
    """Return a message that we wrote on another device."""
    return got(message_id, at, chat, by=ACCOUNT.jid, is_from_me=True, **fields)


def part(*messages, unread=None, chat=REEM_JID, kind="bootstrap", is_complete=False):
    """Return a part of the history of one chat."""
    return [History(kind, 50, (HistoryChat(chat, None, messages, is_complete, unread),))]


@pytest.fixture
def put(store):
    """Record what arrives: events one by one, and lists of events as parts of the history."""
    kept = {}

    def record(*arriving):
        for each in arriving:
            name = str(len(kept))
            kept[name] = each if isinstance(each, list) else [each]
            kind = HISTORY if isinstance(each, list) else "live"
            spooled.append(store, kind, name.encode(), NOW)
            while spooled.apply_batch(store, lambda _, payload: kept[payload.decode()], NOW):
                pass
        assert store.value("SELECT count(*) FROM stuck") == 0
        for row in store.rows("SELECT id, unread_count FROM chats"):
            sql = "SELECT count(*) FROM messages WHERE chat_jid = ? AND status = 'received'"
            assert row["unread_count"] == store.value(sql, [row["id"]])

    return record


def unread(store, chat=REEM_JID):
    """Return the ids of the unread messages of a chat, oldest first."""
    sql = "SELECT message_id FROM messages WHERE chat_jid = ? AND status = 'received' ORDER BY timestamp, id"
    return [row["message_id"] for row in store.rows(sql, [chat])]


# ── Read on another device ────────────────────────────────────────────────────────────────────────


def test_what_the_receipt_names_and_what_is_older_is_read_and_nothing_newer(store, put):
    put(got("A", 1), got("B", 2), got("C", 3), got("Z", 2, chat=ADAM_JID), ChatRead(REEM_JID, ("B",)))
    assert (unread(store), unread(store, ADAM_JID)) == (["C"], ["Z"])


def test_messages_of_one_second_are_told_apart_by_their_order(store, put):
    put(got("A"), got("B"), got("C"), ChatRead(REEM_JID, ("A",)))
    assert unread(store) == ["B", "C"]


def test_place_counts_and_not_the_order_in_which_the_names_stand(store, put):
    put(got("A", 1), got("B", 2), got("C", 3), ChatRead(REEM_JID, ("B", "A")))
    assert unread(store) == ["C"]


def test_a_receipt_for_a_message_that_is_not_here_waits_for_it_and_marks_nothing_else(store, put):
    put(got("A", 1), got("C", 3), ChatRead(REEM_JID, ("B",)))
    assert unread(store) == ["A", "C"]
    put(got("B", 2))
    assert unread(store) == ["C"]
    assert store.value("SELECT count(*) FROM early_reads") == 0


def test_a_receipt_under_a_hidden_id_waits_for_a_message_under_the_number_behind_it(store, put):
    put(ChatRead(LID, ("A",)), JidMapped(LID, REEM_JID), got("A"))
    assert unread(store) == []
    assert store.value("SELECT count(*) FROM early_reads") == 0


def test_a_receipt_that_names_one_message_that_is_here_and_one_that_is_not(store, put):
    put(got("A", 1), got("D", 4), ChatRead(REEM_JID, ("A", "C")))
    assert unread(store) == ["D"]
    put(got("B", 2))
    assert unread(store) == ["B", "D"]
    put(got("C", 3))
    assert unread(store) == ["D"]


def test_an_older_message_that_comes_after_the_receipt_is_read(store, put):
    put(got("A", 1), got("C", 3), ChatRead(REEM_JID, ("C",)), got("B", 2), got("D", 4))
    assert unread(store) == ["D"]


def test_an_edit_that_came_before_its_message_is_no_place(store, put):
    put(Edited(REEM_JID, "A", "newer", AT + 90), got("B", 5), ChatRead(REEM_JID, ("A",)))
    assert unread(store) == ["B"]
    put(got("A", 1))
    assert unread(store) == ["B"]


def test_a_receipt_without_names_reads_the_whole_chat(store, put):
    put(got("A", 1), got("B", 2), ChatRead(REEM_JID))
    assert unread(store) == []


def test_what_waits_for_a_message_is_forgotten_after_a_month(store, put):
    reads.read_elsewhere(store, ChatRead(REEM_JID, ("A",)), NOW - reads.EARLY_KEPT - timedelta(days=1))
    put(ChatRead(REEM_JID, ("B",)))
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM early_reads")] == ["B"]


# ── Answered ──────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_from_another_device_reads_what_is_older(store, put):
    put(got("A", 1), got("B", 3), ours("C", 2))
    assert unread(store) == ["B"]


@pytest.mark.parametrize(
    "own",
    [
        ours("C", 2, message_type="system"),
        ours("C", 2, chat="status@broadcast"),
        ours("C", 2, chat=ADAM_JID),
    ],
    ids=["notice", "status", "elsewhere"],
)
def test_what_is_no_answer_to_the_chat_reads_nothing(store, put, own):
    put(got("A", 1), own)
    assert unread(store) == ["A"]


def test_send_reads_the_chat_and_tells_nobody(store, wa, put):
    put(got("A", 1), got("Z", 1, chat=ADAM_JID))
    assert wa("send", REEM, "Hello").code == 0
    assert (unread(store), unread(store, ADAM_JID)) == ([], ["Z"])
    assert delivered(store.home) == ["Hello"]
    assert store.rows("SELECT * FROM requests") == []


def test_what_came_after_the_command_was_given_stays_unread(store, wa, put):
    put(got("A", 1))
    early = FakeClock("2026-11-20T11:00:00")
    wa("send", REEM, "Hello", "--no-wait", now=early)
    assert wa("run-scheduler", "--once", now=CLOCK).code == 0
    assert delivered(store.home) == ["Hello"]
    assert unread(store) == ["A"]  # it was stored at 12:00


def test_a_scheduled_message_reads_nothing(store, wa, put):
    put(got("A", 1))
    wa("schedule", "add", REEM, "Happy birthday", "--at", "in 1 second", now=CLOCK)
    later = FakeClock("2026-11-20T12:01:00")
    assert wa("run-scheduler", "--once", now=later).code == 0
    assert delivered(store.home) == ["Happy birthday"]
    assert unread(store) == ["A"]


# ── Deleted ───────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_message_is_not_unread(store, put):
    put(got("A", 1), got("B", 2), Deleted(REEM_JID, "B", AT + 3, REEM_JID))
    assert unread(store) == ["A"]


def test_a_message_that_was_deleted_before_it_came_is_not_unread(store, put):
    put(Deleted(REEM_JID, "B", AT + 3, REEM_JID), got("A", 1), got("B", 2))
    assert unread(store) == ["A"]


# ── wa read ───────────────────────────────────────────────────────────────────────────────────────


def test_seen_reads_what_is_shown_and_tells_nobody(store, wa, put):
    put(got("A", 1), got("B", 2), got("C", 3))
    assert wa("read", REEM, "--before", to_iso(moment(AT + 3)), "--seen").code == 0
    assert unread(store) == ["C"]
    assert wa("read", REEM, "1", "--seen").code == 0
    assert unread(store) == []
    assert store.rows("SELECT * FROM requests") == []


def test_seen_on_an_empty_chat_changes_nothing(store, wa, put):
    put(ChatRead(REEM_JID), got("A", chat=ADAM_JID))
    assert wa("read", ADAM, "--before", "2001-01-01", "--seen").code == 0
    assert unread(store, ADAM_JID) == ["A"]


def test_seen_and_mark_read_together_are_refused(wa, put):
    put(got("A"))
    done = wa("read", REEM, "--seen", "--mark-read", "--json")
    assert (done.code, done.error["code"]) == (2, "usage")


# ── Taken over from the phone ─────────────────────────────────────────────────────────────────────

PAST = [got("A", 1), ours("B", 2), got("C", 3), got("N", 4, message_type="system"), got("D", 5)]


@pytest.mark.parametrize("order", [1, -1], ids=["oldest-first", "newest-first"])
@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, []), (0, []), (1, ["D"]), (2, ["C", "D"]), (3, ["A", "C", "D"]), (9, ["A", "C", "D"])],
)
def test_the_newest_messages_of_others_are_unread_as_on_the_phone(store, put, count, expected, order):
    put(part(*PAST[::order], unread=count))
    assert unread(store) == expected


def test_messages_of_one_second_are_taken_in_the_order_of_the_part(store, put):
    put(part(got("NEW"), got("OLD"), got("OLDER", -9), unread=1))
    put(part(got("A", -5), got("B"), got("C"), unread=1, chat=ADAM_JID))
    put(
        part(
            *[replace(each, chat_jid=GROUP) for each in (got("1", -5), got("2"), got("3"))],
            unread=1,
            chat=GROUP,
        )
    )
    assert (unread(store), unread(store, GROUP)) == (["NEW"], ["3"])


def test_later_parts_bring_the_rest_and_undo_nothing(store, put):
    put(part(got("D", 5), got("C", 4), unread=3))
    assert unread(store) == ["C", "D"]
    put(part(got("B", 3), got("A", 2), unread=0, kind="recent"))
    assert unread(store) == ["B", "C", "D"]
    put(part(got("0", 1), unread=3, kind="recent"), part(got("D", 5), got("C", 4), unread=3))
    assert unread(store) == ["B", "C", "D"]


def test_what_came_live_in_between_counts_too(store, put):
    put(got("LIVE", 9), part(got("B", 2), got("A", 1), unread=1))
    assert unread(store) == ["B", "LIVE"]


def test_a_live_message_that_the_phone_counts_is_not_counted_twice(store, put):
    put(got("B", 2), part(got("B", 2), got("A", 1), unread=1))
    assert unread(store) == ["B"]


def test_what_was_read_between_linking_and_the_history_stays_read(store, put):
    put(ChatRead(REEM_JID, ("B",)), part(got("C", 3), got("B", 2), got("A", 1), unread=3))
    assert unread(store) == ["C"]


def test_what_was_answered_between_linking_and_the_history_stays_read(store, put):
    put(ours("X", 9), part(got("B", 2), got("A", 1), unread=5), part(got("0", 0), kind="recent"))
    assert unread(store) == []


def test_reading_the_chat_reads_what_is_still_to_come_of_it(store, put, wa):
    put(part(got("C", 3), unread=3))
    wa("read", REEM, "--seen")
    put(part(got("B", 2), got("A", 1), kind="recent"))
    assert unread(store) == []


def test_a_chat_that_is_told_without_messages_waits_for_them(store, put):
    put(part(unread=1), part(got("B", 2), got("A", 1), kind="recent"))
    assert unread(store) == ["B"]


def test_linking_anew_takes_the_counts_of_then(store, put):
    put(got("A", 1), got("B", 2), got("C", 3))
    history_sync.begin_anew(store)
    put(part(got("D", 4), got("C", 3), got("B", 2), got("A", 1), unread=1))
    assert unread(store) == ["D"]
    history_sync.begin_anew(store)
    put(part(got("D", 4), got("C", 3), unread=0))
    assert unread(store) == []


def test_a_history_in_many_steps_is_counted_at_its_end(store, put):
    put(part(*(got(f"M{number}", -number) for number in range(450)), unread=250))
    assert unread(store) == [f"M{number}" for number in range(249, -1, -1)]


# ── Two chats of one person ───────────────────────────────────────────────────────────────────────


def test_joined_chats_keep_what_is_unread_in_both_and_what_is_still_to_come(store, put):
    put(
        got("A", 1),
        got("B", 2, chat=LID, by=LID),
        part(got("P", 0, chat=LID, by=LID), unread=3, chat=LID),
        ChatRead(LID, ("LATER",)),
        JidMapped(LID, REEM_JID),
    )
    assert unread(store) == ["P", "A", "B"]
    put(part(got("O", -1), got("N", -2), kind="recent"))
    assert unread(store) == ["N", "O", "P", "A", "B"]
    put(got("LATER", 9))
    assert unread(store) == []
    assert check(store) == []


def test_what_one_of_two_chats_was_read_to_is_read_in_both(store, put):
    put(
        got("A", 1),
        got("B", 9),
        got("L", 5, chat=LID, by=LID),
        ChatRead(LID, ("L",)),
        JidMapped(LID, REEM_JID),
    )
    assert unread(store) == ["B"]


def test_reading_looks_at_unread_messages_alone(store):
    found = plans(store, lambda: reads.seen(store, REEM_JID, (AT, 1)))
    assert "messages_unread" in next(plan for sql, plan in found.items() if sql.startswith("UPDATE messages"))
