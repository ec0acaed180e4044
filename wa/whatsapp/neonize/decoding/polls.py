"""Options added to polls, votes and answers to invitations, as messages and as the history tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wa.values import replace
from wa.whatsapp.events import Event, MessageReceived, OptionAdded, Voted
from wa.whatsapp.neonize.decoding.fields import seconds_of, text_of

_ANSWERS = {1: "going", 2: "not going", 3: "perhaps"}


def option_in(message: Any, blank: MessageReceived) -> OptionAdded | None:
    """Return the option that a message adds to a poll, which is not sealed; None for other messages."""
    if not message.HasField("pollAddOptionMessage"):
        return None
    added = message.pollAddOptionMessage
    if not (added.pollCreationMessageKey.ID and added.addOption.optionName):
        return None
    notice = replace(blank, quoted_id=text_of(added.pollCreationMessageKey.ID))
    return OptionAdded(notice, text_of(added.addOption.optionName))


def vote_of(vote: Any, notice: MessageReceived, said_at: int) -> Voted:
    """Return a vote; `notice` is its message, which quotes the poll, `said_at` in Unix milliseconds."""
    return Voted(
        notice, tuple(each.hex() for each in vote.selectedOptions), said_at or notice.timestamp * 1000
    )


def answer_of(response: Any, notice: MessageReceived) -> MessageReceived:
    """Return the notice of an answer to an invitation; `notice` quotes the invitation."""
    words, guests = _ANSWERS.get(response.response, ""), response.extraGuestCount
    text = ": ".join(filter(None, ("Answered an invitation", words)))
    return replace(notice, content=text + (f", with {guests} more" if guests > 0 else ""))


def told(info: Any, blank: MessageReceived, sender_of: Callable[[Any], str]) -> Iterator[Event]:
    """Yield the votes and answers that the history keeps with their poll or invitation, which is `blank`.

    `sender_of` returns the sender of the message that a key names.
    """
    for update in info.pollUpdates:
        key, said_at = update.pollUpdateMessageKey, update.senderTimestampMS
        if key.ID and update.HasField("vote"):
            yield vote_of(update.vote, _notice(key, blank, sender_of, said_at), max(said_at, 0))
    for each in info.eventResponses:
        key = each.eventResponseMessageKey
        if key.ID:
            yield answer_of(each.eventResponseMessage, _notice(key, blank, sender_of, each.timestampMS))


def _notice(key: Any, about: MessageReceived, sender_of: Callable[[Any], str], at: int) -> MessageReceived:
    return MessageReceived(
        about.chat_jid, text_of(key.ID), sender_of(key), seconds_of(at) or about.timestamp, None, "system",
        key.fromMe, quoted_id=about.message_id,
    )  # fmt: skip
