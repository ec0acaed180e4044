"""However a change of a message ends, it is done later only if its exit code says so (0 and 6), and once."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from conftest import REEM, REEM_JID, FakeClock, Result, is_connected, is_owned, own, wait_for
from locking import locked

from wa.connection import ask, requests
from wa.connection.actions import asking, once
from wa.connection.actions.table import ACTIONS
from wa.connection.context import system_now
from wa.connection.incoming import recorder
from wa.connection.incoming.events import apply_event, keep_account
from wa.queue import outcomes, pacing, send
from wa.settings import parse_settings
from wa.store.database import Store
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import from_iso
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import Evidence

Wa = Callable[..., Result]
PLAIN = parse_settings({"WA_SEND_SPACING": "0"}, lambda: "UTC")
FULL = sqlite3.OperationalError("database or disk is full")
LOCKED = sqlite3.OperationalError("database is locked")
SIGNALS = [signal.SIGINT, signal.SIGTERM]
REACT = ("react", REEM, "OWN", "👍")


@pytest.fixture
def server(home: Home) -> Iterator[Loopback]:
    """The stand-in for WhatsApp."""
    found = Loopback(home)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def own_message(home: Home, store: Store) -> None:
    """A message of ours, sent just now, in a chat with Reem."""
    at = int(system_now().timestamp())
    with store.write():
        keep_account(store, ACCOUNT, system_now())
        event = MessageReceived(REEM_JID, "OWN", ACCOUNT.jid, at, "Hello", is_from_me=True)
        apply_event(store, event, system_now())


@pytest.fixture
def is_over(store: Store, server: Loopback) -> Callable[..., None]:
    """Check that nothing is done any more, how the requests ended, and how many were accepted."""

    def check(*statuses: str, accepted: int) -> None:
        server.reset()
        store.set_state("acted_at", None)
        last = requests.put(store, "groups", [{}], system_now() + timedelta(minutes=1))
        own(system_now, lambda: not requests.are_open(store, "groups", last))  # they are answered in order
        sql = "SELECT status FROM requests WHERE kind != 'groups' ORDER BY id"
        found = [row["status"] for row in store.rows(sql)]
        assert (found, len(list(server.changes()))) == ([*statuses], accepted)

    return check


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's lock ends patience sooner."""
    monkeypatch.setattr(asking, "END_SECONDS", 0.3)
    monkeypatch.setattr(asking, "PROOF_SECONDS", 0.2)
    monkeypatch.setitem(Store.__init__.__kwdefaults__ or {}, "busy_seconds", 0.3)
    monkeypatch.setattr(recorder, "RETRY_SECONDS", 0.02)


def after(patch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], object]) -> None:
    """Call `act` right after a function has done its work."""
    original = getattr(where, name)

    def with_act(*args: Any, **kwargs: Any) -> Any:
        done = original(*args, **kwargs)
        act()
        return done

    patch.setattr(where, name, with_act)


# ── Signals ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("where", "name", "code", "status"),
    [
        (requests, "put_once", 130, "withdrawn"),
        (asking, "serve", 0, "done"),
        (requests, "withdraw", 0, "done"),
        (requests, "results", 0, "done"),
    ],
)
def test_a_signal_at_any_moment_ends_with_the_truth(wa, is_over, where, name, code, status, number) -> None:
    with pytest.MonkeyPatch.context() as patch:
        after(patch, where, name, lambda: os.kill(os.getpid(), number))
        assert wa(*REACT).code == code
    is_over(status, accepted=status == "done")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("beside", ["nobody", "a listener"])
def test_a_signal_while_it_waits_withdraws_it(wa, spawn, home, store, is_over, beside, number) -> None:
    wa("loopback", "fault", "offline", "on")
    listener = spawn("listen") if beside == "a listener" else None
    if listener:
        wait_for(lambda: is_owned(home))
    command = spawn(*REACT)
    wait_for(lambda: store.value("SELECT count(*) FROM requests") and is_owned(home))
    command.signal(number)
    ended = command.finish()
    assert (ended.code, ended.err) == (130, "nothing was changed\n")
    if listener:
        listener.signal(signal.SIGTERM)
        listener.finish()
    is_over("withdrawn", accepted=0)


def test_a_signal_once_it_is_begun_says_that_it_may_be_done(wa, spawn, store, server, is_over) -> None:
    wa("loopback", "fault", "receipts", "off")
    wa("loopback", "fault", "ack-delay", "60")
    command = spawn(*REACT)
    wait_for(lambda: list(server.changes()))
    command.signal(signal.SIGINT)
    ended = command.finish()
    assert (ended.code, "may have been done" in ended.err) == (6, True), ended.err
    is_over("unknown", accepted=1)
    assert "changes       1 may have been done, or not" in wa("status").out


