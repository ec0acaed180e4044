"""The table `hook_deliveries`: what became of an event that a hook was handed, or is to be handed again.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from wa.as_json import to_json
from wa.hooks import bursts
from wa.record.events import log
from wa.store import rewrites
from wa.store.database import BATCH, Row, Store
from wa.times import to_iso

KEPT = timedelta(days=7)
"""The time for which it is kept what became of an event; what failed is kept until it is tried again."""
_OPEN = "status IN ('running', 'waiting')"
_COLUMNS = (
    "event_id, type, chat_jid, status, attempts, first_at, next_at, error, output, row_id, folded_into,"
    " updated_at"
)


def begin(store: Store, hook_id: int, line: Row, now: datetime, folded: Sequence[int] = ()) -> Row:
    """Note that a hook is being handed a line of the log, with these later ones in it. Return the row.

    Its `attempts` are all, and its `starts` those since the last that came to an end. The lines that are
    handed over in it have rows of their own, which name it and follow it.
    """
    sql = (
        "INSERT INTO hook_deliveries (hook_id, event_id, type, chat_jid, status, attempts, starts, first_at,"
        " updated_at, folded_into)"
        " VALUES (:hook_id, :event_id, :type, :chat_jid, 'running', 1, 1, :now, :now, :folded_into)"
        " ON CONFLICT (hook_id, event_id) DO UPDATE SET status = 'running',"
        " attempts = attempts + 1, starts = starts + 1, next_at = NULL, updated_at = excluded.updated_at,"
        " folded_into = excluded.folded_into RETURNING *"
    )
    values = {
        "hook_id": hook_id, "event_id": line["id"], "type": line["type"], "chat_jid": line["chat_jid"],
        "now": to_iso(now), "folded_into": None,
    }  # fmt: skip
    (row,) = store.rows(sql, values)
    for number in folded:
        store.execute(sql, {**values, "event_id": number, "folded_into": line["id"]}).fetchall()
    _follow(store, row)
    return row


def end(store: Store, row: Row, now: datetime, status: str, **columns: object) -> None:
    """Note what became of a delivery: `done`, `failed`, or `waiting` to be tried again at `next_at`.

    What failed keeps its `event`, as JSON text, for the log will not hold it as long.
    """
    changed = {
        "error": None, "next_at": None, "event": None, "starts": 0, **columns, "status": status,
        "updated_at": to_iso(now),
    }  # fmt: skip
    store.update("hook_deliveries", row["id"], changed)
    _follow(store, row)


def _follow(store: Store, row: Row) -> None:
    """Let the rows of the events that were handed over in another be as the row of that."""
    names = "status, attempts, error, updated_at"
    store.execute(
        f"UPDATE hook_deliveries SET ({names}) = (SELECT {names} FROM hook_deliveries WHERE id = :id)"
        " WHERE hook_id = :hook_id AND folded_into = :event_id",
        {name: row[name] for name in ("id", "hook_id", "event_id")},
    )


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
    if kept is None and "messages" in json.loads(text)["data"]:
        return bursts.without_deleted(store, text)
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


def begun(store: Store, hook_id: int) -> dict[int, Row]:
    """Return the events that a hook was handed and has not taken yet, by their ids.

    Each has `next_at`, when it is tried again (ISO text), and `folded_into`, the event that it is part of.
    """
    found = store.rows(
        "SELECT event_id, next_at, folded_into FROM hook_deliveries INDEXED BY hook_deliveries_open"
        f" WHERE hook_id = ? AND {_OPEN}",
        [hook_id],
    )
    return {row["event_id"]: row for row in found}


def recent(store: Store, hook_id: int, limit: int) -> list[Row]:
    """Return what became of the newest events that a hook was handed, newest first."""
    return store.rows(
        f"SELECT {_COLUMNS} FROM hook_deliveries WHERE hook_id = ? ORDER BY event_id DESC LIMIT ?",
        [hook_id, limit],
    )


def failed(store: Store, hook_id: int) -> int:
    """Return how many events were set aside because a hook did not take them."""
    sql = (
        "SELECT count(*) FROM hook_deliveries INDEXED BY hook_deliveries_failed"
        " WHERE hook_id = ? AND status = 'failed' AND folded_into IS NULL"
    )
    return int(store.value(sql, [hook_id]))


def take_up(store: Store, hook_id: int, now: datetime) -> None:
    """Set aside again the events that were being tried again when the process before this one ended."""
    found = store.rows(
        "UPDATE hook_deliveries INDEXED BY hook_deliveries_open"
        " SET status = 'failed', next_at = coalesce(next_at, ?)"
        f" WHERE hook_id = ? AND {_OPEN} AND event IS NOT NULL RETURNING *",
        [to_iso(now), hook_id],
    )
    for row in found:
        _follow(store, row)


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
    _delete(store, "done", to_iso(now - KEPT))


@rewrites.forget_old.part
def _forget(store: Store, before: str) -> None:
    """Delete what failed before a moment, and was not tried again since."""
    _delete(store, "failed", before)


def _delete(store: Store, status: str, before: str) -> None:
    old = "id IN (SELECT id FROM hook_deliveries WHERE updated_at < ? AND status = ? LIMIT ?)"
    deleted = BATCH
    while deleted == BATCH:
        with store.write(durable=False):
            deleted = store.delete("hook_deliveries", old, [before, status, BATCH])


@rewrites.message_deleted.part
def _forget_text(store: Store, chat: str, message_id: str, deleted_at: datetime) -> None:
    lines = "SELECT id FROM events WHERE chat_jid = :chat AND message_id = :message"
    found = store.rows(
        "SELECT id, event FROM hook_deliveries WHERE (hook_id, event_id) IN"
        " (SELECT hook_id, coalesce(folded_into, event_id) FROM hook_deliveries"
        f" WHERE hook_id IN (SELECT id FROM hooks) AND event_id IN ({lines})) AND event IS NOT NULL",
        {"chat": chat, "message": message_id},
    )
    for row in found:
        event = json.loads(row["event"])
        bursts.forget(event["data"], message_id, to_iso(deleted_at))
        store.update("hook_deliveries", row["id"], {"event": to_json(event)})


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
    store = Store.over(db)
    left = store.rows(
        f"SELECT d.*, h.settle FROM main.hook_deliveries d JOIN main.hooks h ON h.id = d.hook_id "
        f" WHERE d.{_OPEN} AND folded_into IS NULL"
    )
    for row in left:
        lines = store.rows(
            f"SELECT e.* FROM {known}.events e JOIN main.hook_deliveries m ON m.event_id = e.id"
            " WHERE m.hook_id = :hook_id AND :event_id IN (m.event_id, m.folded_into) ORDER BY e.id",
            row,
        )
        event = row["event"] or (_kept(row, lines) if lines else None)
        end(store, row, restore.now, "failed", error="a backup was restored", event=event)


def _kept(row: Row, lines: list[Row]) -> str:
    """Return the event that a delivery of these lines of the log hands over, late."""
    if row["settle"] and row["type"] == "message":
        said = [json.loads(line["data"]) for line in lines]
        return bursts.text_of(row["event_id"], lines[-1]["at"], said, late=True)
    return log.event_of(lines[0], late=True)
