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
    in_use = WaError("in-use", "another wa process is pruning, or restoring", "try again when it is done")
    with FileLock(home.prune_lock).hold_or_raise(lambda: in_use):
        yield
