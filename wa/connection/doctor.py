"""What wa needs to work, checked one by one, each with what to do where it is not so."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wa.connection import receive as inbox
from wa.connection.context import App
from wa.errors import WaError
from wa.phone import phone_of_jid
from wa.queue import pacing
from wa.queue import rows as schedule
from wa.record import messages
from wa.store import condition
from wa.store.locks import describe_holder, lock_holder
from wa.times import from_iso
from wa.whatsapp.neonize import session_db as session

LITTLE_SPACE = 200 * 1024 * 1024
HEARTBEAT_MISSED = 60.0
PACKAGES = ("wa", "neonize", "sqlite-utils", "typer", "boto3", "phonenumbers")
FEATURES = {
    "full-text search": "CREATE VIRTUAL TABLE temp.a USING fts5 (x, tokenize='trigram case_sensitive 1')",
    "RETURNING": "DELETE FROM temp.b RETURNING x",
    "JSON": "SELECT '{\"a\": 1}' ->> 'a'",
    "window functions": "SELECT lag(1) OVER ()",
}


def examine(app: App) -> list[dict[str, Any]]:
    """All checks, each {"name", "ok", "message", "hint", "code"}; none of them raises."""
    checks: dict[str, Callable[[App], str]] = {
        "versions": _versions,
        "sqlite": _sqlite,
        "home": _home,
        "settings": _settings,
        "database": _database,
        "records": _records,
        "session": _session,
        "connection": _connection,
        "sending": _sending,
        "clock": _clock,
        "disk": _disk,
        "storage": _storage,
    }
    return [_outcome(name, check, app) for name, check in checks.items()]


def _outcome(name: str, check: Callable[[App], str], app: App) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "message": check(app), "hint": None, "code": None}
    except WaError as error:
        found = error
    except (OSError, sqlite3.Error) as error:
        found = WaError("storage-error", f"{type(error).__name__}: {error}", f"check {app.home.path}")
    return {"name": name, "ok": False, "message": found.message, "hint": found.hint, "code": found.code}


def _versions(app: App) -> str:
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise WaError("internal", f"{name} is not installed", "pip install -U wa") from None
    if not shutil.which("ffmpeg"):
        found.append("no ffmpeg (videos go out without a preview)")
    return ", ".join(found)


def _sqlite(app: App) -> str:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE temp.b (x)")
        for name, sql in FEATURES.items():
            try:
                db.execute(sql)
            except sqlite3.OperationalError:
                raise WaError(
                    "internal",
                    f"SQLite {sqlite3.sqlite_version} has no {name}",
                    "use a Python with SQLite 3.38 or newer",
                ) from None
    db.close()
    return f"SQLite {sqlite3.sqlite_version} has what is needed"


def _home(app: App) -> str:
    open_files = sorted(_open_to_others(app))
    if open_files:
        raise WaError(
            "storage-error",
            f"others can read {', '.join(open_files[:5])} in {app.home.path}",
            f"chmod -R go-rwx {app.home.path}",
        )
    return f"{app.home.path}, for its owner alone"


def _open_to_others(app: App) -> Iterator[str]:
    for path in (app.home.path, *app.home.path.iterdir()):
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink():
            yield path.name


def _settings(app: App) -> str:
    zone, region = app.settings.zone, app.settings.region
    return f"transport {app.settings.transport}, zone {zone}, region {region or 'none'}"


def _database(app: App) -> str:
    problems = condition.check(app.store)
    if problems:
        raise WaError("corrupt", "; ".join(problems[:3]), "stop what uses it, and restore the last backup")
    return f"{condition.stats(app.store)['messages']:,} messages, no damage"


def _records(app: App) -> str:
    stuck = inbox.stuck(app.store)
    if stuck:
        raise WaError(
            "internal",
            f"{len(stuck)} events that came cannot be recorded: {stuck[0]}",
            "they are kept; a newer version of wa may know them",
        )
    return f"{inbox.spooled(app.store)} events wait to be recorded"


def _session(app: App) -> str:
    if app.settings.transport == "loopback":
        return "the loopback transport needs none"
    linked = session.account(app.home)
    if linked is None:
        raise WaError("not-authorized", "no WhatsApp account is linked", "wa link")
    return f"linked to +{phone_of_jid(linked.jid)}"


def _connection(app: App) -> str:
    holder = lock_holder(app.home.session_lock)
    if holder is None:
        return "nobody holds the connection; `wa listen` keeps it"
    if holder.get("heartbeat"):
        silent = (app.now() - from_iso(holder["heartbeat"])).total_seconds()
        if silent > HEARTBEAT_MISSED:
            raise WaError(
                "in-use",
                f"{describe_holder(holder)} holds the connection and has been silent for {silent:.0f} s",
                f"restart it: kill {holder.get('pid')}",
            )
    return f"{describe_holder(holder)} holds it"


def _sending(app: App) -> str:
    block = pacing.blocked(app.store, app.now(), app.settings)
    if block is not None and block.reason not in ("spacing", "paused"):
        raise WaError("rate-limit-exceeded", block.text, "it ends by itself")
    unknown = schedule.counts(app.store).get("unknown", 0)
    if unknown:
        raise WaError(
            "unknown-outcome",
            f"{unknown} messages may have been sent or not",
            "`wa schedule list --status unknown`, then `wa schedule resolve`",
        )
    return block.text if block and block.reason == "paused" else "on"


def _clock(app: App) -> str:
    newest = messages.newest_time(app.store)
    if newest is not None and newest - app.now().timestamp() > 300:
        raise WaError(
            "bad-setting",
            f"the clock says {app.out.time(app.now())}, and there is a message of"
            f" {app.out.time(messages.moment(newest))}",
            "set the clock: timedatectl set-ntp true",
        )
    return app.out.time(app.now())


def _disk(app: App) -> str:
    free = shutil.disk_usage(app.home.path).free
    if free < LITTLE_SPACE:
        raise WaError("storage-error", f"{free / 1e6:.0f} MB are free", "free some disk space")
    return f"{free / 1e9:.1f} GB are free"


def _storage(app: App) -> str:
    if app.storage is None:
        return "none is set; backups stay on this machine"
    from wa.s3 import Bucket

    Bucket(app.storage).open("wa-doctor")  # there need not be such an object: an answer is enough
    return f"bucket {app.storage.bucket} answers"
