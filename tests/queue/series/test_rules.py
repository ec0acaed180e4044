"""Rules as people write them, and the rules that are refused."""

from __future__ import annotations

from datetime import date

import pytest
from for_each import for_each

from wa.errors import WaError
from wa.queue.series.dates import Plan, dates, skipped
from wa.queue.series.rules import in_words, parse

WORDS = {
    "day": ("FREQ=DAILY", "day"),
    "2 days": ("FREQ=DAILY;INTERVAL=2", "2 days"),
    "every 2 Days": ("FREQ=DAILY;INTERVAL=2", "2 days"),
    "weekday": ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "weekday"),
    "weekend": ("FREQ=WEEKLY;BYDAY=SA,SU", "weekend"),
    "mon,thu": ("FREQ=WEEKLY;BYDAY=MO,TH", "mon and thu"),
    "Thursday, mon": ("FREQ=WEEKLY;BYDAY=MO,TH", "mon and thu"),
    "mon, tue and fri": ("FREQ=WEEKLY;BYDAY=MO,TU,FR", "mon, tue and fri"),
    "fri": ("FREQ=WEEKLY;BYDAY=FR", "friday"),
    "fridays": ("FREQ=WEEKLY;BYDAY=FR", "friday"),
    "week": ("FREQ=WEEKLY", "week"),
    "2 weeks": ("FREQ=WEEKLY;INTERVAL=2", "2 weeks"),
    "weekly": ("FREQ=WEEKLY", "week"),
    "fortnightly": ("FREQ=WEEKLY;INTERVAL=2", "2 weeks"),
    "month": ("FREQ=MONTHLY", "month"),
    "3 months": ("FREQ=MONTHLY;INTERVAL=3", "3 months"),
    "year": ("FREQ=YEARLY", "year"),
    "15th": ("FREQ=MONTHLY;BYMONTHDAY=15", "15th"),
    "1st and 15th": ("FREQ=MONTHLY;BYMONTHDAY=1,15", "1st and 15th"),
    "last day": ("FREQ=MONTHLY;BYMONTHDAY=-1", "last day"),
    "last friday": ("FREQ=MONTHLY;BYDAY=-1FR", "last friday"),
    "first monday": ("FREQ=MONTHLY;BYDAY=1MO", "1st monday"),
    "2nd tue": ("FREQ=MONTHLY;BYDAY=2TU", "2nd tuesday"),
    "15 jan": ("FREQ=YEARLY;BYMONTHDAY=15;BYMONTH=1", "15 jan"),
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH": (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH",
        "tue and thu, every 2 weeks",
    ),
    "rrule:freq=monthly;byday=-1fr": ("FREQ=MONTHLY;BYDAY=-1FR", "last friday"),
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13": ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "13th if friday"),
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1": ("FREQ=YEARLY;BYMONTHDAY=-1;BYMONTH=2", "last day of feb"),
    "FREQ=YEARLY;BYDAY=20MO": ("FREQ=YEARLY;BYDAY=20MO", "20th monday of the year"),
    "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7": ("FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7", "thursday, in jun and jul"),
    "FREQ=DAILY;BYMONTH=1": ("FREQ=DAILY;BYMONTH=1", "day, in jan"),
    "FREQ=DAILY;BYDAY=MO": ("FREQ=DAILY;BYDAY=MO", "day, if it is monday"),
    "FREQ=MONTHLY;BYMONTHDAY=-2": ("FREQ=MONTHLY;BYMONTHDAY=-2", "2nd last day"),
}


@for_each("text", WORDS)
def test_a_rule_is_read_and_shown_in_words(text):
    rrule, words = WORDS[text]
    rule = parse(text)
    assert (str(rule), in_words(rule)) == (rrule, words)
    assert parse(rrule) == rule


@for_each("text", [words for _, words in WORDS.values() if "," not in words and " if" not in words])
def test_the_words_of_a_plain_rule_can_be_typed(text):
    if " of " not in text and "2nd last" not in text:
        assert in_words(parse(text)) == text


