"""Reactions to messages, and receipts: the tables `reactions` and `receipts`.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from wa.jids import is_group
from wa.record.messages import COUNTED
from wa.store.database import Row, Store
from wa.store.rewrites import join_chats

_FROM = "FROM receipts r WHERE r.message_id = messages.message_id"
_MEMBERS = (
    "group_members g WHERE g.chat_jid = messages.chat_jid AND coalesce(g.since, 0) <= messages.timestamp"
    " AND NOT EXISTS (SELECT 1 FROM device d WHERE g.member_jid IN (d.jid, d.lid))"
)
_IS_COMPLETE = (
    "EXISTS (SELECT 1 FROM device d JOIN group_members g ON g.member_jid IN (d.jid, d.lid)"
    " AND g.chat_jid = messages.chat_jid)"
)
"""A list of members that lacks ourselves is none: a change came, but not the whole list yet."""
_READ, _DELIVERED = "('read', 'played')", "('delivered', 'inactive', 'read', 'played')"


def _by(member: str, kinds: str) -> str:
    """Return SQL for whether a member of a group has sent such a receipt, perhaps under a hidden id."""
    return (
        f"EXISTS (SELECT 1 {_FROM} AND r.kind IN {kinds} AND r.recipient IN"
        f" (SELECT {member} UNION ALL SELECT lid FROM jid_aliases WHERE pn = {member}))"
    )


def _by_all(kinds: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM {_MEMBERS} AND NOT {_by('g.member_jid', kinds)})"


STATUS = (
    "CASE WHEN chat_jid NOT LIKE '%@g.us' THEN"
    f" CASE WHEN EXISTS (SELECT 1 {_FROM} AND r.kind IN {_READ}) THEN 'read'"
    f" WHEN EXISTS (SELECT 1 {_FROM} AND r.kind IN {_DELIVERED}) THEN 'delivered' ELSE status END"
    f" WHEN status = 'read' OR NOT {_IS_COMPLETE} OR NOT EXISTS (SELECT 1 FROM {_MEMBERS}) THEN status"
    f" WHEN {_by_all(_READ)} THEN 'read' WHEN {_by_all(_DELIVERED)} THEN 'delivered' ELSE status END"
)
"""SQL for the status of our message that its receipts prove; in a group, those of everybody.

Everybody is who was a member when the message was sent, and still is one: those who left hold nothing back.
"""
WITH_RECEIPTS = (
    "SELECT id FROM messages NOT INDEXED WHERE id > ? AND is_from_me"
    " AND EXISTS (SELECT 1 FROM receipts r WHERE r.message_id = messages.message_id)"
)
"""SQL for the ids of our messages behind an id, and with receipts: STATUS changes no others."""
RECENT = 30 * 86_400
"""Seconds for which our messages in a group are looked at again when its members change."""


def counted(store: Store, rows: list[Row]) -> list[Row]:
    """Add to messages who has them: {"delivered", "read", "members"} for ours in a group, else None."""
    sql = (
        f"SELECT (SELECT count(*) FROM {_MEMBERS} AND {_by('g.member_jid', _DELIVERED)}) AS delivered,"
        f" (SELECT count(*) FROM {_MEMBERS} AND {_by('g.member_jid', _READ)}) AS read,"
        f" (SELECT count(*) FROM {_MEMBERS}) AS members, details ->> '$.{COUNTED}' AS kept"
        " FROM messages WHERE id = ?"
    )
    for row in rows:
        is_ours = row["is_from_me"] and is_group(row["chat_jid"])
        row["receipts"] = _with_kept(store.row(sql, [row["id"]])) if is_ours else None
    return rows


def _with_kept(found: Row | None) -> Row | None:
    """Return the counts of receipts; of an imported message, those that came with it if they are higher."""
    kept = found.pop("kept") if found else None
    return (
        found
        if found is None or kept is None
        else {name: max(found[name], at) for name, at in json.loads(kept).items()}
    )


def react(store: Store, key: Row, emoji: str, timestamp: int) -> bool:
    """Store a person's newest reaction to a message; an empty one takes it back. Return whether it changed.

    `key` holds chat_jid, message_id and sender; `timestamp` is in Unix seconds.
    """
    before = store.value(
        "SELECT emoji FROM reactions WHERE chat_jid = :chat_jid AND message_id = :message_id"
        " AND sender = :sender",
        key,
    )
    written = store.execute(
        "INSERT INTO reactions (chat_jid, message_id, sender, emoji, timestamp) VALUES"
        " (:chat_jid, :message_id, :sender, :emoji, :timestamp)"
        " ON CONFLICT DO UPDATE SET emoji = excluded.emoji, timestamp = excluded.timestamp"
        " WHERE excluded.timestamp >= timestamp",
        {**key, "emoji": emoji, "timestamp": timestamp},
    )
    return bool(written.rowcount) and (before or "") != emoji


def reacted_at(store: Store, key: Row) -> int:
    """Return the time of a person's newest reaction to a message, in Unix seconds; 0 without any."""
    return int(
        store.value(
            "SELECT timestamp FROM reactions WHERE chat_jid = :chat_jid AND message_id = :message_id"
            " AND sender = :sender",
            key,
        )
        or 0
    )


def add_receipt(store: Store, receipt: Row) -> bool:
    """Store that a recipient's device received, read or played a message. Return whether that is new.

    `receipt` holds chat_jid, message_id, recipient, kind, and at (ISO text).
    """
    written = store.execute(
        "INSERT INTO receipts (chat_jid, message_id, recipient, kind, at)"
        " VALUES (:chat_jid, :message_id, :recipient, :kind, :at) ON CONFLICT DO NOTHING",
        receipt,
    )
    return bool(written.rowcount)


def forget(store: Store, rows: Sequence[Row]) -> None:
    """Remove reactions to messages, and receipts of them; rows with chat_jid and message_id."""
    keys = [(row["chat_jid"], row["message_id"]) for row in rows]
    store.conn.executemany("DELETE FROM reactions WHERE chat_jid = ? AND message_id = ?", keys)
    store.conn.executemany("DELETE FROM receipts WHERE chat_jid = ? AND message_id = ?", keys)


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
