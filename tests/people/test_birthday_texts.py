"""Birthdays in the forms that people and programs write, and when the next one is."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from for_each import for_each

from wa.people.birthday_texts import (
    age_at,
    age_on,
    birthday_in,
    fuller,
    in_words,
    is_same_day,
    next_date,
    read_birthday,
)

TODAY = date(2026, 11, 28)
WHOLE = [
    "1985-01-15", "19850115", "1985/01/15", "1985.01.15", "1985-1-15", "1985-01-15T00:00:00Z",
    "19850115T000000Z", "1985-01-15T00:00:00", "1985-01-15T23:30:00+01:00", "1985-01-15T00:00:00-08:00",
    "1985-01-15 00:00:00", "1985-01-15T00:00:00.000+0000", "1985-01-15Z", "1985-01-15T", "15.01.1985",
    "15. 1. 1985", "15.01.85", "15/01/1985", "15-01-1985", "01/15/1985", "1/15/85", "15 January 1985",
    "15 Jan 1985", "15 jan. 1985", "15-Jan-1985", "15th January 1985", "15th of January, 1985",
    "January 15, 1985", "Jan 15 1985", "Jan. 15th, 1985", "1985 Jan 15", "1985-Jan-15",
    "Tue, 15 Jan 1985", "Tuesday, January 15, 1985", "Tue Jan 15 00:00:00 GMT 1985",
    "Tue Jan 15 00:00:00 CET 1985", "15. Januar 1985", "15. Jänner 1985", "15 janvier 1985",
    "15 de enero de 1985", "15 gennaio 1985", "15 de janeiro de 1985", "15 januari 1985",
    "15 stycznia 1985", "15 января 1985 г.", "1985年1月15日", "1985년 1월 15일", "١٩٨٥-٠١-١٥",
    "\u200e1985-01-15", " 1985-01-15 ", '"1985-01-15"',
]  # fmt: skip
WITHOUT_YEAR = [
    "--0115", "--01-15", "--1-15", "-0115", "--0115T00", "1604-01-15", "16040115", "0000-01-15", "15.01.",
    "15.1.", "15 Jan", "15 January", "Jan 15", "15th of January", "January 15th", "15/01", "01/15",
    "15-01", "15. Januar", "1月15日", "15 janvier",
]  # fmt: skip


@for_each("text", WHOLE)
def test_a_birthday_with_its_year_is_read(text: str) -> None:
    assert read_birthday(text, TODAY) == "1985-01-15"


@for_each("text", WITHOUT_YEAR)
def test_a_birthday_without_a_year_is_read(text: str) -> None:
    assert read_birthday(text, TODAY) == "--01-15"


@for_each(
    ("text", "reason"),
    [
        ("0000-00-00", "no day or no month"),
        ("1985-00-00", "no day or no month"),
        ("1985", "no day or no month"),
        ("1985-01", "no day or no month"),
        ("198501", "no day or no month"),
        ("--01", "no day or no month"),
        ("---15", "no day or no month"),
        ("unknown", "not a date"),
        ("circa 1800", "not a date"),
        ("T102200", "not a date"),
        ("15 Foo", "not a date"),
        ("", "not a date"),
        ("1" * 5000, "not a date"),
        ("1404/10/25 persian", "not a date"),
        ("1985-04-31", "there is no 31 April 1985"),
        ("31 April", "there is no 31 April"),
        ("1985-02-29", "there is no 29 February 1985"),
        ("1985-13-01", "there is no 1 month 13 1985"),
        ("2026-11-29", "in the future"),
        ("2085-01-15", "in the future"),
        ("0001-01-01", "the year 1,"),
        ("1601-01-01", "the year 1601"),
        ("03/04", "two ways: 4 March or 3 April"),
        ("03/04/1985", "two ways: 4 March 1985 or 3 April 1985"),
        ("03-04-1985", "two ways"),
        ("15/01/05", "either century"),
        ("15.01.05", "either century"),
    ],
)
def test_a_text_that_is_no_birthday_for_sure_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_birthday(text, TODAY)


def test_both_readings_that_are_the_same_are_one() -> None:
    assert read_birthday("04/04", TODAY) == "--04-04"
    assert read_birthday("4/4/1985", TODAY) == "1985-04-04"


def test_a_time_in_utc_at_which_a_day_begins_here_is_that_day() -> None:
    """Programs that store a moment write the midnight of the person's zone in UTC."""
    berlin, london = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/London")
    assert read_birthday("1985-01-14T23:00:00Z", TODAY, berlin) == "1985-01-15"
    assert read_birthday("19850714T220000Z", TODAY, berlin) == "1985-07-15"
    assert read_birthday("1985-01-14T23:00:00.000Z", TODAY, london) == "1985-01-14"
    assert read_birthday("1985-01-15T00:00:00Z", TODAY, berlin) == "1985-01-15"


