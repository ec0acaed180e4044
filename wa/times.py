"""Times as people write them, durations and zones. No function reads the clock: `now` is an argument.

The grammar is small and closed: a text outside it is refused, and the error says how far it was read.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.texts import counted

UTC = timezone.utc
_SECOND = timedelta(seconds=1)
_YEARS = range(1000, 9999)
_EXAMPLES = 'Type for example "18:30", "tomorrow 9am", "in 2 hours", "fri 14:00" or "2026-12-25 10:00".'
_NAMES = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
)
WEEKDAYS, MONTHS = (names.split() for names in _NAMES)
# The index of each, by every beginning of its name with three letters or more: `thu`, `thurs`.
WEEKDAY, MONTH = (
    {name[:size].lower(): i for i, name in enumerate(names) for size in range(3, len(name) + 1)}
    for names in (WEEKDAYS, MONTHS)
)
_NEARBY = {"yesterday": -1, "today": 0, "tomorrow": 1}
_UNITS = ("week", "day", "hour", "minute", "second")

# Longer numbers are no match, so int() never meets more digits than it takes.
_NUMBER = "[0-9]{1,30}"
_SHORT_SPAN = re.compile("".join(rf"(?:(?P<{u}s>{_NUMBER}){u[0]})?" for u in _UNITS))
_SPAN = re.compile(" ?".join(rf"(?:(?P<{u}s>{_NUMBER}) ?{u[0]}(?:{u[1:]}s?)?)?" for u in _UNITS))
_ONE = re.compile(rf"an? (?=(?:{'|'.join(_UNITS)})$)")
_RELATIVE = re.compile(r"in (?P<ahead>.+)|(?P<back>.+) ago")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?(?: ?([ap])m)?")
_MONTH_FIRST = re.compile(rf"^({'|'.join(MONTH)}) ([0-9]{{1,2}})(?= |$)")
_DAY = re.compile(
    rf"(?P<named>(?P<near>{'|'.join(_NEARBY)})|(?P<next>next )?(?P<weekday>{'|'.join(WEEKDAY)})"
    rf"|(?P<day>[0-9]{{1,2}}) (?P<month>{'|'.join(MONTH)})(?: (?P<year>[0-9]{{4}}))?"
    r"|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}))(?:(?: at | |(?(iso)t| ))(?P<clock>.+))?"
)
_OFFSET = re.compile(r"(.+?) ?(?:z|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)")
_NUMERIC = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?(?: (?:at )?(.+))?")


def parse_when(text: str, now: datetime, zone: ZoneInfo, *, past: bool = False) -> datetime:
    """Return the moment, as an aware datetime in UTC, that `text` means in `zone` at the aware moment `now`.

    A time without a day, or a day without a year, is the next such moment; a moment before `now` and a
    day without a time are refused. With `past`, it is the most recent such moment, and a day without a
    time begins at 00:00. Raise WaError `usage` for a text that is refused.
    """
    shown = quoted(text)
    try:
        moment = _read(" ".join(text.lower().split()), shown, now, zone, past)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if moment.year not in _YEARS:
        message = f"{shown} was read as a moment outside the years {_YEARS[0]} to {_YEARS[-1]}"
        raise WaError("usage", message, _EXAMPLES)
    if moment < now and not past:
        hint = f"Type a time that is still to come. {_EXAMPLES}"
        raise WaError("usage", f"{shown} is in the past: {_wall_text(moment, zone)}", hint)
    return moment


def quoted(text: str) -> str:
    """Return at most 60 characters of `text`, in quotes and on one line, for an error message."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 60 else f'"{line[:60]}…"'


def _read(words: str, shown: str, now: datetime, zone: ZoneInfo, past: bool) -> datetime:
    today = now.astimezone(zone).date()
    if relative := _RELATIVE.fullmatch(words):
        return _read_relative(relative, shown, now, zone)
    if bare := read_clock(words):
        days = [today, today + timedelta(days=-1 if past else 1)]
        moments = [resolve_wall(datetime.combine(day, bare), zone) for day in days]
        return next(m for m in moments if (m <= now if past else m > now))
    found = _DAY.fullmatch(_MONTH_FIRST.sub(r"\2 \1", words))
    if found is None:
        raise _not_understood(words, shown)
    days, text = _days_meant(found, today, past), found["clock"]
    if not days:
        reading = f'{shown} was read as the day "{found["named"]}"'
        raise WaError("usage", f"{reading}, which does not exist", _EXAMPLES)
    if text is None and not past and days[0] >= today:
        message = f"{shown} was read as {day_in_words(days[0])} in {zone}, without a time of day"
        raise WaError("usage", message, f'Add a time: "{shown[1:-1]} 10:00".')
    if found["iso"] and (offset := _OFFSET.fullmatch(text or "")):
        ahead = timedelta(hours=int(offset[3] or 0), minutes=int(offset[4] or 0))
        fixed = timezone(-ahead if offset[2] == "-" else ahead)
        return datetime.combine(days[0], _clock_on(days[0], offset[1], shown), fixed).astimezone(UTC)
    clock = _clock_on(days[0], text, shown) if text else time()
    moments = [resolve_wall(datetime.combine(day, clock), zone) for day in days]
    return next((m for m in moments if m > now), moments[0])


