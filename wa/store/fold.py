"""Text in the form that is stored, and in the form without case and accents that searches compare."""

from __future__ import annotations

import json
import re
import unicodedata

# Phones put marks of text direction around names and numbers.
_UNSEEN = "[\\s\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+"
_AROUND = re.compile(f"\\A{_UNSEEN}|{_UNSEEN}\\Z")


def tidy(text: str) -> str:
    """Return a text with `\\n` line ends, without space and invisible characters around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(_AROUND, "", text.replace("\0", ""))


class _WithoutMarks(dict[int, int | None]):
    """What each character becomes without accents: itself, or None for a mark; found out when first met."""

    def __missing__(self, code: int) -> int | None:
        kept = self[code] = code if unicodedata.combining(chr(code)) < 10 else None
        return kept


_WITHOUT_MARKS = _WithoutMarks()


def fold(text: str | None) -> str:
    """Return a text as search compares it: no case, no accents, `ß` as `ss`, no control characters.

    It drops the marks that are accents or vowel points (canonical combining class 10 and up, Unicode §4.3).
    Marks that make another letter, such as the Japanese voicing marks, stay.
    """
    if not text:
        return ""
    if text.isascii():
        folded = text.lower()
    else:
        parts = unicodedata.normalize("NFKD", text.casefold())
        folded = parts.translate(_WITHOUT_MARKS).casefold()
    return folded if folded.isprintable() else "".join(c if c >= " " else " " for c in folded)


def searched(text: str | None, details: str | None) -> str:
    """Return the folded text by which search finds a message: its own, its file's name, its cards' numbers.

    `details` is the JSON of `messages.details`. The numbers are digits, whatever is between them in the text.
    """
    if details is None:
        return fold(text)
    known = json.loads(details)
    numbers = [number for card in known.get("cards", ()) for number in card["numbers"]]
    more = [each for each in (known.get("file_name"), *numbers) if each and each != text]
    return fold("\n".join(filter(None, (text, *more))))


def fold_name(text: str) -> str:
    """Return a name for comparison, without case, accents, spaces and invisible characters."""
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return " ".join(fold(text).split())
