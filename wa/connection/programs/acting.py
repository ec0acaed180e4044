"""An action that a program asks for: begun once for its key, and waited for without a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from wa.connection import requests
from wa.connection.actions import asking
from wa.connection.actions.action import LOOK
from wa.connection.actions.asking import Wish
from wa.connection.context import Context, HookRun
from wa.connection.programs.work import Act, Work
from wa.connection.status import line_of
from wa.errors import WaError
from wa.store.database import Row
from wa.store.locks import lock_holder
from wa.values import Value

LOOK_SECONDS = 0.05
"""Seconds between two looks for what became of an action."""
ALONE_SECONDS = 5.0
"""Seconds for which another process may take the connection over, once its holder has ended."""


class Done(Value):
    """An action that is done: what it made or changed, and whether its key was a new one."""

    row: Row
    is_new: bool


async def act(
    work: Work,
    kind: str,
    find: Act[Row],
    show: Callable[[Context, Row, Row], Row],
    check: Callable[[Context, Row], None] = lambda context, args: None,
    key: str | None = None,
    hook: HookRun | None = None,
) -> Done:
    """Let the owner of the connection do an action, once for a key; `hook` is the run of a program that asks.

    `find` returns the arguments; `show` takes them and the result, and returns the row; `check` raises
    WaError if that may not be done now, and is not asked about what the key has begun before. Raise as
    `asking.act` does, and WaError `network-error` at once where nobody is connected.
    """
    begun: list[Wish] = []
    alone: list[float] = []

    def begin(context: Context) -> tuple[Row, bool]:
        args = find(context)
        is_new = requests.with_key(context.store, key, kind, args, context.now()) is None
        if is_new:
            check(context, args)
            _expect_line(context)
        begun.append(asking.begin(replace(context, hook=hook or context.hook), kind, args, key))
        return args, is_new

    def is_over(context: Context) -> bool:
        if lock_holder(context.home.session_lock) is not None:
            alone.clear()
        elif not alone:
            alone.append(time.monotonic())
        return begun[0].over(context) or bool(alone and time.monotonic() - alone[0] > ALONE_SECONDS)

    args: Row = {}
    is_new, fault = False, None
    try:
        args, is_new = await work.write(begin)
        while not await work.read(is_over):
            await asyncio.sleep(LOOK_SECONDS)
    except asyncio.CancelledError:  # the server ends: nothing is left to be done later
        work.write_later(lambda context: [wish.end(context) for wish in begun])
        raise
    except Exception as error:
        if not begun:
            raise
        fault = error

    def end(context: Context) -> Row:
        return show(context, args, begun[0].end(context, fault))

    return Done(await _end(work, begun[0], end), is_new)


async def _end(work: Work, wish: Wish, act: Act[Row]) -> Row:
    """Return what `act` returns, which ends a wish. Where its turn does not come, raise `unknown-outcome`."""
    ended: list[bool] = []

    def end(context: Context) -> Row:
        ended.append(True)
        return act(context)

    try:
        return await work.write(end)
    except BaseException as error:
        if ended:
            raise
        work.write_later(wish.end)
        if not isinstance(error, WaError):
            raise
        raise WaError("unknown-outcome", f"it may have been done: {error.message}", LOOK) from error


async def ask(work: Work, kind: str, args: Row, seconds: float) -> Row:
    """Let the owner of the connection answer what may be asked again, within `seconds`. Return its result.

    Raise WaError as the answer says, and `network-error` without one.
    """

    def put(context: Context) -> list[int]:
        _expect_line(context)
        numbers = requests.put(context.store, kind, [args], context.now() + timedelta(seconds=seconds))
        context.wake_owner()
        return numbers

    numbers = await work.write(put)
    deadline = time.monotonic() + seconds
    while await work.read(lambda context: requests.are_open(context.store, kind, numbers)):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(LOOK_SECONDS)
    ((result, error),) = await work.read(lambda context: requests.results(context.store, kind, numbers))
    if error is not None:
        raise error
    return result


def _expect_line(context: Context) -> None:
    """Raise WaError `network-error` if nobody holds the connection, or the line is down."""
    line = line_of(context.home, context.now())
    if line.owner is None:
        message = "nothing is running that is connected to WhatsApp"
        hint = "nothing was changed; `wa listen` or `wa run-scheduler` is connected"
        raise WaError("network-error", message, hint)
    if line.state == "offline":
        message = "there is no connection to WhatsApp" + (f": {line.reason}" if line.reason else "")
        raise WaError("network-error", message, "nothing was changed; try again")
