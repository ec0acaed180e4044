"""The sockets on which waiting is ended."""

from __future__ import annotations

from contextlib import closing

from wa.store.wake import WakeSocket


def test_a_wake_while_the_one_before_is_taken_in_keeps_no_later_one_from_waking(home, monkeypatch):
    drain = WakeSocket._drain

    def wake_and_drain(end):
        socket.wake()
        drain(end)

    with closing(WakeSocket(home.socket)) as socket:
        monkeypatch.setattr(WakeSocket, "_drain", staticmethod(wake_and_drain))
        for _ in range(3):
            socket.wake()
            assert socket.wait(5) == (True, False)
