"""Recording the spool: its events are decoded and applied in order, in short transactions."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime

from wa.connection.incoming import waiting
from wa.connection.incoming.events import apply_event
from wa.connection.incoming.file import DAMAGED, Record
from wa.connection.incoming.sealed import open_due
from wa.connection.spool import Part, Spool, set_aside
from wa.queue import outcomes
from wa.record import calls, chats, history_sync, merge_chats, reads, search_index, write
from wa.record.events import told
from wa.record.messages import newest_id
from wa.record.names import canonical
from wa.store.database import BATCH, BATCH_SECONDS, Store
from wa.whatsapp.events import Event, History, HistoryChat, JidMapped, MessageReceived
from wa.whatsapp.transport import Reader

HISTORY_STEP = 500
"""Messages of a part of the history in one step of recording."""
_GAP = 0.025
"""Seconds between two transactions of a part: after 0.1 s, SQLite looks for the lock as often as that."""

Step = tuple[HistoryChat | None, list[Event]]


def apply_batch(
    store: Store, spool: Spool, reader: Reader, now: datetime, *, with_history: bool = True
) -> int:
    """Record the next batch of the spool, in order. Return the number of events handled.

    An event that cannot be applied is set aside with the reason, and later events are recorded all the
    same. Without `with_history`, parts of the history are left for later, for they may take minutes.
    """
    done = _apply_live(store, spool.live, reader, now)
    if not done and with_history:
        done = _apply_history(store, spool.history, reader, now)
    open_due(store, reader, now)
    return done


def _apply_live(store: Store, part: Part, reader: Reader, now: datetime) -> int:
    if part.place(store)[0] >= part.file.end:
        return 0
    done = 0
    joins = False
    with store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS
        offset, _ = part.place(store)
        for record in part.file.read(offset):
            joins = _apply_record(store, reader, record, now)
            offset, done = record.end, done + 1
            # The next events must find a split chat already joined.
            if joins or done == BATCH or time.monotonic() > deadline:
                break
        calls.end_old(store, now)
        told.complete(store)
        part.set_place(store, offset)
    if joins:
        merge_chats.join_split_chats(store, now)
    part.begin_anew(store, offset)
    return done


def _apply_record(store: Store, reader: Reader, record: Record, now: datetime) -> bool:
    """Apply one raw event. Return whether it showed that two chats are of one person."""
    try:
        with store.savepoint():
            events = _decode(reader, record)
            for event in events:
                apply_event(store, event, now)
    except sqlite3.OperationalError:  # the fault is the disk's, not the event's: roll the batch back
        raise
    except Exception as error:  # a bug of ours must not stop later events
        set_aside(store, record, error, now)
        return False
    return any(isinstance(event, JidMapped) and merge_chats.is_split(store, event.lid) for event in events)


def _decode(reader: Reader, record: Record) -> list[Event]:
    if record.kind == DAMAGED:
        raise ValueError(f"{record.size:,} bytes of the spool cannot be read")
    return reader.decode(record.kind, record.payload)


def _apply_history(store: Store, part: Part, reader: Reader, now: datetime) -> int:
    """Record the next steps of a part of the history, and its position, in one transaction.

    Live events do not wait long: the caller looks for them again after each batch.
    """
    offset, position = part.place(store)
    key = (part.file.generation, offset)
    if key not in _decoded:
        _decoded.clear()
        record = next(part.file.read(offset), None)
        if record is None:
            return 0
        try:
            steps, history = _steps_of(_decode(reader, record))
        except Exception as error:
            with store.write():
                set_aside(store, record, error, now)
                part.set_place(store, record.end)
            return 1
        _decoded[key] = steps, history, record.end
    steps, history, end = _decoded[key]
    store.begin_bulk()
    with store.write(durable=False):
        deadline = time.monotonic() + BATCH_SECONDS / 2  # the index, and the commit, take the other half
        newest = newest_id(store)
        history_sync.begin_part(store, history, now)
        for chat, events in steps[position:]:
            _record_step(store, history.kind, chat, events, now)
            position += 1
            if time.monotonic() > deadline:
                break
        search_index.add_new(store, newest)
        told.complete(store)  # what could not be read at first may be in it
        if position < len(steps):
            part.set_place(store, offset, position)
        else:
            history_sync.end_part(store, history, now)
            part.set_place(store, end)
    if position < len(steps):
        time.sleep(_GAP)
    else:
        _decoded.clear()
        merge_chats.join_split_chats(store, now)
        part.begin_anew(store, end)
    return 1


_decoded: dict[tuple[str, int], tuple[list[Step], History, int]] = {}
"""A cache of the part of the history that is being recorded, so that it is decoded only once."""


def _steps_of(events: list[Event]) -> tuple[list[Step], History]:
    """Return the steps of a part of the history, each of which is recorded at once, and the part."""
    part = next(event for event in events if isinstance(event, History))
    about: list[Event] = [event for event in events if not isinstance(event, History)]
    steps: list[Step] = [
        (None, about[start : start + HISTORY_STEP]) for start in range(0, len(about), HISTORY_STEP)
    ]
    for chat in part.chats:
        for start in range(0, max(len(chat.messages), 1), HISTORY_STEP):
            steps.append((chat, list(chat.messages[start : start + HISTORY_STEP])))
    return steps, part


def _record_step(
    store: Store, kind: str, chat: HistoryChat | None, events: list[Event], now: datetime
) -> None:
    received = [event for event in events if isinstance(event, MessageReceived)]
    write.record_many(store, received, "history", now, indexed=False)
    names = {
        canonical(store, event.sender): event.push_name
        for event in received
        if event.push_name and not event.is_from_me
    }
    for sender, name in names.items():
        chats.name_person(store, sender, name)
    outcomes.prove_sent(store, [event.message_id for event in received if event.is_from_me], now)
    for other in events:
        if not isinstance(other, MessageReceived):
            apply_event(store, other, now, "history")
    waiting.wake(store, received)
    if chat is None:
        return
    jid = canonical(store, chat.jid)
    chats.ensure(store, jid, now)
    if chat.name:
        chats.add_name(store, jid, chat.name)
    times = {event.message_id: event.timestamp for event in received}
    history_sync.advance(store, kind, jid, times, now)
    if not events or events[-1] is chat.messages[-1]:
        reads.take_over(store, chat)
        if chat.is_complete:
            history_sync.complete(store, jid, now)
