"""`wa` on WhatsApp's library, but it kills itself: `python real_kill_points.py POINT COUNT ARGS…`."""

from __future__ import annotations

import sys

from kill_points import POINTS, _die_at

from wa.cli import main as cli
from wa.queue import send as outbox
from wa.whatsapp.neonize.connection import NeonizeTransport

POINTS.update(
    {
        "connecting": (NeonizeTransport, "connect", True),
        "claimed": (NeonizeTransport, "send", True),
        "marking": (outbox, "mark_wire", True),
        "marked": (outbox, "mark_wire", False),
        "acknowledged": (NeonizeTransport, "send", False),
        "asking": (NeonizeTransport, "evidence", True),
        "settled": (outbox, "settle", False),
    }
)

if __name__ == "__main__":
    _die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:3] = []
    cli.main()
