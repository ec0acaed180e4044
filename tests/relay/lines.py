"""A program that a test drives with lines of JSON: commands go in, replies and events come out.

In: `{"rid": 1, "do": "send", "args": {…}}`. Out: `{"rid": 1, "ok": …}`, `{"rid": 1, "error": …}` or
`{"event": …, …}`.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]


class LineProcess:
    """A running program; a thread reads the lines that it prints."""

    def __init__(self, process: subprocess.Popen[str], starts_within: float) -> None:
        self.process = process
        self.events: list[Event] = []
        self._replies: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.wait("ready", timeout=starts_within)
        except AssertionError:
            self.kill()
            raise

    def post(self, do: str, **args: Any) -> int:
        """Start a command; `result` has its outcome."""
        rid = len(self._replies) + 1
        self._replies[rid] = queue.Queue()
        self._write({"rid": rid, "do": do, "args": args})
        return rid

    def result(self, rid: int, timeout: float = 20) -> dict[str, Any]:
        """Return a command's outcome: "ok" or "error", and the seconds it "took"; "pending" if it runs."""
        try:
            return self._replies[rid].get(timeout=timeout)
        except queue.Empty:
            return {"pending": True}

    def do(self, do: str, timeout: float = 20, **args: Any) -> Any:
        """Run a command to its end; an error is an exception."""
        reply = self.result(self.post(do, **args), timeout)
        if "ok" not in reply:
            raise RuntimeError(f"{do}: {reply.get('error', 'not over in time')}")
        return reply["ok"]

    def error(self, do: str, timeout: float = 20, **args: Any) -> str:
        """Run a command that must fail; return its error."""
        return str(self.result(self.post(do, **args), timeout)["error"])

    def wait(
        self, event: str, check: Callable[[Event], Any] | None = None, timeout: float = 20, after: int = 0
    ) -> Event:
        """Wait for the first event of that name, from index `after` on, that passes the check; return it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for each in self.events[after:]:
                    if each["event"] == event and (check is None or check(each)):
                        return each
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    names = [each["event"] for each in self.events[after:]]
                    raise AssertionError(f"no {event} within {timeout} s, but {names}")

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            record = json.loads(line)
            with self._changed:
                if "rid" in record:
                    self._replies[record["rid"]].put(record)
                else:
                    self.events.append(record)
                self._changed.notify_all()
