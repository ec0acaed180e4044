"""Opening sealed messages, once the events before them are recorded.

A secret is with the message that it belongs to, in our store, or in the library's database, which is read
outside of a transaction of ours.
"""

from __future__ import annotations

import logging
import sqlite3
from datetime import datetime

from wa.connection.incoming import waiting
from wa.connection.incoming.events import apply_event, wrote
from wa.errors import WaError
from wa.record import messages, names
from wa.record.events import told
from wa.store.database import Row, Store
from wa.whatsapp.events import Event
from wa.whatsapp.transport import Reader

log = logging.getLogger(__name__)

_NEEDS_ITS_MESSAGE = ("vote", "poll-option")
"""The kinds that say nothing without the message that they are about."""


def open_due(store: Store, reader: Reader, now: datetime) -> None:
    """Open the sealed messages whose secret may be known by now, and record what is in them."""
    while rows := waiting.due(store):
        found = _opened(store, reader, rows)
        if found is None:
            return
        with store.write(durable=False):
            for row, events in zip(rows, found, strict=True):
                _settle(store, row, events, now)


def _settle(store: Store, row: Row, events: list[Event] | None, now: datetime) -> None:
    """Record what is in a sealed message, or that it stays closed."""
    try:
        with store.savepoint():
            if events is None:
                _leave_closed(store, row, now)
                told.complete(store)
                return
            waiting.clear(store, row)
            for event in events:
                apply_event(store, event, now, row["source"])
            waiting.forget(store, row)
    except sqlite3.OperationalError:  # the fault is the disk's: roll all of them back
        raise
    except Exception:  # a bug of ours must not stop others
        log.exception("a sealed message (%s) cannot be recorded", row["kind"])
        waiting.put_off(store, row)


def _opened(store: Store, reader: Reader, rows: list[Row]) -> list[list[Event] | None] | None:
    """Return the events in each sealed message, None for those that stay closed; None to try again later."""
    ours = {row["id"]: waiting.secret_of(store, row) for row in rows}
    found = {row["id"]: _open(store, reader, row, [key]) for row in rows if (key := ours[row["id"]])}
    closed = [row for row in rows if found.get(row["id"]) is None]
    if closed:
        chats = {jid for row in closed for jid in names.forms(store, row["chat_jid"])}
        try:
            theirs = reader.secrets(sorted(chats), sorted({row["target_id"] for row in closed}))
        except WaError as error:
            log.warning("the secrets of messages cannot be read now: %s", error.message)
            return None
        for row in closed:
            found[row["id"]] = _open(store, reader, row, theirs.get(row["target_id"], []))
    return [found[row["id"]] for row in rows]


def _open(store: Store, reader: Reader, row: Row, secrets: list[bytes]) -> list[Event] | None:
    about = messages.find(store, row["chat_jid"], row["target_id"])
    if not secrets or (about is None and row["kind"] in _NEEDS_ITS_MESSAGE):
        return None
    senders, stated = names.forms(store, row["sender"]), names.forms(store, row["author"])
    recorded = names.forms(store, about["sender"]) if about is not None else []
    # Some clients name the sender in place of the author. Nothing is won by that: what is in the message
    # counts as the sender's in any case.
    authors = list(dict.fromkeys([*stated, *recorded, *senders]))
    try:
        return reader.open(waiting.event_of(row), secrets, authors, senders)
    except Exception as error:  # its content is none, which its sender alone can cause
        log.info("a sealed message (%s) cannot be read: %r", row["kind"], error)
        return None


def _leave_closed(store: Store, row: Row, now: datetime) -> None:
    """Show that there is something which cannot be opened, unless somebody made it up."""
    waiting.put_off(store, row)
    about = messages.find(store, row["chat_jid"], row["target_id"])
    if row["kind"].endswith("edit") and about is not None:
        event = waiting.event_of(row)
        if not wrote(store, event.sender, row["chat_jid"], about, is_from_me=event.is_from_me):
            log.info("an edit by %s of a message of somebody else is ignored", row["sender"])
            waiting.forget(store, row)
            return
    waiting.show_closed(store, row, now)
