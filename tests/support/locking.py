"""Another program that holds the write lock of a store: `with locked(home): …`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from wa.store.paths import Home

LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Let another program hold the write lock of the store."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(home.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            other.kill()


def let_pass(seconds: float, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Let a time pass in which a process must not end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"it ended with {process.poll()}"
        time.sleep(0.05)
