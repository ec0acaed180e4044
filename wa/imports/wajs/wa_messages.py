"""A message as the library Baileys stores it (`WebMessageInfo` in JSON): its people, text and type.

{"key": {"remoteJid": "447700900123@s.whatsapp.net", "fromMe": false, "id": "3EB0…"},
 "messageTimestamp": 1766427001, "pushName": "Nadia", "message": {"conversation": "Hello"}}
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from wa.errors import WaError
from wa.imports.wajs.fields import Skip
from wa.jids import is_lid, is_person_or_group, parse_address, phone_of_jid
from wa.store.database import Row

_WRAPPERS = (
    "ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension",
    "documentWithCaptionMessage", "deviceSentMessage", "groupMentionedMessage", "editedMessage",
)  # fmt: skip
"""Fields that hold another message."""
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "extendedTextMessage": ("text", ("text",)),
    "imageMessage": ("image", ("caption",)),
    "videoMessage": ("video", ("caption",)),
    "ptvMessage": ("video", ("caption",)),
    "audioMessage": ("audio", ()),
    "documentMessage": ("document", ("caption", "fileName", "title")),
    "stickerMessage": ("sticker", ()),
    "contactMessage": ("contact", ("displayName",)),
    "contactsArrayMessage": ("contact", ("displayName",)),
    "locationMessage": ("location", ("name", "address", "comment")),
    "liveLocationMessage": ("location", ("caption",)),
    "pollCreationMessage": ("poll", ("name",)),
    "pollCreationMessageV2": ("poll", ("name",)),
    "pollCreationMessageV3": ("poll", ("name",)),
    "buttonsMessage": ("text", ("contentText",)),
    "templateButtonReplyMessage": ("text", ("selectedDisplayText",)),
    "buttonsResponseMessage": ("text", ("selectedDisplayText",)),
    "listMessage": ("text", ("description", "title")),
    "listResponseMessage": ("text", ("title",)),
}
"""The type of a message by its field, and the fields in it for the text."""
_NO_MESSAGES = (
    "protocolMessage", "reactionMessage", "encReactionMessage", "pollUpdateMessage", "keepInChatMessage",
    "pinInChatMessage", "senderKeyDistributionMessage",
)  # fmt: skip
"""Fields that change other messages, or hold keys."""
_KEY_ALTERNATIVES = (
    ("remoteJid", ("remoteJidAlt", "senderPn", "senderLid")),
    ("participant", ("participantAlt", "participantPn", "participantLid")),
)
"""Fields of a key with the address of a chat or a sender, and others with a second address of the same."""
_SECOND = frozenset(name for _, others in _KEY_ALTERNATIVES for name in others)


def part(record: Row, name: str) -> Row:
    """Return an object in an object, empty where it is something else."""
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def jid_of(text: Any) -> str | None:
    """Return the JID for the old tool's id of a chat or a person; None if it is no address."""
    return _jid_of(text) if isinstance(text, str) else None


@lru_cache(maxsize=1024)  # the same few people are in each message
def _jid_of(text: str) -> str | None:
    try:
        return parse_address(text.replace("@c.us", "@s.whatsapp.net"))
    except WaError:
        return None


def raw_of(record: Row) -> Row:
    """Return the message of WhatsApp in a record, empty without one: the record, or a field of it."""
    for raw in (part(record, "rawMessage"), record, part(record, "message")):
        if isinstance(raw.get("key"), dict):
            return raw
    return part(record, "rawMessage")


def chat_of(record: Any) -> str | None:
    """Return the JID of the chat of a message that stands by itself; None if it is no such message."""
    return jid_of(part(raw_of(record), "key").get("remoteJid")) if isinstance(record, dict) else None


def participant_of(raw: Row) -> str | None:
    """Return the JID of the sender of a message in a group, or of a status post."""
    key = part(raw, "key")
    names = [
        *(key.get(name) for name in ("participant", "participantAlt", "participantPn")),
        raw.get("participant"),
    ]
    return next((jid for name in names if (jid := jid_of(name))), None)


def same_people(raw: Row, me: str) -> Iterator[tuple[str, str]]:
    """Yield the hidden ids that a message explains, each with the phone JID of the same person."""
    key = part(raw, "key")
    if _SECOND.isdisjoint(key):
        return
    # The second address of our own messages is the chat's with one version, ours with another.
    if key.get("fromMe"):
        return
    for name, others in _KEY_ALTERNATIVES:
        one = jid_of(key.get(name) or (raw.get(name) if name == "participant" else None))
        for other in others:
            yield from pair_of(one, jid_of(key.get(other)), me)


def pair_of(one: str | None, other: str | None, me: str) -> Iterator[tuple[str, str]]:
    """Yield two addresses as a hidden id and a phone JID, if they are that, and neither is ours."""
    for lid, pn in ((one, other), (other, one)):
        if lid and pn and is_lid(lid) and phone_of_jid(pn) and pn != me:
            yield lid, pn


def is_person(jid: str) -> bool:
    """Return whether a JID is a person's."""
    return is_person_or_group(jid) and not jid.endswith("@g.us")


def content_of(raw: Row) -> tuple[str, str]:
    """Return type and text of a message. Raise Skip if it is no message to read."""
    message = part(raw, "message")
    while inner := next((each for name in _WRAPPERS if (each := part(part(message, name), "message"))), None):
        message = inner
    if isinstance(message.get("conversation"), str):
        return "text", message["conversation"]
    for name, (kind, fields) in _KINDS.items():
        if isinstance(message.get(name), dict):
            found = message[name]
            text = next(
                (found[each] for each in fields if isinstance(found.get(each), str) and found[each]), ""
            )
            if kind == "location" and not text:
                text = f"{found.get('degreesLatitude')}, {found.get('degreesLongitude')}"
            return "voice" if name == "audioMessage" and found.get("ptt") else kind, text
    if changes := next((name for name in _NO_MESSAGES if name in message), None):
        raise Skip(f"it is no message to read, but a {changes}")
    if not message:
        raise Skip("it has no content: a notice of WhatsApp's, or a message that was not decrypted")
    return "other", ""
