"""Replies of hooks: rows of the queue, each with a key of its own, and how many of them there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from wa.errors import WaError
from wa.hooks import table
from wa.jids import is_group, phone_of_jid
from wa.people import contacts, recipients
from wa.people.recipients import Recipient
from wa.queue import compose, rows
from wa.queue.compose import Part
from wa.record.events import log, told
from wa.record.names import canonical
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.times import to_iso

MOST = ((10, timedelta(minutes=10)), (60, timedelta(days=1)))
"""The most replies of a hook in one chat within a time; one more, and the hook rests."""
_NEWEST = 500
"""The newest requests among which those of a hook are counted: reactions, edits, deletions."""
CREATED_FROM = "hook"
"""The value of `created_from` for what a hook, or its program, sends."""


def key_of(hook_id: int, event_id: int) -> str:
    """Return the key of the one reply to an event."""
    return f"hook:{hook_id}:{event_id}"


def reply(
    store: Store, settings: Settings, hook: Row, event_id: int, message: Row, text: str, now: datetime, *,
    late: bool,
) -> tuple[str | None, str | None]:  # fmt: skip
    """Queue what a program printed as the reply to a message, in the caller's transaction.

    Return the id of its row, or None and why there is none. A reply that is there already stands, whatever a
    second run printed. What is late, or of a hook that proposes, is a draft.
    """
    key = key_of(hook["id"], event_id)
    if (first := _with_key(store, key)) is not None:
        return first, None
    # The phone JID of a hidden id may be known since the event was written.
    chat, sender = canonical(store, message["chat_jid"]), canonical(store, message["sender"])
    if message["unavailable"] is not None:
        return None, "the message was not there yet, so nothing is said about it"
    if not hook["reply_to_strangers"] and not message["is_from_me"] and _is_stranger(store, sender):
        return None, "the sender is no contact: --reply-to-strangers answers strangers"
    if why := too_many(store, hook["id"], chat, now):
        table.rest(store, hook["id"], why, now)
        return None, why
    to = Recipient(chat, None if is_group(chat) else phone_of_jid(chat), recipients.name_for(store, chat))
    try:
        draft = bool(hook["is_draft"]) or late
        row = queue(
            hook["id"], store, to, Part(text, None, None), now, grace=settings.grace, key=key, draft=draft
        )
    except WaError as error:  # a text that is too long, an address that nothing is sent to
        return None, error.message
    return str(row["id"]), None


def _with_key(store: Store, key: str) -> str | None:
    found: str | None = store.value("SELECT id FROM scheduled_messages WHERE idempotency_key = ?", [key])
    return found


def notify(
    store: Store, settings: Settings, hook: Row, event_id: int, text: str, now: datetime
) -> tuple[str | None, str | None]:
    """Queue a notice to oneself, in the caller's transaction. Return as `reply` does."""
    key, me = key_of(hook["id"], event_id), own_jid(store)
    if (first := _with_key(store, key)) is not None:
        return first, None
    if me is None:
        return None, "no account is linked"
    if why := too_many(store, hook["id"], me, now):
        return None, why
    to, part = Recipient(me, phone_of_jid(me), None), Part(text, None, None)
    row = queue(hook["id"], store, to, part, now, grace=settings.grace, key=key)
    return str(row["id"]), None


def _is_stranger(store: Store, sender: str) -> bool:
    phone = phone_of_jid(sender)
    return phone is None or contacts.by_phone(store, phone) is None


def queue(hook_id: int, store: Store, to: Recipient, part: Part, now: datetime, **how: Any) -> Row:
    """Add a message of a hook, in the caller's transaction, as `compose.queue_now` does."""
    row = compose.queue_now(store, to, part, now, **how, created_from=CREATED_FROM)
    rows.change(store, row["id"], now, hook_id=hook_id)
    return row


def are_drafts(store: Store, hook_id: int, event_id: int | None, now: datetime) -> bool:
    """Return whether what a hook's program sends is for the user to approve, as its replies are.

    The replies of a hook that proposes are drafts, and those to a message that is late.
    """
    hook = store.row("SELECT is_draft, max_age FROM hooks WHERE id = ?", [hook_id])
    if hook is None or hook["is_draft"] or not event_id:
        return bool(hook and hook["is_draft"])
    line = log.get(store, event_id)
    age = timedelta(seconds=hook["max_age"])
    return line is not None and line["type"] == "message" and told.is_late(line, now, age)


def counting(
    store: Store, hook_id: int, to: Iterable[str], now: datetime, key: str | None
) -> Callable[[Row], Row]:
    """Return a function that counts a new row as a reply of the hook whose program asks for it.

    `to` are the JIDs that the program writes to, and `key` is the key that it gave. Raise WaError
    `rate-limit-exceeded` for one message too many, after which the hook rests.
    """
    status = store.value("SELECT status FROM hooks WHERE id = ?", [hook_id])
    if status is None or (key is not None and _with_key(store, key) is not None):
        return lambda row: row
    why = "it rests already" if status == "resting" else None
    for jid in to:
        why = why or too_many(store, hook_id, jid, now)
    if why is not None:
        if status != "resting":
            with store.write():
                table.rest(store, hook_id, why, now)
        raise WaError("rate-limit-exceeded", f"the hook rests: {why}", "`wa hooks resume` lets it go on")

    def count(row: Row) -> Row:
        with store.write():
            rows.change(store, row["id"], now, hook_id=hook_id)
        return row

    return count


def too_many(store: Store, hook_id: int, chat: str, now: datetime) -> str | None:
    """Return why a hook may not send one more message to a chat now; None if it may.

    An empty text for `chat` counts what the hook does with groups and blocked people.
    """
    sql = (
        "SELECT (SELECT count(*) FROM scheduled_messages"
        " WHERE hook_id = :hook AND to_jid = :chat AND created_at > :since)"
        " + (SELECT count(*) FROM (SELECT args, expires_at FROM requests ORDER BY id DESC LIMIT :newest)"
        " WHERE args ->> '$.hook' = :hook AND coalesce(args ->> '$.chat', '') = :chat"
        " AND expires_at > :since)"
    )
    for most, span in MOST:
        params = {"hook": hook_id, "chat": chat, "since": to_iso(now - span), "newest": _NEWEST}
        if store.value(sql, params) >= most:
            shown = "10 minutes" if span < timedelta(days=1) else "a day"
            what = "sent {} messages to one chat" if chat else "changed groups or blocked people {} times"
            return f"it {what.format(most)} within {shown}: it may be talking to another program"
    return None
