"""What people do on their phones with a message that is there: react, edit, delete, vote; and polls."""

from __future__ import annotations

import os
from typing import Any

from relay import outgoing, polls, screen
from relay.hub import Hub
from relay.labels import unwrap
from relay.model import Account, now
from relay.wabin import JID


def react(hub: Hub, account: Account, to: JID, message_id: str, emoji: str) -> str:
    """React to a message, or take it back with an empty emoji; return the id of the message that says so."""
    message = hub.e2e.Message()
    message.reactionMessage.key.CopyFrom(key_of(hub, account, to, message_id))
    message.reactionMessage.text, message.reactionMessage.senderTimestampMS = emoji, now() * 1000
    return outgoing.send(hub, account, to, message)


def edit(hub: Hub, account: Account, to: JID, message_id: str, text: str) -> str:
    """Give a text, or a file, other words; return the id of the message that says so."""
    message = hub.e2e.Message()
    protocol = message.editedMessage.message.protocolMessage
    protocol.key.CopyFrom(key_of(hub, account, to, message_id))
    protocol.type, protocol.timestampMS = hub.e2e.ProtocolMessage.MESSAGE_EDIT, now() * 1000
    entry = _entry(hub, account, to, message_id)
    original = unwrap(hub.e2e.Message.FromString(entry["message"]))
    if entry["kind"] in ("conversation", "extendedTextMessage"):
        protocol.editedMessage.conversation = text
    else:
        protocol.editedMessage.CopyFrom(original)
        getattr(protocol.editedMessage, entry["kind"]).caption = text
    return outgoing.send(hub, account, to, message)


def delete(hub: Hub, account: Account, to: JID, message_id: str) -> str:
    """Delete a message for everyone, of another as an admin; return the id of the message that says so."""
    message = hub.e2e.Message()
    message.protocolMessage.key.CopyFrom(key_of(hub, account, to, message_id))
    message.protocolMessage.type = hub.e2e.ProtocolMessage.REVOKE
    return outgoing.send(hub, account, to, message)


def ask(hub: Hub, account: Account, to: JID, question: str, options: list[str], multi: int) -> str:
    """Ask in a poll, in which one may choose `multi` options, any number if it is 0; return its id."""
    message = hub.e2e.Message()
    message.messageContextInfo.messageSecret = os.urandom(32)
    poll = message.pollCreationMessageV3 if multi == 1 else message.pollCreationMessage
    poll.name, poll.selectableOptionsCount = question, multi
    for each in options:
        poll.options.add(optionName=each)
    return outgoing.send(hub, account, to, message)


def vote(hub: Hub, account: Account, to: JID, message_id: str, options: list[str]) -> str:
    """Vote in a poll in place of an earlier vote, for nothing to take it back; return the vote's id."""
    entry = _entry(hub, account, to, message_id)
    message = hub.e2e.Message()
    update = message.pollUpdateMessage
    update.pollCreationMessageKey.CopyFrom(key_of(hub, account, to, message_id))
    update.senderTimestampMS = now() * 1000
    author = hub.accounts[entry["by"]].lid
    update.vote.CopyFrom(polls.seal(hub, entry["secret"], message_id, author, account.lid, options))
    return outgoing.send(hub, account, to, message)


def key_of(hub: Hub, account: Account, to: JID, message_id: str) -> Any:
    """Return the key of a message as its reader has it."""
    entry = _entry(hub, account, to, message_id)
    peer, is_own = hub.find(to), entry["by"] == account.number
    key = hub.e2e.Message().reactionMessage.key
    key.remoteJID, key.fromMe, key.ID = str(peer.lid if peer else to), is_own, message_id
    if peer is None and not is_own:
        key.participant = str(hub.accounts[entry["by"]].lid)
    return key


def _entry(hub: Hub, account: Account, to: JID, message_id: str) -> dict[str, Any]:
    entry = screen.entry_of(hub, account, screen.chat_name(hub, to), message_id)
    if entry is None:
        raise ValueError(f"the phone of {account.name} has no message {message_id} there")
    return entry
