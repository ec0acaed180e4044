"""The header of a message in an exported chat: its date, time and sender.

31/12/2023, 23:59 - Nadia: Happy new year!
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, time
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from wa.imports.export_chat.language.dates import day_of, japanese_year
from wa.imports.export_chat.language.words import Vocabulary
from wa.imports.export_chat.shape import NUMBER, Shape, Style, shape_of
from wa.texts import MARKS, unmarked

LONGEST_NAME = 100
"""The most characters of a sender's name."""
_LONGEST = 120
"""The most characters of date and time."""
_START = re.compile(rf"[\s{MARKS}]{{0,20}}(?P<open>\[)?")
_END = re.compile(r"\s(?P<dash>[-–—])(?=\s)|:(?=\s)")
_DIGIT = re.compile(r"\d")
_OPEN_QUOTE = re.compile(r"[“„«「『][^”“»」』]*$")
_before: dict[str, tuple[re.Pattern[str], Shape]] = {}
"""The form of the header before, by "header": the next one has probably the same."""
_NO_SPACE = re.compile(r"([^:\n]{1,100}):(?=[^\s/])")


class Header(NamedTuple):
    """The date of a message, as three parts in unknown order, and its time."""

    style: Style
    days: tuple[str, str, str]
    """Numbers, and perhaps the token of a month's name."""
    era: str
    clock: tuple[int, int, int]
    """Hour, minute and second, as they are written."""
    words: tuple[str, ...]
    """The tokens for the half or part of the day."""
    end: int

    @property
    def has_year(self) -> bool:
        """Whether the date has a year. Old phones left out that of the export: `21:23, 28 Aug - Nadia: x`."""
        return "" not in self.days

    def of_year(self, year: int | None) -> Header:
        """Return the header with a year, if it has none."""
        if self.has_year or year is None:
            return self
        return self._replace(days=(self.days[0], self.days[1], str(year)))

    def time(self, vocabulary: Vocabulary) -> time | None:
        """Return the time, None if the words beside it do not go with it."""
        return vocabulary.clock(*self.clock, self.words)

    def day(self, order: str, latest: date, vocabulary: Vocabulary) -> date | None:
        """Return the date in an order, None if there is none, or it is after `latest`."""
        days = self.days
        if not self.has_year:
            return None
        if self.style.mark == "a":
            days = tuple(each if each.isdigit() else f"{vocabulary.month(each)}m" for each in days)  # type: ignore[assignment]
            if order[[each.endswith("m") for each in days].index(True)] != "m":
                return None
        return day_of(days, order, latest, self.era)


def header_of(line: str) -> Header | None:
    """Return the header of a line, None if the line has none."""
    if (known := _before.get("header")) and (found := known[0].match(line)):
        end = found.end()
        if header := _made(known[1], [*found.groups()], end + line.startswith(" ", end)):
            return header
    start = _START.match(line)
    if start is None:
        return None
    begin = start.end()
    if start["open"]:
        end = line.find("]", begin, begin + _LONGEST)
        return _header(line, begin, end, end + 1, is_iphone=True, has_dash=False) if end > 0 else None
    for place, found in enumerate(islice(_END.finditer(line, begin, begin + _LONGEST), 3)):
        has_dash, is_first = bool(found["dash"]), place == 0
        span = begin, found.start(), found.end()
        if header := _header(line, *span, is_iphone=False, has_dash=has_dash, is_first=is_first):
            return header
    return None


def _header(
    line: str, begin: int, end: int, after: int, *, is_iphone: bool, has_dash: bool, is_first: bool = True
) -> Header | None:
    """Return the header whose date and time are between two places of a line, and whose sign ends at `after`.

    `is_first` tells that no such sign stands before it.
    """
    text = line[begin:end]
    is_plain = "元年" not in text
    if not is_plain:  # the first year of an emperor of Japan
        text = text.replace("元年", "1年")
    numbers = NUMBER.findall(text)
    if not 3 <= len(numbers) <= 6:
        return None
    zeros = _DIGIT.sub("0", text)
    shape = shape_of(zeros, is_iphone, has_dash)
    header = _made(shape, numbers, after + line.startswith(" ", after)) if shape else None
    if header and shape and is_plain and is_first and all(map(str.isascii, numbers)):
        _before["header"] = _pattern(line[:begin], zeros, line[end:after]), shape
    return header


@lru_cache(maxsize=1024)
def _pattern(before: str, zeros: str, sign: str) -> re.Pattern[str]:
    """Return a pattern for headers that differ in their digits alone, each of which is a 0 in `zeros`."""
    digits = re.sub("0+", lambda number: f"([0-9]{{{len(number[0])}}})", re.escape(zeros))
    return re.compile(f"{re.escape(before)}{digits}{re.escape(sign)}" + ("" if sign == "]" else r"(?=\s)"))


def _made(shape: Shape, numbers: list[str], end: int) -> Header | None:
    if shape.japanese:
        place, era = shape.japanese
        numbers[place] = japanese_year(era, numbers[place])
    first, second, third = [numbers[each] if isinstance(each, int) else each for each in shape.days]
    hour, minute, *rest = [int(numbers[each]) for each in shape.clock]
    if hour > 23 or minute > 59 or (rest and rest[0] > 59):
        return None
    clock = hour, minute, rest[0] if rest else 0
    return Header(shape.style, (first, second, third), shape.era, clock, shape.words, end)


def loose_name(rest: str) -> str:
    """Return the text before a colon with no space behind it, or an empty string."""
    found = _NO_SPACE.match(rest.lstrip(MARKS + " "))
    return " ".join(unmarked(found[1]).split()) if found else ""


def sender_of(rest: str, known: Collection[str], names: Collection[str] = ()) -> tuple[str | None, str]:
    """Return sender and text behind a date; the sender is None for a notice of WhatsApp's own.

    A name ends at its first colon, unless it is one of the `known` names. After one of the
    `names`, no space has to follow the colon.
    """
    bare = rest.lstrip(MARKS + " ")
    for name in known:
        if bare.startswith(f"{name}: "):
            return name, bare[len(name) + 2 :]
    name, colon, text = bare.partition(": ")
    if not colon and bare.rstrip().endswith(":"):  # an editor removed the space
        name, colon, text = bare.rstrip()[:-1], ":", ""
    name, is_name = _tidied(name)
    if names and name not in names and (close := loose_name(bare)) in names:
        return close, bare.partition(":")[2]
    return (name, text) if colon and is_name else (None, bare)


@lru_cache(maxsize=1024)
def _tidied(name: str) -> tuple[str, bool]:
    """Return a name without marks and further spaces, and whether it can be that of a sender."""
    name = " ".join(unmarked(name).split())
    if name.startswith("~"):
        name = f"~ {name[1:].strip()}"
    return name, 0 < len(name) <= LONGEST_NAME and not is_quoting(name)


def is_quoting(name: str) -> bool:
    """Return whether the colon is inside quotation marks: `Nadia changed the subject to "A: B"`."""
    return bool(name.count('"') % 2 or _OPEN_QUOTE.search(name))
