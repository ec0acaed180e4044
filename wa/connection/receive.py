"""What arrives: kept raw at once, made sense of in order, and only then forgotten."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime

from wa.connection.priority import Turn
from wa.jids import is_group
from wa.queue import send as outbox
from wa.record import history_sync as history
from wa.record import merge_chats as joining
from wa.record import messages
from wa.store import device
from wa.store.database import BATCH, Row, Store
from wa.times import to_iso
from wa.whatsapp.transport import (
    Account,
    ChatRead,
    Deleted,
    Edited,
    Event,
    GroupChanged,
    GroupInfo,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)

BATCH_SECONDS = 0.2
HISTORY = "history"
"""The kind of a raw event that holds a part of the past, perhaps thousands of messages."""
PAST_STEP = 100
_WAITING = "SELECT id, kind, payload, position FROM spool WHERE error IS NULL"

Decode = Callable[[str, bytes], list[Event]]


def spool(store: Store, kind: str, payload: bytes, now: datetime) -> None:
    """Keep a raw event: once this has returned, a kill cannot lose it.

    Nothing else happens here, for what the transport hands over in the
    meantime is lost if we die.
    """
    with store.write(durable=False):
        store.execute(
            "INSERT INTO spool (kind, payload, received_at) VALUES (?, ?, ?)", [kind, payload, to_iso(now)]
        )


def spooled(store: Store) -> int:
    """How many events are kept and not yet recorded, those that cannot be included."""
    return int(store.value("SELECT count(*) FROM spool"))


def stuck(store: Store) -> list[str]:
    """Why some of them cannot be recorded, a reason each, up to a thousand."""
    rows = store.rows("SELECT kind, error FROM spool WHERE error IS NOT NULL ORDER BY id LIMIT 1000")
    return [f"{row['kind']}: {row['error']}" for row in rows]


def retry_stuck(store: Store) -> None:
    """Let what could not be recorded be tried again: perhaps this version knows how."""
    with store.write():
        store.execute("UPDATE spool SET error = NULL WHERE error IS NOT NULL")


def apply(store: Store, decode: Decode, now: datetime, *, past: bool = True, turn: Turn | None = None) -> int:
    """Record the next batch of the spool, in order; how many were dealt with.

    What cannot be applied stays there with the reason and holds nothing up.
    Without `past`, parts of the past are left for later: they may take minutes.
    Where it has to take turns with the keeping of events, `turn` says when.
    """
    turn = turn or Turn()
    done = 0
    joins = False
    with turn.record(), store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS
        waiting = store.rows(f"{_WAITING} AND kind != '{HISTORY}' ORDER BY id LIMIT ?", [BATCH])
        for row in waiting:
            joins = _apply_one(store, decode, row, now)
            done += 1
            if (
                joins or turn.is_wanted() or time.monotonic() > deadline
            ):  # what follows must find the chat joined
                break
    if joins:
        joining.join_split_chats(store, now)
    if done or not past:
        return done
    part = store.row(f"{_WAITING} AND kind = '{HISTORY}' ORDER BY id LIMIT 1")
    return _apply_past(store, decode, part, now, turn) if part else 0


def _apply_past(store: Store, decode: Decode, row: Row, now: datetime, turn: Turn) -> int:
    """Record the next batch of a part of the past; where it has come to is kept with it.

    What happens now never waits for it: it is looked at again after each batch.
    """
    try:
        steps, past = _steps_of(row, decode)
    except Exception as error:
        with store.write():
            _set_aside(store, row, error)
        return 1
    position = row["position"]
    with turn.record(), store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS
        history.begin_part(store, past, now)
        for chat, events in steps[position:]:
            _record_past(store, chat, events, now)
            position += 1
            if turn.is_wanted() or time.monotonic() > deadline:
                break
        if position < len(steps):
            store.execute("UPDATE spool SET position = ? WHERE id = ?", [position, row["id"]])
        else:
            history.end_part(store, past, now)
            store.execute("DELETE FROM spool WHERE id = ?", [row["id"]])
            _decoded.clear()
    if position == len(steps):
        joining.join_split_chats(store, now)
    return 1


_decoded: dict[tuple[int, int], tuple[list[tuple[HistoryChat | None, list[Event]]], History]] = {}
"""The part of the past that is being recorded, so that it is decoded once and not for each batch."""


def _steps_of(row: Row, decode: Decode) -> tuple[list[tuple[HistoryChat | None, list[Event]]], History]:
    """A part of the past, cut up into what is recorded at once."""
    key = (row["id"], hash(row["payload"]))
    if key not in _decoded:
        _decoded.clear()
        events = decode(row["kind"], row["payload"])
        past = next(event for event in events if isinstance(event, History))
        about: list[Event] = [event for event in events if not isinstance(event, History)]
        steps: list[tuple[HistoryChat | None, list[Event]]] = [
            (None, about[start : start + PAST_STEP]) for start in range(0, len(about), PAST_STEP)
        ]
        for chat in past.chats:
            for start in range(0, max(len(chat.messages), 1), PAST_STEP):
                steps.append((chat, list(chat.messages[start : start + PAST_STEP])))
        _decoded[key] = steps, past
    return _decoded[key]


def _record_past(store: Store, chat: HistoryChat | None, events: list[Event], now: datetime) -> None:
    said = [event for event in events if isinstance(event, MessageReceived)]
    messages.record_many(store, said, "history", now)
    for event in said:
        if event.push_name and not event.is_from_me:
            name_jid(store, event.sender, event.push_name)
    outbox.prove_sent(store, [event.message_id for event in said if event.is_from_me], now)
    for other in events:
        if not isinstance(other, MessageReceived):
            apply_event(store, other, now)
    if chat is None:
        return
    jid = messages.canonical(store, chat.jid)
    messages.touch_chat(store, jid, now)
    if chat.name and not store.value("SELECT name FROM chats WHERE id = ?", [jid]):
        store.execute("UPDATE chats SET name = ? WHERE id = ?", [chat.name, jid])
    history.advance(store, jid, {event.message_id: event.timestamp for event in said}, now)
    if chat.is_complete and (not events or events[-1] == chat.messages[-1]):
        history.complete(store, jid, now)


def _apply_one(store: Store, decode: Decode, row: Row, now: datetime) -> bool:
    """Apply one raw event; whether it told us that two chats are one."""
    try:
        with store.savepoint():
            events = decode(row["kind"], row["payload"])
            for event in events:
                apply_event(store, event, now)
            store.execute("DELETE FROM spool WHERE id = ?", [row["id"]])
    except sqlite3.OperationalError:  # the disk, not the event: nothing of the batch is written
        raise
    except Exception as error:  # a bug of ours must not hold up what follows
        _set_aside(store, row, error)
        return False
    return any(isinstance(event, JidMapped) and joining.is_split(store, event.lid) for event in events)


def _set_aside(store: Store, row: Row, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}"[:500]
    store.execute("UPDATE spool SET error = ? WHERE id = ?", [reason, row["id"]])


def apply_event(store: Store, event: Event, now: datetime) -> None:
    """Record one event, in the caller's transaction."""
    if isinstance(event, MessageReceived):
        _message(store, event, now)
    elif isinstance(event, Edited):
        _edit(store, event, now)
    elif isinstance(event, Deleted):
        _delete(store, event, now)
    elif isinstance(event, Reacted):
        _react(store, event)
    elif isinstance(event, ReceiptReceived):
        _receipt(store, event, now)
    elif isinstance(event, ChatRead):
        messages.set_read(store, messages.canonical(store, event.chat_jid))
    elif isinstance(event, JidMapped):
        map_jid(store, event.lid, event.pn)
    elif isinstance(event, Named):
        name_jid(store, event.jid, event.name, is_saved=event.is_saved)
        if not event.is_saved:
            device.rename_account(store, event.jid, event.name)
    elif isinstance(event, GroupChanged):
        _change_group(store, event, now)
    elif isinstance(event, GroupInfo):
        _group(store, event, now)


