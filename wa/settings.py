"""The settings: their names, and their values checked and typed, from a plain mapping of text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.phones import known_region
from wa.times import format_duration, load_zone, parse_duration, quoted, resolve_wall, to_iso
from wa.values import Value

TRANSPORTS = ("neonize", "loopback")
READ_ONLY = "WA_READ_ONLY"
"""The setting that counts in the environment and as `--read-only` alone: no file can switch it off or on."""
NAMES = (
    "WA_TRANSPORT",
    "WA_TZ",
    "WA_REGION",
    "WA_SEND_SPACING",
    "WA_DAILY_LIMIT",
    "WA_GRACE",
    "WA_QUIET_HOURS",
    "B2_BUCKET",
    "B2_S3_ENDPOINT",
    "B2_ACCESS_KEY_ID",
    "B2_SECRET_ACCESS_KEY",
    "B2_PREFIX",
    "B2_REGION",
    "WA_BACKUP_RECIPIENT",
    "WA_BACKUP_IDENTITY",
    "WA_ALERT",
    "WA_RETENTION",
    READ_ONLY,
    "API_SECRET",
    "API_ALLOWED_IPS",
    "API_TRUSTED_PROXY",
    "API_HOSTS",
)
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?- ?([0-9]{1,2}):([0-9]{2})")
_NEEDED_FOR_STORAGE = ("B2_BUCKET", "B2_S3_ENDPOINT", "B2_ACCESS_KEY_ID", "B2_SECRET_ACCESS_KEY")


class Storage(Value, hidden=("secret",)):
    """A place in an S3-compatible bucket."""

    bucket: str
    endpoint: str
    key_id: str
    secret: str
    prefix: str
    """The beginning of all object names, with its slash."""
    region: str | None


class BackupKeys(Value):
    """The keys of encrypted backups, as text. Backups that are not encrypted need neither."""

    recipient: str | None
    """An age public key."""
    identity: str | None
    """The path of a file with the private key."""


class QuietHours(Value):
    """Hours of each day by the wall clock, from `start` to just before `end`, of that day or the next."""

    start: time
    end: time

    def end_if_quiet(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the end, in UTC, of the quiet hours that `moment` is in; None when it is in none."""
        today = moment.astimezone(zone).date()
        overnight = timedelta(days=1 if self.end < self.start else 0)
        for day in (today - timedelta(days=1), today):
            start = resolve_wall(datetime.combine(day, self.start), zone)
            end = resolve_wall(datetime.combine(day + overnight, self.end), zone)
            if start <= moment < end:
                return end
        return None


class Settings(Value):
    """The settings in force, each already of its own type."""

    transport: str
    zone: ZoneInfo
    region: str | None
    send_spacing: float
    """Seconds between two sends; 0 for none."""
    daily_limit: int | None
    grace: timedelta
    quiet_hours: QuietHours | None
    alert: str | None
    """Where notices go: `me`, a web address or a command line."""
    retention: timedelta | None
    """The age at which messages are pruned, once a day."""
    read_only: bool
    """Whether whatever sends or changes something is refused."""


def parse_settings(values: Mapping[str, str], system_zone: Callable[[], str]) -> Settings:
    """Return the settings in `values`, with defaults for those that are missing or empty.

    Other names are ignored. Raise WaError `bad-setting`, which names the variable, the value and what is
    allowed. `system_zone` returns an IANA name; it is called only when WA_TZ is not set.
    """
    given = {name: values[name].strip() for name in NAMES if values.get(name, "").strip()}
    return Settings(
        transport=_choice("WA_TRANSPORT", given.get("WA_TRANSPORT", "neonize"), TRANSPORTS),
        zone=_zone(given.get("WA_TZ") or system_zone()),
        region=_region(given.get("WA_REGION")),
        send_spacing=_seconds("WA_SEND_SPACING", given.get("WA_SEND_SPACING", "1.0")),
        daily_limit=_limit("WA_DAILY_LIMIT", given.get("WA_DAILY_LIMIT")),
        grace=_grace(given.get("WA_GRACE", "6h")),
        quiet_hours=_quiet_hours(given.get("WA_QUIET_HOURS")),
        alert=given.get("WA_ALERT"),
        retention=_retention(given.get("WA_RETENTION")),
        read_only=parse_switch(READ_ONLY, given.get(READ_ONLY, "")),
    )