# ── Nobody answers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("short")
def test_what_is_not_begun_in_time_is_withdrawn_and_never_done(wa, spawn, home, is_over, monkeypatch) -> None:
    monkeypatch.setattr(requests, "LONGEST_WAIT", timedelta(seconds=0.5))
    wa("loopback", "fault", "offline", "on")
    alone = wa(*REACT, "--json")
    assert (alone.code, alone.error["code"]) == (7, "network-error")
    wa("loopback", "reset")
    listener = spawn("listen")
    wait_for(lambda: is_connected(home))
    with locked(home):  # not while the listener has the lock itself
        listener.suspend()
    beside = wa(*REACT, "--json")
    assert (beside.code, beside.error["code"]) == (7, "network-error")
    listener.signal(signal.SIGCONT)
    listener.signal(signal.SIGTERM)
    assert listener.finish().code == 0
    is_over("withdrawn", "withdrawn", accepted=0)


def test_a_claim_that_comes_late_is_none(store) -> None:
    clock = FakeClock(system_now().replace(tzinfo=None).isoformat())

    def claim(meanwhile: Callable[[], object]) -> str:
        args = {"chat": REEM_JID, "message_id": "OWN", "text": "👍"}
        (number,) = requests.put(store, "react", [args], clock() + requests.LONGEST_WAIT)
        row = requests.get(store, number)
        meanwhile()
        once._claim(store, PLAIN, row, ACTIONS["react"], clock)
        return requests.status(store, number)

    assert claim(lambda: None) == "doing"
    assert claim(lambda: clock.advance(seconds=60)) == "failed"  # it waited for the lock of the store
    assert claim(lambda: clock.advance(hours=-1)) == "failed"  # its command has given up an hour before
    clock.advance(hours=1)
    assert claim(lambda: pacing.pause(store, clock())) == "failed"
    pacing.resume(store, clock())
    assert claim(lambda: store.execute("DELETE FROM messages WHERE message_id = 'OWN'")) == "failed"


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_set_back_neither_revives_a_change_nor_lets_one_keep_others_waiting(
    wa, store, is_over, hours
) -> None:
    args = {"chat": REEM_JID, "message_id": "OWN", "text": "👎"}
    now = system_now()
    requests.put(store, "react", [args], now + timedelta(hours=hours) + requests.LONGEST_WAIT)
    assert wa(*REACT).code == 0
    own(lambda: now + timedelta(hours=hours), lambda: requests.oldest(store, now) is None)
    is_over("withdrawn", "done", accepted=1)


def test_limits_are_looked_at_again_at_the_claim(store) -> None:
    args = {"chat": REEM_JID, "message_id": "OWN", "text": "Hi"}
    (number,) = requests.put(store, "edit", [args], system_now() + requests.LONGEST_WAIT)
    store.execute("UPDATE messages SET timestamp = timestamp - 900")
    once._claim(store, PLAIN, requests.get(store, number), ACTIONS["edit"], system_now)
    assert requests.status(store, number) == "failed"


def test_what_cannot_be_prepared_fails_and_the_owner_goes_on(store, server) -> None:
    store.execute("UPDATE messages SET details = '[1]'")
    args = {"chat": REEM_JID, "message_id": "OWN", "text": "Hi"}
    last = requests.put(store, "edit", [args], system_now() + requests.LONGEST_WAIT)
    own(system_now, lambda: not requests.are_open(store, "edit", last))
    ((_, error),) = requests.results(store, "edit", last)
    assert error
    assert (error.code, list(server.changes())) == ("internal", [])


def test_an_action_of_a_newer_version_is_refused_and_the_owner_goes_on(store, server) -> None:
    last = requests.put(store, "unheard-of", [{}, {}], system_now() + requests.LONGEST_WAIT)
    with store.write():
        requests.claim(store, last[0], system_now(), b"secret", 0)
    own(system_now, lambda: not requests.are_open(store, "unheard-of", last))
    codes = [error and error.code for _, error in requests.results(store, "unheard-of", last)]
    assert codes == ["unknown-outcome", "newer-version"]


def test_a_change_of_a_dead_process_without_a_mark_is_not_done(store) -> None:
    args = {"chat": REEM_JID, "message_id": "OWN", "text": ""}
    (number,) = requests.put(store, "delete", [args], system_now() + requests.LONGEST_WAIT)
    send.mark_wire(store, "3EB0OTHER", REEM_JID, system_now())
    once._claim(store, PLAIN, requests.get(store, number), ACTIONS["delete"], system_now)
    once.settle_dead(store, lambda secret, marks: Evidence(sent=None), system_now())
    assert requests.status(store, number) == "failed"


