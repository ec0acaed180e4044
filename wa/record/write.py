"""Recording: the one module that writes `messages` and their search index.

Functions join the caller's transaction unless they say otherwise.

A message is stored once, however often and in whatever way it arrives. When it arrives, three kinds
of rows change: a row with a made-up id (`messages.MADE_UP`) for it gets its real id; a row that stands
for it (`unavailable`), because it could not be read at first, gets its content; and a row with the status
`early`, which holds an edit or deletion that arrived first, is removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from wa.jids import is_group
from wa.record import chats, messages, search_index
from wa.record.events import log, told
from wa.record.messages import SILENT, Place, find, is_stand_in, moment, newest_id
from wa.record.names import canonical, may_be_of_one
from wa.record.responses import RECENT, STATUS, WITH_RECEIPTS
from wa.record.retention import ledger
from wa.store.database import Row, Store
from wa.times import to_iso

if TYPE_CHECKING:
    from wa.whatsapp.events import MessageReceived

_WRITTEN = (
    "chat_jid", "message_id", "sender", "content", "timestamp", "is_from_me", "message_type", "status",
    "quoted_id", "raw_proto", "details", "unavailable", "secret", "source", "created_at",
)  # fmt: skip
_GONE = ("raw_proto", "details", "unavailable", "secret")
"""The columns that a tombstone lacks, beside its text."""

# ── New messages ────────────────────────────────────────────────────────────────────────────────────


def record(store: Store, event: MessageReceived, source: str, now: datetime) -> int | None:
    """Store a message; return its id, or None if it was stored already. Raise as `record_many`."""
    if not record_many(store, [event], source, now):
        return None
    number, chat = newest_id(store), canonical(store, event.chat_jid)
    told.came(store, {"id": number, "chat_jid": chat, "message_id": event.message_id}, source, now)
    return number


def record_many(
    store: Store, events: Sequence[MessageReceived], source: str, now: datetime, *, indexed: bool = True
) -> int:
    """Store messages that were not pruned, each once, in their order; return how many were new.

    One statement writes all, for they may be thousands. Callers end with `told.complete`: the past may bring
    a live message too. With `indexed` False they also end with `search_index.add_new`, before they commit.
    Raise ValueError for a time that no datetime holds.
    """
    events = ledger.without_pruned(store, events, source)
    if not events:
        return 0
    at, jid = to_iso(now), cache(partial(canonical, store))
    if source not in ("migration", "import"):
        for event in messages.like_made_up(store, events):
            fill_in_id(store, dict(zip(_WRITTEN, _row_of(event, source, at, jid), strict=True)))
    before = newest_id(store)
    rows = [_row_of(event, source, at, jid) for event in events]
    new = store.insert_many("messages", _WRITTEN, rows)
    came: list[Row] = []
    if new < len(rows):
        for values in rows:
            row = dict(zip(_WRITTEN, values, strict=True))
            found = _provisional(store, row)
            if found is not None and found["status"] == "early":
                new += 1
                kept = {**row, **_take_early(store, found, row)}
                store.insert("messages", {**kept, "status": status_of(kept)})
            elif found is not None and row["unavailable"] is None:
                came.append(row)
    if new:
        if indexed:
            search_index.add_new(store, before)
        chats.count_new(store, before, now)
        with_receipts = store.execute(WITH_RECEIPTS, [before]).fetchall()
        store.conn.executemany(f"UPDATE messages SET status = {STATUS} WHERE id = ?", with_receipts)
    for row in came:
        _fill(store, row, now)
    return new


def _row_of(event: MessageReceived, source: str, at: str, jid: Callable[[str], str]) -> tuple[Any, ...]:
    """Return the values of the columns _WRITTEN."""
    if not 0 <= event.timestamp <= messages.LAST_SECOND:
        raise ValueError(f"{event.timestamp} is not a time in Unix seconds")
    unread = source == "live" and chats.is_unread(event)
    return (
        jid(event.chat_jid), event.message_id, jid(event.sender), event.content,
        event.timestamp, event.is_from_me, event.message_type,
        "sent" if event.is_from_me else "received" if unread else "read", event.quoted_id, event.raw,
        None if event.details is None else json.dumps(event.details, ensure_ascii=False), event.unavailable,
        event.secret, source, at,
    )  # fmt: skip


def put_back(store: Store, rows: Sequence[Row]) -> None:
    """Store exported rows, none of which is stored, with their ids; the caller brings chats up to date."""
    for row in rows:
        search_index.add(store, store.insert("messages", row))


def status_of(row: Row) -> str:
    """Return the status of a message: one that was deleted is not unread."""
    return "read" if row["status"] == "received" and row.get("deleted_at") else str(row["status"])


def record_early(
    store: Store, chat: str, message_id: str, text: str | None, at: int, now: datetime, by: str
) -> None:
    """Store an edit (text None: a deletion) by the JID `by`, at Unix seconds, of a message yet to arrive."""
    done_at = to_iso(moment(at))
    row = {
        "chat_jid": chat, "message_id": message_id, "sender": by, "content": text, "timestamp": at,
        "status": "early", "edited_at": done_at if text is not None else None,
        "deleted_at": done_at if text is None else None, "source": "history", "created_at": to_iso(now),
    }  # fmt: skip
    chats.ensure(store, chat, now)
    search_index.add(store, store.insert("messages", row))


def _provisional(store: Store, row: Row) -> Row | None:
    """Return the row that `record_early` made for a message, or that stands for it; None for the message."""
    found = find(store, row["chat_jid"], row["message_id"])
    if found is None or found["status"] == "early":
        return found
    return found if is_stand_in(found) and may_be_of_one(store, found, row) else None


def _take_early(store: Store, found: Row, row: Row) -> Row:
    """Remove the row of `record_early`; return its text and times if the message's sender made the change."""
    remove(store, found)
    if found["sender"] not in (row["sender"], row["chat_jid"]) and is_group(row["chat_jid"]):
        return {}
    gone = dict.fromkeys(_GONE) if found["deleted_at"] else {}
    return {name: found[name] for name in ("content", "edited_at", "deleted_at")} | gone