def keep_account(store: Store, account: Account, now: datetime) -> None:
    """Remember whose account this home has, and the names it goes by; in the caller's transaction."""
    device.keep_account(store, account.jid, account.lid, account.push_name, now)
    if account.lid:
        map_jid(store, account.lid, account.jid)
    if account.push_name:
        name_jid(store, account.jid, account.push_name)


def map_jid(store: Store, lid: str, pn: str) -> None:
    """Remember whose phone JID a hidden id stands for."""
    if store.value("SELECT 1 FROM jid_aliases WHERE lid = ? AND pn = ?", [lid, pn]):
        return
    store.execute(
        "INSERT INTO jid_aliases VALUES (?, ?) ON CONFLICT (lid) DO UPDATE SET pn = excluded.pn", [lid, pn]
    )
    joining.rename_reactions(store, "sender", lid, pn)
    joining.rename_members(store, lid, pn)


def _message(store: Store, event: MessageReceived, now: datetime) -> None:
    messages.record(store, event, "live", now)
    if event.push_name and not event.is_from_me:
        name_jid(store, event.sender, event.push_name)
    if event.is_from_me:
        outbox.prove_sent(store, [event.message_id], now)


def name_jid(store: Store, jid: str, name: str, *, is_saved: bool = False) -> None:
    """Remember the name somebody gave themselves, or that our phone's address book has for them."""
    jid = messages.canonical(store, jid)
    column = "saved_name" if is_saved else "name"
    store.execute(
        "INSERT INTO push_names (jid, name, saved_name) VALUES (:jid, '', NULL) ON CONFLICT DO NOTHING",
        {"jid": jid},
    )
    store.execute(f"UPDATE push_names SET {column} = ? WHERE jid = ?", [name, jid])
    store.execute(
        "UPDATE chats SET name = (SELECT coalesce(saved_name, name) FROM push_names WHERE jid = :jid)"
        " WHERE id = :jid AND NOT is_group",
        {"jid": jid},
    )


