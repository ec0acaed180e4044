"""Messages that this device cannot read: what stands for them, and the message that takes its place."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import spooled
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock

from wa.record import chats, merge_chats, messages, search, write
from wa.record.search import Filter
from wa.store.condition import check
from wa.store.database import Row, Store
from wa.values import replace
from wa.whatsapp.events import (
    ChatRead,
    Deleted,
    Edited,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
    NothingToShow,
)

NOW = FakeClock()()
AT = 1_795_000_000
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"
ME = "447700900999@s.whatsapp.net"
Run = Callable[..., Any]
Put = Callable[..., None]


def stand_in(message_id: str = "A", **fields: Any) -> MessageReceived:
    """Return what stands for a message."""
    base = MessageReceived(REEM_JID, message_id, REEM_JID, AT, "View once: only the phone can show it")
    return replace(base, message_type="other", unavailable="view_once", **fields)


def came(message_id: str = "A", **fields: Any) -> MessageReceived:
    """Return the message itself: a picture."""
    base = MessageReceived(REEM_JID, message_id, REEM_JID, AT, "the cake", "image", quoted_id="Z", raw=b"raw")
    return replace(base, details={"file": {"size": 9}}, **fields)


@pytest.fixture
def put(store: Store) -> Put:
    """Record live events, each in a transaction of its own."""
    return spooled.applier(store, NOW)


def by_history(store: Store, *events: MessageReceived) -> None:
    """Record messages as the history brings them."""
    part = History("recent", None, (HistoryChat(REEM_JID, None, events, is_complete=False),))
    spooled.append(store, "history", b"a part", NOW)
    spooled.record_all(store, lambda kind, payload: [part], NOW)


def only(store: Store) -> Row:
    """Return the one message in the store."""
    (row,) = store.rows("SELECT * FROM messages")
    return row


def found(store: Store, query: str) -> list[str]:
    """Return the ids of the messages that a search finds, in an index that is sound."""
    assert check(store) == []
    return [row["message_id"] for row in search.search(store, query, Filter(), 50)]


def unread(store: Store) -> int:
    """Return the number of unread messages of the chat, which its messages bear out."""
    count = store.value("SELECT count(*) FROM messages WHERE status = 'received'")
    assert store.value("SELECT unread_count FROM chats WHERE id = ?", [REEM_JID]) == count
    return int(count)


def test_a_row_stands_for_the_message_unread_and_says_where_it_can_be_read(
    store: Store, put: Put, wa: Run
) -> None:
    put(stand_in())
    assert (only(store)["status"], unread(store)) == ("received", 1)
    (row,) = wa("read", REEM, "--json").json
    assert (row["unavailable"], row["content"]) == ("view_once", "View once: only the phone can show it")
    for command in (["read", REEM], ["unread"], ["chats"]):
        out = wa(*command).out
        assert "View once: only the phone can show it" in out
        assert "[other]" not in out


@pytest.mark.parametrize("how", ["live", "history"])
def test_the_message_takes_its_place_in_the_same_row_and_counts_once(
    store: Store, put: Put, how: str
) -> None:
    put(stand_in())
    number = only(store)["id"]
    put(came()) if how == "live" else by_history(store, came(), came())
    row = only(store)
    assert (row["id"], row["content"], row["message_type"], row["unavailable"]) == (
        number, "the cake", "image", None,
    )  # fmt: skip
    assert (row["quoted_id"], row["raw_proto"], row["details"], row["source"]) == (
        "Z", b"raw", '{"file": {"size": 9}}', "live",
    )  # fmt: skip
    assert unread(store) == 1
    assert (found(store, "cake"), found(store, "phone")) == (["A"], [])
    put(came(), stand_in())
    assert (only(store)["content"], unread(store)) == ("the cake", 1)


def test_one_transaction_may_hold_both_and_many_others(store: Store) -> None:
    rest = [came(f"N{number}", timestamp=AT + number) for number in range(20)]
    events = [stand_in(), *rest, came(), stand_in("B"), came("B"), stand_in("C")]
    by_history(store, *events)
    kinds = dict(store.execute("SELECT message_id, message_type FROM messages").fetchall())
    assert len(kinds) == 23
    assert (kinds["A"], kinds["B"], kinds["C"]) == ("image", "image", "other")
    assert len(found(store, "cake")) == 22


def test_what_was_read_stays_read_and_one_that_never_comes_can_be_marked_read(store: Store, put: Put) -> None:
    put(stand_in(), stand_in("B"))
    write.set_read(store, REEM_JID)
    assert unread(store) == 0
    put(came())
    assert unread(store) == 0


def test_one_that_the_history_could_not_read_is_new_when_it_arrives(store: Store, put: Put) -> None:
    by_history(store, stand_in())
    assert unread(store) == 0
    put(came())
    assert (unread(store), only(store)["source"], only(store)["content"]) == (1, "live", "the cake")


def test_one_that_the_history_could_not_read_is_not_new_where_it_was_read_since(
    store: Store, put: Put
) -> None:
    by_history(store, stand_in())
    put(ChatRead(REEM_JID, ("A",)), came())
    assert (only(store)["status"], only(store)["source"], unread(store)) == ("read", "live", 0)


def test_a_deletion_makes_a_tombstone_that_stays(store: Store, put: Put) -> None:
    put(stand_in(), Deleted(REEM_JID, "A", AT + 5, REEM_JID), came())
    row = only(store)
    assert (row["content"], row["unavailable"], row["raw_proto"]) == (None, None, None)
    assert row["deleted_at"]
    assert found(store, "cake") == []


def test_a_deletion_that_came_before_makes_a_tombstone_too(store: Store, put: Put) -> None:
    put(Deleted(REEM_JID, "A", AT + 5, REEM_JID), stand_in(), came())
    assert (only(store)["content"], only(store)["unavailable"]) == (None, None)


def test_an_edit_shows_its_text_and_the_message_brings_the_rest(store: Store, put: Put, wa: Run) -> None:
    put(stand_in(), Edited(REEM_JID, "A", "our cake", AT + 5, REEM_JID))
    assert (only(store)["content"], only(store)["message_type"]) == ("our cake", "text")
    put(came())
    row = only(store)
    assert (row["content"], row["message_type"], row["raw_proto"]) == ("our cake", "image", b"raw")
    assert found(store, "our cake") == ["A"]
    assert "[image] our cake (edited)" in wa("read", REEM).out


def test_one_that_turns_out_to_be_a_reaction_goes(store: Store, put: Put) -> None:
    put(stand_in(), came("B"), NothingToShow(REEM_JID, "A"), NothingToShow(REEM_JID, "B"))
    assert (only(store)["message_id"], unread(store)) == ("B", 1)
    assert found(store, "phone") == []


def test_one_that_turns_out_to_be_a_notice_is_not_unread(store: Store, put: Put) -> None:
    put(stand_in(), MessageReceived(REEM_JID, "A", REEM_JID, AT, "Pinned a message", "system"))
    assert (unread(store), only(store)["message_type"]) == (0, "system")


@pytest.mark.parametrize("seed", range(6))
def test_a_chat_under_a_hidden_id_is_joined_in_any_order(store: Store, put: Put, seed: int) -> None:
    hidden = {"chat_jid": LID, "sender": LID}
    events = [stand_in(**hidden), came(), stand_in("B"), came("B", **hidden), JidMapped(LID, REEM_JID)]
    random.Random(seed).shuffle(events)
    put(*events)
    merge_chats.join_split_chats(store, NOW)
    rows = store.rows("SELECT message_id, content, message_type, unavailable, raw_proto FROM messages")
    assert sorted((row["message_id"], row["content"]) for row in rows) == [
        ("A", "the cake"),
        ("B", "the cake"),
    ]
    assert {(row["message_type"], row["unavailable"], row["raw_proto"]) for row in rows} == {
        ("image", None, b"raw")
    }
    assert sorted(found(store, "cake")) == ["A", "B"]
    assert found(store, "phone") == []


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        ({"chat_jid": GROUP}, {"chat_jid": GROUP, "sender": ADAM_JID}),
        ({"sender": ME, "is_from_me": True}, {}),
        ({"chat_jid": GROUP, "sender": ME, "is_from_me": True}, {"chat_jid": GROUP}),
    ],
)
def test_the_message_of_somebody_else_with_its_id_does_not_take_its_place(
    store: Store, put: Put, ours: dict[str, Any], other: dict[str, Any]
) -> None:
    put(stand_in(**ours), came(**other))
    assert (only(store)["content"], only(store)["unavailable"]) == (stand_in().content, "view_once")
    put(came(**ours))
    assert (only(store)["content"], only(store)["sender"]) == ("the cake", came(**ours).sender)


def test_in_a_group_it_takes_its_place_under_the_number_that_is_known_by_then(store: Store, put: Put) -> None:
    put(stand_in(chat_jid=GROUP, sender=LID), JidMapped(LID, REEM_JID), came(chat_jid=GROUP))
    assert (only(store)["sender"], only(store)["content"]) == (REEM_JID, "the cake")


def test_in_a_group_it_is_its_sender_s(store: Store, put: Put) -> None:
    put(stand_in(chat_jid=GROUP), came(chat_jid=GROUP))
    assert (only(store)["sender"], chats.listing(store, 9)[0]["unread_count"]) == (REEM_JID, 1)


def test_a_listener_s_cursor_stays_valid(store: Store, put: Put) -> None:
    put(stand_in(), came("B"))
    cursor = messages.newest_id(store)
    put(came(), came("C"))
    assert [row["message_id"] for row in messages.live_after(store, cursor)] == ["C"]
    assert [row["message_id"] for row in messages.live_after(store, 0)] == ["A", "B", "C"]
