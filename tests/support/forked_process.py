"""The server process of `fork_server`: its imports before a fork, and the run of a forked process."""

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
import platform
import runpy
import signal
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from fork_server import CLONE, MOST_FILES, MOST_VARIABLES, module_path, receive

CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
"""Flags of clone(2)."""
SIZE_OF_THREAD = 2048
"""The first bytes of the C library's description of a thread, among them its id."""
LARGE = ("wa.web", "wa.mcp")
"""Packages of long-running servers, whose libraries would double the memory that each fork has to copy."""
WARM = (
    "rich.console",
    "rich.table",
    "rich.text",
    "phonenumbers.phonenumberutil",
    "dotenv.parser",
    "zstandard",
)
"""Modules that commands import when they need them."""
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
    "multiprocessing.connection",
    "phonenumbers",
)
"""Modules that neonize imports beside its library."""
MESSAGES = (
    "Neonize_pb2",
    "waAICommon.WAWebProtobufsAICommon_pb2",
    "waCompanionReg.WAWebProtobufsCompanionReg_pb2",
    "waConsumerApplication.WAConsumerApplication_pb2",
    "waE2E.WAWebProtobufsE2E_pb2",
    "waMsgApplication.WAMsgApplication_pb2",
)


def warm_up(*packages: str) -> None:
    """Import `wa` with these packages, its late imports, and what of neonize needs no library."""
    import wa

    left_out = tuple(f"{name}." for name in LARGE if name not in packages)
    ours = [each.name for each in pkgutil.walk_packages(wa.__path__, "wa.") if each.name != "wa.__main__"]
    for name in [*(name for name in ours if not name.startswith(left_out)), *WARM, *RELAY_NEEDS]:
        importlib.import_module(name)
    if module_path(os.environ):
        for name in NEONIZE_NEEDS:
            with suppress(ImportError):
                importlib.import_module(name)
        _warm_messages()
    if "boto3" in packages:
        import boto3

        # a session of its own, which imports what each client needs
        boto3.session.Session("ID", "SECRET").client("s3", "us-east-1", endpoint_url="http://127.0.0.1")
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


def _warm_messages() -> None:
    """Import neonize's messages without neonize itself, which would load the library."""
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
    """Fork for each request; return the request, in the new process alone."""
    place = _place_of_thread_id()
    while True:
        head, files, _, _ = socket.recv_fds(control, 8, MOST_FILES)
        if not head:
            os._exit(0)
        request = json.loads(receive(control, struct.unpack("!Q", head)[0]))
        if made := _fork_beside(place):
            control.sendall(struct.pack("!Q", made))
            for each in files:
                os.close(each)
            continue
        control.close()
        _become(request, files)
        return dict(request)


def _fork_beside(place: int) -> int:
    """Fork as `os.fork` does, but make the new process a child of our parent, which is the test process.

    With two forks and an orphan for that, each process would take 9 ms and not 5.
    """
    number = CLONE[platform.machine()]
    flags = CLONE_PARENT | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | signal.SIGCHLD
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # the order of the last two differs between processors, and one of them is not used here
    made = python.syscall(*map(ctypes.c_long, (number, flags, 0, 0, place, place)))
    (python.PyOS_AfterFork_Parent if made else python.PyOS_AfterFork_Child)()
    if made < 0:
        raise OSError("clone failed")
    return int(made)


def _place_of_thread_id() -> int:
    """Return the address where the C library keeps the id of this thread; its own fork renews it there."""
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_void_p
    first = library.pthread_self()
    places = range(first, first + SIZE_OF_THREAD, 4)
    return next(each for each in places if ctypes.c_int.from_address(each).value == os.getpid())


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Set up this process as requested: streams, directory, environment, signals."""
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
    """Write an environment over the server's own in memory, because a Go library reads it there."""
    assert len(env) <= MOST_VARIABLES
    argv = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "_dl_argv")
    first = next(number for number in count() if argv[number] is None) + 1
    for number, (name, value) in enumerate(env.items(), first):
        _kept.append(ctypes.create_string_buffer(os.fsencode(f"{name}={value}")))
        argv[number] = ctypes.cast(_kept[-1], ctypes.c_char_p)
    argv[first + len(env)] = None


_kept: list[Any] = []


def run(request: dict[str, Any]) -> None:
    """Run the requested program, as the interpreter would."""
    name = request["name"]
    first = os.getcwd() if request["run"] == "module" else str(Path(name).parent)
    sys.path[:] = [first, *module_path(os.environ), *sys.path]
    if request["run"] == "wa":
        from wa.__main__ import main

        main()
    elif request["run"] == "module":
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")


def leave(code: Any) -> None:
    """End as the interpreter would, but without freeing memory; return if the interpreter must end it."""
    if threading.active_count() > 1 or not isinstance(code, (int, type(None))):
        return
    with suppress(Exception):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code or 0) & 0xFF)


if __name__ == "__main__":
    signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGINT]
    )  # a Ctrl-C in the tests is not meant for this process
    del sys.path[0]
    warm_up(*sys.argv[2:])
    sys.path[:] = [path for path in sys.path if path not in module_path(os.environ)]
    try:
        run(serve(socket.socket(fileno=int(sys.argv[1]))))
    except SystemExit as end:
        leave(end.code)
        raise
