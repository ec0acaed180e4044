"""Messages sealed with the secret of another message: edits, votes, answers, comments and reactions.

The rules are those of whatsmeow (`msgsecret.go`): the key is HKDF-SHA256 of the secret over the other
message's id, its author, the sender of the sealed message and a label; the cipher is AES-256-GCM.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from wa.values import replace
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.neonize.decoding.fields import bare_jid, text_of
from wa.whatsapp.sealed import Sealed

_LABELS = {
    "edit": ("Message Edit",),
    "event-edit": ("Event Edit",),
    "poll-edit": ("Poll Edit",),
    "poll-option": ("Poll Add Option", "Poll Edit"),  # whatsmeow names the first and uses the second
    "vote": ("Poll Vote",),
    "answer": ("Event Response",),
    "comment": ("Enc Comment",),
    "reaction": ("Enc Reaction",),
}
_NAMES_SENDER = ("vote", "answer")
"""The kinds whose cipher has id and sender as additional data."""
_EDITS = {
    "MESSAGE_EDIT": "edit", "EVENT_EDIT": "event-edit", "POLL_EDIT": "poll-edit",
    "POLL_ADD_OPTION": "poll-option",
}  # fmt: skip


def with_secret(blank: MessageReceived, layers: Iterable[Any]) -> MessageReceived:
    """Return the message with the secret that its content brings, on any of its layers."""
    secrets = (bytes(layer.messageContextInfo.messageSecret) for layer in layers)
    secret = next(filter(None, secrets), None)
    return replace(blank, secret=secret) if secret else blank


def sealed_in(message: Any, blank: MessageReceived) -> Sealed | None:
    """Return a message as a sealed one; None if it is not sealed, or in a way that is not known."""
    if message.HasField("secretEncryptedMessage"):
        part = message.secretEncryptedMessage
        kind = _EDITS.get(part.SecretEncType.Name(part.secretEncType))
        return _sealed(kind, part.targetMessageKey, part, blank) if kind else None
    if message.HasField("pollUpdateMessage"):
        part = message.pollUpdateMessage
        return _sealed("vote", part.pollCreationMessageKey, part.vote, blank, part.senderTimestampMS)
    if message.HasField("encEventResponseMessage"):
        part = message.encEventResponseMessage
        return _sealed("answer", part.eventCreationMessageKey, part, blank)
    if message.HasField("encCommentMessage"):
        part = message.encCommentMessage
        return _sealed("comment", part.targetMessageKey, part, blank)
    if message.HasField("encReactionMessage"):
        part = message.encReactionMessage
        return _sealed("reaction", part.targetMessageKey, part, blank)
    return None


def _sealed(kind: str, key: Any, part: Any, blank: MessageReceived, said_at: int = 0) -> Sealed | None:
    if not (key.ID and part.encPayload and part.encIV):
        return None
    latest = 1000 * (blank.timestamp + 86_400)  # a sender's clock far ahead would override all later votes
    return Sealed(
        blank.chat_jid, blank.message_id, blank.sender, blank.timestamp, kind, text_of(key.ID),
        author_of(key, blank), bytes(part.encIV), bytes(part.encPayload), blank.is_from_me,
        blank.push_name, min(said_at, latest) if said_at > 0 else 0,
    )  # fmt: skip


def author_of(key: Any, blank: MessageReceived) -> str:
    """Return the author of the message that a key names, in a message that `blank` is the frame of."""
    if key.fromMe:
        return blank.sender
    return bare_jid(key.participant) or bare_jid(key.remoteJID) or blank.chat_jid


def opened(
    sealed: Sealed, secrets: Iterable[bytes], authors: Iterable[str], senders: Iterable[str]
) -> bytes | None:
    """Return the content of a sealed message; None if no secret fits with any form of both addresses."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    labels = _LABELS[sealed.kind]
    for secret, label, author, sender in product(secrets, labels, authors, senders):
        use = f"{sealed.target_id}{author}{sender}{label}".encode()
        data = f"{sealed.target_id}\0{sender}".encode() if sealed.kind in _NAMES_SENDER else None
        key = HKDF(SHA256(), 32, None, use).derive(secret)
        try:
            return AESGCM(key).decrypt(sealed.iv, sealed.payload, data)
        except (InvalidTag, ValueError):  # ValueError: an impossible length of the nonce
            continue
    return None
