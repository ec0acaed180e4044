"""Text in the form that is stored, and in the form without case and accents that searches compare."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable

# Phones put marks of text direction around names and numbers.
_UNSEEN = "[\\s\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+"
_AROUND = re.compile(f"\\A{_UNSEEN}|{_UNSEEN}\\Z")


def tidy(text: str) -> str:
    """Return a text with `\\n` line ends, without space and invisible characters around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\0", "")
    return text.strip() if text.isascii() else _AROUND.sub("", text)


class _Without(dict[int, int | None]):
    """A table for `str.translate`: it maps each character to itself, or to None, which leaves it out."""

    def __init__(self, is_left_out: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_left_out = is_left_out

    def __missing__(self, code: int) -> int | None:
        kept = self[code] = None if self._is_left_out(chr(code)) else code
        return kept


_NO_MARKS = _Without(lambda char: unicodedata.combining(char) >= 10)
_NO_FORMAT = _Without(lambda char: unicodedata.category(char) == "Cf")


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
        folded = parts.translate(_NO_MARKS).casefold()
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
        text = text.translate(_NO_FORMAT)
    return " ".join(fold(text).split())


def may_have(column: str) -> str:
    """Return SQL for whether the folded text of a column may contain `:part`, a folded part without spaces.

    It is exact for ASCII, and true of any other text.
    """
    return f"(length({column}) != length(CAST({column} AS BLOB)) OR instr(lower({column}), :part))"
