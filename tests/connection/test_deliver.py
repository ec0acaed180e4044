"""However a `send` ends, its message goes out later only if its exit code says so (0 and 6)."""

from __future__ import annotations

import os
import signal
import sqlite3

import pytest
from conftest import REEM, delivered

from wa.connection import deliver
from wa.connection.hold import serve
from wa.queue import rows
from wa.store import database

LOCKED = sqlite3.OperationalError("database is locked")
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture
def queued(wa, home):
    """Return the statuses of all rows, once a scheduler has sent the rows that it may send."""

    def statuses():
        assert wa("run-scheduler", "--once").code == 0
        return [row["status"] for row in wa("schedule", "list", "--status", "all", "--json").json]

    return statuses


def after(monkeypatch, function, act):
    """Call `act` right after a function of `deliver` has done its work."""
    module, name = (deliver, "queue_now") if function == "queue_now" else (rows, function)
    original = getattr(module, name)

    def with_act(*args, **kwargs):
        done = original(*args, **kwargs)
        act()
        return done

    monkeypatch.setattr(module, name, with_act)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("function", ["queue_now", "start_waiting"])
def test_a_signal_before_the_wait_begins_withdraws_the_row(wa, home, queued, monkeypatch, function, number):
    with monkeypatch.context() as patch:
        after(patch, function, lambda: os.kill(os.getpid(), number))
        assert wa("send", REEM, "Hello").code == 130
    assert queued() == ["cancelled"]
    assert delivered(home) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_after_it_was_sent_leaves_it_sent_and_sends_no_more(wa, home, tmp_path, monkeypatch, number):
    files = [tmp_path / name for name in ("one.txt", "two.txt")]
    for file in files:
        file.write_text(file.name)
    arguments = [word for file in files for word in ("--file", str(file))]
    after(monkeypatch, "stop_waiting", lambda: os.kill(os.getpid(), number))
    result = wa("send", REEM, *arguments)
    assert result.code == 130
    assert result.out == f"sent one.txt to +{REEM}\n"
    assert len(delivered(home)) == 1
    assert wa("send", REEM, "alone").code == 0


def test_files_that_are_queued_go_out_in_their_order(wa, home, tmp_path):
    names = [f"{number}.txt" for number in range(8)]
    for name in names:
        (tmp_path / name).write_text(name)
    files = [word for name in names for word in ("--file", str(tmp_path / name))]
    assert wa("send", REEM, *files, "--no-wait").code == 0
    assert wa("run-scheduler", "--once").code == 0
    assert [row["content"] for row in wa("read", REEM, "--json").json] == names


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_send_no_wait_leaves_the_row_queued(wa, home, queued, monkeypatch, number):
    with monkeypatch.context() as patch:
        after(patch, "queue_now", lambda: os.kill(os.getpid(), number))
        assert wa("send", REEM, "Hello", "--no-wait").code == 0
    assert queued() == ["sent"]
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (LOCKED, 7, "in-use"),
        (OSError(28, "No space left on device"), 7, "storage-error"),
        (ValueError("a bug"), 1, "internal"),
    ],
)
@pytest.mark.parametrize("function", ["start_waiting", "serve"])
def test_an_error_that_ends_the_wait_withdraws_the_row(
    wa, home, queued, monkeypatch, function, error, exit_code, code
):
    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(deliver if function == "serve" else rows, function, fail)
        result = wa("send", REEM, "Hello", "--json")
    assert (result.code, result.error["code"]) == (exit_code, code)
    assert queued() == ["failed"]
    assert wa("schedule", "list", "--status", "failed", "--json").json[0]["error_code"] == code
    assert delivered(home) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LOCKED])
def test_a_scheduled_row_with_the_same_key_stays_scheduled(wa, home, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    row = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--key", "K", "--json").json
    monkeypatch.setattr(deliver, "serve", fail)
    result = wa("send", REEM, "Hello", "--key", "K", "--json")
    assert (result.code, result.error["code"]) == (6, "still-queued")
    assert row["id"] in result.error["message"]
    [waiting] = wa("schedule", "list", "--status", "all", "--json").json
    assert (waiting["id"], waiting["status"]) == (row["id"], "pending")


def test_a_row_that_cannot_be_withdrawn_may_still_be_sent(wa, home, queued, monkeypatch):
    other = sqlite3.connect(home.store, isolation_level=None)

    def lock(*args, **kwargs):
        other.execute("BEGIN IMMEDIATE")
        raise LOCKED

    with monkeypatch.context() as patch:
        patch.setattr(database, "BUSY_TIMEOUT", 0.1)
        patch.setattr(deliver, "serve", lock)
        result = wa("send", REEM, "Hello", "--json")
    other.close()
    [row] = wa("schedule", "list", "--json").json
    assert (result.code, result.error["code"]) == (6, "unknown-outcome")
    assert row["id"] in result.error["hint"]
    assert queued() == ["sent"]
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize("place", ["serve", "stop_waiting"])
def test_an_error_after_it_was_sent_is_a_warning(wa, home, monkeypatch, place):
    def serve_and_fail(*args, **kwargs):
        serve(*args, **kwargs)
        raise LOCKED

    def fail(*args, **kwargs):
        raise LOCKED

    if place == "serve":
        monkeypatch.setattr(deliver, "serve", serve_and_fail)
    else:
        monkeypatch.setattr(rows, "stop_waiting", fail)
    result = wa("send", REEM, "Hello")
    assert (result.code, result.out) == (0, f"sent to +{REEM}\n")
    assert "warning: it was sent" in result.err
    assert delivered(home) == ["Hello"]
