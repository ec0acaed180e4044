"""Mentions: people named in a text, whose phones tell them so."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wa.errors import WaError
from wa.jids import is_group, show_jid
from wa.people.recipients import Recipient


def put(text: str, people: Mapping[str, Recipient]) -> tuple[str, list[str]]:
    """Return a text that mentions people, by the words with which they were named, and their JIDs.

    Where the text has `@` and that word, in capitals or not, the mention takes its place; others are added
    at the end. `ann@anna.example` stays an address. Raise WaError `usage` for a group.
    """
    for person in people.values():
        if is_group(person.jid):
            shown = show_jid(person.jid, person.name)
            raise WaError("usage", f"{shown} is a group, and people are mentioned", "name its members")
    found = set()
    words = sorted(people, key=len, reverse=True)

    def number(match: re.Match[str]) -> str:
        found.add(jid := people[words[(match.lastindex or 1) - 1]].jid)
        return _mention(jid)

    if people:
        any_of_them = "|".join(f"({re.escape(word)})" for word in words)
        text = re.sub(rf"(?<!\w)@(?:{any_of_them})(?!\w)", number, text, flags=re.IGNORECASE)
    jids = list(dict.fromkeys(person.jid for person in people.values()))
    return " ".join(filter(None, [text, *(_mention(jid) for jid in jids if jid not in found)])), jids


def _mention(jid: str) -> str:
    return f"@{jid.partition('@')[0]}"
