"""History from the phone: recorded in batches, resumed where it stopped, with a checkpoint for each chat."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta

import pytest
import spooled
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection import apply, spool
from wa.connection.spool import HISTORY
from wa.record import history_sync as history
from wa.record import messages
from wa.record.history_sync import advance, complete, interrupt
from wa.times import to_iso
from wa.whatsapp.events import (
    Deleted,
    Edited,
    History,
    HistoryChat,
    HistoryDamaged,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
)

NOW = FakeClock()()
AT = 1_700_000_000
LID = "100000000000123@lid"
ENDS = ("completed", "interrupted", "cancelled", "failed")
ALLOWED = (
    {("not_started", "in_progress")}
    | {("in_progress", end) for end in ENDS}
    | {("interrupted", "in_progress"), ("cancelled", "in_progress")}
)
STATES = ("not_started", "in_progress", *ENDS)


def said(number, chat=REEM_JID, **details):
    """Return a message of the history."""
    return MessageReceived(chat, f"OLD{number}", chat, AT - 60 * number, f"old {number}", **details)


def part(*chats, kind="recent", progress=50, before=()):
    """Return a part of the history, as it is decoded."""
    return [*before, History(kind, progress, tuple(chats))]


def chat(jid, *events, name=None, is_complete=False):
    """Return a chat in a part of the history."""
    return HistoryChat(jid, name, events, is_complete)


@pytest.fixture
def receive(store):
    """Spool parts of the history and record them."""

    def put(*parts):
        kept = {f"{number}": events for number, events in enumerate(parts)}
        for name in kept:
            spooled.append(store, HISTORY, name.encode(), NOW)
        while spooled.apply_batch(store, lambda kind, payload: kept[payload.decode()], NOW):
            pass
        assert spool.count(store) == 0

    return put


def checkpoint(store, jid=REEM_JID):
    """Return the checkpoint of a chat."""
    return store.row("SELECT * FROM sync_checkpoints WHERE chat_jid = ?", [jid])


def force(store, status):
    """Bring a checkpoint to a state by allowed transitions."""
    way = {"not_started": [], "in_progress": ["in_progress"]}.get(status, ["in_progress", status])
    store.execute("INSERT INTO sync_checkpoints (chat_jid, updated_at) VALUES (?, 'then')", [REEM_JID])
    for step in way:
        store.execute("UPDATE sync_checkpoints SET status = ?", [step])


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_a_checkpoint_makes_only_allowed_transitions(store, before, after):
    force(store, before)
    if before == after or (before, after) in ALLOWED:
        store.execute("UPDATE sync_checkpoints SET status = ?", [after])
        assert checkpoint(store)["status"] == after
    else:
        with pytest.raises(sqlite3.IntegrityError, match="cannot make this move"):
            store.execute("UPDATE sync_checkpoints SET status = ?", [after])
        assert checkpoint(store)["status"] == before


@pytest.mark.parametrize("status", [*STATES[1:], "nonsense"])
def test_a_checkpoint_begins_as_not_started(store, status):
    with pytest.raises(sqlite3.IntegrityError):
        store.execute(
            "INSERT INTO sync_checkpoints (chat_jid, status, updated_at) VALUES ('a', ?, '')", [status]
        )


@pytest.mark.parametrize("before", STATES)
def test_every_transition_that_wa_makes_is_allowed(store, before):
    force(store, before)
    store.execute("INSERT INTO sync_status (id, status, updated_at) VALUES (1, 'in_progress', '')")
    for move in (
        lambda: interrupt(store, "interrupted", NOW),
        lambda: advance(store, "recent", REEM_JID, {"A": AT}, NOW),
        lambda: interrupt(store, "cancelled", NOW),
        lambda: advance(store, "recent", REEM_JID, {"B": AT}, NOW),
        lambda: complete(store, REEM_JID, NOW),
        lambda: complete(store, None, NOW),
        lambda: advance(store, "recent", REEM_JID, {"C": AT}, NOW),
    ):
        move()
    assert checkpoint(store)["status"] == (before if before == "failed" else "completed")


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("end", ["completed", "interrupted", "cancelled"])
def test_asking_for_older_messages_begins_from_any_state_by_allowed_transitions(store, before, end):
    force(store, before)
    store.execute("UPDATE sync_checkpoints SET messages_synced = 7")
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    assert checkpoint(store)["status"] == "in_progress"
    history.end_asking(store, REEM_JID, end, NOW, "why")
    found = checkpoint(store)
    assert (found["status"], found["error_message"], found["messages_synced"]) == (end, "why", 7)
    assert (found["asked_until"], found["completed_at"]) == (
        None,
        to_iso(NOW) if end == "completed" else None,
    )


def test_a_request_whose_command_was_killed_is_interrupted_once_its_time_is_over(store):
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    interrupt(store, "interrupted", NOW)  # the process that holds the connection starts anew
    history.end_abandoned(store, NOW + timedelta(seconds=89))
    assert checkpoint(store)["status"] == "in_progress"
    history.end_abandoned(store, NOW + timedelta(seconds=91))
    assert checkpoint(store)["status"] == "interrupted"


def test_an_answer_to_nobody_is_recorded_and_begins_nothing(store, receive):
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    history.end_asking(store, REEM_JID, "interrupted", NOW)
    receive(part(chat(REEM_JID, said(1), said(2)), kind="on_demand", progress=100))
    found = checkpoint(store)
    assert (found["status"], found["messages_synced"], found["answers"]) == ("interrupted", 2, 1)
    assert history.sync_status(store) is None


def test_the_last_answer_completes_a_chat_alone(store, receive):
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    history.ask(store, ADAM_JID, 0, NOW + timedelta(seconds=90), NOW)
    receive(part(chat(REEM_JID, said(1), is_complete=True), kind="on_demand", progress=100))
    assert [checkpoint(store, jid)["status"] for jid in (REEM_JID, ADAM_JID)] == ["completed", "in_progress"]


def test_the_end_of_the_phones_own_history_does_not_end_a_request(store, receive):
    receive(part(chat(REEM_JID, said(1)), chat(ADAM_JID, said(2, ADAM_JID))))
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    receive(part(chat(ADAM_JID, said(3, ADAM_JID)), kind="full", progress=100))
    assert [checkpoint(store, jid)["status"] for jid in (REEM_JID, ADAM_JID)] == ["in_progress", "completed"]


def test_a_damaged_answer_interrupts_the_request_and_no_other_chat(store, receive):
    receive(part(chat(ADAM_JID, said(1, ADAM_JID)), kind="full", progress=100))
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    apply.apply_event(store, HistoryDamaged("zlib"), NOW)
    assert (checkpoint(store)["status"], checkpoint(store)["error_message"]) == ("interrupted", "zlib")
    assert history.damaged_parts(store) == 0
    assert checkpoint(store, ADAM_JID)["status"] == "completed"


def test_damage_while_the_phone_sends_its_history_counts_although_a_command_asks(store, receive):
    receive(part(chat(ADAM_JID, said(1, ADAM_JID)), kind="recent", progress=50))
    history.ask(store, REEM_JID, 0, NOW + timedelta(seconds=90), NOW)
    apply.apply_event(store, HistoryDamaged("zlib"), NOW)
    assert history.damaged_parts(store) == 1


def test_history_messages_are_neither_unread_nor_live(store, receive):
    receive(part(chat(REEM_JID, *(said(number) for number in range(250)), name="Reem")))
    row = store.row("SELECT * FROM chats WHERE id = ?", [REEM_JID])
    assert (row["unread_count"], row["name"], row["last_message_time"]) == (0, "Reem", AT)
    assert messages.live_after(store, 0) == []
    assert store.value("SELECT count(*) FROM messages WHERE source = 'history'") == 250


def test_a_checkpoint_names_the_oldest_message_and_counts_them(store, receive):
    receive(part(chat(REEM_JID, *(said(number) for number in range(120)))))
    found = checkpoint(store)
    assert (found["status"], found["messages_synced"], found["progress_percent"]) == ("in_progress", 120, 50)
    assert (found["last_message_id"], found["last_timestamp"]) == ("OLD119", AT - 60 * 119)
    receive(part(chat(REEM_JID, said(200)), progress=70), part(chat(REEM_JID, is_complete=True), progress=80))
    found = checkpoint(store)
    assert (found["status"], found["messages_synced"], found["progress_percent"]) == ("completed", 121, 100)
    assert history.sync_status(store)["progress_percent"] == 80


def test_the_end_of_a_full_sync_completes_every_chat(store, receive):
    receive(part(chat(REEM_JID, said(1)), chat(ADAM_JID, said(2, ADAM_JID)), kind="full", progress=100))
    assert [checkpoint(store, jid)["status"] for jid in (REEM_JID, ADAM_JID)] == ["completed"] * 2
    assert history.sync_status(store)["status"] == "completed"


def test_with_a_damaged_part_no_chat_is_complete_until_the_phone_sends_all_of_it_again(store, receive, wa):
    whole = part(chat(REEM_JID, said(1)), kind="full", progress=100)
    apply.apply_event(store, HistoryDamaged("status code 404"), NOW)
    receive(whole)
    assert checkpoint(store)["status"] == history.sync_status(store)["status"] == "interrupted"
    for more in ((), ("--json",)):
        assert "could not be read: 1 (status code 404)" in wa("history", "status", *more).err
    apply.apply_event(store, HistoryDamaged("no space " * 99), NOW)
    assert "could not be read: 2 (no space" in wa("history", "status").err
    assert len(history.sync_status(store)["error_message"]) == 200
    history.begin_anew(store)
    receive(whole)
    assert checkpoint(store)["status"] == history.sync_status(store)["status"] == "completed"
    assert wa("history", "status", "--json").err == ""


def damage(store):
    """Let a part of the history be lost."""
    with store.write():
        apply.apply_event(store, HistoryDamaged("status code 404"), NOW)


def shown(store):
    """Return the states that `wa history status` shows: the chat's, and that of the whole."""
    (row,) = history.status(store)
    return row["status"], history.sync_status(store)["status"]


