"""The cost of a backup beside the least that makes one, and of a restore."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.processes import Sample, in_pipe, peak_megabytes
from bench.subjects import Subject
from bench.table import Row, at_most, compared
from bench.turns import Tell, in_turns

GOAL = at_most(1.0)
FLOOR = """
import os, sqlite3, sys, zstandard
source, folder = sys.argv[1:]
plain, packed = f"{folder}/floor.db", f"{folder}/floor.db.zst"
for path in (plain, packed):
    if os.path.exists(path):
        os.unlink(path)
db = sqlite3.connect(source)
db.execute("VACUUM INTO ?", [plain])
copy = sqlite3.connect(plain)
assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
with open(plain, "rb") as file, open(packed, "wb") as out:
    zstandard.ZstdCompressor(level=3).copy_stream(file, out)
    os.fsync(out.fileno())
"""


def measure(subjects: list[Subject], scratch: Path, messages: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure whole processes in turns, their peak memory, and a restore, on the big store."""
    tell("backup")
    home = subjects[0].home("big")
    commands: dict[str, tuple[tuple[str, ...], Path]] = {
        subject.name: ((subject.wa, "backup"), subject.home("big").path) for subject in subjects
    }
    commands["floor"] = ((sys.executable, "-c", FLOOR, str(home.store), str(scratch)), scratch)
    cases: dict[str, Callable[[], Sample]] = {
        name: partial(in_pipe, command, folder) for name, (command, folder) in commands.items()
    }
    taken = in_turns(cases, rounds)
    wall = {name: [1000 * sample.seconds for sample in found] for name, found in taken.items()}
    cpu = {name: [sample.cpu for sample in found] for name, found in taken.items()}
    what = f"wa backup of {messages:,} messages"
    tell("backup: memory, restore")
    peaks = {name: [peak_megabytes(*each)] for name, each in commands.items()}
    back: dict[str, Callable[[], Sample]] = {
        subject.name: partial(in_pipe, (subject.wa, "backup", "restore", "latest"), subject.home("big").path)
        for subject in subjects
    }
    restored = {name: [1000 * each.seconds for each in found] for name, found in in_turns(back, 1).items()}
    return [
        compared(
            what, "ms", wall["ours"], wall["floor"], wall.get("beside"), GOAL, cpu=(cpu["ours"], cpu["floor"])
        ),
        compared("  its memory at the peak", "MB", peaks["ours"], peaks["floor"], peaks.get("beside")),
        compared(
            "wa backup restore latest, with a copy of what was there", "ms",
            restored["ours"], None, restored.get("beside"),
        ),
    ]  # fmt: skip
