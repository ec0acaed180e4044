"""The tables `jobs` and `job_recipients`, and all writes to them, each in the caller's transaction.

The status of a recipient says what its rows in the queue say, so that the next of 10,000 is found by index:

    waiting    it has no row yet            held       the user holds one of its rows
    open       a row of it goes out next    unknown    a row of it may have been sent
    begun      it gets its next part later  apart      the user gave a row of it a time of its own

and, when it is over: `sent`, `failed`, `skipped` (it had the part under another address), `cancelled`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.queue.retired import spent
from wa.store.database import Row, Store
from wa.store.rewrites import contact_removed, merge_contacts
from wa.times import to_iso
from wa.whatsapp.ids import random_hex

STATUSES = ("draft", "pending", "running", "paused", "completed", "failed", "cancelled")
UNFINISHED = ("draft", "pending", "running", "paused")
OVER = ("sent", "failed", "skipped", "cancelled")
"""The statuses of a recipient that gets no further part."""
UNSETTLED = ("open", "begun", "apart", "held", "unknown", "waiting")
IN_JSON = ("config", "message_parts", "recipients")
_HEAD = (
    "id, title, status, scheduled_start_at, created_at, completed_at, current_recipient_index,"
    " current_part_index, recipients_sent, recipients_failed, last_sent_at, error_message, config,"
    " message_parts, created_from, updated_at, timezone, idempotency_key"
)


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def head(store: Store, job_id: str) -> Row:
    """Return a job without its recipients. Raise WaError `not-found`."""
    row = store.row(f"SELECT {_HEAD} FROM jobs WHERE id = ?", [job_id])
    if row is None:
        raise WaError("not-found", f"there is no job {job_id}", "`wa jobs list` shows them")
    return _decoded(row)


def whole(store: Store, job_id: str) -> Row:
    """Return a job with all its columns. Raise WaError `not-found`."""
    row = head(store, job_id)
    row["recipients"] = json.loads(store.value("SELECT recipients FROM jobs WHERE id = ?", [job_id]))
    return row


def listing(store: Store, status: str | None) -> Iterator[Row]:
    """Yield the jobs with a status, or all for None, the newest last."""
    of = " WHERE status = :status" if status else ""
    found = store.stream(
        f"SELECT {_HEAD}, recipients FROM jobs{of} ORDER BY created_at, id",
        {"status": status} if status else (),
    )
    return map(_decoded, found)


def newest(store: Store, limit: int, before: tuple[str, str] | None = None) -> list[Row]:
    """Return jobs without their recipients, the newest first; `before` is created_at and id of a job."""
    at, job_id = before or ("~", "~")
    found = store.rows(
        f"SELECT {_HEAD} FROM jobs WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?",
        [at, job_id, limit],
    )
    return [_decoded(row) for row in found]


def _decoded(row: Row) -> Row:
    return {name: json.loads(value) if name in IN_JSON else value for name, value in row.items()}


def find(store: Store, text: str) -> str:
    """Return the only id of a job that a text is, or begins, or that a text completes after a `_`.

    Raise WaError `not-found` and `ambiguous`.
    """
    ids = store.ids_like("jobs", text, begins=True)
    if not text or not ids:
        raise WaError("not-found", f"there is no job {text!r}", "`wa jobs list` shows them")
    if len(ids) > 1 and ids[0] != text:
        raise WaError("ambiguous", f"{text!r} fits several jobs: {', '.join(ids)}", "give more of the id")
    return ids[0]


def exists(store: Store, job_id: str) -> bool:
    """Return whether there is a job with this id."""
    return store.value("SELECT 1 FROM jobs WHERE id = ?", [job_id]) is not None


def by_key(store: Store, key: str) -> Row | None:
    """Return the job that was made with a key, without its recipients; with `is_spent` if it was archived."""
    sql = f"SELECT {_HEAD} FROM jobs WHERE idempotency_key = ?"
    row = store.row(sql, [key])
    return _decoded(row) if row else spent.by_key(store, "jobs", key, sql)


def recipient(store: Store, job_id: str, number: int) -> Row:
    """Return a recipient of a job by its index."""
    row = store.row("SELECT * FROM job_recipients WHERE job_id = ? AND number = ?", [job_id, number])
    assert row is not None  # noqa: S101
    return row


def recipients(store: Store, job_id: str, after: int, limit: int) -> list[Row]:
    """Return the next recipients of a job behind an index, at most `limit`."""
    return store.rows(
        "SELECT * FROM job_recipients WHERE job_id = ? AND number > ? ORDER BY number LIMIT ?",
        [job_id, after, limit],
    )


def first_with(store: Store, job_id: str, *statuses: str) -> Row | None:
    """Return the first recipient of a job with one of some statuses."""
    found = [
        store.row(
            "SELECT * FROM job_recipients INDEXED BY job_recipients_by_status WHERE job_id = ? AND status = ?"
            " ORDER BY number LIMIT 1",
            [job_id, status],
        )
        for status in statuses
    ]
    return min((row for row in found if row), key=lambda row: int(row["number"]), default=None)


def has(store: Store, job_id: str, *statuses: str) -> bool:
    """Return whether a recipient of a job has one of some statuses."""
    return first_with(store, job_id, *statuses) is not None


def count(store: Store, job_id: str, status: str) -> int:
    """Return the number of a job's recipients with a status."""
    sql = (
        "SELECT count(*) FROM job_recipients INDEXED BY job_recipients_by_status"
        " WHERE job_id = ? AND status = ?"
    )
    return int(store.value(sql, [job_id, status]))


