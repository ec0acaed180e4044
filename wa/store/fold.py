"""Text without case and accents, as searches and sorted lists compare it."""

from __future__ import annotations

import unicodedata


def fold(text: str | None) -> str:
    """Return a text as search compares it: no case, no accents, `ß` as `ss`, no control characters.

    It drops the marks that are accents or vowel points (canonical combining class 10 and up, Unicode §4.3).
    Those that make another letter, such as the Japanese voicing marks, stay.
    """
    if not text:
        return ""
    if text.isascii():
        folded = text.lower()
    else:
        parts = unicodedata.normalize("NFKD", text.casefold())
        folded = "".join(c for c in parts if unicodedata.combining(c) < 10).casefold()
    return folded if folded.isprintable() else "".join(c if c >= " " else " " for c in folded)


def fold_name(text: str) -> str:
    """Return a name as names are compared: case, accents, spaces and invisible characters do not matter."""
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return " ".join(fold(text).split())
