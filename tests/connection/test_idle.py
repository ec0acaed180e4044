"""An owner of the connection that has nothing to do sleeps: on a battery, and on a shared host."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import wait_for

from wa.store.locks import lock_holder

SECONDS = 2
"""How often the main thread has to wake in the test: it looks once a second."""


def wakes(pid: int) -> dict[str, int]:
    """Return how often each thread of a process has slept and woken, by thread id."""
    texts = {task.name: (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()}
    found = {
        name: re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M) for name, text in texts.items()
    }
    return {name: int(each[1]) for name, each in found.items() if each}


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_an_idle_owner_wakes_at_most_twice_a_second(spawn, home):
    pid = spawn("listen").popen.pid
    wait_for(lambda: (lock_holder(home.session_lock) or {}).get("connection") == "connected")

    def is_idle() -> bool:
        """Return whether it was, for SECONDS; it is not at once, nor when a machine is busy."""
        before = wakes(pid)
        wait_for(lambda: wakes(pid)[str(pid)] >= before[str(pid)] + SECONDS)
        after = wakes(pid)
        return sum(after[name] - before.get(name, 0) for name in after) <= 2 * SECONDS

    wait_for(is_idle)
