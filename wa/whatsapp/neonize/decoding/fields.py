"""Fields of the library's messages in our form: addresses, times, names, texts."""

from __future__ import annotations

from typing import Any

from wa.jids import USER_SERVER


def jid_text(jid: Any) -> str:
    """Return a JID as `user@server`, without its device; '' for an empty one."""
    return bare_jid(f"{text_of(jid.User)}@{text_of(jid.Server)}") if jid.User else ""


def bare_jid(jid: Any) -> str:
    """Return a JID's text without its device, and with the server's newer name."""
    user, at, server = text_of(jid).partition("@")
    return user.partition(":")[0] + at + (USER_SERVER if server == "c.us" else server)


def seconds_of(time: int) -> int:
    """Return Unix seconds, from seconds or milliseconds; 0 for an impossible time."""
    seconds = time // 1000 if time > 10**11 else time  # in seconds the year 5138, in milliseconds 1973
    return seconds if 0 < seconds <= 10**11 else 0


def name_of(text: Any) -> str | None:
    """Return the name that a person chose, None if it is empty."""
    return None if (name := text_of(text)) in ("", "-") else name


def text_of(text: Any) -> str:
    """Return a text field as str; the library gives one that is not UTF-8 as bytes."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
