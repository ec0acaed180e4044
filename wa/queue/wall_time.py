"""Scheduled messages keep their wall-clock time when the rules of their zone change."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import datetime

from wa.errors import WaError
from wa.queue import rows
from wa.store.database import Row, Store
from wa.times import from_iso, load_zone, resolve_wall, to_iso
from wa.zones import RULES, wall_of

_ROWS = (
    "SELECT id, scheduled_at, expires_at, timezone, local_at FROM scheduled_messages"
    " WHERE status IN ('draft', 'pending', 'held') AND local_at IS NOT NULL"
)


def follow(store: Store, rules: str, now: datetime) -> int:
    """Move the open rows whose wall-clock time is another moment by the present rules. Return how many.

    `rules` is the version of the rules. A store that is in use is written to only if a row has to be moved.
    """
    if not any(_moved(row) for row in store.rows(_ROWS)):
        with suppress(sqlite3.Error), store.patience(0), store.write():
            store.set_state(RULES, rules)
        return 0
    with store.write():
        found = [(row, moved) for row in store.rows(_ROWS) if (moved := _moved(row))]
        for row, changes in found:
            rows.update(store, row["id"], now, **changes)
        store.set_state(RULES, rules)
    return len(found)


def _moved(row: Row) -> Row | None:
    """Return the changes that move a row; None if its moment is right."""
    before = from_iso(row["scheduled_at"])
    try:
        zone = load_zone(row["timezone"])
    except WaError:  # a zone that was taken out of the rules
        return None
    if wall_of(before, zone) == row["local_at"]:
        return None
    after = resolve_wall(datetime.fromisoformat(row["local_at"]), zone)
    if after == before:  # the clock skips that time
        return None
    ends = from_iso(row["expires_at"]) + (after - before)
    return {"scheduled_at": to_iso(after), "expires_at": to_iso(ends)}
