"""`wa` with the real library, as its user runs it: each command is a process; the relay plays WhatsApp.

The fixtures are in `linked_fixture`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import WA, Result, wait_for
from fork_server import Forked
from relay.driver import Person, Relay

from wa.errors import ExitStatus
from wa.store.locks import lock_holder
from wa.store.paths import Home

CONNECTS_WITHIN = 30.0
ENDS_WITHIN = 20.0
DAY = 86_400


def memory_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in memory if possible, because a session database waits mostly for its disk."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


class Command:
    """A `wa` process; its output goes to files, so that a test can read it while the process runs."""

    def __init__(self, args: list[str], env: dict[str, str], folder: Path, stdin: str = "", **options: Any):
        self._out, self._err = (Path(tempfile.mkstemp(dir=folder)[1]) for _ in range(2))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = Forked(
                args, stdin=subprocess.PIPE, stdout=out, stderr=err, env=env, cwd=folder, **options
            )
        assert self.popen.stdin
        self.popen.stdin.write(stdin.encode())
        self.popen.stdin.close()
        self.pid = self.popen.pid

    @property
    def out(self) -> str:
        """Return the text on stdout so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """Return the text on stderr so far."""
        return self._err.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the complete lines of stdout; each has to be a JSON object."""
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that a listener has printed, without edits, receipts and other events."""
        return [each for each in self.events if "event" not in each]

    def event(self, check: Callable[[dict[str, Any]], Any], timeout: float = CONNECTS_WITHIN) -> Any:
        """Wait for the first JSON object on stdout that passes the check and has its keys; return it."""

        def passes(event: dict[str, Any]) -> Any:
            try:
                return check(event)
            except KeyError:  # a line of another kind
                return False

        what = f"the line wanted of `{' '.join(self.popen.args[1:])}`"
        return self.wait(lambda: next(filter(passes, self.events), None), what, timeout)

    def says(self, text: str, timeout: float = CONNECTS_WITHIN) -> None:
        """Wait until this text is on stderr."""
        self.wait(lambda: text in self.err, repr(text), timeout)

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = CONNECTS_WITHIN) -> Any:
        """Wait for an effect of the command; if the command ends before, fail and show its output."""

        def look() -> Any:
            is_over = self.popen.poll() is not None
            found = condition()
            assert found or not is_over, f"no {what}, but {self.popen.returncode}: {self.out}{self.err}"
            return found

        return wait_for(look, timeout, what)

    def finish(self, timeout: float = 60) -> Result:
        """Wait for the end; return the result."""
        self.popen.wait(timeout)
        return Result(self.popen.returncode, self.out, self.err)

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = ENDS_WITHIN) -> Result:
        """Send a signal, and wait for the end; return the result."""
        self.popen.send_signal(number)
        return self.finish(within)

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.popen.kill()
        self.popen.wait()


class Device:
    """A home, and the commands that run in it."""

    def __init__(self, relay: Relay, path: Path) -> None:
        self.relay, self.home = relay, Home(path)
        self._folder = path.parent
        self._started: list[Command] = []
        self._listener: Command | None = None

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of its processes: the relay alone, and this home."""
        ours = ("WA_", "B2_", "API_")
        there = {name: value for name, value in self.relay.environment().items() if not name.startswith(ours)}
        home = {"WA_HOME": str(self.home.path), "WA_TRANSPORT": "neonize", "WA_TZ": "Europe/London"}
        return {**there, **home, "WA_SEND_SPACING": "0", **settings}

    def start(
        self,
        *args: str,
        stdin: str = "",
        options: dict[str, Any] | None = None,
        program: list[str] | None = None,
        **env: str,
    ) -> Command:
        """Start `wa ARGS`; `program` names another one to start."""
        words, env = [*(program or [WA]), *args], self.environment(**env)
        made = Command(words, env, self._folder, stdin, **(options or {}))
        self._started.append(made)
        return made

    def run(self, *args: str, **options: Any) -> Result:
        """Run `wa ARGS` to its end; return the result."""
        return self.start(*args, **options).finish()

    def ok(self, *args: str, note: str = "", **options: Any) -> str:
        """Run a command that must succeed, and print a note with this text alone on stderr; return stdout."""
        done = self.run(*args, **options)
        assert (done.code, len(done.err.splitlines())) == (0, bool(note)), (args, done)
        assert note in done.err, (args, done)
        return done.out

    def json(self, *args: str, **options: Any) -> Any:
        """Run such a command with --json; return the one JSON value that it prints."""
        return json.loads(self.ok(*args, "--json", **options))

    def link(self, person: Person, *args: str, **options: Any) -> list[dict[str, Any]]:
        """Link the home to the account of a person, who scans the code; return the events."""
        command = self.start("link", "--json", *args, **options)
        person.scan(command.event(lambda event: event["event"] == "qr")["code"])
        done = command.finish()
        assert (done.code, done.err) == (0, ""), done
        return command.events

    def listen(self, *args: str, **env: str) -> Command:
        """Start a listener, and return when it is connected."""
        listener = self.start("listen", "--json", *args, **env)
        listener.says("connected")
        return listener

    def listening(self, *options: str) -> Command:
        """Return the listener that tests share; start it, with these options of `wa`, if it does not run."""
        if self._listener is None or self._listener.popen.poll() is not None:
            self._listener = self.start(*options, "listen", "--json")
            self._listener.says("connected")
        return self._listener

    def alone(self) -> None:
        """Make sure that no process holds the connection."""
        if self._listener is not None and self._listener.popen.poll() is None:
            done = self._listener.stop()
            assert done.code == 0, done
        self._listener = None
        assert not self.is_held

    @property
    def is_held(self) -> bool:
        """Return whether a process holds the connection."""
        return lock_holder(self.home.session_lock) is not None

    def queue(self, text: str) -> dict[str, Any]:
        """Return the one row of the queue with that text."""
        (row,) = [row for row in self.json("schedule", "list", "--status", "all") if row["message"] == text]
        return dict(row)

    def chat(self, chat: Person | str) -> list[dict[str, Any]]:
        """Return the messages of a chat, oldest first; none while the chat does not exist."""
        done = self.run("read", chat if isinstance(chat, str) else chat.number, "--json")
        if done.code == ExitStatus.NOT_FOUND:
            return []
        note = "" if done.json else "no messages there\n"  # a group is known before its first message
        assert (done.code, done.err) == (0, note), done
        return list(done.json)

    def end(self) -> None:
        """Kill every process that still runs."""
        for each in self._started:
            if each.popen.poll() is None:
                each.kill()


class Silence:
    """A server that accepts connections and never answers."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self._sockets[0].settimeout(CONNECTS_WITHIN)
        self.settings = {"HTTPS_PROXY": f"http://127.0.0.1:{self._sockets[0].getsockname()[1]}"}
        """The settings with which `wa` connects to this server in place of WhatsApp."""

    def wait_for_a_knock(self) -> None:
        """Wait until a client connects."""
        self._sockets.append(self._sockets[0].accept()[0])

    def close(self) -> None:
        """Close the server."""
        for each in self._sockets:
            each.close()


def past(chat: Person, count: int = 1, age: int = DAY, **more: Any) -> list[dict[str, Any]]:
    """Return a history with one person: `count` messages, a minute apart, the newest `age` seconds old."""
    newest = int(time.time()) - age
    return [
        {
            "chat": chat.pn,
            "id": f"OLD-{chat.number}-{age}-{number}",
            "from_me": bool(number % 2),
            "text": f"old {number} of {chat.name}",
            "t": newest - 60 * number,
            **more,
        }
        for number in range(count)
    ]


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def is_running(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
