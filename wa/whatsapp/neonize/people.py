"""Names, hidden ids and settings of chats from the library's database, which no event tells: it is polled."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from wa.errors import WaError
from wa.store.paths import Home
from wa.whatsapp.events import FOREVER, ChatSet, Event, JidMapped, Named
from wa.whatsapp.neonize.decoding.fields import bare_jid
from wa.whatsapp.neonize.session_db import rows

log = logging.getLogger(__name__)

PEOPLE = "people"
"""The kind of these events in the spool."""
_FIRST_WAITS = (3.0, 30.0)
"""Seconds between the first looks; after these, _EVERY seconds."""
_EVERY = 300.0
_AT_ONCE = 400

_MAP, _SETTING = 1, 2
_ALL = (
    "SELECT 1 AS kind, lid AS who, pn AS saved, NULL AS push FROM whatsmeow_lid_map"
    " UNION ALL SELECT 0, their_jid,"
    " coalesce(nullif(full_name, ''), nullif(first_name, ''), nullif(business_name, '')), push_name"
    " FROM whatsmeow_contacts"
    " UNION ALL SELECT 2, chat_jid, muted_until, 2 * archived + pinned FROM whatsmeow_chat_settings"
    " WHERE our_jid IN (SELECT jid FROM whatsmeow_device)"
)
"""All tables at once, because a query may cost a process."""
Setting = tuple[str, bool, bool, int]
"""A chat's JID, whether it is archived and pinned, and until when it is muted, as in ChatSet."""


def people(home: Home) -> tuple[set[tuple[str, str]], set[tuple[str, str, bool]], set[Setting]]:
    """Return what the library knows of people and chats.

    That is (hidden id, phone JID) pairs, (JID, name, whether it is from our phone's address book), and the
    settings of chats.
    """
    mapped, names, settings = set(), set(), set()
    for kind, known, saved, push in rows(home, _ALL):
        if kind == _MAP:
            mapped.add((f"{known}@lid", f"{saved}@s.whatsapp.net"))
            continue
        if kind == _SETTING:
            until = FOREVER if saved < 0 else min(saved, FOREVER)
            settings.add((bare_jid(known), push >= 2, bool(push % 2), until))
            continue
        jid = bare_jid(known)
        names |= {(jid, saved, True)} if saved else set()
        names |= {(jid, push, False)} if push else set()
    return mapped, names, settings


class PeopleWatch:
    """A thread that hands over new names and hidden ids in the database, and the settings of chats.

    Those it hands over again at every second look, which is every ten minutes: whatever else was recorded
    of a chat, it ends as it is on the phone.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._handed_over: set[Any] = set()
        self._settings: set[Setting] = set()
        self._timer: threading.Timer | None = None

    def start(
        self,
        hand_over: Callable[[str, bytes], None],
        also: Callable[[Callable[[list[Any]], None]], None],
        number: int = 0,
    ) -> None:
        """Look now, and then regularly until `stop`.

        At each look but the first, `also` is called with a function that hands over what it finds.
        """

        def tell(people: list[Any]) -> None:
            for begin in range(0, len(people), _AT_ONCE):
                hand_over(PEOPLE, json.dumps({"people": people[begin : begin + _AT_ONCE]}).encode())

        if number:
            also(tell)
        try:
            mapped, names, settings = people(self._home)
        except WaError as error:
            log.info("%s", error.message)
        else:
            new: list[Any] = sorted((mapped | names) - self._handed_over)
            self._handed_over |= set(new)
            changed = settings if number % 2 == 0 else settings - self._settings
            self._settings = settings
            # Of one person's two chats the one with the hidden id counts, which is the newer kind.
            new += sorted(changed, key=lambda each: (each[0].endswith("@lid"), each))
            tell(new)
        seconds = _FIRST_WAITS[number] if number < len(_FIRST_WAITS) else _EVERY
        self.stop()
        self._timer = threading.Timer(seconds, self.start, [hand_over, also, number + 1])
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()


def decode(payload: bytes) -> list[Event]:
    """Return the events in a payload that a `PeopleWatch` handed over."""
    kinds: dict[int, Callable[..., Event]] = {2: JidMapped, 3: Named, 4: ChatSet}
    return [kinds[len(each)](*each) for each in json.loads(payload)["people"]]
