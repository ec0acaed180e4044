"""The shape of a message's header, with a 0 in place of each digit, and what its numbers mean.

A file has few shapes, with some for each month if months have names, so each is looked at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from wa.imports.export_chat.language.dates import era_of, japanese_era
from wa.imports.export_chat.language.words import is_filler, is_korean, is_month, is_of_day, token
from wa.texts import unmarked

_UNIT = re.compile("^\\s*[年月日號号년월일時时시點点分분秒초]")
"""The sign behind a number in East Asia."""
NUMBER = re.compile(r"\d+")
_WHITE = re.compile(r"\s")
_COMMAS = ",،、"
_UNITS = ("h", "min", "s")
"""The words of times in Canada's French: `17 h 46 min 58 s`."""
_PIECES = re.compile(rf"[\s{_COMMAS};()]+")
_BULLET = re.compile(r"[-<>*•|]")
_LONGEST_PHRASE = 6
"""The most words of a time of day."""


class Style(NamedTuple):
    """The form of a header."""

    is_date_first: bool
    is_iphone: bool
    """Whether date and time are in brackets."""
    has_seconds: bool
    is_east_asian: bool
    """Whether a year of two digits may come first."""
    is_korean: bool
    """Whether a word of Korea shows that the year comes first."""
    mark: str
    """The character between the parts of the date; a letter if a month has its name."""
    year_lengths: tuple[bool, bool]
    has_comma: bool
    has_dash: bool


@dataclass(frozen=True)
class Shape:
    """The meaning of the numbers in a header of one shape."""

    style: Style
    days: tuple[int | str, int | str, int | str]
    """Places of numbers, or the token of a month; an empty string for a year that is left out."""
    era: str
    clock: tuple[int, ...]
    """Places of numbers: hour, minute, second."""
    words: tuple[str, ...]
    japanese: tuple[int, str] | None
    """The place of a year in an era of Japan, and the era."""


@lru_cache(maxsize=4096)
def shape_of(shape: str, is_iphone: bool, has_dash: bool) -> Shape | None:
    """Return the meaning of a shape, None if it is not that of a header."""
    lengths = [len(each) for each in NUMBER.findall(shape)]
    gaps = [_WHITE.sub(" ", unmarked(each)) for each in NUMBER.split(shape)]
    parts = [
        _Parts(lengths, gaps, size, is_date_first)
        for size in (2, 3)
        for is_date_first in (True, False)
        if len(lengths) - size in (1, 2, 3)
    ]
    found = max((each for each in parts if each.is_valid()), key=_Parts.certainty, default=None)
    return found.shape(is_iphone, has_dash) if found else None


