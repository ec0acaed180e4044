"""Locks between processes: files that the kernel frees when their holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wa.errors import WaError
from wa.store.files import storage_error

LOOKS, LOOK_SECONDS = 100, 0.005
"""How often a lock is tried that others only look at, and the seconds between two tries."""


class FileLock:
    """A flock on a file that is written in place, never renamed or removed.

    The kernel frees the lock when the process dies, so a file that a dead process left blocks nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock; return False when another process has it and `wait` is not set."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, self._path) from error
        if not _is_taken(fd, wait=wait):
            os.close(fd)
            return False
        if not self._still_there(fd):  # another program removed the file: a lock on it guards nothing
            os.close(fd)
            return self.acquire(wait=wait)
        self._fd = fd
        with suppress(OSError):  # what the holder before left is not true of this one
            os.pwrite(fd, b" " * os.fstat(fd).st_size, 0)
        return True

    def _still_there(self, fd: int) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        held = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    @property
    def descriptor(self) -> int:
        """The file descriptor, for a child process that is to hold the lock too. The lock must be held."""
        assert self._fd is not None  # noqa: S101
        return self._fd

    def write(self, data: dict[str, Any]) -> None:
        """Write `data` into the file as JSON. The lock must be held."""
        assert self._fd is not None  # noqa: S101
        # Spaces overwrite the rest of a longer text: a reader never meets a text that is half of each.
        text = json.dumps(data).encode().ljust(os.fstat(self._fd).st_size)
        os.pwrite(self._fd, text, 0)

    def release(self, last: dict[str, Any] | None = None) -> None:
        """Release the lock; the file stays, with `last` as JSON for `look`, or empty."""
        if self._fd is not None:
            if last is None:
                os.ftruncate(self._fd, 0)
            else:
                self.write(last)
            os.close(self._fd)
            self._fd = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock and hold it for a block."""
        self.acquire(wait=True)
        try:
            yield
        finally:
            self.release()

    @contextmanager
    def hold_or_raise(self, refused: Callable[[], WaError]) -> Iterator[None]:
        """Hold the lock for a block. Raise the error that `refused` returns when another process has it."""
        if not self.acquire():
            raise refused()
        try:
            yield
        finally:
            self.release()


class Heartbeat:
    """The words of the connection's owner about itself, in the file of the lock that it holds.

    The file has `pid`, `command`, `since`, `heartbeat`; `sends`, the owner's scope in lower case; the
    state of the line as `connection`, `connection_since` and `connection_reason`; and at the end `ended`,
    and the `error` with its `code` and `hint`. On a full disk the owner works on, and writes nothing here.
    """

    def __init__(self, lock: FileLock, command: str, sends: str, now: str) -> None:
        self._lock = lock
        self._said: dict[str, Any] = {"pid": os.getpid(), "command": command, "since": now, "sends": sends}
        self.line("connecting", None, now)

    def beat(self, now: str) -> None:
        """Write that the owner is alive at `now` (ISO text)."""
        self._said["heartbeat"] = now
        with suppress(OSError):
            self._lock.write(self._said)

    def line(self, state: str, reason: str | None, now: str) -> None:
        """Write the state of the line (connecting, connected, offline), since when, and why."""
        since = self._said["connection_since"] if self._said.get("connection") == state else now
        self._said.update(connection=state, connection_since=since, connection_reason=_short(reason))
        self.beat(now)

    def end(self, error: BaseException | None, now: str) -> None:
        """Release the lock, and leave in its file when and with which error the owner ended."""
        told = {key: getattr(error, key, None) for key in ("code", "hint")}
        told["error"] = _short(str(error)) if error else None
        try:
            self._lock.release({**self._said, "ended": now, **told})
        except OSError:
            self._lock.release()


def _short(reason: str | None) -> str | None:
    """Return a reason as text that fits into the file; None for an empty one."""
    return reason[:300] if reason else None


def describe_holder(holder: dict[str, Any]) -> str:
    """Return the holder of a lock in words."""
    if "command" not in holder:
        return "another program"
    return f"`wa {holder['command']}` (pid {holder.get('pid')})"


def _is_taken(fd: int, *, wait: bool) -> bool:
    """Take a lock for this process alone. Return False when another one has it, or looks for too long."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return True
        except BlockingIOError:
            pass
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)  # nobody has it alone: `lock_holder` looks, for an instant
        time.sleep(LOOK_SECONDS)
    return False


def lock_holder(path: Path) -> dict[str, Any] | None:
    """Return the data that the holder of a lock wrote into its file; None when no process holds it."""
    return look(path)[0]


def look(path: Path) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the data of a lock's holder, or None when there is none, and what the last one left, or {}.

    This takes the lock, shared, for an instant; `acquire` tries again then.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None, {}
    try:
        is_held = False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            is_held = True
        found = _read(os.pread(fd, 16384, 0))  # with the lock: nobody takes it meanwhile
    finally:
        os.close(fd)
    return (found, {}) if is_held else (None, found)


def _read(written: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(written)
    except ValueError:  # the holder is just writing it
        return {}
    return holder if isinstance(holder, dict) else {}
