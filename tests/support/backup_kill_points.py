"""`wa`, but it ends itself at a chosen event: `python backup_kill_points.py N SIGNAL LOG ARGS…`.

Events are the interpreter's audit events about files below WA_HOME (or in WATCHED) and about the network, and
the executed lines of the modules that make, remove and restore backups, and of those that prune and restore
messages; SQLite works between these lines. At the N-th event the process sends itself SIGNAL, such as
SIGKILL; with N = 0 never. N may be such as `2 call take`: the second event that begins so. Each event is a
line in LOG, unless LOG is `-`. CLOCK is
the start time on the process's clock.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime, timedelta
from functools import partial
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType
from typing import Any

from wa import __file__ as package
from wa.cli import main as cli
from wa.cli.context import App
from wa.connection.context import system_now

AUDITED = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.scandir",
    "shutil.rmtree",
    "sqlite3.connect",
)
NETWORK = ("socket.connect", "http.client.send")
MODULES = {
    str(Path(package).parent / name)
    for name in (
        "backup/make.py",
        "backup/backups.py",
        "backup/catalog.py",
        "backup/history.py",
        "backup/packing.py",
        "backup/replace.py",
        "backup/restore.py",
        "backup/snapshot.py",
        "backup/carry_over.py",
        "record/retention/archive.py",
        "record/retention/files.py",
        "record/retention/prune.py",
        "record/retention/restore.py",
        "store/files.py",
        "s3/bucket.py",
    )
}


class Points:
    """Count events, and end the process at the N-th event."""

    def __init__(self, point: str, ending: signal.Signals, log: str) -> None:
        number, _, self._only = point.partition(" ")
        self._left = int(number)
        self._ending = ending
        self._log = None if log == "-" else open(log, "w", buffering=1)  # noqa: SIM115
        self._places = (os.environ["WA_HOME"], os.environ.get("WATCHED") or os.environ["WA_HOME"])

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Count an audit event of the interpreter."""
        if event in NETWORK:
            self._reached(event)
        elif event in AUDITED:
            path = args[0] if args else None
            text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
            if any(place in text for place in self._places):
                self._reached(f"{event} {text.rpartition('/')[2].partition('?')[0]}")

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Count calls of traced functions, and each of their lines."""
        code = frame.f_code
        is_definition = code.co_name.startswith("<") or not code.co_flags & CO_OPTIMIZED  # a module, a class
        if code.co_filename not in MODULES or is_definition:
            return None
        self._reached(f"{event} {code.co_name} {frame.f_lineno}")
        return self.trace

    def _reached(self, what: str) -> None:
        if self._log is not None:
            self._log.write(what.replace("\n", " ") + "\n")
        if not what.startswith(self._only):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._ending)


def _ticking_from(start: str) -> partial[datetime]:
    begin = time.monotonic()
    moment = datetime.fromisoformat(start)
    return partial(lambda: moment + timedelta(seconds=time.monotonic() - begin))


if __name__ == "__main__":
    point, ending, log = sys.argv[1], signal.Signals[sys.argv[2]], sys.argv[3]
    sys.argv[1:4] = []
    clock = _ticking_from(os.environ["CLOCK"]) if os.environ.get("CLOCK") else system_now
    cli.App = partial(App, now=clock)  # type: ignore[misc,assignment]
    if (point, log) != ("0", "-"):
        points = Points(point, ending, log)
        sys.addaudithook(points.audit)
        sys.settrace(points.trace)
    cli.main()
