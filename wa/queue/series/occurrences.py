"""The rows of a series: one for each date, and each made in the transaction that ends the one before.

The pair of series and date is unique, and a row is kept whatever became of it. So no date is sent twice.
Every function that writes joins the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from wa.queue import place, rows
from wa.queue.series import queued, table
from wa.queue.series.dates import Plan, dates, moment
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.times import format_duration, from_iso, load_zone, parse_duration, to_iso

BATCH = 100
"""The most dates recorded as missed in one transaction; the others follow with the next row's end."""
SHOWN = 5
"""The number of times that are shown of a series."""
_DAY = timedelta(days=1)
_APART = timedelta(hours=20)
"""Less than the time between two dates of any series, on days of a clock change too."""
MAY_BE_SENT = "it comes from a copy or a backup, and may have been sent from elsewhere"


def first_date(plan: Plan, clock: time, zone: str, now: datetime) -> date | None:
    """Return the first date of a plan whose moment lies ahead."""
    since = max(plan.first, now.astimezone(load_zone(zone)).date())
    return next((day for day in dates(plan, since) if moment(day, clock, load_zone(zone)) >= now), None)


def row_for(series: Row, day: date, now: datetime, **changes: Any) -> Row:
    """Return the row of the queue for a date of a series, without an id."""
    clock = table.clock_of(series)
    due = moment(day, clock, load_zone(series["timezone"]))
    row = {
        "to_jid": series["to_jid"],
        "to_phone": series["to_phone"],
        "contact_name": series["contact_name"],
        "contact_id": series["contact_id"],
        "zone_of_contact": series["zone_of_contact"],
        "message": series["message"],
        "template": series["template"],
        "media_path": series["media_path"],
        "media_type": series["media_type"],
        "file_name": series["file_name"],
        "scheduled_at": to_iso(due),
        "timezone": series["timezone"],
        "local_at": datetime.combine(day, clock).isoformat(timespec="milliseconds"),
        "status": status_of_next(series),
        "created_at": to_iso(now),
        "created_from": "series",
        "updated_at": to_iso(now),
        "expires_at": to_iso(end_of_grace(due, parse_duration(series["grace"]))),
        "series_id": series["id"],
        "occurrence": day.isoformat(),
    }
    return {**row, **changes}


def status_of_next(series: Row) -> str:
    """Return the status in which the next row of a series is made."""
    if series["is_draft"]:
        return "draft"
    return "held" if series["status"] == "held" else "pending"


def follow(store: Store, row: Row, now: datetime) -> None:
    """Make the row that comes after a row of a series that ended."""
    series = table.get(store, row["series_id"])
    if series["status"] == "ended" or series["current"] != row["occurrence"]:
        return  # it was sent again by hand, or it is settled long after
    if not place.is_elsewhere(store):
        make_next(store, series, now)


def make_next(
    store: Store, series: Row, now: datetime, *, doubt: bool = False, only_doubt: bool = False
) -> None:
    """Make the row for the next date of a series that has none, or end the series.

    Of several dates that are due, the newest goes out if it is inside its grace, and each older one is
    recorded as missed; with `doubt`, each of them is recorded as unknown. With `only_doubt`, no row is made
    for a date that lies ahead.
    """
    due: list[Row] = []
    following = None
    for day in _without_rows(store, series, date.fromisoformat(series["current"]) + _DAY):
        row = row_for(series, day, now)
        if from_iso(row["scheduled_at"]) > now or (len(due) == BATCH and not doubt):
            following = row
            break
        due.append(row)
    if due and not doubt and from_iso(due[-1]["expires_at"]) >= now:
        following = due.pop()
    for row in due:
        late = format_duration(timedelta(seconds=int((now - from_iso(row["scheduled_at"])).total_seconds())))
        passed = {"status": "missed", "error_message": f"{late} late: a newer date of its series was due"}
        unknown = {"status": "unknown", "error_code": "restored", "error_message": MAY_BE_SENT}
        rows.add_row(store, {**row, **(unknown if doubt else passed)}, now)
    if due:
        table.update(store, series["id"], now, current=due[-1]["occurrence"])
    if only_doubt:
        return
    if following is None:
        table.update(store, series["id"], now, status="ended", ended_from=series["status"])
    else:
        rows.add_row(store, following, now)
        table.update(store, series["id"], now, current=following["occurrence"])


def _without_rows(store: Store, series: Row, since: date) -> Iterator[date]:
    """Yield the dates of a series from a day on that have no row."""
    found = dates(table.plan_of(series), since)
    return (day for day in found if queued.of_date(store, series["id"], day.isoformat()) is None)


def is_superseded(store: Store, row: Row, now: datetime) -> bool:
    """Return whether a later date of its series is due too, so that a row is too old to go out."""
    if row["series_id"] is None or row["is_immediate"] or now - from_iso(row["scheduled_at"]) < _APART:
        return False
    series = table.get(store, row["series_id"])
    if series["status"] == "ended" or series["current"] != row["occurrence"]:
        return False
    following = next(_without_rows(store, series, date.fromisoformat(row["occurrence"]) + _DAY), None)
    return following is not None and from_iso(row_for(series, following, now)["scheduled_at"]) <= now


def current_row(store: Store, series: Row) -> Row | None:
    """Return the newest row that a series made."""
    row_id = queued.of_date(store, series["id"], series["current"])
    return rows.get(store, row_id) if row_id else None


def upcoming(store: Store, series: Row, now: datetime, number: int = SHOWN) -> list[str]:
    """Return the next times (ISO text) at which a series sends, if it is not ended."""
    if series["status"] == "ended":
        return []
    row = current_row(store, series)
    times = [row["scheduled_at"]] if row and row["status"] in rows.OPEN else []
    following = _without_rows(store, series, date.fromisoformat(series["current"]) + _DAY)
    later = (row_for(series, day, now)["scheduled_at"] for day in following)
    return [*times, *islice((each for each in later if each > to_iso(now)), number - len(times))]


def with_series(store: Store, row: Row, now: datetime) -> Row:
    """Return a row with its series as `series` (None without one), and the next times of that as `next`."""
    if row["series_id"] is None:
        return {**row, "series": None, "next": []}
    series = table.get(store, row["series_id"])
    return {**row, "series": table.public(series), "next": upcoming(store, series, now)}


def catch_up(store: Store, now: datetime) -> None:
    """Make the rows that series did not make while the store was a copy or restored; doubt dates since."""
    for series_id in table.without_a_row(store):
        make_next(store, table.get(store, series_id), now, doubt=True)


# ── The clock was ahead ─────────────────────────────────────────────────────────────────────────────


def rewind(store: Store, series_ids: list[str], now: datetime) -> None:
    """Undo what series derived while the clock was ahead: the earliest date not sent is the next again.

    The rows that were there before are pending again already; those made since, and not sent, are deleted.
    """
    for series_id in series_ids:
        rows.delete_from_the_future(store, series_id, now)
        series = table.get(store, series_id)
        status = (series["status"] == "ended" and series["ended_from"]) or series["status"]
        waiting, newest = queued.ends_of_series(store, series_id, now)
        current = waiting or newest
        if current is None:
            continue
        table.update(store, series_id, now, status=status, ended_from=None, current=current)
        if waiting is None and status != "ended":
            make_next(store, table.get(store, series_id), now)
