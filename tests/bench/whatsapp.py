"""The real library under `wa`, beside the library alone, on a server of our own that speaks its protocol."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from relay.driver import Client, Person, Relay

from bench.footprint import megabytes, wake_ups_a_second
from bench.processes import wait_until
from bench.subjects import Subject
from bench.table import Row, at_least, at_most, compared
from bench.turns import Tell, in_turns

IDLE, FLAT, RECEIVED, SENT, ALONE = (
    at_most(0.88), at_most(1.05), at_least(1.0), at_least(0.5), at_most(1.05),
)  # fmt: skip
SETTLE_SECONDS = 4.0
AT_ONCE = 500
EVERY = 0.005
OTHERS = "messages WHERE NOT is_from_me"


@dataclass(frozen=True)
class Sizes:
    """Messages of a backlog, messages sent in a round, messages for a look at the memory, and rounds."""

    incoming: int
    outgoing: int
    received: int
    rounds: int


class Bare:
    """The library alone, in a process that only reports each event."""

    def __init__(self, relay: Relay, scratch: Path, adam: Person) -> None:
        self._relay, self._database, self._adam = relay, scratch / "bare.db", adam
        self._me = relay.person("Reem")
        with self._running() as client:
            client.link(self._me)

    @contextmanager
    def _running(self) -> Iterator[Client]:
        client = Client(self._relay, self._database)
        try:
            yield client
            client.end()
        finally:
            client.kill()

    def idle(self, _: int) -> dict[str, float]:
        """Return the memory and the wake-ups of a process that waits."""
        with self._running() as client:
            client.connect()
            return _resting(client.process.pid)

    def backlog(self, count: int) -> float:
        """Return the messages a second from the start of a process until all have come."""
        write(self._adam, self._me, count)
        began = time.perf_counter()
        with self._running() as client:
            client.post("connect")
            wait_until(lambda: len(client.texts()) >= count, "the messages", EVERY)
            return count / (time.perf_counter() - began)

    def sent(self, count: int) -> float:
        """Return the messages a second that one process sends."""
        with self._running() as client:
            client.connect()
            began = time.perf_counter()
            for number in range(count):
                client.do("send", to=self._adam.number, text=f"message {number}")
            return count / (time.perf_counter() - began)

    def alone(self, _: int) -> float:
        """Return the milliseconds of a process until the server has one message."""
        began = time.perf_counter()
        with self._running() as client:
            client.connect()
            client.do("send", to=self._adam.number, text="Hello")
            return (time.perf_counter() - began) * 1000


class Ours:
    """A home of a checkout, linked to an account."""

    def __init__(self, subject: Subject, relay: Relay, adam: Person) -> None:
        self._wa, self._home, self._adam = subject.wa, subject.home("linked").path, adam
        self._env = {
            **relay.environment(), "WA_HOME": str(self._home), "WA_TRANSPORT": "neonize",
            "WA_SEND_SPACING": "0",
        }  # fmt: skip
        self._me = relay.person("Nadia")
        link(self._wa, self._env, self._me)

    def _count(self, db: sqlite3.Connection, sql: str) -> int:
        return int(db.execute(f"SELECT count(*) FROM {sql}").fetchone()[0])

    def idle(self, _: int) -> dict[str, float]:
        """Return the memory and the wake-ups of a listener that waits."""
        with listening(self._wa, self._env) as pid:
            return _resting(pid)

    def backlog(self, count: int) -> float:
        """Return the messages a second from the start of a listener until all are stored."""
        with closing(sqlite3.connect(self._home / "wa.db")) as db:
            wanted = self._count(db, OTHERS) + count
            write(self._adam, self._me, count)
            began = time.perf_counter()
            with listening(self._wa, self._env):
                wait_until(lambda: self._count(db, OTHERS) >= wanted, "the messages", EVERY)
                return count / (time.perf_counter() - began)

    def sent(self, count: int) -> float:
        """Return the messages a second that a listener sends from its queue."""
        with closing(sqlite3.connect(self._home / "wa.db")) as db:
            self._run("pause")
            with listening(self._wa, self._env):
                for number in range(count):
                    _queue(db, self._adam, f"{time.time_ns() // 1_000_000}_{number:06x}")
                db.commit()
                self._run("resume")
                done = "scheduled_messages WHERE status = 'pending' OR status = 'sending'"
                wait_until(lambda: not self._count(db, done), "the sending", EVERY)
            sql = (
                "SELECT claimed_at, sent_at FROM scheduled_messages ORDER BY created_at DESC, id DESC LIMIT ?"
            )
            times = [_moment(at) for row in db.execute(sql, [count]) for at in row]
            return count / (max(times) - min(times))

    def alone(self, _: int) -> float:
        """Return the milliseconds until `wa send` says that its message is sent."""
        return self._send()[0]

    def whole(self, _: int) -> float:
        """Return the milliseconds of a whole `wa send`."""
        return self._send()[1]

    def _send(self) -> tuple[float, float]:
        quiet = subprocess.DEVNULL
        began = time.perf_counter()
        command = [self._wa, "send", self._adam.number, "Hello"]
        with subprocess.Popen(
            command, env=self._env, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet
        ) as process:
            assert process.stdout
            line = process.stdout.readline()
            said = time.perf_counter()
        if process.returncode or not line.startswith(b"sent"):
            raise RuntimeError(f"send ended with {process.returncode}: {line!r}")
        return (said - began) * 1000, (time.perf_counter() - began) * 1000

    def filled(self, count: int) -> tuple[float, float]:
        """Return the memory of a listener after the first twentieth of the messages, and after all, in MB."""
        with closing(sqlite3.connect(self._home / "wa.db")) as db, listening(self._wa, self._env) as pid:
            sizes = []
            begin = self._count(db, OTHERS)
            for wanted in (begin + count // 20, begin + count):
                # A few at a time: the library keeps in memory what the server sent and we did not take yet.
                while (had := self._count(db, OTHERS)) < wanted:
                    part = min(AT_ONCE, wanted - had)
                    write(self._adam, self._me, part)
                    wait_until(lambda n=had + part: self._count(db, OTHERS) >= n, "the messages", EVERY)  # type: ignore[misc]
                time.sleep(SETTLE_SECONDS)
                sizes.append(megabytes(pid)["rss"])
            return sizes[0], sizes[1]

    def _run(self, *args: str) -> None:
        quiet = subprocess.DEVNULL
        command = [self._wa, *args]
        subprocess.run(
            command, env=self._env, check=True, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60
        )


def measure(subjects: list[Subject], scratch: Path, sizes: Sizes, tell: Tell) -> list[Row]:
    """Measure memory, messages a second in and out, and time to send, for `wa` and the bare library."""
    relay = Relay(scratch / "trust", scratch / "relay")
    relay.start()
    try:
        adam = relay.person("Adam", receipts=["delivered"])
        tested: dict[str, Any] = {one.name: Ours(one, relay, adam) for one in subjects}
        tested["floor"] = Bare(relay, scratch, adam)

        def taken(method: str, size: int = 0) -> dict[str, list[Any]]:
            tell(f"WhatsApp: {method}")
            found = {name: getattr(one, method) for name, one in tested.items() if hasattr(one, method)}
            cases = {name: partial(act, size) for name, act in found.items()}
            return in_turns(cases, sizes.rounds, warm=False)

        rows = _resting_rows(taken("idle"))
        for method, size, what, unit, goal in (
            ("backlog", sizes.incoming, "a backlog received and stored", "/s", RECEIVED),
            ("sent", sizes.outgoing, "messages sent", "/s", SENT),
            ("alone", 0, "wa send alone, until it says sent", "ms", ALONE),
        ):
            found = taken(method, size)
            name = f"WhatsApp: {what}{f', {size:,}' if size else ''}"
            rows.append(compared(name, unit, found["ours"], found["floor"], found.get("beside"), goal))
        found = taken("whole")
        what = "WhatsApp: wa send alone, whole process"
        rows.append(compared(what, "ms", found["ours"], None, found.get("beside")))
        rows.append(_filled_row(tested, sizes.received, tell))
        relay.check_messages()
    finally:
        relay.stop()
    return rows


def _resting_rows(taken: dict[str, list[dict[str, float]]]) -> list[Row]:
    rows = []
    for kind, unit, goal in (("rss", "MB", IDLE), ("pss", "MB", IDLE), ("wake-ups", "a second", None)):
        values = {name: [each[kind] for each in found] for name, found in taken.items()}
        what = f"WhatsApp: idle listen, {kind.upper() if unit == 'MB' else kind}"
        rows.append(compared(what, unit, values["ours"], values["floor"], values.get("beside"), goal))
    return rows


def _filled_row(tested: dict[str, Any], count: int, tell: Tell) -> Row:
    """Return the row of a listener's memory after many messages; one round, for it takes minutes."""
    tell(f"WhatsApp: memory after {count:,} messages")
    early, late = tested["ours"].filled(count)
    what = f"WhatsApp: memory after {count:,} messages, after {count // 20:,} as floor"
    return compared(what, "MB", [late], [early], None, FLAT)


