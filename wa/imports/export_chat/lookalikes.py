"""Lines that look like the beginning of a message and are none: damaged headers, and quoted messages."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import islice

from wa.imports.export_chat.content import TYPED
from wa.imports.export_chat.header import Header
from wa.texts import MARKS, unmarked

_QUOTED = re.compile(r"\[\d{1,2}[/.-]\d{1,2}[.,]{0,2} \d{1,2}[:.]\d\d[^\d\n\]]{0,8}\]")
_PART = "[\\w\ufffd]"
_DATED = re.compile(
    rf"[\s{MARKS}]{{0,20}}\[?({_PART}{{1,4}}\s?[./-]\s?{_PART}{{1,3}}\s?[./-]\s?{_PART}{{1,4}}[^\w\n:.;]{{1,6}}"
    rf"{_PART}{{1,2}}[:;.]{_PART}{{2}})[^\n]{{0,60}}?(?:\]|\s[-–—]\s|:\s)"
)
"""A date and a time, with a little damage, and the sign that ends them."""
_COLON = re.compile(r":\s")
_EDGE = re.compile(r"[\s\])–—:-]+")
_LONGEST = 240
_FEW_DIGITS, _MANY_DIGITS = 2, 6
"""The digits of a part of a header, and the fewest digits of a whole one with a little damage."""
_QUOTING = tuple("<>*•|\"'“„«-")
"""Signs before a date in a text that quotes a message, or in a list."""
_MOST_LETTERS = 8
"""The most letters beside the digits of a header."""


def is_quotation(line: str, header: Header | None) -> bool:
    """Return whether a line is a message as WhatsApp copies it: in brackets, and without seconds."""
    is_without_year = bool(_QUOTED.match(line))
    return is_without_year or bool(header and header.style.is_iphone and not header.style.has_seconds)


def is_damaged(line: str, names: Container[str]) -> bool:
    """Return whether a line begins with a date and time that cannot be read, and a sender."""
    return _digits_before_sender(line, names) >= _MANY_DIGITS


def is_alike(line: str, names: Container[str]) -> bool:
    """Return whether a line looks like the beginning of a message, perhaps only a part of it."""
    found = _DATED.match(line)
    has_date = found is not None and sum(map(str.isdigit, found[1])) >= _MANY_DIGITS
    return has_date or _digits_before_sender(line, names) >= _FEW_DIGITS


def may_be_alike(line: str) -> bool:
    """Return whether a reader may take a line for the beginning of a message, whoever writes in the chat."""
    return bool(_COLON.search(line, 0, _LONGEST)) and any(map(str.isdigit, line[:_LONGEST]))


def _digits_before_sender(line: str, names: Container[str]) -> int:
    """Return the number of digits in the text before a sender's name, 0 if it is no damaged header."""
    if line.startswith(TYPED):
        return 0
    for found in islice(_COLON.finditer(line, 0, _LONGEST), 2):
        before = unmarked(line[: found.start()])
        for place in _EDGE.finditer(before):
            head, name = before[: place.end()], before[place.end() :].strip()
            if name in names and sum(map(str.isalpha, head)) <= _MOST_LETTERS:
                if head.lstrip()[:1] in _QUOTING:
                    return _FEW_DIGITS
                is_ended = head.rstrip().endswith(("]", "-", "–", "—"))
                begins = any(map(str.isdigit, head.lstrip().split(" ", 1)[0]))
                return sum(map(str.isdigit, head)) if is_ended or begins else 0
    return 0
