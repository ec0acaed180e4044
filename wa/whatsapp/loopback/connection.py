"""The loopback transport: a stand-in for WhatsApp that needs no phone.

It follows two rules of WhatsApp: the server forgets a message before our handler has
stored it, but a receipt afterwards; and the newest connection ends the one before.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile

from wa.store.paths import Home
from wa.store.wake import WakeSocket
from wa.whatsapp.events import Account, Event, History, HistoryChat, MessageReceived
from wa.whatsapp.ids import own_message_id
from wa.whatsapp.loopback.calls import Calls
from wa.whatsapp.loopback.faults import refusal
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import AT_ONCE, EVENTS, Loopback
from wa.whatsapp.sealed import Sealed
from wa.whatsapp.signals import (
    CaughtUp,
    Connected,
    Disconnected,
    Replaced,
    Signal,
)
from wa.whatsapp.transport import (
    Accepted,
    Change,
    ConnectFailed,
    Downloaded,
    DownloadFailed,
    Evidence,
    Handlers,
    NotConnected,
    OlderThan,
    Outgoing,
    ReadMark,
    SendError,
    TooLarge,
)

LOOK_SECONDS, LOOK_UNTOLD = 2.0, 0.02
"""Seconds between two looks for events if nothing wakes the listener, and if nothing can."""
REST_SECONDS = 0.02
"""The least seconds between two looks: receipts are handed over and removed together."""


class LoopbackTransport(Calls):
    """The transport to the stand-in."""

    def __init__(self, home: Home, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._home = home
        self._now = now
        self._listener: threading.Thread | None = None

    def account(self) -> Account:
        """Return our account on loopback, which needs no linking."""
        return ACCOUNT

    def connect(self, handlers: Handlers) -> None:
        """Begin to connect; Transport.connect."""
        self.disconnect()
        self._handlers = handlers
        if self._server is None:
            self._server = Loopback(self._home)
        refused = refusal(self._server.faults())
        if isinstance(refused, Disconnected):
            raise ConnectFailed(refused.reason)
        if refused is not None:
            handlers.signal(refused)
            return
        self._token, self._seen = self._server.take_connection(), -1
        self._socket, self._stopping = WakeSocket(self._server.socket), threading.Event()
        self._listener = threading.Thread(
            target=self._listen, args=(handlers, self._token, self._socket), name="loopback", daemon=True
        )
        self._listener.start()

    def disconnect(self) -> None:
        """Close the connection; Transport.disconnect."""
        self._token = None
        self._stopping.set()
        if self._socket is not None:
            self._socket.wake()
        if self._listener is not None and self._listener is not threading.current_thread():
            self._listener.join()
        self._listener = None

    def _listen(self, handlers: Handlers, token: str, socket: WakeSocket) -> None:
        server = Loopback(self._home, durable=False)
        try:
            handlers.signal(Connected(ACCOUNT))
            end = self._deliver_all(server, handlers, token, socket)
        except Exception:  # an event could not be stored: the server keeps the others
            self._token = None
            return
        finally:
            server.close()
            socket.close()
        if end is not None:
            self._token = None
            handlers.signal(end)

    def _deliver_all(
        self, server: Loopback, handlers: Handlers, token: str, socket: WakeSocket
    ) -> Signal | None:
        """Hand over events until `disconnect`; return None, or the signal that ended it earlier."""
        seen, last, caught_up, looked = -1, 0, False, 0.0
        waiting: list[tuple[int, str, bytes]] = []
        are_all = True
        while not self._stopping.is_set():
            if (version := server.version()) != seen:
                seen = version
                if server.connection() != token:
                    return Replaced()
                if refused := refusal(server.faults()):
                    return refused
            if not waiting:
                looked, waiting = time.monotonic(), server.incoming(last)
                are_all = len(waiting) < AT_ONCE
            if receipts := list(takewhile(lambda each: each[1] == "receipt", waiting)):
                last = self._hand_over(server, handlers, token, receipts)
                del waiting[: len(receipts)]
            elif waiting:
                last, kind, payload = waiting.pop(0)
                if server.remove_incoming(last, last, token):
                    handlers.event(kind, payload)
            if not waiting and are_all:
                if not caught_up:
                    caught_up = True
                    handlers.signal(CaughtUp())
                if socket.wait(LOOK_SECONDS if socket.is_reachable else LOOK_UNTOLD)[0]:
                    time.sleep(max(0.0, looked + REST_SECONDS - time.monotonic()))
        return None

    def _hand_over(
        self, server: Loopback, handlers: Handlers, token: str, receipts: list[tuple[int, str, bytes]]
    ) -> int:
        """Hand over receipts, and remove these afterwards; return the number of the last one."""
        last = receipts[0][0] - 1
        try:
            for number, kind, payload in receipts:
                handlers.event(kind, payload)
                last = number
        finally:
            server.remove_incoming(receipts[0][0], last, token)
        return last

    def send(self, message: Outgoing) -> Accepted:
        """Send a message and wait for the acknowledgement; Transport.send."""
        server, handlers, faults = self._ready(message.to_jid)
        if message.file is not None:
            if self._stopping.wait(float(faults.get("upload-delay", "0"))):
                raise NotConnected("the connection was closed")
            handlers.release(message.secret)
        return self._hand_in(message.to_jid, partial(server.accept, message), handlers, faults)

    def change(self, change: Change) -> Accepted:
        """Change a message for everyone; Transport.change."""
        server, handlers, faults = self._ready(change.key.chat_jid)
        return self._hand_in(change.key.chat_jid, partial(server.accept_change, change), handlers, faults)

    def _hand_in(
        self, to_jid: str, accept: Callable[..., None], handlers: Handlers, faults: dict[str, str]
    ) -> Accepted:
        """Mark a message, hand it to the server, and wait for the acknowledgement."""
        message_id = own_message_id()
        handlers.mark(message_id, to_jid)
        now = self._now()
        receipt = faults.get("receipts") != "off"
        self._answered(partial(accept, message_id, now, receipt=receipt), faults)
        return Accepted(message_id, int(now.timestamp()))

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        """Return whether an attempt sent its message; Transport.evidence.

        A message that was not accepted was certainly not sent. One that was accepted
        may have been sent: as with WhatsApp, acceptance alone is no proof.
        """
        server = Loopback(self._home)
        try:
            message_id = server.accepted_id(secret)
        finally:
            server.close()
        if message_id is None or message_id not in marked:
            return Evidence(sent=False)
        return Evidence(sent=None, message_id=message_id)

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read; Transport.mark_read."""
        self._connected().note_read(mark)

    def ask_history(self, wanted: OlderThan) -> None:
        """Ask for older messages; Transport.ask_history. Here the answer is always that there are none."""
        self._connected().tell_history_end(wanted.chat_jid)

    def download(self, raw: bytes, most: int) -> Downloaded:
        """Return the file of a message, which here is in the message itself; Transport.download."""
        self._connected()
        if raw.startswith(b"{"):  # it came from the tool before this one, with the address of its file
            raise DownloadFailed("the stand-in cannot reach WhatsApp's files")
        if len(raw) > most:
            raise TooLarge(f"it has {len(raw)} bytes")
        return Downloaded(raw, "application/octet-stream")

    def log_out(self) -> None:
        """Unlink this device; Transport.log_out."""
        raise SendError("the loopback transport is never linked")

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """Return the events in a raw payload; Transport.decode."""
        fields = json.loads(payload)
        if kind == "history":
            return [History("on_demand", 100, (HistoryChat(fields["chat_jid"], None, (), True),))]
        if fields.get("raw") is not None:
            fields["raw"] = base64.b64decode(fields["raw"])
        for name in ("message_ids", "choices"):
            if name in fields:
                fields[name] = tuple(fields[name])
        if "notice" in fields:
            fields["notice"] = MessageReceived(**fields["notice"])
        if fields.get("members") is not None:
            fields["members"] = tuple((jid, role) for jid, role in fields["members"])
        return [EVENTS[kind](**fields)]

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return no secrets: nothing is sealed here; Reader.secrets."""
        return {}

    def open(
        self, sealed: Sealed, secrets: Sequence[bytes], authors: Sequence[str], senders: Sequence[str]
    ) -> list[Event] | None:
        """Return None: nothing is sealed here; Reader.open."""
        return None
