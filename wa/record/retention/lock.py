"""The lock of what prunes, and of what brings back: one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wa.errors import WaError
from wa.store.locks import FileLock
from wa.store.paths import Home


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Run a block while no other process prunes or restores. Raise WaError `in-use` when one does."""
    lock = FileLock(home.prune_lock)
    if not lock.acquire():
        raise WaError("in-use", "another wa process is pruning, or restoring", "try again when it is done")
    try:
        yield
    finally:
        lock.release()
