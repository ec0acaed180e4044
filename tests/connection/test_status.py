"""`wa status` and `wa doctor`: the line, who sends, what is overdue or ended badly, and wrong clocks."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import ADAM, REEM, FakeClock, Process, own, wait_for

from wa.connection.context import system_now
from wa.connection.status import line_of
from wa.queue import attention, rows
from wa.store import files
from wa.store.locks import FileLock, Heartbeat, lock_holder, look
from wa.times import to_iso

NOBODY = "nothing is running that will send it"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def check(wa) -> Callable[..., dict[str, Any]]:
    """Return one check of `wa doctor --json`."""

    def run(name: str, **options: Any) -> dict[str, Any]:
        return next(each for each in wa("doctor", "--json", **options).json if each["name"] == name)

    return run


@pytest.fixture
def held(home, clock) -> Iterator[Callable[..., Heartbeat]]:
    """Hold the session lock in this process, as an owner does."""
    lock = FileLock(home.session_lock)

    def hold(command: str = "listen", sends: str = "all") -> Heartbeat:
        assert lock.acquire()
        return Heartbeat(lock, command, sends, to_iso(clock()))

    yield hold
    lock.release()


def test_a_file_that_goes_while_the_home_is_looked_through_is_no_fault(home, check, monkeypatch):
    """As the journal of the library's database does, many times a day."""
    look = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([*look(path), path / "session.db-journal"]))
    assert check("home")["ok"]


# ── The line ──────────────────────────────────────────────────────────────────────────────────────


def test_the_line_s_state_since_and_reason_are_what_the_owner_wrote(wa, clock, held, check):
    beat = held()
    found = wa("status", "--json", now=clock).json
    assert (found["connection"], found["connection_reason"]) == ("connecting", None)
    beat.line("connected", None, to_iso(clock()))
    clock.advance(hours=1)
    beat.line("offline", "the line dropped", to_iso(clock()))
    down = to_iso(clock())
    clock.advance(seconds=20)
    beat.line("offline", "no route to host", to_iso(clock()))
    found = wa("status", "--json", now=clock).json
    assert found["connection"] == "offline"
    assert found["connection_since"] == down
    assert found["connection_reason"] == "no route to host"
    assert "offline since 2026-11-20 13:00: no route to host" in wa("status", now=clock).out
    told = check("connection", now=clock)
    assert (told["ok"], told["code"]) == (False, "network-error")
    assert "no route to host" in told["message"]


def test_an_attempt_to_connect_without_an_answer_is_reported_after_a_minute(clock, held, check):
    beat = held()
    clock.advance(seconds=20)
    beat.beat(to_iso(clock()))
    assert check("connection", now=clock)["ok"]
    clock.advance(seconds=41)
    beat.beat(to_iso(clock()))
    assert "without an answer" in check("connection", now=clock)["message"]


def test_an_owner_that_is_stopped_is_seen_although_it_holds_the_lock(wa, home, clock, held, check):
    held().line("connected", None, to_iso(clock()))
    wa("schedule", "add", REEM, "Hello", "--at", "in 10 seconds", now=clock)
    clock.advance(seconds=30)
    assert wa("status", "--json", now=clock).json["connection"] == "connected"
    clock.advance(seconds=15)
    found = wa("status", "--json", now=clock).json
    assert (found["connection"], found["connection_since"]) == ("offline", "2026-11-20T12:00:00.000Z")
    assert "has not answered for 45s" in found["connection_reason"]
    assert check("connection", now=clock)["code"] == "in-use"
    assert "kill" in check("queue", now=clock)["hint"]
    added = wa("schedule", "add", REEM, "Again", "--at", "in 1 hour", now=clock)
    assert "has not answered for 45s" in added.err


