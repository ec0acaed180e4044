"""Birthdays: the forms in which people and programs write them, and when the next one is.

A birthday is stored as `1985-01-15`, or as `--01-15` where the year is not known. No function reads
the clock: the present day is an argument.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.times import MONTHS, quoted

_FIRST_YEAR = 1850
"""The first year that is believed; earlier ones are placeholders of programs."""
_NO_YEAR = (0, 1604)
"""Years that stand for none: 1604 in Apple's cards."""
_LONGEST = 100
_MONTHS = {
    word: number
    for words in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar marz april mai juni juli august september oktober november dezember",
        "janner feber marz apr mai jun jul aug sept okt nov dez",
        "jaenner feber maerz apr mai jun jul aug sept okt nov dez",
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "janv fevr mars avr mai juin juil aout sept oct nov dec",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago set oct nov dic",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "januari februari mars april maj juni juli augusti september oktober november december",
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika listopada grudnia",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    )
    for number, word in enumerate(words.split(), 1)
}
_MONTH = r"(?P<word>[^\W\d_]+)\.?"
_DAY = r"(?P<day>\d{1,2})"
_YEAR = r"(?P<year>\d{4})"
_FORMS = (
    rf"{_YEAR}([-/.]?)(?P<month>\d\d)\2(?P<day>\d\d)",
    rf"{_YEAR}([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}})",
    r"--?(?P<month>\d\d)-?(?P<day>\d\d)",
    r"--(?P<month>\d{1,2})-(?P<day>\d{1,2})",
    rf"{_DAY}\.\s?(?P<month>\d{{1,2}})\.?",
    rf"{_DAY}\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}|\d\d)",
    rf"{_DAY}(?:st|nd|rd|th|\.|er|º|ª)?[\s-]?(?:of |de |d')?{_MONTH}"
    rf"(?:(?:,\s?|\s(?:de )?|-){_YEAR})?(?: ?г\.?)?",
    rf"{_MONTH}\s?{_DAY}(?:st|nd|rd|th)?(?:,?\s{_YEAR})?",
    rf"{_YEAR},?[\s-]{_MONTH}[\s-]{_DAY}",
    rf"(?:{_YEAR}\s?[年년]\s?)?(?P<month>\d{{1,2}})\s?[月월]\s?{_DAY}\s?[日일]",
)
_NUMBERS = r"(\d{1,2})([/-])(\d{1,2})(?:\2(\d{4}|\d\d))?"
_ZONE = r"(?:\s?(?:z|utc|gmt|[+-]\d\d:?(?:\d\d)?))?"
_TIME = rf"(?:(?:(?<=\d)t[\d:.,]*|\s\d{{1,2}}:\d\d[\d:.,]*)(?:\s?[ap]m)?{_ZONE}|(?<=\d)z)\Z"
_UTC = r"(\d{4})-?(\d\d)-?(\d\d)[t ](\d\d):?(\d\d):?(?:00)?(?:[.,]0+)?\s?(?:z|\+00:?00)"
_JAVA_TIME = r"\s\d\d:\d\d:\d\d\s[a-z]{2,5}(?:[+-]\d\d:?\d\d)?(?=\s\d{4}\Z)"
_WEEKDAY = r"\A(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s(?=\S)"
_IN_NOTES = (
    r"(?i)\b(?:birthday|birth date|date of birth|b-?day|dob|born|geburtstag|geburtsdatum|geboren|geb\.|"
    r"anniversaire|n[ée]e? le|cumpleaños|compleanno|verjaardag|urodziny|день рождения|др)"
    r"(?:\s*[:=-]\s*|\s+)(?:(?:is|on|am|ist|le|el|il|op)\s+)*(?=(.{3,40}))"
)


class Birthday(NamedTuple):
    """A day of a month, and perhaps the year."""

    month: int
    day: int
    year: int | None

    def __str__(self) -> str:
        """Return the form that is stored."""
        year = f"{self.year:04}" if self.year else "-"
        return f"{year}-{self.month:02}-{self.day:02}"


def stored(text: str) -> Birthday:
    """Return a birthday from the form that is stored."""
    year, month, day = text.rsplit("-", 2)
    return Birthday(int(month), int(day), int(year) if year.strip("-") else None)


def in_words(text: str) -> str:
    """Return a stored birthday as `15 January 1985`, or `15 January`."""
    return _shown(stored(text))


def fuller(one: str, other: str) -> str:
    """Return the one of two stored birthdays that has a year, else the first."""
    return other if stored(one).year is None and stored(other).year else one


def is_same_day(one: str, other: str) -> bool:
    """Return whether two stored birthdays are the same, as far as both are known."""
    return stored(one)[:2] == stored(other)[:2] and not (
        stored(one).year and stored(other).year and stored(one).year != stored(other).year
    )


# ── When it is ──────────────────────────────────────────────────────────────────────────────────────


def next_date(birthday: str, today: date) -> date:
    """Return the next date, from `today` on, on which a stored birthday is: 28 February for the 29th."""
    found = _in_year(birthday, today.year)
    return found if found >= today else _in_year(birthday, today.year + 1)


def _in_year(birthday: str, year: int) -> date:
    """Return the date of a stored birthday in a year."""
    month, day, _ = stored(birthday)
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month, 28)


