"""The size of the transactions of an import: others must not wait long for the write lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from wa.store.database import BATCH, BATCH_SECONDS


class Pace:
    """The number of rows to put into one transaction of bulk work, so that it lasts about BATCH_SECONDS."""

    def __init__(self, most: int = 20 * BATCH) -> None:
        """Begin with BATCH rows, and never take more than `most`, for they are in memory."""
        self.rows, self._most = BATCH, most

    @contextmanager
    def batch(self, rows: int) -> Iterator[None]:
        """Run the block, a transaction of `rows` rows, and learn from the time that it takes."""
        began = time.monotonic()
        yield
        wanted = round(rows * BATCH_SECONDS / max(time.monotonic() - began, 0.001))
        # On a slow disk, smaller transactions would only write more.
        self.rows = max(BATCH, min(wanted, 2 * self.rows, self._most))
