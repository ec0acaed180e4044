"""The real library under `wa`, beside the library alone, on a server of our own that speaks its protocol."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from relay.driver import Client, Person, Relay

from bench.processes import WA, wait_until
from bench.table import Row, at_most, show

SETTLE_SECONDS = 4.0
AT_ONCE = 500
Tell = Callable[[str], None]


def measure(scratch: Path, incoming: int, outgoing: int, runs: int, tell: Tell) -> list[Row]:
    """Measure memory, messages a second in and out, and time to connect, for `wa` and the bare library."""
    relay = Relay(scratch / "trust", scratch / "relay")
    relay.start()
    try:
        tell("WhatsApp: the library alone")
        floor = _bare(relay, scratch, incoming, outgoing, runs)
        tell("WhatsApp: wa")
        ours = _wa(relay, scratch / "linked", incoming, outgoing, runs)
        relay.check_messages()
    finally:
        relay.stop()
    rows = [
        at_most("WhatsApp: idle listen, RSS", ours["idle"], floor["idle"], 1.2, "MB"),
        at_most(f"WhatsApp: after {incoming:,} messages, RSS", ours["after"], floor["after"], 1.2, "MB"),
        at_most("WhatsApp: wa send alone, until it says sent", ours["said-on"], floor["connect"], 2.0),
        at_most("WhatsApp: … to a phone that is off", ours["said-off"], floor["connect"], 2.0),
        at_most("WhatsApp: wa send alone, whole process", ours["connect"], floor["connect"], 2.0),
    ]
    for name, what in (("in", "received and stored"), ("out", "sent")):
        ratio = ours[name] / floor[name]
        rate = show(ours[name], "/s"), show(floor[name], "/s")
        rows.append(Row(f"WhatsApp: messages {what}", *rate, f"{ratio:.2f}", "≥ 0.5 ×", ratio >= 0.5))
    return rows


def _bare(relay: Relay, scratch: Path, incoming: int, outgoing: int, runs: int) -> dict[str, float]:
    """Measure the library alone, in a process that only reports each event."""
    reem, adam = relay.person("Reem"), relay.person("Adam")
    database = scratch / "bare.db"
    client = Client(relay, database)
    try:
        client.link(reem)
        time.sleep(SETTLE_SECONDS)
        found = {"idle": _rss(client.process.pid)}
        began = time.perf_counter()
        write(adam, reem, incoming)
        wait_until(lambda: len(client.events) > incoming and len(client.texts()) >= incoming, "the messages")
        found["in"] = incoming / (time.perf_counter() - began)
        time.sleep(SETTLE_SECONDS)
        found["after"] = _rss(client.process.pid)
        began = time.perf_counter()
        for number in range(outgoing):
            client.do("send", to=adam.number, text=f"message {number}")
        found["out"] = outgoing / (time.perf_counter() - began)
        client.end()
        adam.set(receipts=["delivered"])  # the phone of the recipient is online
        found["connect"] = min(_bare_send(relay, database, adam) for _ in range(runs))
    finally:
        client.kill()
    return found


def _bare_send(relay: Relay, database: Path, to: Person) -> float:
    began = time.perf_counter()
    client = Client(relay, database)
    try:
        client.connect()
        client.do("send", to=to.number, text="Hello")
        client.end()
    finally:
        client.kill()
    return (time.perf_counter() - began) * 1000


def _wa(relay: Relay, home: Path, incoming: int, outgoing: int, runs: int) -> dict[str, float]:
    reem, adam = relay.person("Nadia"), relay.person("Zoe")
    env = {**relay.environment(), "WA_HOME": str(home), "WA_TRANSPORT": "neonize", "WA_SEND_SPACING": "0"}
    link(env, reem)
    with listening(env) as pid, closing(sqlite3.connect(home / "wa.db")) as db:

        def count(sql: str) -> int:
            return int(db.execute(f"SELECT count(*) FROM {sql}").fetchone()[0])

        time.sleep(SETTLE_SECONDS)
        found = {"idle": _rss(pid)}
        began = time.perf_counter()
        write(adam, reem, incoming)
        wait_until(lambda: count("messages WHERE NOT is_from_me") >= incoming, "the messages")
        found["in"] = incoming / (time.perf_counter() - began)
        time.sleep(SETTLE_SECONDS)
        found["after"] = _rss(pid)
        _run(env, "pause")
        for number in range(outgoing):
            _queue(db, adam, number)
        db.commit()
        began = time.perf_counter()
        _run(env, "resume")
        wait_until(lambda: count("scheduled_messages WHERE status = 'sent'") >= outgoing, "the sending")
        found["out"] = outgoing / (time.perf_counter() - began)
    for state, receipts in (("off", []), ("on", ["delivered"])):
        adam.set(receipts=receipts)
        times = [_send(env, adam) for _ in range(runs)]
        found[f"said-{state}"] = min(said for said, _ in times)
    return {**found, "connect": min(whole for _, whole in times)}


def _send(env: dict[str, str], to: Person) -> tuple[float, float]:
    """Send a text by a process of its own.

    Return the milliseconds until the process says that the text is sent, and those of the whole process.
    """
    quiet = subprocess.DEVNULL
    began = time.perf_counter()
    command = [WA, "send", to.number, "Hello"]
    with subprocess.Popen(command, env=env, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet) as process:
        assert process.stdout
        line = process.stdout.readline()
        said = time.perf_counter()
    if process.returncode or not line.startswith(b"sent"):
        raise RuntimeError(f"send ended with {process.returncode}: {line!r}")
    return (said - began) * 1000, (time.perf_counter() - began) * 1000


def _queue(db: sqlite3.Connection, to: Person, number: int) -> None:
    """Queue a due row directly: otherwise the benchmark would measure a thousand processes."""
    db.execute(
        "INSERT INTO scheduled_messages (id, to_jid, message, scheduled_at, created_at, expires_at, status)"
        " VALUES (?, ?, ?, '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z',"
        " '2100-01-01T00:00:00.000Z', 'pending')",
        [f"1795232000000_{number:06x}", f"{to.number}@s.whatsapp.net", f"message {number}"],
    )


def write(sender: Person, to: Person, count: int) -> None:
    """Let a phone send `count` texts."""
    for start in range(0, count, AT_ONCE):
        sender.send_many(to, [f"message {number}" for number in range(start, min(start + AT_ONCE, count))])


def link(env: dict[str, str], person: Person) -> None:
    """Link a home to the account of a person."""
    process = subprocess.Popen(
        [WA, "link", "--json"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    person.scan(json.loads(process.stdout.readline())["code"])
    process.communicate(timeout=60)


@contextmanager
def listening(env: dict[str, str]) -> Iterator[int]:
    """Run `wa listen` for the length of a block, connected; yield its pid."""
    process = subprocess.Popen(
        [WA, "listen"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
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


def _run(env: dict[str, str], *args: str) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run([WA, *args], env=env, check=True, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60)


def _rss(pid: int) -> float:
    """Return the resident memory in MB, as the kernel counts it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
