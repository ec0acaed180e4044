"""Reading what has arrived: the part of the transport that needs no connection."""

from __future__ import annotations

from collections.abc import Sequence

from wa.store.paths import Home
from wa.whatsapp.events import Account, Event
from wa.whatsapp.neonize import people
from wa.whatsapp.neonize import session_db as session
from wa.whatsapp.neonize.channels import ChannelNames
from wa.whatsapp.neonize.client import Client
from wa.whatsapp.neonize.decoding import decode as decoding
from wa.whatsapp.neonize.decoding.sealed import opened
from wa.whatsapp.neonize.decoding.unsealed import events_in
from wa.whatsapp.neonize.library import library
from wa.whatsapp.sealed import Sealed


class NeonizeReader:
    """The decoder of what the library hands over."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._client: Client | None = None
        self._known: Account | None = None
        self._channels = ChannelNames()

    def account(self) -> Account | None:
        """Return the linked account; Transport.account. Raise WaError for a damaged session database."""
        return session.account(self._home)

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """Return the events in a raw payload; Transport.decode."""
        if kind == people.PEOPLE:
            return people.decode(payload)
        if kind == decoding.HISTORY_DAMAGED:
            return decoding.damaged_history(payload)
        form = next((form for form, name in library().recorded.items() if name == kind), None)
        if form is None:
            raise ValueError(f"there is no event of kind {kind!r}")
        event = form.FromString(payload)
        if not event.ListFields():
            raise ValueError(f"{len(payload)} bytes that say nothing")
        account = (self._known or self.account()) if kind in decoding.OURS else None
        events = decoding.decode(kind, event, account, self._phone_of)
        if kind == "message":
            self._channels.note(events)
        return events

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return the secrets of messages that the library keeps; Reader.secrets."""
        return session.secrets(self._home, chats, message_ids)

    def open(
        self, sealed: Sealed, secrets: Sequence[bytes], authors: Sequence[str], senders: Sequence[str]
    ) -> list[Event] | None:
        """Return the events in a sealed message; Reader.open."""
        content = opened(sealed, secrets, authors, senders)
        return None if content is None else events_in(sealed, content, library().e2e)

    def _phone_of(self, lid: str) -> str | None:
        client = self._client
        if client is not None and client.is_up:
            return client.phone_of(lid)
        return None if session.is_shared.is_set() else session.phone_of(self._home, lid)
