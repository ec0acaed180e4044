"""One client of the WhatsApp library, from connecting to its end. It is given the library."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from wa.store.paths import Home

QUIET_SECONDS = 0.4
"""How long no event must have come, after the line was closed, for all of them to have been handed over."""
STOP_SECONDS = 3.0
DIAL_SECONDS = 3.0
SERVER = "web.whatsapp.com"


class Line:
    """One client of the library, from connecting to its end. There is never a second use of one."""

    made: list[Line] = []
    """All of this process: Go may call back into one that has ended, and crashes if it is gone."""

    def __init__(self, lib: Any, home: Home, on_event: Callable[..., None], *, full: bool = False) -> None:
        self.made.append(self)
        self._lib = lib
        self.is_up = self.is_caught_up = False
        self.decided = threading.Event()
        self.ended = threading.Event()
        self.closing = False
        self.error: Exception | None = None
        self.last_event = time.monotonic()
        platform = lib.device_props.DESKTOP
        props = lib.device_props(os="wa", platformType=platform, requireFullSync=full)
        name = f"{home.session}"
        self.client = lib.client.NewClient(name, props=props, uuid=f"{os.getpid()}-{len(self.made)}")
        self.client.event.list_func = dict.fromkeys(lib.events.EVENT_TO_INT[kind] for kind in lib.heard)
        self.client.event.execute = lambda uuid, binary, size, code: on_event(
            self, lib.events.INT_TO_EVENT[code], ctypes.string_at(binary, size)
        )
        self.thread = threading.Thread(target=self._run, name="neonize", daemon=True)

    def _run(self) -> None:
        try:
            self.client.connect()
        except Exception as error:
            self.error = error
        self.ended.set()
        self.decided.set()

    def report_pairing(self, tell: Callable[[dict[str, Any]], None], phone: str | None) -> None:
        """Tell of QR codes, of the code to type for `phone`, and of how the login went."""
        asked = threading.Event()

        def on_qr(_: Any, data: bytes) -> None:
            if phone is None:
                tell({"event": "qr", "code": data.decode()})
            elif not asked.is_set():  # the library takes the wish only once there is a first QR code
                asked.set()
                threading.Thread(target=ask_code, daemon=True).start()

        def ask_code() -> None:
            try:
                code = self.client.PairPhone(phone, show_push_notification=True)
                tell({"event": "code", "code": code})
            except Exception as error:
                tell({"event": "login", "status": str(error)})

        self.client.qr(on_qr)
        # How a pairing ends reaches Python in no other way.
        self.client._NewClient__onLoginStatus = lambda _, status: tell(
            {"event": "login", "status": ctypes.string_at(status).decode()}
        )

    def phone_of(self, lid: str) -> str | None:
        """The phone JID behind a hidden id, where the library knows it."""
        return self._other(self.client.get_pn_from_lid, lid)

    def lid_of(self, pn: str) -> str | None:
        """The hidden id of a phone JID, where the library knows it."""
        return self._other(self.client.get_lid_from_pn, pn)

    def _other(self, ask: Callable[[Any], Any], jid: str) -> str | None:
        try:
            found = ask(self._lib.jid(jid))
        except Exception:
            return None  # its way to say that it does not know
        return f"{found.User}@{found.Server}" if found.User else None

    def close(self) -> None:
        """Disconnect, let all that was received arrive, stop."""
        self.is_up, self.closing = False, True
        if self.ended.is_set():
            return
        if not self.decided.is_set():  # nothing can have come; Go returns when it has dialled
            threading.Thread(target=self._stop, name="neonize-stop", daemon=True).start()
            return
        self.client.disconnect()
        self.last_event = time.monotonic()
        while time.monotonic() - self.last_event < QUIET_SECONDS:
            time.sleep(QUIET_SECONDS / 20)
        self.client.stop()
        if threading.current_thread() is not self.thread:
            self.thread.join(STOP_SECONDS)

    def _stop(self) -> None:
        self.client.disconnect()
        self.client.stop()


def heard(events: Any) -> list[Any]:
    """The events to subscribe to."""
    return [
        events.ConnectedEv, events.DisconnectedEv, events.OfflineSyncCompletedEv, events.LoggedOutEv,
        events.StreamReplacedEv, events.TemporaryBanEv, events.ConnectFailureEv, events.ClientOutdatedEv,
        events.KeepAliveTimeoutEv, events.KeepAliveRestoredEv, *recorded(events),
    ]  # fmt: skip


def recorded(events: Any) -> dict[Any, str]:
    """The events that are kept, and what the spool calls them."""
    return {
        events.MessageEv: "message",
        events.ReceiptEv: "receipt",
        events.HistorySyncEv: "history",
        events.GroupInfoEv: "group-change",
        events.JoinedGroupEv: "group-joined",
        events.UndecryptableMessageEv: "undecryptable",
    }


def can_be_reached() -> bool:
    """Whether there is any way to WhatsApp's server, or to the proxy before it."""
    proxy = urlsplit(getproxies().get("https", ""))
    where = (proxy.hostname, proxy.port or 80) if proxy.hostname else (SERVER, 443)
    try:
        socket.create_connection(where, DIAL_SECONDS).close()
    except OSError:
        return False
    return True
