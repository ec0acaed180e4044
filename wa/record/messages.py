"""Messages: their types and columns, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from wa.record import polls
from wa.record.names import canonical, name_of, person_of, with_numbers
from wa.store.database import BATCH, Params, Row, Store
from wa.whatsapp.ids import NOTICE

if TYPE_CHECKING:
    from wa.whatsapp.events import MessageReceived

TYPES = (
    "text", "image", "video", "audio", "voice", "document", "sticker", "location", "contact", "poll",
    "reaction", "system", "other",
)  # fmt: skip
FILES = ("voice", "audio", "image", "video", "document", "sticker", "contact")
"""Types of messages with a file to download: of a contact, its cards."""
SILENT = ("reaction", "system")
"""Types without content to read: they do not count as unread, and do not move their chat up; but calls do."""
SHOWN = "(message_type NOT IN ('reaction', 'system') OR details ->> '$.call' IS NOT NULL)"
"""SQL for whether a message is one that the list of chats shows."""
LAST_SECOND = 253_402_300_799
"""The end of the year 9999 in Unix seconds, the last time that a datetime can hold."""
Place = tuple[int, int]
"""The place of a message in its chat: its timestamp (Unix seconds) and id."""
_When = datetime | None
START, END = (0, 0), (LAST_SECOND, 2**63 - 1)
"""The places before and behind every message."""
MADE_UP = "migrated-"
"""The beginning of the made-up ids of messages without an id, from an export or the tool before this."""
IS_MADE_UP = "message_id >= 'migrated-' AND message_id < 'migrated.'"
SAME_MADE_UP = (
    # Without INDEXED BY, SQLite would read all messages of the chat.
    "SELECT id FROM messages INDEXED BY messages_made_up"
    f" WHERE {IS_MADE_UP} AND chat_jid = :chat_jid"
    " AND timestamp BETWEEN :timestamp - 59 AND :timestamp + 1 AND (timestamp = :timestamp"
    " OR (message_id >= 'migrated-min-' AND message_id < 'migrated-min.' AND timestamp < :timestamp)"
    " OR (message_id >= 'migrated-sec-' AND message_id < 'migrated-sec.' AND"
    " timestamp >= :timestamp - 1))"
    " AND is_from_me = :is_from_me AND coalesce(content, '') = coalesce(:content, '')"
    " AND deleted_at IS NULL AND NOT (sender != :sender AND chat_jid LIKE '%@g.us'"
    " AND sender LIKE '%@s.whatsapp.net' AND :sender LIKE '%@s.whatsapp.net')"
    " ORDER BY sender != :sender, abs(timestamp - :timestamp), id LIMIT 1"
)
"""SQL for the id of the message with a made-up id that the message with these values is."""
EDIT = "edit"
"""The value of `unavailable` for a message whose newest text this device cannot read; the older one stays."""
COUNTED = "counted"
"""The name in `details` of the counts of receipts that came with an imported message of ours."""
PAD = "\n\n"
"""The end of each text in the search index, so that its last two characters begin a trigram too."""
ROW = (
    f"m.id, m.chat_jid, m.message_id, {person_of('m.sender')} AS sender,"
    " m.content, m.timestamp, m.is_from_me, m.message_type,"
    " m.status, m.quoted_id, m.edited_at, m.deleted_at, m.media_path, m.details, m.unavailable,"
    " m.source, m.created_at,"
    f" {name_of('m.chat_jid')} AS chat_name, {name_of('m.sender')} AS sender_name"
)
CHANGED = (
    "id, chat_jid, message_id, sender, content, timestamp, is_from_me, message_type, status, quoted_id,"
    " edited_at, deleted_at, details, unavailable, source"
)
"""The columns that changing a message needs."""


def shown(store: Store, sql: str, params: Params = ()) -> list[Row]:
    """Return the rows of a query for the columns ROW, with `details` as an object, hidden ids as numbers."""
    found = store.rows(sql, params)
    for row in found:
        if row["details"] is not None:
            row["details"] = json.loads(row["details"])
            if row["details"].pop(COUNTED, None):
                row["details"] = row["details"] or None
            if people := mentioned(row):
                row["content"] = with_numbers(store, row["content"] or "", people)
                row["details"]["mentions"] = [canonical(store, jid) for jid in people]
        if row["message_type"] == "poll" and polls.is_asked(row):
            row["poll"] = polls.tally(store, row)
    return found


def mentioned(row: Row) -> list[str]:
    """Return the JIDs of those whom a message, as `shown` returns it, mentions."""
    return list((row.get("details") or {}).get("mentions", ()))


def is_stand_in(row: Row) -> bool:
    """Return whether a row stands for a message that this device could not read, and may still come."""
    return row["unavailable"] is not None and row["unavailable"] != EDIT


def moment(timestamp: int) -> datetime:
    """Return a message's timestamp (Unix seconds) as a datetime in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc)


