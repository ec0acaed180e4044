"""The messages in the old tool's chats.json: read as a stream, each recorded once.

The old tool kept the ids of media messages alone. Any other message is known
by its chat, second, direction and text, and by how many such there are before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Any

from wa.errors import WaError
from wa.imports.wajs.json_stream import Event, Unreadable, elements, inside, next_batch, value
from wa.imports.wajs.records import Tally
from wa.jids import is_group, parse_address
from wa.queue.rows import MAX_TEXT
from wa.record import chats, messages, names, write
from wa.record.names import canonical
from wa.store.database import BATCH, Row, Store
from wa.store.device import own_jid
from wa.whatsapp.events import MessageReceived

# What stood for a text where there was none, by the type of the message.
_PLACEHOLDER = re.compile(
    r"\[(?:Image|Video|Voice Note|Audio|Document|Other message type)\] ?(?:undefined$)?"
)


_TEXTS = ("message", "text", "content", "body", "caption")


class _Bad(Exception):
    """A message that makes no sense, and why."""


@dataclass(frozen=True)
class _Message:
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
    def likeness(self) -> tuple[int, bool, str]:
        """What it has in common with its equals."""
        return self.timestamp, self.is_from_me, self.text

    @property
    def likeness_key(self) -> int:
        """The same in a number that grows with time, which keeps neighbours together in an index."""
        digest = hashlib.blake2b(
            f"{self.is_from_me:d}{self.text}".encode(errors="surrogatepass"), digest_size=3
        )
        return (self.timestamp << 24) | int.from_bytes(digest.digest(), "big")


class ChatReader:
    """Reads chats into the store, and counts into a tally."""

    def __init__(self, store: Store, now: datetime, tally: Tally, *, dry_run: bool) -> None:
        self._store, self._now, self._tally, self._dry_run = store, now, tally, dry_run
        self._used: Counter[tuple[int, bool]] = Counter()
        """How many messages of the chat were taken for ones that were edited or deleted since."""
        self._number = 0
        """Of the message at hand in the file."""
        self._me = own_jid(store) or "me"

    def read(self, source: Iterator[Event]) -> None:
        """Take all chats. Raises Damaged where the file is; what came before is taken."""
        # How many of each likeness a chat had so far; on disk, for a chat may have millions.
        self._store.execute("CREATE TEMP TABLE likes (likeness INTEGER PRIMARY KEY, n INTEGER)")
        self._store.execute(
            "CREATE TEMP TABLE met (chat TEXT, id TEXT, PRIMARY KEY (chat, id)) WITHOUT ROWID"
        )
        try:
            self._tally.chats = 0
            for key, first in elements(source, "chats"):
                self._read_chat(source, str(key), first)
                self._tally.chats += 1
        finally:
            self._store.execute("DROP TABLE likes")
            self._store.execute("DROP TABLE met")

    def _read_chat(self, source: Iterator[Event], key: str, first: Event) -> None:
        if first[0] == "start_array":  # the messages alone, by the chat's id
            self._take_all(key, (value(source, each) for _, each in inside(source, first)))
        elif first[0] != "start_map":
            self._tally.skip("a chat is not an object", key)
        else:
            self._read_fields(source, key, first)

    def _read_fields(self, source: Iterator[Event], key: str, first: Event) -> None:
        known: Row = {}
        with TemporaryFile("w+", encoding="utf-8") as aside:
            for name, begin in inside(source, first):
                if name == "messages" and begin[0] in ("start_array", "start_map"):
                    records = (value(source, each) for _, each in inside(source, begin))
                    if "id" in known or _jid_of(key):
                        self._take_all(known.get("id", key), records)
                    else:  # a list of chats, and this one says only later which it is
                        aside.writelines(json.dumps(each, default=_plain) + "\n" for each in records)
                elif name == "messages" and begin[1] is not None:
                    self._tally.skip("the messages of a chat are not a list", key)
                elif name in ("id", "name", "alias"):
                    known[str(name)] = value(source, begin)
                else:
                    value(source, begin)
            chat = known["id"] if isinstance(known.get("id"), str) else key
            aside.seek(0)
            self._take_all(chat, map(json.loads, aside))
        self._name(chat, known.get("name") or known.get("alias"))

    def _take_all(self, chat: Any, records: Iterator[Any]) -> None:
        """Record one chat's messages. Raises Damaged where they end in damage; what came before is taken."""
        self._store.execute("DELETE FROM likes")
        self._used.clear()
        while True:
            batch, damage = next_batch(records, BATCH)
            self._take(chat, batch)
            if damage:
                raise damage
            if not batch:
                return

    def _take(self, chat: Any, records: Sequence[Any]) -> None:
        """Record a batch of one chat's messages."""
        jid = _jid_of(chat)
        found: list[_Message] = []
        for record in records:
            self._number += 1
            try:
                if jid is None:
                    raise _Bad("its chat is not an address of WhatsApp's")
                found.append(_read_message(record, jid, self._me))
            except _Bad as reason:
                self._tally.skip(str(reason), f"message {self._number} of the file, in chat {chat}")
        if jid is None or not found:
            return
        self._tally.read += len(found)
        with self._store.write(durable=False):
            new = self._record(canonical(self._store, jid), jid, found)
        self._tally.written += new
        self._tally.already_there += len(found) - new

    def _record(self, chat: str, named: str, found: list[_Message]) -> int:
        ordinals = self._ordinals(named, found)
        there, changed = self._stored(chat, found)
        fresh = []
        for message, ordinal in zip(found, ordinals, strict=True):
            if message.message_id is None and ordinal < there[message.likeness]:
                continue  # it came by another way, or in an earlier run
            when = message.likeness[:2]
            if message.message_id is None and changed[when] > self._used[when]:
                self._used[when] += 1  # it was edited or deleted since
                continue
            number = message.message_id or _made_up_id(named, message, ordinal)
            fresh.append(_event(chat, number, message))
        if self._dry_run:
            return self._count_new(fresh)
        for sender, name in {(each.sender, each.push_name) for each in found if not each.is_from_me}:
            if name:
                names.add_name(self._store, canonical(self._store, sender), name)
        return write.record_many(self._store, fresh, "migration", self._now) if fresh else 0

    def _ordinals(self, chat: str, found: list[_Message]) -> list[int]:
        """How many equals of each message the chat has had before it."""
        keys = [each.likeness_key for each in found]
        marks = ",".join("?" * len(keys))
        sql = f"SELECT likeness, n FROM likes WHERE likeness IN ({marks})"
        before = Counter(dict(self._store.execute(sql, keys)))
        ordinals = []
        for key in keys:
            ordinals.append(before[key])
            before[key] += 1
        self._store.db.conn.executemany(
            "INSERT INTO likes VALUES (?, ?) ON CONFLICT (likeness) DO UPDATE SET n = excluded.n",
            before.items(),
        )
        return ordinals

    def _stored(
        self, chat: str, found: list[_Message]
    ) -> tuple[Counter[tuple[int, bool, str]], Counter[tuple[int, bool]]]:
        """How many messages of each likeness are stored; and how many with another text since."""
        times = json.dumps(sorted({each.timestamp for each in found if each.message_id is None}))
        rows = self._store.execute(
            "SELECT timestamp, is_from_me, coalesce(content, ''),"
            " edited_at IS NOT NULL OR deleted_at IS NOT NULL FROM json_each(?) t"
            " CROSS JOIN messages m ON m.chat_jid = ? AND m.timestamp = t.value"
            " WHERE m.status IS NOT 'early'",
            [times, chat],
        ).fetchall()
        same = Counter((time, bool(mine), text) for time, mine, text, is_changed in rows if not is_changed)
        return same, Counter((time, bool(mine)) for time, mine, _, is_changed in rows if is_changed)

    def _count_new(self, fresh: list[MessageReceived]) -> int:
        """How many would be written, if something were."""
        pairs = [
            (each.chat_jid, each.message_id)
            for each in fresh
            if not self._store.value(
                "SELECT 1 FROM messages WHERE chat_jid = ? AND message_id = ?",
                [each.chat_jid, each.message_id],
            )
        ]
        return (
            self._store.db.conn.executemany("INSERT OR IGNORE INTO met VALUES (?, ?)", pairs).rowcount
            if pairs
            else 0
        )

    def _name(self, chat: str, name: Any) -> None:
        """Keep a chat, and its name where none is known."""
        jid = _jid_of(chat)
        if jid is None or self._dry_run:
            return
        with self._store.write(durable=False):
            jid = canonical(self._store, jid)
            chats.ensure(self._store, jid, self._now)
            if isinstance(name, str) and name.strip():
                chats.add_name(self._store, jid, name.strip())


