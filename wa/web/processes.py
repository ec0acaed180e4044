"""The socket to listen on, and what Linux tells of processes: memory, processor, who has a port."""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from wa.errors import WaError

_PROC = Path("/proc")
_LISTENING = "0A"
_WAITING = 128
"""Connections that may wait to be accepted."""


def memory_of(pid: int) -> str | None:
    """Return the memory of a process, such as `84MB`; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        return f"{pages * os.sysconf('SC_PAGE_SIZE') / 1_000_000:.0f}MB"
    return None


def cpu_of(pid: int) -> str | None:
    """Return the part of the time since its start that a process was on a processor, such as `0.3%`."""
    with suppress(OSError, ValueError, IndexError, ZeroDivisionError):
        values = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        busy, began = (int(values[11]) + int(values[12])) / ticks, int(values[19]) / ticks
        return f"{100 * busy / (float((_PROC / 'uptime').read_text().split()[0]) - began):.1f}%"
    return None


def listener_on(port: int) -> str | None:
    """Return the process that listens on a TCP port, in words; None where that is not known."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for folder in _PROC.glob("[0-9]*/fd") if wanted else ():
        with suppress(OSError):
            if any(os.readlink(each) in wanted for each in folder.iterdir()):
                words = (folder.parent / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                return f"`{' '.join(words).strip()[:80]}` (pid {folder.parent.name})"
    return None


def _inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                if re.fullmatch(rf"[0-9A-F]+:{port:04X}", words[1]) and words[3] == _LISTENING:
                    found.add(words[9])
    return found


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address.

    Raise WaError `in-use` for a port that another process has, and `bad-setting` for an address that is not
    this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _not_ours(host, error) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise _not_ours(host, error) from error
        holder = listener_on(port) or "another program"
        message = f"port {port} is taken by {holder}"
        raise WaError("in-use", message, "stop it, or choose another port with --port") from error
    made.listen(_WAITING)
    return made


def _not_ours(host: str, error: OSError) -> WaError:
    hint = "--host names an address of this machine; a port below 1024 wants root"
    return WaError("bad-setting", f"cannot listen on {host}: {error.strerror or error}", hint)