def span(before: datetime | None, after: datetime | None) -> tuple[str, dict[str, Any]]:
    """Return SQL conditions (of messages m) for a span of time, and their parameters."""
    where, params = "", {}
    if before is not None:
        where += " AND m.timestamp < :before"
        params["before"] = before.timestamp()
    if after is not None:
        where += " AND m.timestamp >= :after"
        params["after"] = after.timestamp()
    return where, params


def conversation(
    store: Store, chat: str, limit: int, before: _When = None, after: _When = None, up_to: Place = END
) -> list[Row]:
    """Return the newest messages of a chat before a place, in a span of time, with reactions, in order."""
    where, params = span(before, after)
    params.update(time=up_to[0], number=up_to[1])
    found = shown(
        store,
        f"SELECT {ROW} FROM messages m WHERE m.chat_jid = :chat AND m.message_type != 'reaction'{where}"
        " AND (m.timestamp, m.id) < (:time, :number)"
        " ORDER BY m.timestamp DESC, m.id DESC LIMIT :limit",
        {**params, "chat": chat, "limit": limit},
    )
    return with_reactions(store, found)[::-1]


def with_reactions(store: Store, rows: list[Row]) -> list[Row]:
    """Add to messages the reactions to each; those to a deleted one are not shown, as on the phone."""
    sql = (
        "SELECT sender, emoji, timestamp FROM reactions WHERE chat_jid = ? AND message_id = ? AND emoji != ''"
    )
    for row in rows:
        key = [row["chat_jid"], row["message_id"]]
        row["reactions"] = [] if row["deleted_at"] else store.rows(sql, key)
    return rows


def live_after(store: Store, cursor: int) -> list[Row]:
    """Return the next live messages after the id `cursor`, in the order in which they were stored."""
    return shown(
        store,
        f"SELECT {ROW} FROM messages m WHERE m.id > ? AND m.source = 'live' ORDER BY m.id LIMIT {BATCH}",
        [cursor],
    )


def about(store: Store, chat: str, message_id: str) -> Row | None:
    """Return the columns ROW of a message; None if it is not stored."""
    found = shown(
        store,
        f"SELECT {ROW} FROM messages m WHERE m.chat_jid = ? AND m.message_id = ?",
        [chat, message_id],
    )
    return found[0] if found else None


def has_made_up(store: Store) -> bool:
    """Return whether there is a message whose id was made up."""
    sql = f"SELECT 1 FROM messages INDEXED BY messages_made_up WHERE {IS_MADE_UP} LIMIT 1"
    return store.value(sql) is not None


def like_made_up(store: Store, events: Sequence[MessageReceived]) -> list[MessageReceived]:
    """Return those of the messages that may be one that is stored with a made-up id.

    A notice with such an id can be a notice alone, an imported message any.
    """
    if not has_made_up(store):
        return []
    times: dict[str, list[int]] = {}
    for event in events:
        times.setdefault(event.chat_jid, []).append(event.timestamp)
    sql = (
        f"SELECT max(message_id NOT GLOB '{NOTICE}*') FROM messages INDEXED BY messages_made_up"
        f" WHERE {IS_MADE_UP} AND chat_jid = ? AND timestamp BETWEEN ? AND ?"
    )
    near = {
        chat: store.value(sql, [canonical(store, chat), min(found) - 59, max(found) + 1])
        for chat, found in times.items()
    }
    return [
        event
        for event in events
        if near[event.chat_jid] or (near[event.chat_jid] == 0 and event.message_type == "system")
    ]


