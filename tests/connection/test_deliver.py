"""However a `send` ends, its message goes out later only if its exit code says so (0 and 6)."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import pytest
from conftest import REEM, FakeClock, delivered, is_owned, over_once, wait_for
from locking import locked

from wa.cli.output import Output
from wa.connection import deliver, owner
from wa.connection.context import system_now
from wa.connection.hold import serve
from wa.connection.incoming import recorder
from wa.errors import WaError
from wa.queue import outcomes, rows, send, states, waiting
from wa.queue.send import Scope
from wa.queue.waiting import Waiter
from wa.settings import parse_settings
from wa.store.database import Store
from wa.times import to_iso
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import NotSent

PLAIN = parse_settings({"WA_SEND_SPACING": "0"}, lambda: "UTC")
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
    """Call `act` right after a function of `deliver` or `waiting` has done its work."""
    module = deliver if function == "queue_now" else waiting
    original = getattr(module, function)

    def with_act(*args, **kwargs):
        done = original(*args, **kwargs)
        act()
        return done

    monkeypatch.setattr(module, function, with_act)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("function", ["queue_now", "start"])
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
    line = Output.line

    def and_kill(*args):
        line(*args)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Output, "line", and_kill)
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
@pytest.mark.parametrize(("place", "left"), [("start", []), ("serve", ["failed"])])
def test_an_error_that_ends_the_wait_withdraws_the_row(
    wa, home, queued, monkeypatch, place, left, error, exit_code, code
):
    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(deliver if place == "serve" else waiting, place, fail)
        result = wa("send", REEM, "Hello", "--json")
    assert (result.code, result.error["code"]) == (exit_code, code)
    assert queued() == left
    assert [row["error_code"] for row in listed(wa, "failed")] == [code for _ in left]
    assert delivered(home) == []


def listed(wa, status="all"):
    """Return the rows of the queue."""
    return wa("schedule", "list", "--status", status, "--json").json


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LOCKED])
@pytest.mark.parametrize("is_due", [False, True])
def test_a_scheduled_row_with_the_same_key_stays_scheduled(wa, home, monkeypatch, error, is_due):
    """A row for later is only told of. A due one is waited for, and stays when the wait ends."""

    def fail(*args, **kwargs):
        raise error

    now = FakeClock()
    row = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--key", "K", "--json", now=now).json
    now.advance(hours=is_due)
    monkeypatch.setattr(deliver, "serve", fail)
    result = wa("send", REEM, "Hello", "--key", "K", "--json", now=now)
    if is_due:
        assert (result.code, result.error["code"]) == (6, "still-queued")
        assert row["id"] in result.error["message"]
    else:
        assert (result.code, result.json["id"]) == (0, row["id"])
    [waits] = wa("schedule", "list", "--status", "all", "--json", now=now).json
    assert (waits["id"], waits["status"]) == (row["id"], "pending")


def test_a_row_that_cannot_be_withdrawn_may_still_be_sent(wa, home, queued, monkeypatch):
    other = sqlite3.connect(home.store, isolation_level=None)

    def lock(*args, **kwargs):
        other.execute("BEGIN IMMEDIATE")
        raise LOCKED

    with monkeypatch.context() as patch:
        patch.setitem(Store.__init__.__kwdefaults__, "busy_seconds", 0.1)
        patch.setattr(deliver, "serve", lock)
        result = wa("send", REEM, "Hello", "--json")
    other.close()
    [row] = wa("schedule", "list", "--json").json
    assert (result.code, result.error["code"]) == (6, "unknown-outcome")
    assert row["id"] in result.error["hint"]
    assert queued() == ["sent"]
    assert delivered(home) == ["Hello"]


# ── While another program holds the store's lock ──────────────────────────────────────────────────


class Foreign:
    """Another program, which takes and gives back the write lock of the store."""

    def __init__(self, home):
        self._db = sqlite3.connect(home.store, isolation_level=None, check_same_thread=False, timeout=30)

    def lock(self):
        """Take the lock."""
        self._db.execute("BEGIN IMMEDIATE")

    def unlock(self):
        """Give it back, if it is held."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


@pytest.fixture
def foreign(home, monkeypatch):
    """Another program; `wa` waits 0.3 seconds for its lock instead of 30 or 4, its owner 2 instead of 120."""
    monkeypatch.setattr(recorder, "GIVE_UP_SECONDS", 2.0)
    monkeypatch.setattr(deliver, "END_SECONDS", 0.3)
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "busy_seconds", 0.3)
    program = Foreign(home)
    yield program
    program.unlock()


