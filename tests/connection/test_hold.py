"""Signals while a command holds the connection."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from conftest import is_connected, own, wait_for

from wa.connection.context import Context, system_now
from wa.connection.hold import serve, stop_signals
from wa.connection.owner import LET_GO_SECONDS, Owner
from wa.errors import Terminated, WaError
from wa.queue.send import Scope
from wa.settings import parse_settings
from wa.store.locks import FileLock, lock_holder
from wa.whatsapp.signals import CaughtUp, Disconnected


def test_a_second_signal_in_the_midst_of_the_first_is_left_alone():
    """A lock that the first one holds would never come free: the process could be ended by SIGKILL alone."""
    told: list[BaseException] = []

    def stop(error: BaseException) -> None:
        told.append(error)
        if len(told) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with stop_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
    assert [type(error) for error in told] == [KeyboardInterrupt]


@pytest.mark.timeout(30)
def test_a_signal_while_the_main_thread_ends_by_itself_ends_it_too(home, store, monkeypatch):
    """The handler asks for the end while the lock of that request is held; it would wait for it for ever."""
    is_over: list[bool] = []
    notify = threading.Condition.notify_all

    def notify_under_a_signal(condition):
        if is_over and threading.current_thread() is threading.main_thread():
            is_over.clear()
            os.kill(os.getpid(), signal.SIGTERM)
        notify(condition)

    monkeypatch.setattr(threading.Condition, "notify_all", notify_under_a_signal)
    with pytest.raises(Terminated):
        own(system_now, lambda: is_connected(home) and (is_over.append(True) or is_over))
    assert lock_holder(home.session_lock) is None


def test_a_time_that_is_over_before_the_first_look_still_prints_what_there_is(home, store):
    """On a slow machine `listen --for 1s` is over once it is loaded."""
    looks: list[object] = []
    context = Context(home, parse_settings(os.environ, lambda: "UTC"), store)
    serve(context, "listen", Scope.ALL, until=lambda owner: True, tick=looks.append)
    assert looks == [None]


def test_a_sender_that_is_woken_for_its_end_before_it_sleeps_ends(home, store, monkeypatch):
    """It has looked whether it is to end, and clears what would wake it only then."""
    clear, is_about_to_sleep = threading.Event.clear, threading.Event()

    def clear_late(event):
        clear(event)
        if threading.current_thread().name == "sender" and not is_about_to_sleep.is_set():
            is_about_to_sleep.set()
            wait_for(event.is_set)
            clear(event)

    monkeypatch.setattr(threading.Event, "clear", clear_late)
    own(system_now, is_about_to_sleep.is_set)
    assert lock_holder(home.session_lock) is None


def test_a_signal_while_the_signals_of_a_closed_line_are_dropped_ends_nothing(home, store):
    """The transport has threads of its own, and tells what it has to tell at any moment."""
    context = Context(home, parse_settings(os.environ, lambda: "UTC"), store)
    lock = FileLock(home.session_lock)
    assert lock.acquire()
    owner = Owner(home, context.settings, context.transport, system_now, lock, "listen", Scope.ALL)

    class Told:
        @property
        def __class__(self):
            owner._notify(CaughtUp())
            return Told

    try:
        owner._signals.extend([Told(), Disconnected("the line dropped")])
        owner._recorder.seconds_unwritten = lambda: LET_GO_SECONDS + 1
        owner._watch_files()
        assert not any(isinstance(each, Disconnected) for each in list(owner._signals))
    finally:
        owner.stop()
        owner._finish()


def test_a_process_that_cannot_hold_the_connection_does_not_keep_the_lock(home, store):
    """A command that only tried to refresh the groups goes on, and would wait for itself."""
    home.spool.mkdir()
    with pytest.raises(WaError, match="spool"):
        own(system_now, lambda: False)
    assert lock_holder(home.session_lock) is None
