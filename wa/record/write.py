"""Recording: the one module that writes `messages` and their search index.

Functions join the caller's transaction unless they say otherwise.

A message is stored once, however often and in whatever way it arrives. When it arrives, two kinds
of rows change: a row with a made-up id (`messages.MADE_UP`) for it gets its real id, and a row with
the status `early`, which holds an edit or deletion that arrived first, is removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wa.jids import is_group
from wa.record import chats, search_index
from wa.record.messages import CHANGED, LAST_SECOND, MADE_UP, SILENT, find, moment, newest_id
from wa.record.names import canonical
from wa.store.database import BATCH, Row, Store
from wa.times import to_iso

if TYPE_CHECKING:
    from wa.whatsapp.events import MessageReceived

_WRITTEN = (
    "chat_jid", "message_id", "sender", "content", "timestamp", "is_from_me", "message_type", "status",
    "quoted_id", "raw_proto", "details", "source", "created_at",
)  # fmt: skip
_RECEIPT = "EXISTS (SELECT 1 FROM receipts r WHERE r.message_id = messages.message_id AND r.kind IN "
_STATUS_BY_RECEIPTS = (
    f"UPDATE messages SET status = CASE WHEN {_RECEIPT} ('read', 'played')) THEN 'read'"
    f" WHEN {_RECEIPT} ('delivered', 'inactive')) THEN 'delivered' ELSE status END"
)
_IS_MADE_UP = "message_id >= 'migrated-' AND message_id < 'migrated.'"

# ── New messages ────────────────────────────────────────────────────────────────────────────────────


def record(store: Store, event: MessageReceived, source: str, now: datetime) -> int | None:
    """Store a message; return its id, or None if it was stored already. Raise as `record_many`."""
    return newest_id(store) if record_many(store, [event], source, now) else None


def record_many(store: Store, events: Sequence[MessageReceived], source: str, now: datetime) -> int:
    """Store messages, each once, in their order; return how many were new.

    One statement writes all rows of a table, for a history may have hundreds of
    thousands. Raise ValueError for a time that no datetime can hold.
    """
    if source not in ("migration", "import") and _has_made_up(store):
        for event in events:
            _fill_in_id(store, dict(zip(_WRITTEN, _row_of(store, event, source, ""), strict=True)))
    before = newest_id(store)
    rows = [_row_of(store, event, source, to_iso(now)) for event in events]
    sql = f"INSERT INTO messages ({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))})"
    new = store.conn.executemany(f"{sql} ON CONFLICT DO NOTHING", rows).rowcount
    if new < len(rows):
        for row in rows:
            early = _take_early(store, *row[:3])
            if early is not None:
                new += 1
                store.insert("messages", {**dict(zip(_WRITTEN, row, strict=True)), **early})
    if new:
        search_index.add_new(store, before)
        chats.count_new(store, before, now)
        store.execute(f"{_STATUS_BY_RECEIPTS} WHERE id > ? AND is_from_me", [before])
    return new


def _row_of(store: Store, event: MessageReceived, source: str, at: str) -> tuple[Any, ...]:
    """Return the values of the columns _WRITTEN."""
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
        None if event.details is None else json.dumps(event.details, ensure_ascii=False),
        source,
        at,
    )


def record_early(
    store: Store, chat: str, message_id: str, text: str | None, at: int, now: datetime, by: str
) -> None:
    """Store an edit of a message that has not arrived yet; with the text None, its deletion.

    `at` is the time of the change in Unix seconds, and `by` the JID of its author.
    """
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
    chats.ensure(store, chat, now)
    search_index.add(store, number, text)


def _take_early(store: Store, chat: str, message_id: str, sender: str) -> Row | None:
    """Remove the row of `record_early`; return its text and times if the message's sender made the change."""
    found = store.row(
        "SELECT id, sender, content, edited_at, deleted_at FROM messages"
        " WHERE chat_jid = ? AND message_id = ? AND status = 'early'",
        [chat, message_id],
    )
    if found is None:
        return None
    _remove(store, {"id": found.pop("id"), "content": found["content"]})
    return found if found.pop("sender") in (sender, chat) or not is_group(chat) else {}


# ── Messages whose id was made up ───────────────────────────────────────────────────────────────────


def _has_made_up(store: Store) -> bool:
    sql = f"SELECT 1 FROM messages INDEXED BY messages_made_up WHERE {_IS_MADE_UP} LIMIT 1"
    return store.value(sql) is not None


