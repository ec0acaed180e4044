"""The stand-in for WhatsApp's servers: a database that outlives our processes, as a server does."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from wa.store.files import storage_error
from wa.store.locks import FileLock
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.times import to_iso
from wa.whatsapp.events import (
    ChatRead,
    ChatSet,
    Deleted,
    Edited,
    Event,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
    Voted,
)
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.ids import connection_token
from wa.whatsapp.loopback import groups
from wa.whatsapp.loopback.faults import checked
from wa.whatsapp.loopback.lines import ACCOUNT, events_of
from wa.whatsapp.transport import Change, Outgoing, ReadMark

AT_ONCE = 100
"""Waiting events that are read at a time."""

EVENTS: dict[str, Callable[..., Event]] = {
    "message": MessageReceived,
    "edit": Edited,
    "delete": Deleted,
    "reaction": Reacted,
    "vote": Voted,
    "receipt": ReceiptReceived,
    "chat-read": ChatRead,
    "chat-set": ChatSet,
    "mapping": JidMapped,
    "name": Named,
    "group": GroupInfo,
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivered (
    id INTEGER PRIMARY KEY AUTOINCREMENT, to_jid TEXT NOT NULL, content TEXT NOT NULL,
    message_id TEXT NOT NULL, secret TEXT NOT NULL UNIQUE, at TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT 'text', details TEXT
);
CREATE TABLE IF NOT EXISTS incoming (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, value));
CREATE TABLE IF NOT EXISTS connection (id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, chat_jid TEXT NOT NULL, about TEXT NOT NULL,
    author TEXT NOT NULL, is_from_me INTEGER NOT NULL, content TEXT NOT NULL, message_id TEXT NOT NULL,
    secret TEXT NOT NULL UNIQUE, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS read_marks (message_id TEXT PRIMARY KEY, chat_jid TEXT NOT NULL);
"""
_KINDS = """
ALTER TABLE delivered ADD COLUMN kind TEXT NOT NULL DEFAULT 'text';
ALTER TABLE delivered ADD COLUMN details TEXT;
"""
"""What a home that was begun earlier lacks."""
_HAS_KINDS = "SELECT 1 FROM pragma_table_info('delivered') WHERE name = 'kind'"


