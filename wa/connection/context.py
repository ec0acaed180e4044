"""The context of functions that work with the connection: home, settings, store, clock, transport.

A command gets its context from its `App`; an HTTP handler, a hook or a job makes its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from wa.errors import WaError
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.device import linked_account
from wa.store.open import bind_store
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.values import Value
from wa.whatsapp.errors import not_linked
from wa.whatsapp.ids import LOOPBACK_JID

if TYPE_CHECKING:
    from wa.whatsapp.transport import Transport


def system_now() -> datetime:
    """Return the system's time as a datetime in UTC. No other function reads the clock."""
    return datetime.now(timezone.utc)


def _ignore(text: str) -> None:
    """Drop a note that has no reader."""


def _do_nothing() -> None:
    """Let the library print."""


def _keep_silent(error: WaError) -> None:
    """Drop an error that has no reader."""


class HookRun(Value):
    """A run of a hook's program: the hook, and the event that it was handed."""

    hook_id: int
    event_id: int | None = None

    @classmethod
    def parse(cls, text: str) -> HookRun | None:
        """Return the run that a value of WA_HOOK names, `ID` or `ID:EVENT`; None for any other text."""
        found = re.fullmatch(r"([0-9]{1,15})(?::([0-9]{1,15}))?", text)
        return cls(int(found[1]), int(found[2]) if found[2] else None) if found else None


@dataclass
class Context:
    """The context of functions that work with the connection. Its store belongs to the thread that opened it.

    `note` is called with a line of text for the waiting user. `before_library` is
    called before a library is loaded that prints to descriptors 1 and 2 by itself,
    `on_fatal` with the error for which the process ends at once.
    """

    home: Home
    settings: Settings
    store: Store
    now: Callable[[], datetime] = system_now
    note: Callable[[str], None] = _ignore
    before_library: Callable[[], None] = _do_nothing
    on_fatal: Callable[[WaError], None] = _keep_silent
    hook: HookRun | None = None
    """The hook whose program runs this command: what it sends counts as that hook's reply."""

    @cached_property
    def transport(self) -> Transport:
        """The transport of the settings. Raise WaError `not-authorized` while no account is linked."""
        if self.settings.transport == "loopback":
            from wa.whatsapp.loopback.connection import LoopbackTransport

            self.bind()
            return LoopbackTransport(self.home, self.now)
        from wa.whatsapp.neonize.connection import NeonizeTransport

        self.check_linked()
        self.bind()
        self.before_library()
        return NeonizeTransport(self.home, self.on_fatal)

    def check_linked(self) -> None:
        """Raise WaError `not-authorized` while no account is linked. Loopback needs none."""
        if self.settings.transport == "loopback":
            return
        from wa.whatsapp.neonize import session_db

        if linked_account(self.store) is None and session_db.account(self.home) is None:
            raise not_linked()

    def bind(self) -> None:
        """Record that the home belongs to its transport; called for the first message to send."""
        bind_store(self.store, self.settings.transport)

    def made_from(self, usual: str) -> str:
        """Return the `created_from` of what is made here: `usual`, or that of a hook's program."""
        return usual if self.hook is None else "hook"

    def drafts(self, *, asked: bool) -> bool:
        """Return whether what is made here is a draft: if that is asked, and as replies of a hook are."""
        if asked or self.hook is None:
            return asked
        from wa.hooks import replies

        return replies.are_drafts(self.store, self.hook.hook_id, self.hook.event_id, self.now())

    def counting(self, to: Iterable[str], key: str | None = None) -> Callable[[Row], Row]:
        """Return a function that counts a new row as a reply, if a hook's program asks for it here.

        `to` are the JIDs that it goes to. Raise as `replies.counting` does.
        """
        if self.hook is None:
            return lambda row: row
        from wa.hooks import replies

        return replies.counting(self.store, self.hook.hook_id, to, self.now(), key)

    @property
    def hook_id(self) -> int | None:
        """The id of the hook whose program asks for something here; None if none does."""
        return self.hook.hook_id if self.hook else None

    @property
    def me(self) -> str | None:
        """Our own JID, None while no account is linked."""
        if self.settings.transport == "loopback":
            return LOOPBACK_JID
        linked = linked_account(self.store)
        return linked["jid"] if linked else None

    def require_account(self) -> str:
        """Return our own JID. Raise WaError `not-authorized` while no account is linked."""
        me = self.me
        if me is None:
            raise not_linked()
        return me

    def wake_owner(self) -> None:
        """Wake the process that holds the connection, to look for new work in the store."""
        wake_owner(self.home.socket)