@pytest.fixture
def truth(wa, home, foreign):
    """Return a function that checks a result of `send` or `retry` against what goes out afterwards."""

    def check(result, *codes):
        foreign.unlock()
        wa("loopback", "reset")
        before = len(delivered(home))
        wa("run-scheduler", "--once")
        [row] = listed(wa)
        assert result.code in codes, (result.code, result.err)
        if result.code == 6:
            assert row["id"] in result.err
            assert "wa schedule cancel" in result.err
        else:
            assert row["status"] in ("failed", "cancelled")
            assert len(delivered(home)) == before
        return row["status"]

    return check


def in_background(act, when):
    """Call `act` in a thread, once `when()` is true."""

    def wait_and_act():
        wait_for(when)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("lasts", "is_retry"),
    [
        (True, False),
        (False, True),
        pytest.param(True, True, marks=pytest.mark.soak),
        pytest.param(False, False, marks=pytest.mark.soak),
    ],
)
def test_a_lock_during_the_wait_ends_it_with_the_truth(wa, home, store, foreign, truth, lasts, is_retry):
    command = ("send", REEM, "Hello")
    if is_retry:
        wa("loopback", "fault", "refuse", "463")
        assert wa("send", REEM, "Hello").code == 5
        wa("loopback", "reset")
        command = ("schedule", "retry", listed(wa)[0]["id"])
    wa("loopback", "fault", "offline", "on")

    def attack():
        foreign.lock()
        wa_server.set_fault("offline", "off")
        if not lasts:
            wait_for(lambda: store_errors)
            foreign.unlock()

    store_errors = []
    true = waiting.give_up

    def and_note(*args):
        store_errors.append(args)
        return true(*args)

    wa_server = Loopback(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "give_up", and_note)
        is_waiting = "SELECT 1 FROM scheduled_messages WHERE status = 'pending' AND wait_until IS NOT NULL"
        thread = in_background(attack, lambda: fresh(home, is_waiting) and is_owned(home))
        result = wa(*command, "--wait", "1.5")
        thread.join()
    wa_server.close()
    truth(result, 6 if lasts else 7)


def fresh(home, sql):
    """Return the first value of a query, asked on a connection of this thread."""
    with closing(sqlite3.connect(home.store)) as db:
        found = db.execute(sql).fetchone()
    return found and found[0]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_under_a_lock_ends_with_the_id_of_what_may_go_out(
    wa, home, foreign, truth, monkeypatch, number
):
    wa("loopback", "fault", "offline", "on")

    def serve_under_a_lock(context, command, scope, until):
        foreign.lock()
        os.kill(os.getpid(), number)
        until(None)

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "serve", serve_under_a_lock)
        result = wa("send", REEM, "Hello", "--wait", "20")
    truth(result, 6)


