"""What was said: recorded once, in one chat a person, and found again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from wa.jids import is_group, is_lid
from wa.store.database import BATCH, Row, Store
from wa.store.fold import fold
from wa.times import to_iso

if TYPE_CHECKING:
    from wa.whatsapp.transport import MessageReceived

TYPES = (
    "text", "image", "video", "audio", "voice", "document", "sticker", "location", "contact", "poll",
    "reaction", "system", "other",
)  # fmt: skip
FILES = ("voice", "audio", "image", "video", "document", "sticker")
# Nothing to be read: they neither count as unread nor move their chat up.
SILENT = ("reaction", "system")
_WRITTEN = (
    "chat_jid", "message_id", "sender", "content", "timestamp", "is_from_me", "message_type", "status",
    "quoted_id", "raw_proto", "source", "created_at",
)  # fmt: skip
LAST_SECOND = 253_402_300_799
"""The end of the year 9999, behind which no calendar of ours goes."""
_RECEIPT = "EXISTS (SELECT 1 FROM receipts r WHERE r.message_id = messages.message_id AND r.kind IN "
_STATUS_BY_RECEIPTS = (
    f"UPDATE messages SET status = CASE WHEN {_RECEIPT} ('read', 'played')) THEN 'read'"
    f" WHEN {_RECEIPT} ('delivered', 'inactive')) THEN 'delivered' ELSE status END"
)
MADE_UP = "migrated-"
"""How the id begins of a message that came without one from the tool before this."""
_IS_MADE_UP = "message_id >= 'migrated-' AND message_id < 'migrated.'"
_NAME = "coalesce(saved_name, nullif(name, ''))"
PAD = "\n\n"  # so that a text's last two characters begin a trigram too


def our_name_of(jid: str) -> str:
    """SQL for our contact's name for a JID."""
    person = f"coalesce((SELECT pn FROM jid_aliases WHERE lid = {jid}), {jid})"
    return (
        "(SELECT known.name FROM contact_phones p JOIN contacts known ON known.id = p.contact_id"
        f" WHERE p.phone = replace({person}, '@s.whatsapp.net', ''))"
    )


def their_name_of(jid: str) -> str:
    """SQL for the name our phone has for a person, or else that a person or a group has given itself."""
    return (
        f"coalesce((SELECT coalesce(own.saved_name, nullif(own.name, '')) FROM push_names own"
        f" WHERE own.jid = {jid}),"
        f" (SELECT named.name FROM chats named WHERE named.id = {jid}))"
    )


def name_of(jid: str) -> str:
    """SQL for the name to show for a JID: our contact's, else the push name, else the chat's."""
    return f"coalesce({our_name_of(jid)}, {their_name_of(jid)})"


ROW = (
    "m.id, m.chat_jid, m.message_id, m.sender, m.content, m.timestamp, m.is_from_me, m.message_type,"
    " m.status, m.quoted_id, m.edited_at, m.deleted_at, m.media_path, m.source, m.created_at,"
    f" {name_of('m.chat_jid')} AS chat_name, {name_of('m.sender')} AS sender_name"
)


