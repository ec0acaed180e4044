"""Signals while a command holds the connection."""

from __future__ import annotations

import os
import signal

from wa.connection.hold import stop_signals


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