def parse_storage(values: Mapping[str, str]) -> Storage | None:
    """Return the settings of the S3-compatible storage, or None when none of them is set.

    Raise WaError `bad-setting` for a malformed value, and when only some of the needed ones are set.
    """
    given = {name: values[name].strip() for name in NAMES if values.get(name, "").strip()}
    missing = [name for name in _NEEDED_FOR_STORAGE if name not in given]
    if len(missing) == len(_NEEDED_FOR_STORAGE):
        return None
    if missing:
        raise WaError(
            "bad-setting",
            f"of the storage settings, {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            f"set all of {', '.join(_NEEDED_FOR_STORAGE)}, or none",
        )
    endpoint = given["B2_S3_ENDPOINT"]
    if not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?", endpoint, re.ASCII):
        raise bad_setting(
            "B2_S3_ENDPOINT", endpoint, "an address such as https://s3.eu-central-003.backblazeb2.com"
        )
    prefix = given.get("B2_PREFIX", "whatsapp/").lstrip("/")
    if ".." in prefix.split("/"):
        raise bad_setting("B2_PREFIX", prefix, "how names in the bucket begin, such as whatsapp/")
    return Storage(
        given["B2_BUCKET"],
        endpoint,
        given["B2_ACCESS_KEY_ID"],
        given["B2_SECRET_ACCESS_KEY"],
        prefix,
        given.get("B2_REGION"),
    )


def parse_backup_keys(values: Mapping[str, str]) -> BackupKeys:
    """Return the keys of encrypted backups. Raise WaError `bad-setting` for a recipient that is no key."""
    given = {name: values[name].strip() for name in NAMES if values.get(name, "").strip()}
    recipient = given.get("WA_BACKUP_RECIPIENT")
    if recipient is not None and not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", recipient):
        raise bad_setting(
            "WA_BACKUP_RECIPIENT",
            recipient if recipient.startswith("age1") else "…",  # it might be the private key
            "an age public key such as `wa backup keygen` makes, age1…",
        )
    return BackupKeys(recipient, given.get("WA_BACKUP_IDENTITY"))


def end_of_grace(due: datetime, grace: timedelta) -> datetime:
    """Return the moment until which a message may go out. Raise WaError `usage` beyond the calendar."""
    try:
        return due + grace
    except OverflowError:
        message = f"{format_duration(grace)} after {to_iso(due)} is beyond the calendar"
        raise WaError("usage", message, "Type an earlier time, or a shorter grace.") from None


def bad_setting(name: str, value: str, allowed: str) -> WaError:
    """Return the error for a variable with a value that is not allowed."""
    return WaError("bad-setting", f"{name}={value!r} is not valid", f"{name} must be {allowed}")


def parse_switch(name: str, value: str) -> bool:
    """Return whether a setting is on; an empty one is off. Raise WaError `bad-setting` for other texts."""
    word = value.strip().lower()
    if word in ("", "0", "off", "no", "false"):
        return False
    if word in ("1", "on", "yes", "true"):
        return True
    raise bad_setting(name, value, "1 or 0 (or on, off, yes, no, true, false)")


def read_only_error(what: str, hint: str | None = None) -> WaError:
    """Return the error for what a read-only wa does not do; `what` is a clause."""
    return WaError("usage", f"wa is read-only, and {what}", hint or f"without {READ_ONLY} it may")


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise bad_setting(name, value, " or ".join(allowed))
    return value


def _zone(value: str) -> ZoneInfo:
    try:
        return load_zone(value)
    except WaError:
        raise bad_setting("WA_TZ", value, "an IANA time zone such as Europe/London") from None


def _region(value: str | None) -> str | None:
    if value is None:
        return None
    if len(value) != 2 or not value.isascii() or not value.isalpha():
        raise bad_setting("WA_REGION", value, "a two-letter country code such as GB")
    if not known_region(value.upper()):
        raise bad_setting("WA_REGION", value, "a two-letter country code such as GB")
    return value.upper()


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 3600:  # false for nan too
        raise bad_setting(name, value, "a number of seconds from 0 to 3600")
    return seconds


def _limit(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value) > 0):
        raise bad_setting(name, value, "a whole number above 0")
    return int(value)


def _grace(value: str) -> timedelta:
    try:
        return parse_duration(value)
    except WaError:
        raise bad_setting("WA_GRACE", value, "a duration such as 90s, 15m, 6h, 2d or 1w") from None


def _retention(value: str | None) -> timedelta | None:
    if value is None:
        return None
    with suppress(WaError):
        if (length := parse_duration(value)) >= timedelta(days=1):
            return length
    raise bad_setting("WA_RETENTION", value, "a duration of a day or more, such as 90d or 52w")


def parse_quiet_hours(text: str) -> QuietHours:
    """Read `22:00-08:00`. Raise WaError `usage` for any other text, and when both ends are the same."""
    match = _SPAN.fullmatch(" ".join(text.split()))
    with suppress(ValueError):  # 24:00
        hours = [time(int(match[n]), int(match[n + 1])) for n in (1, 3)] if match else []
        if hours and hours[0] != hours[1]:
            return QuietHours(*hours)
    message = f"{quoted(text)} is not a span between two different times of day"
    raise WaError("usage", message, 'Type the first and the last, such as "22:00-08:00".')


def _quiet_hours(value: str | None) -> QuietHours | None:
    if value is None:
        return None
    try:
        return parse_quiet_hours(value)
    except WaError:
        raise bad_setting("WA_QUIET_HOURS", value, "a span such as 22:00-08:00") from None
