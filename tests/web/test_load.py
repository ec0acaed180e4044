"""The API under load, with streams of events open, beside the process that sends and another writer."""

from __future__ import annotations

import http.client
import json
import re
import selectors
import socket
import threading
import time
from pathlib import Path

import pytest
from conftest import REEM, WA, delivered, wait_for
from test_serve import Server
from web_client import SECRET

from wa.store.database import Store

READS = ("/api/v1/chats", "/api/v1/schedule?limit=20", "/api/v1/contacts?q=reem", "/api/v1/status", "/health")
SECONDS = 60
READS_A_SECOND = 200
POSTS_A_SECOND = 20
LONGEST = 0.1
MOST_MEGABYTES = 60
STREAMS = 20


def memory_of(pid):
    """Return the megabytes (of 1024² bytes) of a process that are in memory."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line]
    return int(line.split()[1]) / 1024


class Caller(threading.Thread):
    """Ask one thing after the other at a steady pace; note how long each took, and what was no success."""

    def __init__(self, port, requests, pace):
        super().__init__(daemon=True)
        self.port, self.requests, self.pace = port, requests, pace
        self.times, self.wrong = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.monotonic()
        for number, (method, path, body, headers) in enumerate(self.requests):
            time.sleep(max(0, began + number * self.pace - time.monotonic()))
            at = time.monotonic()
            connection.request(method, path, body, {"X-API-Secret": SECRET, **headers})
            reply = connection.getresponse()
            text = reply.read()
            self.times.append(time.monotonic() - at)
            is_on_its_way = reply.status == 409 and b'"unknown-outcome"' in text  # what a repeat may meet
            if reply.status >= 300 and not is_on_its_way:
                self.wrong.append((path, reply.status, text))
        connection.close()


class Streams(threading.Thread):
    """Read events from many connections; note the ids that each has got."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.ids = [[] for _ in range(number)]
        self.is_over = threading.Event()
        self._chosen = selectors.DefaultSelector()
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: {SECRET}\r\n\r\n"
        for each in range(number):
            line = socket.create_connection(("127.0.0.1", port), timeout=30)
            line.sendall(request.encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
            self._chosen.register(line, selectors.EVENT_READ, (each, bytearray()))

    def run(self):
        while not self.is_over.is_set():
            for key, _ in self._chosen.select(0.2):
                number, rest = key.data
                rest += key.fileobj.recv(65_536)
                whole, _, left = bytes(rest).rpartition(b"\n")
                rest[:] = left
                self.ids[number] += [int(each) for each in re.findall(rb"^id: (\d+)$", whole, re.MULTILINE)]
        for key in list(self._chosen.get_map().values()):
            key.fileobj.close()


def posts(first, step):
    """Return requests that queue messages, each twice with its key."""
    for number in range(first, SECONDS * POSTS_A_SECOND, step):
        body = json.dumps({"to": REEM, "text": f"message {number}"})
        headers = {"Idempotency-Key": f"k{number}", "Content-Type": "application/json"}
        yield from [("POST", "/api/v1/messages", body, headers)] * 2


@pytest.mark.soak
@pytest.mark.console_script
def test_a_minute_of_load(spawn, home, wa, record_property):
    wa("contacts", "add", "Reem Sample", REEM)
    wa("loopback", "say", REEM, "Hello")
    # nobody reads what it prints: a pipe would be full after a thousand lines
    owner = spawn("-c", f"exec {WA} run-scheduler > /dev/null 2>&1", program=["sh"])
    server = Server(spawn("serve", "--port", "0", API_SECRET=SECRET))
    wait_for(lambda: server.ask("GET", "/health")[0] == 200)
    for path in READS:
        server.ask("GET", path)
    before = memory_of(server.process.pid)
    streams = Streams(server.port, STREAMS)
    streams.start()
    readers = [
        Caller(
            server.port,
            [
                ("GET", READS[number % len(READS)], None, {})
                for number in range(SECONDS * READS_A_SECOND // 8)
            ],
            8 / READS_A_SECOND,
        )
        for _ in range(8)
    ]
    writers = [Caller(server.port, posts(first, 4), 2 / POSTS_A_SECOND) for first in range(4)]
    stop = threading.Event()

    def write():
        store = Store(home)
        while not stop.wait(0.05):
            with store.write():
                store.set_state("load", time.monotonic())
        store.close()

    other = threading.Thread(target=write)
    for thread in (other, *readers, *writers):
        thread.start()
    for thread in (*readers, *writers):
        thread.join()
    stop.set()
    other.join()
    after = memory_of(server.process.pid)
    times = sorted(each for caller in (*readers, *writers) for each in caller.times)
    p99 = times[len(times) * 99 // 100]
    record_property("p99_ms", round(p99 * 1000))
    record_property("memory_mb", (round(before), round(after)))
    assert [each for caller in (*readers, *writers) for each in caller.wrong] == []
    number = SECONDS * POSTS_A_SECOND
    wait_for(lambda: len(delivered(home)) == number, timeout=120, what="the messages")
    assert len(set(delivered(home))) == number
    store = Store(home)

    def are_told():
        newest = store.value("SELECT max(id) FROM events")
        return all(ids and ids[-1] == newest for ids in streams.ids)

    wait_for(are_told, what="the events")
    streams.is_over.set()
    streams.join()
    told = [row["id"] for row in store.rows("SELECT id FROM events ORDER BY id")]
    store.close()
    assert len(told) >= number
    for ids in streams.ids:
        assert ids == told[told.index(ids[0]) :]  # none twice, none left out
        assert len(ids) >= number
    assert p99 < LONGEST
    assert after < before + 5
    assert after < MOST_MEGABYTES
    owner.kill()
