"""From the spool to the record: events are decoded and applied in order, in short transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime

from wa.connection import spool
from wa.connection.spool import WriteOrder
from wa.jids import is_group
from wa.queue import send as outbox
from wa.record import history_sync, merge_chats, messages
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
"""Seconds after which a transaction ends though more events wait."""
HISTORY_STEP = 100
"""Messages of a part of the history that are recorded together."""

Decode = Callable[[str, bytes], list[Event]]
Step = tuple[HistoryChat | None, list[Event]]


def apply_batch(
    store: Store, decode: Decode, now: datetime, *, with_history: bool = True, order: WriteOrder | None = None
) -> int:
    """Record the next batch of the spool, in order. Return how many events were dealt with.

    An event that cannot be applied stays in the spool with the reason and holds
    nothing up. Without `with_history`, parts of the history are left for later:
    they may take minutes. `order` is shared with the thread that appends events.
    """
    order = order or WriteOrder()
    done = 0
    joins = False
    with order.record(), store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS
        for row in spool.waiting(store, BATCH):
            joins = _apply_row(store, decode, row, now)
            done += 1
            # What follows must find a chat that was split already joined.
            if joins or order.event_waits() or time.monotonic() > deadline:
                break
    if joins:
        merge_chats.join_split_chats(store, now)
    if done or not with_history:
        return done
    part = spool.history_part(store)
    return _apply_history(store, decode, part, now, order) if part else 0


def _apply_row(store: Store, decode: Decode, row: Row, now: datetime) -> bool:
    """Apply one raw event. Return whether it said that two chats are one."""
    try:
        with store.savepoint():
            events = decode(row["kind"], row["payload"])
            for event in events:
                apply_event(store, event, now)
            spool.remove(store, row["id"])
    except sqlite3.OperationalError:  # the disk, not the event: nothing of the batch is written
        raise
    except Exception as error:  # a bug of ours must not hold up what follows
        spool.set_aside(store, row["id"], error)
        return False
    return any(isinstance(event, JidMapped) and merge_chats.is_split(store, event.lid) for event in events)


def _apply_history(store: Store, decode: Decode, row: Row, now: datetime, order: WriteOrder) -> int:
    """Record the next batch of a part of the history, and with it how far that part is recorded.

    Live events never wait for it: the caller looks for them again after each batch.
    """
    try:
        steps, part = _steps_of(row, decode)
    except Exception as error:
        with store.write():
            spool.set_aside(store, row["id"], error)
        return 1
    position = row["position"]
    with order.record(), store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS
        history_sync.begin_part(store, part, now)
        for chat, events in steps[position:]:
            _record_step(store, chat, events, now)
            position += 1
            if order.event_waits() or time.monotonic() > deadline:
                break
        if position < len(steps):
            spool.set_position(store, row["id"], position)
        else:
            history_sync.end_part(store, part, now)
            spool.remove(store, row["id"])
            _decoded.clear()
    if position == len(steps):
        merge_chats.join_split_chats(store, now)
    return 1


_decoded: dict[tuple[int, int], tuple[list[Step], History]] = {}
"""The part of the history that is being recorded, so that it is decoded once and not for each batch."""


def _steps_of(row: Row, decode: Decode) -> tuple[list[Step], History]:
    """Return a part of the history, cut up into steps that are recorded at once."""
    key = (row["id"], hash(row["payload"]))
    if key not in _decoded:
        _decoded.clear()
        events = decode(row["kind"], row["payload"])
        part = next(event for event in events if isinstance(event, History))
        about: list[Event] = [event for event in events if not isinstance(event, History)]
        steps: list[Step] = [
            (None, about[start : start + HISTORY_STEP]) for start in range(0, len(about), HISTORY_STEP)
        ]
        for chat in part.chats:
            for start in range(0, max(len(chat.messages), 1), HISTORY_STEP):
                steps.append((chat, list(chat.messages[start : start + HISTORY_STEP])))
        _decoded[key] = steps, part
    return _decoded[key]


def _record_step(store: Store, chat: HistoryChat | None, events: list[Event], now: datetime) -> None:
    received = [event for event in events if isinstance(event, MessageReceived)]
    messages.record_many(store, received, "history", now)
    for event in received:
        if event.push_name and not event.is_from_me:
            name_jid(store, event.sender, event.push_name)
    outbox.prove_sent(store, [event.message_id for event in received if event.is_from_me], now)
    for other in events:
        if not isinstance(other, MessageReceived):
            apply_event(store, other, now)
    if chat is None:
        return
    jid = messages.canonical(store, chat.jid)
    messages.touch_chat(store, jid, now)
    if chat.name and not store.value("SELECT name FROM chats WHERE id = ?", [jid]):
        store.execute("UPDATE chats SET name = ? WHERE id = ?", [chat.name, jid])
    history_sync.advance(store, jid, {event.message_id: event.timestamp for event in received}, now)
    if chat.is_complete and (not events or events[-1] == chat.messages[-1]):
        history_sync.complete(store, jid, now)


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
    merge_chats.rename_reactions(store, "sender", lid, pn)
    merge_chats.rename_members(store, lid, pn)


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
