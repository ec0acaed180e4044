"""How many examples a property is tried with: a third of them in `make test`, all in `make soak`."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """Return the number of examples for this run, of the number in `make soak`."""
    return count if os.environ.get("EXAMPLES") == "all" else max(1, count // 3)
