"""The input of `wa loopback say`: JSON Lines, each of which stands for one or more events of WhatsApp.

`docs/loopback.md` lists the forms of a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.jids import is_apart, jid_of_phone
from wa.values import replace
from wa.whatsapp.events import (
    FOREVER,
    Account,
    ChatSet,
    Deleted,
    Edited,
    Event,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Reacted,
    ReceiptReceived,
    Voted,
)
from wa.whatsapp.ids import LOOPBACK_JID, phone_message_id

ACCOUNT = Account(jid=LOOPBACK_JID, lid="100000000000100@lid", push_name="Me")
"""Our own account on loopback."""

_LISTED = {"archived", "pinned", "muted"}
_LISTING = '{"from": "447700900123", "archived": true, "pinned": false, "muted": 1795232000}'
_MESSAGE_TYPES = (
    "text",
    "image",
    "video",
    "audio",
    "voice",
    "document",
    "sticker",
    "location",
    "contact",
    "poll",
)


def read_lines(stream: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON Lines. Raise WaError `bad-data` for an invalid line."""
    for number, raw in enumerate(stream, 1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise WaError("bad-data", f"line {number} is not JSON: {error}", "one object a line") from None
        if not isinstance(line, dict) or not line.get("from"):
            example = '{"from": "447700900123", "text": "Hello"}'
            raise WaError("bad-data", f"line {number} has no `from`", example)
        if not isinstance(line.get("timestamp", 0), int):
            raise WaError("bad-data", f"the timestamp of line {number} is not a whole number", "Unix seconds")
        if wrong := next((name for name in _LISTED if not _is_listing(name, line.get(name))), None):
            raise WaError("bad-data", f"the {wrong!r} of line {number} is neither true nor false", _LISTING)
        yield line


def _is_listing(name: str, value: object) -> bool:
    """Return whether a value says how the phone lists a chat: muted may be a time in Unix seconds."""
    return value is None or isinstance(value, int if name == "muted" else bool)


def events_of(
    line: dict[str, Any], now: datetime, group_of: Callable[[str, str], GroupInfo]
) -> Iterator[tuple[str, Event]]:
    """Yield the events that one line of `say` stands for, each with its kind.

    `group_of` returns the group of a name or JID in which a person speaks.
    """
    sender, text = str(line["from"]), str(line.get("text") or "")
    mine = sender == ACCOUNT.jid
    chat = sender if not mine else str(line.get("to") or ACCOUNT.jid)
    stamp = int(line.get("timestamp") or now.timestamp())
    if line.get("group"):
        called = str(line["group"])
        if is_apart(called):  # what is posted in a channel, or as a status
            chat = called
        else:
            group = group_of(called, sender)
            chat = group.jid
            yield "group", group
    if line.get("phone"):
        yield "mapping", JidMapped(lid=sender, pn=jid_of_phone(str(line["phone"])))
    if line.get("edit"):
        yield "edit", Edited(chat, str(line["edit"]), text, stamp)
    elif line.get("delete"):
        yield "delete", Deleted(chat, str(line["delete"]), stamp)
    elif line.get("react"):
        yield "reaction", Reacted(chat, str(line["react"]), sender, text, stamp)
    elif line.get("vote"):
        notice = MessageReceived(chat, phone_message_id(), sender, stamp, None, "system", mine)
        chosen = (str(each) for each in line.get("options") or ())
        about = replace(notice, quoted_id=str(line["vote"]))
        yield "vote", Voted(about, tuple(map(_digest, chosen)), 1000 * stamp)
    elif line.get("receipt"):
        yield "receipt", ReceiptReceived(chat, (str(line["receipt"]),), sender, text or "delivered", stamp)
    elif not _LISTED.isdisjoint(line):
        yield "chat-set", ChatSet(chat, line.get("archived"), line.get("pinned"), _muted_until(line))
    else:
        yield "message", _message_of(line, MessageReceived(chat, "", sender, stamp, text, is_from_me=mine))


def _digest(option: str) -> str:
    """Return the form in which a vote names an option."""
    from hashlib import sha256

    return sha256(option.encode()).hexdigest()


def _muted_until(line: dict[str, Any]) -> int | None:
    """Return the `muted` of a line as Unix seconds: it is true, false or a time."""
    muted = line.get("muted")
    return {True: FOREVER, False: 0}[muted] if isinstance(muted, bool) else muted


def _message_of(line: dict[str, Any], base: MessageReceived) -> MessageReceived:
    kind = str(line.get("type") or "text")
    known = kind in _MESSAGE_TYPES
    return replace(
        base,
        message_id=str(line.get("id") or phone_message_id()),
        message_type=kind if known else "other",
        push_name=line.get("name"),
        quoted_id=line.get("reply_to"),
        raw=None if known else json.dumps(line).encode(),
    )
