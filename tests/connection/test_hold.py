"""Signals while a command holds the connection."""

from __future__ import annotations

import os
import signal

from wa.connection.context import Context
from wa.connection.hold import serve, stop_signals
from wa.queue.send import Scope
from wa.settings import parse_settings


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


def test_a_time_that_is_over_before_the_first_look_still_prints_what_there_is(home, store):
    """On a slow machine `listen --for 1s` is over once it is loaded."""
    looks: list[object] = []
    context = Context(home, parse_settings(os.environ, lambda: "UTC"), store)
    serve(context, "listen", Scope.ALL, until=lambda owner: True, tick=looks.append)
    assert looks == [None]
