"""What a listener tells: messages, and the edits, deletions and reactions between them, each as it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import spooled
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection.incoming.events import keep_account
from wa.record import messages
from wa.record.events import log, told
from wa.store.database import BATCH, Store
from wa.values import replace
from wa.whatsapp.events import (
    Deleted,
    Edited,
    Event,
    GroupInfo,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
    Reacted,
)
from wa.whatsapp.loopback.lines import ACCOUNT

NOW = FakeClock()()
AT = int(NOW.timestamp()) - 1000
LID = "100000000000123@lid"


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Apply events through the spool, as the owner does: in one record, a part of the history in its own."""
    records: list[tuple[Event, ...]] = []

    def record(*events: Event) -> None:
        records.append(events)
        spooled.append(store, "history" if isinstance(events[0], History) else "live", b"", NOW)
        while spooled.apply_batch(store, lambda kind, payload: list(records[-1]), NOW):
            pass

    return record


WALKS = "1203630000000000001@g.us"


def says(message_id: str, text: str = "see you at ten", **fields: Any) -> MessageReceived:
    """Return a message by Reem."""
    return replace(MessageReceived(REEM_JID, message_id, REEM_JID, AT, text, push_name="Reem"), **fields)


def edit(message_id: str, text: str, after: int = 10) -> Edited:
    """Return an edit by Reem."""
    return Edited(REEM_JID, message_id, text, AT + after, REEM_JID)


def reaction(message_id: str, emoji: str = "👍", after: int = 20, by: str = REEM_JID) -> Reacted:
    """Return a reaction to a message in Reem's chat."""
    return Reacted(REEM_JID, message_id, by, emoji, AT + after)


def heard(store: Store, place: int = 0) -> list[tuple[str, str, str | None]]:
    """Return event, message id and content or emoji of all that is told behind a place."""
    found: list[tuple[str, str, str | None]] = []
    while batch := told.after(store, place):
        place = batch[-1][0]
        for _, row in batch:
            what = row["emoji"] if row.get("event") == "reaction" else row["content"]
            found.append((row.get("event", "message"), row["message_id"], what))
    return found


def test_changes_are_told_between_the_messages_where_they_happened(store, put):
    put(says("A", "one"), reaction("A"), says("B", "two"), edit("A", "one, edited"), edit("B", "two, edited"),
        Deleted(REEM_JID, "B", AT + 30, REEM_JID), says("C", "three"), reaction("A", "", 40))  # fmt: skip
    assert heard(store) == [
        ("message", "A", "one"),
        ("reaction", "A", "👍"),
        ("message", "B", None),
        ("edited", "A", "one, edited"),
        ("edited", "B", None),
        ("deleted", "B", None),
        ("message", "C", "three"),
        ("reaction", "A", ""),
    ], "each as it was then; but what was deleted for everyone is gone from here too"


def test_each_change_is_told_once_by_a_listener_that_keeps_up(store, put):
    steps = [
        says("A"),
        reaction("A"),
        edit("A", "later"),
        says("B"),
        reaction("A", "❤", 30),
        edit("A", "again", 40),
    ]
    place, seen = told.place_of(store, None, NOW), []
    for step in steps:
        put(step)
        seen += heard(store, place)
        place = told.place_of(store, None, NOW)
    assert [kind for kind, *_ in seen] == ["message", "reaction", "edited", "message", "reaction", "edited"]
    assert seen[-1] == ("edited", "A", "again")


def test_a_cursor_is_the_id_of_a_message_and_what_came_after_it_is_heard(store, put):
    put(says("A"), says("B"), reaction("A"), says("C"))
    ids = {row["message_id"]: row["id"] for row in store.rows("SELECT id, message_id FROM messages")}
    assert heard(store, told.place_of(store, ids["B"], NOW)) == [
        ("reaction", "A", "👍"),
        ("message", "C", "see you at ten"),
    ]
    assert heard(store, told.place_of(store, ids["C"], NOW)) == []
    assert heard(store, told.place_of(store, 2**62, NOW)) == []


def test_what_is_about_to_leave_the_log_is_read_from_the_record(store, put):
    """Between the look at the log and the reading of it, the owner of the connection may delete old lines."""
    put(says("A"), says("B"))
    first = store.value("SELECT id FROM messages WHERE message_id = 'A'")
    week = NOW + log.KEPT
    for since, expected in ((0, ["A", "B"]), (first, ["B"])):
        for now in (week - timedelta(minutes=30), week - timedelta(hours=2)):
            place = told.place_of(store, since, now)
            past = [row["message_id"] for row in told.before_the_log(store, since, place)]
            ahead = [name for kind, name, _ in heard(store, place) if kind == "message"]
            assert past + ahead == expected
            assert bool(past) is (now > week - timedelta(hours=1))


