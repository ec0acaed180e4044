"""Error mapping: the WaError for each way in which a connection ends for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wa.errors import WaError

if TYPE_CHECKING:
    from wa.whatsapp.signals import LoggedOut, Outdated, Replaced


def not_linked() -> WaError:
    """Return the error of a home without an account."""
    return WaError(
        "not-authorized",
        "no WhatsApp account is linked to this home",
        "`wa link` links one; to try everything without, set WA_TRANSPORT=loopback",
    )


def banned(until: str) -> WaError:
    """Return the error of an account that WhatsApp refuses until a moment, given as text."""
    return WaError(
        "temporary-ban",
        f"WhatsApp has banned this account until {until}",
        "wait until then; the queue stays as it is",
    )


def end_of_connection(event: LoggedOut | Replaced | Outdated) -> WaError:
    """Return the error of a connection that only the user can restore."""
    from wa.whatsapp.signals import LoggedOut, Replaced

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


def unmarked(why: object, *, is_waited_for: bool) -> WaError:
    """Return the error of a process that could not store a message's wire mark, and so must not send it.

    The next process that holds the connection sends the message: a command that waits for it
    (`is_waited_for`) may not end as if it had failed, or its user sends the message again.
    """
    return WaError(
        "still-queued" if is_waited_for else "storage-error",
        f"nothing was sent yet: the message's mark could not be stored: {why}",
        "check the disk (`wa doctor`); the message stays queued: `wa schedule list` shows it",
    )
