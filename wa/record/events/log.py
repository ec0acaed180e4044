"""The table `events`: a line for each thing that is told, in the order in which it was recorded.

Ids only grow and none is used twice, so an id is the place of a reader in the log. A line holds what is told
of it as JSON, as it was at that moment. Functions that write join the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from wa.as_json import public, to_json
from wa.errors import WaError
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import join_chats, message_deleted
from wa.times import to_iso

TYPES = ("message", "edited", "deleted", "reaction", "receipt", "queue", "connection")
KEPT = timedelta(days=7)
"""The age at which a line is deleted."""
_SOON = timedelta(hours=1)


def types_of(text: str) -> list[str]:
    """Return the types in a text, which has commas between them. Raise WaError `usage` for an unknown one."""
    found = [each.strip() for each in text.split(",")]
    if unknown := [each for each in found if each not in TYPES]:
        raise WaError("usage", f"there are no events of the type {unknown[0]!r}", ", ".join(TYPES))
    return found


def add(
    store: Store,
    kind: str,
    now: datetime,
    data: Row | None,
    *,
    chat: str | None = None,
    message_id: str | None = None,
    row_id: int | str | None = None,
) -> None:
    """Add a line. `row_id` is the id of the message, or of the row of the queue, that it is about.

    Without `data`, the line is about a message that is still being written: `told.complete` fills it in.
    """
    text = None if data is None else to_json(public(data))
    row = {
        "type": kind, "chat_jid": chat, "message_id": message_id, "row_id": row_id, "at": to_iso(now),
        "data": text,
    }  # fmt: skip
    store.insert("events", row)


def fill(store: Store, found: Iterable[tuple[int, Row]]) -> None:
    """Fill in lines, as (id, data); remove those that are left without data, for their message is gone."""
    texts = [(to_json(public(data)), number) for number, data in found]
    store.conn.executemany("UPDATE events SET data = ? WHERE id = ?", texts)
    store.execute("DELETE FROM events INDEXED BY events_open WHERE data IS NULL")


def mark_ours(store: Store, place: int) -> None:
    """Note of the lines behind a place that wa did itself what they tell."""
    store.execute("UPDATE events SET by_wa = 1 WHERE id > ?", [place])


def drop(store: Store, number: int) -> None:
    """Remove the lines that tell of the message with this id, which is removed: it is a double of another."""
    store.execute("DELETE FROM events WHERE type = 'message' AND row_id = ?", [number])


def forget(store: Store, rows: Iterable[Row]) -> None:
    """Remove the lines about messages, rows with chat_jid and message_id, that are pruned."""
    keys = [(row["chat_jid"], row["message_id"]) for row in rows]
    store.conn.executemany("DELETE FROM events WHERE chat_jid = ? AND message_id = ?", keys)


def hand_on(store: Store, gone: Row, kept: int) -> None:
    """Let the lines about a message, a row with id, chat_jid and message_id, be about its double `kept`."""
    store.execute(
        "UPDATE events SET row_id = :kept, data = json_replace(data, '$.id', :kept, '$.row_id', :kept)"
        " WHERE chat_jid = :chat_jid AND message_id = :message_id AND row_id = :id",
        {"kept": kept, "chat_jid": gone["chat_jid"], "message_id": gone["message_id"], "id": gone["id"]},
    )


def is_told(store: Store, number: int) -> bool:
    """Return whether a line tells that the message with this id came."""
    sql = "SELECT 1 FROM events WHERE type = 'message' AND row_id = ? LIMIT 1"
    return store.value(sql, [number]) is not None


def forget_text(store: Store, chat: str, message_id: str, deleted_at: datetime) -> None:
    """Remove from the log what a message said, once it is deleted for everyone."""
    store.execute(
        f"UPDATE events SET data = {without_text('data', '$')}"
        " WHERE chat_jid = :chat AND message_id = :message AND data IS NOT NULL",
        {"at": to_iso(deleted_at), "chat": chat, "message": message_id},
    )
    message_deleted.run(store, chat, message_id, deleted_at)


def without_text(column: str, root: str) -> str:
    """Return SQL for JSON without what a message said, which is at a path; `:at` is when it was deleted."""
    texts = ", ".join(f"'{root}.{name}', NULL" for name in ("content", "details", "message"))
    paths = f"{texts}, '{root}.deleted_at', :at"
    return f"json_remove(json_replace({column}, {paths}), '{root}.poll', '{root}.session')"


def after(
    store: Store, place: int, limit: int = BATCH, *, types: Collection[str] = (), chat: str | None = None
) -> list[Row]:
    """Return the next lines behind a place, in order: all columns, with `data` as JSON text.

    Without `types`, of every type; with `chat`, of one chat alone.
    """
    where, params = "id > :place", {"place": place, "limit": limit, "chat": chat}
    if types:
        names = {f"type{number}": name for number, name in enumerate(types)}
        where += f" AND type IN ({', '.join(f':{name}' for name in names)})"
        params |= names
    if chat is not None:
        where += (
            " AND +chat_jid = :chat"  # by id, and not by the index of chats, which would have to be sorted
        )
    return store.rows(f"SELECT * FROM events WHERE {where} ORDER BY id LIMIT :limit", params)


def get(store: Store, number: int) -> Row | None:
    """Return a line, None if it is not kept."""
    return store.row("SELECT * FROM events WHERE id = ?", [number])


def newest(store: Store) -> int:
    """Return the place behind all lines that there are or were; 0 if there never was one."""
    return int(store.value("SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0)


def oldest(store: Store) -> int | None:
    """Return the id of the oldest line that is kept; None if there is none."""
    number: int | None = store.value("SELECT min(id) FROM events")
    return number


def end_of_old(store: Store, now: datetime) -> int:
    """Return the place behind the lines that `prune` deletes now, or soon; 0 without any."""
    soon = to_iso(now - KEPT + _SOON)
    return int(store.value("SELECT max(id) FROM events WHERE at < ?", [soon]) or 0)


def prune(store: Store, now: datetime) -> None:
    """Delete lines older than KEPT, in short transactions of its own."""
    old = to_iso(now - KEPT)
    sql = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? LIMIT ?)"
    while store.value("SELECT 1 FROM events WHERE at < ? LIMIT 1", [old]) is not None:
        with store.write(durable=False):
            store.execute(sql, [old, BATCH])


def event_of(row: Row, *, late: bool) -> str:
    """Return a line as the JSON object that programs get: type, id, at, late, data."""
    head: dict[str, Any] = {"type": row["type"], "id": row["id"], "at": row["at"], "late": late}
    return f'{to_json(head)[:-1]}, "data": {row["data"]}}}'


@join_chats.part
def _join_events(store: Store, lid: str, pn: str) -> None:
    store.execute("UPDATE events SET chat_jid = ? WHERE chat_jid = ?", [pn, lid])