def test_what_was_complete_is_not_complete_once_a_later_part_is_damaged(store, receive):
    receive(part(chat(REEM_JID, said(1)), kind="bootstrap", progress=100))
    assert shown(store) == ("completed", "completed")
    damage(store)
    assert shown(store) == ("interrupted", "interrupted")
    receive(part(chat(REEM_JID, said(2)), progress=100))
    assert shown(store) == ("interrupted", "interrupted")


def test_a_damaged_last_part_ends_the_sync(store, receive):
    receive(part(chat(REEM_JID, said(1)), progress=60))
    assert shown(store) == ("in_progress", "in_progress")
    damage(store)
    assert shown(store) == ("interrupted", "interrupted")


@pytest.mark.parametrize("is_first", [True, False])
def test_a_chat_that_the_phone_calls_complete_may_lack_what_a_damaged_part_had_of_it(
    store, receive, is_first
):
    if is_first:
        damage(store)
    receive(part(chat(REEM_JID, said(1), is_complete=True), progress=60))
    if not is_first:
        damage(store)
    assert shown(store)[0] == "interrupted"


def test_the_same_part_twice_is_stored_once(store, receive):
    one = part(chat(REEM_JID, *(said(number) for number in range(30))))
    receive(one, one)
    assert store.value("SELECT count(*) FROM messages") == 30


