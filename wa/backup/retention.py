"""The retention of backups: the rules to keep them, and the removal of the others in both places."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import datetime, timedelta

from wa.backup import history
from wa.backup.backups import Backups
from wa.backup.catalog import Catalog
from wa.backup.names import FUTURE_SLACK, moment_of, newest_first
from wa.store.database import Store

TOO_YOUNG = timedelta(hours=1)
"""The age below which a backup always stays."""

Period = tuple[int, ...]
RULES: tuple[tuple[int, Callable[[datetime], Period]], ...] = (
    (24, lambda at: (at.year, at.month, at.day, at.hour)),
    (7, lambda at: (at.year, at.month, at.day)),
    (4, lambda at: at.isocalendar()[:2]),
    (12, lambda at: (at.year, at.month)),
)
"""The number of newest hours, days, ISO 8601 weeks and months, in UTC, of which one backup stays."""


def removable(names: Collection[str], now: datetime, protected: Collection[str] = ()) -> list[str]:
    """Return the backups that are no longer needed, oldest first.

    Each rule keeps the newest backup of each of its periods, and a backup stays if one rule keeps it, as
    in restic's `forget`. Backups of the last hour, backups dated in the future and `protected` ones stay
    too. Names of other files are never returned.
    """
    dated = {name: at for name in names if (at := moment_of(name)) is not None and at <= now + FUTURE_SLACK}
    order = sorted(dated, key=lambda name: (dated[name], name), reverse=True)
    kept = set(protected) | {name for name in order if dated[name] > now - TOO_YOUNG}
    for most, period_of in RULES:
        newest: dict[Period, str] = {}
        for name in order:
            newest.setdefault(period_of(dated[name]), name)
        kept |= set(list(newest.values())[:most])
    return [name for name in reversed(order) if name not in kept]


def prune(backups: Backups, store: Store, *, dry_run: bool = False) -> list[str]:
    """Remove the backups that are no longer needed, unless `dry_run` is set; return their names.

    Raise WaError `in-use`, `network-error` and `storage-error`.
    """
    with nullcontext() if dry_run else backups.lock("backup prune"):
        backups.look()
        if backups.trouble is not None:
            raise backups.trouble
        if dry_run:
            return sorted({name for _, name in _superfluous(backups, store)})
        return remove_old(backups, store)


def remove_old(backups: Backups, store: Store) -> list[str]:
    """Remove the backups that are no longer needed; return their names. The caller holds the lock."""
    superfluous = _superfluous(backups, store)
    for catalog, name in superfluous:
        catalog.remove(name)
    for catalog in backups.catalogs:
        catalog.remove_lone_checksums(backups.now() - TOO_YOUNG)
    return sorted({name for _, name in superfluous})


def _superfluous(backups: Backups, store: Store) -> list[tuple[Catalog, str]]:
    """Return the backups that are no longer needed, and the place where each is.

    A backup that waits for its upload stays, and so does the newest good one. A damaged backup does not
    count. The newest ones are checked only when there is something to remove.
    """
    now, local, remote = backups.now(), backups.local, backups.remote
    waiting = {row["name"] for row in history.waiting(store)}
    names = set(local.sizes)
    here = removable(names, now, waiting)
    while here:
        newest = next(iter(newest_first(names, now)), None)
        if newest is None or local.is_sound(newest):
            break
        names.discard(newest)
        here = removable(names, now, waiting)
    found: list[tuple[Catalog, str]] = [(local, name) for name in here]
    if remote is not None:
        found += [(remote, name) for name in removable(remote.sizes, now)]
    return found
