"""Running a hook's program: an event on its standard input, bounded in time and in what it prints.

The program is started without a shell, in a session of its own, so that it and what it started can be ended
together, with no descriptors but 0 to 2 and without the secrets of our environment.
"""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from wa.errors import WaError

MOST_OUTPUT = 64 * 1024
"""Bytes that a program may print."""
_MOST_ERRORS = 2000
"""Bytes of its standard error that are kept, the last ones."""
TERM_SECONDS = 5.0
"""Seconds that a program has to end after SIGTERM, before SIGKILL."""
_LINGER_SECONDS = 0.5
"""Seconds for which output is still read after the program ended: what it started may hold the pipe."""
TRY_AGAIN = 75
"""The exit code with which a program asks to be run again: EX_TEMPFAIL of sysexits.h."""
SECRETS = (
    "B2_ACCESS_KEY_ID", "B2_SECRET_ACCESS_KEY", "WA_BACKUP_IDENTITY", "WA_BACKUP_RECIPIENT", "API_SECRET",
    "WA_ALERT",
)  # fmt: skip
"""Settings that a program does not see."""


@dataclass(frozen=True)
class Result:
    """What came of handing over an event. Without an `error` it was taken."""

    output: str = ""
    error: str | None = None
    again: bool = False
    """Whether it is to be handed over again."""
    gone: bool = False
    """Whether the receiver wants no more events."""


def split(command: str) -> list[str]:
    """Return the words of a command line. Raise WaError `usage` for one that cannot be split, or is empty."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WaError("usage", f"the command line cannot be split: {error}", "quotes come in pairs") from None
    if not words or "\0" in command:
        raise WaError("usage", "there is no program in the command line", "--exec 'python3 bot.py'")
    return words


def doubt(command: str) -> str | None:
    """Return a sentence if the program of a command line cannot be run from here, or not from everywhere."""
    name = split(command)[0]
    if shutil.which(name) is None:
        return f"there is no program {name} that may be run, as far as this command can see"
    if "/" in name and not os.path.isabs(name):
        return f"{name} is looked for where `wa listen` or `wa run-scheduler` is started: give its whole path"
    return None


def run(
    command: str, event: str, seconds: float, extra: Mapping[str, str], ending: threading.Event
) -> Result:
    """Run a program with an event, for at most so many seconds, or until `ending` is set."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    try:
        process = subprocess.Popen(  # noqa: S603
            split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**environment, **extra},
        )
    except (OSError, WaError) as error:
        return Result(error=f"it cannot be started: {error}")
    with process:
        try:
            said, errors, why = _talk(process, event.encode(), time.monotonic() + seconds, ending)
        finally:
            _end(process)
    return _result(process.returncode, said, errors, why)


def _talk(
    process: subprocess.Popen[bytes], event: bytes, deadline: float, ending: threading.Event
) -> tuple[bytes, bytes, str | None]:
    """Write the event and read what the program prints. Return that, its errors, and why it is cut off."""
    said, errors, rest = bytearray(), bytearray(), memoryview(event)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018
    ended_at: float | None = None
    with selectors.DefaultSelector() as waiting:
        for pipe in (stdin, stdout, stderr):
            os.set_blocking(pipe.fileno(), False)
            waiting.register(pipe, selectors.EVENT_WRITE if pipe is stdin else selectors.EVENT_READ)
        while waiting.get_map():  # a program may close its output and still read
            for key, _ in waiting.select(0.05):
                if key.fileobj is stdin:
                    rest = rest[_written(key.fd, rest) :]
                    if not rest:
                        waiting.unregister(stdin)
                        stdin.close()
                elif part := os.read(key.fd, 65536):
                    (said if key.fileobj is stdout else errors).extend(part)
                    del errors[:-_MOST_ERRORS]
                else:
                    waiting.unregister(key.fileobj)
            now = time.monotonic()
            if len(said) > MOST_OUTPUT:
                return bytes(said), bytes(errors), f"it printed more than {MOST_OUTPUT:,} bytes"
            if ending.is_set():
                return bytes(said), bytes(errors), "wa ended"
            if now > deadline:
                return bytes(said), bytes(errors), "it took too long"
            if ended_at is None and process.poll() is not None:
                ended_at = now
            if ended_at is not None and now - ended_at > _LINGER_SECONDS:
                break
    while process.poll() is None and not ending.wait(0.01):
        if time.monotonic() > deadline:
            return bytes(said), bytes(errors), "it took too long"
    return bytes(said), bytes(errors), None if process.poll() is not None else "wa ended"


def _written(descriptor: int, rest: memoryview) -> int:
    """Write what a pipe takes. Return the number of bytes, all that are left when nobody reads them."""
    try:
        return os.write(descriptor, rest[:65536])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(rest)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program, and what it started in its session."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_SECONDS)
    _signal(process.pid, signal.SIGKILL)
    if process.stdin is not None and not process.stdin.closed:
        with suppress(OSError):
            process.stdin.close()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _result(code: int, said: bytes, errors: bytes, why: str | None) -> Result:
    output = said[:MOST_OUTPUT].decode("utf-8", "replace")
    if why is None and code == 0:
        return Result(output)
    if why is None:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        ended = f"exit code {code}" if code > 0 else f"signal {-code}"
        why = f"it ended with {ended}{': ' if last else ''}{last[:200]}"
    return Result(output, why, again=code == TRY_AGAIN or why == "wa ended")
