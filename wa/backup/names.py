"""The names of backups and of their checksums, and the content of a checksum file.

A backup is named for the moment it was made, in UTC: `whatsapp_YYYYMMDD_HHMMSS.db.zst`, and
`….db.zst.age` if it is encrypted. Beside it is its checksum, `….sha256`, which `sha256sum -c` reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone

PREFIX = "whatsapp_"
CHECKSUM = ".sha256"
MOST_CHECKSUM_BYTES = 1024
"""The most bytes that are read of a checksum file."""
FUTURE_SLACK = timedelta(minutes=5)
"""A backup dated further in the future was made with a wrong clock: it is neither counted nor removed."""

_NAME = re.compile(PREFIX + r"([0-9]{8}_[0-9]{6})\.db\.zst(\.age)?")
_FORMAT = "%Y%m%d_%H%M%S"
_LINE = re.compile(rb"([0-9a-f]{64})  (\S+)\n")


def name_at(moment: datetime, *, encrypted: bool) -> str:
    """Return the name of a backup that is made at a moment."""
    return f"{PREFIX}{moment.astimezone(timezone.utc).strftime(_FORMAT)}.db.zst{'.age' * encrypted}"


def names_at(moment: datetime) -> tuple[str, str]:
    """Return the two names that a backup of a moment may have, unencrypted and encrypted."""
    return name_at(moment, encrypted=False), name_at(moment, encrypted=True)


def copy_name_at(moment: datetime) -> str:
    """Return the name of the copy of a store that a restore replaces at a moment."""
    return f"replaced_{moment.astimezone(timezone.utc).strftime(_FORMAT)}.db"


def free_moment(moment: datetime, is_taken: Callable[[datetime], bool]) -> datetime:
    """Return the first moment, second by second, whose name is not taken."""
    while is_taken(moment):
        moment += timedelta(seconds=1)
    return moment


def moment_of(name: str) -> datetime | None:
    """Return the moment, in UTC, when a backup was made, by its name; None for another file's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:  # the 31st of February
        return None


def is_encrypted(name: str) -> bool:
    """Return whether a backup is encrypted, by its name."""
    return name.endswith(".age")


def newest_first(names: Iterable[str], now: datetime) -> list[str]:
    """Return the names of backups among `names`, the newest first; those dated in the future come last."""
    dated = [(at, name) for name in names if (at := moment_of(name)) is not None]
    dated.sort(key=lambda each: (each[0] <= now + FUTURE_SLACK, *each), reverse=True)
    return [name for _, name in dated]


def checksum_line(name: str, sha256: str) -> bytes:
    """Return the content of the checksum file of a backup."""
    return f"{sha256}  {name}\n".encode()


def digest_in(line: bytes, name: str) -> str | None:
    """Return the SHA-256 in a checksum file of the backup `name`; None for any other content."""
    found = _LINE.fullmatch(line)
    return found[1].decode() if found and found[2] == name.encode() else None