def _fill(store: Store, row: Row, now: datetime) -> None:
    """Put a message that has come after all in the place of the row that stands for it.

    The row keeps its id, its time, and whether it was read: perhaps it was read on the phone, which had
    the message. Only one that the history brought as unreadable is new when the message itself arrives.
    """
    found = find(store, row["chat_jid"], row["message_id"])
    if found is None or not is_stand_in(found):
        return
    names = ["sender", "message_type", "quoted_id", "raw_proto", "details", "unavailable", "secret"]
    if row["message_type"] in SILENT and found["status"] == "received":
        row["status"] = "read"
        names.append("status")
    elif row["source"] == "live" and found["source"] == "history":
        names += ["status", "source"]
        is_read = chats.read_to(store, row["chat_jid"]) >= found["timestamp"]  # since, on the phone
        row["status"] = "read" if is_read else row["status"]
    if found["edited_at"] is None:
        replace_text(store, found, row["content"])
    change(store, found["id"], {name: row[name] for name in names})
    chats.count_unread(store, row["chat_jid"])
    source = "live" if "live" in (row["source"], found["source"]) else "history"
    told.tell(store, "message", found, source, now)


# ── Messages whose id was made up ───────────────────────────────────────────────────────────────────


def fill_in_id(store: Store, row: Row) -> bool:
    """Give a new message's id, sender, time and type to the one with a made-up id; return if there is one."""
    filled = store.rows(
        "UPDATE messages SET message_id = :message_id, sender = :sender, timestamp = :timestamp,"
        " message_type = CASE message_type WHEN 'other' THEN coalesce(:message_type, 'other')"
        " ELSE message_type END, raw_proto = coalesce(raw_proto, :raw_proto),"
        " quoted_id = coalesce(quoted_id, :quoted_id), details = coalesce(details, :details)"
        f" WHERE id = ({messages.SAME_MADE_UP})"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_jid = :chat_jid AND message_id = :message_id)"
        " RETURNING id",
        {"message_type": None, "raw_proto": None, "quoted_id": None, **row},
    )
    if filled:
        search_index.add_details(store, filled[0]["id"])
        chats.move_up(store, row["chat_jid"], row["timestamp"])
    return bool(filled)


# ── Changes ─────────────────────────────────────────────────────────────────────────────────────────


def edit(store: Store, row: Row, text: str | None, at: datetime) -> None:
    """Replace the text of a message, as `messages.find` returned it; `at` is the moment of the edit."""
    if text != row["content"]:
        replace_text(store, row, text)
    columns: Row = {"edited_at": to_iso(at)}
    if is_stand_in(row):  # the text is known now; what else the message holds is not
        columns["message_type"] = "text"
    elif row["unavailable"]:
        columns["unavailable"] = None
    change(store, row["id"], columns)


