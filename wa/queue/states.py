"""The states of a row, and the moves that a user's command makes from one to another.

    draft ─approve→ pending ⇄ held (hold, unhold) · draft, pending, held → cancelled
    failed, missed, unknown ─retry→ pending

Each function that a command calls is one transaction, which re-reads the row first: the change is
committed before the message could be sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wa.errors import WaError
from wa.queue.rows import FIRST_DUE, OPEN, get, is_immediate, update
from wa.queue.series import queued
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso


def end(store: Store, row_id: str, now: datetime, **changes: Any) -> None:
    """Give a row a status in which nothing more happens by itself, in the caller's transaction.

    Whatever the end of a message brings about is done here, such as the next row of its series: no other
    function ends one.
    """
    update(store, row_id, now, **{"wait_until": None, **changes})
    if row := queued.date_of(store, row_id):
        from wa.queue.series import occurrences

        occurrences.follow(store, row, now)


def cancel(store: Store, row_id: str, now: datetime) -> Row:
    """Cancel a row that is not sent yet. Raise as `expect` does."""
    with store.write():
        expect(store, row_id, "cancelled", OPEN)
        end(store, row_id, now, status="cancelled")
    return get(store, row_id)


def edit(store: Store, row_id: str, now: datetime, changes: Row) -> Row:
    """Change columns of a row that is not sent yet. Raise as `expect` does."""
    with store.write():
        expect(store, row_id, "edited", OPEN)
        if "message" in changes:
            changes = {**changes, "template": None}
        update(store, row_id, now, **changes)
    return get(store, row_id)


def hold(store: Store, row_id: str, now: datetime) -> Row:
    """Keep a pending row from being sent until `unhold`. Raise as `expect` does."""
    with store.write():
        expect(store, row_id, "held", ("pending",))
        update(store, row_id, now, status="held", not_before=None)
    return get(store, row_id)


def unhold(store: Store, row_id: str, now: datetime) -> Row:
    """Make a held row pending again. Raise as `expect` does."""
    with store.write():
        expect(store, row_id, "released", ("held",))
        row = get(store, row_id)
        if row["job_id"] and row["error_code"] == "renumbered":
            from wa.queue.jobs import table as jobs

            jobs.keep_number(store, row["job_id"], row["recipient_index"])
        update(store, row_id, now, status="pending", error_code=None, error_message=None)
    return get(store, row_id)


def approve(store: Store, row_id: str, now: datetime, *, at_once: bool) -> Row:
    """Make a draft pending; with `at_once`, to be sent now.

    A draft without a time of its own is always to be sent now. Raise WaError `wrong-state` for a draft whose
    time has passed, unless `at_once`, and as `expect` does.
    """
    with store.write():
        expect(store, row_id, "approved", ("draft",))
        row, changes = get(store, row_id), {"status": "pending"}
        due = from_iso(row["scheduled_at"])
        if at_once or is_immediate(store, row_id):
            changes.update(at_once_from(row, now, end_of_grace(now, from_iso(row["expires_at"]) - due)))
        elif due <= now:
            raise WaError(
                "wrong-state",
                f"the time of {row_id} has passed: {row['scheduled_at']}",
                f"`--now` sends it now; `wa schedule edit {row_id} --at` gives it another time",
            )
        update(store, row_id, now, **changes)
        if row["series_id"] is not None:
            from wa.queue.series import table

            table.update(store, row["series_id"], now, is_draft=False)
    return get(store, row_id)


def at_once_from(row: Row, now: datetime, expires: datetime) -> Row:
    """Return the changes that let a row be sent now, whatever its time was."""
    note = None if row["scheduled_at"] == row["created_at"] else f"{FIRST_DUE}{row['scheduled_at']}"
    return {
        "scheduled_at": to_iso(now),
        "local_at": None,
        "expires_at": to_iso(expires),
        "not_before": None,
        "is_immediate": True,
        "note": note,
    }


def retry(
    store: Store, row_id: str, now: datetime, *, force: bool, grace: timedelta, seen: str | None = None
) -> Row:
    """Make a failed or missed row, with `force` also an unknown one, pending again, to be sent now.

    `seen` is the row's `updated_at` when the user decided so: raise WaError `wrong-state` if that is another.
    """
    with store.write():
        row = get(store, row_id)
        if seen is not None and row["updated_at"] != seen:
            raise WaError("wrong-state", f"{row_id} has changed meanwhile", "look at it again, then choose")
        if row["status"] == "unknown" and not force:
            raise WaError(
                "unknown-outcome",
                f"{row_id} may have been sent already",
                "look at the chat; then `wa schedule resolve`, or `retry --force` to send it again",
            )
        expect(store, row_id, "retried", ("failed", "missed", "unknown"))
        update(
            store,
            row_id,
            now,
            status="pending",
            message_id=None,
            error_code=None,
            error_message=None,
            **{
                **at_once_from(row, now, end_of_grace(now, grace)),
                "note": f"{FIRST_DUE}{row['scheduled_at']}",
            },
        )
    return get(store, row_id)


def expect(store: Store, row_id: str, verb: str, allowed: tuple[str, ...]) -> None:
    """Raise WaError unless a status is allowed: `unknown-outcome` if it may be sent, else `wrong-state`."""
    row = get(store, row_id)
    if row["status"] in allowed:
        return
    if row["status"] in ("sending", "unknown"):
        raise WaError(
            "unknown-outcome",
            f"{row_id} is {row['status']}: it may have been sent, and cannot be {verb}",
            f"wa schedule show {row_id}",
        )
    raise WaError(
        "wrong-state",
        f"{row_id} is {row['status']} and cannot be {verb}",
        "`wa send` or `wa schedule add` makes a new one"
        if row["status"] in ("sent", "cancelled")
        else f"only {' or '.join(allowed)} messages can be {verb}",
    )
