"""The report on the records of one file of the old tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wa.people.skipped import Skipped, lines_of
from wa.store.database import Row


@dataclass
class FileReport:
    """Counts of records: `read` is the sum of `written`, `already_there` and `skipped`."""

    file: str
    chats: int | None = None
    """The number of chats of the messages; None for a file without messages."""
    read: int = 0
    written: int = 0
    already_there: int = 0
    skipped: int = 0
    reasons: Skipped = field(default_factory=Skipped)
    """The reasons why records were skipped, and the faults of records that were imported anyway."""

    def take(self, *, is_new: bool) -> None:
        """Count a record that is stored now."""
        self.read += 1
        self.written += is_new
        self.already_there += not is_new

    def skip(self, reason: str, example: str) -> None:
        """Count a record that was left out."""
        self.read += 1
        self.skipped += 1
        self.reasons.add(reason, example)

    def row(self) -> Row:
        """Return the report as data."""
        shown = {**vars(self), **self.reasons.row(), "skipped": self.skipped}
        return {name: value for name, value in shown.items() if value is not None}


def cells_of(row: Mapping[str, Any]) -> list[object]:
    """Return a report's row for a table: file, read, written, already there, skipped, reasons."""
    reasons = "; ".join(lines_of(row))
    return [row["file"], row["read"], row["written"], row["already_there"], row["skipped"], reasons]
