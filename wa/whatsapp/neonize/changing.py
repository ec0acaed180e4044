"""Building the message that changes another one: a reaction, another text, a deletion for everyone.

The key that names the message is built here: the helpers of the library compare the phone number alone, so
for a message of ours in a chat by hidden id they would name somebody else as its author.
"""

from __future__ import annotations

from typing import Any

from wa.jids import is_group
from wa.whatsapp.neonize.client import Client
from wa.whatsapp.neonize.encoding import mentions
from wa.whatsapp.transport import Change


def build(lib: Any, client: Client, change: Change) -> Any:
    """Return the waE2E.Message of one attempt."""
    proto = lib.e2e.Message()
    if change.kind == "react":
        _fill_key(client, proto.reactionMessage.key, change)
        proto.reactionMessage.text = change.text
        proto.reactionMessage.senderTimestampMS = change.at
    elif change.kind == "edit":
        protocol = proto.editedMessage.message.protocolMessage
        _fill_key(client, protocol.key, change)
        protocol.type, protocol.timestampMS = protocol.MESSAGE_EDIT, change.at
        _fill_text(client, protocol.editedMessage, change)
    else:
        _fill_key(client, proto.protocolMessage.key, change)
        proto.protocolMessage.type = proto.protocolMessage.REVOKE
    proto.messageContextInfo.messageSecret = change.secret
    return proto


def _fill_key(client: Client, key: Any, change: Change) -> None:
    about = change.key
    key.remoteJID = client.lid_of(about.chat_jid) or about.chat_jid
    key.fromMe, key.ID = about.is_from_me, about.message_id
    if is_group(about.chat_jid) and not about.is_from_me:
        key.participant = client.lid_of(about.sender) or about.sender


def _fill_text(client: Client, message: Any, change: Change) -> None:
    part = message.extendedTextMessage
    change, mentioned = mentions.with_hidden_ids(client, change)
    part.text = change.text
    part.contextInfo.mentionedJID.extend(mentioned)
    if change.timer is not None:
        part.contextInfo.expiration = change.timer.seconds
        if change.timer.set_at is not None:
            part.contextInfo.ephemeralSettingTimestamp = change.timer.set_at
