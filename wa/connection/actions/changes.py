"""Changing a message for everyone: a reaction, another text, a deletion.

The arguments of each are `chat` (a JID) and `message_id`, and `text`: the emoji, or the new text; of an edit
also `mentions`, the JIDs of those whom it mentions and the old text did not.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from functools import partial
from typing import Any

from wa.connection.actions.action import Action, Proved
from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.queue import checks
from wa.queue.kinds.edited import is_named
from wa.record import chats, messages, responses
from wa.record.changing import emoji, limits
from wa.record.events import log
from wa.record.names import canonical, with_numbers
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.times import from_iso
from wa.whatsapp.events import Deleted, Edited, Event, Reacted
from wa.whatsapp.transport import Accepted, Change, Key, Timer, Transport

_LIMITS = {"react": limits.check_react, "edit": limits.check_edit, "delete": limits.check_delete}


def check(kind: str, store: Store, found: Row, text: str, now: datetime) -> None:
    """Raise WaError unless a message, as `messages.find` returns it, may be changed so now."""
    if kind == "react":
        emoji.check(text)
    elif kind == "edit":
        checks.check_text(text)
    _LIMITS[kind](store, found, now)


def _prepare(kind: str, store: Store, args: Row, secret: bytes, now: datetime) -> Change:
    """Return the change, with the key of its message as the store knows it. Raise WaError."""
    found = messages.find(store, canonical(store, args["chat"]), args["message_id"])
    if found is None:
        raise WaError("not-found", f"there is no message {args['message_id']} in this chat any more")
    check(kind, store, found, args["text"], now)
    key = Key(found["chat_jid"], found["message_id"], found["sender"], bool(found["is_from_me"]))
    seconds, set_at = chats.ephemeral(store, found["chat_jid"])
    timer = Timer(seconds, set_at) if seconds else None
    text, details = _said(store, found, args) if kind == "edit" else (args["text"], None)
    return Change(kind, key, secret, text, details, timer, int(now.timestamp() * 1000))


def _said(store: Store, found: Row | None, args: Row) -> tuple[str, dict[str, Any] | None]:
    """Return the new text of a message and its `details`: whom it mentions now, or did and still does."""
    before = json.loads((found or {}).get("details") or "{}").get("mentions", ())
    text, named = with_numbers(store, args["text"], before), [*before, *args.get("mentions", ())]
    people = [jid for jid in dict.fromkeys(canonical(store, jid) for jid in named) if is_named(text, jid)]
    return text, {"mentions": people} if named else None


def _call(transport: Transport, change: Change) -> Accepted:
    return transport.change(change)


def _record(kind: str, store: Store, args: Row, answer: Accepted, now: datetime) -> Row:
    """Change the message here as it is changed on WhatsApp. Return the JID of its chat.

    What is acknowledged is the newest change, whatever the clocks say.
    """
    chat, message_id, me = canonical(store, args["chat"]), args["message_id"], own_jid(store) or "me"
    found, at = messages.find(store, chat, message_id), answer.timestamp
    is_newest = not isinstance(answer, Proved)
    event: Event
    if kind == "react":
        key = {"chat_jid": chat, "message_id": message_id, "sender": me}
        at = max(at, responses.reacted_at(store, key)) if is_newest else at
        event = Reacted(chat, message_id, me, args["text"], at)
    elif kind == "edit":
        if is_newest and found and found["edited_at"]:
            at = max(at, math.ceil(from_iso(found["edited_at"]).timestamp()))
        text, details = _said(store, found, args)
        by = None if found else me  # it is ours: that was looked at before it was done
        event = Edited(chat, message_id, text, at, by, is_from_me=True, details=details)
    else:
        event = Deleted(chat, message_id, at, is_from_me=True)
    place = log.newest(store)
    apply_event(store, event, now)
    log.mark_ours(store, place)
    return {"chat": chat}


def _action(kind: str) -> Action:
    return Action(partial(_prepare, kind), _call, partial(_record, kind), is_message=True)


REACT, EDIT, DELETE = _action("react"), _action("edit"), _action("delete")
