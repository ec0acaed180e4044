"""Holding the connection, or standing by while another process holds it."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from wa.connection.context import Context
from wa.errors import Terminated
from wa.queue.send import Scope
from wa.store.locks import FileLock
from wa.store.wake import Stop

if TYPE_CHECKING:
    from wa.connection.owner import Owner
    from wa.hooks.serving.runner import Runner

LOOK_SECONDS = 0.02
"""Seconds between two looks of a waiting command for its result."""
STANDBY_SECONDS = 0.25
"""Seconds between two tries of a second listener to take over, and two looks for new messages."""
LAST_SECONDS = 2.0
"""Seconds after a request to stop for which the reader of the output may keep the process waiting."""

SERVE_HOOKS = ("listen", "listen --no-send", "run-scheduler")
"""The commands that serve the hooks while they own the connection."""

T = TypeVar("T")
Watch = Callable[["Owner | None"], T]


@contextmanager
def stop_signals(stop: Callable[[BaseException], None]) -> Iterator[None]:
    """Call `stop` once for SIGTERM or Ctrl-C during the block, instead of ending at once.

    A second signal may come in the midst of the first: `stop` would wait for a lock that it holds itself.
    """
    told: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if told:
            return
        told.append(number)
        stop(KeyboardInterrupt() if number == signal.SIGINT else Terminated())

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, on_signal) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def serve(
    context: Context,
    command: str,
    scope: Scope,
    until: Watch[bool],
    tick: Watch[None] | None = None,
    every: float = LOOK_SECONDS,
    heard: Callable[[], None] | None = None,
) -> None:
    """Hold the connection until `until(owner)` is true, or stand by while another process holds it.

    The owner is None while this process stands by; it then looks again every `every`
    seconds. `tick(owner)` is called after events, and once more at the end, on a thread
    of its own, because it prints and a reader may keep it waiting; `heard()` is called
    when the store may have changed. Raise WaError when the connection ends for good, the
    error that ended `tick`, KeyboardInterrupt and Terminated.
    """
    from wa.connection.owner import Owner  # here, for what only asks or queues does without it

    transport, lock = context.transport, FileLock(context.home.session_lock)
    hooks, keeper = _hooks(context, command), _keeper(context, command)
    asked: list[BaseException] = []
    stopped = Stop()
    owner: Owner | None = None
    hear = [] if heard is None else [heard]

    def look(running: Owner | None) -> None:
        for each in hear:
            each()
        teller.look(running)

    def stop(error: BaseException) -> None:
        asked.append(error)
        stopped.set()
        if owner is not None:
            owner.stop(error if isinstance(error, sqlite3.Error) else None)

    with stop_signals(stop), _Teller(tick, stop, stopped) as teller:
        while not stopped.is_set() and not until(None):
            if lock.acquire():
                try:
                    owner = Owner(
                        context.home, context.settings, transport, context.now, lock, command, scope
                    )
                except BaseException:
                    lock.release()  # this process may try again, and would wait for itself
                    raise
                with hooks as runner, keeper:
                    if runner is not None:
                        hear.append(runner.look)
                    owner.run(lambda running: stopped.is_set() or until(running), look)
                break
            look(None)
            time.sleep(every)  # and not `stopped.wait`, whose lock a signal would find held
    if asked:
        raise asked[0]


def _hooks(context: Context, command: str) -> AbstractContextManager[Runner | None]:
    """Return what serves the hooks in a block, if this command stays: others only write events down."""
    if command not in SERVE_HOOKS:
        return nullcontext()
    from wa.hooks.serving.runner import Runner

    return Runner(context.home, context.settings, context.now)


def _keeper(context: Context, command: str) -> AbstractContextManager[object]:
    """Return what prunes old messages once a day in a block, if this command stays and the user wants it."""
    if command not in SERVE_HOOKS or context.settings.retention is None:
        return nullcontext()
    from wa.record.retention.daily import Keeper

    return Keeper(context.home, context.settings.retention, context.now)


class _Teller:
    """A thread that calls `tick`. Call `failed` with the error that ends it.

    At the end of the block `tick` is called a last time. The block ends when that is done, or, once `stopped`
    is set and after an error, up to LAST_SECONDS later.
    """

    def __init__(
        self, tick: Watch[None] | None, failed: Callable[[BaseException], None], stopped: threading.Event
    ) -> None:
        self._tick, self._failed, self._stopped = tick, failed, stopped
        self._owner: Owner | None = None
        self._is_last = False
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="teller", daemon=True)

    def look(self, owner: Owner | None) -> None:
        """Have `tick(owner)` called soon: once for all the calls that come before it."""
        self._owner = owner
        self._wake()

    def _wake(self) -> None:
        self._work.set()
        if self._tick is not None and self._thread.ident is None:
            self._thread.start()

    def _loop(self) -> None:
        assert self._tick is not None  # noqa: S101
        is_last = False
        try:
            while not is_last:
                self._work.wait()
                self._work.clear()
                is_last = self._is_last
                self._tick(self._owner)
        except BaseException as error:
            self._failed(error)

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            self._stopped.set()
        self._is_last = True
        self._wake()
        while self._thread.is_alive() and not self._stopped.is_set():
            self._thread.join(LOOK_SECONDS)
        if self._thread.is_alive():
            self._thread.join(LAST_SECONDS)


def describe_owner(owner: Owner | None) -> str | None:
    """Return the state of the connection in words, or None during the first attempt."""
    if owner is None:
        return "another wa process holds the connection; standing by"
    if owner.connected:
        return "connected"
    return f"not connected: {owner.trouble}; trying again" if owner.trouble else None
