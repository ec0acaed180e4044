"""JIDs, WhatsApp's addresses (user@server): their forms, and the phone numbers in them."""

from __future__ import annotations

import re

from wa.errors import WaError
from wa.phones import INTERNATIONAL, parse_phone

USER_SERVER = "s.whatsapp.net"
GROUP_SERVER = "g.us"
LID_SERVER = "lid"
STATUS = "status@broadcast"
"""The chat of status posts, ours and those of others."""
_RENAMED = {"c.us": USER_SERVER, "hosted": USER_SERVER, "hosted.lid": LID_SERVER}
"""Servers of whatsmeow's `types.JID` at which people are who are the same at another one: the name of old,
and those of business accounts that Meta hosts."""
_SHOWN = 4
"""The last digits of an address that has no name and is no number, to tell two of them apart."""

_USER_OF_SERVER = {
    USER_SERVER: INTERNATIONAL,
    LID_SERVER: re.compile(r"[0-9]{1,20}"),
    GROUP_SERVER: re.compile(r"[0-9]{5,32}(-[0-9]{5,20})?"),
    "broadcast": re.compile(r"[0-9]{1,20}|status"),
    "newsletter": re.compile(r"[0-9]{1,32}"),
}


def parse_jid(text: str) -> str | None:
    """Return `text` as a JID without its device part, or None if it has no `@`.

    Raise WaError `recipient-not-found` if it has an `@` but is not a JID.
    """
    user, at, server = text.strip().rpartition("@")
    if not at:
        return None
    user, server = re.sub(r":[0-9]+$", "", user), known_server(server.lower())
    form = _USER_OF_SERVER.get(server)
    if form is None:
        raise WaError(
            "recipient-not-found",
            f"{text!r} is not a WhatsApp address: its server is unknown",
            "addresses end in @s.whatsapp.net, @g.us, @lid, @broadcast or @newsletter",
        )
    if not form.fullmatch(user):
        raise WaError(
            "recipient-not-found",
            f"{text!r} is not a WhatsApp address: {user!r} does not fit @{server}",
            "a person is 447700900123@s.whatsapp.net, a group 1203…@g.us",
        )
    return f"{user}@{server}"


def known_server(server: str) -> str:
    """Return the server under which we know the users of a server."""
    return _RENAMED.get(server, server)


def parse_address(text: str) -> str | None:
    """Return the JID for a JID or an international phone number; None for anything else."""
    if jid := parse_jid(text):
        return jid
    phone = parse_phone(text, None) if not text.strip().startswith("0") else None
    return jid_of_phone(phone) if phone else None


def jid_of_phone(phone: str) -> str:
    """Return the JID of the person with this phone number."""
    return f"{phone}@{USER_SERVER}"


def phone_of_jid(jid: str) -> str | None:
    """Return the phone number in a person's JID; None for groups, hidden ids and all other JIDs."""
    user, _, server = jid.partition("@")
    return user if server == USER_SERVER else None


def is_group(jid: str) -> bool:
    """Return whether the JID is that of a group."""
    return jid.endswith("@" + GROUP_SERVER)


def is_lid(jid: str) -> bool:
    """Return whether the JID is a hidden id (LID), which stands for a person's phone number."""
    return jid.endswith("@" + LID_SERVER)


def is_person_or_group(jid: str) -> bool:
    """Return whether a JID is that of a person or group: not of a status, a broadcast list or a channel."""
    return jid.rpartition("@")[2] in (USER_SERVER, GROUP_SERVER, LID_SERVER)


def is_apart(jid: str) -> bool:
    """Return whether a JID is that of status posts or of a channel, which are no conversations."""
    return jid == STATUS or is_channel(jid)


def is_channel(jid: str) -> bool:
    """Return whether a JID is that of a channel."""
    return jid.endswith("@newsletter")


def check_recipient(jid: str) -> None:
    """Raise WaError `usage` for an address that nothing is sent to: a status, a broadcast list, a channel."""
    if not is_person_or_group(jid):
        raise WaError("usage", f"nothing is sent to {jid}: that would publish it", "name a person or a group")


def show_jid(jid: str, name: str | None = None) -> str:
    """Return a JID as it is shown to people: its name, else `+447700900123`; never a hidden id.

    A hidden id with a name is `~Nadia`, as on the phone: she chose that name, and her number is unknown.
    """
    user, _, server = jid.partition("@")
    if name:
        return f"~{name}" if server == LID_SERVER else name
    if server == USER_SERVER:
        return f"+{user}"
    if jid == STATUS:
        return "Status"
    kind = {LID_SERVER: "somebody", "newsletter": "channel", "broadcast": "broadcast list"}.get(server)
    return f"{kind} …{user[-_SHOWN:]}" if kind else jid


def phone_in(text: str, region: str | None) -> str | None:
    """Return the phone number that `text` is, or that is in the JID `text`; None if there is none."""
    try:
        jid = parse_jid(text)
        return phone_of_jid(jid) if jid else parse_phone(text, region)
    except WaError:
        return None
