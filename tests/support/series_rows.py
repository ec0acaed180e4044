"""What the tests of series read from the store."""

from __future__ import annotations

from typing import Any

from wa.store.database import Store

DAILY = ("--at", "2026-11-21 09:00", "--every", "day")


def queue(store: Store) -> list[tuple[str, str]]:
    """Return date and status of all rows, by date."""
    found = store.rows("SELECT occurrence, status FROM scheduled_messages ORDER BY occurrence")
    return [(row["occurrence"], row["status"]) for row in found]


def statuses(store: Store) -> dict[str, str]:
    return dict(queue(store))


def series_of(store: Store) -> dict[str, Any]:
    row = store.row("SELECT * FROM series")
    assert row is not None
    return row
