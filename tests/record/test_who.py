"""Who and what happened: calls, notices, mentions, hidden ids, status posts and channels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import spooled
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock

from wa.record import calls
from wa.store.database import Store
from wa.values import replace
from wa.whatsapp.events import (
    CallTold,
    EphemeralSet,
    GroupInfo,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
    Named,
)
from wa.whatsapp.ids import notice_id

NOW = FakeClock()()
AT = int(NOW.timestamp()) - 100
NADIA, NADIA_LID = "447700900555@s.whatsapp.net", "100000000000123@lid"
STRANGER = "100000000004567@lid"
GROUP = "1203630000000000001@g.us"
CHANNEL = "120363000000007890@newsletter"
MISSED = {"call": {"outcome": "missed", "video": False}}


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Apply events through the spool, as the owner does, each in a record of its own."""
    return spooled.putter(store, NOW)


def says(jid: str, message_id: str, text: str = "hello", **fields: Any) -> MessageReceived:
    """Return a message in a chat of two."""
    return replace(MessageReceived(jid, message_id, jid, AT, text), **fields)


def notice(text: str, *mentioned: str, **fields: Any) -> MessageReceived:
    """Return a notice in the group, by Reem."""
    details = {"mentions": list(mentioned)}
    said = MessageReceived(GROUP, f"N{text}", REEM_JID, AT, text, "system", details=details)
    return replace(said, **fields)


def rings(step: str = "offer", after: int = 0, **fields: Any) -> CallTold:
    """Return a step of a call by Reem."""
    return replace(CallTold("CALL1", REEM_JID, REEM_JID, step, AT + after), **fields)


def log(message_id: str = "LOG", after: int = 0, **fields: Any) -> MessageReceived:
    """Return a phone's line about a call that was missed."""
    return says(REEM_JID, message_id, "Missed voice call", timestamp=AT + after, message_type="system",
                details=MISSED, **fields)  # fmt: skip


def rows(store: Store) -> list[tuple[Any, ...]]:
    """Return text, status and time after AT of each message."""
    return [
        (row["content"], row["status"], row["timestamp"] - AT)
        for row in store.rows("SELECT * FROM messages ORDER BY id")
    ]


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("steps", "text", "status"),
    [
        ([rings(), rings("end", 30, reason="timeout")], "Missed voice call", "received"),
        ([rings(), rings("end", 30)], "Missed voice call", "received"),
        ([rings(is_video=True), rings("end", 30, reason="timeout")], "Missed video call", "received"),
        ([rings(), rings(is_video=True), rings("end", 30)], "Missed video call", "received"),
        ([rings(), rings("end", 9, reason="accepted_elsewhere")], "Voice call, answered on another device",
         "read"),
        ([rings(), rings("accept", 9), rings("end", 90)], "Voice call, answered on another device", "read"),
        ([rings(), rings("end", 9, reason="rejected_elsewhere")], "Declined voice call", "read"),
        ([rings(chat_jid=GROUP), rings("end", 30, chat_jid=GROUP)], "Missed group voice call", "received"),
    ],
)  # fmt: skip
def test_a_call_is_one_line_when_it_has_ended(store, put, steps, text, status):
    put(*steps[:-1])
    assert rows(store) == []
    put(steps[-1], steps[-1], steps[0])
    assert rows(store) == [(text, status, 0)]
    assert store.value("SELECT message_type FROM messages") == "system"


def test_a_call_whose_end_was_not_told_ends_by_itself(store, put):
    put(rings())
    put(says(ADAM_JID, "A"), now=NOW + timedelta(seconds=calls.LONGEST_RINGING - 110))
    assert [text for text, *_ in rows(store)] == ["hello"]
    put(says(ADAM_JID, "B"), now=NOW + timedelta(seconds=calls.LONGEST_RINGING))
    assert [text for text, *_ in rows(store)] == ["hello", "hello", "Missed voice call"]
    put(rings("end", 400))
    assert len(rows(store)) == 3


def test_a_missed_call_is_unread_and_moves_its_chat_up(store, put, wa):
    put(says(REEM_JID, "A", timestamp=AT - 500), says(ADAM_JID, "B", timestamp=AT - 400), rings(),
        rings("end", 30))  # fmt: skip
    first, second = wa("chats", "--json").json
    assert (first["id"], first["last_message"], first["unread_count"]) == (REEM_JID, "Missed voice call", 2)
    assert second["id"] == ADAM_JID
    assert f"+{REEM}: Missed voice call" in wa("read", REEM).out
    assert "[system]" not in wa("chats").out


