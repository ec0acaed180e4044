"""The thread that records the spool, and patience with a store that cannot be written for a while."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from wa.connection.apply import apply_batch
from wa.connection.spool import Spool
from wa.errors import WaError
from wa.record import merge_chats
from wa.record.events import log as log_of_events
from wa.store.database import Row, Store
from wa.store.files import storage_error
from wa.store.open import fault_of
from wa.store.paths import Home
from wa.whatsapp.transport import Reader

log = logging.getLogger(__name__)

BUSY_SECONDS = 1.0
"""Seconds that one attempt waits for another program's lock, so that a request to stop waits no longer."""
RETRY_SECONDS = 0.2
PRUNE_SECONDS = 3600.0
"""Seconds after which the log of events is pruned again."""
GIVE_UP_SECONDS = 120.0
"""Seconds after which the process ends because it cannot store anything."""
HELD_BACK_SECONDS, PAUSE_SECONDS = 0.2, 0.03
"""Recording waits while events arrive less than PAUSE_SECONDS apart, at most HELD_BACK_SECONDS."""
_OURS = ("no such", "syntax error", "has no column", "malformed", "not a database", "no query")
"""Parts of the messages of errors that waiting does not cure."""

T = TypeVar("T")


class Patience:
    """The patience of one thread with a store that is locked, or on a full disk."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def is_tried(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def attempt(self, action: Callable[[], object]) -> bool:
        """Call `action` once. Return False when the store cannot be written now.

        Raise the error when waiting does not cure it, or after GIVE_UP_SECONDS.
        """
        try:
            action()
        except sqlite3.OperationalError as error:
            if self._since is None:
                log.info("the store cannot be written: %s", error)
                self._since = time.monotonic()
            if time.monotonic() - self._since > GIVE_UP_SECONDS or any(sign in str(error) for sign in _OURS):
                raise
            return False
        self._since = None
        return True

    def insist(self, action: Callable[[], T], ending: threading.Event) -> T | None:
        """Call `action` until the store can be written. Return its result, or None once `ending` is set."""
        result: list[T] = []
        while not self.attempt(lambda: result.append(action())):
            if ending.wait(RETRY_SECONDS):
                return None
        return result[0]


class Recorder:
    """The spool and the thread that records it.

    `wake` is called after each batch, `fail` with the error that ends the thread.
    """

    def __init__(
        self,
        home: Home,
        reader: Reader,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.spool = Spool(home)
        self._home, self._reader, self._now, self._wake, self._fail = home, reader, now, wake, fail
        self._arrived = threading.Event()
        self._ending, self._cut = threading.Event(), threading.Event()
        self._last = 0.0
        self.tells_line = True
        """Whether programs are told of the line: an owner that sends one message and ends is no news."""
        self._lines: deque[Row] = deque()
        self._line: str | None = None
        self._next_prune = 0.0
        self._unwritten_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)

    def keep(self, kind: str, payload: bytes) -> None:
        """Append an event to the spool; the transport's thread calls this once for each event."""
        try:
            self.spool.append(kind, payload, self._now())
        except BaseException as error:  # a bug of ours: the transport has to stop
            self._fail(error)
            raise
        self._last = time.monotonic()
        self._arrived.set()
        log.debug("received %s: %d bytes", kind, len(payload))  # not the bytes: they hold secrets

    def tell_line(self, state: str, reason: str | None) -> None:
        """Tell programs that the line to WhatsApp is `connected`, `offline` or, when the owner ends, `none`.

        An attempt that fails while it is offline is not told.
        """
        if self.tells_line and state != self._line:
            self._line = state
            self._lines.append({"state": state, "reason": reason})
            self._arrived.set()

    def seconds_unwritten(self) -> float:
        """Return for how many seconds events have waited in memory; 0 while the spool can be written."""
        if self.spool.trouble is None:
            self._unwritten_since = None
            return 0.0
        if self.spool.write_waiting():
            self._unwritten_since = None
            self._arrived.set()  # nothing else tells the thread of what was written just now
            return 0.0
        self._unwritten_since = self._unwritten_since or time.monotonic()
        return time.monotonic() - self._unwritten_since

    def fault(self, store: Store) -> WaError | None:
        """Return why this process has to end: its files are gone, or were not writable for too long."""
        if fault := fault_of(store):
            return fault
        if not self.spool.is_in_place():
            return WaError(
                "storage-error",
                f"{self._home.spool} was moved or removed while wa had it open",
                "start again; what had arrived is recorded",
            )
        if self.seconds_unwritten() > GIVE_UP_SECONDS and self.spool.trouble is not None:
            return storage_error(self.spool.trouble, self._home.spool)
        return None

    def start(self) -> None:
        """Begin to record."""
        self._arrived.set()
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Record what is left, but no parts of the history, for so many seconds. Return whether it ended.

        What is not recorded by then stays in the spool, for the next process.
        """
        self.spool.write_waiting()
        self._ending.set()
        self._arrived.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
            self._cut.set()
            self._thread.join(BUSY_SECONDS)
        if self._thread.is_alive():
            return False
        self.spool.close()
        return True

    def _run(self) -> None:
        try:
            self._record_all()
        except BaseException as error:
            self._fail(error)

    def _record_all(self) -> None:
        store, patience = Store(self._home, busy_seconds=BUSY_SECONDS), Patience()
        try:
            patience.insist(lambda: merge_chats.join_split_chats(store, self._now()), self._cut)
            is_last = False
            while not is_last:
                self._arrived.wait(PRUNE_SECONDS)
                self._arrived.clear()
                is_last = self._ending.is_set()
                while patience.insist(partial(self._record, store), self._cut):
                    self._wake()
                store.end_bulk()
                if time.monotonic() >= self._next_prune and not is_last:
                    self._next_prune = time.monotonic() + PRUNE_SECONDS
                    patience.insist(lambda: log_of_events.prune(store, self._now()), self._cut)
        finally:
            store.close()

    def _record(self, store: Store) -> int:
        if self._cut.is_set():
            return 0
        if lines := list(self._lines):
            with store.write(durable=False):
                for data in lines:
                    log_of_events.add(store, "connection", self._now(), data)
            for _ in lines:
                self._lines.popleft()
        self._give_way()
        goes_on = not self._ending.is_set()
        return apply_batch(store, self.spool, self._reader, self._now(), with_history=goes_on)

    def _give_way(self) -> None:
        """Wait while events arrive: those in the library's memory are lost if the process is killed."""
        end = time.monotonic() + HELD_BACK_SECONDS
        while (left := min(self._last + PAUSE_SECONDS, end) - time.monotonic()) > 0:
            if self._ending.wait(left):
                return