def test_a_process_that_is_really_stopped_and_goes_on_is_seen(wa, home, spawn: Callable[..., Process]):
    listener = spawn("listen")
    wait_for(lambda: wa("status", "--json").json["connection"] == "connected")
    listener.suspend()
    try:
        later = FakeClock()
        later.at = system_now() + timedelta(seconds=45)
        assert wa("status", "--json", now=later).json["connection"] == "offline"
        assert wa("doctor", now=later).code == 7
    finally:
        listener.signal(signal.SIGCONT)
    assert wa("status", "--json").json["connection"] == "connected"
    listener.signal(signal.SIGTERM)
    assert listener.finish().code == 0
    found = wa("status", "--json").json
    assert (found["connection"], found["connection_reason"], found["owner"]) == ("none", None, None)
    assert found["connection_since"]


def test_a_killed_owner_and_when_it_was_last_there(wa, home, spawn):
    listener = spawn("listen")
    wait_for(lambda: wa("status", "--json").json["connection"] == "connected")
    listener.kill()
    beat = look(home.session_lock)[1]["heartbeat"]
    found = wa("status", "--json").json
    assert (found["connection"], found["connection_since"]) == ("none", beat)
    assert found["connection_reason"] == f"`wa listen` (pid {listener.pid}) was killed"


def test_a_reader_never_meets_half_of_what_the_owner_writes(home, clock, held):
    beat = held()
    for reason in ("x" * 400, "short", "y" * 100, None, "é" * 400):
        beat.line("offline", reason, to_iso(clock()))
        found = lock_holder(home.session_lock) or {}
        assert found["connection_reason"] == (reason[:300] if reason else None)
        assert home.session_lock.stat().st_size < 16384


def test_a_home_without_any_owner_so_far(home, clock):
    assert look(home.session_lock) == (None, {})
    line = line_of(home, clock())
    assert (line.state, line.since, line.reason) == ("none", None, None)


# ── Each fault of the stand-in ────────────────────────────────────────────────────────────────────


def test_offline_and_back(wa, spawn, check):
    wa("loopback", "fault", "offline", "on")
    spawn("listen")
    wait_for(lambda: wa("status", "--json").json["connection"] == "offline")
    assert wa("status", "--json").json["connection_reason"] == "the loopback fault `offline`"
    assert check("connection")["code"] == "network-error"
    wa("loopback", "reset")
    wait_for(lambda: wa("status", "--json").json["connection"] == "connected")
    assert check("connection")["ok"]


@pytest.mark.parametrize(
    ("fault", "value", "code"),
    [
        ("logged-out", "on", "not-authorized"),
        ("outdated", "on", "client-outdated"),
        ("banned", "600", "temporary-ban"),
    ],
)
def test_a_fault_that_ends_the_owner_is_told_afterwards(wa, check, fault, value, code):
    wa("loopback", "fault", fault, value)
    ended = wa("listen", "--for", "20s")
    assert ended.code
    found = wa("status", "--json").json
    assert (found["connection"], found["owner"]) == ("none", None)
    assert found["connection_reason"].startswith("`wa listen` (pid ")
    assert ended.err.split("error: ")[1].splitlines()[0] in found["connection_reason"]
    told = check("connection")
    assert (told["ok"], told["code"]) == (False, code)
    if fault == "banned":
        assert found["sending"] == "braked"
        assert check("sending")["code"] == "rate-limit-exceeded"


def test_a_connection_taken_over_elsewhere_is_told(wa, home, spawn, check):
    listener = spawn("listen")
    wait_for(lambda: wa("status", "--json").json["connection"] == "connected")
    with sqlite3.connect(home.loopback) as db:
        db.execute("UPDATE connection SET token = 'another'")
    db.close()
    assert listener.finish().code == 3
    assert check("connection")["code"] == "replaced"


