"""A server in a process without the command line, which takes a tenth of its memory: `wa serve` becomes it.

The process keeps its number, its streams and the socket, which listens already. What it needs to know comes
through a pipe, for arguments and the environment of a process can be read by others.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from wa.connection.context import system_now
from wa.errors import WaError
from wa.settings import NAMES, Settings, parse_settings
from wa.store.paths import Home
from wa.web.access import Link
from wa.web.config import parse_config
from wa.zones import choose_rules

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOST_BYTES = 60_000
"""The most bytes of what a server is told; a pipe takes no more at once (pipe(7))."""
_ENDS_WITH = {signal.SIGTERM: 0, signal.SIGINT: 130}

_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
"""For glibc: with an arena for each thread, the server takes 3 MB more."""


def become(
    bound: socket.socket,
    host: str,
    home: Home,
    settings: Settings,
    values: dict[str, str],
    key: str | None,
    verbose: int,
) -> NoReturn:
    """Replace this process by a server on a socket. The store is closed; `values` are settings as text.

    Raise WaError `bad-setting` if they are longer than MOST_BYTES.
    """
    known = {name: values[name] for name in NAMES if name in values}
    given = {
        "socket": bound.fileno(),
        "host": host,
        "home": str(home.path),
        "values": {**known, "WA_TZ": str(settings.zone)},
        "link": key,
        "verbose": verbose,
    }
    data = json.dumps(given).encode()
    if len(data) > MOST_BYTES:
        bound.close()
        hint = "API_ALLOWED_IPS takes networks too, such as 192.0.2.0/24"
        raise WaError("bad-setting", "the settings of the API are too long", hint)
    outlet, inlet = os.pipe()
    os.write(inlet, data)
    os.close(inlet)
    for descriptor in (outlet, bound.fileno()):
        os.set_inheritable(descriptor, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the server has its handlers
    environment = {**os.environ, **_ONE_ARENA}
    os.execve(sys.executable, [sys.executable, "-m", __name__, str(outlet)], environment)  # noqa: S606


def main() -> None:
    """Serve, as `become` says, until a signal."""
    with open(int(sys.argv[1]), "rb") as pipe:
        given: dict[str, Any] = json.load(pipe)
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as by nohup
    for number in _SIGNALS[: 1 if ignored else 2]:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if given["verbose"]:
        logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("wa").setLevel(logging.INFO if given["verbose"] == 1 else logging.DEBUG)
    from wa.web import server

    choose_rules()
    values, host = given["values"], given["host"]
    server.run(
        socket.socket(fileno=given["socket"]),
        host,
        Home(Path(given["home"])),
        parse_settings(values, lambda: "UTC"),
        parse_config(values, host),
        system_now,
        Link(given["link"], time.monotonic()) if given["link"] else None,
    )


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(_ENDS_WITH[signal.Signals(number)])


if __name__ == "__main__":
    main()