REFUSED = {
    "": "not understood",
    "sometimes": "not understood",
    "0 days": "1 to 999",
    "1000 days": "1 to 999",
    "99999999999 days": "not understood",
    "-2 days": "not understood",
    "hour": "not understood",
    "32nd": "not understood",
    "0th": "not understood",
    "6th friday": "not understood",
    "mon,15th": "not understood",
    "mon,,thu": "not understood",
    "32 jan": "not understood",
    "FREQ=HOURLY": "faster than daily",
    "FREQ=MINUTELY;INTERVAL=15": "faster than daily",
    "FREQ=SECONDLY": "faster than daily",
    "FREQ=FORTNIGHTLY": "no FREQ",
    "INTERVAL=2": "no FREQ",
    "FREQ=DAILY;FREQ=WEEKLY": "FREQ twice",
    "FREQ=DAILY;COUNT=3": "COUNT",
    "FREQ=DAILY;UNTIL=20301224T000000Z": "UNTIL",
    "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1": "BYSETPOS",
    "FREQ=WEEKLY;WKST=SU": "WKST",
    "FREQ=YEARLY;BYYEARDAY=100": "BYYEARDAY",
    "FREQ=YEARLY;BYWEEKNO=20": "BYWEEKNO",
    "FREQ=DAILY;BYHOUR=9": "BYHOUR",
    "FREQ=DAILY;X-FOO=1": "X-FOO",
    "DTSTART=19970902T090000;FREQ=DAILY": "DTSTART",
    "DTSTART:19970902T090000\nRRULE:FREQ=DAILY": "DTSTART",
    "FREQ=DAILY;": '""',
    "FREQ=DAILY;INTERVAL=0": "1 to 999",
    "FREQ=DAILY;INTERVAL=-1": "INTERVAL",
    "FREQ=DAILY;INTERVAL=²": "INTERVAL",
    "FREQ=DAILY;INTERVAL=": "INTERVAL",
    "FREQ=WEEKLY;BYDAY=2MO": "2MO",
    "FREQ=DAILY;BYDAY=1MO": "1MO",
    "FREQ=MONTHLY;BYDAY=6MO": "6MO",
    "FREQ=MONTHLY;BYDAY=0MO": "BYDAY",
    "FREQ=YEARLY;BYDAY=54MO": "54MO",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=6MO": "6MO",
    "FREQ=WEEKLY;BYDAY=": "BYDAY",
    "FREQ=WEEKLY;BYDAY=XX": "BYDAY",
    "FREQ=WEEKLY;BYMONTHDAY=3": "BYMONTHDAY",
    "FREQ=MONTHLY;BYMONTHDAY=0": "BYMONTHDAY",
    "FREQ=MONTHLY;BYMONTHDAY=32": "BYMONTHDAY",
    "FREQ=MONTHLY;BYMONTHDAY=": "BYMONTHDAY",
    "FREQ=YEARLY;BYMONTH=13": "BYMONTH",
    "FREQ=YEARLY;BYMONTH=-1": "BYMONTH",
}


@for_each("text", REFUSED)
def test_a_rule_outside_the_grammar_is_refused(text):
    with pytest.raises(WaError) as error:
        parse(text)
    assert error.value.code == "usage"
    assert REFUSED[text] in error.value.message
    assert "\n" not in error.value.message


NEVER = [
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=31",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31",
    "FREQ=YEARLY;BYMONTH=2,4;BYMONTHDAY=31",
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
]


@for_each("text", NEVER)
def test_the_search_for_a_date_of_a_rule_that_never_happens_ends(text):
    # Monday the 30th of November, in an odd year
    first = date(2037, 11, 30)
    assert next(dates(Plan(parse(text), first), first), None) is None


@for_each(
    ("text", "first", "words"),
    [
        ("month", date(2026, 12, 31), "months without a day 31"),
        ("31st", date(2026, 12, 1), "months without a day 31"),
        ("29th", date(2026, 12, 1), "months without a day 29"),
        ("month", date(2026, 12, 28), None),
        ("year", date(2028, 2, 29), "years without a 29 February"),
        ("29 feb", date(2026, 12, 1), "years without a 29 February"),
        ("year", date(2026, 12, 31), None),
        ("5th friday", date(2026, 12, 1), "fifth"),
        ("last day", date(2026, 12, 31), None),
    ],
)
def test_what_a_rule_skips_is_said(text, first, words):
    found = skipped(Plan(parse(text), first))
    assert found == words if words is None else words in found
