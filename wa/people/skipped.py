"""The reasons why an import skipped something, each with its count and first examples. It does no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_EXAMPLE_LENGTH = 80
"""Characters of an example that are kept."""


class Skipped:
    """The reasons why an import skipped something, in the order in which they first applied."""

    def __init__(self, examples: int = 1) -> None:
        """Keep so many examples of each reason."""
        self._most = examples
        self._shown: Counter[str] = Counter()
        self._reasons: dict[str, dict[str, Any]] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count `count` more cases of a reason; `example` names the place of the first of them."""
        found = self._reasons.setdefault(reason, {"reason": reason, "count": 0, "example": ""})
        found["count"] += count
        if self._shown[reason] < self._most:
            self._shown[reason] += 1
            found["example"] += f"{'; ' * bool(found['example'])}{example[:_EXAMPLE_LENGTH]}"

    @property
    def count(self) -> int:
        """The number of cases of all reasons together."""
        return sum(each["count"] for each in self._reasons.values())

    def row(self) -> dict[str, Any]:
        """Return the two fields that every import prints: `skipped`, a number, and `reasons`, a list."""
        return {"skipped": self.count, "reasons": list(self._reasons.values())}


def lines_of(row: Mapping[str, Any]) -> list[str]:
    """Return a line of text for each reason in a report's row, such as `2 × it has no name (record 7)`."""
    return [f"{each['count']} × {each['reason']} ({each['example']})" for each in row["reasons"]]
