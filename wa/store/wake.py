"""The socket on which other processes wake the owner of the connection."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from pathlib import Path


class WakeSocket:
    """The owner's ear: other processes, threads and signals wake a wait on it.

    A home where no socket can be, for its path is too long or something is in
    its place, has none; the owner looks every second anyway.
    """

    def __init__(self, path: Path) -> None:
        self._inner, self._inner_send = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inner.setblocking(False)
        self._inner_send.setblocking(False)
        self._outer: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outer.setblocking(False)
        try:
            path.unlink(missing_ok=True)
            self._outer.bind(str(path))
            path.chmod(0o600)
        except OSError:
            self._outer.close()
            self._outer = None

    def wake(self) -> None:
        """End the present or the next wait, from a thread of this process."""
        try:
            self._inner_send.send(b".")
        except BlockingIOError:
            pass  # so many calls unread that the wait ends anyway
        except OSError:
            pass  # closed: nobody waits any more

    def wait(self, seconds: float) -> bool:
        """Sleep until woken or `seconds` have passed; whether another process did it."""
        ears = [self._inner]
        if self._outer is not None:
            ears.append(self._outer)
        ready = select.select(ears, [], [], max(0.0, seconds))[0]
        for ear in ready:
            self._drain(ear)
        return self._outer in ready

    @staticmethod
    def _drain(ear: socket.socket) -> None:
        try:
            while ear.recv(16):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close it. The file stays: the next owner replaces it."""
        for each in (self._inner, self._inner_send, self._outer):
            if each is not None:
                each.close()


def wake_owner(path: Path) -> None:
    """Tell the owner, if there is one, that the database holds something for it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        # Nobody there, a path too long, or a full socket, which means awake: all are well.
        with suppress(OSError):
            sender.sendto(b".", str(path))
