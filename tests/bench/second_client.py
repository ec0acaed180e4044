"""`wa listen` beside a bare client of another library: a backlog of texts, in turns, from the same server."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from baileys import Baileys, baileys_modules
from linked import past
from relay.driver import Person, Relay

from bench.processes import wait_until
from bench.table import Row, at_most
from bench.whatsapp import link, listening, write

Tell = Callable[[str], None]
GOALS = {"s": 2.0, "CPU s": 1.2, "PSS": 1.0, "RSS": 1.0}
"""The largest good ratio of each figure. `wa` stores and prints what the other client only counts."""
NAMES = {"s": "seconds", "CPU s": "CPU seconds", "PSS": "PSS afterwards", "RSS": "RSS afterwards"}
EVERY = 0.02


def measure(scratch: Path, count: int, turns: int, tell: Tell) -> list[Row]:
    """Measure seconds, CPU seconds and memory for a backlog of `count` texts, from the start of a process."""
    try:
        modules = baileys_modules()
    except pytest.skip.Exception as reason:
        return [Row(f"Baileys: left out, {reason}", "")]
    relay = Relay(scratch / "trust-baileys", scratch / "relay-baileys")
    relay.start()
    try:
        ours, theirs = _turns(relay, modules, scratch, count, turns, tell)
    finally:
        relay.stop()
    return [
        at_most(
            f"beside Baileys: {count:,} texts, {NAMES[name]}",
            median(each[name] for each in ours),
            median(each[name] for each in theirs),
            goal,
            "MB" if name in ("PSS", "RSS") else "s",
        )
        for name, goal in GOALS.items()
    ]


def _turns(
    relay: Relay, modules: Path, scratch: Path, count: int, turns: int, tell: Tell
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the figures of each turn, for `wa` and for Baileys."""
    adam = relay.person("Adam")
    reem, bob = (relay.person(name, history=past(adam)) for name in ("Reem", "Bob"))
    home, state = scratch / "beside-baileys", scratch / "baileys"
    env = {**relay.environment(), "WA_HOME": str(home), "WA_TRANSPORT": "neonize"}
    link(env, reem)
    client = Baileys(relay, modules, state)
    client.link(bob)
    client.end()
    ours, theirs = [], []
    for turn in range(1, turns + 1):
        tell(f"beside Baileys: turn {turn} of {turns}")
        write(adam, reem, count)
        ours.append(_wa(env, home, count * turn))
        write(adam, bob, count)
        theirs.append(_baileys(relay, modules, state, bob, count))
    return ours, theirs


def _wa(env: dict[str, str], home: Path, count: int) -> dict[str, float]:
    """Measure a listener until the store has `count` messages of others."""
    sql = "SELECT count(*) FROM messages WHERE NOT is_from_me AND source = 'live'"
    began = perf_counter()
    with listening(env) as pid, closing(sqlite3.connect(home / "wa.db")) as db:
        wait_until(lambda: db.execute(sql).fetchone()[0] >= count, "the messages", EVERY)
        return {"s": perf_counter() - began, **_used(pid)}


def _baileys(relay: Relay, modules: Path, state: Path, bob: Person, count: int) -> dict[str, float]:
    """Measure a client until it has counted `count` messages."""
    began = perf_counter()
    client = Baileys(relay, modules, state, bare=True)
    try:
        client.do("connect")
        wait_until(lambda: client.do("arrived") >= count, "the messages", EVERY)
        found = {"s": perf_counter() - began, **_used(client.process.pid)}
        # the next turn begins with an empty queue
        wait_until(lambda: not any(each["pending"] for each in bob.devices().values()), "the receipts")
    finally:
        client.end()
    return found


def _used(pid: int) -> dict[str, float]:
    """Return the CPU seconds of a process so far, and its RSS and PSS in MB, as the kernel counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = {kind.upper(): int(size) / 1024 for kind, size in re.findall(r"^(Rss|Pss): +(\d+)", memory, re.M)}
    return {"CPU s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), **sizes}