@pytest.mark.parametrize(
    ("fault", "value", "status", "name", "code"),
    [
        ("refuse", "429", "pending", "sending", "rate-limit-exceeded"),
        ("refuse", "463", "failed", "queue", "send-failed"),
        ("not-on-whatsapp", REEM, "failed", "queue", "send-failed"),
        ("ack-lost", "on", "unknown", "sending", "unknown-outcome"),
    ],
)
def test_a_fault_of_sending_is_told(wa, clock, check, fault, value, status, name, code):
    wa("loopback", "fault", fault, value)
    wa("loopback", "fault", "ack-timeout", "0.05")
    wa("loopback", "fault", "receipts", "off")
    wa("schedule", "add", REEM, "Hello", "--at", "in 1 second", now=clock)
    clock.advance(seconds=2)
    assert wa("run-scheduler", "--once", now=clock).code in (0, 5, 6)
    found = wa("status", "--json", now=clock).json
    assert found["queue"] == {status: 1}
    assert check(name, now=clock)["code"] == code
    assert found["sending"] == ("braked" if value == "429" else "on")
    text = wa("status", now=clock).out
    assert {"pending": "overdue", "failed": "--status failed", "unknown": "--status unknown"}[status] in text


# ── Overdue, and nobody to send ───────────────────────────────────────────────────────────────────


def test_overdue_messages_and_nobody_to_send_them(wa, clock, check):
    added = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", now=clock)
    assert NOBODY in added.err
    assert wa("status", "--json", now=clock).json["overdue"] == 0
    assert check("queue", now=clock)["ok"]
    clock.advance(hours=2)
    assert wa("status", "--json", now=clock).json["overdue"] == 1
    assert f"1 message should have gone out by now: {NOBODY}" in wa("status", now=clock).out
    told = check("queue", now=clock)
    assert (told["ok"], told["code"]) == (False, "send-failed")
    assert "run-scheduler" in told["hint"]


def test_a_listener_that_does_not_send_is_no_sender_of_scheduled_messages(wa, clock, held, check):
    held("listen --no-send", "unscheduled").line("connected", None, to_iso(clock()))
    added = wa("schedule", "add", REEM, "Hello", "--at", "in 10 seconds", now=clock)
    assert "start it without --no-send" in added.err
    assert wa("send", ADAM, "Now", "--no-wait", now=clock).err == ""
    assert "does not send scheduled messages" in wa("status", now=clock).out
    assert "does not send scheduled messages" in check("sending", now=clock)["message"]
    clock.advance(seconds=20)
    assert "--no-send" in check("queue", now=clock)["hint"]


@pytest.mark.parametrize("command", ["listen", "run-scheduler"])
def test_with_somebody_there_nothing_is_said(wa, clock, held, command):
    held(command).line("offline", "no network", to_iso(clock()))
    assert wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", now=clock).err == ""
    assert wa("send", REEM, "Hello", "--no-wait", now=clock).err == ""


def test_a_command_that_sends_its_own_message_alone_sends_no_other(wa, clock, held):
    held("download", "waited").line("connected", None, to_iso(clock()))
    added = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", now=clock)
    assert "`wa download` (pid" in added.err
    assert "run-scheduler" in added.err


def test_send_without_waiting_says_it_when_nobody_sends_or_sending_is_paused(wa, clock):
    assert NOBODY in wa("send", REEM, "Hello", "--no-wait", now=clock).err
    assert wa("pause", now=clock).code == 0
    told = wa("send", REEM, "Hello", "--no-wait", now=clock)
    assert "sending is paused: nothing goes out until `wa resume`" in told.err
    told = wa("send", REEM, "Hello", "--wait", "0.1")
    assert told.code == 6
    assert told.err.splitlines()[0] == "nothing goes out until `wa resume`"


# ── Messages that ended badly ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("listed", ["missed", "all"])
def test_missed_messages_are_told_until_they_were_listed(wa, store, clock, check, listed):
    wa("schedule", "add", REEM, "One", "--at", "in 1 hour", now=clock)
    clock.advance(days=1)
    assert wa("run-scheduler", "--once", now=clock).code == 5
    assert wa("status", "--json", now=clock).json["unseen"] == {"missed": 1}
    assert "1 not sent; `wa schedule list --status missed` shows them" in wa("status", now=clock).out
    assert check("queue", now=clock)["message"] == "not sent: 1 missed"
    wa("schedule", "list", now=clock)  # shows no missed ones
    assert wa("status", "--json", now=clock).json["unseen"] == {"missed": 1}
    wa("schedule", "list", "--status", listed, now=clock)
    assert wa("status", "--json", now=clock).json["unseen"] == {}
    assert check("queue", now=clock)["ok"]
    wa("schedule", "add", REEM, "Two", "--at", "in 1 hour", now=clock)
    clock.advance(days=1)
    wa("run-scheduler", "--once", now=clock)
    assert wa("status", "--json", now=clock).json["unseen"] == {"missed": 1}


