"""The rows of the queue that belong to series, as they are looked for."""

from __future__ import annotations

from datetime import datetime

from wa.queue.rows import FROM_THE_FUTURE
from wa.store.database import Row, Store
from wa.times import to_iso

HELD = "FROM scheduled_messages INDEXED BY queue_held WHERE status = 'held' AND series_id IS NOT NULL"


def of_date(store: Store, series_id: str, occurrence: str) -> str | None:
    """Return the id of the row for a date (ISO text) of a series."""
    sql = "SELECT id FROM scheduled_messages WHERE series_id = ? AND occurrence = ?"
    found: str | None = store.value(sql, [series_id, occurrence])
    return found


def date_of(store: Store, row_id: str) -> Row | None:
    """Return the series and the date of a row, as series_id and occurrence; None for a row without."""
    sql = "SELECT series_id, occurrence FROM scheduled_messages WHERE id = ? AND occurrence IS NOT NULL"
    return store.row(sql, [row_id])


def open_of_series(store: Store, series_id: str) -> list[Row]:
    """Return id and status of the rows of a series that are not settled, by date."""
    return store.rows(
        "SELECT id, status FROM scheduled_messages WHERE series_id = ? AND occurrence IS NOT NULL"
        " AND status IN ('draft', 'pending', 'held', 'sending') ORDER BY occurrence",
        [series_id],
    )


def open_of_contact(store: Store, number: int) -> list[Row]:
    """Return the rows for a contact that are not sent yet."""
    return store.rows(
        "SELECT * FROM scheduled_messages INDEXED BY queue_contact WHERE contact_id = ?"
        " AND status IN ('draft', 'pending', 'held')",
        [number],
    )


def held_too_long(store: Store, now: datetime) -> Row | None:
    """Return a held row of a series whose grace has ended."""
    return store.row(f"SELECT * {HELD} AND expires_at < ? LIMIT 1", [to_iso(now)])


def ends_of_series(store: Store, series_id: str, now: datetime) -> tuple[str | None, str | None]:
    """Return the earliest date of a series with an open row, and the newest with a row made by now."""
    sql = "SELECT {} FROM scheduled_messages WHERE series_id = ? AND occurrence IS NOT NULL AND {}"
    waiting = store.value(
        sql.format("min(occurrence)", "status IN ('draft', 'pending', 'held')"), [series_id]
    )
    newest = store.value(sql.format("max(occurrence)", "created_at <= ?"), [series_id, to_iso(now)])
    return waiting, newest


def series_from_the_future(store: Store, now: datetime) -> list[str]:
    """Return the ids of the series of which `any_from_the_future` finds a row."""
    sql = f"SELECT DISTINCT series_id FROM scheduled_messages WHERE {FROM_THE_FUTURE}"
    found = [row["series_id"] for row in store.rows(sql, {"now": to_iso(now)})]
    return [series_id for series_id in found if series_id is not None]
