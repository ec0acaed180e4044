"""Pruning once a day, while a process owns the connection: WA_RETENTION.

It gives way to sending and receiving: after each small batch it rests for longer than the batch took.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from wa.errors import WaError
from wa.record.messages import moment
from wa.record.retention.prune import YEAR, Pruning
from wa.store.database import Store
from wa.store.open import explained
from wa.store.paths import Home
from wa.times import format_duration, from_iso, to_iso

log = logging.getLogger(__name__)

FIRST_SECONDS = 2.0
"""Seconds after the start before the first look: what waited on the server comes first."""
LOOK_SECONDS = 600.0
"""Seconds between two looks whether a day is over."""
DAY = timedelta(hours=24)
BUSY_SECONDS, LAST_SECONDS = 5.0, 1.0
"""Seconds that a batch waits for the write lock, and that the end of the process waits for a batch."""
REST = 4
"""How many times as long as its last batch took it rests, and at least REST_SECONDS."""
REST_SECONDS = 0.01
MONTH = timedelta(days=30)
_KEY = "retention"


class _Ended(Exception):
    """The process is about to end."""


class Keeper:
    """A context in which messages older than `length` are pruned once a day, on a thread of its own."""

    def __init__(self, home: Home, length: timedelta, now: Callable[[], datetime]) -> None:
        self._home, self._length, self._now = home, length, now
        self._ending = threading.Event()
        self._since = 0.0
        self._thread = threading.Thread(target=self._watch, name="retention", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(LAST_SECONDS)

    def _watch(self) -> None:
        seconds = FIRST_SECONDS
        while not self._ending.wait(seconds):
            seconds = LOOK_SECONDS
            try:
                with explained(self._home):
                    store = Store(self._home, busy_seconds=BUSY_SECONDS)
                    try:
                        self._try(store)
                    finally:
                        store.close()
            except _Ended:
                return
            except WaError as error:
                log.info("nothing more was pruned: %s", error.message)
            except Exception:  # a bug of ours must not end what owns the connection
                log.exception("nothing more was pruned")

    def _try(self, store: Store) -> None:
        """Prune if it is time to; keep the error of a run that failed for `describe`."""
        try:
            with explained(self._home):
                self._look(store)
        except WaError as error:
            if error.code != "in-use":
                with store.write(durable=False):
                    store.set_state(_KEY, {**store.state().get(_KEY, {}), "error": error.message})
            raise

    def _look(self, store: Store) -> None:
        """Prune if the last time is a day ago, or was with another setting."""
        now, length = self._now(), format_duration(self._length)
        last = store.state().get(_KEY, {})
        is_same = last.get("older_than") == length and "error" not in last
        if is_same and now - DAY < from_iso(last["at"]) <= now:
            return
        believed = believed_now(store, now, self._length)
        store.keep_small()
        run = Pruning(store, believed - self._length, now, old=believed - YEAR, pause=self._rest)
        self._since = time.monotonic()
        if (found := run.run())["archive"]:
            log.info("pruned %s messages into %s", found["messages"], found["archive"])
        with store.write(durable=False):
            store.set_state(_KEY, {"at": to_iso(now), "older_than": length})

    def _rest(self) -> None:
        took = time.monotonic() - self._since
        if self._ending.wait(max(REST_SECONDS, REST * took)):
            raise _Ended
        self._since = time.monotonic()


def describe(store: Store, length: timedelta | None) -> str:
    """Return in words what is pruned once a day. Raise WaError `storage-error` when the last run failed."""
    if length is None:
        return "everything is kept: WA_RETENTION is not set"
    last = store.state().get(_KEY, {})
    if "error" in last:
        raise WaError("storage-error", f"old messages are not pruned: {last['error']}", "see `wa db prune`")
    when = f"last at {last['at']}" if "at" in last else "not yet: a listener or run-scheduler does it"
    return f"messages older than {format_duration(length)} are pruned once a day, {when}"


def believed_now(store: Store, now: datetime, length: timedelta) -> datetime:
    """Return the moment from which ages are counted: now, unless the newest message is very far behind it.

    WhatsApp's server dates what arrives: a clock that is a year ahead must not prune everything. If the
    newest message is older than twice `length`, and by a month at least, the last ones are kept.
    """
    sql = "SELECT timestamp FROM messages INDEXED BY messages_by_time{} ORDER BY timestamp DESC LIMIT 1"
    newest = store.value(sql.format(" WHERE NOT is_from_me")) or store.value(sql.format(""))
    if newest is None or newest >= now.timestamp():
        return now
    if now - moment(newest) <= length + max(length, MONTH):
        return now
    return moment(newest) + min(length / 2, MONTH)
