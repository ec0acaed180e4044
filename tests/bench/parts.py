"""Parts of the history in the form in which the library hands them over, made with its own protobuf."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from wa.jids import is_group
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.neonize.library import library

KEYS = ("mediaKey", "fileSHA256", "fileEncSHA256")


class Encoder:
    """Makes the payloads; the library is loaded once."""

    def __init__(self) -> None:
        loaded = library()
        self._event: Any = next(form for form, kind in loaded.recorded.items() if kind == "history")

    def part(self, events: Sequence[MessageReceived], progress: int) -> bytes:
        """Return one part of the history with these messages, which are in order of their chats."""
        event = self._event()
        sync = event.Data
        sync.syncType = sync.HistorySyncType.Value("FULL")
        sync.progress = progress
        conversation, chat = None, None
        for each in events:
            if conversation is None or each.chat_jid != chat:
                chat = each.chat_jid
                conversation = sync.conversations.add(ID=chat)
            _fill(conversation.messages.add(msgOrderID=each.timestamp).message, each)
        return bytes(event.SerializeToString())


def _fill(info: Any, event: MessageReceived) -> None:
    """Fill in the library's form of a message, a WebMessageInfo."""
    info.key.remoteJID, info.key.ID, info.key.fromMe = event.chat_jid, event.message_id, event.is_from_me
    if is_group(event.chat_jid) and not event.is_from_me:
        info.key.participant = info.participant = event.sender
    info.messageTimestamp = event.timestamp
    info.status = info.Status.Value("READ")
    info.messageSecret = hashlib.sha256(event.message_id.encode()).digest()
    if event.message_type == "system":
        info.messageStubType = info.StubType.Value("E2E_ENCRYPTED")
    elif event.message_type == "text":
        info.message.conversation = event.content or ""
    else:
        file(info.message, event)


def file(message: Any, event: MessageReceived) -> None:
    """Fill in a picture or a voice message, with all that its download needs."""
    is_voice = event.message_type == "voice"
    found = message.audioMessage if is_voice else message.imageMessage
    for name in KEYS:
        setattr(found, name, hashlib.sha256(f"{name} {event.message_id}".encode()).digest())
    found.URL = f"https://mmg.whatsapp.net/v/t62.7118-24/{event.message_id}?ccb=11-4&oe=68000000"
    found.directPath = f"/v/t62.7118-24/{event.message_id}?ccb=11-4&oe=68000000"
    found.fileLength, found.mediaKeyTimestamp = 48_000, event.timestamp
    if is_voice:
        found.PTT, found.seconds, found.mimetype = True, 12, "audio/ogg; codecs=opus"
    else:
        found.caption, found.mimetype = event.content or "", "image/jpeg"
        found.width, found.height = 1600, 1200
