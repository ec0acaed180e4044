"""The rows that a run measures, as a table and as JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Row:
    """One measurement: ours, its floor and the ratio of the two; all are medians of the rounds."""

    what: str
    unit: str = ""
    ours: float | None = None
    floor: float | None = None
    ratio: float | None = None
    """The median of the rounds' ratios: ours to the floor."""
    spread: tuple[float, float] | None = None
    """The middle half of the rounds' ratios, or of the rounds' values where there is no floor."""
    cpu: float | None = None
    """The ratio of the CPU seconds (user and system), where whole processes are compared."""
    beside: float | None = None
    """The other checkout's value, measured in the same rounds."""
    beside_ratio: float | None = None
    change: float | None = None
    """The median of the rounds' ratios: ours to the other checkout's."""
    goal: str = ""
    met: bool | None = None
    rounds: int = 0
    note: str = ""


@dataclass(frozen=True)
class Goal:
    """A limit of the ratio, of our value (`ours`), or of the ratio to the other checkout (`change`)."""

    limit: float
    is_most: bool = True
    of: str = "ratio"

    def text(self, unit: str) -> str:
        """Return the goal for the table."""
        ending = {"ratio": " ×", "ours": f" {unit}", "change": " × beside"}[self.of]
        return f"{'≤' if self.is_most else '≥'} {self.limit:,g}{ending}"

    def is_met(self, value: float | None) -> bool | None:
        """Return whether a value meets the goal; None without a value."""
        if value is None:
            return None
        return value <= self.limit if self.is_most else value >= self.limit


def at_most(limit: float, of: str = "ratio") -> Goal:
    """Return a goal for something of which less is better."""
    return Goal(limit, is_most=True, of=of)


def at_least(limit: float, of: str = "ratio") -> Goal:
    """Return a goal for something of which more is better."""
    return Goal(limit, is_most=False, of=of)


def compared(
    what: str,
    unit: str,
    ours: Sequence[float],
    floor: Sequence[float] | None = None,
    beside: Sequence[float] | None = None,
    goal: Goal | None = None,
    *,
    beside_floor: Sequence[float] | None = None,
    cpu: tuple[Sequence[float], Sequence[float]] | None = None,
    note: str = "",
) -> Row:
    """Return the row of values that were measured in turns: each sequence has a value for each round."""
    ratios = _ratios(ours, floor)
    changes = _ratios(ours, beside)
    ratio, change = _middle(ratios), _middle(changes)
    value = {"ratio": ratio, "ours": median(ours), "change": change}[goal.of] if goal else None
    return Row(
        what,
        unit,
        median(ours),
        _middle(floor),
        ratio,
        _middle_half(ratios or list(ours)),
        _middle(_ratios(*cpu)) if cpu else None,
        _middle(beside),
        _middle(_ratios(beside, beside_floor or floor)) if beside else None,
        change,
        goal.text(unit) if goal else "",
        goal.is_met(value) if goal else None,
        len(ours),
        note,
    )


def _ratios(values: Sequence[float], others: Sequence[float] | None) -> list[float]:
    return [a / b for a, b in zip(values, others, strict=True) if b] if others else []


def _middle(values: Sequence[float] | None) -> float | None:
    return median(values) if values else None


def _middle_half(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the first and the third quartile."""
    if len(values) < 3:
        return None
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def as_json(rows: Iterable[Row]) -> str:
    """Return the rows as a JSON array, with a name for each field."""
    return json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1) + "\n"


def show(value: float | None, unit: str = "") -> str:
    """Return a number with its significant digits, nothing for None."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _range(row: Row) -> str:
    if row.spread is None:
        return ""
    form = _share if row.ratio is not None else show
    return "–".join(map(form, row.spread))


def render(rows: Sequence[Row]) -> str:
    """Return the rows in columns, numbers aligned right; columns that no row fills are left out."""
    columns = {
        "what": [row.what for row in rows],
        "ours": [show(row.ours, row.unit) for row in rows],
        "floor": [show(row.floor, row.unit) for row in rows],
        "ratio": [_share(row.ratio) for row in rows],
        "middle half": [_range(row) for row in rows],
        "CPU": [_share(row.cpu) for row in rows],
        "beside": [show(row.beside, row.unit) for row in rows],
        "its ratio": [_share(row.beside_ratio) for row in rows],
        "ours/beside": [_share(row.change) for row in rows],
        "goal": [row.goal for row in rows],
        "met?": [{None: "", True: "yes", False: "NO"}[row.met] for row in rows],
        "note": [row.note for row in rows],
    }
    shown = {head: cells for head, cells in columns.items() if any(cells)}
    widths = {head: max(map(_width, [head, *cells])) for head, cells in shown.items()}
    lines = [list(shown), ["─" * width for width in widths.values()], *zip(*shown.values(), strict=True)]
    lefts = [head in ("what", "goal", "met?", "note") for head in shown]
    return "".join(_line(cells, list(widths.values()), lefts) for cells in lines)


def _line(cells: Iterable[str], widths: list[int], lefts: list[bool]) -> str:
    padded = []
    for cell, width, is_left in zip(cells, widths, lefts, strict=True):
        space = " " * (width - _width(cell))
        padded.append(cell + space if is_left else space + cell)
    return "  ".join(padded).rstrip() + "\n"


def _width(text: str) -> int:
    """Return the number of terminal columns that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
