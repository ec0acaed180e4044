"""Times as people write them. No function reads the clock: `now` is an argument.

The grammar is small and closed: a text outside it is refused, and the error says how far it was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.times import (
    MONTH,
    MONTHS,
    NUMBER,
    UNITS,
    UTC,
    WEEKDAY,
    day_in_words,
    load_zone,
    next_second,
    quoted,
    read_clock,
    resolve_wall,
    span_parts,
    wall_text,
)
from wa.values import Value

_YEARS = range(1000, 9999)
_AHEAD = 'Type for example "18:30", "tomorrow 9am", "in 2 hours", "fri 14:00" or "2026-12-25 10:00".'
_BACK = 'Type for example "yesterday", "2 days ago", "last week", "25 dec 18:30" or "2025-12-25".'
_NEARBY = {"yesterday": -1, "today": 0, "tomorrow": 1}
_SHORTER = {"week": "wk", "hour": "hr", "minute": "min", "second": "sec"}

# What people add to a time without another meaning: `on the 25th of Dec., 9.30 a.m.`
_WITHOUT_MEANING = (
    (re.compile(r"(?<=\b[ap])\.m\b\.?"), "m"),
    (re.compile(r"(?<=[0-9])\.(?=[0-9]{2} ?[ap]m\b)"), ":"),
    (re.compile(r"(?<=[a-z]{3})\.(?= |$)"), ""),
    (re.compile(r",(?= |$)"), ""),
    (re.compile(r"(?<=\b[0-9])(?:st|nd|rd|th)\b|(?<=\b[0-9]{2})(?:st|nd|rd|th)\b"), ""),
    (re.compile(r"(?<=[0-9]) of (?=[a-z])"), " "),
    (re.compile(r"^on |^(?:on )?the (?=[0-9])|^at (?=[0-9nm])"), ""),
    (re.compile(r"\b12(?::00)? (?=noon\b|midnight\b)"), ""),
)
_TAIL = re.compile(rf"(.+), (?:now|in {NUMBER} [a-z]+|{NUMBER} [a-z]+ ago)")
_ZONE = re.compile(r"(.+?) ((?:[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+)|UTC|utc)")

_SPAN = re.compile(
    " ?".join(
        rf"(?:(?P<{u}s>{NUMBER}) ?(?:{u[0]}|{u}s?" + (rf"|{_SHORTER[u]}s?" if u in _SHORTER else "") + "))?"
        for u in UNITS
    )
)
_ONE = re.compile(rf"an? (?=(?:{'|'.join(UNITS)})$)")
_RELATIVE = re.compile(r"in (?P<ahead>.+)|(?P<back>.+) ago")
_CLOCK_FIRST = re.compile(
    r"(noon|midnight|[0-9]{1,2}(?::[0-9:.]+)?(?: ?[ap]m)?)(?: on(?: the)?)? (?=[a-z0-9])(.+)"
)
_WEEKDAY, _MONTH = "|".join(WEEKDAY), "|".join(MONTH)
_MONTH_FIRST = re.compile(rf"^((?:(?:{_WEEKDAY}) )?)({_MONTH}) ([0-9]{{1,2}})(?= |$)")
_DAY = re.compile(
    rf"(?P<named>(?:(?P<checked>{_WEEKDAY}) )?(?P<day>[0-9]{{1,2}}) (?P<month>{_MONTH})"
    r"(?: (?P<year>[0-9]{4}))?"
    rf"|(?P<near>{'|'.join(_NEARBY)})|(?P<which>next |this |last )?(?P<weekday>{_WEEKDAY})"
    r"|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}))(?:(?: at | |(?(iso)t| ))(?P<clock>.+))?"
)
_PERIOD = re.compile(r"(this|last) (week|month|year)")
_OFFSET = re.compile(r"(.+?) ?(?:z|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)")
_NUMERIC = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?(?: (?:at )?(.+))?")


class When(Value):
    """A time that was read: the moment in UTC, the zone in which it was read, and the wall clock's time.

    `wall` is what was typed, also where the clock skips it; None for what names a moment by itself.
    """

    moment: datetime
    zone: ZoneInfo
    wall: datetime | None = None

    def remark(self) -> str | None:
        """Return a sentence where a change of the clock makes the time another one, or comes in twice."""
        if self.wall is None:
            return None
        local = self.moment.astimezone(self.zone)
        day, typed = day_in_words(self.wall), f"{self.wall:%H:%M}"
        if local.replace(tzinfo=None) != self.wall:
            return f"the clock in {self.zone} skips {typed} on {day}: {local:%H:%M} is meant"
        if local.replace(fold=1).utcoffset() != local.utcoffset():
            return f"the clock in {self.zone} shows {typed} twice on {day}: the first is meant"
        return None


def parse_when(text: str, now: datetime, zone: ZoneInfo, *, past: bool = False) -> datetime:
    """Return the moment that `read_when` reads."""
    return read_when(text, now, zone, past=past).moment


def read_when(text: str, now: datetime, zone: ZoneInfo, *, past: bool = False) -> When:
    """Return the time that `text` means in `zone`, or in the zone at its end, at the aware moment `now`.

    A time without a day, or a day without a year, is the next such moment; a moment before the second of
    `now` and a day without a time are refused. With `past`, it is the most recent such moment, and a day
    without a time begins at 00:00. What `describe` wrote is read as its moment. Raise WaError `usage`.
    """
    shown, words, examples = quoted(text), " ".join(text.split()), _BACK if past else _AHEAD
    if tail := _TAIL.fullmatch(words):
        words = tail[1]
    if named := _ZONE.fullmatch(words):
        words, zone = named[1], load_zone(named[2])
    try:
        found = _Reader(_plain(words), shown, now, zone, past, examples).read()
    except OverflowError:
        found = When(datetime.max.replace(tzinfo=UTC), zone)
    if found.moment.year not in _YEARS:
        message = f"{shown} was read as a moment outside the years {_YEARS[0]} to {_YEARS[-1]}"
        raise WaError("usage", message, examples)
    if found.moment < now.replace(microsecond=0) and not past:
        hint = f"Type a time that is still to come. {_AHEAD}"
        raise WaError("usage", f"{shown} is in the past: {wall_text(found.moment, zone)}", hint)
    return found


def read_time_of_day(text: str) -> time | None:
    """Return the time of day that a text is, without a day: `18:30`, `9.30 a.m.`, `noon`."""
    return read_clock(_plain(" ".join(text.split())))


def _plain(words: str) -> str:
    """Return words in lower case, without what adds no meaning."""
    words = words.lower()
    for pattern, meant in _WITHOUT_MEANING:
        words = pattern.sub(meant, words)
    return words


class _Reader(Value):
    """The reading of one text: its words in lower case, the text as errors show it, and what they advise."""

    words: str
    shown: str
    now: datetime
    zone: ZoneInfo
    past: bool
    examples: str

    def read(self) -> When:
        if self.words == "now":
            return When(self.now.astimezone(UTC), self.zone)
        if relative := _RELATIVE.fullmatch(self.words):
            return self._relative(relative)
        if bare := read_clock(self.words):
            days = [self._today, self._today + timedelta(days=-1 if self.past else 1)]
            whens = [self._at(datetime.combine(day, bare)) for day in days]
            return next(w for w in whens if (w.moment <= self.now if self.past else w.moment > self.now))
        if self.past and (period := _PERIOD.fullmatch(self.words)):
            return self._at(datetime.combine(self._first_of(period), time()))
        return self._day()

    @property
    def _today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def _at(self, wall: datetime) -> When:
        return When(resolve_wall(wall, self.zone), self.zone, wall)

    def _relative(self, relative: re.Match[str]) -> When:
        """Read `in 2 hours` or `2 hours ago`: days and weeks keep the wall clock, the rest elapses."""
        amount = relative["ahead"] or relative["back"]
        span = _SPAN.fullmatch(_ONE.sub("1 ", amount))
        if span is None:
            fault = "is negative" if amount.startswith("-") else "is not an amount of time"
            forms = '"2 hours ago", "3 days ago"' if self.past else '"in 2 hours", "in 90s", "in 1h30m"'
            message = f"{self.shown} was read as a distance from now, but {quoted(amount)} {fault}"
            raise WaError("usage", message, f"Type seconds, minutes, hours, days or weeks: {forms}.")
        days, elapsed = span_parts(span)
        if not days and not elapsed and span["seconds"] is None:
            raise WaError("usage", f"{self.shown} is no distance at all from now", 'Type "now".')
        sign = 1 if relative["ahead"] else -1
        # what is a minute away, or more, is shown, and read again, in whole seconds
        now = next_second(self.now) if days or elapsed >= timedelta(minutes=1) else self.now
        if not days:
            return When(now.astimezone(UTC) + sign * elapsed, self.zone)
        start = self._at(now.astimezone(self.zone).replace(tzinfo=None) + sign * days)
        return start if not elapsed else When(start.moment + sign * elapsed, self.zone)

    def _first_of(self, period: re.Match[str]) -> date:
        """Return the first day of this or the last week (a Monday, by ISO 8601), month or year."""
        today, back = self._today, period[1] == "last"
        if period[2] == "week":
            return today - timedelta(days=today.weekday() + 7 * back)
        if period[2] == "year":
            return date(today.year - back, 1, 1)
        first = today.replace(day=1)
        return (first - timedelta(days=1)).replace(day=1) if back else first

    def _day(self) -> When:
        """Read a day, with the time of day behind it or before it."""
        words = self.words
        if (clock_first := _CLOCK_FIRST.fullmatch(words)) and read_clock(clock_first[1]):
            words = f"{clock_first[2]} {clock_first[1]}"
        found = _DAY.fullmatch(_MONTH_FIRST.sub(r"\1\3 \2", words))
        if found is None:
            raise _not_understood(self.words, self.shown, self.examples)
        days, text = self._days_meant(found), found["clock"]
        if not days:
            reading = f'{self.shown} was read as the day "{found["named"]}"'
            raise WaError("usage", f"{reading}, which does not exist", self.examples)
        if found["checked"] and days[0].weekday() != WEEKDAY[found["checked"]]:
            message = f"{self.shown} was read as {day_in_words(days[0])}, which is another weekday"
            raise WaError("usage", message, "Type the right weekday, or none.")
        if text is None and not self.past and days[0] >= self._today:
            message = (
                f"{self.shown} was read as {day_in_words(days[0])} in {self.zone}, without a time of day"
            )
            raise WaError("usage", message, f'Add a time: "{self.shown[1:-1]} 10:00".')
        if (found["iso"] or found["year"]) and (offset := _OFFSET.fullmatch(text or "")):
            ahead = timedelta(hours=int(offset[3] or 0), minutes=int(offset[4] or 0))
            fixed = timezone(-ahead if offset[2] == "-" else ahead)
            moment = datetime.combine(days[0], self._clock_on(days[0], offset[1]), fixed).astimezone(UTC)
            return When(moment, self.zone)
        clock = self._clock_on(days[0], text) if text else time()
        whens = [self._at(datetime.combine(day, clock)) for day in days]
        return next((w for w in whens if w.moment > self.now), whens[0])

    def _days_meant(self, found: re.Match[str]) -> list[date]:
        """Return the dates that a matched day may be, the likeliest first; none when it does not exist."""
        today = self._today
        if found["near"]:
            return [today + timedelta(days=_NEARBY[found["near"]])]
        if found["weekday"]:
            return self._weekdays(WEEKDAY[found["weekday"]], found["which"])
        if found["iso"]:
            return _existing([int(found["iso"][:4])], int(found["iso"][5:7]), int(found["iso"][8:]))
        month, day = MONTH[found["month"]] + 1, int(found["day"])
        if found["year"]:
            return _existing([int(found["year"])], month, day)
        step = -1 if self.past else 1  # nine years, for eight may lie between two 29ths of February
        days = _existing(range(today.year, today.year + 9 * step, step), month, day)
        return [d for d in days if d <= today][:1] if self.past else [d for d in days if d >= today]

    def _weekdays(self, named: int, which: str | None) -> list[date]:
        """Return the dates of a weekday: `next` is after today, `last` before it, and else today is one."""
        today = self._today
        ahead, back = (named - today.weekday()) % 7, (today.weekday() - named) % 7
        if which == "last " or (self.past and which != "next "):
            return [today - timedelta(days=back or 7)]
        if which == "next " or ahead:
            return [today + timedelta(days=ahead or 7)]
        return [today, today + timedelta(days=7)]

    def _clock_on(self, day: date, text: str) -> time:
        reading = f"{self.shown} was read as a time on {day_in_words(day)}"
        if text == "midnight":
            hint = 'Type "00:00" for the start of that day, or "00:00" and the day after for its end.'
            message = f"{reading}, but its midnight can be read in two ways: start or end"
            raise WaError("usage", message, hint)
        clock = read_clock(text)
        if clock is None:
            hint = 'After the day, type a time such as "18:30", "9am", "9:30 pm" or "noon".'
            if re.search("[a-z]{2}$", text) and read_clock(text.rpartition(" ")[0]):
                hint = 'Type a zone as "America/New_York" or "UTC".'
            raise WaError("usage", f"{reading}, but {quoted(text)} is not a time of day", hint)
        return clock


def _existing(years: Iterable[int], month: int, day: int) -> list[date]:
    """Return the date of this day and month in each year that has it."""
    firsts = [date(year, month, 1) for year in years if 0 < year < 10000 and 0 < month < 13]
    return [d for first in firsts if (d := first + timedelta(days=day - 1)).month == month]


def _not_understood(words: str, shown: str, examples: str) -> WaError:
    """Return the error for a text that is no day and no time, with the reading that comes nearest."""
    if words.startswith("tonight"):
        return WaError("usage", f"{shown} does not say which hours are night", 'Type "today 20:00".')
    numeric = _NUMERIC.fullmatch(words)
    first, sign, second, year, clock = numeric.groups("") if numeric else ("", "", "", "", "")
    year = year and f"20{year}"[-4:]
    orders = dict.fromkeys([(first, second), (second, first)]) if numeric else ()
    days = [d for day, month in orders for d in _existing([int(year or 2000)], int(month), int(day))]
    names = [f"{d.day} {MONTHS[d.month - 1]} {year}".rstrip() for d in days]
    forms = [f"{name} {clock if read_clock(clock) else '10:00'}" for name in names]
    if sign == "." and not year and not clock and read_clock(hour := f"{first}:{second}"):
        names, forms = [*names, hour], [*forms, hour]
    hint = "Type " + " or ".join(f'"{form}"' for form in forms) + "."
    if not days:
        hint = hint if forms else examples
        return WaError("usage", f"{shown} was not understood as a day or a time", hint)
    if len(names) > 1:
        many = "two" if len(names) == 2 else "several"
        return WaError("usage", f"{shown} can be read in {many} ways: {' or '.join(names)}", hint)
    return WaError("usage", f"{shown} was read as {names[0]}, but a month in digits is easily mistaken", hint)