def _resting(pid: int) -> dict[str, float]:
    time.sleep(SETTLE_SECONDS)
    sizes = megabytes(pid)
    return {**sizes, "wake-ups": wake_ups_a_second(pid, SETTLE_SECONDS)}


def _moment(text: str) -> float:
    from wa.times import from_iso

    return from_iso(text).timestamp()


def _queue(db: sqlite3.Connection, to: Person, row_id: str) -> None:
    """Queue a due row directly: otherwise the benchmark would measure a thousand processes."""
    db.execute(
        "INSERT INTO scheduled_messages (id, to_jid, message, scheduled_at, created_at, expires_at, status)"
        " VALUES (?, ?, ?, '2020-01-01T00:00:00.000Z', strftime('%Y-%m-%dT%H:%M:%fZ'),"
        " '2100-01-01T00:00:00.000Z', 'pending')",
        [row_id, f"{to.number}@s.whatsapp.net", f"message {row_id}"],
    )


def write(sender: Person, to: Person, count: int) -> None:
    """Let a phone send `count` texts."""
    for start in range(0, count, AT_ONCE):
        sender.send_many(to, [f"message {number}" for number in range(start, min(start + AT_ONCE, count))])


def link(wa: str, env: dict[str, str], person: Person) -> None:
    """Link a home to the account of a person."""
    process = subprocess.Popen(
        [wa, "link", "--json"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    person.scan(json.loads(process.stdout.readline())["code"])
    process.communicate(timeout=60)


@contextmanager
def listening(wa: str, env: dict[str, str]) -> Iterator[int]:
    """Run `wa listen` for the length of a block, connected; yield its pid."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [wa, "listen"], env=env, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr
        while "connected" not in process.stderr.readline():
            if process.poll() is not None:
                raise RuntimeError(f"listen ended with {process.returncode}")
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)
