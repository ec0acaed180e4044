"""The words for what happens in a chat beside its messages: calls, and messages that disappear.

A person in such words is `@` and the digits of the address, as in a message that mentions somebody.
"""

from __future__ import annotations

from typing import Any

from wa.jids import GROUP_SERVER, LID_SERVER, USER_SERVER
from wa.texts import counted

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_CALLS = {
    "missed": "Missed {}",
    "declined": "Declined {}",
    "failed": "Failed {}",
    "elsewhere": "{}, answered on another device",
    "unanswered": "{}, not answered",
    "ongoing": "{}, going on",
}


def mention(jid: str) -> str:
    """Return how a text names a person or group; any other text unchanged."""
    user, _, server = jid.partition("@")
    return f"@{user}" if server in (USER_SERVER, LID_SERVER, GROUP_SERVER) else jid


def disappearing(seconds: int) -> str:
    """Return the words for the time after which a chat's messages disappear; 0: they stay."""
    if not seconds:
        return "Disappearing messages: off"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"Disappearing messages: {counted(seconds // size, unit)}"


def call(about: dict[str, Any]) -> str:
    """Return the words for a call: {"outcome", "video", "group"?, "seconds"?, "kind"?}.

    The outcome is one of those in _CALLS, or `answered`. `kind` is "chat" or "scheduled", if it is not a
    usual call.
    """
    what = "video" if about.get("video") else "voice"
    what = f"{what} {'chat' if about.get('kind') == 'chat' else 'call'}"
    what = "group " * bool(about.get("group")) + what
    what = "scheduled " * (about.get("kind") == "scheduled") + what
    seconds = int(about.get("seconds") or 0)
    lasted = f", {seconds // 60}:{seconds % 60:02}" if seconds else ""
    text = _CALLS.get(about["outcome"], "{}").format(what) + lasted
    return text[0].upper() + text[1:]