# ── A store that is locked or full ──────────────────────────────────────────────────────────────────


def test_a_locked_store_lets_nothing_begin_or_says_that_it_may_be_done(
    wa, home, store, is_over, monkeypatch
) -> None:
    monkeypatch.setattr(asking, "END_SECONDS", 0.2)
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "busy_seconds", 0.2)
    with locked(home):
        first = wa(*REACT, "--json")
    assert (first.code, first.error["code"]) == (7, "in-use")
    assert store.value("SELECT count(*) FROM requests") == 0
    other = sqlite3.connect(home.store, isolation_level=None)

    def lock(*_: object) -> None:
        other.execute("BEGIN IMMEDIATE")
        raise LOCKED

    with monkeypatch.context() as patch:
        patch.setattr(asking, "serve", lock)
        second = wa(*REACT, "--json")
    other.close()
    assert (second.code, second.error["code"]) == (6, "unknown-outcome")
    is_over("done", accepted=1)


@pytest.mark.parametrize(
    ("where", "name", "error"),
    [
        (requests, "claim", FULL),
        (outcomes, "newest_mark", LOCKED),
        (send, "mark_wire", FULL),
        (send, "mark_wire", LOCKED),
        (requests, "end", FULL),
    ],
)
@pytest.mark.usefixtures("short")
def test_a_commit_that_fails_for_a_while_does_nothing_twice(
    wa, is_over, monkeypatch, where, name, error
) -> None:
    original, left = getattr(where, name), [3]

    def fail(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, fail)
        assert wa(*REACT).code == 0
    assert left[0] < 0
    is_over("done", accepted=1)


@pytest.mark.usefixtures("short")
def test_a_full_disk_is_told_before_anything_is_asked(wa, store, is_over, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Home, "has_room", lambda self: False)
        full = wa(*REACT, "--json")
    assert (full.code, full.error["code"]) == (7, "storage-error")
    is_over(accepted=0)


# ── Others at the same time ─────────────────────────────────────────────────────────────────────────


def test_two_commands_at_once_are_a_second_apart(spawn, store, is_over) -> None:
    commands = [spawn("react", REEM, "OWN", emoji) for emoji in ("👍", "👎")]
    assert [command.finish().code for command in commands] == [0, 0]
    first, second = (
        from_iso(row["claimed_at"])
        for row in store.rows("SELECT claimed_at FROM requests ORDER BY claimed_at")
    )
    assert second - first >= once.SPACING
    is_over("done", "done", accepted=2)


def test_a_clock_that_was_set_back_delays_a_change_by_a_second_at_most(wa, store, is_over) -> None:
    store.set_state("acted_at", "2099-01-01T00:00:00.000Z")
    assert wa(*REACT).code == 0
    is_over("done", accepted=1)


def test_pause_waits_for_what_is_begun(wa, spawn, home, store, server, is_over) -> None:
    listener = spawn("listen")
    wait_for(lambda: is_connected(home))
    server.set_fault("ack-delay", "0.5")
    command = spawn(*REACT)
    wait_for(lambda: list(server.changes()))
    assert wa("pause").code == 0
    assert requests.in_status(store, "doing") == []
    assert command.finish().code == 0
    refused = wa("delete", REEM, "OWN")
    assert (refused.code, "sending is paused" in refused.err) == (2, True)
    wa("resume")
    server.set_fault("ack-delay", "30")
    second = spawn("react", REEM, "OWN", "")
    wait_for(lambda: len(list(server.changes())) == 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ask, "PAUSE_SECONDS", 0.1)
        paused = wa("pause", "--json")
    assert (paused.code, paused.error["code"]) == (6, "unknown-outcome")
    listener.kill()
    assert second.finish().code == 0  # its receipt came
    wa("resume")
    is_over("done", "done", accepted=2)


def test_a_restored_backup_asks_for_nothing_again(wa, home, store, server) -> None:
    args = {"chat": REEM_JID, "message_id": "OWN", "text": "👍"}
    numbers = requests.put(store, "react", [args, args], system_now() + requests.LONGEST_WAIT)
    requests.claim(store, numbers[0], system_now(), b"secret", 0)
    assert wa("backup").code == 0
    requests.end(store, numbers[0], "done", {})
    requests.withdraw(store, numbers[1])
    store.close()
    assert wa("backup", "restore", "latest").code == 0
    assert wa("resume").code == 0
    assert wa(*REACT).code == 0
    with closing(open_store(home)) as restored:
        found = [row["status"] for row in restored.rows("SELECT status FROM requests ORDER BY id")]
    assert (found, len(list(server.changes()))) == (["done", "withdrawn", "done"], 1)
