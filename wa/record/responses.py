"""Reactions to messages, and receipts: the tables `reactions` and `receipts`.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime

from wa.store.database import Row, Store
from wa.store.rewrites import join_chats
from wa.times import to_iso


def react(store: Store, key: Row, emoji: str, timestamp: int) -> None:
    """Store a person's newest reaction to a message; an empty one takes it back.

    `key` holds chat_jid, message_id and sender; `timestamp` is in Unix seconds.
    """
    store.execute(
        "INSERT INTO reactions VALUES (:chat_jid, :message_id, :sender, :emoji, :timestamp)"
        " ON CONFLICT DO UPDATE SET emoji = excluded.emoji, timestamp = excluded.timestamp"
        " WHERE excluded.timestamp >= timestamp",
        {**key, "emoji": emoji, "timestamp": timestamp},
    )


def add_receipt(store: Store, chat: str, message_id: str, recipient: str, kind: str, at: datetime) -> None:
    """Store that a recipient's device received, read or played a message, unless that is stored."""
    row = {"chat_jid": chat, "message_id": message_id, "recipient": recipient, "kind": kind, "at": to_iso(at)}
    store.insert("receipts", row, ignore=True)


def rename_sender(store: Store, lid: str, pn: str) -> None:
    """Replace a hidden id by the phone JID as the sender of reactions."""
    _rename(store, "sender", lid, pn)


@join_chats.part
def _join_responses(store: Store, lid: str, pn: str) -> None:
    _rename(store, "chat_jid", lid, pn)
    store.execute("UPDATE receipts SET chat_jid = ? WHERE chat_jid = ?", [pn, lid])


def _rename(store: Store, column: str, lid: str, pn: str) -> None:
    for row in store.rows(f"SELECT * FROM reactions WHERE {column} = ?", [lid]):
        renamed = {
            name: pn if row[name] == lid else row[name] for name in ("chat_jid", "message_id", "sender")
        }
        react(store, renamed, row["emoji"], row["timestamp"])
    store.execute(f"DELETE FROM reactions WHERE {column} = ?", [lid])
