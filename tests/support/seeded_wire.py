"""A plugin of pytest: with SEEDED_MISTAKE, all linked devices make that mistake in each message."""

from __future__ import annotations

import os
from typing import Any

from relay.driver import Person, Relay


def pytest_configure() -> None:
    """Let each person on a relay begin with the mistake; `relay.broken_clients` has them."""
    mistake, make = os.environ.get("SEEDED_MISTAKE"), Relay.person
    if mistake is None:
        return

    def person(self: Relay, name: str, number: str = "", **settings: Any) -> Person:
        made = make(self, name, number, **settings)
        made.fault(mangle={"how": mistake})
        return made

    Relay.person = person  # type: ignore[method-assign]