def _jid_of(chat: Any) -> str | None:
    try:
        return parse_address(chat.replace("@c.us", "@s.whatsapp.net")) if isinstance(chat, str) else None
    except WaError:
        return None


def _plain(found: Any) -> Any:
    """What json.dumps() cannot write: a number with a fraction, or what could not be read."""
    return str(found) if isinstance(found, Unreadable) else float(found)


def _read_message(record: Any, chat: str, me: str) -> _Message:
    if isinstance(record, Unreadable):
        raise _Bad(str(record))
    if not isinstance(record, dict):
        raise _Bad("it is not an object")
    raw = _part(record, "rawMessage")
    key = _part(raw, "key")
    text = next((record[name] for name in _TEXTS if record.get(name) is not None), "")
    if not isinstance(text, str):
        raise _Bad("its text is not a string")
    if len(text) > MAX_TEXT:
        raise _Bad("its text is longer than a message can be")
    flags = [record[name] for name in ("isFromMe", "fromMe", "is_from_me") if record.get(name) is not None]
    is_from_me = flags[0] if flags else key.get("fromMe", False)
    if not isinstance(is_from_me, (bool, int)):
        raise _Bad("it does not say who wrote it")
    kind = record.get("messageType") or record.get("message_type") or "text"
    if kind == "audio" and (
        text == "[Voice Note]" or _part(_part(raw, "message"), "audioMessage").get("ptt")
    ):
        kind = "voice"
    kind = kind if kind in messages.TYPES and kind not in messages.SILENT else "other"
    number = key.get("id")
    return _Message(
        number if isinstance(number, str) and number else None,
        _sender(chat, bool(is_from_me), key, me),
        _timestamp(record, raw),
        text if kind == "text" else _PLACEHOLDER.sub("", text, count=1),
        kind,
        bool(is_from_me),
        raw["pushName"] if isinstance(raw.get("pushName"), str) else None,
        json.dumps(raw, default=float).encode() if raw else None,
    )


def _part(record: Row, name: str) -> Row:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _sender(chat: str, is_from_me: bool, key: Row, me: str) -> str:
    """Who wrote it. In a group only the raw message tells."""
    if is_from_me:
        return me
    return (_jid_of(key.get("participant")) if is_group(chat) else None) or chat


def _timestamp(record: Row, raw: Row) -> int:
    """Unix seconds, from a number, from digits, or from the two halves of what JavaScript cannot hold."""
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
    raise _Bad("its time cannot be read")


def _event(chat: str, number: str, message: _Message) -> MessageReceived:
    return MessageReceived(
        chat,
        number,
        message.sender,
        message.timestamp,
        message.text,
        message_type=message.message_type,
        is_from_me=message.is_from_me,
        raw=message.raw,
    )


def _made_up_id(chat: str, message: _Message, ordinal: int) -> str:
    known = json.dumps([chat, *message.likeness, ordinal]).encode()
    return messages.MADE_UP + hashlib.sha256(known).hexdigest()[:32]
