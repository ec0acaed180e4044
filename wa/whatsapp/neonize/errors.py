"""Error mapping: the library's errors, which are only text, and its events for the end of a connection."""

from __future__ import annotations

import re
from typing import Any

from wa.errors import WaError
from wa.jids import show_jid
from wa.store.paths import Home
from wa.whatsapp.signals import Banned, Disconnected, LoggedOut, Outdated, Replaced, Signal
from wa.whatsapp.transport import (
    ConnectFailed,
    DownloadFailed,
    Expired,
    NotConnected,
    NotOnWhatsApp,
    NotSent,
    Refused,
    SendError,
    UploadFailed,
)

ENDS = ("LoggedOut", "StreamReplaced", "ClientOutdated", "TemporaryBan", "ConnectFailure")
"""The events after which the library does not connect again."""
DOWN = ("Disconnected", "KeepAliveTimeout", *ENDS)
"""The events after which nothing can be sent, for a while or for ever."""
_STATUS = re.compile(r"server returned error (\d+)")
_HTTP_STATUS = re.compile(r"status code (\d+)")
_CERTAIN = (
    "the store doesn't contain a device JID",
    "client is nil",
    "frame socket is closed",
    "failed to get group members",
)
_QUERY_STATUS = re.compile(r"info query returned status (\d+)")
_QUERY_WORDS = {
    "you don't have the permission to get the group's invite link": 401,
    "you're not participating in that group": 403,
    "that group does not exist": 404,
    "that group invite link is not valid": 406,
    "that group invite link has been revoked": 410,
}
"""The codes of refusals for which the library has words of its own."""
_BEFORE_QUERY = (
    "failed to get phone number",
    "failed to get privacy token",
    "failed to get LID",
    "failed to resolve PN",
    "failed to get user info",
)
"""The beginnings of errors that are raised before a query leaves."""
_GONE = ("403", "404", "410")
_NO_GROUP = ("group does not exist", "not participating in that group", "not in that group")


def connect_error(home: Home, text: str) -> Exception:
    """Return the error of a failed first attempt: ConnectFailed, or WaError when no retry can help."""
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


def end_signal(kind: str, event: Any) -> Signal:
    """Return the signal for the library's event that ended a connection."""
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
    """Return the SendError for the text of an error of `send_message`."""
    if found := _STATUS.search(text):
        return Refused(int(found[1]))
    if "no LID found" in text:
        return NotOnWhatsApp(f"{show_jid(to_jid)} is not on WhatsApp")
    if any(sign in text for sign in _NO_GROUP):
        return NotOnWhatsApp(f"there is no group {to_jid}, or you are not in it")
    if any(sign in text for sign in _CERTAIN):
        return NotSent(text)
    if text.endswith("websocket not connected"):
        return NotConnected(text)
    return SendError(text)


def query_error(text: str, jid: str = "") -> SendError:
    """Return the SendError for the text of an error of a query that changes something, `jid` or a group."""
    found = _QUERY_STATUS.search(text)
    told = [int(found[1])] if found else [status for words, status in _QUERY_WORDS.items() if words in text]
    if told:
        return Refused(told[0])
    if "no LID found" in text:
        return NotOnWhatsApp(f"{show_jid(jid)} is not on WhatsApp")
    if any(sign in text for sign in _CERTAIN) or text.startswith(_BEFORE_QUERY):
        return NotSent(text)
    return NotConnected(text) if text.endswith("websocket not connected") else SendError(text)


def upload_error(text: str) -> UploadFailed:
    """Return the UploadFailed for the text of an error of `upload`."""
    found = _HTTP_STATUS.search(text)
    return UploadFailed(f"the file could not be uploaded: {text}", int(found[1]) if found else None)


def download_error(text: str) -> DownloadFailed:
    """Return the DownloadFailed for the text of an error of `download_any`."""
    found = _HTTP_STATUS.search(text)
    if found and found[1] in _GONE:
        return Expired(f"WhatsApp no longer has it (status {found[1]})")
    return DownloadFailed(text)
