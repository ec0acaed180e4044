"""Rows of the queue, and all writes to their table.

`enqueue` is one transaction. The other functions that write join the caller's, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from wa.errors import WaError
from wa.jids import check_recipient
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.queue import checks, place
from wa.queue.retired import spent
from wa.record.events import log
from wa.record.names import our_name_of, their_name_of
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.store.rewrites import row_changed
from wa.times import load_zone, to_iso
from wa.whatsapp.ids import random_hex
from wa.zones import wall_of

STATUSES = ("draft", "pending", "held", "sending", "sent", "failed", "unknown", "cancelled", "missed")
OPEN = ("draft", "pending", "held")
"""The statuses of rows that are not sent, and can still be changed."""
TOLD = ("sent", "failed", "missed", "unknown")
"""The statuses in which an attempt ends; programs are told of them."""
FIRST_DUE = "first due "
"""How the note of a row that is sent at another time than it was made for begins; its time (ISO) follows."""
COLUMNS = (
    "id, to_jid, to_phone, message, quoted_id, scheduled_at, timezone, status, error_code,"
    " error_message, created_at, created_from, updated_at, sent_at, message_id, attempts, expires_at,"
    " not_before, note, series_id, occurrence, template, job_id, recipient_index, part_index,"
    " idempotency_key, media_path, media_type, file_name, details,"
    " (SELECT rrule FROM series WHERE series.id = series_id) AS rrule,"
    # the contact's present name; else the name when the row was made; else the name the recipient chose
    f" CASE WHEN to_jid LIKE '%@g.us' THEN coalesce({their_name_of('to_jid')}, contact_name)"
    f" ELSE coalesce({our_name_of('to_jid')}, contact_name, {their_name_of('to_jid')}) END AS contact_name"
)
_IS_OF_A_JOB = "SELECT 1 FROM scheduled_messages WHERE id = ? AND job_id IS NOT NULL"
FROM_THE_FUTURE = (
    "status IN ('pending', 'missed') AND updated_at > :now AND ((status = 'missed' AND expires_at >= :now)"
    " OR (status = 'pending' AND not_before > :now))"
)


def enqueue(
    store: Store,
    to: Recipient,
    text: str,
    scheduled_at: datetime,
    now: datetime,
    *,
    grace: timedelta,
    zone: str | None = None,
    immediate: bool = False,
    key: str | None = None,
    quoted_id: str | None = None,
    file: Row | None = None,
    draft: bool = False,
    of_contact: bool = False,
    created_from: str = "cli",
) -> Row:
    """Add a message to the queue, or return the row that already has this key.

    `file` (media_path in the home, media_type, file_name) is sent with the text as its caption; or it is what
    else goes with a text (media_type, details). Raise WaError `usage` for no text and no file, for an address
    that nothing is sent to, an empty key, or one used with another recipient, message or time; `wrong-state`
    for a key whose message will not be sent; and `message-too-long`.
    """
    checks.check_text(text, may_be_empty=bool(file and file["media_path"]))
    check_recipient(to.jid)
    if key == "":
        raise WaError("usage", "the key is empty", "leave --key out, or give it a text of your own")
    row: Row = {
        **(file or {"media_path": None}),
        "to_jid": to.jid,
        "to_phone": to.phone,
        "contact_name": to.name,
        "contact_id": recipients.contact_of(store, to),
        "message": text,
        "quoted_id": quoted_id,
        "scheduled_at": to_iso(scheduled_at),
        "timezone": zone,
        "zone_of_contact": of_contact,
        "local_at": local_at(scheduled_at, zone),
        "is_immediate": immediate,
        "status": "draft" if draft else "pending",
        "created_at": to_iso(now),
        "created_from": created_from,
        "updated_at": to_iso(now),
        "expires_at": to_iso(end_of_grace(scheduled_at, grace)),
        "idempotency_key": key,
    }
    with store.write():
        if key is not None and (first := _first_of(store, key)):
            checks.check_key(store, first, row)
            shown = {name: first[name] for name in first if not name.startswith("is_")}
            return shown | {"message": text, "details": row.get("details")}
        if key is not None:
            checks.expect_unused(store, "series", key)
        place.keep(store, now)
        # Read here: once it is committed, a listener may have sent it already.
        return get(store, add_row(store, row, now))


def _first_of(store: Store, key: str) -> Row | None:
    sql = f"SELECT {COLUMNS}, is_immediate FROM scheduled_messages WHERE idempotency_key = ?"
    return store.row(sql, [key]) or spent.by_key(store, "scheduled_messages", key, sql)


def add_row(store: Store, row: Row, now: datetime) -> str:
    """Add a row under a new id, in the caller's transaction. Return the id."""
    row_id = _new_id(store, now)
    at = to_iso(now)
    store.insert("scheduled_messages", {"created_at": at, "updated_at": at, **row, "id": row_id})
    return row_id