def moment(timestamp: int) -> datetime:
    """A message's timestamp (Unix seconds) as a moment in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc)


# ── Recording; all of these join the caller's transaction ───────────────────────────────────────────


def canonical(store: Store, jid: str) -> str:
    """The phone JID a hidden id stands for, where that is known; any other JID as it is."""
    if not is_lid(jid):
        return jid
    return store.value("SELECT pn FROM jid_aliases WHERE lid = ?", [jid]) or jid


def touch_chat(store: Store, jid: str, now: datetime) -> None:
    """Make sure that the chat is there."""
    at = to_iso(now)
    name = store.value(f"SELECT {_NAME} FROM push_names WHERE jid = ?", [jid])
    row = {"id": jid, "name": name, "is_group": is_group(jid), "created_at": at, "updated_at": at}
    store.insert("chats", row, ignore=True)


def record(store: Store, event: MessageReceived, source: str, now: datetime) -> int | None:
    """Store a message, once; its id, or None where it was there already. Raises as `record_many`."""
    return newest_id(store) if record_many(store, [event], source, now) else None


def record_many(store: Store, events: Sequence[MessageReceived], source: str, now: datetime) -> int:
    """Store messages, each once, in their order; how many were new.

    One statement for all rows of a table, for history comes by the hundred
    thousand. Raises ValueError for a time that no calendar has.
    """
    if source not in ("migration", "import") and has_made_up(store):
        for event in events:
            name_made_up(store, dict(zip(_WRITTEN, _row_of(store, event, source, ""), strict=True)))
    before = newest_id(store)
    rows = [_row_of(store, event, source, to_iso(now)) for event in events]
    sql = f"INSERT INTO messages ({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))})"
    new = store.db.conn.executemany(f"{sql} ON CONFLICT DO NOTHING", rows).rowcount
    if new < len(rows):
        for row in rows:
            early = _take_early(store, *row[:3])
            if early is not None:
                new += 1
                store.insert("messages", {**dict(zip(_WRITTEN, row, strict=True)), **early})
    if new:
        _file_new(store, before, to_iso(now))
    return new


def has_made_up(store: Store) -> bool:
    """Whether messages were migrated without an id."""
    return bool(
        store.value(f"SELECT 1 FROM messages INDEXED BY messages_made_up WHERE {_IS_MADE_UP} LIMIT 1")
    )


def name_made_up(store: Store, row: Row) -> None:
    """Let a message that came without an id be the one that comes now: its id, sender, time and kind."""
    named = store.execute(
        "UPDATE messages SET message_id = :message_id, sender = :sender, timestamp = :timestamp,"
        " message_type = CASE message_type WHEN 'other' THEN coalesce(:message_type, 'other')"
        " ELSE message_type END, raw_proto = coalesce(raw_proto, :raw_proto),"
        " quoted_id = coalesce(quoted_id, :quoted_id) WHERE id = ("
        # SQLite would rather go through all messages of the chat.
        "SELECT id FROM messages INDEXED BY messages_made_up"
        f" WHERE {_IS_MADE_UP} AND chat_jid = :chat_jid"
        " AND timestamp BETWEEN :timestamp - 59 AND :timestamp + 1 AND (timestamp = :timestamp"
        " OR (message_id >= 'migrated-min-' AND message_id < 'migrated-min.' AND timestamp < :timestamp)"
        " OR (message_id >= 'migrated-sec-' AND message_id < 'migrated-sec.' AND"
        " timestamp >= :timestamp - 1))"
        " AND is_from_me = :is_from_me AND coalesce(content, '') = coalesce(:content, '')"
        " AND deleted_at IS NULL AND NOT (sender != :sender AND chat_jid LIKE '%@g.us'"
        " AND sender LIKE '%@s.whatsapp.net' AND :sender LIKE '%@s.whatsapp.net')"
        " ORDER BY sender != :sender, abs(timestamp - :timestamp), id LIMIT 1)"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_jid = :chat_jid AND message_id = :message_id)",
        {"message_type": None, "raw_proto": None, "quoted_id": None, **row},
    )
    if named.rowcount:
        store.execute(
            "UPDATE chats SET last_message_time = max(last_message_time, :timestamp) WHERE id = :chat_jid",
            row,
        )


def _row_of(store: Store, event: MessageReceived, source: str, at: str) -> tuple[Any, ...]:
    """The values of the columns _WRITTEN."""
    if not 0 <= event.timestamp <= LAST_SECOND:
        raise ValueError(f"{event.timestamp} is not a time in Unix seconds")
    unread = source == "live" and not event.is_from_me and event.message_type not in SILENT
    return (
        canonical(store, event.chat_jid),
        event.message_id,
        canonical(store, event.sender),
        event.content,
        event.timestamp,
        event.is_from_me,
        event.message_type,
        "sent" if event.is_from_me else "received" if unread else "read",
        event.quoted_id,
        event.raw,
        source,
        at,
    )


def _file_new(store: Store, before: int, at: str) -> None:
    """Bring index, chats and receipts up to date with the messages behind `before`."""
    params = {"before": before, "pad": PAD, "at": at}
    store.execute(
        "INSERT INTO messages_fts (rowid, folded) SELECT id, fold(content) || :pad FROM messages"
        " WHERE id > :before AND content != ''",
        params,
    )
    store.execute(
        "INSERT INTO chats (id, name, is_group, unread_count, last_message_time, created_at, updated_at)"
        " SELECT chat_jid, (SELECT "
        + _NAME
        + " FROM push_names WHERE jid = chat_jid), chat_jid LIKE '%@g.us',"
        " sum(status = 'received'),"
        " max(CASE WHEN message_type NOT IN ('reaction', 'system') THEN timestamp END), :at, :at"
        # Without NOT INDEXED all chats there are would be gone through, to have them in order.
        " FROM messages NOT INDEXED WHERE id > :before GROUP BY chat_jid"
        " ON CONFLICT (id) DO UPDATE SET unread_count = unread_count + excluded.unread_count,"
        " last_message_time = max(coalesce(last_message_time, excluded.last_message_time),"
        " coalesce(excluded.last_message_time, last_message_time)), updated_at = excluded.updated_at",
        params,
    )
    store.execute(f"{_STATUS_BY_RECEIPTS} WHERE id > :before AND is_from_me", params)


def record_early(
    store: Store, chat: str, message_id: str, text: str | None, at: int, now: datetime, by: str
) -> None:
    """Keep what was done to a message that is still to come: its new text, or None for its deletion."""
    done_at = to_iso(moment(at))
    row = {
        "chat_jid": chat,
        "message_id": message_id,
        "sender": by,
        "content": text,
        "timestamp": at,
        "status": "early",
        "edited_at": done_at if text is not None else None,
        "deleted_at": done_at if text is None else None,
        "source": "history",
        "created_at": to_iso(now),
    }
    number = store.insert("messages", row)
    assert number is not None  # noqa: S101
    touch_chat(store, chat, now)
    index(store, number, text)


def _take_early(store: Store, chat: str, message_id: str, sender: str) -> Row | None:
    """Remove what `record_early` kept, and return what it says of the message, if its sender said it."""
    found = store.row(
        "SELECT id, sender, content, edited_at, deleted_at FROM messages"
        " WHERE chat_jid = ? AND message_id = ? AND status = 'early'",
        [chat, message_id],
    )
    if found is None:
        return None
    number = found.pop("id")
    replace_text(store, number, found["content"], None)
    store.execute("DELETE FROM messages WHERE id = ?", [number])
    return found if found.pop("sender") in (sender, chat) or not is_group(chat) else {}


def is_confirmed(store: Store, to_jid: str, message_id: str) -> bool:
    """Whether a receipt, or the message itself coming back, shows that ours went out."""
    return bool(
        store.value("SELECT 1 FROM receipts WHERE message_id = ? LIMIT 1", [message_id])
        or store.value(
            "SELECT 1 FROM messages WHERE chat_jid = ? AND message_id = ? AND is_from_me",
            [canonical(store, to_jid), message_id],
        )
    )


def update_status(store: Store, chat: str, message_id: str) -> None:
    """Bring our message's status up to what its receipts say: sent, delivered, read."""
    store.execute(
        f"{_STATUS_BY_RECEIPTS} WHERE chat_jid = ? AND message_id = ? AND is_from_me", [chat, message_id]
    )


