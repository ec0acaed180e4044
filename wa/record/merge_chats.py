"""Merging the two chats of one person: rows of a hidden id move to the phone JID once that is known."""

from __future__ import annotations

from datetime import datetime

from wa.record import chats, messages, names, polls, responses, write
from wa.record.events import log, told
from wa.record.groups import members
from wa.record.retention import ledger
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import join_chats
from wa.times import from_iso

_CONTENT = ("raw_proto", "secret", "quoted_id", "media_path")
"""The columns that a row of a message lacks if it came in a way that does not bring them."""


def map_lid(store: Store, lid: str, pn: str) -> None:
    """Store which phone JID a hidden id stands for; in the caller's transaction.

    Names, reactions, votes and memberships change at once; messages wait for `join_split_chats`.
    """
    if names.map_lid(store, lid, pn):
        names.join_names(store, lid, pn)
        responses.rename_sender(store, lid, pn)
        polls.rename_voter(store, lid, pn)
        members.rename(store, lid, pn)
        ledger.rename(store, lid, pn)


def is_split(store: Store, lid: str) -> bool:
    """Return whether there is a chat under this hidden id, whose phone JID is known."""
    return bool(store.value("SELECT 1 FROM chats WHERE id = ?", [lid]))


def join_split_chats(store: Store, now: datetime) -> None:
    """Move every chat under a hidden id whose phone JID is known by now into that person's chat.

    It works in short transactions; after a kill, the next call continues.
    """
    split = store.rows("SELECT lid, pn FROM jid_aliases WHERE lid IN (SELECT id FROM chats)")
    for alias in split:
        lid, pn = alias["lid"], alias["pn"]
        while move_some(store, lid, pn, now):
            pass
        with store.write(durable=False):
            chats.ensure(store, pn, now)
            join_chats.run(store, lid, pn)


def move_some(store: Store, lid: str, pn: str, now: datetime) -> bool:
    """Move some messages from the chat of a hidden id to the phone JID's; return whether more may be left.

    A message that both chats have keeps one of its two rows. This is a transaction of its own.
    """
    with store.write(durable=False):
        batch = store.rows(f"SELECT {messages.CHANGED} FROM messages WHERE chat_jid = ? LIMIT {BATCH}", [lid])
        has_made_up, used = messages.has_made_up(store), set[str]()
        for row in batch:
            if has_made_up:
                _unite_made_up(store, row, pn, used)
            if ledger.keeps_away(store, pn, row["message_id"], is_stand_in=messages.is_stand_in(row)):
                write.remove(store, row)
                responses.forget(store, [row])
                polls.forget(store, [row])
                continue
            twin = messages.find(store, pn, row["message_id"])
            if twin is not None:
                _merge_doubles(store, row, twin, now=now)
            sender = pn if row["sender"] == lid else row["sender"]
            write.change(store, row["id"], {"chat_jid": pn, "sender": sender})
            if row["is_from_me"]:
                write.update_status(store, pn, row["message_id"])
        told.complete(store)
        return len(batch) == BATCH


def _unite_made_up(store: Store, row: Row, pn: str, used: set[str]) -> None:
    """Give a message with a made-up id, in either chat, the id of the same message in the other chat."""
    if not row["message_id"].startswith(messages.MADE_UP):
        write.fill_in_id(store, {**row, "chat_jid": pn, "sender": row["sender"] if row["is_from_me"] else pn})
        return
    likes = store.rows(
        "SELECT message_id FROM messages WHERE chat_jid = :pn AND timestamp = :timestamp"
        f" AND NOT ({messages.IS_MADE_UP}) AND is_from_me = :is_from_me"
        " AND coalesce(content, '') = coalesce(:content, '')",
        {**row, "pn": pn},
    )
    like_id = next((each["message_id"] for each in likes if each["message_id"] not in used), None)
    if like_id:
        used.add(like_id)
        row["message_id"] = like_id
        write.change(store, row["id"], {"message_id": like_id})


def _merge_doubles(store: Store, *doubles: Row, now: datetime) -> None:
    """Keep the older of two rows of one message, with the newest text and all known fields of both."""
    kept, gone = sorted(doubles, key=lambda row: (row["status"] == "early", row["id"]))
    was = dict(kept)
    known, more = (
        store.row(f"SELECT {', '.join(_CONTENT)} FROM messages WHERE id = ?", [row["id"]]) or {}
        for row in (kept, gone)
    )
    content = {name: more[name] if value is None else value for name, value in known.items()}
    if messages.is_stand_in(kept) and not messages.is_stand_in(gone):
        content = {**more, "message_type": gone["message_type"], "unavailable": gone["unavailable"]}
        kept["content"] = kept["content"] if kept["edited_at"] else gone["content"]
    elif messages.is_stand_in(gone):
        content = {}
    newer = gone if (gone["edited_at"] or "") > (kept["edited_at"] or "") else kept
    deleted_at = kept["deleted_at"] or gone["deleted_at"]
    _hand_on(store, was, gone, now)
    write.remove(store, gone)
    write.replace_text(store, kept, None if deleted_at else newer["content"])
    status = write.status_of({**kept, "deleted_at": deleted_at})
    changed = {
        **(dict.fromkeys(("raw_proto", "secret")) if deleted_at else content),
        "status": "read" if "read" in (kept["status"], gone["status"]) else status,
        "details": None if deleted_at else kept["details"] or gone["details"],
        "edited_at": newer["edited_at"],
        "deleted_at": deleted_at,
    }
    write.change(store, kept["id"], changed)
    if gone["status"] == "early" and deleted_at and not was["deleted_at"]:
        told.tell(store, "deleted", was, was["source"], now)
    elif gone["status"] == "early" and not deleted_at and newer is gone:
        told.tell(store, "edited", was, was["source"], now)
    if deleted_at:
        for row in doubles:
            log.forget_text(store, row["chat_jid"], row["message_id"], from_iso(deleted_at))


def _hand_on(store: Store, kept: Row, gone: Row, now: datetime) -> None:
    """Let what is told of a double be told of the row that is kept; that the message came is told once."""
    is_filled = messages.is_stand_in(kept) and not messages.is_stand_in(gone)
    is_known = log.is_told(store, gone["id"])
    if is_known and log.is_told(store, kept["id"]) and not is_filled:
        log.drop(store, gone["id"])
    elif is_filled and not is_known and gone["status"] != "early":
        told.tell(store, "message", kept, kept["source"], now)
    log.hand_on(store, gone, kept["id"])
