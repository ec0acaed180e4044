"""`wa listen` beside a bare client of another library: a backlog of texts, in turns, from the same server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest
from baileys import Baileys, baileys_modules
from linked import past
from relay.driver import Person, Relay

from bench.footprint import cpu_seconds, megabytes
from bench.processes import wait_until
from bench.subjects import Subject
from bench.table import Row, at_most, compared
from bench.turns import Tell, in_turns
from bench.whatsapp import link, listening, write

GOALS = {"s": at_most(0.5), "CPU s": at_most(1.2), "pss": at_most(1.0), "rss": at_most(1.0)}
"""`wa` stores and prints what the other client only counts."""
NAMES = {"s": "seconds", "CPU s": "CPU seconds", "pss": "PSS afterwards", "rss": "RSS afterwards"}
EVERY = 0.02


def measure(subjects: list[Subject], scratch: Path, count: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure seconds, CPU seconds and memory for a backlog of `count` texts, from the start of a process."""
    try:
        modules = baileys_modules()
    except pytest.skip.Exception as reason:
        return [Row("beside Baileys", note=f"left out, {reason}")]
    tell(f"beside Baileys: {count:,} texts")
    relay = Relay(scratch / "trust-baileys", scratch / "relay-baileys")
    relay.start()
    try:
        taken = _turns(relay, modules, subjects, scratch, count, rounds)
    finally:
        relay.stop()
    rows = []
    for name, goal in GOALS.items():
        values = {key: [each[name] for each in found] for key, found in taken.items()}
        unit = "MB" if name in ("pss", "rss") else "s"
        what = f"beside Baileys: {count:,} texts, {NAMES[name]}"
        rows.append(compared(what, unit, values["ours"], values["floor"], values.get("beside"), goal))
    return rows


def _turns(
    relay: Relay, modules: Path, subjects: list[Subject], scratch: Path, count: int, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each round, for `wa` and for Baileys."""
    adam = relay.person("Adam")
    bob = relay.person("Bob", history=past(adam))
    state = scratch / "baileys"
    cases: dict[str, Callable[[], dict[str, float]]] = {}
    for subject in subjects:
        home, reem = subject.home("beside-baileys").path, relay.person("Reem", history=past(adam))
        env = {**relay.environment(), "WA_HOME": str(home), "WA_TRANSPORT": "neonize"}
        link(subject.wa, env, reem)
        cases[subject.name] = partial(_wa, subject.wa, env, home, adam, reem, count)
    client = Baileys(relay, modules, state)
    client.link(bob)
    client.end()
    cases["floor"] = partial(_baileys, relay, modules, state, adam, bob, count)
    return in_turns(cases, rounds, warm=False)


def _wa(wa: str, env: dict[str, str], home: Path, adam: Person, reem: Person, count: int) -> dict[str, float]:
    """Measure a listener until the store has `count` messages of others more."""
    sql = "SELECT count(*) FROM messages WHERE NOT is_from_me AND source = 'live'"
    with closing(sqlite3.connect(home / "wa.db")) as db:
        wanted = db.execute(sql).fetchone()[0] + count
        write(adam, reem, count)
        began = perf_counter()
        with listening(wa, env) as pid:
            wait_until(lambda: db.execute(sql).fetchone()[0] >= wanted, "the messages", EVERY)
            return {"s": perf_counter() - began, "CPU s": cpu_seconds(pid), **megabytes(pid)}


def _baileys(
    relay: Relay, modules: Path, state: Path, adam: Person, bob: Person, count: int
) -> dict[str, float]:
    """Measure a client until it has counted `count` messages."""
    write(adam, bob, count)
    began = perf_counter()
    client = Baileys(relay, modules, state, bare=True)
    try:
        client.do("connect")
        wait_until(lambda: client.do("arrived") >= count, "the messages", EVERY)
        pid = client.process.pid
        found = {"s": perf_counter() - began, "CPU s": cpu_seconds(pid), **megabytes(pid)}
        # the next turn begins with an empty queue
        wait_until(lambda: not any(each["pending"] for each in bob.devices().values()), "the receipts")
    finally:
        client.end()
    return found
