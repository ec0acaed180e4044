"""The words beside dates and times: the halves and parts of a day, months, and others without a meaning.

They are those of the Unicode CLDR, which `docs/cldr_words.py` writes into cldr.json, and some of older
phones. A word may mean the morning in one language and the afternoon in another. The languages that have
all words of a file decide; if they differ, those among them that are official in a country. A meaning counts
if ten times more locales have it than any other: `jan` is June in the Sotho of Lesotho alone.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Any

UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_EDGES = " <>.。।"
_AM, _PM = 0xFFF, 0xFFF000
"""The hours before and after noon, as numbers with a bit for each of 24 hours."""
_OLD = {
    _AM: "पूर्वाह्न|ಪೂರ್ವಾಹ್ನ|म.पू.|לפנה״צ|לפנה׳צ|ਪੂ.ਦੁ.|முற்பகல்|пр.об.|새벽",
    _PM: "अपराह्न|ಅಪರಾಹ್ನ|म.उ.|אחה״צ|אחה׳צ|ਬਾ.ਦੁ.|сл.об.|낮",
}
"""Words of older phones."""
_MANY = 10
_ANY: dict[str, Any] = {"official": True, "locales": 1, "hours": {}}
"""A language for words of older phones."""
_OTHERS = "klo|kl|Uhr|um|à|às|as|las|la|v|в|о|об|u|lúc|г|ч|h|น|at"


def plain(text: str) -> str:
    """Return a phrase for comparison: without case, invisible marks, brackets and full stop."""
    if not text.isascii():
        text = UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split()).strip(_EDGES)


def token(word: str) -> str:
    """Return a word beside a date or a time for comparison: also without spaces, full stops, apostrophes."""
    return re.sub(r"[ .'’\"׳״-]", "", plain(word))


@lru_cache(maxsize=1)
def _cldr() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("cldr.json").read_text(encoding="utf-8"))
    old = {token(word): mask for mask, text in _OLD.items() for word in text.split("|")}
    hours = {word for each in found["languages"].values() for word in each["hours"]}
    found["old"] = {word: mask for word, mask in old.items() if word not in hours}
    found["hours"] = hours | {*old}
    found["months"] = {word for each in found["languages"].values() for word in each["months"]}
    found["others"] = {*found["others"], *map(token, _OTHERS.split("|"))}
    having: dict[str, set[str]] = {}
    for name, each in found["languages"].items():
        for word in (*each["hours"], *each["months"]):
            having.setdefault(word, set()).add(name)
    found["having"] = having
    found["korean"] = {*found["languages"]["ko"]["hours"]} - {"am", "pm"}
    return found


def is_of_day(word: str) -> bool:
    """Return whether a token stands for a half or a part of the day in some language."""
    return word in _cldr()["hours"]


def is_month(word: str) -> bool:
    """Return whether a token is a month in some language."""
    return word in _cldr()["months"]


def is_filler(word: str) -> bool:
    """Return whether a token has no meaning of its own beside a date or a time: `klo`, `Uhr`, a weekday."""
    return word in _cldr()["others"]


def is_korean(word: str) -> bool:
    """Return whether a token is a word of Korea for a part of the day: dates there begin with the year."""
    return word in _cldr()["korean"]


class Vocabulary:
    """The meanings of words in a file that has all the words `seen`."""

    def __init__(self, seen: Collection[str] = ()) -> None:
        known = [_cldr()["having"][word] for word in seen if word in _cldr()["having"]]
        self._fit: set[str] = set.intersection(*known) if known else set()
        """The languages that have all the words; if there are none, all languages count."""
        self._hours: dict[tuple[int, tuple[str, ...]], int | None] = {}
        self._months: dict[str, int | None] = {}

    def _languages(self, *words: str) -> list[dict[str, Any]]:
        """Return the languages that have all these words, those that fit the file if any does."""
        having: set[str] = set.intersection(*(_cldr()["having"].get(word, set()) for word in words))
        return [_cldr()["languages"][name] for name in having & self._fit or having]

    def month(self, word: str) -> int | None:
        """Return the number of a month, None if languages that fit do not agree."""
        if word not in self._months:
            found = [(each, each["months"].get(word)) for each in self._languages(word)]
            self._months[word] = self._agreed(found)
        return self._months[word]

    def clock(self, hour: int, minute: int, second: int, words: tuple[str, ...]) -> time | None:
        """Return a time, given the words beside it; None if they do not go together."""
        if (hour, words) not in self._hours:
            self._hours[hour, words] = self._hour(hour, words)
        found = self._hours[hour, words]
        try:
            return None if found is None else time(found, minute, second)
        except ValueError:
            return None

    def _hour(self, hour: int, words: tuple[str, ...]) -> int | None:
        if not words:
            return hour
        whole = _AM | _PM
        for word in words:
            whole &= _cldr()["old"].get(word, whole)
        found = []
        new = [word for word in words if word not in _cldr()["old"]]
        for each in self._languages(*new) if new else [_ANY]:
            mask = whole
            for word in new:
                mask &= each["hours"].get(word, 0)
            found.append((each, _hour_in(hour, mask)))
        return self._agreed(found)

    @staticmethod
    def _agreed(found: list[tuple[dict[str, Any], int | None]]) -> int | None:
        for pairs in (found, [pair for pair in found if pair[0]["official"]]):
            meant: Counter[int] = Counter()
            for language, number in pairs:
                meant.update({} if number is None else {number: language["locales"]})
            (best, most), *others = [*meant.most_common(2), (None, 0)][:2]
            if best is not None and all(most >= _MANY * count for _, count in others):
                return best
        return None


def _hour_in(hour: int, mask: int) -> int | None:
    """Return the hour of 24 that an hour of 12 or 24 is within the hours of `mask`; None for none, or two."""
    near = {hour % 12, hour % 12 + 12} if hour <= 12 else {hour} if hour < 24 else set()
    found = [each for each in near if mask >> each & 1]
    if not found and hour <= 12 and mask & (mask - 1):  # a part of the day that other phones begin earlier
        half = [number for number, hours in ((0, _AM), (12, _PM)) if not mask & ~hours]
        found = [hour % 12 + each for each in half]
    return found[0] if len(found) == 1 else None
