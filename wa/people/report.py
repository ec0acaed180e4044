"""The report of an import of contacts."""

from __future__ import annotations

from dataclasses import dataclass, field

from wa.media.vcard import Problem
from wa.people.skipped import Skipped
from wa.store.database import Row

SHOWN = 60
"""Characters of a bad line that are shown."""


@dataclass
class Report:
    """Counts of outcomes, and the places with problems or warnings."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    birthdays: int = 0
    """The contacts that got a birthday, or another one."""
    birthdays_in_notes: int = 0
    """The contacts that changed and whose notes tell a birthday, while they have none."""
    numbers_skipped: int = 0
    """The numbers that were left out, of persons who were imported."""
    skipped: Skipped = field(default_factory=Skipped)
    problems: list[Row] = field(default_factory=list)
    """The places that were skipped: file, line, card, reason."""
    warnings: list[Row] = field(default_factory=list)
    """The places that were imported but may be wrong, in the same form."""

    def count(self, outcome: str) -> None:
        """Count one more `added`, `updated` or `unchanged`."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def skip(self, file: str, problem: Problem, reason: str | None = None) -> None:
        """Report a skipped place. `reason` groups the counts if the problem's own reason quotes the file."""
        self.skipped.add(reason or problem.reason, f"{file}:{problem.line}")
        self.problems.append(_place(file, problem))

    def skip_number(self, file: str, problem: Problem, reason: str) -> None:
        """Report a number that was left out. `reason` groups the counts."""
        self.numbers_skipped += 1
        self.skip(file, problem, reason)
        self.problems[-1]["group"] = reason

    def warn(self, file: str, problem: Problem) -> None:
        """Report a place that was imported but may be wrong."""
        self.warnings.append(_place(file, problem))

    def row(self) -> Row:
        """Return the report as data."""
        return {**vars(self), **self.skipped.row()}


def _place(file: str, problem: Problem) -> Row:
    return {"file": file, "line": problem.line, "card": problem.card, "reason": problem.reason}
