"""One message of the old tool's chats.json."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from wa.imports.wajs.fields import Skip, an_object, moment
from wa.imports.wajs.wa_messages import content_of, is_person, part, participant_of, raw_of, same_people
from wa.queue.checks import MAX_TEXT
from wa.record import messages
from wa.store.database import Row
from wa.whatsapp.events import MessageReceived

_PLACEHOLDER = re.compile(
    r"\[(?:Image|Video|Voice Note|Audio|Document|Other message type)\] ?(?:undefined$)?"
)
"""The texts that the old tool stored for messages without a text."""
_NUMBER = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?", re.ASCII)
_TEXTS = ("message", "text", "content", "body", "caption")


_to_json = json.JSONEncoder(default=float).encode


class OldMessage(NamedTuple):
    """A message as it stands in the file."""

    message_id: str | None
    sender: str
    timestamp: int
    text: str
    message_type: str
    is_from_me: bool
    push_name: str | None
    raw: bytes | None
    same: tuple[tuple[str, str], ...] = ()
    """The hidden ids that it explains, with phone JIDs."""

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
    raw = raw_of(record)
    key = part(raw, "key")
    kind, text = content_of(raw) if raw and raw is not part(record, "rawMessage") else ("", _text(record))
    if len(text) > MAX_TEXT:
        raise Skip("its text is longer than a message can be")
    flags = [record[name] for name in ("isFromMe", "fromMe", "is_from_me") if record.get(name) is not None]
    is_from_me = flags[0] if flags else key.get("fromMe") or False
    if not isinstance(is_from_me, (bool, int)):
        raise Skip("it does not say who wrote it")
    kind = kind or _type_of(record, text, raw)
    number = key.get("id")
    return OldMessage(
        number if isinstance(number, str) and number else None,
        _sender(chat, bool(is_from_me), raw, me),
        _timestamp(record, raw),
        text if kind == "text" else _PLACEHOLDER.sub("", text, count=1),
        kind,
        bool(is_from_me),
        raw["pushName"] if isinstance(raw.get("pushName"), str) else None,
        _to_json(raw).encode() if raw else None,
        tuple(same_people(raw, me)),
    )


def _text(record: Row) -> str:
    """Return the text that the old tool stored. Raise Skip."""
    text = next((record[name] for name in _TEXTS if record.get(name) is not None), "")
    if not isinstance(text, str):
        raise Skip("its text is not a string")
    return text


def _type_of(record: Row, text: str, raw: Row) -> str:
    kind = record.get("messageType") or record.get("message_type") or "text"
    audio = part(part(raw, "message"), "audioMessage")
    if kind == "audio" and (text == "[Voice Note]" or audio.get("ptt")):
        kind = "voice"
    return kind if kind in messages.TYPES and kind not in messages.SILENT else "other"


def _sender(chat: str, is_from_me: bool, raw: Row, me: str) -> str:
    """Return the sender's JID. In a group and for status posts, only the raw message has it."""
    if is_from_me:
        return me
    return (None if is_person(chat) else participant_of(raw)) or chat


def _timestamp(record: Row, raw: Row) -> int:
    """Return Unix seconds from the first of the fields for a time that can be read. Raise Skip."""
    for found in (record.get("timestamp"), raw.get("messageTimestamp"), record.get("date")):
        seconds = _seconds(found)
        if seconds is not None and 0 < seconds <= messages.LAST_SECOND:
            return seconds
    raise Skip("its time cannot be read")


def _seconds(found: Any) -> int | None:
    """Return Unix seconds from a number, digits, ISO text, or the two halves of a 64-bit number."""
    if isinstance(found, dict):
        low, high = _whole(found.get("low")), _whole(found.get("high") or 0)
        found = None if low is None or high is None else (high << 32) + (low & 0xFFFFFFFF)
    elif isinstance(found, str):
        found = _whole(found) or _of_text(found)
    if not isinstance(found, (int, float, Decimal)) or isinstance(found, bool) or not 0 < found < 10**15:
        return None
    return int(found) // 1000 if found > 10**11 else int(found)


def _of_text(found: str) -> float | None:
    try:
        at = moment(found, ZoneInfo("UTC"))
    except Skip:
        return None
    return at.timestamp() if at else None


def _whole(found: Any) -> int | None:
    """Return a whole number from a number or its digits: 12 from 12, "12" and "12.0"."""
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        return int(found.partition(".")[0])
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _made_up_id(chat: str, message: OldMessage, ordinal: int) -> str:
    known = json.dumps([chat, *message.signature, ordinal]).encode()
    return messages.MADE_UP + hashlib.sha256(known).hexdigest()[:32]
