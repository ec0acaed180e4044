"""The HTTP server: its socket, and its life until a signal."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uvicorn

from wa.errors import WaError
from wa.settings import Settings
from wa.store.paths import Home
from wa.web.access import Link
from wa.web.application import make_application
from wa.web.config import Config
from wa.web.guard import Guard
from wa.web.health import Health
from wa.web.processes import listener_on
from wa.web.work import Work

GRACE_SECONDS = 2
"""Seconds that requests may take to end after a signal."""


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address.

    Raise WaError `in-use` for a port that another process has, and `bad-setting` for an address that is not
    this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _not_ours(host, error) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise _not_ours(host, error) from error
        holder = listener_on(port) or "another program"
        message = f"port {port} is taken by {holder}"
        raise WaError("in-use", message, "stop it, or choose another port with --port") from error
    return made


def _not_ours(host: str, error: OSError) -> WaError:
    hint = "--host names an address of this machine; a port below 1024 wants root"
    return WaError("bad-setting", f"cannot listen on {host}: {error.strerror or error}", hint)


def run(
    bound: socket.socket,
    host: str,
    home: Home,
    settings: Settings,
    config: Config,
    now: Callable[[], datetime],
    link: Link | None,
    ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C, which are raised again at the end. Call `ready` once it answers."""
    work, health = Work(home, settings, now), Health(home, settings, now)
    guard: Any = Guard(make_application(work, health), config, work, host, link)
    server = _Server(
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
    server.ready = ready
    # What it would write without a configuration: that requests were cut off, and faults, which `guard` logs.
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    try:
        server.run([bound])
    finally:
        health.stop()
        work.stop()
        bound.close()


class _Server(uvicorn.Server):
    """A server that tells when it answers."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.ready()
