"""What an idle listener costs: its memory, its wake-ups; and what loading the library costs."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import commands
from bench.processes import Sample, in_pipe, running
from bench.subjects import Subject
from bench.table import Row, at_most, compared
from bench.turns import Tell, in_turns

MEMORY, LIBRARY, WAKE_UPS = at_most(0.8, "change"), at_most(0.5, "change"), at_most(2, "ours")
"""Memory and loading have no limit without another checkout beside."""
SETTLE_SECONDS = 3.0
SLEEP = "import time; time.sleep(600)"
LOAD = "from wa.whatsapp.neonize.library import library; library()"
BARE = "import neonize.client, neonize.events"


def megabytes(pid: int) -> dict[str, float]:
    """Return RSS and PSS of a process in MB, as the kernel counts them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {kind.lower(): int(size) / 1024 for kind, size in re.findall(r"^(Rss|Pss): +(\d+)", text, re.M)}


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(pid: int) -> int:
    """Return how often threads of a process have gone to sleep so far, each of which was woken for it."""
    files = Path(f"/proc/{pid}/task").glob("*/status")
    found = (re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read_text(), re.M) for file in files)
    return sum(int(match[1]) for match in found if match)


def wake_ups_a_second(pid: int, seconds: float) -> float:
    """Return the wake-ups of a process in each of the next seconds."""
    before, began = wake_ups(pid), time.perf_counter()
    time.sleep(seconds)
    return (wake_ups(pid) - before) / (time.perf_counter() - began)


def memory(subjects: list[Subject], rounds: int, tell: Tell) -> list[Row]:
    """Measure idle listeners on the stand-in, beside a Python with the floor's imports alone."""
    tell("memory: idle listeners on the stand-in")
    cases: dict[str, Callable[[], dict[str, float]]] = {}
    for subject in subjects:
        subject.call("bench.homes:lived_in", path=subject.home("idle").path, kind="small")
        cases[subject.name] = partial(_idle, subject, ("listen",))
        cases[f"{subject.name} run-scheduler"] = partial(_idle, subject, ("run-scheduler",))
    home = subjects[0].home("idle").path

    def bare() -> dict[str, float]:
        code = f"{commands.IMPORTS[2]}; {SLEEP}"
        with running((sys.executable, "-c", code), home, connects=False) as pid:
            time.sleep(1.0)
            return megabytes(pid)

    taken = in_turns({**cases, "floor": bare}, rounds, warm=False)
    rows = []
    for command, ending in (("listen", ""), ("run-scheduler", " run-scheduler")):
        for kind in ("rss", "pss"):
            values = {name: [each[kind] for each in found] for name, found in taken.items()}
            beside = values.get(f"beside{ending}")
            what = f"idle wa {command} on the stand-in, {kind.upper()}"
            ours = values[f"ours{ending}"]
            rows.append(compared(what, "MB", ours, values["floor"], beside, MEMORY if beside else None))
    return rows


def _idle(subject: Subject, args: tuple[str, ...]) -> dict[str, float]:
    with running((subject.wa, *args), subject.home("idle").path) as pid:
        time.sleep(SETTLE_SECONDS)
        return megabytes(pid)


def wakeups(subjects: list[Subject], seconds: float, rounds: int, tell: Tell) -> list[Row]:
    """Measure how often an idle listener on the stand-in wakes up."""
    tell("wake-ups of idle listeners")
    cases: dict[str, Callable[[], float]] = {}
    for subject in subjects:
        subject.call("bench.homes:lived_in", path=subject.home("asleep").path, kind="small")
        cases[subject.name] = partial(_asleep, subject, seconds)
    taken = in_turns(cases, rounds, warm=False)
    what = "wake-ups of an idle listen on the stand-in"
    return [compared(what, "a second", taken["ours"], None, taken.get("beside"), WAKE_UPS)]


def _asleep(subject: Subject, seconds: float) -> float:
    with running((subject.wa, "listen"), subject.home("asleep").path) as pid:
        time.sleep(SETTLE_SECONDS)
        return wake_ups_a_second(pid, seconds)


def loading(subjects: list[Subject], scratch: Path, rounds: int, tell: Tell) -> list[Row]:
    """Measure how we load the library, beside importing it as its own documentation does."""
    tell("loading the library")
    cases: dict[str, Callable[[], Sample]] = {
        subject.name: partial(in_pipe, (subject.python, "-c", LOAD), scratch) for subject in subjects
    }
    cases["floor"] = partial(in_pipe, (sys.executable, "-c", BARE), scratch)
    taken = in_turns(cases, rounds)
    cpu = {name: [1000 * sample.cpu for sample in found] for name, found in taken.items()}
    what = "loading the library, CPU, whole process"
    beside = cpu.get("beside")
    return [compared(what, "ms", cpu["ours"], cpu["floor"], beside, LIBRARY if beside else None)]
