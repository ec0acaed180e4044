"""Fixtures: a home of its own for every test, the command line in process and in processes of its own."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dealing import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from fork_server import Forked, end_all
from hypothesis import HealthCheck, settings

from wa.cli import main as cli
from wa.cli.context import App
from wa.connection.context import system_now
from wa.connection.hold import serve
from wa.queue.send import Scope
from wa.store.database import Store
from wa.store.open import open_store
from wa.store.paths import Home
from wa.whatsapp.loopback.server import Loopback

WA = str(Path(sys.executable).parent / "wa")
TESTS = Path(__file__).parent
HELPERS = os.pathsep.join([str(TESTS), str(TESTS / "support")])
"""PYTHONPATH for a program that imports the helpers of the tests."""
MEMORY_BYTES = 2 * 1024**3
"""Room that scratch folders in memory must have; a run takes a quarter of it."""
REEM = "447700900123"
REEM_JID = "447700900123@s.whatsapp.net"
ADAM = "447700900456"
ADAM_JID = "447700900456@s.whatsapp.net"

# How long an example takes is the machine's. Only the soak draws others each time.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=os.environ.get("EXAMPLES") != "all",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


@dataclass
class Result:
    """The result of a command: exit code, output, errors."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the one JSON value on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Return the error object in the last line of stderr."""
        return json.loads(self.err.splitlines()[-1])["error"]


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, at: str = "2026-11-20T12:00:00") -> None:
        self.at = datetime.fromisoformat(at).replace(tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **delta: float) -> None:
        """Move the clock, forward or back."""
        self.at += timedelta(**delta)


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Stdin(io.TextIOWrapper):
    def isatty(self) -> bool:
        return False


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once and copied into the home of each test."""
    made = Home(tmp_path_factory.mktemp("empty") / "home")
    made.prepare()
    open_store(made).close()
    return made.store


@pytest.fixture
def home_at(empty_store: Path) -> Callable[[Path], Home]:
    """Make a home with an empty store at a path, a tenth of the work that its first command would have."""

    def make(path: Path) -> Home:
        made = Home(path)
        path.mkdir(mode=0o700)
        shutil.copyfile(empty_store, made.store)
        made.store.chmod(0o600)
        return made

    return make


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home_at: Callable[[Path], Home],
) -> Home:
    """A WA_HOME on loopback that holds an empty store, with no pause between two sends.

    With the mark `no_home` there is no home yet: the test is about how it is made.
    """
    for name in [name for name in os.environ if name.startswith(("WA_", "B2_", "API_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WA_TRANSPORT", "loopback")
    monkeypatch.setenv("WA_TZ", "Europe/London")
    monkeypatch.setenv("WA_SEND_SPACING", "0")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    path = tmp_path / "home"
    return Home(path) if request.node.get_closest_marker("no_home") else home_at(path)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """An open store in the home of this test."""
    home.prepare()
    opened = open_store(home)
    yield opened
    opened.close()


@pytest.fixture
def wa(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command line in this process: `wa("send", "447700900123", "Hello", now=clock)`.

    With `terminal`, its columns and lines, standard output is a terminal.
    """

    def run(
        *args: str,
        stdin: str | bytes = "",
        now: Callable[[], datetime] = system_now,
        terminal: tuple[int, int] | None = None,
        **env: str,
    ) -> Result:
        out, err = io.StringIO() if terminal is None else _Screen(), io.StringIO()
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", _Stdin(io.BytesIO(data), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            for name, size in zip(("COLUMNS", "LINES"), terminal or (), strict=False):
                patch.setenv(name, str(size))
            app = App(environ={**os.environ, **env}, now=now)
            code = cli.run(args, app)
        return Result(int(code), out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def port() -> Iterator[int]:
    """A port of 127.0.0.1 for a server that has to be told one: nobody else is given it meanwhile."""
    with socket.socket() as kept:  # bound, and it does not listen
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


class Process:
    """A `wa` process of its own, killed at the end of the test at the latest."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.pid = popen.pid

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.popen.kill()
        self.finish()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def suspend(self) -> None:
        """Send SIGSTOP, and wait until all of its threads stand still: one may run on for a moment."""
        self.signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        wait_for(lambda: all(") T " in each.read_text() for each in threads.glob("*/stat")), what="the stop")

    def finish(self, timeout: float = 60) -> Result:
        """Wait for the end; return the result."""
        out, err = self.popen.communicate(timeout=timeout)
        return Result(self.popen.returncode, out, err)


@pytest.fixture
def spawn(request: pytest.FixtureRequest) -> Iterator[Callable[..., Process]]:
    """Start `wa ARGS` in a process of its own; `program` names another one to start.

    The process is forked from one that has imported `wa`; with the mark `console_script` it runs the script.
    """
    started: list[Process] = []
    kind = subprocess.Popen if request.node.get_closest_marker("console_script") else Forked

    def start(*args: str, program: list[str] | None = None, stdin: str | None = None, **env: str) -> Process:
        popen = kind(
            [*(program or [WA]), *args],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        if stdin is not None:
            assert popen.stdin is not None
            popen.stdin.write(stdin)
            popen.stdin.close()
            popen.stdin = None
        started.append(Process(popen))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()


@pytest.fixture
def shell(spawn: Callable[..., Process]) -> Callable[..., Result]:
    """Run `wa ARGS` in a process of its own to its end."""

    def run(*args: str, **options: Any) -> Result:
        return spawn(*args, **options).finish()

    return run


def pytest_configure() -> None:
    """Put scratch folders in memory where there is room; let signals end the processes that we start.

    A shell starts background processes with SIGINT ignored, nohup with SIGHUP; their children inherit that.
    They would also inherit the size of a terminal, which readline exports once it is imported.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_finish() -> None:
    """Leave the collected tests, which live to the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """End the processes that `spawn` forks from."""
    end_all()


def wait_for(condition: Callable[[], Any], timeout: float = 30, what: str = "the condition") -> Any:
    """Return the first true value of `condition()`; fail the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)
    return value