@pytest.mark.parametrize("is_interrupted", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_send_does_not_wait_for_a_lock_that_is_never_given_back(wa, home, spawn, is_interrupted):
    wa("loopback", "fault", "offline", "on")
    process = spawn("send", REEM, "Hello", "--wait", "60" if is_interrupted else "1")
    wait_for(lambda: listed(wa) and is_owned(home))
    with locked(home):
        if is_interrupted:
            process.signal(signal.SIGINT)
        ended = process.finish(15)
    assert ended.code == 6, ended.err
    assert listed(wa)[0]["id"] in ended.err


def test_a_lock_right_after_queueing_beside_an_owner_that_stands_still(wa, home, spawn, foreign, truth):
    scheduler = spawn("run-scheduler")
    wait_for(lambda: fresh(home, "SELECT last_connected FROM device"))
    foreign.lock()  # not while the scheduler has the lock itself
    scheduler.suspend()
    foreign.unlock()
    with pytest.MonkeyPatch.context() as patch:

        def serve_and_lock(*args):
            foreign.lock()
            serve(*args)

        patch.setattr(deliver, "serve", serve_and_lock)
        result = wa("send", REEM, "Hello", "--wait", "0.3")
    scheduler.kill()
    truth(result, 6)


def test_no_row_is_queued_under_a_lock(wa, home, foreign, store):
    foreign.lock()
    result = wa("send", REEM, "Hello", "--json")
    assert (result.code, result.error["code"]) == (7, "in-use")
    foreign.unlock()
    assert listed(wa) == []


def test_an_error_after_it_was_sent_is_a_warning(wa, home, monkeypatch):
    def serve_and_fail(*args, **kwargs):
        serve(*args, **kwargs)
        raise LOCKED

    monkeypatch.setattr(deliver, "serve", serve_and_fail)
    result = wa("send", REEM, "Hello")
    assert (result.code, result.out) == (0, f"sent to +{REEM}\n")
    assert "warning: it was sent" in result.err
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize("status", ["failed", "missed", "unknown"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), LOCKED])
def test_a_retry_that_ends_early_leaves_the_row_as_it_was_and_to_be_retried(
    wa, home, store, queued, monkeypatch, status, error
):
    """An unknown row stays unknown: its first attempt may have been sent."""

    def fail(*args, **kwargs):
        raise error

    row_id = wa("send", REEM, "Hello", "--no-wait", "--json").json["id"]
    with store.write():
        rows.update(store, row_id, system_now(), status=status, message_id="3EB0F1")
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "serve", fail)
        result = wa("schedule", "retry", row_id, "--force", "--json")
    left = "unknown" if status == "unknown" else "failed"
    assert result.code == (6 if status == "unknown" else 130 if error is not LOCKED else 7)
    assert queued() == [left]
    assert delivered(home) == []
    if left == "unknown":
        assert rows.get(store, row_id)["message_id"] == "3EB0F1"
    assert wa("schedule", "retry", row_id, "--force").code == 0
    assert delivered(home) == ["Hello"]


# ── Several commands with one key ─────────────────────────────────────────────────────────────────


def waiters(store):
    """Return the number of commands that wait for a row with a key."""
    return sum(len(each) for each in store.state().get("waiting", {}).values())


def test_the_end_of_one_waiter_does_not_withdraw_the_row_from_under_another(wa, home, store, spawn):
    wa("loopback", "fault", "offline", "on")
    both = []
    for number in (1, 2):
        both.append(spawn("send", REEM, "Hello", "--key", "K", "--wait", "60", "--json"))
        wait_for(lambda number=number: waiters(store) == number)
    first, second = both
    first.signal(signal.SIGINT)
    result = first.finish()
    assert (result.code, result.error["code"]) == (6, "still-queued")
    assert [row["status"] for row in listed(wa)] == ["pending"]
    wa("loopback", "reset")
    assert second.finish().code == 0
    assert delivered(home) == ["Hello"]


def test_the_last_waiter_withdraws_the_row(wa, home, store, spawn, queued):
    wa("loopback", "fault", "offline", "on")
    senders = [spawn("send", REEM, "Hello", "--key", "K", "--wait", "60") for _ in range(3)]
    wait_for(lambda: waiters(store) == 3)
    codes = []
    for sender in senders:
        sender.signal(signal.SIGINT)
        codes.append(sender.finish().code)
    assert codes == [6, 6, 130]
    wa("loopback", "reset")
    assert queued() == ["cancelled"]
    assert delivered(home) == []
    assert wa("send", REEM, "Hello", "--key", "K", "--json").error["code"] == "wrong-state"


def test_a_clock_that_is_set_ahead_does_not_end_the_wait(wa, home, queued):
    ahead = [timedelta()]

    def is_waited_for():
        with closing(Store(home)) as store:
            return waiters(store) == 1

    def set_ahead():
        ahead[0] = timedelta(hours=1)
        with closing(Loopback(home)) as server:
            server.set_fault("offline", "off")

    wa("loopback", "fault", "offline", "on")
    wa("chats")  # makes the store
    thread = in_background(set_ahead, is_waited_for)
    result = wa("send", REEM, "Hello", "--key", "K", "--wait", "20", now=lambda: system_now() + ahead[0])
    thread.join()
    assert result.code == 0, result.err
    assert queued() == ["sent"]
    assert delivered(home) == ["Hello"]