def is_stored(store: Store, chat: str, message_id: str) -> bool:
    """Return whether a message is stored under this id."""
    sql = "SELECT 1 FROM messages WHERE chat_jid = ? AND message_id = ?"
    return store.value(sql, [chat, message_id]) is not None


def is_free(store: Store, number: int) -> bool:
    """Return whether no message has the id `number`."""
    return store.value("SELECT 1 FROM messages WHERE id = ?", [number]) is None


def has_like(store: Store, row: Row) -> bool:
    """Return whether a message is stored with a made-up id."""
    return store.value(SAME_MADE_UP, row) is not None


def alike(store: Store, row: Row, late: int) -> list[int]:
    """Return the ids of messages with the same text, that were sent up to `late` seconds after a message."""
    found = store.execute(
        "SELECT id FROM messages INDEXED BY messages_by_chat WHERE chat_jid = :chat_jid"
        " AND timestamp BETWEEN :timestamp - 1 AND :timestamp + :late AND is_from_me = :is_from_me"
        " AND coalesce(content, '') = coalesce(:content, '')",
        {**row, "late": late},
    )
    return [number for (number,) in found]


def newest_id(store: Store) -> int:
    """Return the highest id of a message: the cursor after which all messages are new."""
    return store.value("SELECT max(id) FROM messages") or 0


def count(store: Store) -> int:
    """Return the number of messages."""
    return int(store.value("SELECT count(*) FROM messages"))


def newest_time(store: Store) -> int | None:
    """Return the time of the newest message, in Unix seconds."""
    newest: int | None = store.value("SELECT max(timestamp) FROM messages")
    return newest


def find(store: Store, chat: str, message_id: str) -> Row | None:
    """Return the columns CHANGED of a message, by the id of a second upload too; None if it is not stored."""
    sql = f"SELECT {CHANGED} FROM messages WHERE chat_jid = ? AND message_id = ?"
    version = "json_extract(details, '$.version_id')"
    return store.row(sql, [chat, message_id]) or store.row(
        f"SELECT {CHANGED} FROM messages INDEXED BY messages_version WHERE chat_jid = ? AND {version} = ?",
        [chat, message_id],
    )


def place_of(store: Store, number: int) -> Place:
    """Return the place of the message with the id `number`."""
    row = store.row("SELECT timestamp, id FROM messages WHERE id = ?", [number])
    return (row["timestamp"], row["id"]) if row else START


def end_of(store: Store, chat: str) -> Place:
    """Return the place of a chat's newest message."""
    row = store.row(
        "SELECT timestamp, id FROM messages WHERE chat_jid = ? ORDER BY timestamp DESC, id DESC LIMIT 1",
        [chat],
    )
    return (row["timestamp"], row["id"]) if row else START


def count_of(store: Store, chat: str) -> int:
    """Return the number of messages of a chat."""
    return int(store.value("SELECT count(*) FROM messages WHERE chat_jid = ?", [chat]))


def oldest_of(store: Store, chat: str) -> Row | None:
    """Return message_id, timestamp and is_from_me of a chat's oldest message whose real id is known."""
    return store.row(
        "SELECT message_id, timestamp, is_from_me FROM messages INDEXED BY messages_by_chat"
        " WHERE chat_jid = ? AND status IS NOT 'early'"
        f" AND NOT ({IS_MADE_UP}) ORDER BY timestamp, id LIMIT 1",
        [chat],
    )


def unread_of(store: Store, chat: str, up_to: Place) -> list[Row]:
    """Return (sender, message_id) of the unread messages of a chat up to a place, but not of missed calls."""
    return store.rows(
        "SELECT sender, message_id FROM messages WHERE chat_jid = ? AND status = 'received'"
        " AND message_type != 'system'"
        " AND (timestamp, id) <= (?, ?)",
        [chat, *up_to],
    )


def is_confirmed(store: Store, to_jid: str, message_id: str) -> bool:
    """Return whether a receipt, or a copy of the message from WhatsApp, proves that ours was sent."""
    return bool(
        store.value("SELECT 1 FROM receipts WHERE message_id = ? LIMIT 1", [message_id])
        or store.value(
            "SELECT 1 FROM messages WHERE chat_jid = ? AND message_id = ? AND is_from_me",
            [canonical(store, to_jid), message_id],
        )
    )