def edit_poll(store: Store, row: Row, question: str, options: Sequence[str]) -> None:
    """Replace question and options of a poll, as `messages.find` returned it."""
    replace_text(store, row, "\n".join([question, *options]))
    about = json.loads(row["details"] or "{}")
    about["poll"] = {**about.get("poll", {}), "question": question, "options": list(options)}
    change(store, row["id"], {"details": json.dumps(about, ensure_ascii=False)})


def delete(store: Store, row: Row, at: datetime) -> None:
    """Turn a message, as `messages.find` returned it, into a tombstone without text, deleted at `at`."""
    replace_text(store, row, None)
    gone: Row = dict.fromkeys(_GONE)
    if version := json.loads(row["details"] or "{}").get("version_id"):
        gone["details"] = json.dumps({"version_id": version})  # its deletion is on the way too
    gone |= {"deleted_at": to_iso(at), "status": status_of({**row, "deleted_at": at})}
    change(store, row["id"], gone)
    chats.count_unread(store, row["chat_jid"])
    log.forget_text(store, row["chat_jid"], row["message_id"], at)


def change(store: Store, number: int | None, columns: Row) -> None:
    """Store other values of these columns of a message, none of which is its text."""
    marks = ", ".join(f"{name} = :{name}" for name in columns)
    # Of these columns the index of the search has the details alone.
    with search_index.changing(store, number) if "details" in columns else nullcontext():
        store.execute(f"UPDATE messages SET {marks} WHERE id = :id", {**columns, "id": number})


def attach_files(store: Store, files: Iterable[tuple[int, str, str | None]]) -> None:
    """Store the paths of messages' files, as (id, path in the home, type of the file if known)."""
    store.conn.executemany(
        "UPDATE messages SET media_path = ?2, message_type = CASE message_type WHEN 'other'"
        " THEN coalesce(?3, 'other') ELSE message_type END WHERE id = ?1",
        files,
    )


def update_status(store: Store, chat: str, message_id: str) -> None:
    """Raise the status of our message to the one that its receipts prove: sent, delivered, read."""
    where = "chat_jid = ? AND message_id = ? AND is_from_me"
    store.execute(f"UPDATE messages SET status = {STATUS} WHERE {where}", [chat, message_id])


def update_group(store: Store, group: str, now: datetime) -> None:
    """Raise the status of our messages in a group whose members are others now."""
    store.execute(
        f"UPDATE messages SET status = {STATUS} WHERE chat_jid = ? AND timestamp >= ? AND is_from_me"
        " AND status IN ('sent', 'delivered')",
        [group, int(now.timestamp()) - RECENT],
    )


def set_read(store: Store, chat: str, up_to: Place = messages.END, stored_by: str | None = None) -> None:
    """Mark a chat's messages as read, up to a place and only those stored by the ISO time `stored_by`."""
    changed = store.execute(
        "UPDATE messages SET status = 'read' WHERE chat_jid = :chat AND status = 'received'"
        " AND (timestamp, id) <= (:time, :id) AND created_at <= coalesce(:stored_by, created_at)",
        {"chat": chat, "time": up_to[0], "id": up_to[1], "stored_by": stored_by},
    )
    if changed.rowcount:
        chats.count_unread(store, chat)


def set_unread(store: Store, chat: str, message_ids: Iterable[str]) -> None:
    """Mark messages of the history as unread."""
    store.conn.executemany(
        "UPDATE messages SET status = 'received' WHERE chat_jid = ? AND message_id = ? AND status = 'read'"
        " AND source = 'history' AND NOT is_from_me AND deleted_at IS NULL",
        [(chat, message_id) for message_id in message_ids],
    )
    chats.count_unread(store, chat)


def replace_text(store: Store, row: Row, text: str | None) -> None:
    """Replace the text of a message, as `messages.find` returned it, and its entry in the search index."""
    with search_index.changing(store, row["id"]):
        store.execute("UPDATE messages SET content = ? WHERE id = ?", [text, row["id"]])


def remove(store: Store, row: Row) -> None:
    """Remove a row, as `messages.find` returned it."""
    search_index.remove(store, row["id"])
    log.drop(store, row["id"])
    store.execute("DELETE FROM messages WHERE id = ?", [row["id"]])


def remove_many(store: Store, numbers: Sequence[int]) -> None:
    """Remove the messages with these ids."""
    search_index.remove_many(store, numbers)
    store.conn.executemany("DELETE FROM messages WHERE id = ?", [(each,) for each in numbers])
