"""Reading the WhatsApp library's database: the linked account, hidden ids, evidence of sent messages.

Each read takes less than a second: the database is in rollback mode, so a reader keeps the
library from writing. This module never opens it in a process in which the library has it open:
SQLite's locks belong to the process, and closing the file here would drop the locks of the
library, which has an SQLite of its own (sqlite.org/howtocorrupt.html, 2.2.1). In such a process,
`session_query` reads the database in a child process.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from wa.errors import WaError
from wa.store.files import create, explained
from wa.store.paths import Home
from wa.whatsapp.events import Account
from wa.whatsapp.neonize import session_query
from wa.whatsapp.neonize.session_query import opened, read_rows
from wa.whatsapp.transport import Evidence

log = logging.getLogger(__name__)
T = TypeVar("T")

READ_TRIES = 6


def account(home: Home) -> Account | None:
    """Return the linked account; None before linking and after logging out.

    Raise WaError `corrupt` for a file that is no session database, and `storage-error`.
    """
    found = rows(home, "SELECT jid, lid, push_name FROM whatsmeow_device LIMIT 1")
    for jid, lid, push_name in found:
        return Account(_bare(jid), _bare(lid) if lid else None, push_name or None)
    return None


def evidence(home: Home, secret: bytes, marked: Sequence[str]) -> Evidence:
    """Return whether the attempt with this secret sent its message.

    `marked` are the message ids marked since the attempt began. The library writes a message's
    secret and id into its database before the frame is sent: an id without a mark was not sent;
    an id with a mark may have been sent.
    """
    try:
        found = rows(home, "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ?", [secret])
    except WaError as error:
        log.warning("%s", error.message)
        return Evidence(sent=None)
    message_id = found[0][0] if found else None
    if message_id is not None and message_id not in marked:
        return Evidence(sent=False)
    return Evidence(sent=None, message_id=message_id)


is_shared = threading.Event()
"""Set once the library has opened the database in this process, and never cleared."""


def phone_of(home: Home, lid: str) -> str | None:
    """Return the phone JID behind a hidden id, None where the library does not know it."""
    found = rows(home, "SELECT pn FROM whatsmeow_lid_map WHERE lid = ?", [lid.partition("@")[0]])
    return f"{found[0][0]}@s.whatsapp.net" if found else None


def secrets(home: Home, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
    """Return the secrets of messages that the library keeps, by message id, for any form of their chats."""
    marks = [", ".join("?" * len(each)) for each in (chats, message_ids)]
    found = rows(
        home,
        "SELECT message_id, hex(key) FROM whatsmeow_message_secrets WHERE our_jid IN"
        f" (SELECT jid FROM whatsmeow_device) AND chat_jid IN ({marks[0]}) AND message_id IN ({marks[1]})",
        [*chats, *message_ids],
    )
    secrets: dict[str, list[bytes]] = {}
    for message_id, key in found:
        secrets.setdefault(message_id, []).append(bytes.fromhex(key))
    return secrets


def _bare(jid: str) -> str:
    user, _, server = jid.partition("@")
    return f"{user.partition(':')[0].partition('.')[0]}@{server}"


def copy(home: Home, target: Path) -> None:
    """Copy the whole database as it is at one moment, in a process without the library; for its owner alone.

    Raise WaError `not-authorized` when there is no database, `corrupt` and `storage-error`.
    """
    assert not is_shared.is_set()  # noqa: S101
    if account(home) is None:
        raise WaError(
            "not-authorized", "there are no session keys: no account is linked", "`wa link` links one"
        )
    with explained(target):
        create(target).close()

    def whole(path: Path) -> None:
        with opened(str(path)) as db, closing(sqlite3.connect(target)) as copied:
            db.backup(copied)

    _patiently(home, whole)


def rows(home: Home, sql: str, params: Sequence[str | bytes] = ()) -> list[Any]:
    """Return the rows of a query, none without a database. Raise WaError `corrupt` and `storage-error`."""
    if not home.session.exists():
        return []
    read = _read_elsewhere if is_shared.is_set() else read_rows
    try:
        return _patiently(home, lambda path: read(str(path), sql, params))
    except _NotYetMade:
        return []


class _NotYetMade(Exception):
    """The database exists, but has no tables yet."""


def _patiently(home: Home, read: Callable[[Path], T]) -> T:
    """Read, and try again while the library is writing. Raise WaError `corrupt` and `storage-error`."""
    for attempt in range(READ_TRIES):
        try:
            return read(home.session)
        except (sqlite3.OperationalError, OSError) as error:
            if "no such table" in str(error):
                raise _NotYetMade from error
            is_busy = "locked" in str(error) or isinstance(error, FileNotFoundError)
            if not is_busy or attempt == READ_TRIES - 1:
                raise WaError(
                    "storage-error",
                    f"cannot read {home.session}: {error}",
                    f"check who owns it, and that nothing else keeps it open: ls -l {home.session}",
                ) from error
        except sqlite3.DatabaseError as error:
            raise WaError(
                "corrupt",
                f"{home.session}, which holds this device's keys, is damaged: {error}",
                "move it away, then `wa link` links this device anew; what is recorded stays",
            ) from error
    raise AssertionError  # not reached


def _read_elsewhere(path: str, sql: str, params: Sequence[str | bytes]) -> list[Any]:
    question = {"path": path, "sql": sql, "params": [_packed(each) for each in params]}
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", session_query.__file__],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise sqlite3.OperationalError("no answer") from None
    answer = json.loads(done.stdout or '{"OperationalError": "no answer"}')
    if "rows" in answer:
        return list(answer["rows"])
    ((kind, text),) = answer.items()
    raise _ERRORS.get(kind, sqlite3.OperationalError)(text)


_ERRORS = {
    "DatabaseError": sqlite3.DatabaseError,
    "FileNotFoundError": FileNotFoundError,
    "PermissionError": PermissionError,
}


def _packed(value: str | bytes) -> str | dict[str, str]:
    return {"hex": value.hex()} if isinstance(value, bytes) else value
