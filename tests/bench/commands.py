"""Whole processes of everyday commands, in a small and in a heavy home, beside bare imports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from bench import heavy
from bench.processes import Sample, in_pipe, on_terminal
from bench.subjects import Subject
from bench.table import Goal, Row, at_most, compared
from bench.turns import Tell, in_turns
from wa.store.paths import Home

IMPORTS = (sys.executable, "-c", "import typer, rich.table, sqlite_utils")
PERSON = heavy.phone(3)
"""Somebody with a chat in both homes."""
TYPED = {
    "_WA_COMPLETE": "complete_bash",
    "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    "COMP_WORDS": "wa sch",
    "COMP_CWORD": "1",
}
LISTS = (
    ("chats",),
    ("read", PERSON),
    ("search", "birthday"),
    ("schedule", "list"),
    ("contacts", "list"),
    ("status",),
)
PIPE, TERMINAL, SEND, ONCE, TAB, HEAVY = (at_most(limit) for limit in (0.72, 0.8, 1.0, 0.75, 0.8, 1.3))

Case = tuple[str, str, str]
"""A checkout or the floor, the home, and the command as it is shown."""


def measure(subjects: list[Subject], runs: int, tell: Tell) -> list[Row]:
    """Return the rows of the table."""
    for kind in ("small", "heavy"):
        tell(f"commands: the {kind} home")
        for subject in subjects:
            subject.call("bench.homes:lived_in", path=subject.home(kind).path, kind=kind)
    rows = []
    for args in LISTS:
        rows += _rows(subjects, args, "| cat", in_pipe, PIPE, runs, tell)
        rows += _rows(subjects, args, "on a terminal", on_terminal, TERMINAL, runs, tell)
    rows += _rows(subjects, ("send", PERSON, "Hello"), "| cat", in_pipe, SEND, runs, tell)
    rows += _rows(subjects, ("run-scheduler", "--once"), "| cat", in_pipe, ONCE, runs, tell)
    rows += _rows(subjects, (), "Tab after `wa sch`", partial(in_pipe, **TYPED), TAB, runs, tell)
    names = {**TYPED, "COMP_WORDS": "wa read re", "COMP_CWORD": "2"}
    rows += _rows(subjects, (), "Tab after `wa read re`", partial(in_pipe, **names), TAB, runs, tell)
    return rows


def _rows(
    subjects: list[Subject],
    args: tuple[str, ...],
    how: str,
    clock: Callable[..., Sample],
    goal: Goal,
    runs: int,
    tell: Tell,
) -> list[Row]:
    """Return the row of a command beside the imports, and that of the heavy home beside the small one."""
    what = f"wa {' '.join(args)} {how}" if args else how
    tell(f"commands: {what}")
    floor = subjects[0].home("small")
    cases: dict[tuple[str, str], Callable[[], Sample]] = {("floor", ""): _run(clock, IMPORTS, floor)}
    for subject in subjects:
        for kind in ("small", "heavy"):
            cases[subject.name, kind] = _run(clock, (subject.wa, *args), subject.home(kind))
    taken = in_turns(cases, runs)
    wall = {key: [sample.seconds * 1000 for sample in samples] for key, samples in taken.items()}
    cpu = {key: [sample.cpu for sample in samples] for key, samples in taken.items()}
    least = wall["floor", ""]
    return [
        compared(
            what, "ms", wall["ours", "small"], least, wall.get(("beside", "small")), goal,
            cpu=(cpu["ours", "small"], cpu["floor", ""]),
        ),
        compared(
            "  the same in the heavy home, the small one as floor", "ms",
            wall["ours", "heavy"], wall["ours", "small"], wall.get(("beside", "heavy")), HEAVY,
            beside_floor=wall.get(("beside", "small")), cpu=(cpu["ours", "heavy"], cpu["ours", "small"]),
        ),
    ]  # fmt: skip


def _run(clock: Callable[..., Sample], command: tuple[str, ...], home: Home) -> Callable[[], Sample]:
    return lambda: clock(command, home.path)
