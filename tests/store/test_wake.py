"""The sockets on which waiting is ended."""

from __future__ import annotations

from contextlib import closing

from wa.store.wake import WakeSocket


def test_a_wake_while_the_one_before_is_taken_in_keeps_no_later_one_from_waking(home, monkeypatch):
    drain = WakeSocket._drain

    def drain_and_wake(end):
        drain(end)
        socket.wake()

    with closing(WakeSocket(home.socket)) as socket:
        monkeypatch.setattr(WakeSocket, "_drain", staticmethod(drain_and_wake))
        socket.wake()
        assert socket.wait(20) == (True, False)
        socket.wake()
        assert socket.wait(20) == (True, False)
