"""/health: each state of a home has its status, within a tenth of a second."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from conftest import REEM, FakeClock, wait_for
from test_serve import Server
from web_client import SECRET, serving

from wa.backup import history as backup
from wa.connection.context import system_now
from wa.connection.spool import Spool
from wa.queue import pacing
from wa.settings import parse_settings
from wa.store.locks import FileLock, Heartbeat
from wa.times import to_iso
from wa.web.health import Report, report

LONGEST = 0.1
"""Seconds in which it answers."""
NOW = FakeClock()()
SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_SEND_SPACING": "0"}, lambda: "UTC")


def quick(look):
    """Return what `look` returns, once it did so in time: another process may have had the processor."""
    found = []

    def is_quick():
        began = time.perf_counter()
        found.append(look())
        return time.perf_counter() - began < LONGEST

    wait_for(is_quick, what=f"an answer within {LONGEST} s")
    return found[-1]


def look(home, now=NOW) -> Report:
    """Return the report, which is made in time."""
    found = quick(lambda: report(home, SETTINGS, now))
    assert found.values["healthy"] is (found.status == 200)
    assert found.values["status"] == ("ok" if found.status == 200 else "unhealthy")
    return found


@contextmanager
def owned(home, *, state="connected", since=NOW, beat=NOW):
    """Hold the session lock, and say in it how the line is, as an owner does."""
    lock = FileLock(home.session_lock)
    assert lock.acquire()
    heart = Heartbeat(lock, "run-scheduler", "all", to_iso(NOW - timedelta(hours=1)))
    heart.line(state, None, to_iso(since))
    heart.beat(to_iso(beat))
    try:
        yield
    finally:
        lock.release()


def test_connected_and_storing(home, store):
    with owned(home):
        found = look(home)
    assert (found.status, found.problems) == (200, [])
    assert found.values["connected"] is True
    checks = found.values["checks"]
    assert checks["scheduler"]["status"] == "running"
    assert checks["scheduler"]["uptime"] == to_iso(NOW - timedelta(hours=1))
    assert checks["scheduler"]["memory"].endswith("MB")
    assert checks["scheduler"]["cpu"].endswith("%")
    assert checks["scheduler_activity"]["status"] == "idle"
    assert (checks["storing"], checks["backup"]["status"]) == ({"status": "ok", "waiting": 0}, "none")
    assert checks["queue"] == {"overdue": 0}
    assert (found.values["pendingMessages"], found.values["pendingJobs"]) == (0, 0)


def test_connected_but_not_storing(home, store):
    spool = Spool(home)
    try:
        spool.append("message", b"{}", NOW - timedelta(seconds=9))
        with owned(home):
            assert look(home).status == 200  # it has just come
            found = look(home, NOW + timedelta(seconds=2))
    finally:
        spool.close()
    assert (found.status, found.problems, found.values["connected"]) == (503, ["not-storing"], True)
    assert found.values["checks"]["storing"] == {"status": "behind", "waiting": 1}


def test_nobody_connected(home, store):
    found = look(home)
    assert (found.status, found.problems) == (503, ["nobody-connected"])
    assert found.values["checks"]["scheduler"]["status"] == "stopped"


def test_an_owner_that_does_not_answer(home, store):
    with owned(home, beat=NOW - timedelta(seconds=29)):
        assert look(home).status == 200
        found = look(home, NOW + timedelta(seconds=2))
    assert (found.status, found.problems) == (503, ["owner-stopped"])


def test_a_line_that_is_down(home, store):
    with owned(home, state="offline", since=NOW - timedelta(minutes=9)):
        found = look(home)
        assert (found.status, found.values["connected"]) == (200, False)
    with owned(home, state="offline", since=NOW - timedelta(minutes=11)):
        assert (look(home).status, look(home).problems) == (503, ["offline"])


def test_an_old_backup_is_told_and_is_no_alarm(home, store):
    for hours, word in ((27, "old"), (25, "ok")):
        at = NOW - timedelta(hours=hours)
        backup.end(store, backup.begin(store, f"{hours}.db.zst", at, uploads=False), "done", at)
        with owned(home):
            found = look(home)
        assert (found.status, found.values["checks"]["backup"]["status"]) == (200, word)


def test_sending_that_is_braked_and_messages_that_are_late(home, store, wa):
    clock = FakeClock()
    wa("schedule", "add", REEM, "Hi", "--at", "in 1 hour", now=clock)
    with owned(home):
        assert look(home).values["pendingMessages"] == 1
    later = NOW + timedelta(hours=1, minutes=2)
    with owned(home, beat=later):
        found = look(home, later)
        assert (found.status, found.problems) == (503, ["overdue"])
        assert found.values["checks"]["scheduler_activity"]["status"] == "stalled"
    with store.write():
        pacing.brake(store, NOW)
    with owned(home):
        assert look(home).problems == ["braked"]


def age(home):
    """Let the last commit be some seconds old."""
    then = system_now().timestamp() - 5
    for path in home.path.glob("wa.db*"):
        os.utime(path, (then, then))


def test_a_store_that_is_locked(home, store):
    with owned(home, beat=system_now(), since=system_now()):
        with store.write():
            age(home)
            found = look(home, system_now())
            assert (found.status, found.problems) == (503, ["store-locked"])
            assert found.values["checks"]["storing"]["status"] == "locked"
        assert look(home, system_now()).status == 200


def test_a_store_that_is_busy_is_not_locked(home, store):
    with owned(home, beat=system_now(), since=system_now()), store.write():
        store.set_state("some", "thing")
        now = system_now()
        for path in home.path.glob("wa.db*"):
            os.utime(path, (now.timestamp(),) * 2)
        assert report(home, SETTINGS, now).status == 200


def test_a_store_that_another_program_keeps_to_itself(home):
    other = sqlite3.connect(home.store, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with owned(home):
            assert look(home).problems == ["store-locked"]
    finally:
        other.close()


@pytest.mark.parametrize(
    ("content", "word"), [(b"", "damaged"), (b"nonsense" * 10_000, "damaged"), (None, "unavailable")]
)
def test_a_store_that_is_damaged_or_gone(home, content, word):
    home.store.unlink()
    if content is not None:
        home.store.write_bytes(content)
    with owned(home):
        found = look(home)
    assert (found.status, found.problems) == (503, [f"store-{word}"])
    assert found.values["connected"] is True
    assert found.values["checks"]["storing"]["status"] == word


def test_a_server_tells_the_states_apart_at_once(home, store, spawn):
    """The eight states over HTTP, each with its status, code and words; no answer takes longer."""
    server = Server(spawn("serve", "--port", "0", API_SECRET=SECRET))

    def expect(status, problems, **checks):
        def look():
            code, values = server.ask("GET", "/health")
            shown = {name: values["checks"][name]["status"] for name in checks}
            words = (values["healthy"], values["status"])
            assert words == ((True, "ok") if code == 200 else (False, "unhealthy"))
            return (code, values["problems"], values["connected"], shown) == wanted

        wanted = (status, problems, checks.pop("connected", True), checks)
        wait_for(look, what=str(wanted))
        for _ in range(4):
            assert quick(look)

    ago = timedelta
    now = system_now()
    expect(503, ["nobody-connected"], scheduler="stopped", scheduler_activity="stalled", connected=False)
    with owned(home, beat=now, since=now):
        expect(200, [], scheduler="running", storing="ok", backup="none")
        spool = Spool(home)
        spool.append("message", b"{}", now - ago(seconds=11))
        spool.close()
        expect(503, ["not-storing"], storing="behind")
        home.spool.unlink()
    with owned(home, beat=now - ago(seconds=31), since=now):
        expect(503, ["owner-stopped"], scheduler="stopped", connected=False)
    with owned(home, state="offline", beat=now, since=now - ago(minutes=11)):
        expect(503, ["offline"], scheduler="running", connected=False)
    at = now - ago(hours=27)
    backup.end(store, backup.begin(store, "x.db.zst", at, uploads=False), "done", at)
    with owned(home, beat=now, since=now):
        expect(200, [], backup="old")
        with store.write():
            age(home)
            expect(503, ["store-locked"], storing="locked")
        store.close()
        size = home.store.stat().st_size
        home.store.write_bytes(os.urandom(size))
        expect(503, ["store-damaged"], storing="damaged")
    server.process.signal(signal.SIGTERM)
    assert server.process.finish().code == 0


@pytest.mark.parametrize("how", ["half", "head", "scribbled", "zeros"])
def test_damage_of_every_kind_is_told(home, store, how):
    for number in range(300):  # more than a page of each table
        store.execute(
            "INSERT INTO scheduled_messages"
            " (id, to_jid, message, scheduled_at, status, created_at, updated_at)"
            " VALUES (?, ?, 'x', '2030', 'pending', '2026', '2026')",
            [str(number), REEM],
        )
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    data = bytearray(home.store.read_bytes())
    if how == "half":
        del data[len(data) // 2 :]
    elif how == "head":
        data[:100] = os.urandom(100)
    elif how == "zeros":
        data[4096:] = bytes(len(data) - 4096)
    else:
        data[4096:] = os.urandom(len(data) - 4096)
    home.store.write_bytes(data)
    with owned(home):
        assert look(home).problems == ["store-damaged"]


def test_the_answer_holds_states_and_counts_alone(home, store, wa):
    wa("contacts", "add", "Reem Sample", REEM)
    wa("schedule", "add", REEM, "A secret text", "--at", "tomorrow 9am")
    with owned(home, beat=system_now()), serving() as api:
        text = api("GET", "/health", secret=None).body.decode()
        figures = api("GET", "/metrics", accept="text/plain").body.decode()
    for told in (text, figures):
        assert not any(each in told for each in (REEM, "Reem", "secret", str(home.path)))
    assert 'wa_queue_messages{status="pending"} 1.0' in figures
    assert "wa_connected 1.0" in figures


def test_an_owner_of_its_own_process(home, spawn):
    """Running, stopped by a signal, killed: and it answers meanwhile."""
    with serving() as api:

        def problems():
            return api("GET", "/health", secret=None).json["problems"]

        owner = spawn("run-scheduler")
        wait_for(lambda: problems() == [], what="a healthy answer")
        owner.suspend()
        assert quick(problems) == []  # for 30 s it may be busy
        owner.signal(signal.SIGCONT)
        owner.kill()
        wait_for(lambda: problems() == ["nobody-connected"], what="its end")
        assert quick(problems) == ["nobody-connected"]
