"""Messages with a made-up id, when the message itself arrives another way."""

from __future__ import annotations

from conftest import REEM_JID, FakeClock
from query_plans import plans

from wa.record import write
from wa.record.messages import MADE_UP
from wa.store.database import Store
from wa.whatsapp.events import MessageReceived

NOW = FakeClock()()


def test_a_made_up_id_is_looked_up_by_index_and_gives_way_to_the_message_s_own(store: Store) -> None:
    def said(message_id: str) -> MessageReceived:
        return MessageReceived(REEM_JID, message_id, REEM_JID, 1_700_000_000, "Hello")

    with store.write():
        write.record(store, said(f"{MADE_UP}1"), "migration", NOW)
        assert store.value("SELECT message_id FROM messages") == "migrated-1"
        found = plans(store, lambda: write.record(store, said("A"), "live", NOW))
    assert [row["message_id"] for row in store.rows("SELECT message_id FROM messages")] == ["A"]
    lookups = [plan for sql, plan in found.items() if "messages_made_up" in sql]
    assert len(lookups) == 2
    assert all("messages_made_up" in plan for plan in lookups)
    assert "messages_made_up (chat_jid=? AND timestamp>? AND timestamp<?)" in lookups[1]
