"""A home that is linked to a phone on the relay, and the `wa` processes that live and die in it.

A test module that needs it says `pytest_plugins = ["relay_fixture", "lived_in_fixture"]` and asks for
`lived_in`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import spooled
from conftest import WA, wait_for
from fork_server import Forked
from relay.driver import Client, Person, Relay

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import parse_duration

GRACE = parse_duration("6h")
STOP_SECONDS = 20.0


def _poll(text: str) -> dict[str, Any]:
    about = {"question": text, "options": ["Yes", "No"], "choices": 1}
    return {"media_path": None, "media_type": "poll", "details": json.dumps({"poll": about})}


def _place(text: str) -> dict[str, Any]:
    where = {"latitude": -33.9, "longitude": 18.4, "name": text}
    return {"media_path": None, "media_type": "location", "details": json.dumps({"location": where})}


class LivedIn:
    """The home of a person whose phone the relay plays, and the processes that work in it."""

    def __init__(self, relay: Relay, folder: Path, name: str = "Reem", *, is_forked: bool = True) -> None:
        self._kind = Forked if is_forked else subprocess.Popen
        self.relay = relay
        self.us: Person = relay.person(name)
        self.home = Home(folder / name.lower())
        self.home.prepare()
        self.env = {
            **os.environ,
            **relay.environment(),
            "WA_TRANSPORT": "neonize",
            "WA_HOME": str(self.home.path),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *args: str, program: list[str] | None = None, **env: str) -> subprocess.Popen[bytes]:
        """Start `wa ARGS`, or another program; `said` returns its standard error."""
        with self._said(len(self._started)).open("wb") as said:
            process = self._kind(
                [*(program or [WA]), *args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**self.env, **env},
            )
        self._started.append(process)
        return process

    def _said(self, number: int) -> Path:
        return self.home.path.with_name(f"{self.home.path.name}-said-{number}")

    def said(self, process: subprocess.Popen[bytes]) -> str:
        """Return the text on a process's standard error."""
        return self._said(self._started.index(process)).read_text()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Send SIGTERM once the process is up, and check that it ends with 0."""
        wait_for(lambda: "connected" in self.said(process), what="a listener that is connected")
        process.terminate()
        code = process.wait(STOP_SECONDS)
        assert code == 0, f"it ended with {code}: {self.said(process)}"

    def end(self) -> None:
        """End every process that was started."""
        for process in self._started:
            process.kill()
            process.wait()

    def link(self) -> None:
        """Link with `wa link`, as a user does."""
        command = [WA, "link", "--json"]
        events = []
        with Forked(command, stdout=subprocess.PIPE, env=self.env, text=True) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    events.append(json.loads(line))
                    if events[-1]["event"] == "qr":
                        self.us.scan(events[-1]["code"])
            finally:
                process.kill()
        assert events[-1]["event"] == "caught-up"

    def link_quickly(self) -> None:
        """Link the session database alone: the store learns the account when a listener first connects."""
        client = Client(self.relay, self.home.session)
        try:
            client.link(self.us)
            client.wait("HistorySync")  # else it would come to the first listener
            client.end()
        finally:
            client.kill()
        open_store(self.home).close()

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query on the store."""
        with closing(sqlite3.connect(self.home.store, timeout=30)) as db:
            return db.execute(sql, params).fetchall()

    def value(self, sql: str, *params: object) -> Any:
        """Return the first column of the first row of a query on the store."""
        return self.rows(sql, *params)[0][0]

    def queue(self, to: Person, texts: list[str], *, mixed: bool = False) -> None:
        """Queue texts that are due now; if mixed, a text, a poll and a place in turn, with these words."""
        now, store = system_now(), open_store(self.home)
        person = Recipient(to.pn, to.number, to.name)
        try:
            with store.write():
                for number, text in enumerate(texts):
                    beside = [None, _poll, _place][number % 3] if mixed else None
                    file = beside and beside(text)
                    schedule.enqueue(store, person, text, now, now, grace=GRACE, file=file)
        finally:
            store.close()

    @property
    def is_connected(self) -> bool:
        """Return whether the server has a connection of this home that has logged in."""
        return any(each["active"] for each in self.us.devices().values())

    @property
    def waiting(self) -> int:
        """Return how many stanzas wait on the server for this home."""
        return sum(int(each["pending"]) for each in self.us.devices().values())

    def wait_until_recorded(self, timeout: float = 60) -> None:
        """Wait until no stanza is left on the server and every spooled event is recorded."""

        def is_quiet() -> bool:
            return self.is_connected and not self.waiting and not spooled.waiting(self.home)

        wait_for(is_quiet, timeout, "an empty server and an empty spool")


@pytest.fixture
def lived_in(relay: Relay, memory_path: Path, request: pytest.FixtureRequest) -> Iterator[LivedIn]:
    """Reem's home, in memory, not linked yet. With the mark `console_script` its processes are no forks."""
    made = LivedIn(relay, memory_path, is_forked=not request.node.get_closest_marker("console_script"))
    yield made
    made.end()


@pytest.fixture
def tell() -> Callable[..., None]:
    """Print figures; pytest shows them with `-rP` and when the test fails."""

    def note(**figures: object) -> None:
        sys.stdout.write(json.dumps(figures, default=str) + "\n")

    return note
