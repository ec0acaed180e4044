"""Asking the owner of the connection for an action, and waiting for its outcome."""

from __future__ import annotations

import sqlite3
import time

from wa.connection import requests
from wa.connection.actions import once
from wa.connection.actions.action import LOOK
from wa.connection.context import Context
from wa.connection.hold import serve, stop_signals
from wa.errors import Terminated, WaError
from wa.queue.send import Scope
from wa.store.database import Row

CALL_SECONDS = 90.0
"""Seconds that the call of an action may take."""
PROOF_SECONDS = 3.0
"""Seconds that a command waits for a receipt that settles an unknown outcome."""
END_SECONDS = 4.0
"""Seconds for which a command that ends waits for a locked store, to withdraw its action."""


def act(context: Context, kind: str, args: Row, command: str) -> Row:
    """Let the owner do an action (`actions.table`) once, or become the owner for `command` and do it.

    Return the action's result. Raise WaError: for `unknown-outcome` it may have been done, for every other
    code nothing was changed, and will not be.
    """
    held = list[BaseException]()
    with stop_signals(held.append):  # to the end: a signal in between would leave what may still be done
        wish, fault = begin(context, kind, args), None
        try:
            if not held:
                serve(context, command, Scope.WAITED, lambda owner: bool(held) or wish.over(context))
        except BaseException as error:
            fault = error
        return wish.end(context, fault or (held[0] if held else None))


def begin(context: Context, kind: str, args: Row, key: str | None = None) -> Wish:
    """Ask for an action, once for a key. Raise WaError if it may not be done now, and as `requests.with_key`.

    Whoever begins must see to the end: without `Wish.end` it may still be done later, up to LONGEST_WAIT.
    """
    context.require_account()
    store, now = context.store, context.now()
    expires = now + requests.LONGEST_WAIT
    number = requests.with_key(store, key, kind, args, now)
    if number is None:
        once.expect_allowed(store, context.settings, now)
        _check_hook(context, args)
        context.bind()
        number = requests.put_once(store, kind, args, now, expires, key, context.hook_id)
    context.wake_owner()
    return Wish(number)


def _check_hook(context: Context, args: Row) -> None:
    """Raise WaError if the program of a hook asks for an action here, and may not.

    What a hook that proposes sends is a draft, and an action cannot be one; and too many are too many.
    """
    if context.drafts(asked=False):
        hint = "nothing was changed; only what a person asks for is done at once"
        raise WaError("wrong-state", "what this hook sends wants approval, and this cannot wait for it", hint)
    context.counting([args.get("chat", "")])


class Wish:
    """The wish of a command that one action is done. Contexts may differ, as the threads of a server do."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._withdrawn = time.monotonic() + requests.LONGEST_WAIT.total_seconds()
        self._given_up = self._withdrawn + CALL_SECONDS
        self._unknown: float | None = None

    def over(self, context: Context) -> bool:
        """Return whether the wait is over: the action has ended, or was not begun, or its call takes long."""
        status, now = requests.status(context.store, self._number), time.monotonic()
        if status == "unknown" and requests.get(context.store, self._number)["message_id"]:
            # A receipt may be on its way.
            self._unknown = self._unknown or now + PROOF_SECONDS
            return now >= self._unknown
        return status not in ("pending", "doing") or now >= (
            self._withdrawn if status == "pending" else self._given_up
        )

    def end(self, context: Context, fault: BaseException | None = None) -> Row:
        """Withdraw what is not begun, and return the result. Raise as `act` does, or `fault`, its reason."""
        store = context.store
        try:
            with store.patience(END_SECONDS):
                status = requests.withdraw(store, self._number)
        except sqlite3.Error as locked:
            raise WaError("unknown-outcome", f"it could not be withdrawn: {locked}", LOOK) from locked
        if status == "withdrawn":
            if isinstance(fault, KeyboardInterrupt | Terminated):
                context.note("nothing was changed")
            if fault is not None:
                raise fault
            raise WaError("network-error", "WhatsApp could not be reached", "nothing was changed; try again")
        if status == "doing":
            raise WaError("unknown-outcome", "it was begun, and may still be done", LOOK)
        ((result, error),) = requests.results(
            store, requests.get(store, self._number)["kind"], [self._number]
        )
        if error is not None:
            raise error
        return result
