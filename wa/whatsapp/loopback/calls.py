"""The calls of the transport on the stand-in: whether it is there, how they end, and those about groups."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from wa.jids import is_group, show_jid
from wa.store.wake import WakeSocket
from wa.whatsapp.events import Event
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.loopback.faults import refusal
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import (
    Handlers,
    NotConnected,
    NotOnWhatsApp,
    Refused,
    SendError,
)

T = TypeVar("T")


class Calls:
    """The part of the transport that calls the server."""

    def __init__(self) -> None:
        self._handlers: Handlers | None = None
        self._server: Loopback | None = None
        self._token: str | None = None
        self._seen = -1
        self._newest: str | None = None
        self._faults: dict[str, str] = {}
        """The version of the server's data when `_newest`, a token, and `_faults` were read."""
        self._stopping = threading.Event()
        self._socket: WakeSocket | None = None

    def _connected(self) -> Loopback:
        """Return the server. Raise NotConnected."""
        if self._server is None or self._token is None:
            raise NotConnected("no connection")
        return self._server

    def _ready(self, to_jid: str) -> tuple[Loopback, Handlers, dict[str, str]]:
        """Return the server, our handlers and the faults in force. Raise NotSent if nothing can be sent."""
        server, handlers = self._server, self._handlers
        if server is None or handlers is None or self._socket is None or self._token is None:
            raise NotConnected("no connection")
        if (version := server.version()) != self._seen:
            self._newest, self._faults = server.connection(), server.faults()
            self._seen = version  # last, for the other thread
        if self._newest != self._token or refusal(self._faults) is not None:
            raise NotConnected("the connection was lost")
        if to_jid in self._faults.get("not-on-whatsapp", "").split():
            raise NotOnWhatsApp(f"{show_jid(to_jid)} is not on WhatsApp")
        if is_group(to_jid) and server.is_outside(to_jid):
            raise NotOnWhatsApp(f"there is no group {to_jid}, or you are not in it")
        return server, handlers, self._faults

    def _answered(self, do: Callable[[], T], faults: dict[str, str]) -> T:
        """Let the server do something, and return its answer. Raise SendError as the faults want it."""
        stopping, socket = self._stopping, self._socket
        if "refuse" in faults:
            raise Refused(int(faults["refuse"]))
        answer = do()
        if socket is not None:
            socket.wake()
        if "ack-delay" in faults and stopping.wait(float(faults["ack-delay"])):
            raise SendError("the connection was closed before the acknowledgement")
        if "ack-lost" in faults:
            stopping.wait(float(faults.get("ack-timeout", "1")))
            raise SendError("timed out waiting for the acknowledgement")
        return answer

    def groups(self) -> list[Event]:
        """Return the groups that the stand-in knows; Transport.groups. Others may have been imported."""
        return [*self._connected().groups()]

    def manage_group(self, action: GroupAction) -> GroupAnswer:
        """Do something with a group; Transport.manage_group."""
        server, _, faults = self._ready("")
        missing = faults.get("not-on-whatsapp", "").split()
        return self._answered(partial(server.manage_group, action, missing), faults)

    def block(self, jid: str, is_blocked: bool) -> None:
        """Block a person, or unblock; Transport.block."""
        server, _, faults = self._ready(jid)
        self._answered(partial(server.block, jid, is_blocked=is_blocked), faults)

    def blocked(self) -> list[str]:
        """Return the people whom we have blocked; Transport.blocked."""
        return self._connected().blocked()
