"""Rules of series: in words ("last friday"), or as an RRULE of RFC 5545 with a few of its parts.

The grammar is closed: a part, a value or a word outside it is refused, for dateutil reads some rules
otherwise than they are meant, and others never end.
"""

from __future__ import annotations

import re

from wa.errors import WaError
from wa.times import MONTH, MONTHS, WEEKDAY, WEEKDAYS, quoted
from wa.values import Value

UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH")
MOST = 999
"""The longest interval, in days, weeks, months or years."""
_FASTER = ("SECONDLY", "MINUTELY", "HOURLY")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_EXAMPLES = (
    'Type for example "day", "weekday", "2 weeks", "mon,thu", "month", "15th", "last day", "last friday",'
    ' "2nd tue" or "year", or an RRULE such as FREQ=MONTHLY;BYDAY=-1FR.'
)
_SAID_SHORTER = {
    "daily": "day", "weekly": "week", "fortnight": "2 weeks", "fortnightly": "2 weeks", "monthly": "month",
    "quarterly": "3 months", "yearly": "year", "annually": "year",
}  # fmt: skip
_PERIOD = re.compile(r"(?:([0-9]{1,6}) )?(day|week|month|year)s?")
_MONTH_DAY = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)|(last) day")
_NTH_DAY = re.compile(rf"(?:([0-9])(?:st|nd|rd|th)|({'|'.join(_ORDINALS)})) ({'|'.join(WEEKDAY)})")
_DATE = re.compile(rf"([0-9]{{1,2}}) ({'|'.join(MONTH)})")
_BYDAY = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(DAYS)})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,6}")


