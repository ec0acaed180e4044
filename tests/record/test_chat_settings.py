"""Which chats are archived, pinned and muted, as the phone says."""

from __future__ import annotations

import json

from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock

from wa.connection.incoming.events import apply_event
from wa.record import chats
from wa.whatsapp.events import FOREVER, ChatSet, JidMapped, MessageReceived

CLOCK = FakeClock()
NOW = int(CLOCK().timestamp())
LID = "100000000000123@lid"


def told(store, *events, source="live"):
    """Record events."""
    with store.write():
        for event in events:
            apply_event(store, event, CLOCK(), source)


def listed(store, **kinds):
    """Return the ids of the chats that are listed."""
    return [row["id"] for row in chats.listing(store, 20, **kinds)]


def says(chat, message_id="A", at=NOW):
    """Return a message."""
    return MessageReceived(chat, message_id, chat, at, "Hello")


def test_each_kind_is_listed_alone_and_all_are_in_the_list(wa, store):
    told(store, says(REEM_JID), says(ADAM_JID, at=NOW - 60))
    told(store, ChatSet(REEM_JID, True, False, FOREVER), ChatSet(ADAM_JID, False, True, NOW + 60))

    assert listed(store) == listed(store, muted_at=NOW) == [REEM_JID, ADAM_JID]
    assert listed(store, archived=True) == [REEM_JID]
    assert listed(store, pinned=True) == [ADAM_JID]
    assert listed(store, muted_at=NOW + 61) == [REEM_JID]
    assert listed(store, archived=True, pinned=True) == []
    assert listed(store, archived=True, channels=True) == []
    assert wa("chats", now=CLOCK).out.splitlines() == [
        f"2026-11-20 12:00\t+{REEM} (archived, muted)\t1\tHello",
        f"2026-11-20 11:59\t+{ADAM} (pinned, muted)\t1\tHello",
    ]
    CLOCK_LATER = FakeClock("2026-11-21T12:00:00")
    (row,) = wa("chats", "--pinned", "--json", now=CLOCK_LATER).json
    assert (row["is_archived"], row["is_pinned"], row["muted_until"]) == (False, True, NOW + 60)
    assert row["muted_until_at"] == "2026-11-20T12:01:00.000Z"
    assert f"+{ADAM} (pinned)" in wa("chats", now=CLOCK_LATER).out
    assert wa("chats", "--muted", now=CLOCK_LATER).out.count("\n") == 1


def test_the_newest_word_counts_and_what_is_not_told_stays(store):
    told(store, says(REEM_JID), ChatSet(REEM_JID, True, True, FOREVER), ChatSet(REEM_JID, is_archived=False))
    assert (listed(store, archived=True), listed(store, pinned=True)) == ([], [REEM_JID])
    told(store, ChatSet(REEM_JID, False, False, 0))
    assert store.value("SELECT muted_until FROM chats") is None


def test_a_chat_without_a_message_is_listed_if_it_is_set_apart_and_not_otherwise(store):
    told(store, ChatSet(REEM_JID, False, False, 0), ChatSet(ADAM_JID, True, False, 0))
    assert listed(store) == listed(store, archived=True) == [ADAM_JID]


def test_the_history_does_not_take_back_what_the_phone_said_since(store):
    told(store, says(REEM_JID), says(ADAM_JID, at=NOW - 60), ChatSet(REEM_JID, False, True, 0))
    told(store, ChatSet(REEM_JID, True), ChatSet(ADAM_JID, True, muted_until=FOREVER), source="history")
    assert listed(store, archived=True) == [ADAM_JID]


def test_nothing_is_written_when_nothing_is_new(store):
    told(store, says(REEM_JID), ChatSet(REEM_JID, True, False, 0))
    before = store.conn.total_changes
    told(store, ChatSet(REEM_JID, True, False, 0))
    assert store.conn.total_changes == before


def test_a_hidden_id_and_its_number_are_one_chat(store):
    told(store, says(LID), ChatSet(LID, True, False, FOREVER), says(REEM_JID, "B"))
    told(store, JidMapped(LID, REEM_JID), ChatSet(LID, True, True, FOREVER))
    from wa.record import merge_chats

    merge_chats.join_split_chats(store, CLOCK())
    (row,) = chats.listing(store, 20, archived=True, pinned=True, muted_at=NOW)
    assert row["id"] == REEM_JID


def test_the_stand_in_says_so_too(wa):
    lines = [
        {"from": REEM, "text": "Hello"},
        {"from": REEM, "archived": True, "muted": True},
        {"from": ADAM, "group": "Family", "pinned": True, "muted": 1_900_000_000},
    ]
    assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
    assert wa("send", "me", "a note").code == 0
    assert [row["id"] for row in wa("chats", "--archived", "--muted", "--json").json] == [REEM_JID]
    (family,) = wa("chats", "--pinned", "--json").json
    assert (family["name"], family["muted_until"]) == ("Family", 1_900_000_000)
    for wrong in ({"archived": 1}, {"pinned": "yes"}, {"muted": 1.5}):
        done = wa("loopback", "say", "-", "--json", stdin=json.dumps({"from": REEM, **wrong}))
        assert (done.code, done.error["code"]) == (8, "bad-data"), wrong
