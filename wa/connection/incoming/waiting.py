"""Sealed messages that are not open yet: the table `sealed`. They wait for the secret of another message.

All functions but `due` and `secrets` join the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from wa.record import chats, write
from wa.record.events import told
from wa.record.messages import EDIT, LAST_SECOND, find, is_stand_in, moment
from wa.record.names import canonical, may_be_of_one
from wa.store.database import Row, Store
from wa.store.rewrites import join_chats, message_sent
from wa.times import to_iso
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.sealed import Sealed

AT_ONCE = 100
"""Sealed messages that are opened at once."""
MOST = 20_000
"""Sealed messages that are kept; the oldest make room."""
_EDITS = ("edit", "event-edit", "poll-edit")
_SHOWN = {
    "vote": ("system", "Voted in a poll"),
    "answer": ("system", "Answered an invitation"),
    "poll-option": ("system", "Added an option to a poll"),
    "reaction": ("system", "Reacted to a message (see the phone)"),
    "comment": ("other", "A comment: only the phone can show it"),
}
"""Type and text of what is shown for a sealed message, by its kind, while it cannot be opened."""
_COLUMNS = (
    "chat_jid", "message_id", "sender", "timestamp", "kind", "target_id", "author", "iv", "payload",
    "is_from_me", "said_at",
)  # fmt: skip


def keep(store: Store, event: Sealed, source: str) -> None:
    """Store a sealed message, to be opened as soon as this transaction is over.

    Raise ValueError for a time that no datetime can hold.
    """
    if event.timestamp > LAST_SECOND:
        raise ValueError(f"{event.timestamp} is not a time in Unix seconds")
    row = {name: getattr(event, name) for name in _COLUMNS}
    row |= {"chat_jid": canonical(store, event.chat_jid), "source": source, "is_due": True}
    number = store.insert("sealed", row, ignore=True)
    if number is not None:
        store.execute("DELETE FROM sealed WHERE id <= ?", [number - MOST])


def due(store: Store) -> list[Row]:
    """Return the next sealed messages that may be opened now."""
    return store.rows("SELECT * FROM sealed WHERE is_due ORDER BY id LIMIT ?", [AT_ONCE])


def event_of(row: Row) -> Sealed:
    """Return a stored sealed message as the event that it was."""
    return Sealed(**{name: row[name] for name in _COLUMNS})


def secret_of(store: Store, row: Row) -> bytes | None:
    """Return the secret of the message that a sealed one is about, None where it is not stored."""
    secret: bytes | None = store.value(
        "SELECT secret FROM messages WHERE chat_jid = ? AND message_id = ?",
        [row["chat_jid"], row["target_id"]],
    )
    return secret


def forget(store: Store, row: Row) -> None:
    """Remove a sealed message, which is open now."""
    store.execute("DELETE FROM sealed WHERE id = ?", [row["id"]])


def put_off(store: Store, row: Row) -> None:
    """Let a sealed message wait until the message that it is about arrives, perhaps once more."""
    store.execute("UPDATE sealed SET is_due = 0 WHERE id = ?", [row["id"]])


def wake(store: Store, arrived: Iterable[MessageReceived]) -> None:
    """Let the sealed messages be opened that are about messages which have arrived, known ones too."""
    if store.value("SELECT 1 FROM sealed LIMIT 1") is None:
        return
    for event in arrived:
        woken = store.execute("UPDATE sealed SET is_due = 1 WHERE target_id = ?", [event.message_id]).rowcount
        found = find(store, canonical(store, event.chat_jid), event.message_id) if woken else None
        is_theirs = found is not None and found["sender"] == canonical(store, event.sender)
        if event.secret and found is not None and is_theirs:  # it may have been recorded without it
            write.change(store, found["id"], {"secret": event.secret})


@message_sent.part
def _wake_for_ours(store: Store, message_id: str) -> None:
    store.execute("UPDATE sealed SET is_due = 1 WHERE target_id = ?", [message_id])


def show_closed(store: Store, row: Row, now: datetime) -> None:
    """Show that there is a sealed message: on the message that it edits, or as a row of its own."""
    found = find(store, row["chat_jid"], row["target_id"])
    if row["kind"] not in _EDITS:
        kind, text = _SHOWN[row["kind"]]
        shown = MessageReceived(
            row["chat_jid"], row["message_id"], row["sender"], row["timestamp"], text, kind,
            bool(row["is_from_me"]), quoted_id=row["target_id"],
            unavailable="waiting" if kind == "other" else None,
        )  # fmt: skip
        write.record(store, shown, row["source"], now)
    elif found is not None and not found["deleted_at"] and not is_stand_in(found):
        edited_at = to_iso(moment(row["timestamp"]))
        if (found["edited_at"] or "") < edited_at:
            write.change(store, found["id"], {"edited_at": edited_at, "unavailable": EDIT})
            told.tell(store, "edited", found, row["source"], now)


def clear(store: Store, row: Row) -> None:
    """Remove what `show_closed` showed for a sealed message that is open now, but a row for its content."""
    shown, about = (find(store, row["chat_jid"], row[name]) for name in ("message_id", "target_id"))
    if row["kind"] == "reaction" and shown is not None and is_notice(store, shown, row, row["target_id"]):
        write.remove(store, shown)
    marked_at = to_iso(moment(row["timestamp"]))
    is_marked = about is not None and (about["unavailable"], about["edited_at"]) == (EDIT, marked_at)
    if row["kind"] in _EDITS and about is not None and is_marked:
        write.change(store, about["id"], {"edited_at": None, "unavailable": None})


def take_away(store: Store, chat: str, message_id: str) -> None:
    """Remove the row that stands for a message, if there is one: the message is none that people read."""
    found = find(store, chat, message_id)
    if found is not None and is_stand_in(found):
        write.remove(store, found)
        chats.count_unread(store, chat)


def is_notice(store: Store, found: Row, about: Row, quoted_id: str | None) -> bool:
    """Return whether a row is a notice by the sender of a message, and no message that has its id too.

    `about` holds sender, chat_jid and is_from_me; `quoted_id` is what the notice is about.
    """
    is_theirs = may_be_of_one(store, found, about)
    return found["message_type"] == "system" and found["quoted_id"] == quoted_id and is_theirs


@join_chats.part
def _join_sealed(store: Store, lid: str, pn: str) -> None:
    store.execute("UPDATE OR IGNORE sealed SET chat_jid = ?, is_due = 1 WHERE chat_jid = ?", [pn, lid])
    store.execute("DELETE FROM sealed WHERE chat_jid = ?", [lid])
