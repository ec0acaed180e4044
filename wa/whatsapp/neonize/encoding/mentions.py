"""Mentions as they are on the wire: WhatsApp names people in texts by their hidden ids."""

from __future__ import annotations

import re
from typing import TypeVar

from wa.values import replace
from wa.whatsapp.neonize.client import Client
from wa.whatsapp.transport import Change, Outgoing

Said = TypeVar("Said", Outgoing, Change)


def with_hidden_ids(client: Client, message: Said) -> tuple[Said, list[str]]:
    """Return a message whose text mentions people by their hidden ids, and the JIDs of those people.

    A person whose hidden id the library does not know stays one by number.
    """
    people = {jid: client.lid_of(jid) or jid for jid in (message.details or {}).get("mentions", ())}
    if not people:
        return message, []
    users = {jid.partition("@")[0]: other.partition("@")[0] for jid, other in people.items()}
    pattern = "|".join(map(re.escape, sorted(users, key=len, reverse=True)))
    text = re.sub(rf"@({pattern})(?![0-9])", lambda found: f"@{users[found[1]]}", message.text)
    return replace(message, text=text), list(people.values())
