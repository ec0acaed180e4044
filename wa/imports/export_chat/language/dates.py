"""The day that three numbers mean, in the calendars that phones have.

The year shows the calendar: 2026 is 2569 in Thailand, 115 in Taiwan, 1405 in Iran. WhatsApp began in 2009, so
a year belongs to one calendar alone. Japan's years have the letter of an emperor's era. The Hijri calendar
has several reckonings, a day apart, so its dates are not read, nor are those of rarer calendars.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from wa.imports.export_chat.language.words import token

_FIRST_DAY = date(2009, 1, 1)
"""The earliest date of a message: WhatsApp began in 2009."""
_BUDDHIST, _TAIWAN = -543, 1911
"""Years to add for the Gregorian year."""
_JAPAN = {"R": 2018, "H": 1988, "令和": 2018, "平成": 1988}
"""The Gregorian years before the first of each era."""
_ERAS = {
    token(word): name
    for name, words in {
        "Buddhist": "BE|B.E.|พ.ศ.|พุทธศักราช",
        "Taiwan": "民國|民国|Minguo|R.O.C.",
        "Hijri": "AH|A.H.|هـ|ه|هـ.|هجرية|هجري|ہجری",
        "Ethiopic": "ዓ/ም|ዓ.ም",  # a phone writes it beside a short date in this calendar alone
        "Jalali": "AP|A.P.|ه.ش.|هش|هـ.ش.",
    }.items()
    for word in words.split("|")
}
_JAPANESE = re.compile(f"(?<![^\\W\\d_])({'|'.join(_JAPAN)})$")
_UNREAD = {
    "Hijri": range(1430, 1460), "Coptic": range(1725, 1750), "Indian": range(1930, 1955),
    "Hebrew": range(5769, 5795), "Ethiopic": range(0),
}  # fmt: skip
"""Calendars whose dates are not read, with the years since WhatsApp began."""
_CYCLE = 33
"""Years after which the leap years of Iran's calendar come again; true from 1799 to 2254."""
_LEAP = (1, 5, 9, 13, 17, 22, 26, 30)


def era_of(word: str) -> str:
    """Return the name of the calendar that a token stands for, or an empty string."""
    return _ERAS.get(word, "")


def japanese_era(gap: str) -> tuple[str, str]:
    """Return the text before a number without an era of Japan at its end, and the era."""
    found = _JAPANESE.search(gap)
    return (gap[: found.start()], found[1]) if found else (gap, "")


def japanese_year(era: str, year: str) -> str:
    """Return the Gregorian year of a year in an era of Japan."""
    return str(_JAPAN[era] + int(year)) if len(year) <= 2 else year


@lru_cache(maxsize=8192)
def day_of(days: tuple[str, str, str], order: str, latest: date, era: str = "") -> date | None:
    """Return the date that three numbers mean in an order, None if there is none, or it is after `latest`.

    A number with an `m` behind it is a month that had its name in the file.
    """
    year, month, day = (days[order.index(part)] for part in "ymd")
    month = month.removesuffix("m")
    if not (year.isdigit() and month.isdigit() and day.isdigit()) or max(len(month), len(day)) > 2:
        return None
    for number, is_iran in _years(year, era):
        try:
            found = _of_iran(number, int(month), int(day)) if is_iran else date(number, int(month), int(day))
        except ValueError:
            continue
        if _FIRST_DAY <= found <= latest:
            return found
    return None


def _years(year: str, era: str) -> list[tuple[int, bool]]:
    """Return the years that a written year may be, each with whether it is one of Iran's."""
    number = int(year)
    if era == "Taiwan":
        return [(number + _TAIWAN, False)]
    if era == "Buddhist":
        return [(number + _BUDDHIST + (2500 if len(year) == 2 else 0), False)]
    if era == "Jalali":
        return [(number, True)]
    if era or len(year) == 1:
        return []
    if len(year) == 2:
        return [(number + 2000, False), (number + 2500 + _BUDDHIST, False)]
    if len(year) == 3:
        return [(number + _TAIWAN, False)]
    return [(number, False), (number + _BUDDHIST, False), (number, True)]


def _of_iran(year: int, month: int, day: int) -> date:
    """Return the Gregorian date of a date in Iran's calendar. Raise ValueError if there is none."""
    if not (1300 < year < 1500 and 1 <= month <= 12):
        raise ValueError
    last = 31 if month <= 6 else 30 if month < 12 or year % _CYCLE in _LEAP else 29
    if not 1 <= day <= last:
        raise ValueError
    start = date(2021, 3, 21)  # 1400-01-01
    before = sum(365 + (each % _CYCLE in _LEAP) for each in range(1400, year))
    before -= sum(365 + (each % _CYCLE in _LEAP) for each in range(year, 1400))
    return start + timedelta(before + 31 * (month - 1) - max(0, month - 7) + day - 1)


def unread_calendar(days: tuple[str, str, str], era: str) -> str | None:
    """Return the name of the calendar of a date, if it is none of those that are read."""
    years = [int(each) for each in days if len(each) == 4 and each.isdigit()]
    found = (name for name, own in _UNREAD.items() if era == name or any(year in own for year in years))
    return next(found, None)
