"""Decoding the content of a WhatsApp message: a text, an edit, a deletion, a reaction, a file.

The fields of `waE2E.Message` are read by name, so this module does not import the library.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from wa.whatsapp.events import Deleted, Edited, Event, MessageReceived, Reacted
from wa.whatsapp.neonize.decoding.fields import seconds_of, text_of
from wa.whatsapp.neonize.decoding.unavailable import stand_in

_WRAPPERS = ("FutureProofMessage", "DeviceSentMessage")
# fmt: off
_KEYS = ("senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "groupRootKeyShare",
         "rootSecretDistributeMessage")
_SILENT = frozenset({*_KEYS, "messageContextInfo"})
# Beginnings of the fields of a protocolMessage between our own devices; some of these hold keys.
_PEER = ("appState", "historySync", "initialSecurity", "lidMigration", "peerData", "sharedDevice")
_KINDS = {
    "image": "image", "video": "video", "ptv": "video", "audio": "audio", "document": "document",
    "sticker": "sticker", "stickerPack": "sticker", "location": "location", "liveLocation": "location",
    "contact": "contact", "contactsArray": "contact", "pollCreation": "poll", "pollResultSnapshot": "poll",
}
# Ends of the names of fields that people read; and of those fields and parts that people do not read.
_VISIBLE = ("address", "author", "body", "caption", "comment", "conversation", "description", "footer",
            "link", "message", "name", "note", "text", "title")
_HIDDEN = ("nnotations", "contextInfo", "correctAnswer", "elementName", "matchedText", "nativeFlowInfo",
           "nativeFlowMessage", "nativeFlowResponseMessage", "ileName")
_NOTICES = {
    "pollUpdate": "Voted in a poll", "pollAddOption": "Added an option to a poll", "album": "Album",
    "pinInChat": "Pinned or unpinned a message", "keepInChat": "Kept a disappearing message or let it go",
    "encEventResponse": "Answered an invitation", "secretEncrypted": "Changed a message (encrypted)",
}
# fmt: on


def events_of(message: Any, blank: MessageReceived, *, is_edit: bool = False) -> list[Event]:
    """Return the events in a message's content; `blank` has its chat, id, sender and time."""
    *outer, inner = _layers(message)
    chat, target, at, edited = blank.chat_jid, blank.message_id, blank.timestamp, None
    reaction, protocol = inner.reactionMessage, inner.protocolMessage
    said_at = seconds_of(reaction.senderTimestampMS or protocol.timestampMS)
    at = min(said_at or at, at + 86_400)  # a sender's clock far ahead would override all later changes
    if inner.HasField("placeholderMessage"):
        return [stand_in(_message_of(inner, blank), "phone_only")]
    if reaction.key.ID:
        return [Reacted(chat, text_of(reaction.key.ID), blank.sender, text_of(reaction.text), at)]
    # An unknown type counts as not set, and would then read as the default, a deletion.
    kind = protocol.Type.Name(protocol.type) if protocol.key.ID and protocol.HasField("type") else None
    if kind == "REVOKE":
        return [Deleted(chat, text_of(protocol.key.ID), at, blank.sender, blank.is_from_me)]
    if kind == "MESSAGE_EDIT" and protocol.HasField("editedMessage"):
        *_, edited = _layers(protocol.editedMessage)
        target = text_of(protocol.key.ID)
    elif is_edit or any(each.HasField("editedMessage") for each in outer):
        edited = None if inner.HasField("protocolMessage") else inner
    received = _message_of(edited or inner, blank)
    by = blank.sender, blank.is_from_me
    edits = [Edited(chat, target, received.content or "", at, *by)] if edited else []
    return [received, *edits] if target == blank.message_id else [*edits]  # the original arrives by itself


def holds_keys(message: Any, from_me: bool) -> bool:
    """Return whether a message holds keys, or is one between our own devices."""
    for layer in _layers(message):
        if from_me and any(each.name.startswith(_PEER) for each, _ in layer.protocolMessage.ListFields()):
            return True
        fields = [field.name for field, _ in layer.ListFields()]
        # A field that the library does not know yet is not listed, but counts in ByteSize().
        if fields and _SILENT.issuperset(fields) and not _without(layer, _SILENT).ByteSize():
            return True
    return False


def _layers(message: Any) -> Iterator[Any]:
    """Yield a message, the message wrapped in it (disappearing, view once …), and so on inwards."""
    while message is not None:
        yield message
        parts = (part for _, part in message.ListFields() if hasattr(part, "DESCRIPTOR"))
        inside = (part for part in parts if part.DESCRIPTOR.name in _WRAPPERS and part.HasField("message"))
        message = next((part.message for part in inside), None)


def _message_of(message: Any, blank: MessageReceived) -> MessageReceived:
    kind, text, is_plain = _type_and_text(message)
    raw = None if is_plain else _without(message, _KEYS).SerializePartialToString() or None
    ids = (part.contextInfo.stanzaID for _, part in message.ListFields() if hasattr(part, "contextInfo"))
    quoted = next((text_of(each) for each in ids if each), None)
    return replace(blank, content=text, message_type=kind, quoted_id=quoted, raw=raw)


def _type_and_text(message: Any) -> tuple[str, str | None, bool]:
    """Return a message's type, its text, and whether it is text alone."""
    for field, value in message.ListFields():
        name = field.name.partition("Message")[0]
        if name in ("conversation", "extendedText"):
            return "text", text_of(value if name == "conversation" else value.text) or None, True
        if name in _NOTICES:
            return "system", _NOTICES[name], False
        if name == "protocol":
            kind = value.Type.Name(value.type).replace("_", " ").capitalize()
            return ("system", kind, False) if value.HasField("type") else ("other", None, False)
        is_readable = field.name not in _SILENT and hasattr(value, "DESCRIPTOR")
        kind, text = _KINDS.get(name), _text(value) if is_readable else ""
        if kind or text:
            return "voice" if kind == "audio" and value.PTT else kind or "text", text or None, False
    return "other", None, False


def _text(part: Any) -> str:
    """Return the text that people read, in the order of the fields."""
    if part.DESCRIPTOR.name == "DocumentMessage":
        return text_of(part.caption or part.fileName or part.title)
    lines = []
    for field, found in part.ListFields():
        if field.message_type and not field.name.endswith(_HIDDEN):
            lines += [_text(each) for each in ([found] if hasattr(found, "ListFields") else found)]
        elif isinstance(found, str | bytes) and field.name.lower().endswith(_VISIBLE):
            lines.append(
                "" if field.name.endswith(_HIDDEN) or getattr(part, "contacts", 0) else text_of(found)
            )
    if hasattr(part, "degreesLatitude") and part.HasField("degreesLatitude"):
        lines.append(f"{round(part.degreesLatitude, 6)}, {round(part.degreesLongitude, 6)}")
    return "\n".join(filter(None, lines))


def _without(message: Any, names: Collection[str]) -> Any:
    """Return a copy of a message without the named fields."""
    rest = type(message)()
    rest.CopyFrom(message)
    for name in [field.name for field, _ in message.ListFields() if field.name in names]:
        rest.ClearField(name)
    return rest


def file_of(message: Any) -> tuple[int, str, str | None]:
    """Return size in bytes, MIME type and name of a message's file; 0, '' and None without a file."""
    for field, part in message.ListFields():
        if field.message_type is not None and "directPath" in field.message_type.fields_by_name:
            return part.fileLength, part.mimetype, getattr(part, "fileName", None) or None
    return 0, "", None
