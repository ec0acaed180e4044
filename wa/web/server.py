"""The HTTP server: its socket, and its life until a signal."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uvicorn

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
            http="h11",
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
