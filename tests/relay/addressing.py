"""The form of addresses in a 1:1 chat: by hidden id ("lid") or by number ("pn").

Which one the real server gives a recipient is unknown. WhatsApp's own client decides it once for all chats of
an account. So each account has a form, and a conversation may have another, for both sides: "lid", "pn", or
"sent", the form that the sender used.
"""

from __future__ import annotations

from relay.hub import Hub
from relay.model import Account
from relay.wabin import JID, LID

FORMS = ("lid", "pn", "sent")


def choose(hub: Hub, one: Account, other: Account, form: str | None) -> None:
    """Set the form of addresses in the conversation of two people; None makes it that of each account."""
    pair = frozenset((one.number, other.number))
    hub.addressing.pop(pair, None)
    if form is not None:
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}")
        hub.addressing[pair] = form


def by_hidden_id(hub: Hub, me: Account, other: Account, used: JID | None = None) -> bool:
    """Return whether `me` appears to `other` by its hidden id; `used` is the address that `me` wrote to."""
    form = hub.addressing.get(frozenset((me.number, other.number)), me.addressing)
    if form == "sent":
        return used is None or used.server == LID
    return form == "lid"


def mode(is_by_lid: bool) -> str:
    """Return the word for it in a stanza."""
    return "lid" if is_by_lid else "pn"
