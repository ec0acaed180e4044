"""A neonize transport in a process of its own: the library reads its environment when it is loaded.

`RemoteTransport` is used like any transport; handlers are called in this process. Run as a
program, it is the process with the library.
"""

from __future__ import annotations

import itertools
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fork_server import Forked

from wa.store.paths import Home
from wa.whatsapp.events import Account, Event
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.transport import (
    Accepted,
    Change,
    Downloaded,
    Evidence,
    Handlers,
    OlderThan,
    Outgoing,
    ReadMark,
)

ENDS_WITHIN = 20.0


class Died(Exception):
    """The process of the transport ended."""


class RemoteTransport:
    """A transport whose calls are made in another process."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        support = str(Path(__file__).parent)
        environment = {**environment, "PYTHONPATH": environment["PYTHONPATH"] + os.pathsep + support}
        self.process = Forked(
            [sys.executable, "-m", "neonize_process", str(home), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._writing = threading.Lock()
        self._numbers = itertools.count()
        self._replies: dict[int, queue.Queue[tuple[bool, Any]]] = {}
        self._handlers: Handlers | None = None
        self._heard: queue.Queue[tuple[str, int, Any]] = queue.Queue()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._dispatch)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        while True:
            try:
                name, number, value = self._pipe.recv()
            except (EOFError, OSError):
                break
            if name == "reply":
                self._replies[number].put(value)
            else:
                self._heard.put((name, number, value))
        self._heard.put(("end", 0, None))
        for waiting in list(self._replies.values()):
            waiting.put((False, Died("the process of the transport ended")))

    def _dispatch(self) -> None:
        """Call the handlers one after the other, on a thread that may itself call the transport."""
        while True:
            name, number, value = self._heard.get()
            if name == "end":
                return
            if name == "signal":
                self._handlers.signal(value)
            else:
                self._answer(name, number, value)

    def _answer(self, name: str, number: int, value: tuple[Any, ...]) -> None:
        """Call a handler for a waiting process; send its result or error back."""
        error = None
        try:
            getattr(self._handlers, name)(*value)
        except Exception as exc:
            error = repr(exc)
        self._write(("answer", number, error))

    def _write(self, message: tuple[Any, ...]) -> None:
        with self._writing, suppress(OSError):  # the reading thread notices a process that ended
            self._pipe.send(message)

    def _call(self, name: str, *args: Any) -> Any:
        number = next(self._numbers)
        waiting = self._replies[number] = queue.Queue()
        if not self._threads[0].is_alive():
            raise Died("the process of the transport has ended")
        self._write((name, number, args))
        is_good, value = waiting.get(timeout=120)
        del self._replies[number]
        if not is_good:
            raise value
        return value

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait(ENDS_WITHIN)
        for thread in self._threads:
            thread.join(ENDS_WITHIN)
        self._pipe.close()

    def account(self) -> Account | None:
        return self._call("account")

    def connect(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._call("connect")

    def disconnect(self) -> None:
        if self.process.poll() is None:
            self._call("disconnect")

    def send(self, message: Outgoing) -> Accepted:
        return self._call("send", message)

    def change(self, change: Change) -> Accepted:
        return self._call("change", change)

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        return self._call("evidence", secret, list(marked))

    def mark_read(self, mark: ReadMark) -> None:
        self._call("mark_read", mark)

    def ask_history(self, wanted: OlderThan) -> None:
        self._call("ask_history", wanted)

    def groups(self) -> list[Event]:
        return self._call("groups")

    def manage_group(self, action: GroupAction) -> GroupAnswer:
        return self._call("manage_group", action)

    def block(self, jid: str, is_blocked: bool) -> None:
        self._call("block", jid, is_blocked)

    def blocked(self) -> list[str]:
        return self._call("blocked")

    def download(self, raw: bytes, most: int) -> Downloaded:
        return self._call("download", raw, most)

    def log_out(self) -> None:
        self._call("log_out")

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        return self._call("decode", kind, payload)

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        return self._call("secrets", chats, message_ids)


class Server:
    """The side of the process with the library."""

    def __init__(self, home: Path, pipe: Connection) -> None:
        from wa.whatsapp.neonize.connection import NeonizeTransport

        self._pipe = pipe
        self._writing = threading.Lock()
        self._answers: dict[int, queue.Queue[str | None]] = {}
        self._numbers = itertools.count()
        self._transport = NeonizeTransport(Home(home))

    def _write(self, *message: Any) -> None:
        with self._writing:
            self._pipe.send(message)

    def _ask(self, name: str, *value: Any) -> None:
        number = next(self._numbers)
        waiting = self._answers[number] = queue.Queue()
        self._write(name, number, value)
        if error := waiting.get():
            raise OSError(error)

    def run(self) -> None:
        while True:
            try:
                name, number, value = self._pipe.recv()
            except EOFError:
                os._exit(0)
            if name == "answer":
                self._answers.pop(number).put(value)
            else:
                threading.Thread(target=self._serve, args=(name, number, value), daemon=True).start()

    def _serve(self, name: str, number: int, args: tuple[Any, ...]) -> None:
        if name == "connect":
            args = (
                Handlers(
                    lambda kind, payload: self._ask("event", kind, payload),
                    lambda signal: self._write("signal", 0, signal),
                    lambda message_id, jid: self._ask("mark", message_id, jid),
                    lambda secret: self._ask("release", secret),
                ),
            )
        try:
            result = True, getattr(self._transport, name)(*args)
        except Exception as error:
            result = False, error
        self._write("reply", number, result)


if __name__ == "__main__":
    os.umask(0o077)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if "WA_TEST_NOISE" not in os.environ:
        os.dup2(nowhere, 2)
    else:
        import logging

        logging.basicConfig(level=logging.INFO)
    Server(Path(sys.argv[1]), Connection(int(sys.argv[2]))).run()
