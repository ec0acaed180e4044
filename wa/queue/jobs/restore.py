"""Jobs in a restored or copied home, where another copy may have gone on with them; clocks that were ahead.

Such a job is paused. Each of its messages that was not settled, and would be due by now, may have been sent:
it becomes `unknown`. Nothing that was sent since goes out again. A draft, and a job of the tool before this
one that has not been resumed, stay what they are.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from wa.queue import rows
from wa.queue.jobs import chain, control, table
from wa.queue.jobs.plan import pace_of
from wa.store.database import Row, Store
from wa.store.rewrites import Restore, carry_over
from wa.times import from_iso, to_iso

_WHY = "another copy of this home may have sent it"


@carry_over.part
def _carry_jobs_over(restore: Restore) -> None:
    """Keep what the present store knows of jobs; doubt those that it does not know, and pause all of them."""
    store = Store.over(restore.db)
    known = _take_over_known(restore, store)
    why = f"it comes from {restore.name}, and may have been sent since"
    for job_id in table.unfinished(store):
        job = table.head(store, job_id)
        if job["status"] == "draft" or table.is_untouched(store, job):
            continue
        if job_id not in known:
            _doubt(store, job_id, restore.now, why)
        _pause(store, job_id, restore.now, f"it comes from {restore.name}")
    for job_id in known:
        _take_stock(store, job_id, restore.now)


def _take_over_known(restore: Restore, store: Store) -> set[str]:
    """Replace the backup's jobs by those of the present store that changed later; return the ids of these."""
    db, columns = restore.db, restore.columns("jobs")
    if not columns or not (people := restore.columns("job_recipients")):
        return set()
    both = db.execute(
        "SELECT k.id, b.status, k.status,"
        " coalesce(b.updated_at, b.created_at) > coalesce(k.updated_at, k.created_at)"
        f" FROM {restore.known}.jobs k LEFT JOIN main.jobs b USING (id)"
    ).fetchall()
    for job_id, was, now_is, is_older in both:
        if was is None or not is_older:
            table.replace_from(store, restore.known, job_id, columns, people)
        if "cancelled" in (was, now_is) and table.head(store, job_id)["status"] in table.UNFINISHED:
            control.cancel(store, job_id, restore.now)
    return {job_id for job_id, *_ in both}


def doubt(store: Store, made_before: str, now: datetime) -> None:
    """Pause the jobs from before a moment (ISO text), and doubt their messages, in a transaction."""
    for job_id in table.unfinished(store):
        job = table.head(store, job_id)
        if (
            job["created_at"] < made_before
            and job["status"] != "draft"
            and not table.is_untouched(store, job)
        ):
            _doubt(store, job_id, now, _WHY)
            _pause(store, job_id, now, "another copy of this home may have gone on with it")


def _pause(store: Store, job_id: str, now: datetime, reason: str) -> None:
    control.stop(store, job_id, now, reason=reason)
    _take_stock(store, job_id, now)


def _take_stock(store: Store, job_id: str, now: datetime) -> None:
    """Store the status of each recipient, and the cursor, that the rows say."""
    job = table.head(store, job_id)
    for number in table.numbers_with_rows(store, job_id):
        chain.take_stock(store, job, number)
    chain.go_on(store, job_id, now)


def _doubt(store: Store, job_id: str, now: datetime, why: str) -> None:
    """Make each message of a job `unknown` that is not settled and would be due by now at the earliest."""
    job = table.head(store, job_id)
    pace, size, after, due = pace_of(job), len(job["message_parts"]), -1, _earliest(store, job)
    while due <= now and (page := table.recipients(store, job_id, after, 500)):
        after = page[-1]["number"]
        for person in page:
            theirs = {row["part_index"]: row for row in chain.rows_of(store, job_id, person["number"])}
            if person["status"] in table.OVER:
                continue
            for part in range(size):
                row = theirs.get(part)
                if row is not None and row["status"] not in ("draft", "pending", "held", "sending"):
                    continue
                if due > now:
                    return
                _may_be_sent(store, job, person, part, row, now, why)
                due += timedelta(seconds=pace.after(part))


def _earliest(store: Store, job: Row) -> datetime:
    """Return the first moment at which the next message of a job may have gone out elsewhere."""
    start = job["scheduled_start_at"] or job["created_at"]
    opened = table.first_with(store, job["id"], "open", "unknown")
    times = (
        [row["scheduled_at"] for row in chain.rows_of(store, job["id"], opened["number"])] if opened else []
    )
    return from_iso(max(times, default=max(start, job["last_sent_at"] or "")))


def _may_be_sent(
    store: Store, job: Row, person: Row, part: int, row: Row | None, now: datetime, why: str
) -> None:
    changes: Row = {"status": "unknown", "error_code": "restored", "error_message": why, "job_turn": None}
    if row is not None:
        rows.change(store, row["id"], now, **changes, wait_until=None)
        return
    at = {"scheduled_at": to_iso(now), "expires_at": to_iso(now)}
    rows.add_row(store, {**chain.new_row(job, person, part), **at, **changes}, now)


# ── After `wa resume`, and when the clock was ahead ─────────────────────────────────────────────────


def catch_up(store: Store, now: datetime) -> None:
    """Make the next rows of jobs for which none was made while the home was held to be a copy."""
    for job_id in table.unfinished(store):
        chain.go_on(store, job_id, now)


def is_ahead(store: Store, now: datetime) -> bool:
    """Return whether `rewind` has anything to undo."""
    return bool(table.paused_after(store, now) or _made_after(store, now))


def rewind(store: Store, now: datetime) -> None:
    """Undo what jobs derived while the clock was ahead, in the caller's transaction.

    A job that paused by itself at a moment that now lies ahead goes on; a row that was made then is due now.
    """
    for job_id in table.paused_after(store, now):
        control.resume(store, job_id, now)
    for row in _made_after(store, now):
        chain.bring_forward(store, row, now)


def _made_after(store: Store, moment: datetime) -> list[Row]:
    """Return id and job_id of the pending rows that jobs made after a moment, and that are due later."""
    return store.rows(
        "SELECT id, job_id FROM scheduled_messages INDEXED BY queue_job_stalls WHERE status = 'pending'"
        " AND job_id IS NOT NULL AND created_at > :now AND scheduled_at > :now",
        {"now": to_iso(moment)},
    )
