"""Unread messages: reads on other devices, and the counts that the phone tells when it is linked.

Functions join the caller's transaction. What was read is everything up to a place in the chat, never a
message behind that place, whenever the news of it comes. A message that comes later and stands before the
place is read too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from wa.jids import is_person_or_group
from wa.record import chats, history_sync, write
from wa.record.messages import END, SILENT, Place, end_of
from wa.record.names import canonical, forms
from wa.record.retention import ledger
from wa.store.database import Store
from wa.store.rewrites import join_chats
from wa.times import to_iso
from wa.whatsapp.events import ChatRead, HistoryChat, MessageReceived

EARLY_KEPT = timedelta(days=30)
"""The time for which it is kept that a message was read that is not here."""

# ── Read by us ──────────────────────────────────────────────────────────────────────────────────────


def seen(store: Store, chat: str, up_to: Place, stored_by: str | None = None) -> None:
    """Mark a chat as read here up to a place, of that only what was stored by the ISO time `stored_by`.

    This is a transaction of its own, if the caller has none.
    """
    with store.write():
        write.set_read(store, chat, up_to, stored_by)
        history_sync.set_unread_left(store, chat, 0)


def answered(store: Store, jid: str, asked_at: str) -> None:
    """Mark as read what was here when the user answered a chat, at an ISO time."""
    seen(store, canonical(store, jid), END, asked_at)


def read_elsewhere(store: Store, event: ChatRead, now: datetime) -> None:
    """Mark the messages that we read on another device, and all older ones of the chat.

    The place of a message that is not here is unknown: it waits for the message, and marks nothing else.
    """
    chat = canonical(store, event.chat_jid)
    if not event.message_ids:
        _read_to(store, chat, end_of(store, chat))
        return
    places = {each: _place(store, chat, each) for each in event.message_ids}
    if known := [place for place in places.values() if place is not None]:
        _read_to(store, chat, max(known))
    if missing := [each for each, place in places.items() if place is None]:
        store.execute("DELETE FROM early_reads WHERE at < ?", [to_iso(now - EARLY_KEPT)])
        for message_id in missing:
            row = {"chat_jid": chat, "message_id": message_id, "at": to_iso(now)}
            store.insert("early_reads", row, ignore=True)


def _place(store: Store, chat: str, message_id: str) -> Place | None:
    row = store.row(
        "SELECT timestamp, id FROM messages WHERE chat_jid = ? AND message_id = ? AND status != 'early'",
        [chat, message_id],
    )
    return (row["timestamp"], row["id"]) if row else ledger.place_of(store, chat, message_id)


def _read_to(store: Store, chat: str, place: Place) -> None:
    seen(store, chat, place)
    chats.note_read(store, chat, place[0])


def arrived(store: Store, event: MessageReceived, number: int) -> None:
    """Bring what is unread up to date with a new live message, which has the id `number` here.

    Our own message from another device answers the chat: we have read what stands before it.
    """
    chat = canonical(store, event.chat_jid)
    if event.is_from_me:
        if event.message_type not in SILENT and is_person_or_group(chat):
            _read_to(store, chat, (event.timestamp, number))
        return
    if chats.read_to(store, chat) > event.timestamp:
        write.set_read(store, chat, (event.timestamp, number))
    _apply_early(store, chat, [event.message_id])


def _apply_early(store: Store, chat: str, message_ids: Iterable[str]) -> None:
    """Mark what was read before it came."""
    if not store.value("SELECT 1 FROM early_reads LIMIT 1"):
        return
    for message_id in message_ids:
        keys = [(jid, message_id) for jid in forms(store, chat)]  # its number may be known only now
        sql = "DELETE FROM early_reads WHERE chat_jid = ? AND message_id = ?"
        if store.conn.executemany(sql, keys).rowcount:
            place = _place(store, chat, message_id)
            if place is not None:
                _read_to(store, chat, place)


# ── Read on the phone before it was linked ──────────────────────────────────────────────────────────


def take_over(store: Store, part: HistoryChat) -> None:
    """Take over from a part of a chat's history what is unread on the phone; its messages are stored.

    The phone counts: so many of the newest messages that others wrote are unread. The first part after
    linking that says so counts; later ones may bring older messages of these, and change nothing else.
    What was read since then stays read.
    """
    chat = canonical(store, part.jid)
    left, is_first = history_sync.unread_left(store, chat, part.unread)
    received = [each for each in part.messages if isinstance(each, MessageReceived)]
    if left or is_first:
        newest = _newest_first(received)[:left]
        if is_first and received:
            _read_before(store, chat, received, newest, left)
        since = chats.read_to(store, chat)
        unread = [each.message_id for each in newest if each.timestamp > since]
        write.set_unread(store, chat, unread)
        is_read_since = len(unread) < len(newest)
        history_sync.set_unread_left(store, chat, 0 if is_read_since else left - len(newest))
    _apply_early(store, chat, (each.message_id for each in received))


def _read_before(
    store: Store, chat: str, received: Sequence[MessageReceived], unread: Sequence[MessageReceived], left: int
) -> None:
    """Mark what the phone has read: what stands before the unread messages, up to the newest of the part."""
    if len(unread) < left:  # more of them are to come, or are here already
        return
    edge = unread[-1] if unread else max(received, key=lambda each: each.timestamp)
    place = _place(store, chat, edge.message_id)
    if place is not None:
        write.set_read(store, chat, (place[0], place[1] - 1) if unread else place)


def _newest_first(received: Sequence[MessageReceived]) -> list[MessageReceived]:
    """Return the messages that others wrote, newest first; within a second, in the order of the part.

    Missed calls are not among them: the phone counts them apart.
    """
    theirs = [each for each in received if chats.is_unread(each) and each.message_type not in SILENT]
    if theirs and theirs[0].timestamp < theirs[-1].timestamp:
        theirs.reverse()
    return sorted(theirs, key=lambda each: -each.timestamp)


@join_chats.part
def _join_reads(store: Store, lid: str, pn: str) -> None:
    write.set_read(store, pn, (chats.read_to(store, pn) - 1, END[1]))
    store.execute("UPDATE OR IGNORE early_reads SET chat_jid = ? WHERE chat_jid = ?", [pn, lid])
    store.execute("DELETE FROM early_reads WHERE chat_jid = ?", [lid])
