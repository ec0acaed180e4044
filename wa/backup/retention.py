"""How backups are named, and which of them are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta, timezone

FUTURE_SLACK = timedelta(minutes=5)
"""Dated further ahead than this, a backup is of a clock that was wrong: neither counted nor removed."""
TOO_YOUNG = timedelta(hours=1)
CHECKSUM = ".sha256"

_NAME = re.compile(r"whatsapp_([0-9]{8}_[0-9]{6})\.db\.zst(\.age)?")
_FORMAT = "%Y%m%d_%H%M%S"

Bucket = tuple[int, ...]
RULES: tuple[tuple[int, Callable[[datetime], Bucket]], ...] = (
    (24, lambda at: (at.year, at.month, at.day, at.hour)),
    (7, lambda at: (at.year, at.month, at.day)),
    (4, lambda at: at.isocalendar()[:2]),
    (12, lambda at: (at.year, at.month)),
)
"""So many of the newest hours, days, weeks (ISO 8601) and months that have a backup, in UTC."""


def name_at(moment: datetime, *, encrypted: bool) -> str:
    """The name of a backup that is made at a moment."""
    return f"whatsapp_{moment.astimezone(timezone.utc).strftime(_FORMAT)}.db.zst{'.age' * encrypted}"


def moment_of(name: str) -> datetime | None:
    """When the backup of that name was made, in UTC; None for a name that is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:  # the 31st of February
        return None


def is_encrypted(name: str) -> bool:
    """Whether it takes an identity to open the backup of that name."""
    return name.endswith(".age")


def newest_first(names: Iterable[str], now: datetime) -> list[str]:
    """Those that are backups, the newest first; what lies in the future comes last."""
    dated = [(at, name) for name in names if (at := moment_of(name)) is not None]
    dated.sort(key=lambda each: (each[0] <= now + FUTURE_SLACK, *each), reverse=True)
    return [name for _, name in dated]


def removable(names: Collection[str], now: datetime, protected: Collection[str] = ()) -> list[str]:
    """The backups that are no longer needed, oldest first.

    Each rule keeps the newest backup of each of its buckets, and what one of them
    keeps stays, as in restic's `forget`. So do all of the last hour, what is dated in
    the future, and what is `protected`; names that are not ours are never among them.
    """
    dated = {name: at for name in names if (at := moment_of(name)) is not None and at <= now + FUTURE_SLACK}
    order = sorted(dated, key=lambda name: (dated[name], name), reverse=True)
    kept = set(protected) | {name for name in order if dated[name] > now - TOO_YOUNG}
    for most, bucket_of in RULES:
        newest: dict[Bucket, str] = {}
        for name in order:
            newest.setdefault(bucket_of(dated[name]), name)
        kept |= set(list(newest.values())[:most])
    return [name for name in reversed(order) if name not in kept]
