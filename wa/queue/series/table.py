"""The table `series`: its rows, and all writes to it. Writing joins the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from wa.errors import WaError
from wa.queue.retired import spent
from wa.queue.series.dates import Plan
from wa.queue.series.rules import parse
from wa.record.names import our_name_of, their_name_of
from wa.store.database import Row, Store
from wa.times import to_iso
from wa.whatsapp.ids import random_hex

STATUSES = ("active", "held", "ended")
_COLUMNS = (
    "id, to_jid, to_phone, message, media_path, file_name, media_type, rrule, timezone, starts_at_local,"
    " until_local, count, without, grace, status, is_draft, template, fields, created_at, created_from,"
    " updated_at, idempotency_key, counted, counted_from, current, contact_id, zone_of_contact, ended_from,"
    f" coalesce({our_name_of('to_jid')}, contact_name, {their_name_of('to_jid')}) AS contact_name"
)
_PRIVATE = ("counted", "counted_from", "current", "contact_id", "zone_of_contact", "ended_from", "without")


def add(store: Store, row: Row, now: datetime) -> Row:
    """Add a series. Return its row."""
    while exists(store, new := f"s{int(now.timestamp() * 1000)}_{random_hex(3)}"):
        pass
    store.insert("series", {"created_at": to_iso(now), "updated_at": to_iso(now), **row, "id": new})
    return get(store, new)


def exists(store: Store, series_id: str) -> bool:
    """Return whether there is a series with this id."""
    return store.value("SELECT 1 FROM series WHERE id = ?", [series_id]) is not None


def get(store: Store, series_id: str) -> Row:
    """Return a series by its whole id. Raise WaError `not-found`."""
    row = store.row(f"SELECT {_COLUMNS} FROM series WHERE id = ?", [series_id])
    if row is None:
        raise WaError("not-found", f"there is no series {series_id}", "`wa schedule series --all` lists them")
    return row


def by_key(store: Store, key: str) -> Row | None:
    """Return the series with an idempotency key, with `is_spent` if it was archived."""
    sql = f"SELECT {_COLUMNS} FROM series WHERE idempotency_key = ?"
    return store.row(sql, [key]) or spent.by_key(store, "series", key, sql)


def by_template(store: Store, name: str) -> Iterator[Row]:
    """Yield the series that use a template and have not ended."""
    sql = f"SELECT {_COLUMNS} FROM series WHERE template = ? AND status != 'ended'"
    return iter(store.rows(sql, [name]))


def listing(store: Store, *, ended: bool) -> Iterator[Row]:
    """Yield the series by their next time, with `ended` those that have ended too."""
    those = "" if ended else "WHERE status != 'ended'"
    due = "SELECT scheduled_at FROM scheduled_messages WHERE series_id = series.id AND occurrence = current"
    return store.stream(f"SELECT {_COLUMNS} FROM series {those} ORDER BY ({due}), id")


def update(store: Store, series_id: str, now: datetime, **changes: Any) -> None:
    """Change columns of a series."""
    store.update("series", series_id, {**changes, "updated_at": to_iso(now)})


def set_template_text(store: Store, name: str, text: str, now: datetime) -> None:
    """Give the series that use a template its new text."""
    store.execute(
        "UPDATE series SET message = ?, updated_at = ? WHERE template = ? AND status != 'ended'",
        [text, to_iso(now), name],
    )


def of_contact(store: Store, number: int) -> list[Row]:
    """Return the series for a contact that have not ended."""
    sql = f"SELECT {_COLUMNS} FROM series WHERE contact_id = ? AND status != 'ended'"
    return store.rows(sql, [number])


def set_contact(store: Store, gone: int, kept: int | None) -> None:
    """Give the series of the contact `gone` to the contact `kept`, or to none."""
    store.execute("UPDATE series SET contact_id = ? WHERE contact_id = ?", [kept, gone])


def replace_from(store: Store, known: str, series_id: str, columns: str) -> None:
    """Replace a series by that of the attached store `known`; `columns` are those that both have."""
    key = store.value(f"SELECT idempotency_key FROM {known}.series WHERE id = ?", [series_id])
    store.execute("DELETE FROM main.series WHERE id = ?", [series_id])
    store.execute("UPDATE main.series SET idempotency_key = NULL WHERE idempotency_key = ?", [key])
    store.execute(
        f"INSERT INTO main.series ({columns}) SELECT {columns} FROM {known}.series WHERE id = ?", [series_id]
    )


def without_a_row(store: Store) -> list[str]:
    """Return the ids of the series that go on, and whose next row is not made."""
    sql = (
        "SELECT id FROM series WHERE status != 'ended' AND NOT EXISTS (SELECT 1 FROM scheduled_messages q"
        " WHERE q.series_id = series.id AND q.occurrence = series.current"
        " AND q.status IN ('draft', 'pending', 'held', 'sending'))"
    )
    return [row["id"] for row in store.rows(sql)]


def public(row: Row) -> Row:
    """Return a series as it is shown in JSON."""
    shown = {name: value for name, value in row.items() if name not in _PRIVATE}
    fields = json.loads(row["fields"]) if row["fields"] else None
    return {
        **shown,
        "is_draft": bool(row["is_draft"]),
        "except": json.loads(row["without"]),
        "fields": fields,
    }


def fields_of(store: Store, series_id: str | None) -> dict[str, str]:
    """Return the fields that a series was given for its template."""
    fields = store.value("SELECT fields FROM series WHERE id = ?", [series_id])
    return json.loads(fields) if fields else {}


def clock_of(row: Row) -> time:
    """Return the time of day of a series."""
    return datetime.fromisoformat(row["starts_at_local"]).time()


def plan_of(row: Row) -> Plan:
    """Return the plan for the dates of a series."""
    starts = datetime.fromisoformat(row["starts_at_local"])
    return Plan(
        parse(row["rrule"]),
        starts.date(),
        last=last_date(row["until_local"], starts.time()),
        count=None if row["count"] is None else row["count"] - row["counted"],
        counted_from=date.fromisoformat(row["counted_from"]) if row["counted_from"] else None,
        without=frozenset(map(date.fromisoformat, json.loads(row["without"]))),
    )


def last_date(until_local: str | None, clock: time) -> date | None:
    """Return the last date on which a time of day is not after the end of a series."""
    if until_local is None:
        return None
    until = datetime.fromisoformat(until_local)
    return until.date() if clock <= until.time() else date.fromordinal(until.toordinal() - 1)
