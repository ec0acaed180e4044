"""Messages that this device cannot read: what stands for them, in words that say where they can be read."""

from __future__ import annotations

from typing import Any

from wa.values import replace
from wa.whatsapp.events import Event, MessageReceived, NothingToShow

_WORDS = {
    "view_once": "View once: only the phone can show it",
    "phone_only": "Only the phone can show this message",
    "waiting": "Waiting for this message: if it does not come, the phone can show it",
}


def stand_in(blank: MessageReceived, why: str) -> MessageReceived:
    """Return what stands for a message until it comes; `why` is `view_once`, `phone_only` or `waiting`."""
    return replace(blank, content=_WORDS[why], message_type="other", unavailable=why)


def undecrypted(event: Any, blank: MessageReceived) -> list[Event]:
    """Return what stands for a message of which the library says that it could not read it.

    Nothing stands for one that its sender wants hidden, for a change of another message, and for one
    between our own devices. Its MediaType says `view_once` where `wire_log.ViewOnce` has added that.
    """
    info = event.Info
    is_hidden = event.DecryptFailMode == event.DECRYPT_FAIL_HIDE
    if is_hidden or info.Edit or info.Category == "peer" or not blank.message_id:
        return []
    return [stand_in(blank, "view_once" if info.MediaType == "view_once" else "waiting")]


def asked_for(event: Any, blank: MessageReceived, events: list[Event]) -> list[Event]:
    """Return the events of a message; if it came on request and is none to read, say so.

    Then what stands for it has to go: a reaction, say, is sent again under an id of its own.
    """
    is_there = any(
        isinstance(each, MessageReceived) and each.message_id == blank.message_id for each in events
    )
    if is_there or not (event.RetryCount or event.UnavailableRequestID):
        return events
    return [*events, NothingToShow(blank.chat_jid, blank.message_id)]