def index(store: Store, number: int, text: str | None) -> None:
    """Let search find the text of a message."""
    if text:
        store.execute("INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)", [number, fold(text) + PAD])


def replace_text(store: Store, number: int, old: str | None, new: str | None) -> None:
    """Change a message's text, in the index too."""
    if old:
        store.execute(
            "INSERT INTO messages_fts (messages_fts, rowid, folded) VALUES ('delete', ?, ?)",
            [number, fold(old) + PAD],
        )
    index(store, number, new)
    store.execute("UPDATE messages SET content = ? WHERE id = ?", [new, number])


def react(store: Store, key: Row, emoji: str, timestamp: int) -> None:
    """Keep a person's newest reaction to a message; an empty one takes it back."""
    store.execute(
        "INSERT INTO reactions VALUES (:chat_jid, :message_id, :sender, :emoji, :timestamp)"
        " ON CONFLICT DO UPDATE SET emoji = excluded.emoji, timestamp = excluded.timestamp"
        " WHERE excluded.timestamp >= timestamp",
        {**key, "emoji": emoji, "timestamp": timestamp},
    )


def count_unread(store: Store, chat: str) -> None:
    """Bring a chat's count of unread messages up to date."""
    store.execute(
        "UPDATE chats SET unread_count = (SELECT count(*) FROM messages WHERE chat_jid = :chat"
        " AND status = 'received') WHERE id = :chat",
        {"chat": chat},
    )


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def chats(store: Store, limit: int, *, unread_only: bool = False) -> list[Row]:
    """The chats with the newest messages first, each with its last message."""
    where = "WHERE unread_count > 0" if unread_only else ""
    return store.rows(
        f"SELECT h.id, {name_of('h.id')} AS name, h.is_group, h.unread_count, h.last_message_time,"
        " m.content AS last_message, m.is_from_me AS last_is_from_me, m.message_type AS last_message_type,"
        " m.deleted_at AS last_deleted_at,"
        " h.created_at, h.updated_at"
        f" FROM (SELECT * FROM chats {where} ORDER BY last_message_time DESC LIMIT ?) h"
        " LEFT JOIN messages m ON m.id = (SELECT id FROM messages WHERE chat_jid = h.id"
        " AND message_type NOT IN ('reaction', 'system') ORDER BY timestamp DESC, id DESC LIMIT 1)"
        " ORDER BY h.last_message_time DESC, h.id",
        [limit],
    )


