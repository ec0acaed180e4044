"""A forked process is like a process of its own: streams, environment, signals, exit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import WA, Process, Result, wait_for
from fork_server import IS_POSSIBLE, Forked

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="what forks needs Linux")
KINDS = (subprocess.Popen, Forked)
LOOK = """
import json, os, signal, sys, threading
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "umask": os.umask(0), "env": dict(os.environ),
    "files": [fd for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{fd}")
              and not os.readlink(f"/proc/self/fd/{fd}").startswith("/proc")],
    "parent": os.getppid(), "group": os.getpgrp() == os.getpid(), "session": os.getsid(0) == os.getpid(),
    "threads": threading.active_count(), "stdin": sys.stdin.read(),
    "SIGINT": str(signal.getsignal(signal.SIGINT)).split(" at ")[0],
    "SIGTERM": str(signal.getsignal(signal.SIGTERM)), "SIGPIPE": str(signal.getsignal(signal.SIGPIPE)),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "path": sys.path, "name": __name__, "encoding": [each.encoding for each in (sys.stdin, sys.stdout)],
    "errors": [each.errors for each in (sys.stdin, sys.stdout, sys.stderr)],
    "buffering": [each.line_buffering for each in (sys.stdin, sys.stdout, sys.stderr)],
}))
"""


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Start a script that prints its surroundings."""
    script = tmp_path / "look.py"
    script.write_text(LOOK)

    def run(kind: type, *args: str, **options: Any) -> dict[str, Any]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started = kind(
            [sys.executable, str(script), *args], text=True, **{**pipes, "env": dict(os.environ), **options}
        )
        out, err = started.communicate("what is typed", timeout=30)
        assert (started.returncode, err) == (0, "")
        return dict(json.loads(out))

    return run


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cwd": "/"},
        {"start_new_session": True},
        {"env": {**os.environ, "TZ": "Asia/Tokyo", "NAME": "with ünïcode and \udcff"}},
        {"env": {"PATH": os.environ["PATH"]}},
    ],
    ids=["plain", "cwd", "session", "env", "bare env"],
)
def test_a_fork_has_the_surroundings_of_a_process_of_its_own(look, options):
    own, forked = (look(kind, "one", "-two", "dreié", **options) for kind in KINDS)
    assert forked == own
    assert own["parent"] == os.getpid()


def test_a_fork_has_the_umask_and_ignored_signals_of_the_caller(look):
    look(Forked)
    umask = os.umask(0o027)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        seen = look(Forked)
    finally:
        signal.signal(signal.SIGINT, before)
        os.umask(umask)
    assert seen["umask"] == 0o027
    assert "default_int_handler" in seen["SIGINT"]


def test_file_descriptors_are_passed_under_their_numbers(tmp_path):
    script = tmp_path / "write.py"
    script.write_text("import os, sys\nos.write(int(sys.argv[1]), b'through')\n")
    ours, theirs = os.pipe()
    started = Forked([sys.executable, str(script), str(theirs)], pass_fds=[theirs])
    os.close(theirs)
    assert started.wait(30) == 0
    assert os.read(ours, 100) == b"through"
    os.close(ours)


@pytest.mark.parametrize(
    ("code", "ends_with"),
    [
        ("", 0),
        ("sys.exit(7)", 7),
        ("sys.exit(300)", 300 & 0xFF),
        ("sys.exit('a word')", 1),
        ("raise SystemExit", 0),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        (
            "os.close(1); os.open('/dev/full', os.O_WRONLY); print('lost')",
            1 if os.environ.get("PYTHONUNBUFFERED") else 120,
        ),
        ("import atexit; atexit.register(print, 'at the end'); sys.exit(3)", 3),
        ("import threading, time; threading.Thread(target=lambda: print('late')).start(); sys.exit(4)", 4),
    ],
)
def test_a_fork_ends_as_a_process_of_its_own_does(tmp_path, code, ends_with):
    script = tmp_path / "end.py"
    script.write_text(f"import os, signal, sys\nprint('said')\n{code}\n")
    ends = []
    for kind in KINDS:
        started = kind(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, err = started.communicate(timeout=30)
        ends.append((started.returncode, out, err.splitlines()[-1:]))
    assert ends[0] == ends[1]
    assert ends[1][0] == ends_with


def test_a_killed_fork_is_our_child_to_wait_for(spawn: Callable[..., Process]):
    listener = spawn("listen")
    assert listener.popen.stderr
    listener.popen.stderr.readline()

    listener.kill()

    assert listener.popen.returncode == -signal.SIGKILL


def test_a_signal_right_after_the_start_ends_a_fork(spawn: Callable[..., Process]):
    for _ in range(10):
        started = spawn("listen")
        started.signal(signal.SIGINT)
        result = started.finish(timeout=20)
        assert result.code in (130, -signal.SIGINT), result


def test_a_fork_holds_no_module_of_the_tests_and_no_go_runtime(tmp_path):
    script = tmp_path / "modules.py"
    script.write_text("import os, sys\nprint(*sys.modules)\nprint(len(os.listdir('/proc/self/task')))\n")
    started = Forked([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    modules, threads = started.communicate(timeout=30)[0].splitlines()
    assert "wa.cli.main" in modules.split()
    assert not {"pytest", "_pytest", "conftest", "neonize", "boto3"} & set(modules.split())
    assert threads == "1"


def test_two_forks_have_different_random_numbers(tmp_path):
    script = tmp_path / "luck.py"
    script.write_text("import random\nprint(random.random())\n")
    drawn = [
        Forked([sys.executable, str(script)], stdout=subprocess.PIPE, text=True).communicate(timeout=30)[0]
        for _ in range(2)
    ]
    assert drawn[0] != drawn[1]


def test_a_process_that_cannot_be_forked_is_started_directly(shell: Callable[..., Result]):
    assert shell("--version", PYTHONUTF8="1").out == shell("--version").out
    assert shell(program=[WA, "--version"]).code == 0


@pytest.mark.console_script
def test_with_the_mark_console_script_the_installed_script_runs(spawn: Callable[..., Process]):
    started = spawn("listen")
    wait_for(lambda: WA in Path(f"/proc/{started.pid}/cmdline").read_text())
