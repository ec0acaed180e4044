"""The workers of all hooks, for as long as a process owns the connection."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime

from wa.hooks import deliveries, program, table
from wa.hooks.worker import LOOK_SECONDS, Worker
from wa.settings import Settings
from wa.store.database import Store
from wa.store.paths import Home

log = logging.getLogger(__name__)

PRUNE_SECONDS = 3600.0
WATCH_SECONDS = 0.1
"""Seconds between two looks whether the store has changed."""


class Runner:
    """The workers of all hooks, for as long as this process owns the connection."""

    def __init__(self, home: Home, settings: Settings, now: Callable[[], datetime]) -> None:
        self._home, self._settings, self._now = home, settings, now
        self._workers: dict[int, Worker] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hooks", daemon=True)

    def __enter__(self) -> Runner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(LOOK_SECONDS)
        for worker in self._workers.values():
            worker.stop()
        deadline = time.monotonic() + program.TERM_SECONDS + 1
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        """Have the workers look whenever the store has changed; begin and end them as hooks come and go."""
        try:
            store = Store(self._home, busy_seconds=LOOK_SECONDS)
        except (OSError, sqlite3.Error):
            return
        seen, pruned = -1, -PRUNE_SECONDS
        try:
            while not self._ending.wait(WATCH_SECONDS):
                try:
                    if time.monotonic() - pruned > PRUNE_SECONDS:
                        deliveries.prune(store, self._now())
                        pruned = time.monotonic()
                    if (version := store.version()) != seen:
                        self._follow(store)
                        seen = version
                except sqlite3.OperationalError as error:
                    log.info("the hooks cannot be read: %s", error)
        finally:
            store.close()

    def _follow(self, store: Store) -> None:
        found = {row["id"]: row for row in table.listing(store)}
        for gone in [number for number in self._workers if number not in found]:
            self._workers.pop(gone).stop()
        for number, row in found.items():
            worker = self._workers.get(number)
            if worker is not None and worker.follow(row):
                continue
            if worker is not None:
                worker.stop()
                worker.join(program.TERM_SECONDS + 1)
            self._workers[number] = Worker(self._home, self._settings, self._now, row)
            self._workers[number].start()