def test_a_list_is_shown_while_another_program_writes_to_the_store(wa, home, store, clock):
    wa("schedule", "add", REEM, "One", "--at", "in 1 hour", now=clock)
    with store.write():
        rows.update(store, rows.recent(store, 1)[0]["id"], clock(), status="failed")
    other = sqlite3.connect(home.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        done = wa("schedule", "list", "--status", "failed", now=clock)
        assert (done.code, "One" in done.out) == (0, True)
    finally:
        other.close()
    assert attention.unseen(store, rows.counts(store)) == {"failed": 1}


# ── Clocks and disks ──────────────────────────────────────────────────────────────────────────────


def test_a_backup_dated_in_the_future_does_not_hide_that_none_was_made_since(wa, clock, check):
    wrong = FakeClock("2027-11-20T12:00:00")
    assert wa("backup", now=wrong).code == 0
    found = wa("status", "--json", now=clock).json
    assert (found["last_backup_at"], found["in_the_future"]) == (
        "2027-11-20T12:00:00.000Z",
        ["last_backup_at"],
    )
    assert " ago" not in wa("status", now=clock).out
    assert "in the future" in wa("status", now=clock).out
    assert wa("backup", now=clock).code == 0
    assert wa("status", "--json", now=clock).json["last_backup_at"] == "2026-11-20T12:00:00.000Z"
    clock.advance(days=20)
    text = wa("status", now=clock).out
    assert "2026-11-20 12:00 (20d ago); one is dated 2027-11-20 12:00, in the future" in text
    assert "2027-11-20" in check("clock", now=clock)["message"]


def test_a_message_dated_in_the_future_is_marked(wa, clock):
    later = FakeClock("2026-11-20T13:00:00")
    wa("loopback", "say", REEM, "Hello", now=later)
    own(later, lambda: "Hello" in wa("read", REEM).out)
    found = wa("status", "--json", now=clock).json
    assert "last_message_at" in found["in_the_future"]
    assert "(in the future: the clock is or was wrong)" in wa("status", now=clock).out


def test_a_clock_behind_says_for_how_long_it_keeps_messages_back(wa, store, clock, check):
    assert wa("send", REEM, "Hello", now=clock).code == 0
    clock.advance(days=-2)
    note = wa("status", "--json", now=clock).json["sending_note"]
    assert "the clock is 2d behind" in note
    assert "sending goes on at Fri 20 Nov 2026 11:55 Europe/London, in 47 hours" in note
    assert "set the clock" in check("sending", now=clock)["hint"]


def test_a_waiting_send_says_once_why_it_waits(wa, store, clock):
    assert wa("send", REEM, "Hello", now=clock).code == 0

    def ticking() -> Any:
        clock.advance(seconds=0.3)
        return clock()

    clock.advance(days=-2)
    told = wa("send", REEM, "Hello", "--wait", "1", now=ticking)
    assert told.code == 6
    assert len([line for line in told.err.splitlines() if line.startswith("the clock is")]) == 1


def test_a_disk_without_inodes_is_reported(home, check, monkeypatch):
    real = os.statvfs(home.path)
    few = os.statvfs_result([*real[:5], 1000, 12, 12, *real[8:10]])
    monkeypatch.setattr(files.os, "statvfs", lambda path: few)
    told = check("disk")
    assert (told["ok"], told["code"]) == (False, "storage-error")
    assert "12 new files (inodes)" in told["message"]
    unlimited = os.statvfs_result([*real[:5], 0, 0, 0, *real[8:10]])
    monkeypatch.setattr(files.os, "statvfs", lambda path: unlimited)
    assert check("disk")["ok"]
