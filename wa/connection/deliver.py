"""Sending while a command waits, one message or all due ones; and pausing and resuming."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from wa.connection.context import Context
from wa.connection.hold import LOOK_SECONDS, serve, stop_signals
from wa.connection.owner import Owner
from wa.errors import Terminated, WaError
from wa.people.recipients import Recipient
from wa.queue import outcomes, pacing, rows, send
from wa.queue.compose import Part, queue_now
from wa.queue.pacing import Block
from wa.queue.send import Scope
from wa.store.database import Row
from wa.store.files import storage_error
from wa.store.locks import describe_holder, lock_holder
from wa.store.open import explain
from wa.store.paths import Home
from wa.times import describe
from wa.whatsapp.errors import banned

PROOF_SECONDS = 3.0
"""Seconds that a command waits for a receipt that settles an unknown outcome."""
CONNECT_SECONDS = 60.0
PAUSE_SECONDS = 5.0
"""Seconds that `pause` waits for messages that are being sent."""
UNSETTLED = timedelta(hours=24)
"""The age up to which an unsettled attempt is a reason for `send_due` to connect."""
SENDS_SCHEDULED = ("listen", "run-scheduler", "run-scheduler --once")


def send_parts(
    context: Context, to: Recipient, parts: Sequence[Part], key: str | None, wait: float | None
) -> Iterator[tuple[Row, bool]]:
    """Queue and send one message after the other. Yield each row, and whether it had been sent before.

    Each may take `wait` seconds; with None, a message is only queued. Raise as
    `rows.enqueue` does, and a WaError when a message was not sent: it will not be
    sent later unless the code is `unknown-outcome` or `still-queued`.
    """
    held: list[BaseException] = []
    for number, part in enumerate(parts):
        if held:
            raise KeyboardInterrupt
        if number:
            time.sleep(0.001)  # rows of the same millisecond would be sent in any order
        with stop_signals(held.append):
            row = queue_now(context.store, to, part, context.now(), grace=context.settings.grace, key=key)
            was_sent = bool(row["sent_at"])
            row = _wake_or_deliver(context, row, wait, held)
        yield row, was_sent


def retry(context: Context, row_id: str, *, force: bool, wait: float | None) -> Row:
    """Send a failed or missed row again, with `force` an unknown one too. Return the row.

    That may take `wait` seconds; with None, the row is only queued.
    """
    held: list[BaseException] = []
    with stop_signals(held.append):
        row = rows.retry(context.store, row_id, context.now(), force=force, grace=context.settings.grace)
        return _wake_or_deliver(context, row, wait, held)


def _wake_or_deliver(context: Context, row: Row, wait: float | None, held: list[BaseException]) -> Row:
    if wait is None:
        context.wake_owner()
        return row
    return _deliver(context, row["id"], wait, held)


def _deliver(context: Context, row_id: str, wait: float, held: list[BaseException]) -> Row:
    """Wait until a row of the queue is sent, up to `wait` seconds. Return the row.

    When this raises anything but `unknown-outcome` and `still-queued`, the row was
    withdrawn before any claim, and is not sent later. `held` collects SIGTERM and
    Ctrl-C from before the row was committed until after this has returned: a signal
    in between would leave a row that is sent later.
    """
    waiting = _Waiting(context, row_id, wait, held)
    try:
        pacing.rebase(context.store, context.now())
        rows.start_waiting(context.store, row_id, context.now() + timedelta(seconds=wait), context.now())
        context.wake_owner()
        serve(context, "send", Scope.WAITED, waiting.over)
        block = pacing.blocked(context.store, context.now(), context.settings)
        row = rows.stop_waiting(context.store, row_id, context.now())
    except (KeyboardInterrupt, Terminated) as error:
        row = _withdraw(context, row_id, None)
        if row["status"] != "cancelled":
            held.append(error)
            return _sent_or_error(row)
        context.note("nothing was sent; the message is cancelled")
        raise KeyboardInterrupt from None
    except Exception as error:
        fault = _fault_of(error, context.home)
        row = _withdraw(context, row_id, fault)
        if row["status"] == "failed" and row["error_code"] == fault.code:
            raise
        row = _sent_or_error(row, fault.message)
        context.note(f"warning: it was sent, and then {fault.message}")
        return row
    return _sent_or_error(row, block.text if block else "")


def _withdraw(context: Context, row_id: str, fault: WaError | None) -> Row:
    """Withdraw a row as `rows.give_up` does. Return the row.

    Raise WaError `unknown-outcome` if that fails: then the row may be sent later.
    """
    try:
        return rows.give_up(context.store, row_id, context.now(), fault)
    except (sqlite3.Error, OSError) as error:
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


class _Waiting:
    """The wait of a command for one row."""

    def __init__(self, context: Context, row_id: str, wait: float, held: list[BaseException]) -> None:
        self._context = context
        self._row_id = row_id
        self._held = held
        self._deadline = time.monotonic() + wait
        self._proof_deadline: float | None = None
        self._told: str | None = None

    def over(self, owner: Owner | None) -> bool:
        """Return whether the wait is over. Raise WaError when waiting cannot help."""
        if self._held:
            raise self._held[0]
        row = rows.get(self._context.store, self._row_id)
        left = self._deadline - time.monotonic()
        if row["status"] == "unknown":  # a receipt may be on its way
            if self._proof_deadline is None:
                self._proof_deadline = time.monotonic() + min(PROOF_SECONDS, max(left, 0))
            return time.monotonic() >= self._proof_deadline
        if row["status"] not in ("pending", "sending"):
            return True
        if row["status"] == "pending":
            self._watch_blocks(left)
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
        if block.reason != self._told:  # the text may name a distance, which changes each second
            self._told = block.reason
            context.note(block.text)


def _sent_or_error(row: Row, waits_for: str = "") -> Row:
    """Return a row that was sent; raise the WaError for any other status."""
    row_id, status, why = row["id"], row["status"], row["error_message"]
    if status == "sent":
        return row
    if status in ("unknown", "sending"):
        raise WaError(
            "unknown-outcome",
            f"{row_id} may have been sent: {why or 'it was not acknowledged in time'}",
            f"look at the chat, then `wa schedule resolve {row_id} sent|failed`",
        )
    if status == "pending":
        raise WaError(
            "still-queued",
            f"{row_id} is not sent yet, and stays queued" + (f": {waits_for}" if waits_for else ""),
            f"a listener or run-scheduler sends it; `wa schedule cancel {row_id}` cancels it",
        )
    hint = f"`wa schedule retry {row_id}` tries again"
    if row["error_code"] == "recipient-not-found":
        hint = "check the number; it has to be on WhatsApp"
    raise WaError(row["error_code"] or "send-failed", f"not sent: {why or status}", hint)


def send_due(context: Context) -> list[str]:
    """Send the due rows and settle unknown ones, once. Return the resulting statuses.

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
    if rows.sending_ids(context.store):
        return False
    return _nothing_to_send(context)


def _nothing_to_send(context: Context) -> bool:
    """Return whether no row is due, or sending is blocked by more than the spacing."""
    block = pacing.blocked(context.store, context.now(), context.settings)
    return not send.has_due(context.store, context.now()) or (block is not None and block.reason != "spacing")


def pause(context: Context) -> None:
    """Stop all sending; once this has returned, nothing is sent any more.

    Raise WaError `unknown-outcome`, with the ids, when messages are still being sent after PAUSE_SECONDS.
    """
    pacing.pause(context.store, context.now())
    context.wake_owner()
    deadline = time.monotonic() + PAUSE_SECONDS
    while sending := rows.sending_ids(context.store):
        if lock_holder(context.home.session_lock) is None:
            break
        if time.monotonic() > deadline:
            raise WaError(
                "unknown-outcome",
                f"paused, but still being sent: {', '.join(sending)}",
                "what is not on its way yet stays; `wa schedule list` shows how these end",
            )
        time.sleep(LOOK_SECONDS)


def resume(context: Context) -> Block | None:
    """Start sending again. Return the block that still keeps messages from being sent, or None."""
    pacing.resume(context.store, context.now())
    context.wake_owner()
    return pacing.blocked(context.store, context.now(), context.settings)