def size(store: Store, job_id: str) -> int:
    """Return the number of a job's recipients."""
    sql = "SELECT coalesce(max(number) + 1, 0) FROM job_recipients WHERE job_id = ?"
    return int(store.value(sql, [job_id]))


def with_addresses(store: Store, job_id: str, jids: Iterable[str]) -> list[Row]:
    """Return number and status of a job's recipients that have one of some addresses."""
    return store.rows(
        "SELECT number, status FROM job_recipients INDEXED BY job_recipients_by_jid WHERE job_id = ?"
        " AND to_jid IN (SELECT value FROM json_each(?))",
        [job_id, json.dumps(list(jids))],
    )


def paused_with_reason(store: Store) -> list[Row]:
    """Return id, title and error_message of the jobs that paused by themselves."""
    return store.rows(
        "SELECT id, title, error_message FROM jobs WHERE status = 'paused' AND error_message IS NOT NULL"
        " ORDER BY id LIMIT 100"
    )


def is_untouched(store: Store, job: Row) -> bool:
    """Return whether a job came from another tool, paused, and has not gone on here since."""
    if job["created_from"] != "migration" or job["status"] != "paused":
        return False
    sql = "SELECT 1 FROM scheduled_messages WHERE job_id = ? AND created_from = 'job' LIMIT 1"
    return store.value(sql, [job["id"]]) is None


def paused_after(store: Store, moment: datetime) -> list[str]:
    """Return the ids of the jobs that paused by themselves after a moment."""
    found = store.rows(
        "SELECT id FROM jobs WHERE status = 'paused' AND error_message IS NOT NULL AND updated_at > ?",
        [to_iso(moment)],
    )
    return [row["id"] for row in found]


def numbers_with_rows(store: Store, job_id: str) -> list[int]:
    """Return the indexes of the recipients of a job who have a row of the queue."""
    sql = "SELECT DISTINCT recipient_index AS number FROM scheduled_messages WHERE job_id = ?"
    return [row["number"] for row in store.rows(sql, [job_id])]


def unfinished(store: Store) -> list[str]:
    """Return the ids of the jobs that are not over."""
    marks = ", ".join("?" * len(UNFINISHED))
    return [row["id"] for row in store.rows(f"SELECT id FROM jobs WHERE status IN ({marks})", UNFINISHED)]


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────


