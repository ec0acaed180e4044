"""A process that has imported `wa` and forks for each `wa` process that a test starts: 10 ms instead of 150.

The server is a fresh interpreter, with nothing of pytest in it, one thread, and no Go runtime. What it forks
is a child of the test process like any other: it may be waited for and killed, and its streams, working
directory, environment, umask, session and signals are those that were asked for. `Forked` is used like
`subprocess.Popen`; where a fork cannot be what was asked for, it starts the program itself.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import importlib.machinery
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

SCRIPT = str(Path(sys.executable).parent / "wa")
IS_POSSIBLE = sys.platform == "linux"
BECOME_REAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): orphans among our descendants become our children."""
MOST_FILES = 16
MOST_VARIABLES = 250
"""The variables that the environment of a forked process has room for."""
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "TYPER_")
"""Variables that an interpreter, its libraries or Typer read once, when they are loaded."""


class Server:
    """The test process's end."""

    def __init__(self, env: dict[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=env,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def fork(self, request: dict[str, Any], files: list[int]) -> int:
        """Start a process; its id. It is a child of this process."""
        data = json.dumps(request).encode()
        with self._one_at_a_time:
            _become_reaper(True)
            try:
                socket.send_fds(self._control, [struct.pack("!Q", len(data))], files)
                self._control.sendall(data)
                reply = _receive(self._control, 9)  # the last byte: the process between us has gone
            finally:
                _become_reaper(False)
        return int(struct.unpack("!Qc", reply)[0])

    def end(self) -> None:
        """End the server; what it has forked is not touched."""
        self._control.close()
        self._process.wait()


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A process that is forked, for `[WA, …]`, `[python, "-m", module, …]` and `[python, script, …]`."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        executable, preexec_fn, _, pass_fds, cwd, env, _, _, is_shell, *more = rest
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *special = more
        argv = [os.fsdecode(each) for each in args]
        asked = {os.fsdecode(name): os.fsdecode(value) for name, value in (env or os.environ).items()}
        program = _program(argv)
        server = _server_for(asked) if program is not None else None
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
    """What a fork has to run, None where it cannot."""
    if argv[0] == SCRIPT:
        return {"run": "wa", "name": SCRIPT, "argv": argv}
    if argv[0] == sys.executable and argv[1] == "-m":
        return {"run": "module", "name": argv[2], "argv": argv[2:]}
    if argv[0] == sys.executable and argv[1].endswith(".py"):
        return {"run": "path", "name": argv[1], "argv": argv[1:]}
    return None


def _at_start(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_READ_AT_START)}


_servers: dict[str, Server] = {}
_given = _at_start(dict(os.environ))


def _server_for(env: dict[str, str]) -> Server | None:
    """The server that has the neonize of this environment, None where a fork would not be true to it."""
    if not IS_POSSIBLE or {**_at_start(env), "PYTHONPATH": ""} != {**_given, "PYTHONPATH": ""}:
        return None
    site = next((path for path in _module_path(env) if Path(path, "neonize").is_dir()), "")
    if site not in _servers:
        basic: dict[str, str] = {name: env[name] for name in ("PATH", "HOME") if name in env}
        room = {f"ROOM_{number}": "" for number in range(MOST_VARIABLES)}
        _servers[site] = Server({**basic, **_at_start(env), **room, "PYTHONPATH": site})
    return _servers[site]


def _module_path(env: Mapping[str, str]) -> list[str]:
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


def end_all() -> None:
    """End every server."""
    while _servers:
        _servers.popitem()[1].end()


def _become_reaper(yes: bool) -> None:
    ctypes.CDLL(None).prctl(BECOME_REAPER, int(yes), 0, 0, 0)


def _receive(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            raise EOFError("the other end has gone away")
        data += more
    return data


# ── The server's own side ───────────────────────────────────────────────────────────────────────────────

WARM = (
    "rich.console",
    "rich.table",
    "rich.text",
    "phonenumbers.phonenumberutil",
    "dotenv.parser",
    "zstandard",
)
"""What commands import when they need it."""
RELAY_NEEDS = (
    "asyncio",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.x509",
    "google.protobuf.json_format",
    "websockets.asyncio.server",
)
NEONIZE_NEEDS = (
    "PIL.Image",
    "asyncio",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "google.protobuf.json_format",
    "httpx",
    "linkpreview",
    "magic",
    "multiprocessing.connection",
    "phonenumbers",
    "segno",
    "tqdm",
)
"""What neonize imports beside its library."""
MESSAGES = (
    "Neonize_pb2",
    "waAICommon.WAWebProtobufsAICommon_pb2",
    "waCompanionReg.WAWebProtobufsCompanionReg_pb2",
    "waConsumerApplication.WAConsumerApplication_pb2",
    "waE2E.WAWebProtobufsE2E_pb2",
    "waMsgApplication.WAMsgApplication_pb2",
)


def warm_up() -> None:
    """Import all of `wa` and what it imports late, and of neonize what does not need its library."""
    import wa

    ours = [each.name for each in pkgutil.walk_packages(wa.__path__, "wa.") if each.name != "wa.__main__"]
    for name in [*ours, *WARM, *RELAY_NEEDS]:
        importlib.import_module(name)
    if _module_path(os.environ):
        for name in NEONIZE_NEEDS:
            with suppress(ImportError):
                importlib.import_module(name)
        _warm_messages()
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


def _warm_messages() -> None:
    """Import neonize's messages without neonize, which would load the library."""
    spec = importlib.machinery.PathFinder.find_spec("neonize")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = ModuleType("neonize")
    package.__path__ = spec.submodule_search_locations
    sys.modules["neonize"] = package
    for name in MESSAGES:
        importlib.import_module(f"neonize.proto.{name}")
    del sys.modules["neonize"]


def serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each request; return it, in the new process alone."""
    while True:
        head, files, _, _ = socket.recv_fds(control, 8, MOST_FILES)
        if not head:
            os._exit(0)
        request = json.loads(_receive(control, struct.unpack("!Q", head)[0]))
        between = os.fork()
        if not between:
            if made := os.fork():
                control.sendall(struct.pack("!Q", made))
                os._exit(0)
            control.close()
            _become(request, files)
            return dict(request)
        os.waitpid(between, 0)
        control.sendall(b".")
        for each in files:
            os.close(each)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Be in this process what was asked for."""
    if request["session"]:
        os.setsid()
    os.fchdir(files[0])
    os.close(files[0])
    above = max(*request["files"], *files) + 1
    for number, source in enumerate(files[1:], above):
        os.dup2(source, number)
        os.close(source)
    for number, target in enumerate(request["files"], above):
        os.dup2(number, target)
        os.close(number)
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["env"])
    _write_first_environment(request["env"])
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        like = getattr(sys, name)
        mode, size = ("wb", 0 if like.write_through else -1) if number else ("rb", -1)
        raw: Any = open(number, mode, size, closefd=False)  # noqa: SIM115
        lines = (number == 2 or raw.isatty()) and not like.write_through
        made = io.TextIOWrapper(raw, like.encoding, like.errors, None, lines, like.write_through)
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    sys.argv = request["argv"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _write_first_environment(env: dict[str, str]) -> None:
    """Write an environment to where the kernel put that of the server: there a Go library looks for it."""
    assert len(env) <= MOST_VARIABLES
    argv = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "_dl_argv")
    first = next(number for number in count() if argv[number] is None) + 1
    for number, (name, value) in enumerate(env.items(), first):
        _kept.append(ctypes.create_string_buffer(os.fsencode(f"{name}={value}")))
        argv[number] = ctypes.cast(_kept[-1], ctypes.c_char_p)
    argv[first + len(env)] = None


_kept: list[Any] = []


def run(request: dict[str, Any]) -> None:
    """Run what was asked for, as the interpreter would."""
    name = request["name"]
    first = os.getcwd() if request["run"] == "module" else str(Path(name).parent)
    sys.path[:] = [first, *_module_path(os.environ), *sys.path]
    if request["run"] == "wa":
        from wa.__main__ import main

        main()
    elif request["run"] == "module":
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")


def leave(code: Any) -> None:
    """End as the interpreter would, but leave the memory to the system; return where that is not enough."""
    if threading.active_count() > 1 or not isinstance(code, (int, type(None))):
        return
    with suppress(Exception):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code or 0) & 0xFF)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a Ctrl-C at the tests is not for us
    del sys.path[0]
    warm_up()
    sys.path[:] = [path for path in sys.path if path not in _module_path(os.environ)]
    try:
        run(serve(socket.socket(fileno=int(sys.argv[1]))))
    except SystemExit as end:
        leave(end.code)
        raise
