"""A process that sends and records, and nobody who reads its output: it sends and records all the same."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from contextlib import suppress

import pytest
from conftest import REEM, WA, delivered, is_connected, is_owned, own, wait_for
from fork_server import Forked

from wa.cli.streams import Unwaiting
from wa.connection.context import system_now

REMARK = "a" * 600


@pytest.fixture
def unread():
    """Pipes full of dots: `unread()` returns both ends of a new one, whose reader reads nothing yet."""
    ends: list[int] = []

    def make() -> tuple[int, int]:
        ends.extend(os.pipe())
        outlet, inlet = ends[-2:]
        os.set_blocking(inlet, False)
        with suppress(BlockingIOError):
            while True:
                os.write(inlet, b"." * 4096)
        os.set_blocking(inlet, True)
        return outlet, inlet

    yield make
    for end in ends:
        os.close(end)


@pytest.fixture
def start():
    """Start `wa ARGS` with these streams; it is killed at the end of the test at the latest."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*args: str, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        started.append(Forked([WA, *args], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr))
        return started[-1]

    yield run
    for each in started:
        each.kill()
        each.wait()


def send_one_more(wa, home, text):
    """Queue a message in another process; wait until it is sent."""
    assert wa("schedule", "add", REEM, text, "--at", "in 0 seconds").code == 0
    wait_for(lambda: text in delivered(home), what=f"the sending of {text!r}")


def say(wa, texts):
    """Let Reem write these texts."""
    lines = "\n".join(json.dumps({"from": REEM, "text": text}) for text in texts)
    assert wa("loopback", "say", "-", stdin=lines).code == 0


def has_recorded(store, number):
    return lambda: store.value("SELECT count(*) FROM messages") == number


@pytest.mark.parametrize("options", [[], ["-v"], ["-vv"]], ids=["notes", "log", "all"])
def test_a_scheduler_whose_notes_nobody_reads_sends_records_and_ends(wa, home, store, start, unread, options):
    outlet, inlet = unread()
    process = start(*options, "run-scheduler", stdout=subprocess.DEVNULL, stderr=inlet)
    wait_for(lambda: is_connected(home), what="the connection")
    for text in ("one", "two", "three"):
        send_one_more(wa, home, text)
    say(wa, ["and you?"])
    wait_for(has_recorded(store, 4), what="the record")

    os.set_blocking(outlet, False)
    read = b""
    with suppress(BlockingIOError):
        while more := os.read(outlet, 65536):  # notes may come already
            read += more
    send_one_more(wa, home, "four")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    told = (read + os.read(outlet, 65536)).lstrip(b".").decode()
    assert told.startswith("… ")
    assert "lines missing here: nobody read them\n" in told
    assert "missing" not in told.split("\n", 1)[1]


@pytest.mark.parametrize("command", [["run-scheduler"], ["listen", "--json"]], ids=["scheduler", "listener"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_whose_output_nobody_reads(wa, home, start, unread, command, how):
    (_, stdout), (_, stderr) = unread(), unread()
    process = start(*command, stdout=stdout, stderr=stderr)
    wait_for(lambda: is_connected(home), what="the connection")
    say(wa, ["Hello"])
    send_one_more(wa, home, "Good morning")

    process.send_signal(how)

    assert process.wait(15) == (0 if how == signal.SIGTERM else 130)
    assert not is_owned(home)


def test_a_listener_that_nobody_reads_sends_records_and_loses_no_line(wa, home, store, start, unread):
    outlet, inlet = os.pipe()
    process = start("listen", "--json", stdout=inlet, stderr=unread()[1])
    os.close(inlet)
    wait_for(lambda: is_connected(home), what="the connection")
    texts = [f"{number} {REMARK}" for number in range(300)]  # more than a pipe holds
    say(wa, texts[:200])
    wait_for(has_recorded(store, 200), what="the record")
    send_one_more(wa, home, "one")
    say(wa, texts[200:])
    wait_for(has_recorded(store, 301), what="the record")
    send_one_more(wa, home, "two")

    told: list[str] = []

    def read():
        for line in pipe:
            row = json.loads(line)
            if "event" not in row:  # receipts, and the connection
                told.append(row["content"])

    with open(outlet, "rb") as pipe:
        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_for(lambda: len(told) == 302, what="all lines")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()  # or the reader, and with it this block, would not end
            reader.join()
    assert [text for text in told if text not in ("one", "two")] == texts
    assert {"one", "two"} < set(told)


def test_a_listener_that_stops_by_itself_waits_for_its_slow_reader(wa, home, store, start):
    say(wa, [f"{number} {REMARK}" for number in range(300)])
    own(system_now, has_recorded(store, 300))
    outlet, inlet = os.pipe()
    words = ["listen", "--json", "--since", "0", "--for", "1s"]
    process = start(*words, stdout=inlet, stderr=subprocess.DEVNULL)
    os.close(inlet)
    wait_for(lambda: is_owned(home), what="its begin")
    wait_for(lambda: not is_owned(home), what="its end")

    with open(outlet, "rb") as pipe:
        rows = [row for row in map(json.loads, pipe) if "event" not in row]

    assert process.wait(10) == 0
    assert [row["content"] for row in rows] == [f"{number} {REMARK}" for number in range(300)]


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
@pytest.mark.parametrize("text", ["a", "a line\n", "long " * 3000 + "\n"], ids=["letter", "line", "page"])
def test_what_there_is_no_room_for_is_dropped_and_counted(kind, text):
    outlet, inlet = os.pipe() if kind == "pipe" else pty.openpty()
    with open(outlet, "rb", 0), open(inlet, "w", encoding="utf-8") as unread:
        stream = Unwaiting(unread)
        many = 100_000 if len(text) < 100 else 100
        writing = threading.Thread(target=lambda: [stream.write(text) for _ in range(many)], daemon=True)
        writing.start()
        writing.join(30)
        assert not writing.is_alive()
