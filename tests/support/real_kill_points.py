"""`wa` on WhatsApp's library, but it kills itself: `python real_kill_points.py POINT COUNT ARGS…`."""

from __future__ import annotations

import sys

from kill_points import _die_at
from series_kill_points import POINTS

from wa.cli import main as cli
from wa.connection import requests
from wa.connection.actions import once
from wa.queue import outcomes, send
from wa.whatsapp.neonize.connection import NeonizeTransport

POINTS.update(
    {
        "connecting": (NeonizeTransport, "connect", True),
        "claimed": (NeonizeTransport, "send", True),
        "marking": (send, "mark_wire", True),
        "marked": (send, "mark_wire", False),
        "acknowledged": (NeonizeTransport, "send", False),
        "asking": (NeonizeTransport, "evidence", True),
        "settled": (outcomes, "settle", False),
        "putting": (requests, "put_once", True),
        "put": (requests, "put_once", False),
        "claiming action": (once, "_claim", True),
        "claimed action": (once, "_claim", False),
        "acting": (NeonizeTransport, "change", True),
        "acted": (NeonizeTransport, "change", False),
        "managing": (NeonizeTransport, "manage_group", True),
        "managed": (NeonizeTransport, "manage_group", False),
        "blocking": (NeonizeTransport, "block", True),
        "blocked": (NeonizeTransport, "block", False),
        "recording action": (once, "_record", True),
        "recorded action": (once, "_record", False),
        "settled actions": (once, "settle_dead", False),
    }
)

if __name__ == "__main__":
    _die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:3] = []
    cli.main()
