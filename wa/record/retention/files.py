"""Files of pruned messages: removed once nothing else needs them.

Their paths are in the table `state` from the transaction that removes the messages until the files are gone:
a kill leaves none behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from wa.store.database import Store
from wa.store.rewrites import file_needed

_KEY = "pruned_files"


@dataclass
class Removed:
    """The files that were removed: how many, and their bytes."""

    count: int = 0
    size: int = 0


def note(store: Store, paths: Iterable[str]) -> None:
    """Store which files to remove, in the caller's transaction."""
    if found := sorted(set(paths)):
        store.set_state(_KEY, found)


def remove_left(store: Store) -> None:
    """Remove the files that a killed process has not removed."""
    remove_noted(store, Removed())


def remove_noted(store: Store, removed: Removed) -> None:
    """Remove the files that were noted, but those that something needs."""
    paths = store.state().get(_KEY)
    if not paths:
        return
    for path in paths:
        with store.write(durable=False):  # nobody takes the file for a row meanwhile
            if _is_needed(store, path):
                continue
            media, file = store.home.media.resolve(), store.home.path / path
            if media not in file.resolve().parents or file.is_symlink():  # it would not be ours
                continue
            with suppress(OSError):
                size = file.stat().st_size
                file.unlink()
                removed.count += 1
                removed.size += size
    with store.write(durable=False):
        store.set_state(_KEY, None)


def _is_needed(store: Store, path: str) -> bool:
    """Return whether a message, or something that is not sent yet, has a file."""
    if store.value("SELECT 1 FROM messages WHERE media_path = ? LIMIT 1", [path]) is not None:
        return True
    needed: set[str] = set()
    file_needed.run(store, path, needed)
    return bool(needed)
