"""Ways to end a wait: a socket that other processes write to, and an event that a signal handler may set."""

from __future__ import annotations

import select
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


class Stop(threading.Event):
    """An event that a signal handler of the main thread may set while that thread sets it or waits for it.

    The lock of a plain event would never come free then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cond = threading.Condition(threading.RLock())


class WakeSocket:
    """A socket to wait on; other processes and threads can end the wait.

    A home whose path is too long for a socket, or with another file at that path, has no socket; the
    owner looks into the store every second anyway.
    """

    def __init__(self, path: Path) -> None:
        import socket

        self._inner, self._inner_send = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inner.setblocking(False)
        self._inner_send.setblocking(False)
        self._is_woken = False
        self._outer: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outer.setblocking(False)
        try:
            path.unlink(missing_ok=True)
            self._outer.bind(str(path))
            path.chmod(0o600)
        except OSError:
            self._outer.close()
            self._outer = None

    @property
    def is_reachable(self) -> bool:
        """Whether other processes can end a wait."""
        return self._outer is not None

    def wake(self) -> None:
        """End the present or the next wait, from any thread of this process."""
        if not self._is_woken:
            self._is_woken = True
            with suppress(OSError):  # it is closed: nothing waits any more
                self._inner_send.send(b".")

    def wait(self, seconds: float) -> tuple[bool, bool]:
        """Wait until woken, or for `seconds`. Return whether it was woken, and whether by another process."""
        ends = [end for end in (self._inner, self._outer) if end is not None]
        poll = select.poll()  # select.select() refuses descriptors from 1024 on
        for end in ends:
            poll.register(end, select.POLLIN)
        ready = {number for number, _ in poll.poll(max(0.0, seconds) * 1000)}
        for end in ends:
            if end.fileno() in ready:
                self._drain(end)
        # Behind the drain: a wake in between would be drained, and keep all later ones from being sent.
        self._is_woken = False
        return bool(ready), self._outer is not None and self._outer.fileno() in ready

    @staticmethod
    def _drain(end: socket.socket) -> None:
        try:
            while end.recv(16):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the socket. Its file stays: the next owner replaces it."""
        for each in (self._inner, self._inner_send, self._outer):
            if each is not None:
                each.close()


def wake_owner(path: Path) -> None:
    """Wake the owner of the connection, if there is one, to look for new work in the store."""
    import socket  # it takes 2 ms to load, and a command that only reads wakes nobody

    # There is no owner, the path is too long, the socket is full and the owner wakes anyway, or this process
    # has too many files open: the owner looks into the store every second.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(b".", str(path))