def test_every_day_of_a_leap_year_is_read_as_it_is_written_in_every_form() -> None:
    for number in range(366):
        day = date.fromordinal(date(2000, 1, 1).toordinal() + number)
        for text in (
            f"{day:%Y-%m-%d}",
            f"{day:%Y%m%dT000000Z}",
            f"{day:%d.%m.%Y}",
            f"{day:%d %b %Y}",
            f"{day:%B %d, %Y}",
        ):
            assert read_birthday(text, TODAY) == f"{day:%Y-%m-%d}", text
        for text in (f"--{day:%m%d}", f"--{day:%m-%d}", f"1604-{day:%m-%d}", f"{day:%d %B}", f"{day:%b %d}"):
            assert read_birthday(text, TODAY) == f"--{day:%m-%d}", text


@for_each(
    ("birthday", "today", "next_one", "age", "present"),
    [
        ("1985-11-28", date(2026, 11, 28), date(2026, 11, 28), 41, 41),
        ("1985-11-27", date(2026, 11, 28), date(2027, 11, 27), 42, 41),
        ("1985-11-29", date(2026, 11, 28), date(2026, 11, 29), 41, 40),
        ("--01-15", date(2026, 11, 28), date(2027, 1, 15), None, None),
        ("1988-02-29", date(2027, 2, 27), date(2027, 2, 28), 39, 38),
        ("1988-02-29", date(2027, 2, 28), date(2027, 2, 28), 39, 39),
        ("1988-02-29", date(2027, 3, 1), date(2028, 2, 29), 40, 39),
        ("1988-02-29", date(2028, 2, 28), date(2028, 2, 29), 40, 39),
        ("1988-02-29", date(2028, 2, 29), date(2028, 2, 29), 40, 40),
        ("--02-29", date(2028, 2, 28), date(2028, 2, 29), None, None),
        ("2026-11-28", date(2026, 11, 28), date(2026, 11, 28), 0, 0),
    ],
)
def test_the_next_birthday_and_the_age_on_it(
    birthday: str, today: date, next_one: date, age: int | None, present: int | None
) -> None:
    assert next_date(birthday, today) == next_one
    assert (age_on(birthday, next_one), age_at(birthday, today)) == (age, present)


def test_birthdays_are_shown_in_words_and_compared_as_far_as_they_are_known() -> None:
    assert (in_words("1985-01-15"), in_words("--02-29")) == ("15 January 1985", "29 February")
    assert fuller("--01-15", "1985-01-15") == fuller("1985-01-15", "--01-15") == "1985-01-15"
    assert fuller("--01-15", "--01-16") == "--01-15"
    assert is_same_day("--01-15", "1985-01-15")
    assert not is_same_day("1985-01-15", "1986-01-15")
    assert not is_same_day("--01-15", "--01-16")


@for_each(
    ("notes", "birthday"),
    [
        ("Birthday: Jan 15", "--01-15"),
        ("Birthday on 15 January.", "--01-15"),
        ("met in 2019; bday 15 Jan 1985, likes tea", "1985-01-15"),
        ("likes tea\nBorn 1985-01-15\n", "1985-01-15"),
        ("DOB=1985-01-15", "1985-01-15"),
        ("Geburtstag: 15.01.1985", "1985-01-15"),
        ("Her birthday is on the moon. Birthday: 15 Jan", "--01-15"),
        ("DOB 03/04/1985", None),
        ("Birthday party 15 January", None),
        ("born in 1985", None),
        ("15 January 1985", None),
        (None, None),
    ],
)
def test_a_birthday_that_notes_tell_is_found(notes: str | None, birthday: str | None) -> None:
    assert birthday_in(notes, TODAY) == birthday
