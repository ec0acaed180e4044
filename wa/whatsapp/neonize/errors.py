"""What the library's words mean: its errors are text alone, and its ends have many names."""

from __future__ import annotations

import re
from typing import Any

from wa.errors import WaError
from wa.store.paths import Home
from wa.whatsapp.transport import (
    Banned,
    ConnectFailed,
    Disconnected,
    LoggedOut,
    NotConnected,
    NotOnWhatsApp,
    NotSent,
    Outdated,
    Refused,
    Replaced,
    SendError,
    Signal,
)

ENDS = ("LoggedOut", "StreamReplaced", "ClientOutdated", "TemporaryBan", "ConnectFailure")
"""After these the library does not connect again."""
_STATUS = re.compile(r"server returned error (\d+)")
_CERTAIN = (
    "the store doesn't contain a device JID",
    "client is nil",
    "frame socket is closed",
    "failed to get group members",
)
_NO_GROUP = ("group does not exist", "not participating in that group", "not in that group")


def connect_error(home: Home, text: str) -> Exception:
    """Why the first attempt failed: for now, or in a way that no retry mends."""
    if "is not a database" in text or "malformed" in text:
        return WaError(
            "corrupt",
            f"{home.session}, which holds this device's keys, is damaged",
            "move it away, then `wa link` links this device anew; what is recorded stays",
        )
    if "database" in text or "sqlite" in text.lower():
        return WaError(
            "storage-error", f"cannot use {home.session}: {text}", f"check it: ls -l {home.session}"
        )
    return ConnectFailed(text)


def end_of_line(kind: str, event: Any) -> Signal:
    """What the library's word for the end of a connection means."""
    if kind == "LoggedOut":
        return LoggedOut()
    if kind == "StreamReplaced":
        return Replaced()
    if kind == "ClientOutdated":
        return Outdated()
    if kind == "TemporaryBan":
        return Banned(int(event.Expire), event.TempBanReason.Name(event.Code))
    return Disconnected(f"WhatsApp refused the connection: {event.Reason} {event.Message}".strip())


def send_error(text: str, to_jid: str) -> SendError:
    """What an error of `send_message`, which is text alone, proves."""
    if found := _STATUS.search(text):
        return Refused(int(found[1]))
    if "no LID found" in text:
        return NotOnWhatsApp(f"{to_jid} is not on WhatsApp")
    if any(sign in text for sign in _NO_GROUP):
        return NotOnWhatsApp(f"there is no group {to_jid}, or you are not in it")
    if any(sign in text for sign in _CERTAIN):
        return NotSent(text)
    if text.endswith("websocket not connected"):
        return NotConnected(text)
    return SendError(text)
