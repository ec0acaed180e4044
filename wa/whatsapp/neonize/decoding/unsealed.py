"""What is in a sealed message once it is open."""

from __future__ import annotations

from typing import Any

from wa.values import replace
from wa.whatsapp.events import Edited, Event, MessageReceived, OptionAdded, Reacted
from wa.whatsapp.neonize.decoding.content import events_of
from wa.whatsapp.neonize.decoding.fields import seconds_of, text_of
from wa.whatsapp.neonize.decoding.polls import answer_of, vote_of
from wa.whatsapp.sealed import Sealed


def events_in(sealed: Sealed, content: bytes, types: Any) -> list[Event]:
    """Return the events in the content of a sealed message; `types` are the classes of waE2E.

    Raise an error of protobuf for a content that is none.
    """
    chat, target, sender, at = sealed.chat_jid, sealed.target_id, sealed.sender, sealed.timestamp
    blank = MessageReceived(chat, sealed.message_id, sender, at, None, "system", sealed.is_from_me)
    notice = replace(blank, quoted_id=target)
    if sealed.kind == "vote":
        return [vote_of(types.PollVoteMessage.FromString(content), notice, sealed.said_at)]
    if sealed.kind == "reaction":
        reaction = types.ReactionMessage.FromString(content)
        at = min(seconds_of(reaction.senderTimestampMS) or at, at + 86_400)
        return [Reacted(chat, target, sender, text_of(reaction.text), at)]
    if sealed.kind == "answer":
        return [answer_of(types.EventResponseMessage.FromString(content), notice)]
    message = types.Message.FromString(content)
    if sealed.kind == "poll-option":
        option = text_of(message.pollAddOptionMessage.addOption.optionName)
        return [OptionAdded(notice, option)] if option else []
    if sealed.kind == "comment":
        return [_comment(each, target) for each in events_of(message, blank)]
    found = events_of(message, blank, is_edit=True)
    return [replace(each, message_id=target) for each in found if isinstance(each, Edited)]


def _comment(event: Event, target: str) -> Event:
    if isinstance(event, MessageReceived) and event.quoted_id is None:
        return replace(event, quoted_id=target)
    return event
