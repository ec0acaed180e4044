"""Commands that wait for a row of the queue to be sent; several may wait for the row of one key.

Each waiter of a row with a key is recorded in `state`, for the row is withdrawn with its last waiter only.
A waiter that was killed counts until the moment up to which it would have waited.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from wa.errors import EXIT_OF_CODE, WaError
from wa.queue import rows, states
from wa.store.database import Row, Store
from wa.times import to_iso
from wa.whatsapp.ids import random_hex


@dataclass(frozen=True)
class Waiter:
    """A command that waits for one row, up to a moment.

    `retried` is the row as it was before the command retried it.
    """

    row_id: str
    until: datetime
    retried: Row | None = None
    name: str = field(default_factory=lambda: random_hex(4))


def start(store: Store, waiter: Waiter, now: datetime) -> None:
    """Note that a command waits for a row: any owner sends it, before other rows."""
    with store.write():
        row = rows.get(store, waiter.row_id)
        if row["idempotency_key"] is not None:
            others = _others(store, waiter, now)
            _keep(store, waiter, {**others, waiter.name: to_iso(waiter.until)}, now)
        else:
            others = {}
        if row["status"] in ("pending", "sending"):  # an attempt that comes to nothing is pending again
            until = max([to_iso(waiter.until), *others.values()])
            rows.update(store, waiter.row_id, now, wait_until=until)


def follow_clock(store: Store, waiter: Waiter, left: float, now: datetime) -> Waiter:
    """Return a waiter with `left` seconds to wait; noted anew if the clock was set ahead."""
    if left <= 0 or waiter.until > now:
        return waiter
    later = replace(waiter, until=now + timedelta(seconds=left))
    start(store, later, now)
    return later


def stop(store: Store, waiter: Waiter, now: datetime) -> Row:
    """Note that a command waits no longer: the process that sends the queue sends the row. Return it.

    A row whose file is being uploaded is withdrawn as `give_up` does: it could be sent at any time, or never.
    """
    with store.write():
        if rows.is_uploading(store, waiter.row_id):
            give_up(store, waiter, now, WaError("network-error", "its file was not uploaded in time"))
        elif _is_noted(store, waiter):
            _leave(store, waiter, now, {})
    return rows.get(store, waiter.row_id)


def give_up(store: Store, waiter: Waiter, now: datetime, error: WaError | None) -> Row:
    """Withdraw the row of a command that ends, unless its message may have left. Return the row.

    It becomes `failed` with the error, or `cancelled`. A row that was retried becomes what it was, `failed`
    or `unknown`. A row that another command waits for stays pending, and so does one that was scheduled.
    """
    with store.write():
        is_pending = rows.get(store, waiter.row_id)["status"] == "pending"
        if is_pending or rows.is_uploading(store, waiter.row_id):
            stays = _others(store, waiter, now) or not rows.is_immediate(store, waiter.row_id)
            _leave(store, waiter, now, {} if stays else _withdrawn(waiter.retried, error))
    return rows.get(store, waiter.row_id)


def _withdrawn(retried: Row | None, error: WaError | None) -> Row:
    """Return the changes that withdraw a row."""
    if retried and retried["status"] == "unknown":  # its earlier attempt may have been sent
        return {name: retried[name] for name in ("status", "message_id", "error_code", "error_message")}
    if error:
        return {"status": "failed", "error_code": error.code, "error_message": error.message}
    if retried:
        return {"status": "failed", "error_code": "send-failed", "error_message": "interrupted"}
    return {"status": "cancelled", "error_code": None, "error_message": None}


def _is_noted(store: Store, waiter: Waiter) -> bool:
    """Return whether a command is noted as waiting for the row."""
    sql = "SELECT wait_until IS NOT NULL FROM scheduled_messages WHERE id = ?"
    return bool(store.value(sql, [waiter.row_id]))


def _leave(store: Store, waiter: Waiter, now: datetime, changes: Row) -> None:
    others = _others(store, waiter, now)
    _keep(store, waiter, others, now)
    until = max(others.values(), default=None)
    change = states.end if changes else rows.update
    change(store, waiter.row_id, now, **changes, wait_until=until)


def _others(store: Store, waiter: Waiter, now: datetime) -> dict[str, str]:
    """Return the moments up to which other commands wait for the row, by their names."""
    known = store.state().get("waiting", {}).get(waiter.row_id, {})
    return {name: until for name, until in known.items() if name != waiter.name and until > to_iso(now)}


def _keep(store: Store, waiter: Waiter, waiters: dict[str, str], now: datetime) -> None:
    """Store the waiters of a row; forget those of all rows whose wait is over."""
    known = {**store.state().get("waiting", {}), waiter.row_id: waiters}
    left = {
        row_id: each for row_id, each in known.items() if any(until > to_iso(now) for until in each.values())
    }
    if left or "waiting" in store.state():
        store.set_state("waiting", left or None)


def sent_or_error(row: Row, waits_for: str = "") -> Row:
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
    if status == "held":
        raise WaError(
            "still-queued",
            f"{row_id} is not sent: it is held",
            f"`wa schedule unhold {row_id}` lets it go, `wa schedule cancel {row_id}` cancels it",
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
    elif status == "cancelled":
        hint = "it stays cancelled; `wa send` sends a new one"
    code = row["error_code"] if row["error_code"] in EXIT_OF_CODE else "send-failed"
    raise WaError(code, f"not sent: {why or status}", hint)
