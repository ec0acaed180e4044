"""Fixtures of the tests of series: a series added by the command, and a process that sends what is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import REEM, FakeClock

from wa.times import from_iso


@pytest.fixture
def clock() -> FakeClock:
    """Friday noon; London's clock shows UTC."""
    return FakeClock("2026-11-20T12:00:00")


@pytest.fixture
def add(wa: Any, clock: FakeClock) -> Callable[..., dict[str, Any]]:
    """Add a series; return its first row as `--json` shows it."""

    def run(*options: str, text: str = "Good morning") -> dict[str, Any]:
        done = wa("schedule", "add", REEM, text, *options, "--json", now=clock)
        assert done.code == 0, done.err
        return dict(done.json)

    return run


@pytest.fixture
def work(wa: Any, clock: FakeClock) -> Callable[[], None]:
    """Let a process send all that there is to send now."""

    def run() -> None:
        done = wa("run-scheduler", "--once", now=clock)
        assert done.code in (0, 5), done.err

    return run


@pytest.fixture
def go(clock: FakeClock, work: Callable[[], None]) -> Callable[[str], None]:
    """Set the clock to a moment in UTC, and let a process send what is due."""

    def run(moment: str) -> None:
        clock.at = from_iso(f"{moment}:00.000Z")
        work()

    return run
