"""A plugin of pytest: with SEEDED_MISTAKE, all linked devices make that mistake in each message.

With SEEDED_AFTER_LINKS a device makes it only to people who link a device of their own afterwards.
"""

from __future__ import annotations

import os
from typing import Any

from relay.driver import Person, Relay


def pytest_configure() -> None:
    """Let each account begin with the mistake; `relay.broken_clients` has them."""
    mistake, is_late = os.environ.get("SEEDED_MISTAKE"), bool(os.environ.get("SEEDED_AFTER_LINKS"))
    if mistake is not None:
        _begin_when_another_links(mistake) if is_late else _begin_at_once(mistake)


def _begin_at_once(mistake: str) -> None:
    make = Relay.person

    def person(self: Relay, name: str, number: str = "", **settings: Any) -> Person:
        made = make(self, name, number, **settings)
        made.fault(mangle={"how": mistake})
        return made

    Relay.person = person  # type: ignore[method-assign]


def _begin_when_another_links(mistake: str) -> None:
    scan = Person.scan

    def scanned(self: Person, qr: str, spoil: bool = False) -> None:
        scan(self, qr, spoil)
        for number, account in self.relay.call("state")["accounts"].items():
            if number != self.number and account["devices"]:
                self.relay.call("fault", number=number, mangle={"how": mistake})

    Person.scan = scanned  # type: ignore[method-assign]