def _fill_in_id(store: Store, row: Row) -> None:
    """Copy id, sender, time and type of a new message to the same message with a made-up id, if stored."""
    filled = store.execute(
        "UPDATE messages SET message_id = :message_id, sender = :sender, timestamp = :timestamp,"
        " message_type = CASE message_type WHEN 'other' THEN coalesce(:message_type, 'other')"
        " ELSE message_type END, raw_proto = coalesce(raw_proto, :raw_proto),"
        " quoted_id = coalesce(quoted_id, :quoted_id), details = coalesce(details, :details) WHERE id = ("
        # Without INDEXED BY, SQLite would read all messages of the chat.
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
    if filled.rowcount:
        chats.move_up(store, row["chat_jid"], row["timestamp"])


# ── Changes ─────────────────────────────────────────────────────────────────────────────────────────


def edit(store: Store, row: Row, text: str | None, at: datetime) -> None:
    """Replace the text of a message, as `messages.find` returned it; `at` is the moment of the edit."""
    if text != row["content"]:
        _replace_text(store, row, text)
    store.execute("UPDATE messages SET edited_at = ? WHERE id = ?", [to_iso(at), row["id"]])


def delete(store: Store, row: Row, at: datetime) -> None:
    """Turn a message, as `messages.find` returned it, into a tombstone without text, deleted at `at`."""
    _replace_text(store, row, None)
    store.execute(
        "UPDATE messages SET deleted_at = ?, raw_proto = NULL, details = NULL WHERE id = ?",
        [to_iso(at), row["id"]],
    )


def note_changes(store: Store, number: int | None, edited_at: str | None, deleted_at: str | None) -> None:
    """Store the ISO times at which a message was edited or deleted; its text stays."""
    store.execute(
        "UPDATE messages SET edited_at = ?, deleted_at = ? WHERE id = ?", [edited_at, deleted_at, number]
    )


def attach_files(store: Store, files: Iterable[tuple[int, str, str | None]]) -> None:
    """Store the paths of messages' files, as (id, path in the home, type of the file if known)."""
    store.conn.executemany(
        "UPDATE messages SET media_path = ?2, message_type = CASE message_type WHEN 'other'"
        " THEN coalesce(?3, 'other') ELSE message_type END WHERE id = ?1",
        files,
    )


def update_status(store: Store, chat: str, message_id: str) -> None:
    """Raise the status of our message to the one that its receipts prove: sent, delivered, read."""
    store.execute(
        f"{_STATUS_BY_RECEIPTS} WHERE chat_jid = ? AND message_id = ? AND is_from_me", [chat, message_id]
    )


def set_read(store: Store, chat: str, up_to: int | None = None) -> None:
    """Mark a chat's messages as read, all or up to the id `up_to`; in a transaction of its own."""
    with store.write():
        store.execute(
            "UPDATE messages SET status = 'read' WHERE chat_jid = :chat AND status = 'received'"
            " AND (:up_to IS NULL OR id <= :up_to)",
            {"chat": chat, "up_to": up_to},
        )
        chats.count_unread(store, chat)


def _replace_text(store: Store, row: Row, text: str | None) -> None:
    search_index.remove(store, row)
    search_index.add(store, row["id"], text)
    store.execute("UPDATE messages SET content = ? WHERE id = ?", [text, row["id"]])


def _remove(store: Store, row: Row) -> None:
    search_index.remove(store, row)
    store.execute("DELETE FROM messages WHERE id = ?", [row["id"]])


# ── From one chat to another ────────────────────────────────────────────────────────────────────────


def move_some(store: Store, lid: str, pn: str) -> bool:
    """Move some messages from the chat of a hidden id to the phone JID's; return whether more may be left.

    A message that both chats have keeps one of its two rows. This is a transaction of its own.
    """
    with store.write(durable=False):
        batch = store.rows(f"SELECT {CHANGED} FROM messages WHERE chat_jid = ? LIMIT {BATCH}", [lid])
        has_made_up, used = _has_made_up(store), set[str]()
        for row in batch:
            if has_made_up:
                _unite_made_up(store, row, pn, used)
            twin = find(store, pn, row["message_id"])
            if twin is not None:
                _merge_doubles(store, row, twin)
            store.execute(
                "UPDATE messages SET chat_jid = :pn, sender = CASE sender WHEN :lid THEN :pn ELSE sender END"
                " WHERE id = :id",
                {"pn": pn, "lid": lid, "id": row["id"]},
            )
            if row["is_from_me"]:
                update_status(store, pn, row["message_id"])
        return len(batch) == BATCH


def _unite_made_up(store: Store, row: Row, pn: str, used: set[str]) -> None:
    """Give a message with a made-up id, in either chat, the id of the same message in the other chat."""
    if not row["message_id"].startswith(MADE_UP):
        _fill_in_id(store, {**row, "chat_jid": pn, "sender": row["sender"] if row["is_from_me"] else pn})
        return
    likes = store.rows(
        "SELECT message_id FROM messages WHERE chat_jid = :pn AND timestamp = :timestamp"
        f" AND NOT ({_IS_MADE_UP}) AND is_from_me = :is_from_me"
        " AND coalesce(content, '') = coalesce(:content, '')",
        {**row, "pn": pn},
    )
    like_id = next((each["message_id"] for each in likes if each["message_id"] not in used), None)
    if like_id:
        used.add(like_id)
        row["message_id"] = like_id
        store.execute("UPDATE messages SET message_id = :message_id WHERE id = :id", row)


def _merge_doubles(store: Store, *doubles: Row) -> None:
    """Keep the older of two rows of one message, with the newest text and all known fields of both."""
    kept, gone = sorted(doubles, key=lambda row: (row["status"] == "early", row["id"]))
    newer = gone if (gone["edited_at"] or "") > (kept["edited_at"] or "") else kept
    deleted_at = kept["deleted_at"] or gone["deleted_at"]
    _remove(store, gone)
    _replace_text(store, kept, None if deleted_at else newer["content"])
    status = "read" if "read" in (kept["status"], gone["status"]) else kept["status"]
    details = None if deleted_at else kept["details"] or gone["details"]
    store.execute("UPDATE messages SET status = ?, details = ? WHERE id = ?", [status, details, kept["id"]])
    note_changes(store, kept["id"], newer["edited_at"], deleted_at)
