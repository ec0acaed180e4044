"""Holding the connection, or standing by while another process holds it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from wa.connection.context import Context
from wa.errors import Terminated
from wa.queue.send import Scope
from wa.store.locks import FileLock

if TYPE_CHECKING:
    from wa.connection.owner import Owner

LOOK_SECONDS = 0.02
"""Seconds between two looks of a waiting command for its result."""
STANDBY_SECONDS = 0.25
"""Seconds between two tries of a second listener to take over, and two looks for new messages."""

T = TypeVar("T")
Watch = Callable[["Owner | None"], T]


@contextmanager
def stop_signals(stop: Callable[[BaseException], None]) -> Iterator[None]:
    """Call `stop` for SIGTERM and Ctrl-C during the block, instead of ending at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
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
) -> None:
    """Hold the connection until `until(owner)` is true, or stand by while another process holds it.

    The owner is None while this process stands by; it then looks again every `every`
    seconds. `tick(owner)` is called after each event. Raise WaError when the connection
    ends for good, KeyboardInterrupt and Terminated.
    """
    from wa.connection.owner import Owner  # here, for what only asks or queues does without it

    transport, lock = context.transport, FileLock(context.home.session_lock)
    asked: list[BaseException] = []
    stopped = threading.Event()
    owner: Owner | None = None

    def stop(error: BaseException) -> None:
        asked.append(error)
        stopped.set()
        if owner is not None:
            owner.stop()

    with stop_signals(stop):
        while not stopped.is_set() and not until(None):
            if lock.acquire():
                owner = Owner(context.home, context.settings, transport, context.now, lock, command, scope)
                owner.run(lambda running: stopped.is_set() or until(running), tick)
                break
            if tick is not None:
                tick(None)
            stopped.wait(every)
    if asked:
        raise asked[0]


def describe_owner(owner: Owner | None) -> str | None:
    """Return the state of the connection in words, or None during the first attempt."""
    if owner is None:
        return "another wa process holds the connection; standing by"
    if owner.connected:
        return "connected"
    return f"not connected: {owner.trouble}; trying again" if owner.trouble else None
