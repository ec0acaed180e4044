"""Running `wa` and the programs it is compared with as processes of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WA = str(Path(sys.executable).parent / "wa")
PATIENCE = 60.0


def environment(home: Path) -> dict[str, str]:
    """Return the settings that all measurements share, without the user's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WA_", "B2_", "API_"))}
    ours = {"WA_HOME": str(home), "WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London"}
    return {**kept, **ours, "WA_SEND_SPACING": "0"}


def seconds_of(command: Sequence[str], home: Path) -> float:
    """Return the seconds of a command whose output is discarded."""
    began = time.perf_counter()
    subprocess.run(
        command,
        env=environment(home),
        cwd=home,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def seconds_on_terminal(command: Sequence[str], home: Path) -> float:
    """Return the seconds of a command that writes to a terminal, where tables are drawn."""
    ours, theirs = os.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(home), cwd=home, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        contextlib.suppress(OSError),
    ):  # EIO: every process has closed the terminal
        while terminal.read(65_536):
            pass
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began


@contextmanager
def running(command: Sequence[str], home: Path) -> Iterator[int]:
    """Run a process for the length of a block and end it afterwards; yield its pid."""
    with (home.parent / f"{home.name}.log").open("w+") as log:
        process = subprocess.Popen(
            command, env=environment(home), cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            if command[0] == WA:
                wait_until(lambda: _is_connected(log.name, process), "the connection")
            yield process.pid
        finally:
            _end(process)


def _is_connected(log: str, process: subprocess.Popen[bytes]) -> bool:
    lines = Path(log).read_text().splitlines()
    if process.poll() is not None:
        raise RuntimeError(f"it ended with {process.returncode}: {' '.join(lines[-2:])}")
    return any(line.split()[-1:] == ["connected"] and "not connected" not in line for line in lines)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], what: str, every: float = 0.05, most: float = PATIENCE) -> None:
    """Wait until a condition is true. Raise TimeoutError when it takes too long."""
    deadline = time.monotonic() + most
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {most:g} s")
        time.sleep(every)