class _Parts:
    """A header of which the time has `size` numbers, before or behind those of the date."""

    def __init__(self, lengths: list[int], gaps: list[str], size: int, is_date_first: bool) -> None:
        self._lengths, self._is_date_first = lengths, is_date_first
        of_date = len(lengths) - size
        self._date = range(of_date) if is_date_first else range(size, len(lengths))
        self._clock = range(of_date, len(lengths)) if is_date_first else range(size)
        self._japanese: tuple[int, str] | None = None
        gaps = gaps.copy()
        for place in self._date:
            gaps[place], era = japanese_era(gaps[place])
            if era:
                self._japanese = place, era
        self._in_clock = [gaps[each] for each in self._clock[1:]]
        self._in_date = [gaps[each] for each in self._date[1:]]
        ended = self._clock[-1] + 1
        if _tokens(self._in_clock[-1]) == ["min"]:
            gaps[ended] = gaps[ended].lstrip().removeprefix("s")
        self._between = gaps[of_date if is_date_first else size]
        self._around = [_tokens(gaps[0]), _tokens(self._between), _tokens(gaps[-1])]
        """The words before, between and behind date and time; None with an unknown word."""
        is_numeric = is_date_first and of_date == 3
        self._is_led_in = bool(_BULLET.search(gaps[0])) or (
            is_numeric and any(map(is_filler, self._around[0] or []))
        )
        """Whether words or a sign before the date show that somebody writes of it, or quotes it."""
        self._within = [_tokens(each) for each in self._in_date]
        self._days = self._found_days()

    def is_valid(self) -> bool:
        """Return whether this is a header."""
        hour, *rest = (self._lengths[each] for each in self._clock)
        is_padded = all(each == 2 for each in rest) or (max(rest) <= 2 and set(self._in_clock) == {":"})
        is_apart = bool(self._around[1]) or any(each in self._between for each in f" {_COMMAS}")
        return (
            self._days is not None
            and None not in self._around
            and is_apart
            and not self._is_led_in
            and ":" not in self._between
            and hour <= 2
            and is_padded
            and all(map(_is_in_time, self._in_clock))
            and max(self._lengths[each] for each in self._date) <= 4
        )

    def certainty(self) -> int:
        """Return a number that is higher the more a time looks like one."""
        return 2 * sum(":" in each for each in self._in_clock) + self._is_date_first

    def _found_days(self) -> tuple[int | str, int | str, int | str] | None:
        """Return the places of the numbers of the date, or the name of a month; None if it is no date."""
        if None in self._within or ":" in "".join(self._in_date):
            return None
        within = [word for part in self._within for word in part or []]
        if any(is_of_day(word) and not is_filler(word) for word in within):
            return None
        first, *rest = self._date
        names = [word for word in within if is_month(word)]
        if len(names) > 1:  # in Spanish, `de` is no month
            names = [word for word in names if not is_filler(word)] or names[:1]
        if len(rest) == 2:
            return None if names else (first, rest[0], rest[1])
        before, after = self._around[:2] if self._is_date_first else self._around[1:]
        if not rest:  # without a year
            if after and is_month(after[0]):
                return first, after.pop(0), ""
            return (before.pop(), first, "") if before and is_month(before[-1]) else None
        if len(names) == 1:
            return first, names[0], rest[0]
        if before and is_month(before[-1]):
            return before.pop(), first, rest[0]
        if after and is_month(after[0]):
            is_year_first = self._lengths[first] == 4  # `2023. gada 13. aprīlis`
            name = after.pop(0)
            return (first, name, rest[0]) if is_year_first else (first, rest[0], name)
        return None

    def shape(self, is_iphone: bool, has_dash: bool) -> Shape:
        """Return the meaning of the numbers."""
        assert self._days is not None  # noqa: S101
        words = [word for part in self._around for word in part or []]
        of_day = tuple(word for word in words if is_of_day(word))
        words += [word for part in self._within for word in part or []]
        eras = [era for word in words if not is_of_day(word) and (era := era_of(word))]
        is_named = len(self._date) < 3
        mark = "a" if is_named else self._in_date[0].strip()[:1] or " "
        is_spaced = any(each.startswith(". ") for each in self._in_date)
        before_time = self._around[1 if self._is_date_first else 0] or []
        style = Style(
            is_date_first=self._is_date_first,
            is_iphone=is_iphone,
            has_seconds=len(self._clock) == 3,
            is_east_asian=mark in "年년" or is_spaced or any(map(is_of_day, before_time)),
            is_korean=any(map(is_korean, of_day)),
            mark=mark,
            year_lengths=(self._is_long(0), self._is_long(2)),
            has_comma=any(each in self._between for each in _COMMAS),
            has_dash=has_dash,
        )
        return Shape(style, self._days, eras[0] if eras else "", tuple(self._clock), of_day, self._japanese)

    def _is_long(self, place: int) -> bool:
        number = self._days[place] if self._days else ""
        return isinstance(number, int) and self._lengths[number] == 4


def _is_in_time(gap: str) -> bool:
    """Return whether a gap may stand between the numbers of a time: `:`, `.`, ` h `."""
    bare = _UNIT.sub(":", gap.strip())
    if bare in (":", "."):
        return bare == ":" or gap == "."
    found = _tokens(bare.lstrip(":"))
    return bool(found) and all(word in _UNITS or is_filler(word) for word in found or [])


def _tokens(gap: str) -> list[str] | None:
    """Return the words in a gap as tokens, None if one is unknown."""
    pieces = [each for each in _PIECES.split(_UNIT.sub("", gap)) if token(each.strip("/"))]
    found = []
    while pieces:
        for count in range(min(len(pieces), _LONGEST_PHRASE), 0, -1):
            word = token("".join(pieces[:count]).strip("/"))
            if era_of(word) or is_of_day(word) or is_month(word) or is_filler(word) or word in _UNITS:
                found.append(word)
                del pieces[:count]
                break
        else:
            return None
    return found
