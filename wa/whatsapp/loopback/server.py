"""The stand-in for WhatsApp's servers: a database that outlives our processes, as a server would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.jids import is_group, jid_of_phone, parse_address
from wa.store.files import storage_error
from wa.store.locks import FileLock
from wa.store.paths import Home
from wa.times import to_iso
from wa.whatsapp.events import (
    Account,
    ChatRead,
    Deleted,
    Edited,
    Event,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.transport import Outgoing, ReadMark

ACCOUNT = Account(jid="12025550100@s.whatsapp.net", lid="100000000000100@lid", push_name="Me")

SWITCHES = ("offline", "ack-lost", "logged-out", "receipts", "outdated")
NUMBERS = ("ack-delay", "ack-timeout", "banned")
FAULTS = (*SWITCHES, *NUMBERS, "refuse", "not-on-whatsapp")

EVENTS: dict[str, Callable[..., Event]] = {
    "message": MessageReceived,
    "edit": Edited,
    "delete": Deleted,
    "reaction": Reacted,
    "receipt": ReceiptReceived,
    "chat-read": ChatRead,
    "mapping": JidMapped,
    "name": Named,
    "group": GroupInfo,
}
_MESSAGE_TYPES = (
    "text",
    "image",
    "video",
    "audio",
    "voice",
    "document",
    "sticker",
    "location",
    "contact",
    "poll",
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivered (
    id INTEGER PRIMARY KEY AUTOINCREMENT, to_jid TEXT NOT NULL, content TEXT NOT NULL,
    message_id TEXT NOT NULL, secret TEXT NOT NULL UNIQUE, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS incoming (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS members (group_jid TEXT, member_jid TEXT, PRIMARY KEY (group_jid, member_jid));
CREATE TABLE IF NOT EXISTS faults (name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, value));
CREATE TABLE IF NOT EXISTS connection (id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS read_marks (message_id TEXT PRIMARY KEY, chat_jid TEXT NOT NULL);
"""


class Loopback:
    """The stand-in server's database, as `wa loopback` and the transport see it."""

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        try:
            self._db = sqlite3.connect(
                home.loopback, timeout=30, isolation_level=None, check_same_thread=False
            )
            if not self._value("SELECT 1 FROM sqlite_master WHERE name = 'read_marks'"):
                with FileLock(home.migrate_lock).hold():
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        except sqlite3.Error as error:
            raise storage_error(OSError(0, str(error)), home.loopback) from error

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _value(self, sql: str, params: Sequence[Any] = ()) -> Any:
        row = self._db.execute(sql, params).fetchone()
        return None if row is None else row[0]

    def say(self, lines: Iterable[dict[str, Any]], now: datetime) -> list[str]:
        """Queue what somebody says, for the owner to receive; the ids of the messages.

        A line is an object with `from` (a JID) and `text`, or another of the
        forms in `docs/loopback.md`. All lines arrive, or, when one is wrong, none.
        """
        ids = []
        with self._write():
            for line in lines:
                for kind, event in _events_of(line, now, self._members):
                    self._put(kind, event)
                    if isinstance(event, MessageReceived):
                        ids.append(event.message_id)
        return ids

    def _members(self, group: str, speaker: str) -> tuple[tuple[str, str], ...]:
        for member in (ACCOUNT.jid, speaker):
            self._db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", [group, member])
        rows = self._db.execute("SELECT member_jid FROM members WHERE group_jid = ?", [group])
        return tuple((member, "member") for (member,) in rows)

    def _put(self, kind: str, event: Event) -> None:
        fields = asdict(event)
        if fields.get("raw") is not None:
            fields["raw"] = base64.b64encode(fields["raw"]).decode()
        payload = json.dumps(fields).encode()
        self._db.execute("INSERT INTO incoming (kind, payload) VALUES (?, ?)", [kind, payload])

    def delivered(self) -> Iterator[dict[str, Any]]:
        """What was accepted, in order."""
        cursor = self._db.execute("SELECT * FROM delivered ORDER BY id")
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def set_fault(self, name: str, value: str | None) -> None:
        """Switch a fault; it takes effect at once, in every process."""
        setting = _check_fault(name, value)
        with self._write():
            if name != "not-on-whatsapp":
                self._db.execute("DELETE FROM faults WHERE name = ?", [name])
            if setting is not None:
                self._db.execute("INSERT OR IGNORE INTO faults VALUES (?, ?)", [name, setting])

    def reset(self) -> None:
        """Clear all faults. What was delivered stays delivered."""
        self._db.execute("DELETE FROM faults")

    def faults(self) -> dict[str, str]:
        """The faults in force, by name."""
        return dict(self._db.execute("SELECT name, group_concat(value, ' ') FROM faults GROUP BY name"))

    def is_unregistered(self, jid: str) -> bool:
        """Whether `not-on-whatsapp` was said of this JID."""
        sql = "SELECT 1 FROM faults WHERE name = 'not-on-whatsapp' AND value = ?"
        return self._value(sql, [jid]) is not None

    def take_connection(self) -> str:
        """Become the newest connection; the token that says so."""
        token = secrets.token_hex(8)
        self._db.execute("INSERT OR REPLACE INTO connection VALUES (1, ?)", [token])
        return token

    def connection(self) -> str | None:
        """The newest connection's token."""
        token: str | None = self._value("SELECT token FROM connection")
        return token

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self._value("PRAGMA data_version"))

    def accept(self, message: Outgoing, message_id: str, now: datetime, *, receipt: bool) -> None:
        """Take a message for delivery: from here on it cannot be called back."""
        with self._write():
            self._db.execute(
                "INSERT INTO delivered (to_jid, content, message_id, secret, at) VALUES (?, ?, ?, ?, ?)",
                [message.to_jid, message.text, message_id, message.secret.hex(), to_iso(now)],
            )
            if receipt:
                self._put(
                    "receipt",
                    ReceiptReceived(
                        message.to_jid, (message_id,), message.to_jid, "delivered", int(now.timestamp())
                    ),
                )

    def accepted_id(self, secret: bytes) -> str | None:
        """The id under which the message with this secret was accepted."""
        found: str | None = self._value("SELECT message_id FROM delivered WHERE secret = ?", [secret.hex()])
        return found

    def next_incoming(self, after: int) -> tuple[int, str, bytes] | None:
        """The oldest event behind `after` that waits for us."""
        row: tuple[int, str, bytes] | None = self._db.execute(
            "SELECT id, kind, payload FROM incoming WHERE id > ? ORDER BY id LIMIT 1", [after]
        ).fetchone()
        return row

    def remove_incoming(self, number: int, token: str) -> bool:
        """Forget an event that was handed over, or is just going to be; False where it is not ours."""
        sql = "DELETE FROM incoming WHERE id = ? AND (SELECT token FROM connection) = ?"
        return self._db.execute(sql, [number, token]).rowcount > 0

    def note_read(self, mark: ReadMark) -> None:
        """Remember that these messages were marked as read."""
        with self._write():
            rows = [(message_id, mark.chat_jid) for message_id in mark.message_ids]
            self._db.executemany("INSERT OR IGNORE INTO read_marks VALUES (?, ?)", rows)


