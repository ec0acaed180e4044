"""What is told of messages: how it gets into the log of events, and how a listener reads it there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from wa.record import messages
from wa.record.events import log
from wa.record.messages import ROW, moment, shown
from wa.record.names import name_of
from wa.store.database import Row, Store
from wa.times import from_iso

HEARD = tuple(kind for kind in log.TYPES if kind != "queue")
"""The types that a listener tells."""
KINDS = ("delivered", "inactive", "read", "played")
"""The kinds of receipts that are told: `inactive` is delivered to a device that is not in use."""
LATE = timedelta(minutes=15)
"""An event that is handed over longer after it happened is late."""


def tell(store: Store, kind: str, row: Row, source: str, now: datetime) -> None:
    """Tell that a message came, or was edited or deleted, if that came live; `complete` fills the line in.

    `row` holds chat_jid, message_id, and the id. What changes a message that has not arrived is told with it.
    """
    if source == "live" and row.get("status") != "early":
        chat, message_id = row["chat_jid"], row["message_id"]
        log.add(store, kind, now, None, chat=chat, message_id=message_id, row_id=row["id"])


def came(store: Store, row: Row, source: str, now: datetime) -> None:
    """Tell that a message came, as `tell`, and of the receipts that came before it, if it is ours."""
    tell(store, "message", row, source, now)
    if source == "live":
        sql = (
            "SELECT * FROM receipts WHERE message_id = :message_id AND chat_jid = :chat_jid ORDER BY at, kind"
        )
        for receipt in store.rows(sql, row):
            received(store, receipt, now)


def complete(store: Store) -> None:
    """Fill in the lines about messages that the caller's transaction has added, now that it has written them.

    Each then holds the row of its message, as `wa read --json` shows it.
    """
    if store.value("SELECT 1 FROM events INDEXED BY events_open WHERE data IS NULL LIMIT 1") is None:
        return
    found = shown(
        store,
        f"SELECT {ROW}, e.id AS line FROM events e INDEXED BY events_open JOIN messages m ON m.id = e.row_id"
        " WHERE e.data IS NULL",
    )
    log.fill(store, [(row.pop("line"), row) for row in messages.with_reactions(store, found)])


def reacted(store: Store, key: Row, now: datetime) -> None:
    """Tell of a person's reaction, or that it was taken back. `key` holds chat_jid, message_id and sender."""
    (row,) = shown(
        store,
        "SELECT r.chat_jid, r.message_id, m.id AS row_id, r.sender, r.emoji,"
        " r.timestamp, m.content, m.message_type, m.deleted_at, m.details, m.unavailable,"
        f" {name_of('r.chat_jid')} AS chat_name, {name_of('r.sender')} AS sender_name,"
        " EXISTS (SELECT 1 FROM device d WHERE r.sender IN (d.jid, d.lid)) AS is_from_me"
        " FROM reactions r LEFT JOIN messages m ON m.chat_jid = r.chat_jid AND m.message_id = r.message_id"
        " WHERE r.chat_jid = :chat_jid AND r.message_id = :message_id AND r.sender = :sender",
        key,
    )
    log.add(
        store, "reaction", now, row, chat=row["chat_jid"], message_id=row["message_id"], row_id=row["row_id"]
    )


def received(store: Store, receipt: Row, now: datetime) -> None:
    """Tell of a receipt of a kind in KINDS for a message of ours; `came` tells it if that is not here yet."""
    if receipt["kind"] not in KINDS:
        return
    about = store.row(
        "SELECT id, status FROM messages WHERE chat_jid = :chat_jid AND message_id = :message_id"
        " AND is_from_me",
        receipt,
    )
    if about is not None:
        data = {"row_id": about["id"], **receipt, "status": about["status"]}
        names = {"chat": receipt["chat_jid"], "message_id": receipt["message_id"], "row_id": about["id"]}
        log.add(store, "receipt", now, data, **names)


def is_late(row: Row, now: datetime, age: timedelta = LATE) -> bool:
    """Return whether what a line of the log tells happened longer ago than `age`.

    A message that waited on the server while the line was down is late when it is recorded.
    """
    at = from_iso(row["at"])
    if row["type"] == "message":
        at = min(at, moment(json.loads(row["data"])["timestamp"]))
    return now - at > age


# ── For a listener ──────────────────────────────────────────────────────────────────────────────────


def place_of(store: Store, since: int | None, now: datetime) -> int:
    """Return the place in the log behind the message with the id `since`; None: behind all there is.

    It is behind the lines that may be deleted before they are read: `before_the_log` has their messages.
    """
    newest = log.newest(store)
    if since is None:
        return newest
    told = "SELECT min(id) FROM events INDEXED BY events_row WHERE type = 'message' AND row_id"
    number = store.value(f"{told} = ?", [since])
    if number is None:  # it was no live message, or is no longer in the log
        following = store.value(f"{told} > ?", [since])
        number = newest if following is None else following - 1
    return max(int(number), log.end_of_old(store, now))


def before_the_log(store: Store, since: int, place: int) -> Iterator[Row]:
    """Yield the live messages behind the id `since` that the log does not hold behind a place, in order."""
    while rows := messages.live_after(store, since):
        since = rows[-1]["id"]
        held = store.execute(
            "SELECT row_id FROM events INDEXED BY events_row"
            " WHERE type = 'message' AND row_id BETWEEN ? AND ? AND id > ?",
            [rows[0]["id"], since, place],
        )
        known = {number for (number,) in held}
        yield from (row for row in rows if row["id"] not in known)


def after(store: Store, place: int) -> list[tuple[int, Row]]:
    """Return what a listener tells next behind a place: each line's place, and its row.

    A message is its row. Anything else has `event`, its type, and `row_id`, the id of the message.
    """
    found = []
    for line in log.after(store, place, types=HEARD):
        row = json.loads(line["data"])
        if line["type"] in ("edited", "deleted"):
            row = {"row_id": row.pop("id"), **row}
        elif line["type"] == "connection":
            row["at"] = line["at"]
        found.append((line["id"], row if line["type"] == "message" else {"event": line["type"], **row}))
    return found