def test_a_waiter_that_fails_leaves_the_row_to_the_other(wa, home, store, monkeypatch, queued):
    def fail(*args, **kwargs):
        raise LOCKED

    row_id = wa("send", REEM, "Hello", "--key", "K", "--no-wait", "--json").json["id"]
    other = Waiter(row_id, system_now() + timedelta(minutes=1))
    waiting.start(store, other, system_now())
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "serve", fail)
        result = wa("send", REEM, "Hello", "--key", "K", "--wait", "5", "--json")
    assert (result.code, result.error["code"]) == (6, "still-queued")
    until = store.value("SELECT wait_until FROM scheduled_messages")
    assert until == to_iso(other.until)
    waiting.stop(store, other, system_now())
    assert "waiting" not in store.state()
    assert queued() == ["sent"]


def test_a_killed_waiter_counts_until_its_wait_would_be_over(wa, home, store, monkeypatch, queued):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    row_id = wa("send", REEM, "Hello", "--key", "K", "--no-wait", "--json").json["id"]
    waiting.start(store, Waiter(row_id, system_now() + timedelta(seconds=30)), system_now())
    monkeypatch.setattr(deliver, "serve", fail)
    arguments = ("send", REEM, "Hello", "--key", "K", "--json")
    assert wa(*arguments).code == 6
    later = system_now() + timedelta(seconds=31)
    assert wa(*arguments, now=lambda: later).code == 130
    assert [row["status"] for row in listed(wa)] == ["cancelled"]


# ── Keys in every state ───────────────────────────────────────────────────────────────────────────

KEY_CODES = {
    "pending": 0,
    "sending": 6,
    "sent": 0,
    "unknown": 6,
    "failed": 2,
    "missed": 2,
    "cancelled": 2,
}
"""The exit code of a command with the key of a row for later, or of one that was sent or not, by status."""


def keyed_row(wa, store, status):
    """Add a row with the key K and a status, for later unless it is being sent. Return its id."""
    at = "in 0 seconds" if status == "sending" else "in 2 hours"
    row_id = wa("schedule", "add", REEM, "Hello", "--at", at, "--key", "K", "--json").json["id"]
    sent = {"sent_at": to_iso(system_now())} if status == "sent" else {}
    with store.write():
        rows.update(store, row_id, system_now(), status=status, **sent)
    return row_id


def checked(result, status, row_id):
    """Check the answer to a command with the key of a row."""
    assert result.code == KEY_CODES[status], result.err
    if result.code:
        assert result.error["code"] == ("wrong-state" if KEY_CODES[status] == 2 else "unknown-outcome")
        assert row_id in result.error["message"]
        assert result.out == ""
    else:
        assert result.json["id"] == row_id


@pytest.mark.parametrize("status", KEY_CODES)
def test_a_key_answers_with_the_state_of_its_row(wa, home, store, monkeypatch, status):
    monkeypatch.setattr(deliver, "PROOF_SECONDS", 0.1)
    row_id = keyed_row(wa, store, status)
    due = ("--at", "in 0 seconds" if status == "sending" else "in 2 hours")
    checked(wa("send", REEM, "Hello", "--key", "K", "--no-wait", "--json"), status, row_id)
    checked(wa("schedule", "add", REEM, "Hello", *due, "--key", "K", "--json"), status, row_id)
    assert delivered(home) == []
    result = wa("send", REEM, "Hello", "--key", "K", "--wait", "20", "--json")
    if status == "sending":  # its process is dead, and had not sent it
        assert (result.code, delivered(home)) == (0, ["Hello"])
    else:
        checked(result, status, row_id)
        assert delivered(home) == []
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1


def test_another_time_under_the_same_key_is_usage_and_says_the_first(wa):
    add = ("schedule", "add", REEM, "Hello", "--key", "K", "--json", "--at")
    first = wa(*add, "in 2 hours").json
    result = wa(*add, "in 3 hours")
    assert (result.code, result.error["code"]) == (2, "usage")
    assert first["scheduled_at"] in result.error["message"]
    assert wa(*add, first["scheduled_at"]).json == first


