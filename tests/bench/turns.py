"""Rounds in which everything that is compared takes its turn, so that a busy minute slows all of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")
Tell = Callable[[str], None]


def in_turns(cases: Mapping[Key, Callable[[], T]], rounds: int, *, warm: bool = True) -> dict[Key, list[T]]:
    """Call each case once in each round; return the results of each, a result a round.

    The order turns round from round to round. With `warm`, a round more comes first and does not count: it
    fills caches and compiles files.
    """
    taken: dict[Key, list[T]] = {key: [] for key in cases}
    for turn in range(-int(warm), rounds):
        order = list(cases) if turn % 2 == 0 else list(reversed(cases))
        for key in order:
            result = cases[key]()
            if turn >= 0:
                taken[key].append(result)
    return taken
