"""`wa` on another day, but it kills itself: `python series_kill_points.py POINT COUNT DAYS ARGS…`.

The points are those of `kill_points`, and those between the end of one date and the making of the next.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from kill_points import POINTS, _die_at

from wa.cli import main as cli
from wa.cli.context import App
from wa.connection.context import system_now
from wa.queue import rows
from wa.queue.series import occurrences, table

POINTS.update(
    {
        "ended": (occurrences, "follow", True),
        "computed": (rows, "add_row", True),
        "added": (rows, "add_row", False),
        "moved on": (table, "update", False),
        "followed": (occurrences, "follow", False),
    }
)

if __name__ == "__main__":
    _die_at(sys.argv[1], int(sys.argv[2]))
    days = timedelta(days=int(sys.argv[3]))
    sys.exit(int(cli.run(sys.argv[4:], App(environ=dict(os.environ), now=lambda: system_now() + days))))