def new_id(store: Store, now: datetime) -> str:
    """Return an id that no job has, in the form of the tool before this one."""
    while exists(store, new := f"job_{int(now.timestamp() * 1000)}_{random_hex(3)}"):
        pass
    return new


def add(store: Store, row: Row, *, ignore: bool = False) -> bool:
    """Add a job; lists and objects are stored as JSON. With `ignore`, return False if its id is there."""
    made = {
        name: json.dumps(value, ensure_ascii=False, default=float) if name in IN_JSON else value
        for name, value in row.items()
    }
    return store.insert("jobs", made, ignore=ignore) is not None


def add_recipients(store: Store, rows: list[Row]) -> None:
    """Add recipients of a job: rows of job_id, number, to_jid, to_phone, contact_name, contact_id, fields."""
    store.conn.executemany(
        "INSERT INTO job_recipients"
        " (job_id, number, to_jid, to_phone, contact_name, contact_id, fields, status) VALUES"
        " (:job_id, :number, :to_jid, :to_phone, :contact_name, :contact_id, :fields, :status)",
        rows,
    )


def drop_orphans(store: Store, made_before: datetime) -> None:
    """Remove recipients of jobs that were never made, because their command was killed before a moment."""
    store.execute(
        "WITH RECURSIVE known(id) AS (SELECT min(job_id) FROM job_recipients UNION ALL"
        " SELECT (SELECT min(job_id) FROM job_recipients WHERE job_id > known.id) FROM known"
        " WHERE known.id IS NOT NULL)"
        " DELETE FROM job_recipients WHERE job_id IN"
        " (SELECT id FROM known WHERE id BETWEEN 'job_' AND ? AND id NOT IN (SELECT id FROM jobs))",
        [f"job_{int(made_before.timestamp() * 1000)}"],
    )


def remove_recipients(store: Store, job_id: str) -> None:
    """Remove the recipients of a job that is not made after all."""
    store.execute("DELETE FROM job_recipients WHERE job_id = ?", [job_id])


def update(store: Store, job_id: str, now: datetime, **changes: Any) -> None:
    """Change columns of a job."""
    store.update("jobs", job_id, {**changes, "updated_at": to_iso(now)})


def replace_from(store: Store, known: str, job_id: str, columns: str, people: str) -> None:
    """Replace a job and its recipients by those of another schema, of which both have these columns."""
    for name, key, names in (("jobs", "id", columns), ("job_recipients", "job_id", people)):
        store.execute(f"DELETE FROM main.{name} WHERE {key} = ?", [job_id])
        store.execute(
            f"INSERT INTO main.{name} ({names}) SELECT {names} FROM {known}.{name} WHERE {key} = ?", [job_id]
        )


def set_status(store: Store, job_id: str, number: int, status: str) -> None:
    """Store the status of a recipient."""
    store.execute(
        "UPDATE job_recipients SET status = :status WHERE job_id = :job AND number = :number"
        " AND status != :status",
        {"status": status, "job": job_id, "number": number},
    )


def keep_number(store: Store, job_id: str, number: int) -> None:
    """Let what is left for a recipient go to its number, whosever that is now."""
    store.execute(
        "UPDATE job_recipients SET contact_id = NULL WHERE job_id = ? AND number = ?", [job_id, number]
    )


def change_statuses(store: Store, job_id: str, before: Iterable[str], after: str) -> None:
    """Change the status of all recipients that have one of some statuses."""
    store.execute(
        "UPDATE job_recipients SET status = ? WHERE job_id = ?"
        " AND status IN (SELECT value FROM json_each(?))",
        [after, job_id, json.dumps(list(before))],
    )


@merge_contacts.part
def _merge_recipients(store: Store, gone: int, kept: int) -> None:
    store.execute("UPDATE job_recipients SET contact_id = ? WHERE contact_id = ?", [kept, gone])


@contact_removed.part
def _keep_recipients(store: Store, number: int) -> None:
    """Let recipients be those of a contact that is gone; 0 is the id of none."""
    store.execute("UPDATE job_recipients SET contact_id = 0 WHERE contact_id = ?", [number])
