"""What may be done with a message. WhatsApp acknowledges the rest too, and people's apps ignore it.

Each check takes a message as `which.find` returns it, and raises WaError: `usage` for a status post and a
channel's post, else `wrong-state`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from wa.errors import WaError
from wa.jids import is_group, is_person_or_group
from wa.record import chats, messages
from wa.record.groups import members
from wa.record.names import shown_as
from wa.store.database import Row, Store
from wa.store.device import own_jids
from wa.times import format_duration

EDIT_WITHIN, DELETE_WITHIN = timedelta(minutes=15), timedelta(hours=48)
"""The age of a message up to which apps follow its edit, and its deletion, by an admin too."""


def check_react(store: Store, row: Row, now: datetime) -> None:
    """Raise WaError unless we can react to a message."""
    _check_any(store, row, "reacted to")


def check_edit(store: Store, row: Row, now: datetime) -> None:
    """Raise WaError unless a message is a text of ours, and young enough to be edited."""
    _check_any(store, row, "edited")
    if not row["is_from_me"]:
        raise _no(f"this message is from {shown_as(store, row['sender'])}, and only its author can edit it")
    if row["message_type"] != "text":
        raise _no(f"only texts can be edited, and this message is of the type {row['message_type']}")
    _check_age(row, now, EDIT_WITHIN, "edited")


def check_delete(store: Store, row: Row, now: datetime) -> None:
    """Raise WaError unless a message is ours, or one of a group whose admin we are, and young enough."""
    _check_any(store, row, "deleted")
    if not row["is_from_me"] and not _is_admin(store, row["chat_jid"]):
        author = shown_as(store, row["sender"])
        others = " or an admin of the group" if is_group(row["chat_jid"]) else ""
        raise _no(f"this message is from {author}, and only its author{others} can delete it for everyone")
    _check_age(row, now, DELETE_WITHIN, "deleted for everyone")


def _check_any(store: Store, row: Row, done: str) -> None:
    """Raise WaError unless WhatsApp knows a message by its id, and it is there to be changed."""
    chat = row["chat_jid"]
    if not is_person_or_group(chat):
        raise WaError(
            "usage",
            f"what is in {shown_as(store, chat)} cannot be {done} from here",
            "name a person or a group",
        )
    if row["message_type"] in messages.SILENT:
        raise _no(f"this is a notice, which cannot be {done}")
    if row["deleted_at"]:
        raise _no("this message is deleted")
    if row["message_id"].startswith(messages.MADE_UP):
        raise _no("this message was imported without the id by which WhatsApp knows it", "use the phone")
    if row["status"] == "early":
        raise _no("this message has not arrived yet")
    if messages.is_stand_in(row):
        raise _no("this device cannot read this message", "use the phone")
    if is_group(chat):
        members.check_in(store, chat)


def _is_admin(store: Store, chat: str) -> bool:
    return is_group(chat) and any(chats.is_admin(store, chat, jid) for jid in own_jids(store))


def _check_age(row: Row, now: datetime, most: timedelta, done: str) -> None:
    """Raise WaError for a message older than `most`. One that is dated in the future is new."""
    age = now - messages.moment(row["timestamp"])
    if age > most:
        within, old = format_duration(most), format_duration(age)
        raise _no(
            f"this message is {old} old, and can be {done} within {within} only",
            "people's apps ignore it later; nothing was changed",
        )


def _no(why: str, hint: str = "nothing was changed") -> WaError:
    return WaError("wrong-state", why, hint)
