"""One message of the old tool's chats.json."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wa.errors import WaError
from wa.imports.wajs.fields import Skip, an_object
from wa.jids import is_group, parse_address
from wa.queue.checks import MAX_TEXT
from wa.record import messages
from wa.store.database import Row
from wa.whatsapp.events import MessageReceived

_PLACEHOLDER = re.compile(
    r"\[(?:Image|Video|Voice Note|Audio|Document|Other message type)\] ?(?:undefined$)?"
)
"""The texts that the old tool stored for messages without a text."""
_TEXTS = ("message", "text", "content", "body", "caption")


@dataclass(frozen=True)
class OldMessage:
    """A message as it stands in the file."""

    message_id: str | None
    sender: str
    timestamp: int
    text: str
    message_type: str
    is_from_me: bool
    push_name: str | None
    raw: bytes | None

    @property
    def signature(self) -> tuple[int, bool, str]:
        """Time, direction and text: messages with equal signatures cannot be told apart."""
        return self.timestamp, self.is_from_me, self.text

    @property
    def signature_key(self) -> int:
        """The signature as a number that grows with time, so that neighbours are together in an index."""
        digest = hashlib.blake2b(
            f"{self.is_from_me:d}{self.text}".encode(errors="surrogatepass"), digest_size=3
        )
        return (self.timestamp << 24) | int.from_bytes(digest.digest(), "big")

    def event(self, chat: str, named: str, ordinal: int) -> MessageReceived:
        """Return the message as one of `chat`, which the file calls `named`.

        `ordinal` is the number of equal messages before it.
        """
        return MessageReceived(
            chat,
            self.message_id or _made_up_id(named, self, ordinal),
            self.sender,
            self.timestamp,
            self.text,
            message_type=self.message_type,
            is_from_me=self.is_from_me,
            raw=self.raw,
        )


def read_message(record: Any, chat: str, me: str) -> OldMessage:
    """Return a record as a message. Raise Skip."""
    record = an_object(record)
    raw = _part(record, "rawMessage")
    key = _part(raw, "key")
    text = next((record[name] for name in _TEXTS if record.get(name) is not None), "")
    if not isinstance(text, str):
        raise Skip("its text is not a string")
    if len(text) > MAX_TEXT:
        raise Skip("its text is longer than a message can be")
    flags = [record[name] for name in ("isFromMe", "fromMe", "is_from_me") if record.get(name) is not None]
    is_from_me = flags[0] if flags else key.get("fromMe", False)
    if not isinstance(is_from_me, (bool, int)):
        raise Skip("it does not say who wrote it")
    kind = _type_of(record, text, raw)
    number = key.get("id")
    return OldMessage(
        number if isinstance(number, str) and number else None,
        _sender(chat, bool(is_from_me), key, me),
        _timestamp(record, raw),
        text if kind == "text" else _PLACEHOLDER.sub("", text, count=1),
        kind,
        bool(is_from_me),
        raw["pushName"] if isinstance(raw.get("pushName"), str) else None,
        json.dumps(raw, default=float).encode() if raw else None,
    )


def jid_of(chat: Any) -> str | None:
    """Return the JID for the old tool's id of a chat; None if it is no address."""
    try:
        return parse_address(chat.replace("@c.us", "@s.whatsapp.net")) if isinstance(chat, str) else None
    except WaError:
        return None


def _part(record: Row, name: str) -> Row:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _type_of(record: Row, text: str, raw: Row) -> str:
    kind = record.get("messageType") or record.get("message_type") or "text"
    audio = _part(_part(raw, "message"), "audioMessage")
    if kind == "audio" and (text == "[Voice Note]" or audio.get("ptt")):
        kind = "voice"
    return kind if kind in messages.TYPES and kind not in messages.SILENT else "other"


def _sender(chat: str, is_from_me: bool, key: Row, me: str) -> str:
    """Return the sender's JID. In a group, only the raw message has it."""
    if is_from_me:
        return me
    return (jid_of(key.get("participant")) if is_group(chat) else None) or chat


def _timestamp(record: Row, raw: Row) -> int:
    """Return Unix seconds from a number, from digits, or from the two halves of a 64-bit number."""
    for found in (record.get("timestamp"), raw.get("messageTimestamp")):
        if isinstance(found, dict):
            low, high = found.get("low"), found.get("high", 0)
            found = (
                (high << 32) + (low & 0xFFFFFFFF) if isinstance(low, int) and isinstance(high, int) else None
            )
        elif isinstance(found, str):
            found = int(found) if found.isascii() and found.isdigit() and len(found) < 20 else None
        if not isinstance(found, (int, float, Decimal)) or isinstance(found, bool) or not 0 < found < 10**15:
            continue
        seconds = int(found) // 1000 if found > 10**11 else int(found)
        if seconds <= messages.LAST_SECOND:
            return seconds
    raise Skip("its time cannot be read")


def _made_up_id(chat: str, message: OldMessage, ordinal: int) -> str:
    known = json.dumps([chat, *message.signature, ordinal]).encode()
    return messages.MADE_UP + hashlib.sha256(known).hexdigest()[:32]