def local_at(moment: datetime, zone: str | None) -> str | None:
    """Return the wall-clock time of a moment in a zone, None without a zone."""
    return None if zone is None else wall_of(moment, load_zone(zone))


def _new_id(store: Store, now: datetime) -> str:
    """Return an id that no row has: of 5,000 rows of one millisecond, two would get the same by chance."""
    while exists(store, new := f"{int(now.timestamp() * 1000)}_{random_hex(3)}"):
        pass
    return new


def is_immediate(store: Store, row_id: str) -> bool:
    """Return whether a row is to be sent at once, and was not given a time."""
    return bool(store.value("SELECT is_immediate FROM scheduled_messages WHERE id = ?", [row_id]))


def is_for_later(store: Store, row_id: str, now: datetime) -> bool:
    """Return whether a row waits for the user, or for a moment that was given to it and lies ahead."""
    sql = (
        "SELECT 1 FROM scheduled_messages WHERE id = ? AND (status IN ('draft', 'held')"
        " OR (status = 'pending' AND NOT is_immediate AND scheduled_at > ?))"
    )
    return store.value(sql, [row_id, to_iso(now)]) is not None


def is_uploading(store: Store, row_id: str) -> bool:
    """Return whether a row is being sent and its file is not uploaded yet: its message cannot have left."""
    sql = "SELECT 1 FROM scheduled_messages WHERE id = ? AND status = 'sending' AND wire_after IS NULL"
    return store.value(sql, [row_id]) is not None


def add_migrated(store: Store, row: Row) -> bool:
    """Add a row that another tool made, in the caller's transaction; return whether its id is new."""
    return store.insert("scheduled_messages", row, ignore=True) is not None


def exists(store: Store, row_id: str) -> bool:
    """Return whether there is a row with this id."""
    return store.value("SELECT 1 FROM scheduled_messages WHERE id = ?", [row_id]) is not None


def find(store: Store, text: str) -> str:
    """Return the only id that a text is, or begins, or that a text completes after the `_`.

    Raise WaError `not-found` and `ambiguous`.
    """
    ids = store.ids_like("scheduled_messages", text)
    if not text or not ids:
        raise WaError(
            "not-found", f"there is no message {text!r} in the queue", "see `wa schedule list --status all`"
        )
    if len(ids) > 1 and ids[0] != text:
        raise WaError("ambiguous", f"{text!r} fits several messages: {', '.join(ids)}", "give more of the id")
    return ids[0]


def listing(store: Store, status: str | None) -> Iterator[Row]:
    """Yield the rows with a status by time, drafts first; all rows for "all", unsettled rows for None."""
    where = "" if status == "all" else "WHERE status = :status"
    if status is None:
        where = "WHERE status IN ('draft', 'pending', 'held', 'sending', 'unknown')"
    # Only ids and times are sorted: the columns of each row are read when it is its turn.
    ids = f"SELECT id AS row FROM scheduled_messages {where} ORDER BY status != 'draft', scheduled_at, id"
    sql = f"SELECT {COLUMNS} FROM ({ids} LIMIT -1) CROSS JOIN scheduled_messages ON id = row"
    return store.stream(sql, {"status": status} if status else ())


def recent(store: Store, limit: int) -> list[Row]:
    """Return the newest rows, newest first."""
    return store.rows(f"SELECT {COLUMNS} FROM scheduled_messages ORDER BY id DESC LIMIT ?", [limit])


def counts(store: Store) -> dict[str, int]:
    """Return the number of rows of each status that occurs."""
    return dict(store.execute("SELECT status, count(*) FROM scheduled_messages GROUP BY status").fetchall())


def get(store: Store, row_id: str) -> Row:
    """Return a row by its whole id. Raise WaError `not-found`."""
    row = store.row(f"SELECT {COLUMNS} FROM scheduled_messages WHERE id = ?", [row_id])
    if row is None:
        raise WaError("not-found", f"there is no message {row_id}", "see `wa schedule list --status all`")
    return row