def age_on(birthday: str, day: date) -> int | None:
    """Return the age that somebody reaches in the year of `day`, None where the year is not known."""
    year = stored(birthday).year
    return None if year is None else day.year - year


def age_at(birthday: str, today: date) -> int | None:
    """Return the age that somebody has today, None where the year is not known."""
    year = stored(birthday).year
    return None if year is None else today.year - year - (today < _in_year(birthday, today.year))


def typed_birthday(text: str, today: date) -> str:
    """Return a birthday that somebody typed in the form that is stored. Raise WaError `usage`."""
    try:
        return read_birthday(text, today)
    except ValueError as error:
        hint = 'Type for example "15 January 1985", "15 Jan", "1985-01-15" or "--01-15".'
        raise WaError("usage", f"{quoted(text)} {error}", hint) from None


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def read_birthday(text: str, today: date, zone: ZoneInfo | None = None) -> str:
    """Return a birthday in the form that is stored.

    A time in UTC at which a day begins in `zone` is that day: programs write 1985-01-14T23:00:00Z for
    15 January in Berlin. Any other time of day is left out. Raise ValueError, with the reason as the
    rest of a sentence about it: `is in the future`.
    """
    words = _tidy(_midnight(text, zone) or text)
    readings = sorted(set(_readings(words, today)))
    if not readings:
        raise ValueError(_fault(words))
    existing = [each for each in readings if _exists(each)]
    if not existing and not (readings[0].month and readings[0].day):
        raise ValueError("has no day or no month")
    if not existing:
        raise ValueError(f"does not exist: there is no {_shown(readings[0])}")
    if len(existing) > 1:
        raise ValueError(f"can be read in two ways: {' or '.join(map(_shown, existing))}")
    (found,) = existing
    if found.year and date(found.year, found.month, found.day) > today:
        raise ValueError("is in the future")
    if found.year and found.year < _FIRST_YEAR:
        raise ValueError(f"is in the year {found.year}, which cannot be")
    return str(found)


def birthday_in(notes: str | None, today: date) -> str | None:
    """Return the birthday that notes tell in words, such as `Birthday: Jan 15`; None if they tell none."""
    for match in re.finditer(_IN_NOTES, (notes or "")[:10_000]):
        words = match[1].split("\n")[0].split()[:4]
        for count in range(len(words), 0, -1):
            try:
                return read_birthday(" ".join(words[:count]).rstrip(".,;!)"), today)
            except ValueError:
                continue
    return None


def _midnight(text: str, zone: ZoneInfo | None) -> str | None:
    """Return the day that begins in a zone at a time written in UTC, None for other texts."""
    found = re.fullmatch(_UTC, text.strip().lower())
    if not found or zone is None:
        return None
    try:
        year, month, day, hour, minute = map(int, found.groups())
        local = datetime(year, month, day, hour, minute, tzinfo=timezone.utc).astimezone(zone)
    except (ValueError, OverflowError):
        return None
    return local.date().isoformat() if local.time() == time() else None


def _tidy(text: str) -> str:
    """Return a text in small ASCII digits and letters without accents, a time of day and a weekday."""
    text = unicodedata.normalize("NFKD", text[: _LONGEST + 1].strip().strip("\"'[](){}").lower())
    kept = [char for char in text if unicodedata.category(char) not in ("Cf", "Mn")]
    text = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in kept)
    text = re.sub("[\u2010-\u2015\u2212]", "-", unicodedata.normalize("NFC", " ".join(text.split())))
    return re.sub(_TIME, "", re.sub(_JAVA_TIME, "", re.sub(_WEEKDAY, "", text)))


def _readings(words: str, today: date) -> Iterator[Birthday]:
    """Yield the birthdays that a text may mean, real or not."""
    if len(words) > _LONGEST:
        return
    for form in _FORMS:
        if found := re.fullmatch(form, words):
            parts = found.groupdict()
            month = parts.get("month") or _MONTHS.get(parts.get("word") or "")
            if month:
                yield from _birthdays(int(month), int(parts["day"]), parts.get("year"), today)
    if found := re.fullmatch(_NUMBERS, words):
        for month, day in {(int(found[1]), int(found[3])), (int(found[3]), int(found[1]))}:
            if 1 <= month <= 12:
                yield from _birthdays(month, day, found[4], today)


def _birthdays(month: int, day: int, year: str | None, today: date) -> Iterator[Birthday]:
    """Yield a birthday; none if the century is in doubt: 05 may be 1905 or 2005, 85 is 1985."""
    if year and len(year) == 2:
        if int(year) <= today.year % 100:
            return
        year = f"{today.year // 100 - 1}{year}"
    yield Birthday(month, day, int(year) if year and int(year) not in _NO_YEAR else None)


def _exists(found: Birthday) -> bool:
    try:
        date(found.year or 2000, found.month, found.day)
    except ValueError:
        return False
    return True


def _shown(found: Birthday) -> str:
    month = MONTHS[found.month - 1] if 1 <= found.month <= 12 else f"month {found.month}"
    return f"{found.day} {month}" + (f" {found.year}" if found.year else "")


def _fault(words: str) -> str:
    if re.fullmatch(r"\d{4}(-?\d\d)?|--\d\d-?|-{3}\d\d", words):
        return "has no day or no month"
    if re.fullmatch(r"\d{1,2}[/.-]\d{1,2}[/.-]\d\d", words):
        return "has a year of two digits, which may be in either century"
    return "is not a date"
