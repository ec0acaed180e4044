"""The signals of WhatsApp about the connection, as plain dataclasses. They are not recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the many events cost each command's start 7 ms
    from wa.whatsapp.events import Account


@dataclass(frozen=True)
class Connected:
    """Logged in."""

    account: Account


@dataclass(frozen=True)
class CaughtUp:
    """All events that waited on the server have been handed over."""


@dataclass(frozen=True)
class Disconnected:
    """The connection was lost; connect() again."""

    reason: str


@dataclass(frozen=True)
class LoggedOut:
    """The account no longer knows this device."""


@dataclass(frozen=True)
class Replaced:
    """Another process connected as this device."""


@dataclass(frozen=True)
class Banned:
    """WhatsApp refuses the account for a while."""

    seconds: int
    reason: str


@dataclass(frozen=True)
class Outdated:
    """WhatsApp refuses this version of the client."""


Signal = Connected | CaughtUp | Disconnected | LoggedOut | Replaced | Banned | Outdated
OF_THE_LINE = (Connected, CaughtUp, Disconnected)
"""The signals that say how a connection stands, and are over once it is closed."""
