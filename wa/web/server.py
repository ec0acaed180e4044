"""The HTTP server: its socket, and its life until a signal."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from wa.connection.programs.work import Work
from wa.settings import Settings
from wa.store.paths import Home
from wa.web.access import Link
from wa.web.application import make_application
from wa.web.config import Config
from wa.web.guard import Guard
from wa.web.health import Health

GRACE_SECONDS = 1
"""Seconds that requests may take to end after a signal."""
HEAD_SECONDS = 30.0
"""Seconds in which the head of a request must have come."""
MOST_CONNECTIONS = 200
"""Connections at a time. They are fewer than the files that a process may open: more would fill the log."""


class Connection(H11Protocol):
    """A connection, which is closed if no whole head of a request comes, and if there are too many."""

    _checking: asyncio.TimerHandle | None = None
    _seen: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._checking = self.loop.call_later(HEAD_SECONDS, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._checking is not None:
            self._checking.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        if self.cycle is self._seen and (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()
            return
        self._seen = self.cycle
        self._checking = self.loop.call_later(HEAD_SECONDS, self._check)


def run(
    bound: socket.socket,
    host: str,
    home: Home,
    settings: Settings,
    config: Config,
    now: Callable[[], datetime],
    link: Link | None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, which are raised again at the end."""
    work, health = Work(home, settings, now), Health(home, settings, now)
    guard: Any = Guard(make_application(work, health), config, work, host, link)
    server = uvicorn.Server(
        uvicorn.Config(
            guard,
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    # What they would write without a configuration: that requests were cut off, or are no forms, which the
    # answer says, and faults, which `guard` logs.
    for name in ("uvicorn", "python_multipart"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        server.run([bound])
    finally:
        health.stop()
        work.stop()
        bound.close()
