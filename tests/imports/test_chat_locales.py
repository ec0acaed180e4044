"""Exported chats of phones in all languages of the Unicode CLDR, made with `babel`: none is read wrongly."""

# ruff: noqa: DTZ001 - what a wall clock shows has no zone

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from babel import Locale, localedata
from babel.dates import format_date, parse_pattern

from wa.errors import WaError
from wa.imports.export_chat.reader import Message, read
from wa.imports.export_chat.survey import Survey

ROOT = Path(__file__).parents[2]
LATEST = date(2026, 11, 22)
MOMENTS = [
    datetime(2023, 4, 13, 0, 5, 7), datetime(2023, 4, 13, 9, 15, 7), datetime(2023, 4, 14, 12, 30),
    datetime(2023, 8, 2, 15, 7, 59), datetime(2023, 11, 30, 20, 10, 1), datetime(2023, 12, 31, 23, 59, 58),
]  # fmt: skip
SAID = ["one", "two: three", "four", "five", "six", "seven"]
NUMERALS = {
    "arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀", "tibt": "༠", "olck": "᱐", "mtei": "꯰",
    "cakm": "𑄶", "adlm": "𞥐", "hmnp": "𞅀", "nkoo": "߀", "rohg": "𐴰", "java": "꧐", "khmr": "០", "orya": "୦",
    "sund": "᮰", "lepc": "᱀", "limb": "᥆", "thai": "๐", "tnsa": "𖫀",
}  # fmt: skip


def in_numerals(locale: Locale, text: str) -> str:
    zero = NUMERALS.get(locale.default_numbering_system, "0")
    return re.sub("[0-9]", lambda found: chr(ord(zero) + int(found[0])), text)


def pattern_of(locale: Locale, skeleton: str, form: str) -> str:
    found = locale.datetime_skeletons.get(skeleton)
    return str(found.pattern) if found else form


def clock(locale: Locale, at: datetime, pattern: str) -> str:
    return str(parse_pattern(pattern).apply(at, locale))


def files(locale: Locale, seen: set[tuple[str, ...]]) -> Iterator[tuple[str, list[str], bool]]:
    """Yield the files of phones in one language: a name, the lines, and whether they have seconds.

    A file that differs in nothing from one `seen` before is left out.
    """
    glue = {width: str(locale.datetime_formats[width]) for width in ("short", "medium")}
    for skeletons in (("Hm", "Hms"), ("hm", "hms"), ("Bhm", "Bhms"), ("short", "medium")):
        for is_iphone in (False, True):
            width = "medium" if is_iphone else "short"
            form = str(locale.time_formats[width].pattern)
            pattern = pattern_of(locale, skeletons[is_iphone], form)
            is_unmarked = "h" in pattern and not set("aBb") & set(pattern)  # three locales: nobody can tell
            if is_unmarked or (skeletons[0] == "Bhm" and "B" not in pattern):
                continue
            words = (
                repr(dict(locale.day_periods["format"]["abbreviated"])) if set("aBb") & set(pattern) else ""
            )
            words += str(locale) if "B" in pattern else ""
            numerals = in_numerals(locale, "0")
            made_of = (
                str(locale.date_formats["short"].pattern),
                glue[width],
                pattern,
                numerals,
                words,
                width,
            )
            if made_of in seen:
                continue
            seen.add(made_of)
            lines = []
            for number, (at, text) in enumerate(zip(MOMENTS, SAID, strict=True)):
                day = format_date(at, "short", locale)
                try:
                    time = clock(locale, at, pattern)
                except ValueError:  # babel itself has no word for a part of the day
                    break
                head = in_numerals(locale, glue[width].replace("{1}", day).replace("{0}", time))
                head = head.replace("'", "")
                name = ("Nadia", "Sam")[number % 2]
                lines.append(f"[{head}] {name}: {text}\n" if is_iphone else f"{head} - {name}: {text}\n")
            if len(lines) == len(MOMENTS) and tuple(lines) not in seen:
                seen.add(tuple(lines))
                yield (
                    f"{locale} {skeletons[is_iphone]} {'iPhone' if is_iphone else 'Android'}",
                    lines,
                    "s" in pattern,
                )


def read_back(lines: list[str], name: str) -> list[tuple[Any, ...]]:
    found = read(lines, Survey(lines, name, LATEST).form(None))
    return [
        (each.at, each.sender, each.content.text) if isinstance(each, Message) else each for each in found
    ]


@pytest.mark.parametrize(("every", "least"), [pytest.param(1, 1000, marks=pytest.mark.soak), (4, 200)])
def test_files_of_all_languages_are_read_or_refused_and_none_is_read_wrongly(every: int, least: int) -> None:
    seen: set[tuple[str, ...]] = set()
    wrong, refused, right = [], [], 0
    for each in sorted(localedata.locale_identifiers())[::every]:
        for name, lines, has_seconds in files(Locale.parse(each), seen):
            wanted = [
                (at if has_seconds else at.replace(second=0), ("Nadia", "Sam")[number % 2], text)
                for number, (at, text) in enumerate(zip(MOMENTS, SAID, strict=True))
            ]
            try:
                found = read_back(lines, name)
            except WaError as error:
                refused.append((name, lines[1], error.message))
                continue
            if found == wanted:
                right += 1
            else:
                wrong.append((name, lines, found))
    assert not wrong, wrong[:5]
    # Their words for the halves of the day have digits in them, and signs.
    assert {name.partition("_")[0].split()[0] for name, *_ in refused} <= {"blo", "tok"}, refused
    assert all(name in why for name, _, why in refused)
    assert right > least


@pytest.mark.soak
def test_the_words_of_the_cldr_are_up_to_date() -> None:
    script = ROOT / "docs" / "cldr_words.py"
    done = subprocess.run([sys.executable, str(script), "--check"], cwd=ROOT)
    assert done.returncode == 0, f"python {script}"
