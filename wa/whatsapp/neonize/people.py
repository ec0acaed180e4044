"""Names and hidden ids from the library's database, which is polled, for no event tells of them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from wa.errors import WaError
from wa.store.paths import Home
from wa.whatsapp.events import Event, JidMapped, Named
from wa.whatsapp.neonize.decoding.fields import bare_jid
from wa.whatsapp.neonize.session_db import rows

log = logging.getLogger(__name__)

PEOPLE = "people"
"""The kind of these events in the spool."""
_FIRST_WAITS = (3.0, 30.0)
"""Seconds between the first looks; after these, _EVERY seconds."""
_EVERY = 300.0
_AT_ONCE = 400

_BOTH = (
    "SELECT 1 AS is_map, lid AS who, pn AS saved, NULL AS push FROM whatsmeow_lid_map"
    " UNION ALL SELECT 0, their_jid,"
    " coalesce(nullif(full_name, ''), nullif(first_name, ''), nullif(business_name, '')), push_name"
    " FROM whatsmeow_contacts"
)
"""Both tables at once, because a query may cost a process."""


def people(home: Home) -> tuple[set[tuple[str, str]], set[tuple[str, str, bool]]]:
    """Return (hidden id, phone JID) pairs, and (JID, name, whether it is from our phone's address book)."""
    mapped, names = set(), set()
    for is_map, known, saved, push in rows(home, _BOTH):
        if is_map:
            mapped.add((f"{known}@lid", f"{saved}@s.whatsapp.net"))
            continue
        jid = bare_jid(known)
        names |= {(jid, saved, True)} if saved else set()
        names |= {(jid, push, False)} if push else set()
    return mapped, names


class PeopleWatch:
    """A thread that hands over new names and hidden ids in the database."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._handed_over: set[Any] = set()
        self._timer: threading.Timer | None = None

    def start(self, hand_over: Callable[[str, bytes], None], number: int = 0) -> None:
        """Look now, and then regularly until `stop`."""
        try:
            mapped, names = people(self._home)
        except WaError as error:
            log.info("%s", error.message)
        else:
            new = sorted((mapped | names) - self._handed_over)
            self._handed_over |= set(new)
            for begin in range(0, len(new), _AT_ONCE):
                part = {"people": new[begin : begin + _AT_ONCE]}
                hand_over(PEOPLE, json.dumps(part).encode())
        seconds = _FIRST_WAITS[number] if number < len(_FIRST_WAITS) else _EVERY
        self.stop()
        self._timer = threading.Timer(seconds, self.start, [hand_over, number + 1])
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()


def decode(payload: bytes) -> list[Event]:
    """Return the events in a payload that a `PeopleWatch` handed over."""
    told = json.loads(payload)["people"]
    return [JidMapped(*each) if len(each) == 2 else Named(*each) for each in told]
