"""Write the words of dates and times that `wa history import` reads, in all languages of the Unicode CLDR.

    python docs/cldr_words.py           # writes wa/imports/export_chat/language/cldr.json
    python docs/cldr_words.py --check   # exits with 1 if that file is not what this would write

It needs `babel`, which holds the CLDR, and which `wa` itself does not need. The words come under the licence
beside the file, cldr.LICENSE.txt. Words are in the form that `token` of language/words.py returns.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel import Locale, localedata
from babel.core import get_global
from babel.languages import get_official_languages

from wa.imports.export_chat.language.words import token

OUT = Path(__file__).parents[1] / "wa/imports/export_chat/language/cldr.json"
_QUOTED = re.compile(r"'([^']*)'")
_FIELD = re.compile(r"[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_][^\s\d()\[\]{},،、/:;-]*")
_AM, _PM = 0xFFF, 0xFFF000
_HOURS = 24


def main() -> int:
    """Write or check the file; return the exit code."""
    found = json.dumps(words(), ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    if "--check" in sys.argv[1:]:
        return int(OUT.read_text(encoding="utf-8") != found)
    OUT.write_text(found, encoding="utf-8")
    return 0


def words() -> dict[str, Any]:
    """Return the words of times of day and of months, by language, and all others that stand beside them."""
    languages: dict[str, dict[str, Any]] = {}
    others: set[str] = set()
    for name in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(name)
        form = locale.language + (f"_{locale.script}" if locale.script else "")
        new = {"official": _is_official(locale.language), "locales": 0, "hours": {}, "months": {}}
        found = languages.setdefault(form, new)
        found["locales"] += 1
        for word, mask in _times_of_day(locale):
            found["hours"][token(word)] = found["hours"].get(token(word), 0) | mask
        for word, month in _months(locale):
            if any(map(str.isdigit, word)):  # the number of the month, with a word beside it
                others.update(map(token, _WORD.findall(word)))
            else:
                found["months"][token(word)] = month
        others.update(map(token, _others(locale)))
    others = {word for word in others if word and not re.search(r"[\d#]", word)}
    return {"languages": languages, "others": sorted(others)}


def _is_official(language: str) -> bool:
    countries = get_global("territory_languages")
    return any(language in get_official_languages(each, de_facto=True) for each in countries)


def _times_of_day(locale: Locale) -> Iterator[tuple[str, int]]:
    """Yield each word for a time of day, and its hours as a number with 24 bits.

    The narrowest words are left out: a letter stands for the morning here and for the afternoon there.
    """
    rules = locale.day_period_rules.get(None) or {}
    for context in locale.day_periods.values():
        for width, names in context.items():
            if width != "narrow":
                for name, word in names.items():
                    yield word, {"am": _AM, "pm": _PM}.get(name) or _hours_of(rules.get(name, []))


def _hours_of(rules: Any) -> int:
    mask = 0
    for rule in rules:
        start = rule["at" if "at" in rule else "from"] // 3600
        end = start + 1 if "at" in rule else rule["before"] // 3600
        for hour in range(start, end if end > start else end + _HOURS):
            mask |= 1 << hour % _HOURS
    return mask


def _months(locale: Locale) -> Iterator[tuple[str, int]]:
    for context in locale.months.values():
        for width, names in context.items():
            if width != "narrow":
                for number, word in names.items():
                    yield word, number
                    if locale.language == "he":  # in dates, with the letter for `in` before it
                        yield f"ב{word}", number


def _others(locale: Locale) -> Iterator[str]:
    """Yield the words that stand between numbers, the names of weekdays, and those of eras."""
    forms = [*locale.date_formats.values(), *locale.time_formats.values(), *locale.datetime_formats.values()]
    for form in [*forms, *locale.datetime_skeletons.values()]:
        pattern = getattr(form, "pattern", None) or str(form)
        plain = _FIELD.sub(" ", _QUOTED.sub(" ", pattern))
        for text in (plain, *_QUOTED.findall(pattern)):
            yield from _WORD.findall(text)
    days = (
        names for context in locale.days.values() for width, names in context.items() if width != "narrow"
    )
    for names in (*locale.eras.values(), *days):
        yield from (word for part in names.values() for word in (part, *part.split()))


if __name__ == "__main__":
    sys.exit(main())
