"""Pausing, resuming, cancelling and retrying jobs. Each function is one transaction, or says otherwise."""

from __future__ import annotations

from datetime import datetime

from wa.errors import WaError
from wa.queue import rows
from wa.queue.jobs import chain, table
from wa.queue.jobs.plan import pace_of
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso

_AGAIN: Row = {
    "status": "held",
    "job_turn": "later",
    "local_at": None,
    "message_id": None,
    "error_code": None,
    "error_message": None,
    "retries": 0,
}
"""The changes of a failed row that is tried again when its job comes to it."""
_OPEN = "SELECT id, job_turn, recipient_index FROM scheduled_messages WHERE job_id = ? AND status IN {}"


def pause(store: Store, job_id: str, now: datetime) -> None:
    """Pause a job: no further message of it is claimed.

    Raise WaError `wrong-state` for a job that is a draft or over.
    """
    with store.write():
        status = table.head(store, job_id)["status"]
        if status not in ("pending", "running", "paused"):
            raise _wrong(store, job_id, status, "paused")
        stop(store, job_id, now, reason=None)


def stop(store: Store, job_id: str, now: datetime, *, reason: str | None) -> None:
    """Make a job paused, and hold its pending rows, in the caller's transaction."""
    table.update(store, job_id, now, status="paused", error_message=reason)
    for row in store.rows(_OPEN.format("('pending')"), [job_id]):
        chain.follow(store, row["id"], now)


def sending(store: Store, job_id: str) -> list[str]:
    """Return the ids of the rows of a job that are being sent."""
    return [row["id"] for row in store.rows(_OPEN.format("('sending')"), [job_id])]


def cancel(store: Store, job_id: str, now: datetime) -> None:
    """Cancel a job and its rows that are not sent.

    Raise WaError `wrong-state` for a job that is over.
    """
    with store.write():
        status = table.head(store, job_id)["status"]
        if status not in (*table.UNFINISHED, "cancelled"):
            raise _wrong(store, job_id, status, "cancelled")
        if status != "cancelled":
            table.update(store, job_id, now, status="cancelled", completed_at=to_iso(now), error_message=None)
        for row in store.rows(_OPEN.format("('draft', 'pending', 'held')"), [job_id]):
            chain.follow(store, row["id"], now)
        table.change_statuses(store, job_id, ("waiting", "begun"), "cancelled")
        chain.go_on(store, job_id, now)


def resume(store: Store, job_id: str, now: datetime) -> Row:
    """Let a paused job go on. Return it without its recipients.

    Raise WaError `wrong-state` for a job that is a draft or over; one that goes on already stays as it is.
    """
    with store.write():
        job = table.head(store, job_id)
        if job["status"] not in ("paused", "pending", "running"):
            raise _wrong(store, job_id, job["status"], "resumed")
        if job["status"] == "paused":
            begun = table.has(store, job_id, "unknown", *table.OVER) or (
                (job["scheduled_start_at"] or "") <= to_iso(now) and table.has(store, job_id, "begun")
            )
            table.update(store, job_id, now, status="running" if begun else "pending", error_message=None)
            grace = pace_of(job).grace
            for row in store.rows(_OPEN.format("('held')"), [job_id]):
                if row["job_turn"] == "apart":
                    due = max(now, from_iso(rows.get(store, row["id"])["scheduled_at"]))
                    times = {"scheduled_at": to_iso(due), "expires_at": to_iso(end_of_grace(due, grace))}
                    rows.change(store, row["id"], now, status="pending", **times)
            chain.go_on(store, job_id, now)
    return table.head(store, job_id)


def retry(store: Store, job_id: str, now: datetime) -> int:
    """Let the failed recipients of a job be tried again, each from its failed part on. Return their number.

    Raise WaError `wrong-state` for a job without any, or that was cancelled.
    """
    with store.write():
        job = table.head(store, job_id)
        if job["status"] in ("draft", "cancelled"):
            raise _wrong(store, job_id, job["status"], "retried")
        number = table.count(store, job_id, "failed")
        if not number:
            raise WaError(
                "wrong-state",
                f"no recipient of {job_id} has failed",
                "`wa jobs show` tells what became of each; what was sent is not sent again",
            )
        failed = (
            "SELECT id, recipient_index, scheduled_at FROM scheduled_messages"
            " WHERE job_id = ? AND status IN ('failed', 'missed')"
        )
        for row in store.rows(failed, [job_id]):
            again = {**_AGAIN, "scheduled_at": to_iso(now), "note": f"{rows.FIRST_DUE}{row['scheduled_at']}"}
            rows.change(store, row["id"], now, **again)
        table.change_statuses(store, job_id, ("failed",), "begun")
        chain.go_on(store, job_id, now)
    return number


def draft_of(store: Store, job_id: str) -> str | None:
    """Return the id of the draft that lets a job begin when it is approved."""
    found: str | None = store.value(_OPEN.format("('draft')"), [job_id])
    return found


def _wrong(store: Store, job_id: str, status: str, verb: str) -> WaError:
    hints = {
        "draft": f"`wa schedule approve {draft_of(store, job_id)}` lets it begin",
        "cancelled": "it stays cancelled; `wa jobs add` makes a new one",
    }
    hint = hints.get(status, "`wa jobs retry` tries its failed recipients again")
    return WaError("wrong-state", f"{job_id} is {status} and cannot be {verb}", hint)
