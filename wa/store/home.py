"""The files of WA_HOME: the directory, its locks and the socket that wakes the owner."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wa.errors import WaError

_OURS = {".env", "wa.db", "session.db", "loopback.db", "media", "backups"}
_NEEDED_FREE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Home:
    """Where everything lives. Only its owner may look inside."""

    path: Path

    @property
    def store(self) -> Path:
        """Our database."""
        return self.path / "wa.db"

    @property
    def loopback(self) -> Path:
        """The stand-in server's database."""
        return self.path / "loopback.db"

    @property
    def session(self) -> Path:
        """The WhatsApp library's own keys; never opened for writing by us."""
        return self.path / "session.db"

    @property
    def session_lock(self) -> Path:
        """Held by the process that owns the connection."""
        return self.path / "session.lock"

    @property
    def migrate_lock(self) -> Path:
        """Held while the schema is made or changed."""
        return self.path / "migrate.lock"

    @property
    def backups(self) -> Path:
        """The directory of the backups that are kept here."""
        return self.path / "backups"

    @property
    def backup_lock(self) -> Path:
        """Held by whoever makes, removes or restores backups."""
        return self.path / "backup.lock"

    @property
    def socket(self) -> Path:
        """The datagram socket on which the owner is woken."""
        return self.path / "wa.sock"

    def prepare(self) -> None:
        """Create the directory, owner-only, or check that the one there is ours.

        Raises WaError `storage-error` where it cannot be used, and
        `bad-setting` where it is a directory that holds other things.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
        except FileExistsError:
            raise WaError(
                "bad-setting", f"WA_HOME={str(self.path)!r} is a file", "WA_HOME must be a directory"
            ) from None
        except OSError as error:
            raise storage_error(error, self.path) from error
        if found.st_uid != os.geteuid():
            raise WaError(
                "storage-error",
                f"{self.path} belongs to another user (uid {found.st_uid})",
                "run wa as that user, or set WA_HOME to a directory of your own",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            self._make_private()

    def _make_private(self) -> None:
        try:
            others = {entry.name for entry in self.path.iterdir()}
            if others and not others & _OURS:
                raise WaError(
                    "bad-setting",
                    f"WA_HOME={str(self.path)!r} is open to other users and holds other things",
                    "name a directory for wa alone, or one that does not exist yet",
                )
            self.path.chmod(0o700)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def has_room(self) -> bool:
        """Whether the disk has room for the records that sending a message makes."""
        return free_bytes(self.path) >= _NEEDED_FREE_BYTES


def free_bytes(folder: Path) -> int:
    """How much more the disk of a directory takes from us."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def storage_error(error: OSError, path: Path) -> WaError:
    """What an operating system's refusal means to the user."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = f"check that {path} is a place that can be written"
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = f"check who owns {path}: ls -ld {path}"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "free some disk space, then try again; nothing was half-written"
    elif error.errno == errno.EROFS:
        hint = "the disk is mounted read-only; set WA_HOME to a place that can be written"
    return WaError("storage-error", f"cannot use {path}: {reason}", hint)


class FileLock:
    """A flock on a file that is written in place, never renamed or unlinked.

    The kernel frees it when the process dies, so a stale file is never in the way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock; False where another process has it and `wait` is not set."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, self._path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        if not self._still_there(fd):  # somebody removed the file: that lock guards nothing
            os.close(fd)
            return self.acquire(wait=wait)
        self._fd = fd
        return True

    def _still_there(self, fd: int) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        held = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    @property
    def descriptor(self) -> int:
        """The open file, for a child that is to hold the lock too; only while holding it."""
        assert self._fd is not None  # noqa: S101
        return self._fd

    def write(self, data: dict[str, Any]) -> None:
        """Put `data` into the file as JSON; only while holding the lock."""
        assert self._fd is not None  # noqa: S101
        text = json.dumps(data).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def release(self) -> None:
        """Give the lock back, leaving the file."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
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


def describe_holder(holder: dict[str, Any]) -> str:
    """Who holds a lock, in words."""
    if "command" not in holder:
        return "another program"
    return f"`wa {holder['command']}` (pid {holder.get('pid')})"


def lock_holder(path: Path) -> dict[str, Any] | None:
    """What the holder of a lock wrote into it; None where nobody holds it.

    To find out, the lock is taken for an instant, shared: who wants it just
    then looks again a moment later.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        written = os.pread(fd, 4096, 0)
    finally:
        os.close(fd)
    try:
        holder = json.loads(written)
    except ValueError:  # the holder is just writing it
        return {}
    return holder if isinstance(holder, dict) else {}


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

    @property
    def fileno(self) -> int:
        """The end that signal.set_wakeup_fd may write to."""
        return self._inner_send.fileno()

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
