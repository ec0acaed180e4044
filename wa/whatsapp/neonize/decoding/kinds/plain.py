"""The text in a part of a message that has no reader of its own: what its fields' names show as text."""

from __future__ import annotations

from typing import Any

from wa.whatsapp.neonize.decoding.fields import lines, text_of

# Ends of the names of fields that people read; and of those fields and parts that people do not read.
_VISIBLE = ("address", "author", "body", "caption", "comment", "conversation", "description", "footer",
            "link", "message", "name", "note", "text", "title")  # fmt: skip
_HIDDEN = ("nnotations", "contextInfo", "elementName", "matchedText", "ileName")


def plain_text(part: Any) -> str:
    """Return the text that people read, in the order of the fields."""
    found: list[str] = []
    for field, value in part.ListFields():
        if field.name.endswith(_HIDDEN):
            continue
        if field.message_type:
            found += map(plain_text, [value] if hasattr(value, "ListFields") else value)
        elif isinstance(value, str | bytes) and field.name.lower().endswith(_VISIBLE):
            found.append(text_of(value))
    return lines(*found)
