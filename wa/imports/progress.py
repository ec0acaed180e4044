"""The progress of an import, shown as a bar for each file, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], object]
"""Called with the number of bytes read since the last call."""


class Progress(Protocol):
    """A place to show bars."""

    def begin(self, name: str, size: int) -> Advance:
        """Begin a bar for a file of `size` bytes; return the function that moves it."""


ShowProgress = Callable[[], AbstractContextManager[Progress]]
"""Makes the context in which bars are shown; nothing else is written to the terminal in it."""


class _NoBars:
    """A Progress that shows nothing."""

    def begin(self, name: str, size: int) -> Advance:
        return lambda read: None


@contextmanager
def no_progress() -> Iterator[Progress]:
    """Show nothing."""
    yield _NoBars()
