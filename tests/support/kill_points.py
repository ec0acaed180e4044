"""`wa`, but it kills itself at a chosen point: `python kill_points.py POINT COUNT ARGS…`.

POINT is reached COUNT times; the last time the process sends itself SIGKILL,
which it cannot catch. The points are those between which a crash could
send a message twice or lose it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from wa.cli import main as cli
from wa.connection import apply, requests
from wa.connection.actions import asking, once
from wa.connection.incoming import recorder
from wa.connection.owner import Owner
from wa.connection.spool import Spool
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.server import Loopback

# name: (class or module, function, whether the point is before or after it)
POINTS: dict[str, tuple[Any, str, bool]] = {
    "claimed": (LoopbackTransport, "send", True),
    "marked": (Loopback, "accept", True),
    "accepted": (Loopback, "accept", False),
    "acknowledged": (LoopbackTransport, "send", False),
    "recorded": (Owner, "_send_one", False),
    "putting": (requests, "put_once", True),
    "put": (requests, "put_once", False),
    "claiming action": (once, "_claim", True),
    "claimed action": (once, "_claim", False),
    "marked action": (Loopback, "accept_change", True),
    "accepted action": (Loopback, "accept_change", False),
    "acknowledged action": (LoopbackTransport, "change", False),
    "managing group": (Loopback, "manage_group", True),
    "managed group": (Loopback, "manage_group", False),
    "answered group": (LoopbackTransport, "manage_group", False),
    "recorded action": (once, "_record", False),
    "told action": (asking, "act", False),
    "taken": (Spool, "append", True),
    "spooled": (Spool, "append", False),
    "applying": (apply, "apply_event", False),
    "applied": (recorder, "apply_batch", False),
}


def _die_at(point: str, count: int) -> None:
    where, name, before = POINTS[point]
    original: Callable[..., Any] = getattr(where, name)
    left = [count]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            reached()
        try:
            return original(*args, **kwargs)
        finally:
            if not before:
                reached()

    setattr(where, name, wrapped)


if __name__ == "__main__":
    _die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:3] = []
    cli.main()
