"""Jobs of the tool before this one: what its cursor says becomes rows of the queue, and the job is paused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from wa.jids import phone_of_jid
from wa.queue import rows
from wa.queue.jobs import chain, table
from wa.store.database import Row, Store
from wa.times import to_iso

_MAYBE = {"error_code": "unknown-outcome", "error_message": "the tool before this one may have sent it"}
_MISSED = {"error_message": "its time had passed when it was taken over, and nothing of its job was sent"}


@dataclass(frozen=True)
class Progress:
    """How far the other tool had come: all before the cursor is done, if the job `has_begun`."""

    recipient: int
    part: int
    has_begun: bool
    is_over: bool
    """Whether that tool has finished the job."""


def take_over(
    store: Store, job: Row, people: Sequence[tuple[str, bool]], progress: Progress, now: datetime
) -> bool:
    """Add an unfinished job and its rows, in the caller's transaction; return whether anything is new.

    `people` are the JIDs, and whether each is an address. A part before the cursor is `sent`, the one at the
    cursor `unknown` if the job had begun; of a job whose start has passed without a message, every part is
    `missed`. A job that is here already catches up with the other tool, unless it went on here.
    """
    is_new = table.add(store, job, ignore=True)
    if not is_new and not table.is_untouched(store, table.head(store, job["id"])):
        return False
    if is_new:
        rows_of_people = [_recipient(job["id"], number, jid) for number, (jid, _) in enumerate(people)]
        table.add_recipients(store, rows_of_people)
    before = table.head(store, job["id"])
    known = {} if is_new else _rows_here(store, job["id"])
    changed_people = {
        number
        for number, part, status in _settled(job, people, progress, now)
        if _settle(store, job, number, people[number][0], part, status, known.get((number, part)), now)
    }
    for number in changed_people:
        chain.take_stock(store, before, number)
    is_new = is_new or bool(changed_people)
    changes = {name: job[name] for name in ("status", "completed_at", "last_sent_at", "error_message")}
    if changed := {name: value for name, value in changes.items() if before[name] != value}:
        table.update(store, job["id"], now, **changed)
    if is_new or changed:
        chain.go_on(store, job["id"], now)
    return is_new or bool(changed)


def _rows_here(store: Store, job_id: str) -> dict[tuple[int, int], Row]:
    """Return the rows of a job by recipient and part."""
    sql = "SELECT id, recipient_index, part_index, status FROM scheduled_messages WHERE job_id = ?"
    return {(row["recipient_index"], row["part_index"]): row for row in store.rows(sql, [job_id])}


def _recipient(job_id: str, number: int, jid: str) -> Row:
    return {
        "job_id": job_id,
        "number": number,
        "to_jid": jid,
        "to_phone": phone_of_jid(jid),
        "contact_name": None,
        "contact_id": None,
        "fields": None,
        "status": "waiting",
    }


def _settled(
    job: Row, people: Sequence[tuple[str, bool]], progress: Progress, now: datetime
) -> Iterator[tuple[int, int, str]]:
    """Yield recipient, part and status of each row to make."""
    start = job["scheduled_start_at"]
    is_missed = not progress.has_begun and (start is None or start <= to_iso(now))
    cursor = (progress.recipient, progress.part)
    for number, (_, is_address) in enumerate(people):
        for part in range(len(job["message_parts"])):
            if (number, part) < cursor or progress.is_over:
                yield number, part, "sent"
            elif (number, part) == cursor and progress.has_begun:
                yield number, part, "unknown"
            elif is_missed:
                yield number, part, "missed"
            elif not is_address and part == 0:
                yield number, part, "failed"


def _settle(
    store: Store, job: Row, number: int, jid: str, part: int, status: str, known: Row | None, now: datetime
) -> bool:
    """Add the row of a part, or settle the known one; return whether that changed anything."""
    if known is not None:
        if known["status"] != "unknown" or status != "sent":
            return False
        rows.change(store, known["id"], now, status="sent", error_code=None, error_message=None)
        return True
    at = job["last_sent_at"] or job["scheduled_start_at"] or job["created_at"]
    row: Row = {
        "id": f"{job['id'].removeprefix('job_')}{number:04x}{part:x}",
        "to_jid": jid,
        "to_phone": phone_of_jid(jid),
        "message": job["message_parts"][part]["text"],
        "scheduled_at": at,
        "status": status,
        "created_at": job["created_at"],
        "created_from": "migration",
        "updated_at": job["created_at"],
        "expires_at": at,
        "job_id": job["id"],
        "recipient_index": number,
        "part_index": part,
    }
    if status == "unknown":
        row |= _MAYBE
    elif status == "missed":
        row |= _MISSED
    elif status == "failed":
        row |= {"error_code": "recipient-not-found", "error_message": f"{jid} is no number and no address"}
    return rows.add_migrated(store, row)
