"""The signals of WhatsApp about the connection, as plain values. They are not recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wa.values import Value

if TYPE_CHECKING:
    from wa.whatsapp.events import Account


class Connected(Value):
    """Logged in."""

    account: Account


class CaughtUp(Value):
    """All events that waited on the server have been handed over."""


class Disconnected(Value):
    """The connection was lost; connect() again."""

    reason: str


class LoggedOut(Value):
    """The account no longer knows this device."""


class Replaced(Value):
    """Another process connected as this device."""


class Banned(Value):
    """WhatsApp refuses the account for a while."""

    seconds: int
    reason: str


class Outdated(Value):
    """WhatsApp refuses this version of the client."""


Signal = Connected | CaughtUp | Disconnected | LoggedOut | Replaced | Banned | Outdated
OF_THE_LINE = (Connected, CaughtUp, Disconnected)
"""The signals that say how a connection stands, and are over once it is closed."""