def _stored(store: Store, chat: str, message_id: str) -> Row | None:
    return store.row(
        "SELECT id, content, edited_at, deleted_at, sender, is_from_me FROM messages"
        " WHERE chat_jid = ? AND message_id = ?",
        [chat, message_id],
    )


def _may(store: Store, event: Edited | Deleted, chat: str, found: Row) -> bool:
    """Whether who wants to change a message is who wrote it, or, to delete it, an admin of the group.

    The server does not check that: whoever is in the chat could send such a wish.
    """
    if event.by is None:
        return True
    by = messages.canonical(store, event.by)
    if bool(found["is_from_me"]) == event.is_from_me and (not is_group(chat) or found["sender"] == by):
        return True
    is_admin = "SELECT 1 FROM group_members WHERE chat_jid = ? AND member_jid = ? AND role != 'member'"
    return isinstance(event, Deleted) and store.value(is_admin, [chat, by]) is not None


def _edit(store: Store, event: Edited, now: datetime) -> None:
    """Keep the newest text, whatever the order in which edits arrive."""
    chat = messages.canonical(store, event.chat_jid)
    found = _stored(store, chat, event.message_id)
    edited_at = to_iso(messages.moment(event.timestamp))
    if found is None:
        by = messages.canonical(store, event.by or chat)
        messages.record_early(store, chat, event.message_id, event.content, event.timestamp, now, by)
        return
    if found["deleted_at"] or (found["edited_at"] or "") > edited_at or not _may(store, event, chat, found):
        return
    messages.replace_text(store, found["id"], found["content"], event.content)
    store.execute("UPDATE messages SET edited_at = ? WHERE id = ?", [edited_at, found["id"]])


def _delete(store: Store, event: Deleted, now: datetime) -> None:
    """Leave a tombstone: that there was a message, and when it went."""
    chat = messages.canonical(store, event.chat_jid)
    found = _stored(store, chat, event.message_id)
    if found is None:
        by = messages.canonical(store, event.by or chat)
        messages.record_early(store, chat, event.message_id, None, event.timestamp, now, by)
        return
    if found["deleted_at"] or not _may(store, event, chat, found):
        return
    messages.replace_text(store, found["id"], found["content"], None)
    store.execute(
        "UPDATE messages SET deleted_at = ?, raw_proto = NULL WHERE id = ?",
        [to_iso(messages.moment(event.timestamp)), found["id"]],
    )


def _react(store: Store, event: Reacted) -> None:
    """A person has one reaction to a message, the newest; an empty one is none."""
    key = {
        "chat_jid": messages.canonical(store, event.chat_jid),
        "message_id": event.message_id,
        "sender": messages.canonical(store, event.sender),
    }
    messages.react(store, key, event.emoji, event.timestamp)


def _receipt(store: Store, event: ReceiptReceived, now: datetime) -> None:
    chat = messages.canonical(store, event.chat_jid)
    for message_id in event.message_ids:
        store.insert(
            "receipts",
            {
                "chat_jid": chat,
                "message_id": message_id,
                "recipient": messages.canonical(store, event.recipient),
                "kind": event.kind,
                "at": to_iso(messages.moment(event.timestamp)),
            },
            ignore=True,
        )
        messages.update_status(store, chat, message_id)
    outbox.prove_sent(store, event.message_ids, now)


def _group(store: Store, event: GroupInfo, now: datetime) -> None:
    messages.touch_chat(store, event.jid, now)
    if event.name is not None:
        store.execute(
            "UPDATE chats SET name = ?, updated_at = ? WHERE id = ?", [event.name, to_iso(now), event.jid]
        )
    if event.members is None:
        return
    store.execute("DELETE FROM group_members WHERE chat_jid = ?", [event.jid])
    for member, role in event.members:
        store.insert(
            "group_members",
            {"chat_jid": event.jid, "member_jid": messages.canonical(store, member), "role": role},
            ignore=True,
        )


def _change_group(store: Store, event: GroupChanged, now: datetime) -> None:
    messages.touch_chat(store, event.jid, now)
    for member, role in event.members:
        key = {"chat": event.jid, "member": messages.canonical(store, member), "role": role}
        if role is None:
            store.execute("DELETE FROM group_members WHERE chat_jid = :chat AND member_jid = :member", key)
        else:
            store.execute(
                "INSERT INTO group_members VALUES (:chat, :member, :role)"
                " ON CONFLICT DO UPDATE SET role = excluded.role",
                key,
            )