def groups(store: Store) -> list[Row]:
    """The group chats by name, each with its members."""
    found = store.rows(
        "SELECT id, name, is_group, unread_count, last_message_time, created_at, updated_at FROM chats"
        " WHERE is_group ORDER BY name COLLATE NOCASE, id"
    )
    for group in found:
        group["members"] = store.rows(
            f"SELECT member_jid, role, {name_of('g.member_jid')} AS name FROM group_members g"
            " WHERE chat_jid = ? ORDER BY member_jid",
            [group["id"]],
        )
    return found


def conversation(
    store: Store, chat: str, limit: int, before: datetime | None = None, after: datetime | None = None
) -> list[Row]:
    """The newest messages of a chat in that span, oldest first, with their reactions."""
    where, params = span(before, after)
    found = store.rows(
        f"SELECT {ROW} FROM messages m WHERE m.chat_jid = :chat AND m.message_type != 'reaction'{where}"
        " ORDER BY m.timestamp DESC, m.id DESC LIMIT :limit",
        {**params, "chat": chat, "limit": limit},
    )
    for row in found:
        row["reactions"] = store.rows(
            "SELECT sender, emoji, timestamp FROM reactions"
            " WHERE chat_jid = ? AND message_id = ? AND emoji != ''",
            [chat, row["message_id"]],
        )
    return found[::-1]


def live_after(store: Store, cursor: int) -> list[Row]:
    """The next live messages behind a cursor, in the order in which they were stored."""
    return store.rows(
        f"SELECT {ROW} FROM messages m WHERE m.id > ? AND m.source = 'live' ORDER BY m.id LIMIT {BATCH}",
        [cursor],
    )


def newest_id(store: Store) -> int:
    """The cursor behind which everything is still to come."""
    return store.value("SELECT max(id) FROM messages") or 0


def newest_time(store: Store) -> int | None:
    """When the newest message was said, in Unix seconds."""
    newest: int | None = store.value("SELECT max(timestamp) FROM messages")
    return newest


def unread_of(store: Store, chat: str, up_to: int) -> list[Row]:
    """The (sender, message_id) of what we have not read in a chat, up to the message with that id."""
    return store.rows(
        "SELECT sender, message_id FROM messages WHERE chat_jid = ? AND status = 'received' AND id <= ?",
        [chat, up_to],
    )


def set_read(store: Store, chat: str, up_to: int | None = None) -> None:
    """Take a chat's messages for read: all, or up to the one with that id."""
    with store.write():
        store.execute(
            "UPDATE messages SET status = 'read' WHERE chat_jid = :chat AND status = 'received'"
            " AND (:up_to IS NULL OR id <= :up_to)",
            {"chat": chat, "up_to": up_to},
        )
        count_unread(store, chat)


def span(before: datetime | None, after: datetime | None) -> tuple[str, dict[str, Any]]:
    """SQL (of messages m) and its parameters for a span of time."""
    where, params = "", {}
    if before is not None:
        where += " AND m.timestamp < :before"
        params["before"] = before.timestamp()
    if after is not None:
        where += " AND m.timestamp >= :after"
        params["after"] = after.timestamp()
    return where, params
