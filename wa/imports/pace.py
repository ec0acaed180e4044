"""The size of the transactions of an import: others must not wait long for the write lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from wa.store.database import BATCH, BATCH_SECONDS

_MOST = 20 * BATCH
"""The most rows in a transaction of bulk work, for they are in memory."""


class Pace:
    """The number of rows to put into one transaction of bulk work, so that it lasts about BATCH_SECONDS."""

    def __init__(self) -> None:
        self.rows = BATCH

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Run the block, a transaction of so many rows, and learn from the time that it takes."""
        began = time.monotonic()
        yield
        seconds = max(time.monotonic() - began, BATCH_SECONDS / 20)
        wanted = min(2 * self.rows, round(self.rows * BATCH_SECONDS / seconds))
        self.rows = max(BATCH // 10, min(wanted, _MOST))
