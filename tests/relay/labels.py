"""What a message says about itself outside of its ciphertext: type, mediatype, edit, polltype.

The server sees these words alone, and cannot know whether they fit; the phones here look. whatsmeow and
Baileys 7 send them, Baileys 6 calls all but polls "text".
"""

from __future__ import annotations

from typing import Any, NamedTuple

from relay.wabin import Node

EDITED, PINNED, ADMIN_EDITED, OWN_DELETED, ADMIN_DELETED = "1", "2", "3", "7", "8"
EDITS = ("", EDITED, PINNED, ADMIN_EDITED, OWN_DELETED, ADMIN_DELETED)
TYPES = ("text", "media", "reaction", "poll", "event", "medianotify")
WRAPPERS = (
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "ephemeralMessage",
    "documentWithCaptionMessage",
    "lottieStickerMessage",
    "editedMessage",
    "associatedChildMessage",
)
"""The fields that hold another message."""
POLLS = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3")
MEDIA = {
    "imageMessage": "image",
    "stickerMessage": "sticker",
    "documentMessage": "document",
    "audioMessage": "audio",
    "videoMessage": "video",
    "ptvMessage": "video",
    "stickerPackMessage": "sticker_pack",
    "contactMessage": "vcard",
    "contactsArrayMessage": "contact_array",
}


class Labels(NamedTuple):
    """The words for a message; an empty one is left out of its stanza."""

    type: str = "text"
    mediatype: str = ""
    edit: str = ""
    polltype: str = ""


def unwrap(message: Any) -> Any:
    """Return the message inside wrappers such as that of a picture to be seen once."""
    return unpack(message)[1]


def unpack(message: Any) -> tuple[list[str], Any]:
    """Return the names of the wrappers around a message, from outside in, and the message inside."""
    names = []
    while name := next((each for each in WRAPPERS if message.HasField(each)), ""):
        names.append(name)
        message = getattr(message, name).message
    return names, message


def labels_of(hub: Any, message: Any) -> Labels:
    """Return the labels of a message."""
    message = unwrap(message)
    fields = {field.name for field, _ in message.ListFields()}
    edit = _edit(hub, message)
    if "reactionMessage" in fields:
        return Labels("reaction", edit=edit)
    if "pollUpdateMessage" in fields:
        return Labels("poll", polltype="vote")
    if fields & {*POLLS}:
        return Labels("poll", polltype="creation")
    if media := next((MEDIA[name] for name in MEDIA if name in fields), ""):
        if message.audioMessage.PTT:
            media = "ptt"
        elif message.videoMessage.gifPlayback:
            media = "gif"
        return Labels("media", media, edit)
    return Labels("event" if "eventMessage" in fields else "text", edit=edit)


def _edit(hub: Any, message: Any) -> str:
    protocol, kinds = message.protocolMessage, hub.e2e.ProtocolMessage
    if protocol.HasField("key") and protocol.type == kinds.REVOKE:
        return OWN_DELETED if protocol.key.fromMe else ADMIN_DELETED
    if protocol.HasField("key") and protocol.type == kinds.MESSAGE_EDIT:
        return EDITED
    if message.HasField("pinInChatMessage"):
        return PINNED
    if message.HasField("reactionMessage") and not message.reactionMessage.text:
        return OWN_DELETED
    return ""


def mistake(hub: Any, stanza: Node, enc: Node, message: Any) -> str:
    """Return what is wrong with the labels of a client's message, empty if they fit.

    Clients differ in what they call media, and a reaction that is taken back has edit="7" from whatsmeow and
    none from Baileys. A mediatype is for 1:1 chats in whatsmeow and for all in Baileys.
    """
    wanted, meta = labels_of(hub, message), stanza.child("meta")
    kind, edit, mediatype = stanza.text("type"), stanza.text("edit"), enc.text("mediatype")
    if kind != wanted.type and "poll" in (kind, wanted.type):
        return f"the type is {kind!r} in place of {wanted.type!r}"
    if edit not in (wanted.edit, *([""] if wanted.type == "reaction" else [])):
        return f"the edit is {edit!r} in place of {wanted.edit!r}"
    if wanted.polltype == "creation" and (meta is None or meta.text("polltype") != wanted.polltype):
        return f"it has no polltype {wanted.polltype!r}"
    if mediatype and wanted.mediatype and mediatype != wanted.mediatype:
        return f"the mediatype is {mediatype!r} in place of {wanted.mediatype!r}"
    return ""
