"""Changing a message for everyone: a reaction, another text, a deletion.

The arguments of each are `chat` (a JID) and `message_id`, and `text`: the emoji, or the new text.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from wa.connection.actions.action import Action
from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.record import chats, messages
from wa.record.events import log
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.whatsapp.events import Deleted, Edited, Event, Reacted
from wa.whatsapp.transport import Accepted, Change, Key, Timer, Transport


def _prepare(kind: str, store: Store, args: Row, secret: bytes, now: datetime) -> Change:
    """Return the change, with the key of its message as the store knows it. Raise WaError."""
    found = messages.find(store, args["chat"], args["message_id"])
    if found is None:
        raise WaError("not-found", f"there is no message {args['message_id']} in this chat any more")
    key = Key(found["chat_jid"], found["message_id"], found["sender"], bool(found["is_from_me"]))
    seconds, set_at = chats.ephemeral(store, canonical(store, found["chat_jid"]))
    timer = Timer(seconds, set_at) if seconds else None
    at = int(now.timestamp() * 1000)
    return Change(kind, key, secret, args.get("text", ""), args.get("details"), timer, at)


def _call(transport: Transport, change: Change) -> Accepted:
    return transport.change(change)


def _record(kind: str, store: Store, args: Row, answer: Accepted, now: datetime) -> Row:
    """Change the message here as it is changed on WhatsApp. Return the id of its row."""
    chat, message_id, me, at = args["chat"], args["message_id"], own_jid(store) or "me", answer.timestamp
    event: Event
    if kind == "react":
        event = Reacted(chat, message_id, me, args["text"], at)
    elif kind == "edit":
        event = Edited(chat, message_id, args["text"], at, me, is_from_me=True, details=args.get("details"))
    else:
        event = Deleted(chat, message_id, at, is_from_me=True)
    place = log.newest(store)
    apply_event(store, event, now)
    log.mark_ours(store, place)
    found = messages.find(store, chat, message_id)
    return {"id": found["id"] if found else None}


def _action(kind: str) -> Action:
    return Action(partial(_prepare, kind), _call, partial(_record, kind), is_message=True)


REACT, EDIT, DELETE = _action("react"), _action("edit"), _action("delete")
