"""The one table that a run prints."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement: ours, its floor, the ratio of the two and the goal."""

    what: str
    ours: str
    floor: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


HEADS = ("what", "ours", "floor", "ratio", "goal", "met?")


def at_most(what: str, ours: float, floor: float, goal: float, unit: str = "ms") -> Row:
    """Return a row where less is better; `goal` is the largest good ratio."""
    ratio = ours / floor
    return Row(what, show(ours, unit), show(floor, unit), f"{ratio:.2f}", f"≤ {goal:g} ×", ratio <= goal)


def at_least(what: str, ours: float, floor: float, ratio: float, goal: float) -> Row:
    """Return a row where more is better; `ratio` is the median of the rounds' ratios."""
    return Row(what, show(ours, ""), show(floor, ""), f"{ratio:.2f}", f"≥ {goal:g} ×", ratio >= goal)


def show(value: float, unit: str) -> str:
    """Return a number with its significant digits."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def render(rows: Iterable[Row]) -> str:
    """Return the rows in columns, numbers aligned right."""
    lines: list[tuple[str, ...]] = [
        HEADS,
        *((r.what, r.ours, r.floor, r.ratio, r.goal, _mark(r.met)) for r in rows),
    ]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("─" * width for width in widths))
    return "\n".join(_line(cells, widths) for cells in lines) + "\n"


def _line(cells: Iterable[str], widths: list[int]) -> str:
    padded = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - _width(cell))
        padded.append(space + cell if 0 < number < 4 else cell + space)
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Return the number of terminal columns that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _mark(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "NO"