@pytest.mark.parametrize("events", [
    (rings(), rings("end", 30), log(after=31)),
    (log(after=31), rings(), rings("end", 30)),
    (rings(), log(after=31), rings("end", 32)),
    (log(), log()),
])  # fmt: skip
def test_a_call_that_is_told_in_two_ways_is_one_line(store, put, events):
    put(*events)
    ((text, status, _),) = rows(store)
    assert (text, status) == ("Missed voice call", "received")


def test_two_calls_are_two_lines(store, put):
    again = replace(rings(after=60), call_id="CALL2"), replace(rings("end", 80), call_id="CALL2")
    put(rings(), rings("end", 30), log("L1", 31), *again, log("L2", 81))
    assert len(rows(store)) == 2
    put(log("L3", 82, chat_jid=ADAM_JID, sender=ADAM_JID))
    assert len(rows(store)) == 3


def test_a_call_of_the_history_is_the_one_that_was_told_live(store, put):
    put(rings(), rings("end", 30))
    past = log("REAL")
    spooled.append(store, "history", b"", NOW)
    part = History("recent", 100, (HistoryChat(REEM_JID, None, (past,), True),))
    while spooled.apply_batch(store, lambda kind, payload: [part], NOW):
        pass
    assert rows(store) == [("Missed voice call", "received", 0)]
    assert store.value("SELECT message_id FROM messages") == "REAL"


def test_calls_are_forgotten_after_days(store, put):
    put(rings(), rings("end", 30))
    later = NOW + timedelta(seconds=calls.KEPT + 200)
    put(rings(after=calls.KEPT + 150, call_id="CALL2"), now=later)
    assert [row["call_id"] for row in store.rows("SELECT call_id FROM calls")] == ["CALL2"]


