"""The table `requests`: requests of other commands to the owner of the connection, and its answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.media import received
from wa.record import history_sync, messages, reads, write
from wa.record.retention import ledger
from wa.record.search import with_file
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import forget_old
from wa.times import from_iso, to_iso
from wa.whatsapp.transport import (
    DownloadFailed,
    Expired,
    OlderThan,
    ReadMark,
    SendError,
    TooLarge,
    Transport,
)

log = logging.getLogger(__name__)

Result = tuple[dict[str, Any], WaError | None]
"""The result of a request, and its error if it failed."""
_THESE = "FROM requests WHERE id BETWEEN :first AND :last AND kind = :kind"
AT_ONCE = 50
"""The most older messages that the phone is asked for at once."""
GROUPS_EVERY, UNKNOWN_GROUP_EVERY = timedelta(days=1), timedelta(minutes=10)


def put(store: Store, kind: str, arguments: Sequence[dict[str, Any]], expires: datetime) -> list[int]:
    """Add requests of one kind, for the owner to answer before they expire. Return their ids."""
    row = {"kind": kind, "expires_at": to_iso(expires)}
    with store.write():
        numbers = [store.insert("requests", {**row, "args": json.dumps(args)}) for args in arguments]
    return [number for number in numbers if number is not None]


@forget_old.part
def _forget(store: Store, before: str) -> None:
    """Delete the requests that expired before a moment."""
    sql = "id IN (SELECT id FROM requests ORDER BY id LIMIT ?) AND expires_at < ?"
    deleted = BATCH
    while deleted == BATCH:
        with store.write(durable=False):
            deleted = store.delete("requests", sql, [BATCH, before])


def are_open(store: Store, kind: str, numbers: Sequence[int]) -> bool:
    """Return whether one of these requests, added together, is still unanswered."""
    sql = f"SELECT 1 {_THESE} AND status = 'pending' LIMIT 1"
    return store.value(sql, {"first": numbers[0], "last": numbers[-1], "kind": kind}) is not None


def results(store: Store, kind: str, numbers: Sequence[int]) -> list[Result]:
    """Return the result of each of these requests, which were added together."""
    sql = f"SELECT id, status, result {_THESE}"
    found = store.rows(sql, {"first": numbers[0], "last": numbers[-1], "kind": kind})
    rows = {row["id"]: row for row in found}
    return [_result(rows[number]) for number in numbers]


def _result(row: Row) -> Result:
    result = json.loads(row["result"] or "{}")
    if row["status"] == "done":
        return result, None
    code, why = result.get("code", "network-error"), result.get("message", "WhatsApp could not be reached")
    return result, WaError(code, why, "try again" if code == "network-error" else None)


def answer(store: Store, transport: Transport, now: datetime) -> bool:
    """Do the oldest open request, and record its result. Return whether there was one."""
    history_sync.end_abandoned(store, now)
    row = store.row(
        "SELECT * FROM requests WHERE status = 'pending' AND expires_at > ? ORDER BY id LIMIT 1",
        [to_iso(now)],
    )
    if row is None:
        return False
    status = "failed"
    try:
        result = _HANDLERS[row["kind"]](store, transport, now, **json.loads(row["args"]))
        status = "done"
    except Expired as error:
        result = {"code": "not-found", "message": str(error)}
    except TooLarge as error:
        result = {"code": "usage", "message": str(error)}
    except (SendError, DownloadFailed) as error:
        result = {"code": "network-error", "message": str(error)}
    except WaError as error:
        result = {"code": error.code, "message": error.message}
    with store.write():
        store.execute(
            "UPDATE requests SET status = ?, result = ? WHERE id = ?", [status, json.dumps(result), row["id"]]
        )
    return True


def refresh_groups(store: Store, transport: Transport, now: datetime) -> None:
    """Ask WhatsApp for our groups once a day, for changes while we were offline come with no event."""
    if groups_are_stale(store, now):
        try:
            _groups(store, transport, now)
        except SendError as error:
            log.info("the groups could not be had: %s", error)


def groups_are_stale(store: Store, now: datetime) -> bool:
    """Return whether the stored groups are so old that they may have changed."""
    last = store.state().get("groups_at")
    every = UNKNOWN_GROUP_EVERY if _has_unknown_group(store) else GROUPS_EVERY
    return last is None or abs(now - from_iso(last)) > every


def _has_unknown_group(store: Store) -> bool:
    """Return whether there are messages of a group whose name and members are unknown."""
    return bool(store.value("SELECT 1 FROM chats WHERE is_group AND name IS NULL LIMIT 1"))


def _mark_read(store: Store, transport: Transport, now: datetime, chat: str, up_to: int) -> Row:
    marks: dict[str, ReadMark] = {}
    place = messages.place_of(store, up_to)
    for row in messages.unread_of(store, chat, place):
        mark = marks.setdefault(row["sender"], ReadMark(chat, row["sender"]))
        mark.message_ids.append(row["message_id"])
    for mark in marks.values():
        transport.mark_read(mark)
    reads.seen(store, chat, place)
    return {}


def _fetch_history(
    store: Store, transport: Transport, now: datetime, chat_jid: str, max_messages: int, **_: Any
) -> Row:
    """Ask the phone for messages that are older than the oldest here. Its answer comes with the history."""
    oldest = ledger.oldest_of(store, chat_jid)
    known = oldest or {"message_id": "", "timestamp": int(now.timestamp()), "is_from_me": False}
    count = min(max_messages, AT_ONCE)
    transport.ask_history(
        OlderThan(chat_jid, **{**known, "is_from_me": bool(known["is_from_me"])}, count=count)
    )
    return {"count": count}


def _groups(store: Store, transport: Transport, now: datetime) -> Row:
    events = transport.groups()
    with store.write():
        for event in events:
            apply_event(store, event, now)
        store.set_state("groups_at", to_iso(now))
    return {}


def _download(store: Store, transport: Transport, now: datetime, number: int, most: int) -> Row:
    """Download the file of the message with the id `number` into the home. Return its path."""
    row = with_file(store, number)
    found = transport.download(row["raw_proto"], most)
    at = messages.moment(row["timestamp"])
    relative = received.keep(store.home, found.data, found.mimetype, row["message_type"], at, found.name)
    with store.write():
        write.attach_files(store, [(number, relative, None)])
    return {"media_path": relative}


_HANDLERS: dict[str, Any] = {
    "mark-read": _mark_read,
    "groups": _groups,
    "download": _download,
    "fetch-history": _fetch_history,
}
