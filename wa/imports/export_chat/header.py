"""The header of a message in an exported chat: its date, time and sender.

31/12/2023, 23:59 - Nadia: Happy new year!
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, time
from functools import lru_cache
from typing import NamedTuple

from wa.imports.export_chat.phrases import half_of_day, is_filler
from wa.texts import MARKS, unmarked

_FIRST_DAY = date(2009, 1, 1)
"""The earliest date of a message: WhatsApp began in 2009."""
_BUDDHIST = 543
"""Years by which Thailand's calendar is ahead."""
LONGEST_NAME = 100
"""The most characters of a sender's name."""
_NO_HALF, _NO_TIME = 24, -1

_GAP = rf"[\s{MARKS}]{{0,4}}"


def _word(name: str) -> str:
    """Return a pattern for an optional word, such as `PM`, with the spaces around it."""
    return rf"{_GAP}(?P<{name}>[^\W\d_][^\d\n:<>\[\],،]{{0,14}}?(?![^\W\d_]))?{_GAP}"


_DATE = (
    rf"(?P<first>\d{{1,4}})(?P<gap>{_GAP})(?P<mark>[/.\-年년]){_GAP}(?P<second>\d{{1,2}})"
    rf"{_GAP}[/.\-月월]{_GAP}(?P<third>\d{{1,4}}){_GAP}[.日일]?"
)
_TIME = (
    rf"(?P<hour>\d{{1,2}}){_GAP}[:.h時时시]{_GAP}(?P<minute>\d\d)(?:{_GAP}[:.分분]{_GAP}(?P<of_minute>\d\d))?"
)
_BETWEEN = rf"{_word('word1')}(?:(?P<comma>[,،、]){_word('word2')})?"
_DATE_FIRST, _TIME_FIRST = (
    re.compile(
        rf"[\s{MARKS}]*(?P<open>\[)?{_GAP}{one}{_BETWEEN}{other}{_word('word3')}"
        r"(?(open)\]|(?:\s(?P<dash>[-–—])|:)(?=\s)) ?"
    )
    for one, other in ((_DATE, _TIME), (_TIME, _DATE))
)


class Style(NamedTuple):
    """The form of headers, which is the same throughout a file."""

    is_date_first: bool
    is_iphone: bool
    """Whether date and time are in brackets."""
    has_seconds: bool
    is_east_asian: bool
    """Whether a year of two digits may come first."""
    mark: str
    year_lengths: tuple[bool, bool]
    has_comma: bool
    has_dash: bool


class Header(NamedTuple):
    """The date of a message, as three numbers in unknown order, and its time."""

    style: Style
    days: tuple[str, str, str]
    clock: time
    end: int


def header_of(line: str) -> Header | None:
    """Return the header of a line, None if the line has none."""
    found = _DATE_FIRST.match(line) or _TIME_FIRST.match(line)
    clock = _clock(found) if found else None
    if found is None or clock is None:
        return None
    first, _, third = days = found["first"], found["second"], found["third"]
    is_spaced = found["mark"] in "年년" or (found["mark"] == "." and line[found.end("mark")] == " ")
    style = Style(
        is_date_first=found.re is _DATE_FIRST,
        is_iphone=bool(found["open"]),
        has_seconds=bool(found["of_minute"]),
        is_east_asian=is_spaced or _comes_before(found),
        mark=found["mark"],
        year_lengths=(len(first) == 4, len(third) == 4),
        has_comma=bool(found["comma"]),
        has_dash=bool(found["dash"]),
    )
    return Header(style, days, clock, found.end())


def _comes_before(found: re.Match[str]) -> bool:
    """Return whether a word for morning or afternoon comes before the time."""
    return any(half_of_day(found[name]) is not None for name in ("word1", "word2") if found[name])


@lru_cache(maxsize=256)
def _half(words: tuple[str, ...]) -> int:
    """Return the hours that the words beside a time add: 0 or 12, or _NO_HALF; _NO_TIME for other words."""
    halves = [half_of_day(word) for word in words if not is_filler(word)]
    if None in halves or len(halves) > 1:
        return _NO_TIME
    return _NO_HALF if not halves else 12 if halves[0] else 0


def _clock(found: re.Match[str]) -> time | None:
    half = _half(tuple(found[name] for name in ("word1", "word2", "word3") if found[name]))
    hour = int(found["hour"])
    if half == _NO_TIME or (half != _NO_HALF and hour > 12):
        return None
    if half != _NO_HALF:
        hour = hour % 12 + half
    try:
        return time(hour, int(found["minute"]), int(found["of_minute"] or 0))
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def day_of(days: tuple[str, str, str], order: str, latest: date) -> date | None:
    """Return the date that three numbers mean in an order, None if there is none, or it is after `latest`."""
    year, month, day = (days[order.index(part)] for part in "ymd")
    if len(year) not in (2, 4) or max(len(month), len(day)) > 2:
        return None
    written = int(year) + (2000 if len(year) == 2 else 0)
    thai = int(year) + (2500 if len(year) == 2 else 0) - _BUDDHIST
    for number in (written, thai):
        try:
            found = date(number, int(month), int(day))
        except ValueError:
            continue
        if _FIRST_DAY <= found <= latest:
            return found
    return None


def sender_of(rest: str, known: Collection[str]) -> tuple[str | None, str]:
    """Return sender and text behind a date; the sender is None for a notice of WhatsApp's own.

    A name ends at its first colon, unless it is one of the `known` names.
    """
    bare = rest.lstrip(MARKS + " ")
    for name in known:
        if bare.startswith(f"{name}: "):
            return name, bare[len(name) + 2 :]
    name, colon, text = bare.partition(": ")
    if not colon and bare.rstrip().endswith(":"):  # an editor removed the space
        name, colon, text = bare.rstrip()[:-1], ":", ""
    name = " ".join(unmarked(name).split())
    if name.startswith("~"):
        name = f"~ {name[1:].strip()}"
    if not colon or not name or len(name) > LONGEST_NAME or is_quoting(name):
        return None, bare
    return name, text


_OPEN_QUOTE = re.compile(r"[“„«「『][^”“»」』]*$")


def is_quoting(name: str) -> bool:
    """Return whether the colon is inside quotation marks: `Nadia changed the subject to "A: B"`."""
    return bool(name.count('"') % 2 or _OPEN_QUOTE.search(name))