def _check_fault(name: str, value: str | None) -> str | None:
    """The value to store, None to clear the fault. Raises WaError `usage`."""
    if name not in FAULTS:
        raise WaError("usage", f"{name!r} is not a fault", "faults: " + ", ".join(FAULTS))
    if name in SWITCHES:
        if value not in ("on", "off"):
            raise WaError("usage", f"{name} is on or off, not {value!r}", f"wa loopback fault {name} on")
        normal = "on" if name == "receipts" else "off"
        return None if value == normal else value
    if value is None:
        raise WaError("usage", f"{name} needs a value", f"wa loopback fault {name} VALUE")
    if name == "not-on-whatsapp":
        jid = parse_address(value)
        if jid is None:
            raise WaError(
                "usage", f"{value!r} is not a phone number", f"wa loopback fault {name} 447700900123"
            )
        return jid
    if value == "off":
        return None
    try:
        number = int(value) if name == "refuse" else float(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 10**9:
        raise WaError("usage", f"{name} takes a number or off, not {value!r}", f"wa loopback fault {name} 3")
    return str(number) if number or name == "ack-timeout" else None


def group_jid(name: str) -> str:
    """The JID of a group on loopback: its own where `name` is one, else one made from the name."""
    if is_group(name):
        return name
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:5], "big")
    return f"120363{number:013d}@g.us"


def _events_of(
    line: dict[str, Any], now: datetime, members: Callable[[str, str], tuple[tuple[str, str], ...]]
) -> Iterator[tuple[str, Event]]:
    """The events that one said line stands for, each with its kind."""
    sender, text = str(line["from"]), str(line.get("text") or "")
    mine = sender == ACCOUNT.jid
    chat = sender if not mine else str(line.get("to") or ACCOUNT.jid)
    stamp = int(line.get("timestamp") or now.timestamp())
    if line.get("group"):
        chat = group_jid(str(line["group"]))
        name = None if is_group(str(line["group"])) else str(line["group"])
        yield "group", GroupInfo(chat, name, members(chat, sender))
    if line.get("phone"):
        yield "mapping", JidMapped(lid=sender, pn=jid_of_phone(str(line["phone"])))
    if line.get("edit"):
        yield "edit", Edited(chat, str(line["edit"]), text, stamp)
    elif line.get("delete"):
        yield "delete", Deleted(chat, str(line["delete"]), stamp)
    elif line.get("react"):
        yield "reaction", Reacted(chat, str(line["react"]), sender, text, stamp)
    elif line.get("receipt"):
        yield "receipt", ReceiptReceived(chat, (str(line["receipt"]),), sender, text or "delivered", stamp)
    else:
        yield "message", _message_of(line, MessageReceived(chat, "", sender, stamp, text, is_from_me=mine))


def _message_of(line: dict[str, Any], base: MessageReceived) -> MessageReceived:
    kind = str(line.get("type") or "text")
    known = kind in _MESSAGE_TYPES
    return replace(
        base,
        message_id=str(line.get("id") or "3A" + secrets.token_hex(9).upper()),
        message_type=kind if known else "other",
        push_name=line.get("name"),
        quoted_id=line.get("reply_to"),
        raw=None if known else json.dumps(line).encode(),
    )
