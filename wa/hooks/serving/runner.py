"""The workers of all hooks, for as long as a process owns the connection."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from wa.hooks import alert, deliveries, program, sessions, table
from wa.record.events import log as events
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.paths import Home

if TYPE_CHECKING:
    from wa.hooks.serving.worker import Worker

log = logging.getLogger(__name__)

PRUNE_SECONDS = 3600.0
LAST_SECONDS = 5.0
"""Seconds for which events are still handed over after the connection ended with an error."""
WATCH_SECONDS = 5.0
"""Seconds between two looks whether the store has changed, if nothing calls `look`."""
SEEN_EVERY = 0.02
BUSY_SECONDS = 0.5
"""Seconds to wait for a store that is locked."""


class Runner:
    """The workers of all hooks, for as long as this process owns the connection.

    With `own`, of the one hook of this id alone, which belongs to this process.
    Raise WaError `bad-setting` for a value of WA_ALERT that fits nothing.
    """

    def __init__(
        self, home: Home, settings: Settings, now: Callable[[], datetime], own: int | None = None
    ) -> None:
        if settings.alert is not None:
            alert.columns(settings.alert)
        self._home, self._settings, self._now = home, settings, now
        self._own = own
        self._workers: dict[int, Worker] = {}
        self._newest = -1
        self._ending, self._work = threading.Event(), threading.Event()
        self._asked = self._done = 0
        """How many looks were asked for, and how many of these are done."""
        self._thread = threading.Thread(target=self._watch, name="hooks", daemon=True)

    def __enter__(self) -> Runner:
        self._thread.start()
        return self

    def look(self) -> None:
        """Have the workers look soon: the store may have changed. Any thread may call this."""
        self._asked += 1
        self._work.set()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:  # what ended the connection is an event too
            end = time.monotonic() + LAST_SECONDS
            self.look()
            while time.monotonic() < end and not (self._done >= self._asked and self._are_idle()):
                time.sleep(SEEN_EVERY)
        self._ending.set()
        self._work.set()
        for worker in list(self._workers.values()):
            worker.stop()
        deadline = time.monotonic() + program.TERM_SECONDS + 1
        self._thread.join(program.TERM_SECONDS + 1)  # it may wait for a worker, and begin another one
        for worker in self._workers.values():
            worker.stop()
            worker.join(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        """Have the workers look whenever the store has changed; begin and end them as hooks come and go."""
        store: Store | None = None
        seen, pruned, is_synced = -1, -PRUNE_SECONDS, False
        try:
            while not self._ending.is_set():
                asked = self._asked
                try:
                    store = store or Store(self._home, busy_seconds=BUSY_SECONDS)
                    if time.monotonic() - pruned > PRUNE_SECONDS:
                        deliveries.prune(store, self._now())
                        sessions.prune(store, self._now())
                        pruned = time.monotonic()
                    if not is_synced and self._own is None:
                        table.remove_left(store)
                        alert.sync(store, self._settings, self._now())
                        is_synced = True
                    are_alive = all(worker.is_alive for worker in self._workers.values())
                    if (version := store.version()) != seen or not are_alive:
                        self._follow(store)
                        seen = version
                    self._newest = events.newest(store)
                except (OSError, sqlite3.Error) as error:  # of a damaged store, the owner tells
                    log.info("the hooks cannot be read: %s", error)
                self._done = asked
                self._work.wait(WATCH_SECONDS)
                self._work.clear()
        finally:
            if store is not None:
                store.close()

    def _are_idle(self) -> bool:
        """Return whether all events are handed over that could be."""
        return all(worker.is_done_up_to(self._newest) for worker in list(self._workers.values()))

    def _is_served(self, row: Row) -> bool:
        return row["holder"] is None if self._own is None else row["id"] == self._own

    def _follow(self, store: Store) -> None:
        found = {row["id"]: row for row in table.listing(store)}
        found = {number: row for number, row in found.items() if self._is_served(row)}
        for gone in [number for number in self._workers if number not in found]:
            self._workers.pop(gone).stop()
        if not found:
            return
        from wa.hooks.serving.worker import Worker  # with HTTP and TLS, which cost 2 MB

        for number, row in found.items():
            worker = self._workers.get(number)
            if worker is not None and worker.follow(row):
                continue
            if worker is not None:
                worker.stop()
                worker.join(program.TERM_SECONDS + 1)
            if self._ending.is_set():
                return
            self._workers[number] = Worker(self._home, self._settings, self._now, row)
            self._workers[number].start()
