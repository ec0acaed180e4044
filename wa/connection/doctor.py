"""The checks of `wa doctor`, each with a hint when it fails."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from wa.backup import history
from wa.connection import spool
from wa.connection.status import CLOCK_SLACK, line_of
from wa.errors import WaError
from wa.jids import phone_of_jid
from wa.queue import attention, pacing, rows
from wa.record import messages
from wa.record.derived import check
from wa.record.retention import daily
from wa.settings import Settings, Storage
from wa.store import condition
from wa.store.database import Store
from wa.store.env_files import COMMAND_LINE, DEFAULT, ENVIRONMENT, Sources, notices_of
from wa.store.files import free_bytes, free_inodes
from wa.store.locks import describe_holder
from wa.store.paths import Home
from wa.texts import counted
from wa.times import from_iso
from wa.whatsapp.neonize import session_db as session
from wa.zones import rules_text

LITTLE_SPACE = 200 * 1024 * 1024
"""The free bytes on the disk below which the check fails."""
FEW_FILES = 1000
"""The free inodes, one for each new file, below which the check fails."""
CONNECT_SECONDS = 60.0
"""Seconds that an attempt to connect may take."""
PACKAGES = ("wa", "neonize", "sqlite-utils", "typer", "boto3", "phonenumbers")


class Subject(Protocol):
    """A home with its settings, to examine. Each attribute raises its error when it is read."""

    @property
    def home(self) -> Home: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def sources(self) -> Sources: ...

    @property
    def store(self) -> Store: ...

    @property
    def storage(self) -> Storage | None: ...

    @property
    def now(self) -> Callable[[], datetime]: ...


def examine(subject: Subject) -> list[dict[str, Any]]:
    """Run all checks. Return for each {"name", "ok", "message", "hint", "code"}. No check raises.

    The check `sources` has `settings` too: for each one `environment`, the path of a file, or `default`.
    """
    checks: dict[str, Callable[[Subject], str | dict[str, Any]]] = {
        "versions": _versions,
        "sqlite": _sqlite,
        "home": _home,
        "settings": _settings,
        "sources": _sources,
        "database": _database,
        "records": _records,
        "session": _session,
        "connection": _connection,
        "sending": _sending,
        "queue": _queue,
        "clock": _clock,
        "zones": lambda subject: rules_text(),
        "disk": _disk,
        "retention": lambda subject: daily.describe(subject.store, subject.settings.retention),
        "storage": _storage,
    }
    return [_outcome(name, check, subject) for name, check in checks.items()]


def _outcome(name: str, check: Callable[[Subject], str | dict[str, Any]], subject: Subject) -> dict[str, Any]:
    try:
        found = check(subject)
        more = found if isinstance(found, dict) else {"message": found}
        return {"name": name, "ok": True, "message": "", "hint": None, "code": None, **more}
    except WaError as error:
        fault = error
    except (OSError, sqlite3.Error) as error:
        fault = WaError("storage-error", f"{type(error).__name__}: {error}", f"check {subject.home.path}")
    return {"name": name, "ok": False, "message": fault.message, "hint": fault.hint, "code": fault.code}


def _versions(subject: Subject) -> str:
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise WaError("internal", f"{name} is not installed", "pip install -U wa") from None
    if not shutil.which("ffmpeg"):
        found.append("no ffmpeg (videos go out without a preview)")
    return ", ".join(found)


def _sqlite(subject: Subject) -> str:
    if missing := condition.missing_feature():
        text = f"SQLite {sqlite3.sqlite_version} has no {missing}"
        raise WaError("internal", text, "use a Python with SQLite 3.38 or newer")
    return f"SQLite {sqlite3.sqlite_version} has what is needed"


def _home(subject: Subject) -> str:
    open_files = sorted(_open_to_others(subject))
    if open_files:
        raise WaError(
            "storage-error",
            f"others can read {', '.join(open_files[:5])} in {subject.home.path}",
            f"chmod -R go-rwx {subject.home.path}",
        )
    return f"{subject.home.path}, for its owner alone"


def _open_to_others(subject: Subject) -> Iterator[str]:
    for path in (subject.home.path, *subject.home.path.iterdir()):
        with suppress(FileNotFoundError):  # a journal, or a file that is being written, is gone by now
            if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink():
                yield path.name


def _settings(subject: Subject) -> dict[str, Any]:
    settings, sources = subject.settings, subject.sources.of_all()
    never_set = [
        ("WA_TZ", f"times are read in {settings.zone}, the zone of this computer"),
        ("WA_REGION", "a phone number needs its country code"),
    ]
    remarks = [f"{name} was never set: {then}" for name, then in never_set if sources[name] == DEFAULT]
    found = f"transport {settings.transport}, zone {settings.zone}, region {settings.region or 'none'}"
    return {"message": found, "hint": "; ".join(remarks) or None}


def _sources(subject: Subject) -> dict[str, Any]:
    sources = subject.sources.of_all()
    names: dict[str, list[str]] = {}
    for name, source in sources.items():
        names.setdefault(source, []).append(name)
    defaults = names.pop(DEFAULT, [])
    found = [f"{', '.join(named)} from {_place(source)}" for source, named in names.items()]
    found += ["all others by default"] if found and defaults else ["all by default"] if defaults else []
    notices = notices_of(subject.sources)
    return {
        "message": "; ".join([*found, *(text for text, _ in notices)]),
        "hint": "; ".join(hint for _, hint in notices) or None,
        "settings": sources,
    }


def _place(source: str) -> str:
    return f"the {source}" if source in (COMMAND_LINE, ENVIRONMENT) else source


def _database(subject: Subject) -> str:
    check.verify(subject.store)
    return f"{counted(messages.count(subject.store), 'message')}, no damage"


def _records(subject: Subject) -> str:
    stuck = spool.stuck(subject.store)
    if stuck:
        raise WaError(
            "internal",
            f"of what came, {counted(len(stuck), 'event')} cannot be recorded: {stuck[0]}",
            "they are kept; a newer version of wa may know them",
        )
    if damaged := spool.damage(subject.store):
        raise WaError(
            "corrupt",
            f"{damaged:,} bytes of {subject.home.spool.name} are cut off or damaged and cannot be read",
            "the next `wa listen` records what is whole, and keeps the rest",
        )
    return f"{counted(spool.count(subject.store), 'event', 'wait')} to be recorded"


def _session(subject: Subject) -> str:
    if subject.settings.transport == "loopback":
        return "the loopback transport needs none"
    linked = session.account(subject.home)
    if linked is None:
        raise WaError("not-authorized", "no WhatsApp account is linked", "wa link")
    return f"linked to +{phone_of_jid(linked.jid)}"


def _connection(subject: Subject) -> str:
    line = line_of(subject.home, subject.now())
    since = f" since {_shown(subject, from_iso(line.since))}" if line.since else ""
    if line.owner is None:
        if line.error:
            code, hint = line.error
            raise WaError(code, f"nobody holds the connection{since}: {line.reason}", hint)
        why = f"{since}: {line.reason}" if line.reason else ""
        return f"nobody holds the connection{why}; `wa listen` keeps it"
    if line.is_silent and (trouble := line.nobody_sends(scheduled=True)):
        raise WaError("in-use", *trouble)
    who = describe_holder(line.owner)
    if line.state == "offline":
        hint = "check the network; it tries again by itself"
        raise WaError("network-error", f"{who} has no line to WhatsApp{since}: {line.reason}", hint)
    if line.state == "connecting" and line.since:
        waited = (subject.now() - from_iso(line.since)).total_seconds()
        if waited > CONNECT_SECONDS:
            hint = "check the network and a firewall"
            raise WaError("network-error", f"{who} has tried to connect{since}, without an answer", hint)
    return f"{who} holds it, {line.state}{since}"


def _sending(subject: Subject) -> str:
    block = pacing.blocked(subject.store, subject.now(), subject.settings)
    if block is not None and block.reason not in ("spacing", "paused"):
        hints = {"clock": "set the clock: timedatectl set-ntp true", "disk": "free some disk space"}
        raise WaError("rate-limit-exceeded", block.text, hints.get(block.reason, "it ends by itself"))
    unknown = rows.counts(subject.store).get("unknown", 0)
    if unknown:
        raise WaError(
            "unknown-outcome",
            f"{counted(unknown, 'message')} may have been sent or not",
            "`wa schedule list --status unknown`, then `wa schedule resolve`",
        )
    line = line_of(subject.home, subject.now())
    if line.owner and line.owner.get("sends") == "unscheduled":
        note = f"{describe_holder(line.owner)} does not send scheduled messages"
        return f"{block.text}; {note}" if block and block.text else note
    return block.text if block and block.reason == "paused" else "on"


def _queue(subject: Subject) -> str:
    now = subject.now()
    overdue, counts = attention.overdue(subject.store, now), rows.counts(subject.store)
    if overdue and (trouble := line_of(subject.home, now).nobody_sends(scheduled=True)):
        late = "1 message is" if overdue == 1 else f"{overdue} messages are"
        raise WaError("send-failed", f"{late} overdue: {trouble[0]}", trouble[1])
    if bad := attention.unseen(subject.store, counts):
        first = next(iter(bad))
        text = ", ".join(f"{count} {status}" for status, count in bad.items())
        raise WaError("send-failed", f"not sent: {text}", f"`wa schedule list --status {first}` shows them")
    return f"{counted(counts.get('pending', 0), 'message', 'wait')}, {overdue} of them overdue"


def _clock(subject: Subject) -> str | dict[str, Any]:
    newest = messages.newest_time(subject.store)
    if newest is not None and messages.moment(newest) > subject.now() + CLOCK_SLACK:
        raise WaError(
            "bad-setting",
            f"the clock says {_shown(subject, subject.now())}, and there is a message of"
            f" {_shown(subject, messages.moment(newest))}",
            "set the clock: timedatectl set-ntp true",
        )
    if ahead := history.describe(subject.store, subject.now())["ahead"]:
        return {
            "message": f"{_shown(subject, subject.now())}, and a backup is dated {_shown(subject, ahead)}",
            "hint": "the clock was ahead when that backup was made, or is behind now",
        }
    return _shown(subject, subject.now())


def _shown(subject: Subject, moment: datetime) -> str:
    return moment.astimezone(subject.settings.zone).strftime("%Y-%m-%d %H:%M")


def _disk(subject: Subject) -> str:
    free = free_bytes(subject.home.path)
    if free < LITTLE_SPACE:
        raise WaError("storage-error", f"{free / 1e6:.0f} MB are free", "free some disk space")
    inodes = free_inodes(subject.home.path)
    if inodes is not None and inodes < FEW_FILES:
        raise WaError(
            "storage-error",
            f"the disk has room for {inodes} new files (inodes), although {free / 1e9:.1f} GB are free",
            "remove files that are not needed: `df -i` and `du --inodes` show where they are",
        )
    return f"{free / 1e9:.1f} GB are free" + ("" if inodes is None else f", and {inodes:,} new files")


def _storage(subject: Subject) -> str:
    if subject.storage is None:
        return "none is set; backups stay on this machine"
    from wa.s3.bucket import Bucket

    Bucket(subject.storage).open("wa-doctor")  # the object need not exist: any answer is enough
    return f"bucket {subject.storage.bucket} answers"
