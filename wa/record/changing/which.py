"""MSG: the message of a chat that a user names by its id, the beginning of it, or its place from the end."""

from __future__ import annotations

import re

from wa.errors import WaError
from wa.record.messages import CHANGED
from wa.record.names import canonical, shown_as
from wa.store.database import Row, Store

_LAST = re.compile(r"last(?::([0-9]{1,7}))?", re.IGNORECASE | re.ASCII)
_COUNTED = "message_type NOT IN ('reaction', 'system')"
"""SQL for the messages that `last` counts: those that people wrote, deleted ones too, and no notices."""
_NAMED = 3
"""The most messages that an error names."""


def find(store: Store, chat: str, which: str) -> Row:
    """Return the columns CHANGED of the message of a chat that `which` means.

    It is an id, its beginning where that is unique in the chat, in capitals or not; or `last`, or `last:3`
    for the third from the end. Raise WaError `not-found`, `ambiguous`, and `usage` for an empty text and
    a place that is none.
    """
    chat, typed = canonical(store, chat), which.strip()
    if not typed:
        raise WaError("usage", "an empty text names no message", "give its id, or `last`")
    if re.match("last(?![0-9a-z])", typed, re.IGNORECASE):  # first, for others choose the ids of theirs
        return _from_the_end(store, chat, typed)
    for each in dict.fromkeys([typed, typed.upper(), typed.lower()]):
        if found := _beginning_with(store, chat, each):
            return found
    raise WaError(
        "not-found", f"no message {typed!r} in the chat with {shown_as(store, chat)}", _where_ids_are(chat)
    )


def id_of(store: Store, chat: str, which: str) -> str:
    """Return the id of the message that `which` means; raise as `find`."""
    return str(find(store, chat, which)["message_id"])


def _from_the_end(store: Store, chat: str, typed: str) -> Row:
    place = _LAST.fullmatch(typed)
    number = int(place[1] or "1") if place else 0
    if not number:
        raise WaError(
            "usage", f"{typed!r} names no message", "`last`, or `last:3` for the third from the end"
        )
    found = store.row(
        f"SELECT {CHANGED} FROM messages WHERE chat_jid = ? AND {_COUNTED}"
        " ORDER BY timestamp DESC, id DESC LIMIT 1 OFFSET ?",
        [chat, number - 1],
    )
    if found is None:
        what = "no message" if number == 1 else f"there are no {number:,} messages"
        raise WaError(
            "not-found", f"{what} in the chat with {shown_as(store, chat)}", "`wa read CHAT` shows it"
        )
    return found


def _beginning_with(store: Store, chat: str, typed: str) -> Row | None:
    """Return the message with this id, else the only one whose id begins so. Raise WaError `ambiguous`."""
    found = store.rows(
        f"SELECT {CHANGED} FROM messages WHERE chat_jid = :chat AND message_id >= :id"
        " AND message_id < :id || char(0x10ffff) ORDER BY message_id LIMIT :limit",
        {"chat": chat, "id": typed, "limit": _NAMED + 1},
    )
    if len(found) > 1 and found[0]["message_id"] != typed:
        shown = ", ".join(row["message_id"] for row in found[:_NAMED])
        more = " …" if len(found) > _NAMED else ""
        raise WaError("ambiguous", f"{typed!r} fits several messages: {shown}{more}", "give more of the id")
    return found[0] if found else None


def _where_ids_are(chat: str) -> str:
    return f"`wa read {chat} --json` shows ids; `last` is the last message"
