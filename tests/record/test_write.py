"""Messages with a made-up id, when the message itself arrives another way; and what belongs to a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conftest import REEM, REEM_JID, FakeClock
from query_plans import plans

from wa.record import merge_chats, messages, write
from wa.record.messages import MADE_UP
from wa.store.database import Store
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.ids import notice_id

NOW = FakeClock()()
Run = Callable[..., Any]


def test_a_made_up_id_is_looked_up_by_index_and_gives_way_to_the_message_s_own(store: Store) -> None:
    def said(message_id: str) -> MessageReceived:
        return MessageReceived(REEM_JID, message_id, REEM_JID, 1_700_000_000, "Hello")

    with store.write():
        write.record(store, said(f"{MADE_UP}1"), "migration", NOW)
        assert store.value("SELECT message_id FROM messages") == "migrated-1"
        found = plans(store, lambda: write.record(store, said("A"), "live", NOW))
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["A"]
    lookups = [plan for sql, plan in found.items() if "messages_made_up" in sql]
    assert len(lookups) == 3
    assert all("messages_made_up" in plan for plan in lookups)
    for each in lookups[1:]:
        assert "messages_made_up (chat_jid=? AND timestamp>? AND timestamp<?)" in each


def test_a_text_is_not_looked_for_among_notices_with_a_made_up_id(store: Store) -> None:
    def said(message_id: str, kind: str, after: int = 0) -> MessageReceived:
        at = 1_700_000_000 + after
        return MessageReceived(REEM_JID, message_id, REEM_JID, at, "Left: @447700900123", kind)

    notice, text, twin = said(notice_id("left"), "system"), said("A", "text"), said("B", "system", 1)
    with store.write():
        write.record(store, notice, "live", NOW)
        assert messages.like_made_up(store, [text, twin]) == [twin]
        assert messages.like_made_up(store, [said("C", "system", 99)]) == []
        write.record(store, twin, "history", NOW)
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["B"]
    assert messages.like_made_up(store, [text]) == []


def test_details_are_kept_through_edits_made_up_ids_and_joined_chats_and_go_with_a_deletion(
    store: Store, wa: Run
) -> None:
    lid = "100000000000042@lid"
    menu = {"file": {"name": "Menu £.pdf", "size": 1234}}

    def said(message_id: str, chat: str = REEM_JID, at: int = 1_700_000_000, **more: Any) -> MessageReceived:
        return MessageReceived(chat, message_id, chat, at, f"The menu {at}", "document", **more)

    def details(message_id: str) -> Any:
        [row] = [row for row in messages.conversation(store, REEM_JID, 9) if row["message_id"] == message_id]
        return row["details"]

    with store.write():
        write.record(store, said(f"{MADE_UP}1"), "migration", NOW)
        write.record(store, said("A", details=menu), "live", NOW)
        write.record(store, said("B", at=1_700_000_100), "live", NOW)
        write.record(store, said("B", lid, 1_700_000_100, details=menu), "live", NOW)
        found = messages.find(store, REEM_JID, "A")
        assert found is not None
        write.edit(store, found, "Our menu", NOW)
        merge_chats.map_lid(store, lid, REEM_JID)
    merge_chats.join_split_chats(store, NOW)
    assert (details("A"), details("B")) == (menu, menu)
    assert [row["details"] for row in wa("read", REEM, "--json").json] == [menu, menu]
    with store.write():
        write.delete(store, found, NOW)
    assert details("A") is None