def _read_relative(relative: re.Match[str], shown: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Read `in 2 hours` or `2 hours ago`. Days and weeks keep the wall clock; the rest is elapsed time."""
    amount = relative["ahead"] or relative["back"]
    span = _SPAN.fullmatch(_ONE.sub("1 ", amount))
    if span is None:
        fault = "is negative" if amount.startswith("-") else "is not an amount of time"
        hint = 'Type seconds, minutes, hours, days or weeks: "in 2 hours", "in 90s", "in 1h30m".'
        raise WaError("usage", f"{shown} was read as a distance from now, but {quoted(amount)} {fault}", hint)
    days, elapsed = _span_parts(span)
    if not days and not elapsed and span["seconds"] is None:
        raise WaError("usage", f"{shown} is no distance at all from now", 'Type "in 0 seconds" to mean now.')
    sign = 1 if relative["ahead"] else -1
    wall = now.astimezone(zone).replace(tzinfo=None)
    start = resolve_wall(wall + sign * days, zone) if days else now.astimezone(UTC)
    return start + sign * elapsed


def _span_parts(span: re.Match[str]) -> tuple[timedelta, timedelta]:
    """Return the weeks and days of a matched span, and its hours, minutes and seconds."""
    count = {unit: int(number) for unit, number in span.groupdict(default="0").items()}
    days = timedelta(weeks=count.pop("weeks"), days=count.pop("days"))
    return days, timedelta(**count)


def read_clock(text: str) -> time | None:
    """Return the time of day that a text in lower case is: `18:30`, `9am`, `noon`."""
    match = _CLOCK.fullmatch({"noon": "12:00", "midnight": "00:00"}.get(text, text))
    if match is None or not (match[2] or match[5]):
        return None
    hour, minute, second = map(int, match.groups("0")[:3])
    if half := match[5]:
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 24
    try:
        return time(hour, minute, second, int((match[4] or "0").ljust(6, "0")[:6]))
    except ValueError:
        return None


def _days_meant(found: re.Match[str], today: date, past: bool) -> list[date]:
    """Return the dates that a matched day may be, the likeliest first; none when it does not exist."""
    if found["near"]:
        return [today + timedelta(days=_NEARBY[found["near"]])]
    if found["weekday"]:
        step = -1 if past and not found["next"] else 1
        distance = (step * (WEEKDAY[found["weekday"]] - today.weekday()) - 1) % 7 + 1
        return [today + timedelta(days=step * distance)]
    if found["iso"]:
        return _existing([int(found["iso"][:4])], int(found["iso"][5:7]), int(found["iso"][8:]))
    month, day = MONTH[found["month"]] + 1, int(found["day"])
    if found["year"]:
        return _existing([int(found["year"])], month, day)
    step = -1 if past else 1  # nine years, for eight may lie between two 29ths of February
    days = _existing(range(today.year, today.year + 9 * step, step), month, day)
    return [d for d in days if d <= today][:1] if past else [d for d in days if d >= today]


def _existing(years: Iterable[int], month: int, day: int) -> list[date]:
    """Return the date of this day and month in each year that has it."""
    firsts = [date(year, month, 1) for year in years if 0 < year < 10000 and 0 < month < 13]
    return [d for first in firsts if (d := first + timedelta(days=day - 1)).month == month]


def _clock_on(day: date, text: str, shown: str) -> time:
    reading = f"{shown} was read as a time on {day_in_words(day)}"
    if text == "midnight":
        hint = 'Type "00:00" for the start of that day, or "00:00" and the day after for its end.'
        raise WaError("usage", f"{reading}, but its midnight can be read in two ways: start or end", hint)
    clock = read_clock(text)
    if clock is None:
        hint = 'After the day, type a time such as "18:30", "9am", "9:30 pm" or "noon".'
        raise WaError("usage", f"{reading}, but {quoted(text)} is not a time of day", hint)
    return clock


def _not_understood(words: str, shown: str) -> WaError:
    """Return the error for a text that is no day and no time, with the reading that comes nearest."""
    if words.startswith("tonight"):
        return WaError("usage", f"{shown} does not say which hours are night", 'Type "today 20:00".')
    numeric = _NUMERIC.fullmatch(words)
    first, _, second, year, clock = numeric.groups("") if numeric else ("", "", "", "", "")
    year = year and f"20{year}"[-4:]
    orders = dict.fromkeys([(first, second), (second, first)]) if numeric else ()
    days = [d for day, month in orders for d in _existing([int(year or 2000)], int(month), int(day))]
    if not days:
        return WaError("usage", f"{shown} was not understood as a day or a time", _EXAMPLES)
    names = [f"{d.day} {MONTHS[d.month - 1]} {year}".rstrip() for d in days]
    clock = clock if read_clock(clock) else "10:00"
    hint = "Type " + " or ".join(f'"{name} {clock}"' for name in names) + "."
    if len(names) == 2:
        return WaError("usage", f"{shown} can be read in two ways: {' or '.join(names)}", hint)
    return WaError("usage", f"{shown} was read as {names[0]}, but a month in digits is easily mistaken", hint)


def resolve_wall(naive: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, when the wall clock of `zone` shows `naive`: the first, if there are two.

    A time that the clock skips becomes the moment of the skip. Raise OverflowError at the calendar's edge.
    """
    moment = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == naive:
        return moment
    # A skipped time is read as a moment before the skip with fold 1, and after it with fold 0. The skip
    # itself is at a whole second, and is found between the two.
    before = naive.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC)
    skipped, span = naive.replace(tzinfo=zone), range((moment - before) // _SECOND)
    return (
        before + bisect_left(span, skipped, key=lambda n: (before + n * _SECOND).astimezone(zone)) * _SECOND
    )


def describe(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a moment as `Thu 24 Dec 2026 10:00 Europe/London, in 33 days`."""
    return f"{_wall_text(moment, zone)}, {distance(moment, now.astimezone(zone))}"


def day_in_words(day: date) -> str:
    """Return a day as `Fri 15 Jan 2027`."""
    return f"{WEEKDAYS[day.weekday()][:3]} {day.day} {MONTHS[day.month - 1][:3]} {day.year}"


def _wall_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return the wall-clock time, with the UTC offset where the clock shows that time twice."""
    local = moment.astimezone(zone)
    precision = "seconds" if local.second else "minutes"
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    clock = (local if twice else local.replace(tzinfo=None)).isoformat(timespec=precision)[11:]
    return f"{day_in_words(local)} {clock} {zone}"


def distance(moment: datetime, now: datetime) -> str:
    """Return how far `moment` is from `now`, in its largest unit: `in 33 days`, `36 hours ago`, `now`.

    Two days or more are counted on the wall clock of `now`'s zone, so that a clock change does not count.
    """
    seconds = round((moment.astimezone(UTC) - now.astimezone(UTC)).total_seconds())
    wall = moment.astimezone(now.tzinfo).replace(tzinfo=None) - now.replace(tzinfo=None)
    days = abs(round(wall.total_seconds())) // 86400
    sizes = ((days if days > 1 else 0, "day"), (abs(seconds) // 3600, "hour"), (abs(seconds) // 60, "minute"))
    count, unit = next((pair for pair in sizes if pair[0]), (abs(seconds), "second"))
    if not count:
        return "now"
    return f"in {counted(count, unit)}" if seconds > 0 else f"{counted(count, unit)} ago"


def parse_duration(text: str) -> timedelta:
    """Return the length of `90s`, `15m`, `6h`, `2d` (48 hours), `1w` or `1h30m`.

    Raise WaError `usage` for any other text, for a length of zero, and for one of more than 100 years.
    """
    span = _SHORT_SPAN.fullmatch(text.strip().lower())
    try:
        length = sum(_span_parts(span), timedelta()) if span else timedelta()
    except OverflowError:
        length = timedelta.max
    if not timedelta() < length <= timedelta(days=36525):  # 100 years
        hint = 'Type a number above zero and s, m, h, d or w: "90s", "15m", "6h", "2d", "1w", "1h30m".'
        raise WaError("usage", f"{quoted(text)} is not a usable duration", hint)
    return length


def format_duration(d: timedelta) -> str:
    """Return the text that parse_duration reads as `d`, such as `1h30m`, without fractions of a second."""
    seconds = d // _SECOND
    if seconds and seconds % 604800 == 0:
        return f"{seconds // 604800}w"
    text = ""
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        text += f"{count}{letter}" if count else ""
    return text or "0s"


def to_iso(moment: datetime) -> str:
    """Return a moment as `2026-12-24T10:00:00.000Z`: UTC, cut to milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_iso(text: str) -> datetime:
    """Return the moment that to_iso wrote; its fraction may have any length. Raise WaError `corrupt`."""
    seconds, _, fraction = text[:-1].partition(".")
    try:
        if len(seconds) == 19 and text.endswith("Z"):
            return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
    except ValueError:
        pass
    raise WaError("corrupt", f"{quoted(text)} is stored where a time should be", "`wa db check` looks at it")


def load_zone(name: str) -> ZoneInfo:
    """Return the IANA zone of that name. Raise WaError `usage` when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Unknown, or the name of a directory, of another file or of a place outside the zones.
        hint = 'Type an IANA zone such as "Europe/London", "America/New_York" or "UTC".'
        raise WaError("usage", f"{quoted(name)} is not a known time zone", hint) from None
