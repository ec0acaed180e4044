"""Taking turns between the keeping of events that come and the recording of those that were kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HELD_BACK_SECONDS, PAUSE_SECONDS, GIVE_WAY = 0.2, 0.03, 0.001


class Turn:
    """Who of one process writes next: an event that waits to be kept goes before the recording of older ones.

    Left to itself, SQLite lets who waits sleep for a while, and the library's queue
    fills meanwhile: all that is in it is lost by a kill.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits = threading.Event()
        self._last = 0.0

    @contextmanager
    def keep(self) -> Iterator[None]:
        """An event is to be kept."""
        self._waits.set()
        try:
            with self._lock:
                yield
        finally:
            self._last = time.monotonic()
            self._waits.clear()

    @contextmanager
    def record(self) -> Iterator[None]:
        """Older ones are to be recorded; a moment later while more and more arrive."""
        begin = time.monotonic()
        while self.is_wanted() or (
            time.monotonic() - self._last < PAUSE_SECONDS and time.monotonic() - begin < HELD_BACK_SECONDS
        ):
            time.sleep(GIVE_WAY)
        with self._lock:
            yield

    def is_wanted(self) -> bool:
        """Whether an event waits."""
        return self._waits.is_set()