class Loopback:
    """The server's database, used by `wa loopback` and by the transport."""

    def __init__(self, home: Home, *, durable: bool = True, read_only: bool = False) -> None:
        self.socket = home.loopback.resolve().with_suffix(".sock")
        """Whoever writes to the database wakes the connection that listens there."""
        self._one_at_a_time = threading.Lock()
        """Messages, changes and read marks come from threads of one process, which share the connection."""
        uri = f"{home.loopback.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        is_new = read_only and not home.loopback.exists()
        if is_new:
            uri = "file::memory:"
        elif read_only and not home.loopback.with_name(f"{home.loopback.name}-wal").exists():
            uri += "&immutable=1"  # nobody has it open, and so no log has to be made to read it
        try:
            self._db = sqlite3.connect(
                uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False
            )
            if is_new:
                self._db.executescript(_SCHEMA + groups.SCHEMA)
            if read_only:
                return
            if not self._value("SELECT 1 FROM sqlite_master WHERE name = 'blocked'"):
                with FileLock(home.migrate_lock).hold():
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.executescript(_SCHEMA + groups.SCHEMA)
            if not self._value(_HAS_KINDS):
                with FileLock(home.migrate_lock).hold():
                    if not self._value(_HAS_KINDS):
                        self._db.executescript(_KINDS)
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        except sqlite3.Error as error:
            raise storage_error(OSError(0, str(error)), home.loopback) from error

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._one_at_a_time:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _tell(self) -> Iterator[None]:
        """Write in the block what the listening connection is to notice at once."""
        with self._write():
            yield
        wake_owner(self.socket)

    def _value(self, sql: str, params: Sequence[Any] = ()) -> Any:
        row = self._db.execute(sql, params).fetchone()
        return None if row is None else row[0]

    def say(self, lines: Iterable[dict[str, Any]], now: datetime) -> list[str]:
        """Queue messages for the owner of the connection to receive; return their ids.

        A line is an object with `from` (a JID) and `text`, or has another of the
        forms in `docs/loopback.md`. If one line is wrong, none is queued.
        """
        ids = []
        with self._tell():
            for line in lines:
                for kind, event in events_of(line, now, partial(groups.spoken_in, self._db)):
                    self._put(kind, event)
                    if isinstance(event, MessageReceived):
                        ids.append(event.message_id)
        return ids

    def _put(self, kind: str, event: Event) -> None:
        fields = dict(vars(event))
        if fields.get("raw") is not None:
            fields["raw"] = base64.b64encode(fields["raw"]).decode()
        if isinstance(event, Voted):
            fields["notice"] = vars(event.notice)
        payload = json.dumps(fields).encode()
        self._db.execute("INSERT INTO incoming (kind, payload) VALUES (?, ?)", [kind, payload])

    def delivered(self) -> Iterator[dict[str, Any]]:
        """Yield the messages that were accepted for delivery, in order."""
        return self._all("delivered")

    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield the changes of messages that were accepted, in order."""
        return ({**row, "is_from_me": bool(row["is_from_me"])} for row in self._all("changes"))

    def _all(self, table: str) -> Iterator[dict[str, Any]]:
        cursor = self._db.execute(f"SELECT * FROM {table} ORDER BY id")
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def set_fault(self, name: str, value: str | None) -> None:
        """Set or clear a fault; it takes effect at once, in every process."""
        setting = checked(name, value)
        with self._tell():
            if name != "not-on-whatsapp":
                self._db.execute("DELETE FROM faults WHERE name = ?", [name])
            if setting is not None:
                self._db.execute("INSERT OR IGNORE INTO faults VALUES (?, ?)", [name, setting])

    def reset(self) -> None:
        """Clear all faults. The lists of what was accepted stay."""
        with self._tell():
            self._db.execute("DELETE FROM faults")

    def faults(self) -> dict[str, str]:
        """Return the faults in force, by name; of `not-on-whatsapp` all JIDs, with spaces between them."""
        return dict(self._db.execute("SELECT name, group_concat(value, ' ') FROM faults GROUP BY name"))

    def take_connection(self) -> str:
        """Become the newest connection, and return its token."""
        token = connection_token()
        with self._tell():
            self._db.execute("INSERT OR REPLACE INTO connection VALUES (1, ?)", [token])
        return token

    def connection(self) -> str | None:
        """Return the newest connection's token."""
        token: str | None = self._value("SELECT token FROM connection")
        return token

    def version(self) -> int:
        """Return a number that changes when another connection has committed."""
        return int(self._value("PRAGMA data_version"))

    def accept(self, message: Outgoing, message_id: str, now: datetime, *, receipt: bool) -> None:
        """Accept a message for delivery: from now on it cannot be withdrawn."""
        details = json.dumps(message.details, ensure_ascii=False) if message.details else None
        row = [message.to_jid, message.text, message_id, message.secret.hex(), to_iso(now)]
        with self._write():
            self._db.execute(
                "INSERT INTO delivered (to_jid, content, message_id, secret, at, kind, details)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [*row, message.kind, details],
            )
            if receipt:
                self._put_receipt(message.to_jid, message_id, now)

    def accept_change(self, change: Change, message_id: str, now: datetime, *, receipt: bool) -> None:
        """Accept a change of a message: from now on it cannot be withdrawn."""
        about = change.key
        row = [about.chat_jid, about.message_id, about.sender, about.is_from_me, change.text]
        with self._write():
            self._db.execute(
                "INSERT INTO changes VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [change.kind, *row, message_id, change.secret.hex(), to_iso(now)],
            )
            if receipt:
                self._put_receipt(about.chat_jid, message_id, now)

    def _put_receipt(self, chat: str, message_id: str, now: datetime) -> None:
        self._put("receipt", ReceiptReceived(chat, (message_id,), chat, "delivered", int(now.timestamp())))

    def accepted_id(self, secret: bytes) -> str | None:
        """Return the id under which the message, or the change of one, with this secret was accepted."""
        sql = (
            "SELECT message_id FROM delivered WHERE secret = :secret"
            " UNION ALL SELECT message_id FROM changes WHERE secret = :secret"
        )
        found = self._db.execute(sql, {"secret": secret.hex()}).fetchone()
        return None if found is None else str(found[0])

    def incoming(self, after: int) -> list[tuple[int, str, bytes]]:
        """Return the AT_ONCE oldest waiting events behind a number: number, kind and payload of each."""
        sql = "SELECT id, kind, CAST(payload AS BLOB) FROM incoming WHERE id > ? ORDER BY id LIMIT ?"
        return self._db.execute(sql, [after, AT_ONCE]).fetchall()

    def remove_incoming(self, first: int, last: int, token: str) -> bool:
        """Forget the waiting events of these numbers; return False if another connection has taken over."""
        sql = "DELETE FROM incoming WHERE id BETWEEN ? AND ? AND (SELECT token FROM connection) = ?"
        return self._db.execute(sql, [first, last, token]).rowcount > 0

    def tell_history_end(self, chat: str) -> None:
        """Tell the owner of the connection that there are no older messages of a chat."""
        with self._tell():
            payload = json.dumps({"chat_jid": chat}).encode()
            self._db.execute("INSERT INTO incoming (kind, payload) VALUES ('history', ?)", [payload])

    def note_read(self, mark: ReadMark) -> None:
        """Remember that these messages were marked as read."""
        with self._write():
            rows = [(message_id, mark.chat_jid) for message_id in mark.message_ids]
            self._db.executemany("INSERT OR IGNORE INTO read_marks VALUES (?, ?)", rows)

    def groups(self) -> list[GroupInfo]:
        """Return all groups, those that we have left too, with their members."""
        return groups.listing(self._db)

    def is_outside(self, group: str) -> bool:
        """Return whether a group has members, and we are none of them."""
        people = dict(groups.info(self._db, group).members or ())
        return bool(people) and ACCOUNT.jid not in people

    def manage_group(self, action: GroupAction, missing: Collection[str]) -> GroupAnswer:
        """Do something with a group. `missing` are JIDs that nobody has. Raise Refused."""
        with self._write():
            return groups.manage(self._db, action, missing)

    def block(self, jid: str, *, is_blocked: bool) -> None:
        """Block a person, or unblock."""
        with self._write():
            groups.block(self._db, jid, is_blocked=is_blocked)

    def blocked(self) -> list[str]:
        """Return the JIDs of the people whom we have blocked."""
        return groups.blocked(self._db)
