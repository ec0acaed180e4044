"""A process that has imported `wa` and forks for each `wa` process that a test starts: 5 ms instead of 150.

The server is a fresh interpreter with one thread, no module of pytest and no Go runtime. A forked process
is a child of the test process like any other: a test may wait for it and kill it, and chooses its streams,
working directory, environment, umask, session and signals. `Forked` is used like `subprocess.Popen`; where a
fork cannot meet the request, it starts the program itself.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = str(Path(sys.executable).parent / "wa")
PROGRAM = Path(__file__).with_name("forked_process.py")
CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of clone(2), by processor."""
IS_POSSIBLE = sys.platform == "linux" and platform.machine() in CLONE
REPLACED = ("neonize", "wa")
"""The packages of which PYTHONPATH may name another copy than the installed one."""
PACKAGES = {"mcp": "wa.mcp", "backup": "boto3"}
"""Commands that import large packages, which would make the forks of all others slower."""
MOST_FILES = 16
MOST_VARIABLES = 250
"""The variables that the environment of a forked process has room for."""
_POPEN = subprocess.Popen
"""It stays the same when a test puts `Forked` in its place."""
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "TYPER_")
"""Variables that an interpreter, its libraries or Typer read once, when they are loaded."""


class Server:
    """A fork server, as the test process uses it. It imports these packages too, which others leave out."""

    def __init__(self, env: dict[str, str], *packages: str) -> None:
        self._control, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        self._process = _POPEN(
            [sys.executable, str(PROGRAM), str(theirs.fileno()), *packages],
            env=env,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def fork(self, request: dict[str, Any], files: list[int]) -> int:
        """Start a process as a child of this one; return its id."""
        data = json.dumps(request).encode()
        with self._one_at_a_time:
            socket.send_fds(self._control, [struct.pack("!Q", len(data))], files)
            self._control.sendall(data)
            return int(struct.unpack("!Q", receive(self._control, 8))[0])

    def end(self) -> None:
        """End the server; its forked processes go on."""
        self._control.close()
        self._process.wait()


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A forked process, for `[WA, …]`, `[python, "-m", module, …]` and `[python, script, …]`."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        executable, preexec_fn, _, pass_fds, cwd, env, _, _, is_shell, *more = rest
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *special = more
        argv = [os.fsdecode(each) for each in args]
        asked = {os.fsdecode(name): os.fsdecode(value) for name, value in (env or os.environ).items()}
        program = _program(argv)
        server = _server_for(asked, argv[1:]) if program is not None else None
        # restore_signals, gid, gids, uid, umask, start_new_session, process_group (3.11)
        is_plain = special[1:5] == [None, None, None, -1] and special[6:] in ([], [-1])
        if (
            program is None
            or server is None
            or executable is not None
            or preexec_fn
            or is_shell
            or not is_plain
        ):
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        wanted = [p2cread, c2pwrite, errwrite]
        files = [fd if fd != -1 else number for number, fd in enumerate(wanted)]
        folder = os.open(cwd or ".", os.O_RDONLY | os.O_DIRECTORY)
        umask = os.umask(0)
        os.umask(umask)
        request = {
            **program,
            "env": asked,
            "umask": umask,
            "session": bool(special[5]),
            "files": [0, 1, 2, *pass_fds],
        }
        try:
            self.pid = server.fork(request, [folder, *files, *pass_fds])
        finally:
            os.close(folder)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def _program(argv: list[str]) -> dict[str, Any] | None:
    """Return the program that a fork has to run, None where a fork cannot run it."""
    if argv[0] == SCRIPT:
        return {"run": "wa", "name": SCRIPT, "argv": argv}
    if argv[0] == sys.executable and argv[1] == "-m":
        return {"run": "module", "name": argv[2], "argv": argv[2:]}
    if argv[0] == sys.executable and argv[1].endswith(".py"):
        return {"run": "path", "name": argv[1], "argv": argv[1:]}
    return None


def _at_start(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


_servers: dict[tuple[str, str], Server] = {}
_starting = threading.Lock()
_given = _at_start(dict(os.environ))


def _server_for(env: dict[str, str], args: list[str]) -> Server | None:
    """Return the server with this environment's neonize and wa, and with what `wa ARGS` imports.

    Return None if no fork can have the environment.
    """
    if not IS_POSSIBLE or {**_at_start(env), "PYTHONPATH": ""} != {**_given, "PYTHONPATH": ""}:
        return None
    sites = (path for path in module_path(env) if any(Path(path, name).is_dir() for name in REPLACED))
    site = os.pathsep.join(sites)
    package = next((PACKAGES[each] for each in args if each in PACKAGES), "")
    with _starting:  # threads of one test may start processes at once
        if (site, package) not in _servers:
            basic: dict[str, str] = {name: env[name] for name in ("PATH", "HOME") if name in env}
            room = {f"ROOM_{number}": "" for number in range(MOST_VARIABLES)}
            more = {**_at_start(env), **room, "PYTHONPATH": site}
            _servers[site, package] = Server({**basic, **more}, *filter(None, [package]))
        return _servers[site, package]


def module_path(env: Mapping[str, str]) -> list[str]:
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


def end_all() -> None:
    """End every server."""
    while _servers:
        _servers.popitem()[1].end()


def receive(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            raise EOFError("the other end has gone away")
        data += more
    return data
