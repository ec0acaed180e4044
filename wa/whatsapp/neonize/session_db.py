"""What the WhatsApp library's database tells: who we are, who is who, and what became of a message.

It is only read, and each time for less than a second: it is in rollback mode, so whoever
reads keeps the library from writing. And it is never opened in a process in which the
library has it open: SQLite's locks belong to the process, and to close the file here would
take away those of the library, which has an SQLite of its own (sqlite.org/howtocorrupt.html,
2.2.1). From there, it is read by another process: `python -m wa.whatsapp.neonize.session_db`.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from wa.errors import WaError
from wa.store.files import create, explained
from wa.store.paths import Home
from wa.whatsapp.transport import Account, Event, JidMapped, Named

log = logging.getLogger(__name__)
T = TypeVar("T")

READ_SECONDS, READ_TRIES = 0.8, 6
PEOPLE = "people"
SWEEPS = (3.0, 30.0)
"""Seconds after which a sweeper looks again; after the last, each SWEEP_EVERY."""
SWEEP_EVERY = 300.0
SWEPT_AT_ONCE = 400


def account(home: Home) -> Account | None:
    """The linked account; None before linking and after logging out.

    Raises WaError `corrupt` for what is no session database, and `storage-error`.
    """
    found = _rows(home, "SELECT jid, lid, push_name FROM whatsmeow_device LIMIT 1")
    for jid, lid, push_name in found:
        return Account(_bare(jid), _bare(lid) if lid else None, push_name or None)
    return None


def message_of(home: Home, secret: bytes) -> str | None:
    """The id under which the library was about to send the message with that secret."""
    found = _rows(home, "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ?", [secret])
    return found[0][0] if found else None


is_shared = threading.Event()
"""Set where the library has opened the database in this process: from then on for good."""


def phone_of(home: Home, lid: str) -> str | None:
    """The phone JID behind a hidden id, where the library knows it."""
    found = _rows(home, "SELECT pn FROM whatsmeow_lid_map WHERE lid = ?", [lid.partition("@")[0]])
    return f"{found[0][0]}@s.whatsapp.net" if found else None


def people(home: Home) -> tuple[set[tuple[str, str]], set[tuple[str, str, bool]]]:
    """Hidden ids with their phone JIDs, and (JID, name, whether it is from our phone's address book)."""
    mapped = {(f"{lid}@lid", f"{pn}@s.whatsapp.net") for lid, pn in _rows(home, _MAPPED)}
    names = set()
    for jid, saved, push in _rows(home, _NAMES):
        names |= {(jid, saved, True)} if saved else set()
        names |= {(jid, push, False)} if push else set()
    return mapped, names


class Sweeper:
    """Hands over what the database has learnt of people: no event of the library tells of it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._told: set[Any] = set()
        self._timer: threading.Timer | None = None

    def start(self, hand_over: Callable[[str, bytes], None], number: int = 0) -> None:
        """Look now, and again and again until `stop`."""
        try:
            mapped, names = people(self._home)
        except WaError as error:
            log.info("%s", error.message)
        else:
            news = sorted((mapped | names) - self._told)
            self._told |= set(news)
            for begin in range(0, len(news), SWEPT_AT_ONCE):
                part = {"people": news[begin : begin + SWEPT_AT_ONCE]}
                hand_over(PEOPLE, json.dumps(part).encode())
        seconds = SWEEPS[number] if number < len(SWEEPS) else SWEEP_EVERY
        self.stop()
        self._timer = threading.Timer(seconds, self.start, [hand_over, number + 1])
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()


def decode_people(payload: bytes) -> list[Event]:
    """The events in what a sweeper handed over."""
    told = json.loads(payload)["people"]
    return [JidMapped(*each) if len(each) == 2 else Named(*each) for each in told]


_MAPPED = "SELECT lid, pn FROM whatsmeow_lid_map"
_NAMES = (
    "SELECT their_jid, coalesce(nullif(full_name, ''), nullif(first_name, ''), nullif(business_name, '')),"
    " push_name FROM whatsmeow_contacts"
)


def _bare(jid: str) -> str:
    user, _, server = jid.partition("@")
    return f"{user.partition(':')[0].partition('.')[0]}@{server}"


def copy(home: Home, target: Path) -> None:
    """Copy the whole database as it is at one moment, for its owner alone; not where the library has it open.

    Raises WaError `not-authorized` where there is none, `corrupt` and `storage-error`.
    """
    assert not is_shared.is_set()  # noqa: S101
    if account(home) is None:
        raise WaError(
            "not-authorized", "there are no session keys: no account is linked", "`wa link` links one"
        )
    with explained(target):
        create(target).close()

    def whole(path: Path) -> None:
        with _opened(path) as db, closing(sqlite3.connect(target)) as copied:
            db.backup(copied)

    _patiently(home, whole)


def _rows(home: Home, sql: str, params: Sequence[str | bytes] = ()) -> list[Any]:
    if not home.session.exists():
        return []
    read = _read_elsewhere if is_shared.is_set() else _read
    try:
        return _patiently(home, lambda path: read(path, sql, params))
    except _NotYetMade:
        return []


class _NotYetMade(Exception):
    """The database is there, and nothing is in it yet."""


def _patiently(home: Home, read: Callable[[Path], T]) -> T:
    """Read while the library may be writing. Raises WaError `corrupt` and `storage-error`."""
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


def _read(path: Path, sql: str, params: Sequence[str | bytes]) -> list[Any]:
    with _opened(path) as db:
        return db.execute(sql, params).fetchall()


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=READ_SECONDS)) as db:
        try:
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
        else:
            yield db
            return
    # Who wrote it was killed in the middle. Only a writer may undo what that left half-done: in a copy.
    with TemporaryDirectory(dir=path.parent, prefix="session.") as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        shutil.copyfile(path.with_name(f"{path.name}-journal"), copy.with_name("copy-journal"))
        with closing(sqlite3.connect(copy)) as db:
            yield db


def _read_elsewhere(path: Path, sql: str, params: Sequence[str | bytes]) -> list[Any]:
    question = {"path": str(path), "sql": sql, "params": [_packed(each) for each in params]}
    done = subprocess.run(
        [sys.executable, "-m", "wa.whatsapp.neonize.session_db"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
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


def main() -> None:
    """Answer one question, JSON on standard input, on behalf of another process."""
    question = json.load(sys.stdin)
    params = [bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in question["params"]]
    try:
        answer: dict[str, Any] = {"rows": _read(Path(question["path"]), question["sql"], params)}
    except (sqlite3.Error, OSError) as error:
        answer = {type(error).__name__: str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