def over_once(when: Callable[[], Any]) -> SimpleNamespace:
    """Return a `time` for a module that waits. Once `when()` is true, it is an hour later.

    The first look is the begin of the wait, whatever is true by then.
    """
    looks = 0

    def monotonic() -> float:
        nonlocal looks
        looks += 1
        return time.monotonic() + (3600 if looks > 1 and when() else 0)

    return SimpleNamespace(monotonic=monotonic)


def is_owned(home: Home) -> bool:
    """Return whether a process holds the connection; it may still be connecting."""
    from wa.store.locks import lock_holder

    return bool(lock_holder(home.session_lock))


def is_connected(home: Home) -> bool:
    """Return whether a process holds the connection and is connected."""
    from wa.store.locks import lock_holder

    return (lock_holder(home.session_lock) or {}).get("connection") == "connected"


def own(clock: Callable[[], datetime], until: Callable[[], Any], scope: Scope = Scope.ALL) -> None:
    """Hold the connection in this process until `until()`."""
    app = App(environ=dict(os.environ), now=clock)
    deadline = time.monotonic() + 30

    def over(_: object) -> bool:
        assert time.monotonic() < deadline, "what was waited for did not happen"
        return bool(until())

    try:
        serve(app.context, "run-scheduler", scope, over)
    finally:
        app.close()


def delivered(home: Home) -> list[str]:
    """Return the texts that the stand-in accepted, in order."""
    server = Loopback(home)
    try:
        return [row["content"] for row in server.delivered()]
    finally:
        server.close()


__all__ = [
    "ADAM",
    "ADAM_JID",
    "HELPERS",
    "REEM",
    "REEM_JID",
    "TESTS",
    "WA",
    "FakeClock",
    "Process",
    "Result",
    "delivered",
    "is_connected",
    "is_owned",
    "over_once",
    "own",
    "pytest_collection_modifyitems",
    "pytest_xdist_make_scheduler",
    "wait_for",
]
