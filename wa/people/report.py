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
    _reasons: dict[int, str] = field(default_factory=dict)
    """Why a number was left out, by the place of its problem in the list."""

    def count(self, outcome: str) -> None:
        """Count one more `added`, `updated` or `unchanged`."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def skip(self, file: str, problem: Problem, reason: str | None = None) -> None:
        """Report a skipped place. `reason` groups the counts if the problem's own reason quotes the file."""
        self.skipped.add(reason or problem.reason, f"{file}:{problem.line}")
        self.problems.append(_place(file, problem))

    def skip_number(self, file: str, problem: Problem, reason: str) -> None:
        """Report a number that was left out. `reason` groups the counts, and these problems."""
        self.numbers_skipped += 1
        self.skip(file, problem, reason)
        self._reasons[len(self.problems) - 1] = reason

    def warn(self, file: str, problem: Problem) -> None:
        """Report a place that was imported but may be wrong."""
        self.warnings.append(_place(file, problem))

    def row(self) -> Row:
        """Return the report as data."""
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return shown | self.skipped.row()

    def grouped(self) -> list[tuple[str | None, list[Row]]]:
        """Return the problems in their order, those of numbers left out for one reason together, with it."""
        groups: dict[str | int, list[Row]] = {}
        for number, place in enumerate(self.problems):
            groups.setdefault(self._reasons.get(number, number), []).append(place)
        return [(key if isinstance(key, str) else None, places) for key, places in groups.items()]


def _place(file: str, problem: Problem) -> Row:
    return {"file": file, "line": problem.line, "card": problem.card, "reason": problem.reason}
