"""Rows that want the user: those that are overdue, and those that ended badly and were not seen since."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from wa.store.database import Store
from wa.times import to_iso

ENDED_BADLY = ("failed", "missed")
_LOOKED = "looked_at"


def overdue(store: Store, now: datetime) -> int:
    """Return the number of pending rows whose time has come."""
    sql = "SELECT count(*) FROM scheduled_messages WHERE status = 'pending' AND scheduled_at <= ?"
    return int(store.value(sql, [to_iso(now)]))


def renumbered(store: Store) -> int:
    """Return the number of rows that are held because their number is no longer one of the contact's."""
    sql = "SELECT count(*) FROM scheduled_messages WHERE status = 'held' AND error_code = 'renumbered'"
    return int(store.value(sql))


def unseen(store: Store, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the number of failed and of missed rows since the user last listed such rows, without zeros.

    `counts` is the number of rows of each status.
    """
    looked = store.state().get(_LOOKED, {})
    found = {}
    for status in ENDED_BADLY:
        number = counts.get(status, 0)
        if number and status in looked:
            sql = "SELECT count(*) FROM scheduled_messages WHERE status = ? AND updated_at > ?"
            number = int(store.value(sql, [status, looked[status]]))
        if number:
            found[status] = number
    return found


def note_looked(store: Store, status: str, counts: Mapping[str, int]) -> None:
    """Remember that the user lists the rows of a status, or of `all`; a store in use is left alone."""
    listed = {each for each in unseen(store, counts) if status in (each, "all")}
    if not listed:
        return
    try:
        with store.patience(0), store.write():
            newest = "SELECT max(updated_at) FROM scheduled_messages WHERE status = ?"
            looked = {each: store.value(newest, [each]) for each in sorted(listed)}
            store.set_state(_LOOKED, {**store.state().get(_LOOKED, {}), **looked})
    except sqlite3.Error:  # locked, full or read-only: the list itself is what was asked for
        return
