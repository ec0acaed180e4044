"""Error mapping: the ways in which a connection ends for good, as its user is told."""

from __future__ import annotations

from wa.errors import WaError
from wa.whatsapp.events import LoggedOut, Outdated, Replaced


def not_linked() -> WaError:
    """The error of a home without an account."""
    return WaError(
        "not-authorized",
        "no WhatsApp account is linked to this home",
        "`wa link` links one; to try everything without, set WA_TRANSPORT=loopback",
    )


def banned(until: str) -> WaError:
    """The error of an account that WhatsApp refuses until a moment, given as text."""
    return WaError(
        "temporary-ban",
        f"WhatsApp has banned this account until {until}",
        "wait until then; the queue stays as it is",
    )


def end_of_connection(event: LoggedOut | Replaced | Outdated) -> WaError:
    """The error of a connection that only its user can bring back."""
    if isinstance(event, LoggedOut):
        return WaError(
            "not-authorized",
            "WhatsApp has logged this device out",
            "`wa link` links it again; the queue stays as it is",
        )
    if isinstance(event, Replaced):
        return WaError(
            "replaced",
            "another process connected with this device's session",
            "stop the other one (a copy of this home on another machine?), then start again",
        )
    return WaError(
        "client-outdated",
        "WhatsApp no longer accepts this version of the client",
        "upgrade wa (pip install -U wa), then start again",
    )
