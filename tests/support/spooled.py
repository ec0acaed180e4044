"""Events in the spool of a home, appended and recorded as the owner of the connection does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from wa.connection import apply
from wa.connection.incoming import file
from wa.connection.spool import HISTORY_PLACE, LIVE_PLACE, Spool, stuck
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.events import Event
from wa.whatsapp.sealed import Sealed
from wa.whatsapp.transport import Reader

Decode = Callable[[str, bytes], list[Event]]


class Decoder:
    """A reader that decodes events in a way of a test's own, and keeps no secrets."""

    def __init__(self, decode: Decode) -> None:
        self.decode = decode

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return no secrets."""
        return {}

    def open(
        self, sealed: Sealed, secrets: Sequence[bytes], authors: Sequence[str], senders: Sequence[str]
    ) -> list[Event] | None:
        """Return None: nothing fits."""
        return None


@contextmanager
def opened(home: Home) -> Iterator[Spool]:
    """Open the spool of a home."""
    spool = Spool(home)
    try:
        yield spool
    finally:
        spool.close()


def append(store: Store, kind: str, payload: bytes, now: datetime) -> None:
    """Append an event to the spool of a store's home."""
    with opened(store.home) as spool:
        spool.append(kind, payload, now)


def append_all(store: Store, events: Iterable[tuple[str, bytes]], now: datetime) -> None:
    """Append events of these kinds and payloads."""
    with opened(store.home) as spool:
        for kind, payload in events:
            spool.append(kind, payload, now)


def applier(store: Store, now: datetime) -> Callable[..., None]:
    """Return what records live events, each in a transaction of its own, without the spool."""

    def put(*events: Event, now: datetime = now) -> None:
        for event in events:
            with store.write():
                apply.apply_event(store, event, now)

    return put


def putter(store: Store, now: datetime) -> Callable[..., None]:
    """Return what applies events through the spool, as the owner does, each in a record of its own."""
    kinds: dict[str, Event] = {}

    def put(*events: Event, now: datetime = now) -> None:
        for event in events:
            kinds[str(len(kinds))] = event
            append(store, str(len(kinds) - 1), b"", now)
        while apply_batch(store, lambda kind, payload: [kinds[kind]], now):
            pass
        assert stuck(store) == []

    return put


def record_all(store: Store, decode: Decode | Reader, now: datetime) -> None:
    """Record all of the spool."""
    with opened(store.home) as spool:
        while apply.apply_batch(store, spool, _reader(decode), now):
            pass


def apply_batch(store: Store, decode: Decode | Reader, now: datetime) -> int:
    """Record the next batch; return the number of events handled."""
    with opened(store.home) as spool:
        return apply.apply_batch(store, spool, _reader(decode), now)


def _reader(decode: Decode | Reader) -> Reader:
    return Decoder(decode) if callable(decode) else decode


def waiting(home: Home) -> list[str]:
    """Return the kinds of the events that are not recorded yet; any process may append meanwhile."""
    with closing(Store(home)) as store:
        state = store.state()
    places = ((home.spool, LIVE_PLACE), (home.spool_history, HISTORY_PLACE))
    return [kind for path, key in places for kind in kinds(path, **state.get(key, {}))]


def kinds(path: Path, generation: str | None = None, offset: int = 0, step: int = 0) -> list[str]:
    """Return the kinds of the events in a file, behind an offset of a generation."""
    if not path.exists():
        return []
    fd = os.open(path, os.O_RDONLY)
    try:
        end = file.end_of(fd)
        begin = file.start_of(file.generation_of(fd), end, generation, offset)
        return [record.kind for record in file.records(fd, begin, end)]
    finally:
        os.close(fd)
