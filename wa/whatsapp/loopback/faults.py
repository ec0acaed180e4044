"""The faults of the stand-in: how they are named and checked, and the connections that they refuse."""

from __future__ import annotations

from wa.errors import WaError
from wa.jids import parse_address
from wa.whatsapp.signals import Banned, Disconnected, LoggedOut, Outdated, Signal

SWITCHES = ("offline", "ack-lost", "logged-out", "receipts", "outdated")
NUMBERS = ("ack-delay", "ack-timeout", "banned", "upload-delay")
FAULTS = (*SWITCHES, *NUMBERS, "refuse", "not-on-whatsapp")


def refusal(faults: dict[str, str]) -> Signal | None:
    """Return the signal with which the server would refuse a connection now; None if it accepts one."""
    if "logged-out" in faults:
        return LoggedOut()
    if "outdated" in faults:
        return Outdated()
    if "banned" in faults:
        return Banned(int(float(faults["banned"])), "the loopback fault `banned`")
    if "offline" in faults:
        return Disconnected("the loopback fault `offline`")
    return None


def checked(name: str, value: str | None) -> str | None:
    """Return the value to store, None to clear the fault. Raise WaError `usage`."""
    if name not in FAULTS:
        raise WaError("usage", f"{name!r} is not a fault", "faults: " + ", ".join(FAULTS))
    if name in SWITCHES:
        if value not in ("on", "off"):
            raise WaError("usage", f"{name} is on or off, not {value!r}", f"wa loopback fault {name} on")
        normal = "on" if name == "receipts" else "off"
        return None if value == normal else value
    if value is None:
        raise WaError("usage", f"{name} needs a value", f"wa loopback fault {name} VALUE")
    if name == "not-on-whatsapp":
        jid = parse_address(value)
        if jid is None:
            raise WaError(
                "usage", f"{value!r} is not a phone number", f"wa loopback fault {name} 447700900123"
            )
        return jid
    if value == "off":
        return None
    try:
        number = int(value) if name == "refuse" else float(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 10**9:
        raise WaError("usage", f"{name} takes a number or off, not {value!r}", f"wa loopback fault {name} 3")
    return str(number) if number or name == "ack-timeout" else None
