"""What arrives: kept raw at once, made sense of in order, and only then forgotten."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime

from wa import joining, messages, outbox
from wa.store import BATCH, Row, Store
from wa.transport import (
    ChatRead,
    Deleted,
    Edited,
    Event,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.when import to_iso

BATCH_SECONDS = 0.2

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


def apply(store: Store, decode: Decode, now: datetime) -> int:
    """Record the next batch of the spool, in order; how many were dealt with.

    What cannot be applied stays there with the reason and holds nothing up.
    """
    deadline = time.monotonic() + BATCH_SECONDS
    done = 0
    joins = False
    with store.write(durable=False):
        waiting = store.rows(
            "SELECT id, kind, payload FROM spool WHERE error IS NULL ORDER BY id LIMIT ?", [BATCH]
        )
        for row in waiting:
            joins = _apply_one(store, decode, row, now)
            done += 1
            if joins or time.monotonic() > deadline:  # what follows must find the chat joined
                break
    if joins:
        joining.join_split_chats(store, now)
    return done


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
        reason = f"{type(error).__name__}: {error}"[:500]
        store.execute("UPDATE spool SET error = ? WHERE id = ?", [reason, row["id"]])
        return False
    return any(isinstance(event, JidMapped) and joining.is_split(store, event.lid) for event in events)


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
        name_jid(store, event.jid, event.name)
    else:
        _group(store, event, now)


def map_jid(store: Store, lid: str, pn: str) -> None:
    """Remember whose phone JID a hidden id stands for."""
    if store.value("SELECT 1 FROM jid_aliases WHERE lid = ? AND pn = ?", [lid, pn]):
        return
    store.execute(
        "INSERT INTO jid_aliases VALUES (?, ?) ON CONFLICT (lid) DO UPDATE SET pn = excluded.pn", [lid, pn]
    )
    joining.rename_reactions(store, "sender", lid, pn)


def _message(store: Store, event: MessageReceived, now: datetime) -> None:
    messages.record(store, event, "live", now)
    if event.push_name and not event.is_from_me:
        name_jid(store, event.sender, event.push_name)
    if event.is_from_me:
        outbox.prove_sent(store, [event.message_id], now)


def name_jid(store: Store, jid: str, name: str) -> None:
    """Remember the name somebody gave themselves."""
    jid = messages.canonical(store, jid)
    store.execute(
        "INSERT INTO push_names VALUES (?, ?) ON CONFLICT (jid) DO UPDATE SET name = excluded.name",
        [jid, name],
    )
    store.execute("UPDATE chats SET name = ? WHERE id = ? AND NOT is_group", [name, jid])


def _stored(store: Store, chat: str, message_id: str) -> Row | None:
    return store.row(
        "SELECT id, content, edited_at, deleted_at FROM messages WHERE chat_jid = ? AND message_id = ?",
        [chat, message_id],
    )


def _edit(store: Store, event: Edited, now: datetime) -> None:
    """Keep the newest text, whatever the order in which edits arrive."""
    chat = messages.canonical(store, event.chat_jid)
    found = _stored(store, chat, event.message_id)
    edited_at = to_iso(messages.moment(event.timestamp))
    if found is None:
        messages.record_early(store, chat, event.message_id, event.content, event.timestamp, now)
        return
    if found["deleted_at"] or (found["edited_at"] or "") > edited_at:
        return
    messages.replace_text(store, found["id"], found["content"], event.content)
    store.execute("UPDATE messages SET edited_at = ? WHERE id = ?", [edited_at, found["id"]])


def _delete(store: Store, event: Deleted, now: datetime) -> None:
    """Leave a tombstone: that there was a message, and when it went."""
    chat = messages.canonical(store, event.chat_jid)
    found = _stored(store, chat, event.message_id)
    if found is None:
        messages.record_early(store, chat, event.message_id, None, event.timestamp, now)
        return
    if found["deleted_at"]:
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