# ── Timers ────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_timer_of_a_chat_counts(store, put):
    put(EphemeralSet(REEM_JID, 86_400, AT), EphemeralSet(REEM_JID, 604_800, AT - 5))
    assert store.value("SELECT ephemeral FROM chats") == 86_400
    put(EphemeralSet(REEM_JID, 0, AT + 1))
    assert store.value("SELECT ephemeral FROM chats") == 0


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ((), "somebody …0123"),
        ((Named(NADIA_LID, "Nadia"),), "~Nadia"),
        ((JidMapped(NADIA_LID, NADIA),), "+447700900555"),
        ((Named(NADIA_LID, "Nadia"), JidMapped(NADIA_LID, NADIA)), "Nadia"),
        ((JidMapped(NADIA_LID, NADIA), Named(NADIA, "Nadia")), "Nadia"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_person_has_a_name_or_a_number_and_never_a_hidden_id(put, wa, known, shown, is_first):
    talk = (
        GroupInfo(GROUP, "Book club", ((REEM_JID, "admin"), (NADIA_LID, "member"))),
        says(NADIA_LID, "A", "in the group", chat_jid=GROUP),
        says(REEM_JID, "B", "ask @100000000000123 !", chat_jid=GROUP,
             details={"mentions": [NADIA_LID]}, timestamp=AT + 1),
        notice("Added: @100000000000123", NADIA_LID, timestamp=AT + 2),
    )  # fmt: skip
    put(*known, *talk) if is_first else put(*talk, *known)
    said, asked, added = wa("read", "Book club").out.splitlines()
    assert said.endswith(f"Book club · {shown}: in the group")
    assert asked.endswith(f": ask @{shown} !")
    assert added.endswith(f"[system] Added: {shown}")
    texts = [
        wa(*args).out
        for args in (["chats"], ["unread"], ["groups"], ["search", "ask"], ["history", "status"])
    ]
    for text in (said, asked, added, *texts):
        assert "100000000000123" not in text
    assert shown in wa("groups").out


def test_programs_get_the_addresses(put, wa):
    put(JidMapped(NADIA_LID, NADIA))
    put(says(REEM_JID, "A", "@100000000000123 @100000000004567", details={"mentions": [NADIA_LID, STRANGER]}))
    (row,) = wa("read", REEM, "--json").json
    assert row["content"] == "@447700900555 @100000000004567"
    assert row["details"]["mentions"] == [NADIA, STRANGER]
    (chat,) = wa("chats", "--json").json
    assert (chat["last_message"], chat["last_mentions"]) == (row["content"], [NADIA, STRANGER])


def test_an_address_that_nobody_has_stays_as_it_was_written(put, wa):
    text = "call @12345 or mail sam@100000000000123.example, user@447700900999"
    put(says(REEM_JID, "A", text))
    assert wa("read", REEM).out.endswith(f"{text}\n")


def test_a_mention_of_a_contact_and_of_a_group_has_its_name(put, wa):
    wa("contacts", "add", "Auntie", NADIA.partition("@")[0])
    group_token = f"@{GROUP}"
    put(GroupInfo(GROUP, "Book club"), says(REEM_JID, "A", f"@447700900555 and {group_token}",
                                            details={"mentions": [NADIA, GROUP]}))  # fmt: skip
    assert wa("read", REEM).out.endswith(": @Auntie and @Book club\n")


def test_notices_of_an_older_version_show_no_hidden_id(put, wa):
    put(notice(f"Removed: +447700900001, {NADIA_LID}", details=None))
    assert wa("read", GROUP).out.endswith("Removed: +447700900001, somebody …0123\n")


def test_what_was_done_to_us_says_you(put, store, wa):
    store.insert("device", {"id": 1, "jid": NADIA, "lid": NADIA_LID, "push_name": "Nadia"})
    put(notice("Added: @100000000000123", NADIA_LID), says(REEM_JID, "A", "@447700900555"))
    assert wa("read", GROUP).out.endswith("Added: you\n")


def test_a_sender_who_is_known_by_now_is_the_number_s(put, wa):
    put(says(NADIA_LID, "A", chat_jid=GROUP), JidMapped(NADIA_LID, NADIA))
    (row,) = wa("read", GROUP, "--json").json
    assert row["sender"] == NADIA


def test_a_chat_is_found_by_the_name_that_is_shown(put, wa):
    put(says(NADIA_LID, "A", push_name="Nadia"))
    assert "~Nadia" in wa("chats").out
    assert wa("read", "~Nadia").out.endswith("~Nadia: hello\n")


def test_a_notice_told_live_is_the_one_of_the_history(store, put):
    number = notice_id(GROUP, "GROUP_PARTICIPANT_ADD", REEM_JID, AT, NADIA)
    put(notice("Added: @447700900555", NADIA, message_id=number))
    told = notice("Added: @447700900555", NADIA, message_id="REAL", timestamp=AT + 1)
    part = History("recent", 100, (HistoryChat(GROUP, None, (told,), True),))
    spooled.append(store, "history", b"", NOW)
    while spooled.apply_batch(store, lambda kind, payload: [part], NOW):
        pass
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["REAL"]


def test_a_notice_without_a_time_has_that_of_its_recording(store, put):
    put(notice("Added: @447700900555", NADIA, timestamp=0))
    assert store.value("SELECT timestamp FROM messages") == int(NOW.timestamp())


# ── Status posts and channels ─────────────────────────────────────────────────────────────────────


def test_status_posts_and_channels_are_apart_from_chats(put, wa):
    put(
        says(REEM_JID, "A"),
        says("status@broadcast", "S", "at the sea", sender=ADAM_JID, push_name="Adam"),
        says(CHANNEL, "C", "news of the day"),
    )
    for command in ("chats", "unread"):
        assert [row["id"] for row in wa(command, "--json").json] == [REEM_JID]
    assert [row["unread_count"] for row in wa("chats", "--channels", "--json").json] == [0]
    assert "channel …7890" in wa("chats", "--channels").out
    assert wa("read", "status").out.endswith("Status · Adam: at the sea\n")
    assert "channel …7890: news of the day" in wa("read", CHANNEL).out
    put(GroupInfo(CHANNEL, "The Daily"))
    assert "The Daily" in wa("chats", "--channels").out
    assert wa("read", "The Daily").out.endswith("The Daily: news of the day\n")
    (found,) = wa("search", "sea", "--chat", "status", "--json").json
    assert found["sender"] == ADAM_JID


def test_a_contact_of_that_name_comes_before_status_posts(put, wa):
    wa("contacts", "add", "Status", ADAM_JID.partition("@")[0])
    put(says("status@broadcast", "S", "at the sea", sender=REEM_JID), says(ADAM_JID, "A", "from Adam"))
    assert wa("read", "status").out.endswith("from Adam\n")
