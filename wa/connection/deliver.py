"""Sending while a command waits, one message or all due ones."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from wa.connection.context import Context
from wa.connection.hold import serve, stop_signals
from wa.errors import Terminated, WaError
from wa.people.recipients import Recipient
from wa.queue import checks, outcomes, pacing, rows, send, states, waiting
from wa.queue.compose import Part, queue_now
from wa.queue.send import Scope
from wa.queue.waiting import Waiter
from wa.store.database import Row
from wa.store.files import storage_error
from wa.store.locks import describe_holder, lock_holder
from wa.store.open import explain
from wa.store.paths import Home
from wa.times import describe
from wa.whatsapp.errors import banned

if TYPE_CHECKING:
    from wa.connection.owner import Owner

PROOF_SECONDS = 3.0
"""Seconds that a command waits for a receipt that settles an unknown outcome."""
END_SECONDS = 4.0
"""Seconds for which a command that ends waits for a locked store, to withdraw its message."""
CONNECT_SECONDS = 60.0
UNSETTLED = timedelta(hours=24)
"""The age up to which an unsettled attempt is a reason for `send_due` to connect."""
Tell = Callable[[Row, bool], None]
"""Takes a row as soon as it is sent or queued, and whether it had been sent before."""
SENDS_SCHEDULED = ("listen", "run-scheduler", "run-scheduler --once")


def send_parts(
    context: Context,
    to: Recipient,
    parts: Sequence[Part],
    key: str | None,
    wait: float | None,
    tell: Tell,
    *,
    draft: bool = False,
) -> None:
    """Queue and send one message after the other. Call `tell` with each row as soon as it is sent or queued.

    Each may take `wait` seconds; with None, a message is only queued, as is a `draft`, or one whose key is of
    a message for later. Raise as `rows.enqueue` does, and a WaError for one that was not sent: it will not be
    sent later unless the code is `unknown-outcome` or `still-queued`.
    """
    held: list[BaseException] = []
    counted, draft = context.counting([to.jid], key), context.drafts(asked=draft)
    how: Any = {"key": key, "draft": draft, "created_from": context.made_from("cli")}
    for number, part in enumerate(parts):
        if held:
            raise KeyboardInterrupt
        if number:
            time.sleep(0.001)  # rows of the same millisecond would be sent in any order

        def add(part: Part = part) -> tuple[Row, None]:
            grace = context.settings.grace
            return counted(queue_now(context.store, to, part, context.now(), grace=grace, **how)), None

        _deliver(context, add, None if draft else wait, tell, held)


def retry(context: Context, row_id: str, *, force: bool, wait: float | None, tell: Tell) -> None:
    """Send a failed or missed row again, with `force` an unknown one too; otherwise as `send_parts` does."""

    def again() -> tuple[Row, Row]:
        before, grace = rows.get(context.store, row_id), context.settings.grace
        return states.retry(context.store, row_id, context.now(), force=force, grace=grace), before

    _deliver(context, again, wait, tell, [])


def _deliver(
    context: Context,
    put: Callable[[], tuple[Row, Row | None]],
    wait: float | None,
    tell: Tell,
    held: list[BaseException],
) -> None:
    """Put a row into the queue and wait until it is sent, up to `wait` seconds.

    `put` returns the row, and the row as it was before it was retried. `held` collects
    SIGTERM and Ctrl-C from before the row is committed until after this has returned:
    a signal in between would leave a row that is sent later.
    """
    store = context.store
    with stop_signals(held.append):
        pacing.rebase(store, context.now())
        waiter: Waiter | None = None
        with store.write():  # one transaction, so that there is no moment at which nobody waits for the row
            if held:
                raise KeyboardInterrupt
            (row, retried), now = put(), context.now()
            if wait is None:
                checks.check_decided(row)
            elif not row["sent_at"] and not rows.is_for_later(store, row["id"], now):
                waiter = Waiter(row["id"], now + timedelta(seconds=wait), retried)
                waiting.start(store, waiter, now)
        context.wake_owner()
        if waiter is None:
            tell(row, bool(row["sent_at"]))
            return
        wish = _Wish(context, waiter, wait or 0, tell, held)
        row = _wait_for(context, wish)
        if not wish.is_told:
            tell(row, False)


def _wait_for(context: Context, wish: _Wish) -> Row:
    """Wait until a row is sent, and return it.

    When this raises anything but `unknown-outcome` and `still-queued`, the row was
    withdrawn before any claim, and is not sent later.
    """
    try:
        serve(context, "send", Scope.WAITED, wish.over)
        if wish.is_told:
            return wish.row
        block = pacing.blocked(context.store, context.now(), context.settings)
        with context.store.patience(END_SECONDS):
            row = waiting.stop(context.store, wish.waiter, context.now())
    except (KeyboardInterrupt, Terminated) as error:
        row = wish.row if wish.is_told else _withdraw(context, wish.waiter, None)
        if row["status"] in ("cancelled", "failed"):
            context.note(f"nothing was sent; the message is {row['status']}")
            raise KeyboardInterrupt from None
        wish.held.append(error)
        return waiting.sent_or_error(row)
    except Exception as error:
        fault = _fault_of(error, context.home)
        row = wish.row if wish.is_told else _withdraw(context, wish.waiter, fault)
        if row["status"] == "failed" and row["error_code"] == fault.code:
            raise
        row = waiting.sent_or_error(row, fault.message)
        context.note(f"warning: it was sent, and then {fault.message}")
        return row
    return waiting.sent_or_error(row, block.text if block else "")


def _withdraw(context: Context, waiter: Waiter, fault: WaError | None) -> Row:
    """Withdraw a row as `waiting.give_up` does. Return the row.

    Raise WaError `unknown-outcome` if that fails: then the row may be sent later.
    """
    try:
        with context.store.patience(END_SECONDS):
            return waiting.give_up(context.store, waiter, context.now(), fault)
    except Exception as error:
        row_id = waiter.row_id
        raise WaError(
            "unknown-outcome",
            f"{row_id} may still be sent: it could not be cancelled: {error}",
            f"`wa schedule cancel {row_id}` cancels it, or tells that it was sent",
        ) from error


def _fault_of(error: Exception, home: Home) -> WaError:
    """Return the WaError to store in the row for an error that ended a wait."""
    if isinstance(error, WaError):
        return error
    if isinstance(error, sqlite3.Error):
        return explain(error, home)
    if isinstance(error, OSError):
        return storage_error(error, home.path)
    return WaError("internal", f"{type(error).__name__}: {error}")


class _Wish:
    """The wish of a command that one row is sent, and its wait for that.

    `is_told` is whether `tell` was called with `row`, the row as it was sent. `held` has the signals.
    """

    def __init__(
        self, context: Context, waiter: Waiter, wait: float, tell: Tell, held: list[BaseException]
    ) -> None:
        self.waiter = waiter
        self.row: Row = {}
        self.is_told = False
        self._context = context
        self._tell = tell
        self.held = held
        self._deadline = time.monotonic() + wait
        self._proof_deadline: float | None = None
        self._noted: str | None = None

    def over(self, owner: Owner | None) -> bool:
        """Return whether the wait is over; tell of a row that is sent. Raise WaError when waiting is no use.

        The row is told of here, for closing the connection afterwards takes time.
        """
        if self.is_told:
            return True
        if self.held:
            raise self.held[0]
        row = rows.get(self._context.store, self.waiter.row_id)
        left = self._deadline - time.monotonic()
        if row["status"] == "unknown":  # a receipt may be on its way
            if self._proof_deadline is None:
                self._proof_deadline = time.monotonic() + min(PROOF_SECONDS, max(left, 0))
            return time.monotonic() >= self._proof_deadline
        if row["status"] == "sent":
            self.row, self.is_told = row, True
            self._tell(row, False)
        if row["status"] not in ("pending", "sending"):
            return True
        if row["status"] == "pending":
            self._watch_blocks(left)
            context = self._context
            self.waiter = waiting.follow_clock(context.store, self.waiter, left, context.now())
        if left <= 0:  # now, for closing the connection may end an upload, which would leave the row pending
            with self._context.store.patience(END_SECONDS):
                waiting.stop(self._context.store, self.waiter, self._context.now())
        return left <= 0

    def _watch_blocks(self, left: float) -> None:
        """Raise WaError for a block that lasts longer than the wait; note one that the user can end."""
        context = self._context
        block = pacing.blocked(context.store, context.now(), context.settings)
        if block is None or block.reason == "spacing":
            return
        if block.reason == "ban":
            raise WaError("temporary-ban", block.text, "wait until then")
        until = block.until if block.reason in ("brake", "daily-limit") else None
        if until and (until - context.now()).total_seconds() > left:
            raise WaError("rate-limit-exceeded", block.text, "`wa schedule add … --at` queues it for later")
        if block.reason != self._noted:  # the text may name a distance, which changes each second
            self._noted = block.reason
            context.note(block.text)


def send_due(context: Context) -> list[Row]:
    """Send the due rows and settle unknown ones, once. Return the rows that have an outcome now.

    While another process that sends scheduled messages holds the connection, wait
    until it has sent them. Raise WaError `not-authorized`, `network-error` and `in-use`.
    """
    context.check_linked()
    now = context.now()
    pacing.rebase(context.store, now)
    if send.has_due(context.store, now) and (ban := pacing.ban_end(context.store, now)):
        raise banned(describe(ban, context.settings.zone, now))
    if _nothing_to_send(context) and not send.is_unsettled(context.store, now - UNSETTLED):
        return []
    context.wake_owner()
    deadline = time.monotonic() + CONNECT_SECONDS

    def over(owner: Owner | None) -> bool:
        late = time.monotonic() > deadline
        if owner is None:
            holder = lock_holder(context.home.session_lock)
            if late and holder is not None and holder.get("command") not in SENDS_SCHEDULED:
                raise WaError(
                    "in-use",
                    f"{describe_holder(holder)} holds the connection",
                    "let it send too (without --no-send), or stop it",
                )
            quiet = holder is not None and _is_quiet(context)
            if late and holder is not None and not quiet:
                raise WaError(
                    "network-error",
                    f"{describe_holder(holder)} has not sent what is due",
                    "`wa status` tells what keeps it; the queue stays as it is",
                )
            return quiet
        if not owner.caught_up:
            if late:
                why = owner.trouble or "no answer"
                raise WaError(
                    "network-error", f"no connection to WhatsApp: {why}", "the queue stays as it is"
                )
            return False
        return _is_quiet(context)

    serve(context, "run-scheduler --once", Scope.ALL, over)
    return outcomes.outcomes_since(context.store, now)


def _is_quiet(context: Context) -> bool:
    """Return whether no row is being sent, and none could be sent by waiting for the spacing."""
    with context.store.reading():  # between two looks, a row can be claimed that neither sees
        return not rows.sending_ids(context.store) and _nothing_to_send(context)


def _nothing_to_send(context: Context) -> bool:
    """Return whether no row is due, or sending is blocked by more than the spacing."""
    block = pacing.blocked(context.store, context.now(), context.settings)
    return not send.has_due(context.store, context.now()) or (block is not None and block.reason != "spacing")
