"""The chain of a job: the row of its next message is made in the transaction that ends the row before it.

So a kill at any moment repeats nothing and skips nothing. One row of a job is open at a time. A recipient
whose row may have been sent, or is held by the user, keeps later parts back while the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from wa.queue import place, rows
from wa.queue.jobs import sources, table
from wa.queue.jobs.plan import pace_of
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.store.rewrites import row_changed
from wa.times import from_iso, to_iso

GOES_ON = ("draft", "pending", "running", "completed", "failed")
"""The statuses of a job whose next row is made. One that is over goes on when a row of it is tried again."""


@row_changed.part
def follow(store: Store, row_id: str, now: datetime) -> None:
    """Follow a change of a row of a job, in the same transaction: make the next row, and move the cursor."""
    row = store.row(
        "SELECT id, job_id, recipient_index, part_index, status, scheduled_at, sent_at, job_turn"
        " FROM scheduled_messages WHERE id = ? AND job_id IS NOT NULL",
        [row_id],
    )
    if row is None:
        return
    job = table.head(store, row["job_id"])
    if row["status"] in ("pending", "held", "draft") and job["status"] == "cancelled":
        rows.change(store, row_id, now, status="cancelled", note="its job was cancelled")
    elif row["status"] == "pending" and job["status"] == "paused":
        turn = row["job_turn"] or "later"
        rows.change(store, row_id, now, status="held", job_turn=turn, wait_until=None)
    elif row["status"] == "pending" and _was_held(store, row):  # the user lets it go
        due = max(now, from_iso(row["scheduled_at"]))
        rows.change(store, row_id, now, **_times(job, due), job_turn=None)
    if row["status"] == "pending" and job["status"] == "draft":  # the user approved it
        table.update(store, job["id"], now, status="pending")
        job["status"] = "pending"
    take_stock(store, job, row["recipient_index"])
    if job["status"] == "cancelled":
        table.change_statuses(store, job["id"], ("begun",), "cancelled")
    _go_on(store, job, now, _due_after(job, row, now), sent_at=row["sent_at"])


def _was_held(store: Store, row: Row) -> bool:
    """Return whether a row was held before its change: by the user, or until its job comes to it."""
    if row["job_turn"] == "apart":
        return False
    was = table.recipient(store, row["job_id"], row["recipient_index"])["status"]
    return row["job_turn"] == "later" or bool(was == "held")


def take_stock(store: Store, job: Row, number: int) -> None:
    """Store the status of a recipient that its rows say."""
    table.set_status(store, job["id"], number, _status_of(job, rows_of(store, job["id"], number)))


def rows_of(store: Store, job_id: str, number: int) -> list[Row]:
    """Return the rows of one recipient of a job, in the order of the parts."""
    return store.rows(
        "SELECT id, part_index, status, error_code, scheduled_at, job_turn, attempts FROM scheduled_messages"
        " WHERE job_id = ? AND recipient_index = ? ORDER BY part_index",
        [job_id, number],
    )


def _status_of(job: Row, theirs: Sequence[Row]) -> str:
    """Return the status of a recipient with these rows."""
    for row in theirs:
        status = row["status"]
        if status == "sent":
            continue
        if status == "held":
            return {"later": "begun", "apart": "apart", None: "held"}[row["job_turn"]]
        if status in ("pending", "sending", "draft"):
            return "apart" if row["job_turn"] == "apart" else "open"
        if status == "cancelled":
            return "skipped" if row["error_code"] == "skipped" else "cancelled"
        return "unknown" if status == "unknown" else "failed"
    if len(theirs) == len(job["message_parts"]):
        return "sent"
    return "begun" if theirs else "waiting"


def _due_after(job: Row, ended: Row, now: datetime) -> datetime:
    """Return when the message behind a row may go out: its pause after one that was tried, else its time."""
    if ended["status"] in ("sent", "failed", "unknown"):
        return now + timedelta(seconds=pace_of(job).after(ended["part_index"]))
    if ended["job_turn"] == "apart" or ended["status"] == "pending":
        return now
    return max(now, from_iso(ended["scheduled_at"]))


def go_on(store: Store, job_id: str, now: datetime) -> None:
    """Make the next row of a job, due now or at its start, and move the cursor."""
    _go_on(store, table.head(store, job_id), now, now)


def _go_on(store: Store, job: Row, now: datetime, due: datetime, sent_at: str | None = None) -> None:
    makes = job["status"] in GOES_ON and not place.is_elsewhere(store)
    if makes and not table.has(store, job["id"], "open"):
        following = table.first_with(store, job["id"], "begun", "waiting")
        if following is not None:
            _open(store, job, following, now, due)
    _move_cursor(store, job, now, max(sent_at or "", job["last_sent_at"] or "") or None)


def _open(store: Store, job: Row, person: Row, now: datetime, due: datetime) -> None:
    """Make or reopen the next row of a recipient."""
    theirs = rows_of(store, job["id"], person["number"])
    waiting = next((row for row in theirs if row["job_turn"] == "later"), None)
    if waiting:
        due = max(due, from_iso(waiting["scheduled_at"]))
    elif job["scheduled_start_at"]:
        due = max(due, from_iso(job["scheduled_start_at"]))
    is_draft = job["status"] == "draft"
    changes: Row = {
        "status": "draft" if is_draft else "pending",
        **_times(job, due),
        # a draft without a time of its own goes out when it is approved
        "is_immediate": is_draft and job["scheduled_start_at"] == job["created_at"],
        "job_turn": None,
        "error_code": None,
        "error_message": None,
    }
    if waiting:
        rows.change(store, waiting["id"], now, **changes)
    else:
        rows.add_row(store, {**new_row(job, person, len(theirs)), **changes}, now)
    table.set_status(store, job["id"], person["number"], "open")


def _times(job: Row, due: datetime) -> Row:
    """Return the columns of a row that is due at a moment."""
    expires = end_of_grace(due, pace_of(job).grace)
    return {"scheduled_at": to_iso(due), "expires_at": to_iso(expires), "not_before": None}


def bring_forward(store: Store, row: Row, now: datetime) -> None:
    """Let a pending row be due now: it was made by a clock that was ahead."""
    rows.change(store, row["id"], now, **_times(table.head(store, row["job_id"]), now))


def new_row(job: Row, person: Row, part: int) -> Row:
    made = job["message_parts"][part]
    return {
        "to_jid": person["to_jid"],
        "to_phone": person["to_phone"],
        "contact_name": person["contact_name"],
        "contact_id": person["contact_id"],
        "message": sources.text_for(made, person),
        "media_path": made.get("mediaPath"),
        "media_type": made.get("mediaType"),
        "file_name": made.get("fileName"),
        "timezone": job["timezone"],
        "created_from": "job",
        "hook_id": job["config"].get("hookId"),
        "job_id": job["id"],
        "recipient_index": person["number"],
        "part_index": part,
    }


def _move_cursor(store: Store, job: Row, now: datetime, last_sent_at: str | None) -> None:
    """Store what the rows say: the position of the open row or of the next, the counts, and the status."""
    job_id = job["id"]
    at = _standing(store, job_id)
    found: dict[str, Any] = {
        "recipients_sent": table.count(store, job_id, "sent"),
        "recipients_failed": table.count(store, job_id, "failed"),
        "last_sent_at": last_sent_at,
    }
    if job["status"] != "cancelled":
        theirs = rows_of(store, job_id, at["number"]) if at else []
        found["current_recipient_index"] = at["number"] if at else table.size(store, job_id)
        found["current_part_index"] = sum(row["status"] == "sent" for row in theirs)
    if job["status"] in GOES_ON:
        found.update(_status_after(store, job, at, found, now))
    if changed := {name: value for name, value in found.items() if job[name] != value}:
        table.update(store, job_id, now, **changed)


def _standing(store: Store, job_id: str) -> Row | None:
    """Return the recipient a job stands at: of the open row, of an unsettled newest row, or the next one."""
    if opened := table.first_with(store, job_id, "open"):
        return opened
    newest = store.row(
        "SELECT recipient_index, status FROM scheduled_messages WHERE job_id = ?"
        " ORDER BY recipient_index DESC, part_index DESC LIMIT 1",
        [job_id],
    )
    if newest and newest["status"] in ("unknown", "held"):
        return table.recipient(store, job_id, newest["recipient_index"])
    following = table.first_with(store, job_id, "begun", "waiting")
    return following or table.first_with(store, job_id, *table.UNSETTLED)


def _status_after(store: Store, job: Row, at: Row | None, found: Row, now: datetime) -> Row:
    """Return status and end of a job: running once a row of it was tried, over when all is settled."""
    status, total = job["status"], table.size(store, job["id"])
    if at is None:
        after = "failed" if found["recipients_failed"] == total else "completed"
        return {"status": after, "completed_at": job["completed_at"] if status == after else to_iso(now)}
    if status in ("draft", "pending") and not _has_begun(store, job["id"], at):
        return {}
    return {"status": "running", "completed_at": None}


def _has_begun(store: Store, job_id: str, at: Row | None) -> bool:
    if table.has(store, job_id, "begun", "unknown", *table.OVER):
        return True
    return at is not None and any(row["attempts"] for row in rows_of(store, job_id, at["number"]))
