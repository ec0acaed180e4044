"""Writing a card as vCard 3.0 (RFC 2426)."""

from __future__ import annotations

import re

from wa.media.vcard import LABEL_OF_TYPE, PHONETIC, Card

_TYPE_OF_LABEL = {label: name.upper() for name, label in LABEL_OF_TYPE.items()}


def write_card(card: Card) -> str:
    """Return a card as vCard 3.0 (RFC 2426), with CRLF line ends and folding.

    Numbers are written in international form. The first one, which WhatsApp
    knows, also has the parameter `waid`.
    """
    parts = card.parts if any(card.parts[:5]) else ["", card.name, "", "", "", *card.parts[5:]]
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{_escaped(card.name)}"]
    lines.append(f"N:{';'.join(map(_escaped, parts[:5]))}")
    lines += [f"{name}:{_escaped(part)}" for name, part in zip(PHONETIC, parts[5:], strict=False) if part]
    for number, tel in enumerate(card.tels, 1):
        words = (tel.label or "").split(" ")
        known = [_TYPE_OF_LABEL[word] for word in words if word in _TYPE_OF_LABEL]
        own = tel.label and len(set(known)) < len(words)
        group = f"item{number}." if own else ""
        types = f";TYPE={','.join(known)}" if known and not own else ""
        waid = f";waid={tel.waid}" if tel.waid else ""
        lines.append(f"{group}TEL{types}{waid}:{tel.text}")
        if own:
            lines.append(f"{group}X-ABLabel:{_escaped(tel.label or '')}")
    for name, values in (("NICKNAME", card.aliases), ("CATEGORIES", card.tags)):
        if values:
            lines.append(f"{name}:{','.join(map(_escaped, values))}")
    if card.notes:
        lines.append(f"NOTE:{_escaped(card.notes)}")
    for birthday, _ in card.birthdays:
        # vCard 3.0 has no day without a year. Phones read Apple's form for it.
        omitted = ";X-APPLE-OMIT-YEAR=1604" if birthday.startswith("--") else ""
        lines.append(f"BDAY{omitted}:{'1604-' * bool(omitted)}{birthday.removeprefix('--')}")
    if card.timezone:
        lines.append(f"TZ;VALUE=text:{card.timezone}")
    if card.is_favorite:
        lines.append("X-FAVORITE:1")
    return "".join(_folded(line) for line in [*lines, "END:VCARD"])


def _escaped(text: str) -> str:
    text = re.sub(r"([\\,;])", r"\\\1", text)
    return text.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Return a line folded into pieces of at most 75 bytes, none of which ends within a character."""
    pieces, room = [""], 75
    for char in line:
        size = len(char.encode())
        if size > room:
            pieces.append("")
            room = 74
        pieces[-1] += char
        room -= size
    return "\r\n ".join(pieces) + "\r\n"
