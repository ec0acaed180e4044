"""The cost of a backup beside the least that makes one, and of a restore."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import history
from bench.processes import WA, environment, seconds_of
from bench.table import Row, at_most, show
from wa.store.paths import Home

GOAL = 1.3
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
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def measure(scratch: Path, messages: int, runs: int, tell: Callable[[str], None]) -> list[Row]:
    """Measure whole processes in turns, their peak memory, and a restore."""
    home = Home(scratch / "backed-up")
    history.build(home, messages, tell)
    tell("backup")
    floor = [sys.executable, "-c", FLOOR, str(home.store), str(scratch)]
    ours = [WA, "backup"]
    taken: dict[str, list[float]] = {"ours": [], "floor": []}
    for turn in range(runs + 1):
        for name, command in (("ours", ours), ("floor", floor)):
            seconds = seconds_of(command, home.path)
            if turn:  # the first run warms the caches
                taken[name].append(seconds * 1000)
    restore = [seconds_of([WA, "backup", "restore"], home.path) for _ in range(max(1, runs // 3))]
    return [
        at_most(f"wa backup of {messages:,} messages", median(taken["ours"]), median(taken["floor"]), GOAL),
        Row("  its memory at the peak", show(_peak(ours, home), "MB"), show(_peak(floor, home), "MB")),
        Row("wa backup restore, with a copy of what was there", show(median(restore) * 1000, "ms")),
        Row("  its memory at the peak", show(_peak([WA, "backup", "restore"], home), "MB")),
    ]


def _peak(command: list[str], home: Home) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command],
        env=environment(home.path),
        cwd=home.path,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)
