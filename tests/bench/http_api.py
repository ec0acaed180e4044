"""The HTTP API beside a bare FastAPI application that answers with the same rows, held in memory."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bench.footprint import megabytes
from bench.processes import environment, wait_until
from bench.subjects import Subject
from bench.table import Goal, Row, at_least, at_most, compared
from bench.turns import Tell, in_turns

MEMORY, RATE = at_most(60, "ours"), at_least(0.6)
PATH = "/api/v1/chats"
CONNECTIONS = 4
SECRET = "a-secret-of-the-measurements-0123456789"
BARE = """
import json, sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
rows = json.load(open(sys.argv[2]))
@app.get("/api/v1/chats")
async def chats(limit: int = 20):
    return rows
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
"""


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, its process, and the seconds until it answered."""

    port: int
    pid: int
    seconds: float


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def _serving(command: Callable[[str], Sequence[str]], home: Path) -> Iterator[Server]:
    """Run a server for the length of a block, from the moment at which it answers."""
    port = _free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        command(str(port)),
        env={**environment(home), "API_SECRET": SECRET},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _answers(port), "the server", every=0.005)
        yield Server(port, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return bool(_ask(port, 1, 1))
    except OSError:
        return False


def _ask(port: int, times: int, connections: int = CONNECTIONS) -> bytes:
    """Ask for the chats `times` times on each of several connections; return the last body."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Secret: {SECRET}\r\n\r\n".encode()
    body = b""
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(connections)
        ]
        answers = [stack.enter_context(line.makefile("rb")) for line in lines]
        for _ in range(times):
            for line in lines:
                line.sendall(request)
            for answer in answers:
                body = _body(answer)
    return body


def _body(answer: BinaryIO) -> bytes:
    status, length = answer.readline(), 0
    if not status.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"an answer begins with {status!r}")
    while (header := answer.readline()) != b"\r\n":
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return answer.read(length)


def _pace(port: int, requests: int) -> float:
    """Return the requests a second."""
    _ask(port, 5)
    began = time.perf_counter()
    _ask(port, requests // CONNECTIONS)
    return requests / (time.perf_counter() - began)


def measure(subjects: list[Subject], scratch: Path, requests: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure start-up, memory and requests a second, in turns."""
    tell("the HTTP API")
    bare, rows = scratch / "bare.py", scratch / "rows.json"
    bare.write_text(BARE)
    for subject in subjects:
        subject.call("bench.homes:lived_in", path=subject.home("served").path, kind="small")
    ours = subjects[0]

    def serve(subject: Subject) -> Callable[[str], Sequence[str]]:
        return lambda port: [subject.wa, "serve", "--port", port]

    with _serving(serve(ours), ours.home("served").path) as server:
        rows.write_bytes(_ask(server.port, 1))
    if not json.loads(rows.read_bytes()):
        raise RuntimeError("there are no chats")
    cases: dict[str, Callable[[], list[float]]] = {
        subject.name: partial(_figures, serve(subject), subject.home("served").path, requests)
        for subject in subjects
    }

    def theirs(port: str) -> Sequence[str]:
        return [sys.executable, str(bare), port, str(rows)]

    cases["floor"] = partial(_figures, theirs, ours.home("served").path, requests)
    taken = in_turns(cases, rounds)

    def row(what: str, unit: str, number: int, goal: Goal | None) -> Row:
        values = {name: [each[number] for each in found] for name, found in taken.items()}
        return compared(what, unit, values["ours"], values["floor"], values.get("beside"), goal)

    return [
        row("wa serve: start-up, a bare FastAPI as floor", "ms", 0, None),
        row("wa serve: memory after requests", "MB", 1, MEMORY),
        row(f"wa serve: {PATH} a second", "/s", 2, RATE),
    ]


def _figures(command: Callable[[str], Sequence[str]], home: Path, requests: int) -> list[float]:
    """Return the milliseconds of a start, the MB afterwards and the requests a second."""
    with _serving(command, home) as server:
        rate = _pace(server.port, requests)
        return [server.seconds * 1000, megabytes(server.pid)["rss"], rate]
