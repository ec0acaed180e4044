"""The cost of a command before it does anything: its start, and its idle memory."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench import corpus
from bench.processes import WA, environment, running, seconds_of, seconds_on_terminal
from bench.sending import fill
from bench.table import Row, at_most
from wa.connection.context import system_now
from wa.store.paths import Home

IMPORTS = [sys.executable, "-c", "import typer, rich.table, sqlite_utils"]
GOAL_START, GOAL_MEMORY, GOAL_MB = 1.3, 1.2, 60.0
QUEUED = 30
IDLE_SECONDS = 0.7

COMMANDS = (
    ["chats"],
    ["schedule", "list"],
    ["search", corpus.COMMON],
    ["search", corpus.RARE],
)
LOAD = """
import contextlib, importlib, sys, time
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
time.sleep(600)
"""


def start(home: Home, runs: int, tell: Callable[[str], None]) -> list[Row]:
    """Measure whole processes, on a terminal and in a pipe, in turns with the bare imports."""
    tell("start-up")
    later = system_now() + timedelta(days=30)
    fill(home, QUEUED, lambda number: later + timedelta(hours=number))
    cases = {"": (seconds_on_terminal, IMPORTS)}
    for args in COMMANDS:
        cases[f"wa {' '.join(args)}"] = (seconds_on_terminal, [WA, *args])
        cases[f"wa {' '.join(args)} | cat"] = (seconds_of, [WA, *args])
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(runs + 1):
        for name, (clock, command) in cases.items():
            taken = clock(command, home.path)
            if turn:  # the first run warms the caches
                seconds[name].append(taken * 1000)
    floor = median(seconds.pop(""))
    return [at_most(f"start-up: {name}", median(taken), floor, GOAL_START) for name, taken in seconds.items()]


def memory(home: Home, tell: Callable[[str], None]) -> list[Row]:
    """Measure the memory of idle owners of the connection, beside the same imports in a bare Python."""
    rows = []
    for command in ("listen", "run-scheduler"):
        tell(f"memory: {command}")
        with running([WA, command], home.path) as pid:
            time.sleep(IDLE_SECONDS)
            modules, ours = _imported(home.path, command), megabytes(pid)
        with running([sys.executable, "-c", LOAD, *modules], home.path) as pid:
            time.sleep(IDLE_SECONDS)
            floor = megabytes(pid)
        rows += _report(command, ours, floor)
    return rows


def _report(command: str, ours: dict[str, float], floor: dict[str, float]) -> list[Row]:
    rows = [
        at_most(f"memory: idle wa {command}, {kind.upper()}", ours[kind], floor[kind], GOAL_MEMORY, "MB")
        for kind in ("rss", "pss")
    ]
    size = f"{ours['rss']:.1f} MB"
    rows.append(
        Row(
            f"memory: idle wa {command}, in all",
            size,
            goal=f"< {GOAL_MB:g} MB",
            met=ours["rss"] < GOAL_MB,
        )
    )
    return rows


def _imported(home: Path, command: str) -> list[str]:
    """Return the modules that the command imports from its start to its end, connected once."""
    args = [sys.executable, "-X", "importtime", WA, command]
    process = subprocess.Popen(
        args, env=environment(home), cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    time.sleep(IDLE_SECONDS)
    process.terminate()
    found = re.findall(r"import time:[^|]*\|[^|]*\| *([\w.]+)", process.communicate(timeout=30)[1])
    return [name for name in dict.fromkeys(found) if name != "imported"]


def megabytes(pid: int) -> dict[str, float]:
    """Return RSS and PSS of a process in MB, as the kernel counts them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {kind.lower(): int(size) / 1024 for kind, size in re.findall(r"^(Rss|Pss): +(\d+)", text, re.M)}
