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
from typing import NamedTuple

PATIENCE = 60.0
DROPPED = ("PYTHON", "WA_", "B2_", "API_")
"""The beginnings of the variables that no measured process gets from whoever runs the benchmark."""
CALLER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""
"""A program that runs a command and prints its exit code and peak memory. It is a small process, because a
child begins with the peak of its parent."""


class Sample(NamedTuple):
    """What a process took."""

    seconds: float
    cpu: float
    """CPU seconds, user and system."""


def clean_environment() -> None:
    """Drop what this process got of its own from the environment of its children: they are a user's."""
    for name in list(os.environ):
        if name.startswith(DROPPED):
            del os.environ[name]


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a measured process."""
    ours = {"WA_HOME": str(home), "WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London"}
    return {**os.environ, **ours, "WA_SEND_SPACING": "0"}


def in_pipe(command: Sequence[str], home: Path, **more: str) -> Sample:
    """Run a command whose output is read through a pipe; `more` are variables."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**environment(home), **more},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    with process.stdout as output:
        said = output.read()
    return _ended(process, began, said)


def on_terminal(command: Sequence[str], home: Path) -> Sample:
    """Run a command that writes to a terminal, where tables are drawn."""
    ours, theirs = os.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(home), cwd=home, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while part := terminal.read(65_536):  # EIO: every process has closed the terminal
            said += part
    return _ended(process, began, said)


def _ended(process: subprocess.Popen[bytes], began: float, said: bytes) -> Sample:
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        words = said.decode(errors="replace").strip()[-300:]
        raise RuntimeError(f"{process.args} ended with {process.returncode}: {words}")
    return Sample(seconds, used.ru_utime + used.ru_stime)


def peak_megabytes(command: Sequence[str], home: Path) -> float:
    """Return the largest resident memory of a command, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", CALLER, *command],
        env=environment(home),
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
    )
    code, peak = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {done.stderr[-500:]}")
    return int(peak) / (2**20 if sys.platform == "darwin" else 2**10)


@contextmanager
def running(
    command: Sequence[str], home: Path, env: dict[str, str] | None = None, *, connects: bool = True
) -> Iterator[int]:
    """Run a process for the length of a block and end it afterwards; yield its pid.

    With `connects`, the block begins when the process has said that it is connected.
    """
    with (home.parent / f"{home.name}.log").open("w+") as log:
        process = subprocess.Popen(
            command,
            env=env or environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            if connects:
                wait_until(lambda: _is_connected(log.name, process), "the connection", every=0.01)
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