def test_a_retried_row_answers_a_repeat_of_its_first_command(wa, home):
    add = ("schedule", "add", REEM, "Hello", "--key", "K", "--json", "--at")
    now = FakeClock()
    row_id = wa(*add, "2026-11-20T14:00:00Z", now=now).json["id"]
    now.advance(days=1)
    assert wa("run-scheduler", "--once", now=now).code == 5
    assert wa("schedule", "retry", row_id, now=now).code == 0
    now.advance(days=-1)
    again = wa(*add, "2026-11-20T14:00:00Z", now=now)
    assert (again.code, again.json["status"]) == (0, "sent")
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize(
    "status",
    [
        "new",
        *(
            pytest.param(each, marks=[] if each in ("sent", "unknown") else pytest.mark.soak)
            for each in KEY_CODES
        ),
    ],
)
def test_twelve_processes_with_one_key_end_with_the_code_of_its_state(wa, home, store, spawn, status):
    if status != "new":
        keyed_row(wa, store, status)
    senders = [spawn("send", REEM, "Hello", "--key", "K", "--wait", "20") for _ in range(12)]
    codes = {sender.finish().code for sender in senders}
    is_sent = status in ("new", "sending")  # of a row that was being sent, the process is dead
    assert codes == {0 if is_sent else KEY_CODES[status]}
    assert delivered(home) == (["Hello"] if is_sent else [])
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1


# ── Uploads ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def uploading(wa, home, tmp_path, monkeypatch):
    """Begin to send a file whose upload takes a minute; return the arguments of `send`."""
    monkeypatch.setattr(owner, "FINISH_SECONDS", 0.2)
    assert wa("loopback", "fault", "upload-delay", "60").code == 0
    (tmp_path / "slow.pdf").write_bytes(b"%PDF-1.7")
    return ["send", REEM, "--file", str(tmp_path / "slow.pdf"), "--json"]


def test_a_wait_that_ends_during_an_upload_withdraws_the_row(wa, home, queued, uploading, monkeypatch):
    def is_uploading():
        with closing(Store(home)) as store:
            return rows.sending_ids(store)

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "time", over_once(is_uploading))
        result = wa(*uploading, "--wait", "60")
    assert (result.code, result.error["code"]) == (7, "network-error")
    assert "its file was not uploaded in time" in result.error["message"]
    wa("loopback", "reset")
    assert queued() == ["failed"]
    assert delivered(home) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_an_upload_cancels_the_row(wa, home, queued, uploading, number):
    def stop():
        with closing(Store(home)) as store:
            wait_for(lambda: rows.sending_ids(store))
        os.kill(os.getpid(), number)

    stopping = threading.Thread(target=stop)
    stopping.start()
    assert wa(*uploading).code == 130
    stopping.join()
    wa("loopback", "reset")
    assert queued() == ["cancelled"]
    assert delivered(home) == []


def claimed(store, tmp_path, wa, *options):
    """Let a command queue a file and wait for it, and claim its row; return the claim and the waiter."""
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.7")
    row = wa("send", REEM, "--file", str(tmp_path / "bill.pdf"), "--no-wait", "--json", *options).json
    now = system_now()
    waiter = Waiter(row["id"], now + timedelta(seconds=60))
    waiting.start(store, waiter, now)
    claim = send.claim(store, now, PLAIN, Scope.WAITED)
    assert claim.id == row["id"]
    return claim, waiter


def test_a_row_that_is_withdrawn_during_its_upload_is_not_released(wa, home, store, tmp_path):
    claim, waiter = claimed(store, tmp_path, wa)
    assert waiting.stop(store, waiter, system_now())["status"] == "failed"
    assert send.release(store, claim.message.secret, system_now()) is False
    late = NotSent("the attempt ended")
    assert outcomes.settle(store, claim.id, late, lambda *_: None, system_now()) == "failed"


def test_a_row_whose_upload_is_over_is_not_withdrawn(wa, home, store, tmp_path):
    claim, waiter = claimed(store, tmp_path, wa)
    assert send.release(store, claim.message.secret, system_now()) is True
    assert waiting.give_up(store, waiter, system_now(), None)["status"] == "sending"
    assert waiting.stop(store, waiter, system_now())["status"] == "sending"
    with pytest.raises(WaError) as error:
        waiting.sent_or_error(rows.get(store, claim.id))
    assert error.value.code == "unknown-outcome"


def test_a_withdrawn_attempt_does_not_send_what_was_retried_meanwhile(wa, home, store, tmp_path):
    """The file would go out twice: by the attempt that was withdrawn, and by the new one."""
    claim, waiter = claimed(store, tmp_path, wa)
    waiting.stop(store, waiter, system_now())
    states.retry(store, claim.id, system_now(), force=False, grace=timedelta(hours=1))
    again = send.claim(store, system_now(), PLAIN, Scope.ALL)
    assert again.id == claim.id
    assert send.release(store, claim.message.secret, system_now()) is False
    assert send.release(store, again.message.secret, system_now()) is True