def sending_ids(store: Store) -> list[str]:
    """Return the ids of the rows that are being sent."""
    return [row["id"] for row in store.rows("SELECT id FROM scheduled_messages WHERE status = 'sending'")]


def update(store: Store, row_id: str, now: datetime, **changes: Any) -> None:
    """Change columns of a row as `change` does. The job that made the row follows its new status or time."""
    change(store, row_id, now, **changes)
    if changes.keys() & {"status", "scheduled_at"} and store.value(_IS_OF_A_JOB, [row_id]):
        if "status" not in changes:  # the user gave it a time of its own
            change(store, row_id, now, job_turn="apart")
        row_changed.run(store, row_id, now)


def change(store: Store, row_id: str, now: datetime, **changes: Any) -> None:
    """Change columns of a row, and tell of a status in TOLD, in the caller's transaction."""
    store.update("scheduled_messages", row_id, {**changes, "updated_at": to_iso(now)})
    if changes.get("status") in TOLD:
        tell(store, row_id, now)


def tell(store: Store, row_id: str, now: datetime) -> None:
    """Tell those who read the log of events what became of a row, in the caller's transaction."""
    row = get(store, row_id)
    log.add(store, "queue", now, row, chat=row["to_jid"], message_id=row["message_id"], row_id=row_id)


def clamp_claims(store: Store, now: datetime) -> None:
    """Set claims that lie in the future to now, in the caller's transaction."""
    sql = "UPDATE scheduled_messages SET claimed_at = :now WHERE claimed_at > :now"
    store.execute(sql, {"now": to_iso(now)})


def any_from_the_future(store: Store, now: datetime) -> bool:
    """Return whether a row was missed or put off at a moment in the future: the clock was ahead then."""
    sql = f"SELECT 1 FROM scheduled_messages INDEXED BY queue_changed WHERE {FROM_THE_FUTURE} LIMIT 1"
    return store.value(sql, {"now": to_iso(now)}) is not None


def revive_from_the_future(store: Store, now: datetime) -> None:
    """Make the rows that `any_from_the_future` finds pending again, in the caller's transaction."""
    store.execute(
        "UPDATE scheduled_messages SET status = CASE WHEN error_code = 'held' THEN 'held' ELSE 'pending' END,"
        " not_before = NULL, error_code = NULL,"
        f" error_message = NULL, updated_at = :now WHERE {FROM_THE_FUTURE}",
        {"now": to_iso(now)},
    )


def set_contact(store: Store, gone: int, kept: int | None) -> None:
    """Give the open rows of the contact `gone` to `kept` or to none, in the caller's transaction."""
    store.execute(
        "UPDATE scheduled_messages SET contact_id = ? WHERE contact_id = ?"
        " AND status IN ('draft', 'pending', 'held')",
        [kept, gone],
    )


def set_template_text(store: Store, name: str, text: str, now: datetime) -> None:
    """Give the open rows of a template its new text, in the caller's transaction."""
    store.execute(
        "UPDATE scheduled_messages SET message = ?, updated_at = ?"
        " WHERE template = ? AND status IN ('draft', 'pending', 'held')",
        [text, to_iso(now), name],
    )


def delete_from_the_future(store: Store, series_id: str, now: datetime) -> None:
    """Delete the rows that a series made at a moment in the future and that were not sent."""
    store.execute(
        "DELETE FROM scheduled_messages WHERE series_id = ? AND occurrence IS NOT NULL AND created_at > ?"
        " AND status IN ('draft', 'pending', 'held', 'missed')",
        [series_id, to_iso(now)],
    )


def doubt(store: Store, made_before: str, now: datetime) -> int:
    """Make due rows from before a moment (ISO text) `unknown`, in the caller's transaction.

    Another copy of the home may have sent them. Return their number.
    """
    doubted = store.rows(
        "UPDATE scheduled_messages SET status = 'unknown', error_code = 'restored', error_message = :why,"
        " wait_until = NULL, updated_at = :now"
        " WHERE (status = 'pending' OR (status = 'held' AND series_id IS NOT NULL))"
        " AND scheduled_at <= :now AND created_at < :before RETURNING id",
        {"why": "another copy of this home may have sent it", "now": to_iso(now), "before": made_before},
    )
    for row in doubted:
        tell(store, row["id"], now)
    return len(doubted)