class Rule(Value):
    """Every `interval` days, weeks, months or years, on these days of the week or month, in these months.

    `days` are pairs of an ordinal (0 for every such day, -1 for the last) and a weekday (0 is Monday).
    What is empty follows from the first date of the series.
    """

    freq: str
    interval: int = 1
    days: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the rule as an RRULE."""
        parts = [f"FREQ={self.freq}"]
        if self.interval > 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.days:
            parts.append("BYDAY=" + ",".join(f"{nth or ''}{DAYS[day]}" for nth, day in self.days))
        if self.month_days:
            parts.append("BYMONTHDAY=" + ",".join(map(str, self.month_days)))
        if self.months:
            parts.append("BYMONTH=" + ",".join(map(str, self.months)))
        return ";".join(parts)


def parse(text: str) -> Rule:
    """Return the rule that a text means. Raise WaError `usage` for a text that is refused."""
    words = " ".join(text.lower().split()).removeprefix("every ")
    if "=" in words:
        return _parse_rrule(words.upper().removeprefix("RRULE:"), quoted(text))
    rule = _parse_words(words)
    if rule is None:
        raise WaError("usage", f"{quoted(text)} was not understood as a rule", _EXAMPLES)
    return rule


# ── Words ───────────────────────────────────────────────────────────────────────────────────────────


def _parse_words(words: str) -> Rule | None:
    if period := _PERIOD.fullmatch(_SAID_SHORTER.get(words, words)):
        freq = next(freq for freq, unit in UNITS.items() if unit == period[2])
        return Rule(freq, _interval(period[1] or "1", quoted(words)))
    if words in ("weekday", "weekdays"):
        return Rule("WEEKLY", days=tuple((0, day) for day in range(5)))
    if words in ("weekend", "weekends"):
        return Rule("WEEKLY", days=((0, 5), (0, 6)))
    if (found := _DATE.fullmatch(words)) and 1 <= int(found[1]) <= 31:
        return Rule("YEARLY", month_days=(int(found[1]),), months=(MONTH[found[2]] + 1,))
    items = [item.strip() for item in words.replace(" and ", ",").split(",")]
    if all(item in WEEKDAY or item.removesuffix("s") in WEEKDAY for item in items):
        days = {WEEKDAY.get(item, WEEKDAY.get(item.removesuffix("s"), 0)) for item in items}
        return Rule("WEEKLY", days=tuple((0, day) for day in sorted(days)))
    if all(nth := [_NTH_DAY.fullmatch(item) for item in items]):
        pairs = [(_ORDINALS.get(m[2], int(m[1] or 0)), WEEKDAY[m[3]]) for m in nth if m]
        return (
            Rule("MONTHLY", days=tuple(dict.fromkeys(pairs))) if all(-1 <= n <= 5 for n, _ in pairs) else None
        )
    if all(numbers := [_MONTH_DAY.fullmatch(item) for item in items]):
        month_days = sorted({-1 if m[2] else int(m[1]) for m in numbers if m})
        return (
            Rule("MONTHLY", month_days=tuple(month_days))
            if 0 not in month_days and month_days[-1] < 32
            else None
        )
    return None


def _interval(digits: str, shown: str) -> int:
    if not 1 <= int(digits) <= MOST:
        raise WaError("usage", f"{shown}: an interval is a number from 1 to {MOST}", _EXAMPLES)
    return int(digits)


# ── RRULE ───────────────────────────────────────────────────────────────────────────────────────────


def _parse_rrule(text: str, shown: str) -> Rule:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise WaError("usage", f"{shown} has {name} twice", f"give {name} once")
        if name not in PARTS:
            hint = "`--until` and `--count` say when it ends" if name in ("UNTIL", "COUNT") else None
            allowed = f"a rule may have {', '.join(PARTS)} alone"
            raise WaError("usage", f"{shown} has the part {quoted(name)}: {allowed}", hint)
        parts[name] = value
    freq = parts.get("FREQ")
    if freq in _FASTER:
        raise WaError("usage", f"{shown} is faster than daily", "FREQ is DAILY, WEEKLY, MONTHLY or YEARLY")
    if freq not in UNITS:
        raise WaError("usage", f"{shown} has no FREQ that is known", f"FREQ is {', '.join(UNITS)}")
    if not parts.get("INTERVAL", "1").isascii() or not parts.get("INTERVAL", "1").isdigit():
        raise WaError("usage", f"{shown}: INTERVAL is a number from 1 to {MOST}", _EXAMPLES)
    rule = Rule(
        freq,
        _interval(parts.get("INTERVAL", "1")[:7], shown),
        _by_day(parts["BYDAY"], freq, "BYMONTH" in parts, shown) if "BYDAY" in parts else (),
        _numbers(parts, "BYMONTHDAY", 31, shown),
        _numbers(parts, "BYMONTH", 12, shown),
    )
    if rule.month_days and freq == "WEEKLY":
        raise WaError("usage", f"{shown}: BYMONTHDAY does not go with WEEKLY", "take FREQ=MONTHLY or DAILY")
    if any(month < 1 for month in rule.months):
        raise WaError("usage", f"{shown}: BYMONTH is a number from 1 to 12", _EXAMPLES)
    return rule


def _by_day(text: str, freq: str, has_months: bool, shown: str) -> tuple[tuple[int, int], ...]:
    most = 0 if freq in ("DAILY", "WEEKLY") else 53 if freq == "YEARLY" and not has_months else 5
    found = []
    for item in text.split(","):
        match = _BYDAY.fullmatch(item)
        nth = int(match[1] or 0) if match else 0
        if match is None or (match[1] and nth == 0):
            raise WaError("usage", f"{shown}: BYDAY is days such as MO or -1FR, with commas", _EXAMPLES)
        if match[1] and not most:
            raise WaError(
                "usage", f"{shown}: {item} needs FREQ=MONTHLY or YEARLY", f"{match[2]} is every one"
            )
        if abs(nth) > most:
            raise WaError("usage", f"{shown}: there is never a {item}", f"the number is at most {most}")
        found.append((nth, DAYS.index(match[2])))
    return tuple(dict.fromkeys(found))


def _numbers(parts: dict[str, str], name: str, most: int, shown: str) -> tuple[int, ...]:
    if name not in parts:
        return ()
    items = parts[name].split(",")
    if not all(_NUMBER.fullmatch(item) and 1 <= abs(int(item)) <= most for item in items):
        raise WaError("usage", f"{shown}: {name} is numbers from 1 to {most}, with commas", _EXAMPLES)
    return tuple(sorted({int(item) for item in items}))


# ── In words ────────────────────────────────────────────────────────────────────────────────────────


def in_words(rule: Rule) -> str:
    """Return a rule in words, as a part of "every …": `last friday`, `2 weeks`, `15 jan`."""
    unit = UNITS[rule.freq]
    period = unit if rule.interval == 1 else f"{rule.interval} {unit}s"
    months = [MONTHS[month - 1][:3].lower() for month in rule.months]
    if rule.freq == "YEARLY" and rule.month_days and months and not rule.days:
        on, months = f"{_join([_month_day(n) for n in rule.month_days])} of {_join(months)}", []
        if len(rule.month_days) == len(rule.months) == 1 and rule.month_days[0] > 0:
            on = f"{rule.month_days[0]} {MONTHS[rule.months[0] - 1][:3].lower()}"
    else:
        on = " if ".join(filter(None, [_join([_month_day(n) for n in rule.month_days]), _week_days(rule)]))
    if rule.freq == "DAILY":
        text = f"{period}, if it is {on}" if on else period
    elif on and rule.interval > 1:
        text = f"{on}, every {period}"
    else:
        text = on or period
    return f"{text}, in {_join(months)}" if months else text


def _week_days(rule: Rule) -> str:
    numbers = tuple(day for nth, day in rule.days if not nth)
    if numbers == (0, 1, 2, 3, 4) == tuple(day for _, day in rule.days):
        return "weekday"
    if numbers == (5, 6) == tuple(day for _, day in rule.days):
        return "weekend"
    if len(rule.days) > 1:
        names = [f"{_nth(nth)} {WEEKDAYS[day][:3]}" if nth else WEEKDAYS[day][:3] for nth, day in rule.days]
    else:
        names = [f"{_nth(nth)} {WEEKDAYS[day]}" if nth else WEEKDAYS[day] for nth, day in rule.days]
    of_year = rule.freq == "YEARLY" and not rule.months and any(nth for nth, _ in rule.days)
    return _join(names).lower() + (" of the year" if of_year else "")


def _month_day(number: int) -> str:
    return _nth(number) if number > 0 else f"{_nth(number)} day"


def _nth(number: int) -> str:
    """Return `1st`, `22nd`, `last`, `2nd last`."""
    size = abs(number)
    ending = "th" if 11 <= size % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(size % 10, "th")
    if number > 0:
        return f"{size}{ending}"
    return "last" if size == 1 else f"{size}{ending} last"


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
