"""The rules of time zones: the newer of two sets counts, the system's or the one of the package tzdata.

Either may be old: a system that gets no more updates, such as Debian 12 with 2025b, or an old package.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata

from wa.errors import WaError
from wa.times import from_iso

RULES = "zone_rules"
"""The key in the table `state` of the version of the rules by which scheduled messages have their moments."""
_VERSION = re.compile(r"(?:# version )?([0-9]{4}[a-z]+)")
_PACKAGE = str(Path(tzdata.__file__).parent / "zoneinfo")


@cache
def choose_rules() -> None:
    """Let ZoneInfo look into the package first if its rules are newer; it takes the system's by default.

    This has to be called before the first zone is loaded. A name that one set lacks is taken from the other.
    """
    if package_is_newer():
        zoneinfo.reset_tzpath((_PACKAGE, *zoneinfo.TZPATH))


@cache
def package_is_newer() -> bool:
    """Return whether the package's rules are newer than the system's, or the system's of unknown age."""
    return str(tzdata.IANA_VERSION) > (_system_version() or "")


@cache
def _system_version() -> str | None:
    """Return the version of the system's rules, such as `2025b`; None if there are none, or it is unknown."""
    for folder in zoneinfo.TZPATH:
        for name in ("tzdata.zi", "+VERSION"):
            try:
                with (Path(folder) / name).open(encoding="utf-8", errors="replace") as file:
                    found = _VERSION.match(file.readline(100))
            except OSError:
                continue
            if found:
                return found[1]
    return None


def rules() -> str:
    """Return the version of the rules that count."""
    return str(tzdata.IANA_VERSION) if package_is_newer() else str(_system_version())


def wall_before(moment: str, name: str) -> str | None:
    """Return the wall-clock time, as ISO text, of a moment by the system's rules.

    Versions of wa without `choose_rules` read all times by these. None for a zone that is not known.
    """
    try:
        zone = ZoneInfo(name)
        for folder in zoneinfo.TZPATH:
            if folder != _PACKAGE and (Path(folder) / name).is_file():
                with (Path(folder) / name).open("rb") as file:
                    zone = ZoneInfo.from_file(file)
                break
        return wall_of(from_iso(moment), zone)
    except (KeyError, ValueError, OSError, WaError):
        return None


def wall_of(moment: datetime, zone: ZoneInfo) -> str:
    """Return the wall-clock time of a moment as ISO text without an offset, cut to milliseconds."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")


def rules_text() -> str:
    """Return in words which rules count, and how old the others are."""
    package, system = f"{tzdata.IANA_VERSION} of the package tzdata", _system_version()
    if package_is_newer():
        return f"rules {package}; the system's are {system or 'of unknown age'}"
    return f"rules {system} of the system; those of the package tzdata are {tzdata.IANA_VERSION}"
