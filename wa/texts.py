"""Texts for people: other people's made harmless, and numbers of things."""

from __future__ import annotations

import re

# C0 and C1 controls, ESC among them, and characters that change the direction of text: embeddings,
# overrides and isolates (Unicode TR9). With them a message could rewrite the text beside it on a terminal.
_DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MARKS = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Invisible marks, which set the direction of writing."""
_MARK = re.compile(f"[{MARKS}]")
_MENTION = re.compile(r"@(?:\u2068[^\u2069\n]*\u2069|\+?[0-9]{7,20}(?![0-9]))")
_BREAKS = re.compile("[\t\n\u2028\u2029]+")


def clean(text: str) -> str:
    """Return a text without control and escape characters; line breaks stay."""
    if text.isprintable():
        return text
    return _DANGEROUS.sub("", text).encode("utf-8", "replace").decode()


def one_line(text: object) -> str:
    """Return a text cleaned and on a single line."""
    shown = "" if text is None else str(text)
    return shown if shown.isprintable() else _BREAKS.sub(" ", clean(shown))


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number of things in words, and what they do: `1 message`, `1 event waits`, `2 events wait`."""
    what, does = (noun, f"{verb}s") if number == 1 else (f"{noun}s", verb)
    return f"{number:,} {what} {does}" if verb else f"{number:,} {what}"


def unmarked(text: str) -> str:
    """Return a text without invisible marks."""
    return text if text.isascii() else _MARK.sub("", text)


def comparable(text: str | None) -> str:
    """Return a text for comparison, without parts that an exported chat changes.

    These are marks, outer spaces and mentions. An export of ours has no control characters.
    """
    if not text:
        return ""
    if "@" in text:
        text = _MENTION.sub("@", text)
    return clean(unmarked(text)).strip()
