"""The tables of the queue whose old rows are archived: rows, series, and jobs with their recipients.

A row that was sent, failed, missed or cancelled is old a year after it was changed last, and was due. A
series and a job go whole, a year after they have ended and nothing of them has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from wa.queue.retired import spent
from wa.record.retention.tables import Old
from wa.store.database import Row, Store
from wa.store.rewrites import Shelf, old_rows

_QUEUE = "scheduled_messages"
_SETTLED = ("sent", "failed", "cancelled", "missed")
_STATUSES = ", ".join(f"'{status}'" for status in _SETTLED)
_IS_FRESH = f"NOT (q.status IN ({_STATUSES}) AND coalesce(q.updated_at, q.scheduled_at) < :before)"
"""SQL for whether a row q of the queue may still change, or has changed lately."""
_SERIES = (
    "SELECT id FROM series s INDEXED BY series_ended WHERE s.status = 'ended' AND s.updated_at < :before"
    " AND NOT EXISTS (SELECT 1 FROM scheduled_messages q WHERE q.series_id = s.id"
    f" AND q.occurrence IS NOT NULL AND {_IS_FRESH}) ORDER BY id"
)
_JOBS = (
    "SELECT id FROM jobs j WHERE j.status IN ('completed', 'failed', 'cancelled')"
    " AND coalesce(j.completed_at, j.updated_at, j.created_at) < :before"
    " AND coalesce(j.updated_at, j.created_at) < :before"
    f" AND NOT EXISTS (SELECT 1 FROM scheduled_messages q WHERE q.job_id = j.id AND {_IS_FRESH}) ORDER BY id"
)


@old_rows.part
def _add_shelves(store: Store, shelves: list[Shelf], before: str, since: float) -> None:
    found = (
        Old(_QUEUE, ("id",), partial(_rows, before), _keep_row, partial(spent.forget, _QUEUE)),
        Old("job_recipients", ("job_id", "number"), partial(_recipients, before)),
        _head("series", partial(_heads, "series", _SERIES, before)),
        _head("jobs", partial(_heads, "jobs", _JOBS, before)),
    )
    shelves.extend(each.shelf() for each in found)


def _head(table: str, find: Callable[[Store, int], Iterator[list[Row]]]) -> Old:
    return Old(table, ("id",), find, partial(spent.keep, table), partial(spent.forget, table))


def _keep_row(store: Store, row: Row) -> None:
    if row["series_id"] is not None:
        spent.keep_date(store, row)
    elif row["job_id"] is None:
        spent.keep(_QUEUE, store, row)


def _rows(before: str, store: Store, most: int) -> Iterator[list[Row]]:
    """Yield the old rows of the queue: those by themselves, then those of old series and jobs."""
    for status in _SETTLED:
        yield from _pages(
            store,
            "SELECT * FROM scheduled_messages INDEXED BY queue_by_status WHERE status = :status"
            " AND scheduled_at < :before AND coalesce(updated_at, scheduled_at) < :before"
            " AND series_id IS NULL AND job_id IS NULL AND (scheduled_at, id) > (:k0, :k1)"
            " ORDER BY scheduled_at, id",
            {"status": status, "before": before},
            ("scheduled_at", "id"),
            most,
        )
    for series_id in _ids(store, _SERIES, before):
        sql = (
            "SELECT * FROM scheduled_messages WHERE series_id = :id AND occurrence IS NOT NULL"
            " AND occurrence > :k0 ORDER BY occurrence"
        )
        yield from _pages(store, sql, {"id": series_id}, ("occurrence",), most)
    for job_id in _ids(store, _JOBS, before):
        sql = (
            "SELECT * FROM scheduled_messages WHERE job_id = :id"
            " AND (coalesce(recipient_index, -1), id) > (:k0, :k1) ORDER BY coalesce(recipient_index, -1), id"
        )
        yield from _pages(store, sql, {"id": job_id}, ("recipient_index", "id"), most)


def _recipients(before: str, store: Store, most: int) -> Iterator[list[Row]]:
    sql = "SELECT * FROM job_recipients WHERE job_id = :id AND number > :k0 ORDER BY number"
    for job_id in _ids(store, _JOBS, before):
        yield from _pages(store, sql, {"id": job_id}, ("number",), most)


def _heads(table: str, ids: str, before: str, store: Store, most: int) -> Iterator[list[Row]]:
    for row_id in _ids(store, ids, before):
        yield store.rows(f"SELECT * FROM {table} WHERE id = ?", [row_id])


def _ids(store: Store, sql: str, before: str) -> list[str]:
    return [row["id"] for row in store.rows(sql, {"before": before})]


def _pages(
    store: Store, sql: str, params: dict[str, object], key: tuple[str, ...], most: int
) -> Iterator[list[Row]]:
    """Yield the rows of a query in pages; `:k0`, `:k1` are the columns `key` of the row before."""
    place: list[object] = ["" if name in ("scheduled_at", "id", "occurrence") else -2 for name in key]
    while True:
        at = {f"k{number}": value for number, value in enumerate(place)}
        page = store.rows(f"{sql} LIMIT :most", {**params, **at, "most": most})
        if not page:
            return
        place = [page[-1][name] if page[-1][name] is not None else -1 for name in key]
        yield page
