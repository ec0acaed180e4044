"""The threads that do the work of requests; each has a connection to the store of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from queue import SimpleQueue
from typing import Any, TypeVar

from wa.connection.context import Context, HookRun
from wa.errors import WaError
from wa.settings import Settings, read_only_error
from wa.store.open import explained, fault_of, look_at_store_for, open_store_for
from wa.store.paths import Home

LOCK_SECONDS = 5.0
"""Seconds that a request waits for a store that another program has locked."""
TURN_SECONDS = 10.0
"""Seconds that a request waits for a free thread; then it is refused, and nothing of it is done."""
END_SECONDS = 1.0
"""Seconds that the threads have for what they are doing when the server ends."""
READERS = 2

T = TypeVar("T")
Act = Callable[[Context], T]
"""The work of a request, which is done on a thread of a pool."""


class Pool:
    """Threads that take turns with the requests of one kind."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        now: Callable[[], datetime],
        threads: int,
        hook: HookRun | None = None,
    ) -> None:
        self._home = home
        self._hook = hook
        self._settings = settings
        self._now = now
        self._waiting: SimpleQueue[tuple[Future[Any], Act[Any]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, act: Act[T]) -> T:
        """Return what `act` returns. Raise as it does, and WaError `in-use` if its turn did not come."""
        future: Future[T] = Future()
        self._waiting.put((future, act))
        # No wait_for: up to Python 3.11 it forgets that it is cancelled when the work is done at that moment.
        is_late: list[bool] = []

        def refuse() -> None:
            if future.cancel():  # it has not begun
                is_late.append(True)

        timer = asyncio.get_running_loop().call_later(TURN_SECONDS, refuse)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not is_late:  # the server ends, and this may be half done
                raise
            hint = "nothing was done; try again"
            raise WaError("in-use", "too many requests wait for the store", hint) from None
        finally:
            timer.cancel()

    def leave(self, act: Act[object]) -> None:
        """Have something done in its turn, whose result nobody waits for."""
        self._waiting.put((Future(), act))

    def stop(self, deadline: float) -> None:
        """End the threads when they have done what waits; the deadline leaves them to the process's end."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        context: Context | None = None
        while (item := self._waiting.get()) is not None:
            future, act = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                before, context = context, None
                context = self._ready(before)
                with explained(self._home), context.store.patience(LOCK_SECONDS):
                    result = act(context)
            except BaseException as error:
                with suppress(Exception):
                    future.set_exception(error)
            else:
                future.set_result(result)
            del future, act, item
        if context is not None:
            context.store.close()

    def _ready(self, context: Context | None) -> Context:
        """Return a context with an open store; open it anew if the file is no longer in its place."""
        with explained(self._home):
            fault = fault_of(context.store) if context else None
            if context is not None and fault is None:
                return context
            if context is not None:
                context.store.close()
            if not self._home.store.exists():
                raise fault or WaError(
                    "storage-error", "the store is missing", "put it back, or `wa backup restore latest`"
                )
            opened = look_at_store_for if self._settings.read_only else open_store_for
            store = opened(self._home, self._settings.transport)
            store.keep_small()
            return Context(self._home, self._settings, store, self._now, hook=self._hook)


class Work:
    """The pools of a server: what reads is not kept waiting by what writes.

    There is one thread that writes, for the store takes one transaction at a time. With `hook`, all that
    it sends counts as replies of the hook whose program has started it.
    """

    def __init__(
        self, home: Home, settings: Settings, now: Callable[[], datetime], hook: HookRun | None = None
    ) -> None:
        self.home = home
        self.settings = settings
        self.now = now
        self._readers = Pool(home, settings, now, READERS)
        self._writer = Pool(home, settings, now, 1, hook)

    async def read(self, act: Act[T]) -> T:
        """Do work that changes nothing, or waits for something other than the store."""
        return await self._readers.run(act)

    async def write(self, act: Act[T]) -> T:
        """Do work that changes the store. Raise WaError `usage` if this is read-only."""
        if self.settings.read_only:
            raise read_only_error("this would send or change something")
        return await self._writer.run(act)

    def write_later(self, act: Act[object]) -> None:
        """Do work that changes the store, without waiting for it."""
        self._writer.leave(act)

    def stop(self) -> None:
        """End the threads."""
        deadline = time.monotonic() + END_SECONDS
        self._readers.stop(deadline)
        self._writer.stop(deadline)
