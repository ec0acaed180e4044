"""The queue as it is looked at: in pages, what is overdue, and what ended badly and was not seen since."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from wa.errors import WaError
from wa.queue import rows
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso

ENDED_BADLY = ("failed", "missed")
UNSETTLED = ("draft", "pending", "held", "sending", "unknown")
_LOOKED = "looked_at"
_CLOCKS_DIFFER = timedelta(days=1)
"""How far the clock of the disk may be from ours."""
Place = tuple[str, str]
"""The time (ISO text) and the id of a row: its place in the order of pages."""
_LAST: Place = ("~", "~")
"""A place behind all others: no time and no id begins with this character."""


def overdue(store: Store, now: datetime) -> int:
    """Return the number of pending rows whose time has come."""
    sql = "SELECT count(*) FROM scheduled_messages WHERE status = 'pending' AND scheduled_at <= ?"
    return int(store.value(sql, [to_iso(now)]))


def renumbered(store: Store) -> int:
    """Return the number of rows that are held because their number is no longer one of the contact's."""
    sql = "SELECT count(*) FROM scheduled_messages WHERE status = 'held' AND error_code = 'renumbered'"
    return int(store.value(sql))


def unapproved(store: Store, created_from: str, since: datetime) -> int:
    """Return the number of messages made since a moment by programs of one kind that nobody had to approve.

    What was cancelled does not count. A draft for now that was approved has another time than it was made at.
    """
    sql = (
        "SELECT count(*) FROM scheduled_messages WHERE id >= :first AND created_from = :created_from"
        " AND created_at > :since AND status NOT IN ('draft', 'cancelled')"
        " AND NOT (is_immediate AND scheduled_at != created_at)"
    )
    first = str(int(since.timestamp() * 1000))  # ids begin with the milliseconds at which they were made
    return int(store.value(sql, {"first": first, "created_from": created_from, "since": to_iso(since)}))


def has_file(store: Store, path: str, since: datetime) -> bool:
    """Return whether a row that was made since then, or a series, has a file of the home."""
    first = str(int(since.timestamp() * 1000))
    sql = (
        "SELECT 1 FROM scheduled_messages WHERE id >= ? AND media_path = ?"
        " UNION ALL SELECT 1 FROM series WHERE media_path = ?"
    )
    return store.value(sql, [first, path, path]) is not None


def sweep_uploads(store: Store) -> None:
    """Remove what a killed server left of uploads: half a file, or a whole one without a row."""
    from wa.media import uploads

    for left, kept in uploads.left_behind(store.home):
        if kept is not None:
            with store.write():  # no other process gives an upload this name meanwhile
                made = datetime.fromtimestamp(kept.stat().st_mtime, timezone.utc)
                path = kept.relative_to(store.home.path).as_posix()
                if not has_file(store, path, made - _CLOCKS_DIFFER):
                    kept.unlink()
        left.unlink(missing_ok=True)


def last_sent(store: Store) -> datetime | None:
    """Return when the message that was tried last of all that were sent went out; None if none did."""
    sql = (
        "SELECT sent_at FROM scheduled_messages WHERE claimed_at IS NOT NULL AND sent_at IS NOT NULL"
        " ORDER BY claimed_at DESC LIMIT 1"
    )
    found = store.value(sql)
    return from_iso(found) if found else None


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


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────


def page(
    store: Store,
    statuses: Iterable[str],
    limit: int,
    after: Place | None = None,
    *,
    newest_first: bool = False,
) -> tuple[list[Row], Place | None]:
    """Return up to `limit` rows with these statuses in order of time, from the row behind `after` on.

    The second value is the place of the last row, None if none follow. Each status is read by its index.
    """
    found: list[Place] = []
    order, mark = (" DESC", "<") if newest_first else ("", ">")
    at, row_id = after or (_LAST if newest_first else ("", ""))
    for status in statuses:
        for row in store.rows(
            "SELECT id, scheduled_at FROM scheduled_messages WHERE status = :status"
            f" AND (scheduled_at, id) {mark} (:at, :id)"
            f" ORDER BY scheduled_at{order}, id{order} LIMIT :limit",
            {"status": status, "at": at, "id": row_id, "limit": limit + 1},
        ):
            found.append((row["scheduled_at"], row["id"]))
    found.sort(reverse=newest_first)
    there = [rows.get(store, row_id) for _, row_id in found[:limit]]
    return there, found[limit - 1] if len(found) > limit else None


def as_cursor(place: Place) -> str:
    """Return a place as text for a program."""
    return "~".join(place)


def from_cursor(text: str) -> Place:
    """Return the place in a text. Raise WaError `usage` for any other text."""
    at, mark, row_id = text.partition("~")
    if not mark:
        raise WaError("usage", "the cursor is not one that a page gave", "leave it out for the first page")
    return at, row_id