def test_a_part_is_recorded_in_batches_and_resumed_where_it_stopped(store, monkeypatch):
    past = part(chat(REEM_JID, *(said(number) for number in range(450)), is_complete=True))
    spooled.append(store, HISTORY, b"past", NOW)
    decode = lambda kind, payload: past  # noqa: E731
    monkeypatch.setattr(apply, "BATCH_SECONDS", 0)  # each batch is one step
    monkeypatch.setattr(apply, "HISTORY_STEP", 100)
    counts = []
    while spooled.apply_batch(store, decode, NOW):
        apply._decoded.clear()  # a second store, as another process would open it
        with store.write():
            interrupt(store, "interrupted", NOW)
        counts.append(store.value("SELECT count(*) FROM messages"))
    assert counts[-1] == 450
    assert len(counts) > 3
    assert counts == sorted(counts)
    assert (checkpoint(store)["status"], checkpoint(store)["messages_synced"]) == ("completed", 450)


def test_live_events_are_recorded_before_history(store):
    past = part(chat(REEM_JID, *(said(number) for number in range(100))))
    spooled.append(store, HISTORY, b"past", NOW)
    spooled.append(store, "message", b"now", NOW)
    live = MessageReceived(REEM_JID, "NEW", REEM_JID, AT + 60, "now")
    spooled.apply_batch(store, lambda kind, payload: [live] if kind == "message" else past, NOW)
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["NEW"]


def test_a_part_that_cannot_be_decoded_delays_no_other_part(store):
    spooled.append(store, HISTORY, b"bad", NOW)
    spooled.append(store, HISTORY, b"good", NOW)

    def decode(kind, payload):
        if payload == b"bad":
            raise ValueError("no history")
        return part(chat(REEM_JID, said(1)))

    while spooled.apply_batch(store, decode, NOW):
        pass
    assert store.value("SELECT count(*) FROM messages") == 1
    assert spool.stuck(store) == ["history: ValueError: no history"]


def test_names_hidden_ids_edits_and_reactions_in_history_are_applied(store, receive):
    events = (said(1, LID), said(2, LID), Edited(LID, "OLD1", "better", AT), Deleted(LID, "OLD2", AT))
    reaction = Reacted(LID, "OLD1", LID, "👍", AT)
    before = (
        JidMapped(LID, REEM_JID),
        Named(REEM_JID, "Reem S."),
        Named(REEM_JID, "Reem Saved", is_saved=True),
    )
    receive(part(chat(LID, *events, reaction), before=before))
    rows = messages.conversation(store, REEM_JID, 10)
    assert [(row["content"], bool(row["deleted_at"])) for row in rows] == [(None, True), ("better", False)]
    assert rows[1]["reactions"][0]["emoji"] == "👍"
    assert rows[0]["chat_name"] == "Reem Saved"
    assert checkpoint(store)["messages_synced"] == 2


def test_history_status_lists_each_chat_with_its_gaps(store, receive, wa):
    recent = [said(number) for number in range(5)]
    long_ago = MessageReceived(REEM_JID, "FAR", REEM_JID, AT - 200 * 86_400, "far")
    receive(part(chat(REEM_JID, *recent, long_ago), kind="full", progress=100))
    (row,) = json.loads(wa("history", "status", "--json").out)
    assert (row["chat_jid"], row["messages"], row["status"]) == (REEM_JID, 6, "completed")
    assert (row["oldest"], row["newest"]) == (AT - 200 * 86_400, AT)
    assert row["gaps"] == [{"after": AT - 200 * 86_400, "before": AT - 240}]
    shown = wa("history", "status")
    assert "completed" in shown.out
    assert "`wa history fetch` asks for older messages" in shown.err
