"""How things are, for those who watch: an answer within a tenth of a second, whatever the store is up to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from wa.backup import history as backup
from wa.connection import spool
from wa.connection.status import Line, line_of
from wa.errors import WaError
from wa.queue import attention, pacing, rows
from wa.queue.jobs import table as jobs
from wa.record import messages
from wa.settings import Settings
from wa.store.condition import is_locked
from wa.store.database import Store
from wa.store.device import linked_account
from wa.store.open import ReadOnlyStore, emptied, explained
from wa.store.paths import Home
from wa.times import from_iso, to_iso
from wa.web.processes import cpu_of, memory_of

ANSWER_SECONDS = 0.08
"""Seconds to look; after that the last report is the answer."""
LOCK_SECONDS = 0.03
"""Seconds to wait for the write lock of the store."""
COMMIT_SECONDS = timedelta(seconds=0.5)
"""While commits are younger than this, the store is not locked, but in use: ours take half of it at most."""
FRESH_SECONDS = 0.2
"""Seconds for which a report is given out again."""
STALE_SECONDS = 30.0
"""The age from which on the last report says nothing any more."""
DOWN = timedelta(minutes=10)
"""How long the line may be down."""
BEHIND = timedelta(seconds=10)
"""How long an event may wait to be recorded."""
LATE = timedelta(minutes=1)
"""How late a message may be that nothing keeps."""
BACKUP_OLD = timedelta(hours=26)
ACTIVE = timedelta(minutes=5)
"""How long after a message was sent the scheduler counts as active."""


@dataclass(frozen=True)
class Report:
    """How things are. `problems` are in words for programs; there are none in a healthy home."""

    values: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    last_message_at: datetime | None = None
    last_backup_at: datetime | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 503 if self.problems else 200


def _trouble_of_line(line: Line, now: datetime) -> list[str]:
    """Return what is wrong with the line to WhatsApp."""
    if line.owner is None:
        return ["nobody-connected"]
    if line.is_silent:
        return ["owner-stopped"]
    since = from_iso(line.since) if line.since else now
    return ["offline"] if line.state != "connected" and now - since > DOWN else []


def _session(home: Home, settings: Settings, is_linked: bool) -> dict[str, Any]:
    path = home.loopback if settings.transport == "loopback" else home.session
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    except OSError:
        return {"status": "missing", "last_modified": None}
    return {"status": "exists" if is_linked else "missing", "last_modified": to_iso(changed)}


def _trouble_of_store(home: Home, store: Store, now: datetime) -> str | None:
    """Return `locked` if another program keeps the store locked, `behind` if events are not recorded."""
    log = home.store.with_name(f"{home.store.name}-wal")
    if is_locked(store, LOCK_SECONDS):
        written = os.stat(log if log.exists() else home.store).st_mtime
        if now - datetime.fromtimestamp(written, timezone.utc) > COMMIT_SECONDS:
            return "locked"
    waits = spool.oldest(store)
    return "behind" if waits is not None and now - waits > BEHIND else None


def report(home: Home, settings: Settings, now: datetime) -> Report:
    """Return how things are."""
    line = line_of(home, now)
    problems = _trouble_of_line(line, now)
    owner = line.owner or {}
    pid = owner.get("pid") if not line.is_silent else None
    checks: dict[str, Any] = {
        "scheduler": {
            "status": "stopped" if not owner or line.is_silent else "running",
            "uptime": owner.get("since"),
            "memory": memory_of(pid) if pid else None,
            "cpu": cpu_of(pid) if pid else None,
        },
        "whatsapp_session": _session(home, settings, is_linked=True),
        "scheduler_activity": {"status": "stalled"},
        "storing": {"status": "ok"},
        "backup": {"status": "unknown"},
        "queue": {},
    }
    found = Report(
        {
            "timestamp": to_iso(now),
            "status": "unhealthy",
            "healthy": False,
            "connected": line.state == "connected",
            "pendingMessages": None,
            "pendingJobs": None,
            "checks": checks,
        },
        problems,
    )
    try:
        with explained(home):
            if not home.store.stat().st_size:
                raise emptied(home.store)
            store = (ReadOnlyStore if settings.read_only else Store)(home, busy_seconds=LOCK_SECONDS)
            try:
                found = _with_store(found, store, home, settings, line, now)
            finally:
                store.close()
    except WaError as error:
        word = {"in-use": "locked", "corrupt": "damaged"}.get(error.code, "unavailable")
        checks["storing"] = {"status": word}
        problems.append(f"store-{word}")
    except (ValueError, TypeError, KeyError):  # what is stored cannot be what wa wrote
        checks["storing"] = {"status": "damaged"}
        problems.append("store-damaged")
    is_healthy = not found.problems
    found.values.update(
        healthy=is_healthy, status="ok" if is_healthy else "unhealthy", problems=found.problems
    )
    return found


def _with_store(
    found: Report, store: Store, home: Home, settings: Settings, line: Line, now: datetime
) -> Report:
    """Add to a report what the store tells."""
    checks, problems = found.values["checks"], found.problems
    newest, saved = messages.newest_time(store), backup.last_good(store, now)
    counts, overdue = rows.counts(store), attention.overdue(store, now - LATE)
    block = pacing.blocked(store, now, settings)
    found.values["pendingMessages"] = counts.get("pending", 0)
    found.values["pendingJobs"] = len(jobs.unfinished(store))
    is_linked = settings.transport == "loopback" or linked_account(store) is not None
    checks["whatsapp_session"] = _session(home, settings, is_linked)
    checks["queue"] = {**counts, "overdue": overdue}
    is_old = saved is not None and now - saved > BACKUP_OLD
    checks["backup"] = {
        "status": "none" if saved is None else "old" if is_old else "ok",
        "last": to_iso(saved) if saved else None,
    }
    trouble = _trouble_of_store(home, store, now)
    checks["storing"] = {"status": trouble or "ok", "waiting": spool.count(store)}
    if trouble is not None:
        problems.append("store-locked" if trouble == "locked" else "not-storing")
    if block is not None and block.reason in ("brake", "ban"):
        problems.append("braked")
    if overdue:
        problems.append("overdue")
    sent = attention.last_sent(store)
    is_active = counts.get("sending") or (sent is not None and now - sent < ACTIVE)
    is_stalled = overdue or line.owner is None or line.is_silent
    checks["scheduler_activity"] = {"status": "stalled" if is_stalled else "active" if is_active else "idle"}
    last = messages.moment(newest) if newest is not None else None
    return Report(found.values, problems, last, saved)


class Health:
    """The reports of one server. They are made on a thread of their own."""

    def __init__(self, home: Home, settings: Settings, now: Callable[[], datetime]) -> None:
        self._home = home
        self._settings = settings
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._last, self._made_at = Report({}), 0.0
        self._make()
        self._running: Future[None] | None = None

    def _make(self) -> None:
        self._last = report(self._home, self._settings, self._now())
        self._made_at = time.monotonic()

    async def look(self) -> Report:
        """Return how things are now, or were at the last look if this one takes too long."""
        if time.monotonic() - self._made_at < FRESH_SECONDS:
            return self._last
        if self._running is None or self._running.done():
            self._running = self._thread.submit(self._make)
        running = asyncio.shield(asyncio.wrap_future(self._running))
        try:
            await asyncio.wait_for(running, ANSWER_SECONDS)
        except asyncio.TimeoutError:
            if time.monotonic() - self._made_at > STALE_SECONDS:
                return self._stalled()
        return self._last

    def _stalled(self) -> Report:
        """Return the report for a store that does not answer."""
        values = {**self._last.values, "timestamp": to_iso(self._now())}
        values.update(healthy=False, status="unhealthy", problems=["store-slow"])
        values["checks"] = {**values["checks"], "storing": {"status": "slow"}}
        return Report(values, ["store-slow"])

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
