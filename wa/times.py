"""Durations, zones, and moments as text. No function reads the clock: `now` is an argument."""

from __future__ import annotations

import re
import zoneinfo
from bisect import bisect_left
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

from wa.errors import WaError

UTC = timezone.utc
_SECOND = timedelta(seconds=1)
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
UNITS = ("week", "day", "hour", "minute", "second")

# Longer numbers are no match, so int() never meets more digits than it takes.
NUMBER = "[0-9]{1,30}"
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?(?: ?([ap])m)?")
_SHORT_SPAN = re.compile("".join(rf"(?:(?P<{u}s>{NUMBER}){u[0]})?" for u in UNITS))


def quoted(text: str) -> str:
    """Return at most 60 characters of `text`, in quotes and on one line, for an error message."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 60 else f'"{line[:60]}…"'


def span_parts(span: re.Match[str]) -> tuple[timedelta, timedelta]:
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


def next_second(moment: datetime) -> datetime:
    """Return a moment, or the whole second after it."""
    whole = moment.replace(microsecond=0)
    return whole + timedelta(seconds=1) if moment.microsecond else whole


def describe(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a moment as `Thu 24 Dec 2026 10:00 Europe/London, in 33 days`.

    A moment of a whole second is as far away as it is from the next whole second.
    """
    seen = now if moment.microsecond else next_second(now)
    return f"{wall_text(moment, zone)}, {distance(moment, seen.astimezone(zone))}"


def day_in_words(day: date) -> str:
    """Return a day as `Fri 15 Jan 2027`."""
    return f"{WEEKDAYS[day.weekday()][:3]} {day.day} {MONTHS[day.month - 1][:3]} {day.year}"


def wall_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as `Thu 24 Dec 2026 10:00 Europe/London`.

    The clock has the UTC offset behind it where it shows that time twice.
    """
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
    amount = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def parse_duration(text: str) -> timedelta:
    """Return the length of `90s`, `15m`, `6h`, `2d` (48 hours), `1w` or `1h30m`.

    Raise WaError `usage` for any other text, for a length of zero, and for one of more than 100 years.
    """
    span = _SHORT_SPAN.fullmatch(text.strip().lower())
    try:
        length = sum(span_parts(span), timedelta()) if span else timedelta()
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


@cache
def _known_zones(folders: tuple[str, ...]) -> dict[str, str]:
    """Return the zones by their names in lower case. It reads hundreds of files below these folders."""
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def load_zone(name: str) -> ZoneInfo:
    """Return the IANA zone of that name, in whatever case it is written. Raise WaError `usage` for none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Unknown, or the name of a directory, of another file or of a place outside the zones.
        if known := _known_zones(zoneinfo.TZPATH).get(name.lower()):
            return ZoneInfo(known)
        hint = 'Type an IANA zone such as "Europe/London", "America/New_York" or "UTC".'
        raise WaError("usage", f"{quoted(name)} is not a known time zone", hint) from None