@pytest.mark.parametrize(
    "repeated",
    [
        reaction("A"),
        reaction("A", after=30),
        reaction("A", "❤", after=1),
        reaction("A", "", by=ADAM_JID),
        Edited(REEM_JID, "A", "not mine", AT + 50, ADAM_JID),
        edit("A", "older", 1),
        edit("unknown", "comes first"),
    ],
)
def test_what_changes_nothing_is_not_heard(store, put, repeated):
    chat = replace(says("A"), chat_jid=REEM_JID)
    put(chat, edit("A", "newer", 5), reaction("A"))
    place = told.place_of(store, None, NOW)
    if isinstance(repeated, Edited) and repeated.content == "not mine":
        repeated = replace(repeated, is_from_me=True)
    put(repeated)
    assert heard(store, place) == []


def test_the_past_is_not_heard(store, put):
    part = History(
        "recent", 100, (HistoryChat(REEM_JID, None, (says("A"), edit("A", "x"), reaction("A")), True),)
    )
    put(part)
    assert heard(store) == []
    put(reaction("A", "❤", 30))
    assert heard(store) == [("reaction", "A", "❤")]


def test_what_the_history_brings_after_all_is_heard_again(store, put):
    put(says("A", "Waiting", unavailable="waiting"))
    put(History("recent", 100, (HistoryChat(REEM_JID, None, (says("A"),), True),)))
    assert [row["content"] for _, row in told.after(store, 0)] == ["Waiting", "see you at ten"]


def test_more_changes_than_one_query_returns_are_told_in_order(store, put):
    count = BATCH + 5
    put(says("A"), *(says(f"M{number}") for number in range(count)))
    put(*(reaction(f"M{number}") for number in range(count)), says("Z"), edit("A", "edited"))
    kinds = [kind for kind, *_ in heard(store)]
    assert kinds == ["message"] * (count + 1) + ["reaction"] * count + ["message", "edited"]


def test_a_reaction_whose_sender_is_known_by_now_is_told_under_the_number(store, put):
    put(says("A"), JidMapped(LID, ADAM_JID), reaction("A", by=LID))
    ((_, _), (_, row)) = told.after(store, 0)
    assert (row["sender"], row["event"]) == (ADAM_JID, "reaction")


def test_the_lines_for_people_and_for_programs(store, put, wa):
    with store.write():
        keep_account(store, ACCOUNT, NOW)
    put(says("A"), says("B", "gone"), reaction("A"), edit("A", "see you at eleven"),
        reaction("B", "❤", by=ACCOUNT.jid), Deleted(REEM_JID, "B", AT + 30, REEM_JID),
        reaction("A", "", 40), reaction("unknown"),
        GroupInfo(WALKS, "Walks", ((REEM_JID, "member"), (ADAM_JID, "admin"))),
        says("G", "in the group", chat_jid=WALKS), Deleted(WALKS, "G", AT + 30, ADAM_JID))  # fmt: skip
    listened = wa("listen", "--since", "0", "--for", "1s", now=FakeClock())
    lines = [line.partition("] ")[2] for line in listened.out.splitlines()]
    assert lines == [
        "Reem: see you at ten",
        "Reem: (deleted)",
        "Reem reacted 👍 to: see you at ten",
        "Reem edited: see you at eleven",
        "→ Reem: you reacted ❤ to: (deleted)",
        "Reem deleted a message",
        "Reem took back a reaction to: see you at eleven",
        "Reem reacted 👍 to: a message",
        "Walks · Reem: (deleted)",
        "Walks · Reem: a message was deleted",
    ]
    rows = wa("listen", "--since", "0", "--for", "1s", "--json", now=FakeClock()).out.splitlines()
    assert len(rows) == len(lines)


def test_an_edit_a_deletion_and_a_reaction_have_the_form_of_their_rows(store, put):
    put(says("A"), says("B"), edit("A", "later"), Deleted(REEM_JID, "B", AT + 30, REEM_JID), reaction("A"))
    (number, other) = (row["id"] for row in store.rows("SELECT id FROM messages ORDER BY id"))
    first, _, edited, deleted, reacted = (row for _, row in told.after(store, 0))
    assert {name for name in first if name != "id"} | {"event", "row_id"} == set(edited) == set(deleted)
    assert "id" not in {*edited, *deleted, *reacted}, "a program that keeps the last id must not go back"
    assert (edited["row_id"], deleted["row_id"], reacted["row_id"]) == (number, other, number)
    assert (edited["content"], edited["edited_at"]) == (
        "later",
        messages.moment(AT + 10).strftime("%FT%T.000Z"),
    )
    shown = {
        name: reacted[name] for name in ("event", "chat_jid", "message_id", "sender", "emoji", "timestamp")
    }
    assert shown == {
        "event": "reaction", "chat_jid": REEM_JID, "message_id": "A", "sender": REEM_JID, "emoji": "👍",
        "timestamp": AT + 20,
    }  # fmt: skip
