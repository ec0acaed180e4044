"""Reactions to messages, and receipts: the tables `reactions` and `receipts`.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime

from wa.jids import is_group
from wa.record import messages
from wa.record.messages import CHANGES, live_after, next_change, shown
from wa.record.names import name_of
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import join_chats
from wa.times import to_iso

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


RECENT = 30 * 86_400
"""Seconds for which our messages in a group are looked at again when its members change."""


def counted(store: Store, rows: list[Row]) -> list[Row]:
    """Add to messages who has them: {"delivered", "read", "members"} for ours in a group, else None."""
    sql = (
        f"SELECT (SELECT count(*) FROM {_MEMBERS} AND {_by('g.member_jid', _DELIVERED)}) AS delivered,"
        f" (SELECT count(*) FROM {_MEMBERS} AND {_by('g.member_jid', _READ)}) AS read,"
        f" (SELECT count(*) FROM {_MEMBERS}) AS members FROM messages WHERE id = ?"
    )
    for row in rows:
        is_ours = row["is_from_me"] and is_group(row["chat_jid"])
        row["receipts"] = store.row(sql, [row["id"]]) if is_ours else None
    return rows


def react(store: Store, key: Row, emoji: str, timestamp: int, changed: int | None = None) -> None:
    """Store a person's newest reaction to a message; an empty one takes it back.

    `key` holds chat_jid, message_id and sender; `timestamp` is in Unix seconds, and `changed` the place of
    this change among those that a listener tells (`messages.next_change`).
    """
    store.execute(
        "INSERT INTO reactions (chat_jid, message_id, sender, emoji, timestamp, changed) VALUES"
        " (:chat_jid, :message_id, :sender, :emoji, :timestamp, iif(:emoji = '', NULL, :changed))"
        " ON CONFLICT DO UPDATE SET emoji = excluded.emoji, timestamp = excluded.timestamp,"
        " changed = iif(excluded.emoji = emoji, changed, coalesce(:changed, changed))"
        " WHERE excluded.timestamp >= timestamp",
        {**key, "emoji": emoji, "timestamp": timestamp, "changed": changed},
    )


def _reactions_after(store: Store, cursor: int) -> list[Row]:
    """Return the next reactions that changed behind a place, in order, each with the message's text."""
    return shown(
        store,
        "SELECT 'reaction' AS event, r.chat_jid, r.message_id, m.id AS row_id, r.sender, r.emoji,"
        " r.timestamp, r.changed, m.content, m.message_type, m.deleted_at, m.details, m.unavailable,"
        f" {name_of('r.chat_jid')} AS chat_name, {name_of('r.sender')} AS sender_name,"
        " EXISTS (SELECT 1 FROM device d WHERE r.sender IN (d.jid, d.lid)) AS is_from_me"
        " FROM reactions r LEFT JOIN messages m ON m.chat_jid = r.chat_jid AND m.message_id = r.message_id"
        f" WHERE r.changed > ? ORDER BY r.changed LIMIT {BATCH}",
        [cursor],
    )


def told_after(store: Store, place: int) -> list[tuple[int, Row]]:
    """Return what a listener tells next behind a place, in order: live messages, and changes of any.

    Each comes with its own place. A change is told once, as it is then: `event` is `edited`, `deleted` or
    `reaction`; a message has no `event`.
    """
    with store.savepoint():  # all of it at one moment
        found = [
            [(row["id"] * CHANGES - 1, row) for row in live_after(store, (place + 1) // CHANGES)],
            [(row.pop("changed"), row) for row in messages.changed_after(store, place)],
            [(row.pop("changed"), row) for row in _reactions_after(store, place)],
        ]
    full = [rows[-1][0] for rows in found if len(rows) == BATCH]  # behind that, there may be more of its kind
    told = [each for rows in found for each in rows if each[0] <= min(full, default=each[0])]
    return sorted(told, key=lambda each: each[0])


def place_of(store: Store, number: int | None) -> int:
    """Return the place behind the message with the id `number`; for None, behind all there is."""
    if number is not None:
        return min(number * CHANGES, 2**63) - 1
    return next_change(store) - 1


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
        react(store, renamed, row["emoji"], row["timestamp"], row["changed"])
    store.execute(f"DELETE FROM reactions WHERE {column} = ?", [lid])
