"""How an import shows how far it has read: a bar for each file, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], object]
"""Called with the number of bytes read since the last call."""


class Progress(Protocol):
    """Where bars are shown."""

    def begin(self, name: str, size: int) -> Advance:
        """Begin a bar for a file of `size` bytes, and return what moves it."""


ShowProgress = Callable[[], AbstractContextManager[Progress]]
"""Makes the context in which bars are shown; nothing else is written to the terminal in it."""


class _NoBars:
    """Takes progress, and shows none."""

    def begin(self, name: str, size: int) -> Advance:
        return lambda read: None


@contextmanager
def no_progress() -> Iterator[Progress]:
    """Show nothing."""
    yield _NoBars()
