"""The table `hook_deliveries`: what became of an event that a hook was handed, or is to be handed again.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from wa.record.events import log
from wa.store import rewrites
from wa.store.database import BATCH, Row, Store
from wa.times import to_iso

KEPT = timedelta(days=7)
"""The time for which it is kept what became of an event; what failed is kept until it is tried again."""
_OPEN = "status IN ('running', 'waiting')"
_COLUMNS = "event_id, type, chat_jid, status, attempts, first_at, next_at, error, output, row_id, updated_at"


def begin(store: Store, hook_id: int, line: Row, now: datetime) -> Row:
    """Note that a hook is being handed a line of the log. Return the row.

    Its `attempts` are all, and its `starts` those since the last that came to an end.
    """
    found = store.rows(
        "INSERT INTO hook_deliveries (hook_id, event_id, type, chat_jid, status, attempts, starts, first_at,"
        " updated_at) VALUES (:hook_id, :event_id, :type, :chat_jid, 'running', 1, 1, :now, :now)"
        " ON CONFLICT (hook_id, event_id) DO UPDATE SET status = 'running', attempts = attempts + 1,"
        " starts = starts + 1, next_at = NULL, updated_at = excluded.updated_at RETURNING *",
        {
            "hook_id": hook_id, "event_id": line["id"], "type": line["type"], "chat_jid": line["chat_jid"],
            "now": to_iso(now),
        },
    )  # fmt: skip
    return found[0]


def end(store: Store, row: Row, now: datetime, status: str, **columns: object) -> None:
    """Note what became of a delivery: `done`, `failed`, or `waiting` to be tried again at `next_at`.

    What failed keeps its `event`, as JSON text, for the log will not hold it as long.
    """
    changed = {
        "error": None, "next_at": None, "event": None, "starts": 0, **columns, "status": status,
        "updated_at": to_iso(now),
    }  # fmt: skip
    store.update("hook_deliveries", row["id"], changed)


def is_current(store: Store, row: Row) -> bool:
    """Return whether a delivery, as `begin` returned it, is still the one that runs.

    Another process may have begun it again since, or the hook be removed.
    """
    sql = "SELECT 1 FROM hook_deliveries WHERE id = ? AND attempts = ? AND status = 'running'"
    return store.value(sql, [row["id"], row["attempts"]]) is not None


def text_now(store: Store, hook_id: int, event_id: int, text: str) -> str:
    """Return an event that is handed over as `text`, without what its message said if that was deleted since.

    An event that was set aside is kept with its delivery.
    """
    sql = "SELECT event FROM hook_deliveries WHERE hook_id = ? AND event_id = ?"
    kept: str | None = store.value(sql, [hook_id, event_id])
    line = log.get(store, event_id) if kept is None else None
    if line is not None and json.loads(line["data"]).get("deleted_at"):
        return log.event_of(line, late=json.loads(text)["late"])
    return kept or text


def settled_behind(store: Store, hook_id: int, place: int) -> set[int]:
    """Return the ids of the events behind a place that a hook is done with."""
    found = store.execute(
        f"SELECT event_id FROM hook_deliveries WHERE hook_id = ? AND event_id > ? AND NOT ({_OPEN})",
        [hook_id, place],
    )
    return {number for (number,) in found}


def waiting(store: Store, hook_id: int) -> dict[int, str]:
    """Return when (ISO text) the events are tried again that a hook did not take, by their ids."""
    found = store.execute(
        "SELECT event_id, next_at FROM hook_deliveries INDEXED BY hook_deliveries_open"
        f" WHERE hook_id = ? AND {_OPEN} AND next_at IS NOT NULL",
        [hook_id],
    )
    return dict(found.fetchall())


def recent(store: Store, hook_id: int, limit: int) -> list[Row]:
    """Return what became of the newest events that a hook was handed, newest first."""
    return store.rows(
        f"SELECT {_COLUMNS} FROM hook_deliveries WHERE hook_id = ? ORDER BY event_id DESC LIMIT ?",
        [hook_id, limit],
    )


def failed(store: Store, hook_id: int) -> int:
    """Return how many events were set aside because a hook did not take them."""
    sql = "SELECT count(*) FROM hook_deliveries INDEXED BY hook_deliveries_failed"
    return int(store.value(f"{sql} WHERE hook_id = ? AND status = 'failed'", [hook_id]))


def take_up(store: Store, hook_id: int, now: datetime) -> None:
    """Set aside again the events that were being tried again when the process before this one ended."""
    store.execute(
        "UPDATE hook_deliveries INDEXED BY hook_deliveries_open"
        " SET status = 'failed', next_at = coalesce(next_at, ?)"
        f" WHERE hook_id = ? AND {_OPEN} AND event IS NOT NULL",
        [to_iso(now), hook_id],
    )


def next_failed(store: Store, hook_id: int, now: datetime) -> Row | None:
    """Return the oldest event that was set aside and is to be tried again; None if there is none."""
    return store.row(
        "SELECT * FROM hook_deliveries INDEXED BY hook_deliveries_failed"
        " WHERE hook_id = ? AND status = 'failed' AND next_at <= ? ORDER BY id LIMIT 1",
        [hook_id, to_iso(now)],
    )


def retry(store: Store, hook_id: int, now: datetime) -> int:
    """Let the events be tried again that were set aside. Return their number."""
    return store.execute(
        "UPDATE hook_deliveries SET next_at = :now, first_at = :now, attempts = 0, starts = 0"
        " WHERE hook_id = :hook AND status = 'failed' AND event IS NOT NULL",
        {"now": to_iso(now), "hook": hook_id},
    ).rowcount


def prune(store: Store, now: datetime) -> None:
    """Delete what became of old events, but what failed, in short transactions of its own."""
    sql = (
        "DELETE FROM hook_deliveries WHERE id IN (SELECT id FROM hook_deliveries"
        " WHERE updated_at < ? AND status = 'done' LIMIT ?)"
    )
    deleted = BATCH
    while deleted == BATCH:
        with store.write(durable=False):
            deleted = store.execute(sql, [to_iso(now - KEPT), BATCH]).rowcount


@rewrites.message_deleted.part
def _forget_text(store: Store, chat: str, message_id: str, deleted_at: datetime) -> None:
    store.execute(
        f"UPDATE hook_deliveries SET event = {log.without_text('event', '$.data')}"
        " WHERE hook_id IN (SELECT id FROM hooks) AND event IS NOT NULL"
        " AND event_id IN (SELECT id FROM events WHERE chat_jid = :chat AND message_id = :message)",
        {"at": to_iso(deleted_at), "chat": chat, "message": message_id},
    )


@rewrites.carry_over.part
def _carry_over(restore: rewrites.Restore) -> None:
    """Keep what became of the events that hooks heard; set aside what waits to be handed over again."""
    db, known = restore.db, restore.known
    columns = restore.columns("hook_deliveries", but=["id"])
    if not columns or not restore.columns("events"):
        return
    db.execute("DELETE FROM main.hook_deliveries")
    db.execute(
        f"INSERT INTO main.hook_deliveries ({columns}) SELECT {columns} FROM {known}.hook_deliveries"
        f" WHERE hook_id IN (SELECT h.id FROM main.hooks h JOIN {known}.hooks k USING (id, name))"
    )
    event = (
        "SELECT json_object('type', e.type, 'id', e.id, 'at', e.at, 'late', json('true'),"
        f" 'data', json(e.data)) FROM {known}.events e WHERE e.id = event_id"
    )
    db.execute(
        f"UPDATE main.hook_deliveries SET status = 'failed', next_at = NULL, error = 'a backup was restored',"
        f" event = coalesce(event, ({event})) WHERE {_OPEN}"
    )
