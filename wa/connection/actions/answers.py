"""Answering the requests that may be done again: reading marks, groups, files, older messages."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

from wa.connection import requests
from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.media import received
from wa.record import messages, reads, write
from wa.record.groups import members
from wa.record.retention import ledger
from wa.record.search import with_file
from wa.store.database import Row, Store
from wa.times import to_iso
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

AT_ONCE = 50
"""The most older messages that the phone is asked for at once."""
MOST_LOOKS = 3
"""The most times that the list of our groups is asked for while their members change."""


def answer(store: Store, transport: Transport, now: datetime, row: Row) -> None:
    """Do a request, and record its result."""
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
        requests.end(store, row["id"], status, result)


def refresh_groups(store: Store, transport: Transport, now: datetime) -> None:
    """Ask WhatsApp for our groups once a day, for changes while we were offline come with no event."""
    if requests.groups_are_stale(store, now):
        try:
            _groups(store, transport, now)
        except SendError as error:
            log.info("the groups could not be had: %s", error)


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


def _groups(store: Store, transport: Transport, now: datetime, looks: int = MOST_LOOKS) -> Row:
    """Record our groups as WhatsApp lists them.

    The list is asked for again if a change was recorded meanwhile, for it may be older than that.
    """
    before, events = members.changes(store), transport.groups()
    with store.write():
        is_newest = looks == 1 or members.changes(store) == before
        if is_newest:
            for event in events:
                apply_event(store, event, now)
            store.set_state("groups_at", to_iso(now))
    return {} if is_newest else _groups(store, transport, now, looks - 1)


def _blocked(store: Store, transport: Transport, now: datetime) -> Row:
    """Return the JIDs of the people whom we have blocked."""
    return {"jids": transport.blocked()}


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
    "blocked": _blocked,
    "download": _download,
    "fetch-history": _fetch_history,
}
