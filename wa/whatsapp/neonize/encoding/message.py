"""Building a message for the WhatsApp library: its text, the message it quotes, its file, its timer.

The library is an argument, so this module does not import it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wa.errors import WaError
from wa.media import details, outgoing
from wa.media.details import Details
from wa.media.kinds import Kind, kind_of
from wa.whatsapp.neonize.client import Client
from wa.whatsapp.neonize.encoding import kinds, mentions, quotes
from wa.whatsapp.transport import NotSent, OlderThan, Outgoing

_UPLOADED_AS = {
    "image": "MediaImage", "video": "MediaVideo", "audio": "MediaAudio", "voice": "MediaAudio",
    "document": "MediaDocument", "sticker": "MediaImage",
}  # fmt: skip
_PART_OF = {
    "image": "imageMessage", "video": "videoMessage", "audio": "audioMessage", "voice": "audioMessage",
    "document": "documentMessage", "sticker": "stickerMessage",
}  # fmt: skip


def build(lib: Any, client: Client, message: Outgoing) -> Any:
    """Return the waE2E.Message of one attempt, its file uploaded. Raise NotSent if the upload fails."""
    proto, said = lib.e2e.Message(), message.details or {}
    message, mentioned = mentions.with_hidden_ids(client, message)
    has_context = message.quote is not None or message.timer is not None or mentioned or "forwarded" in said
    if message.kind in kinds.BUILT:
        part = kinds.BUILT[message.kind](proto, message)
    elif message.file is not None:
        part = _attach(lib, client, proto, message, message.file)
    elif has_context:
        part = proto.extendedTextMessage
        part.text = message.text
    else:
        part = None
        proto.conversation = message.text
    if message.quote is not None:
        about, quote = part.contextInfo, message.quote
        about.stanzaID = quote.message_id
        quotes.fill(about.quotedMessage, quote)
        sender = quote.sender or message.to_jid
        about.participant = client.lid_of(sender) or sender  # people are known by their hidden ids
    if mentioned:
        part.contextInfo.mentionedJID.extend(mentioned)
    if "forwarded" in said:
        part.contextInfo.isForwarded, part.contextInfo.forwardingScore = True, said["forwarded"]
    if message.timer is not None:  # as WhatsApp's clients do it, which wrap it in nothing
        part.contextInfo.expiration = message.timer.seconds
        if message.timer.set_at is not None:
            part.contextInfo.ephemeralSettingTimestamp = message.timer.set_at
    if said.get("view_once"):
        part.viewOnce, inside = True, proto
        proto = lib.e2e.Message()
        proto.viewOnceMessage.message.CopyFrom(inside)
    proto.messageContextInfo.messageSecret = message.secret
    return proto


def history_request(lib: Any, client: Client, wanted: OlderThan) -> Any:
    """Return the waE2E.Message that asks our phone for older messages of a chat."""
    proto = lib.e2e.Message()
    protocol = proto.protocolMessage
    protocol.type = protocol.PEER_DATA_OPERATION_REQUEST_MESSAGE
    request = protocol.peerDataOperationRequestMessage
    request.peerDataOperationRequestType = lib.e2e.HISTORY_SYNC_ON_DEMAND
    asked = request.historySyncOnDemandRequest
    asked.chatJID = client.lid_of(wanted.chat_jid) or wanted.chat_jid
    asked.oldestMsgID, asked.oldestMsgFromMe = wanted.message_id, wanted.is_from_me
    asked.oldestMsgTimestampMS, asked.onDemandMsgCount = 1000 * wanted.timestamp, wanted.count
    return proto


def _attach(lib: Any, client: Client, proto: Any, message: Outgoing, path: Path) -> Any:
    """Upload a file, and describe it in the message."""
    said = message.details or {}
    try:
        kind = _kind_of(message, path)
        data = path.read_bytes()
    except (OSError, WaError) as error:
        raise NotSent(f"the file cannot be read: {error}") from error
    uploaded = client.upload(data, lib.media_type[_UPLOADED_AS[kind.name]])
    part = proto.ptvMessage if said.get("video_note") else getattr(proto, _PART_OF[kind.name])
    part.URL, part.directPath, part.mediaKey = uploaded.url, uploaded.DirectPath, uploaded.MediaKey
    part.fileEncSHA256, part.fileSHA256 = uploaded.FileEncSHA256, uploaded.FileSHA256
    part.fileLength, part.mimetype = len(data), kind.mimetype
    _describe(part, kind, details.of_file(path, kind))
    if kind.name == "document":
        part.fileName = part.title = message.file_name or path.name
    if said.get("gif"):
        part.gifPlayback = True
    if kind.name == "sticker":
        kinds.describe_sticker(part, path)
    elif kind.name not in ("audio", "voice"):  # which have no place for a caption
        part.caption = message.text
    return part


def _kind_of(message: Outgoing, path: Path) -> Kind:
    """Return the kind of a file; of a sticker and a forwarded file, the one that is given. Raise WaError."""
    is_said = message.kind == "sticker" or "forwarded" in (message.details or {})
    if is_said and message.kind in _PART_OF:
        return Kind(message.kind, kind_of(path).mimetype)
    return outgoing.kind_for_sending(path)


def _describe(part: Any, kind: Kind, about: Details) -> None:
    """Add the details that the recipient's phone shows before it has the file."""
    if kind.name in ("image", "video"):
        part.width, part.height = about.width or 0, about.height or 0
        part.JPEGThumbnail = about.thumbnail or b""
    if kind.name in ("audio", "voice", "video"):
        part.seconds = about.seconds or 0
    if kind.name == "voice":
        part.PTT, part.waveform = True, about.waveform or b""
