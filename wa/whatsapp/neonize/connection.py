"""WhatsApp itself, through neonize (whatsmeow in Go).

The behaviour of the library decides how this module works:

- It acknowledges a message before we have it, so the event handler hands over the raw bytes and returns.
- It makes up a message's id itself and returns it only on success, but it logs each stanza right before
  it writes it, and waits for the reader of the log. The wire mark is made there (`wire_log`).
- It reconnects by itself when a socket is cut, and then sends unacknowledged messages again, under the
  same id. It has a few seconds for that; a client that is not connected by then is ended, and the owner
  connects with a new one.
- It prints to descriptors 1 and 2, so a command moves its own streams away first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from wa.errors import WaError
from wa.store.paths import Home
from wa.whatsapp.neonize import changing, people
from wa.whatsapp.neonize import session_db as session
from wa.whatsapp.neonize.client import Client, can_be_reached
from wa.whatsapp.neonize.decoding import decode as decoding
from wa.whatsapp.neonize.encoding import message as encoding
from wa.whatsapp.neonize.errors import DOWN, ENDS, connect_error, end_signal, send_error
from wa.whatsapp.neonize.group_actions.calls import GroupCalls
from wa.whatsapp.neonize.library import library
from wa.whatsapp.neonize.reading import NeonizeReader
from wa.whatsapp.neonize.wire_log import Turnstile, ViewOnce, WireLog
from wa.whatsapp.signals import CaughtUp, Connected, Disconnected, LoggedOut, Signal
from wa.whatsapp.transport import (
    Accepted,
    Change,
    ConnectFailed,
    Downloaded,
    Evidence,
    Handlers,
    NotConnected,
    OlderThan,
    Outgoing,
    ReadMark,
)

log = logging.getLogger(__name__)

RETURN_SECONDS = 6.0
"""Seconds that the library may try to restore a cut connection; after 5 it no longer sends again."""
LOGIN_SECONDS = 40.0
LINK_SECONDS = 3600.0
MOST_CLIENTS = 200
"""The most clients of one process: each leaks memory. Afterwards a supervisor starts a new process."""
DIAL_SECONDS = 2.0
"""Seconds that `connect` waits for the first attempt to fail; later failures are signals."""


class NeonizeTransport(NeonizeReader, GroupCalls):
    """The transport to WhatsApp."""

    def __init__(self, home: Home, on_fatal: Callable[[WaError], None] = lambda error: None) -> None:
        """`on_fatal` is called with the error for which the process ends at once."""
        super().__init__(home)
        self._on_fatal = on_fatal
        self._handlers: Handlers | None = None
        self._lock = threading.RLock()
        self._handing_over = threading.Lock()
        self._broken = False
        self._timer: threading.Timer | None = None
        self._people, self._turnstile, self._view_once = people.PeopleWatch(home), Turnstile(), ViewOnce()

    # ── The connection ──────────────────────────────────────────────────────────────────────────────

    def connect(self, handlers: Handlers) -> None:
        """Begin to connect; Transport.connect. Raise WaError when no retry can help."""
        with self._lock:
            self._handlers, self._broken = handlers, False
            client = self._client
            if client is not None and not client.ended.is_set() and not client.closing:
                if client.is_up:
                    self._tell_state(client)
                return  # the library is connecting
            self._known = self._known or self.account()
            if self._known is None:
                handlers.signal(LoggedOut())
                return
            if Client.made and not can_be_reached():  # each attempt of the library leaks memory and a file
                raise ConnectFailed("WhatsApp cannot be reached")
            if len(Client.made) >= MOST_CLIENTS:
                raise WaError("network-error", "no connection for a long time", "start again")
            self._begin(Client(library(), self._home, self._on_event), LOGIN_SECONDS)

    def pair(
        self, handlers: Handlers, tell: Callable[[dict[str, Any]], None], phone: str | None, full: bool
    ) -> None:
        """Begin to link this device. The caller's process must be killable: nothing else ends a pairing.

        `tell` is called with {"event": "qr" | "code", "code": …} and {"event": "login", "status": …};
        later events go to `handlers`. `phone` (digits) asks for a code to type, `full` for the whole history.
        """
        self._handlers = handlers
        client = Client(library(), self._home, self._on_event, full=full)
        client.report_pairing(tell, phone)
        self._begin(client, LINK_SECONDS)

    def _begin(self, client: Client, login_seconds: float) -> None:
        session.is_shared.set()
        if self._home.session.exists():  # it has all keys of the account
            self._home.session.chmod(0o600)
        on_lost = partial(self._hand_over, client, decoding.HISTORY_DAMAGED)
        entry, on_fatal = library().proto.LogEntry, self._on_fatal
        noted = self._turnstile, self._view_once, client.unrepeated
        heard = WireLog(entry, self._handlers, on_fatal, on_lost, *noted)
        library().client.log_whatsmeow = heard
        self._client = client
        self._watch(login_seconds)
        client.thread.start()
        client.decided.wait(DIAL_SECONDS)
        if client.error is not None:
            self._client = None
            raise connect_error(self._home, str(client.error))

    def disconnect(self) -> None:
        """Close the connection; Transport.disconnect."""
        with self._lock:
            client = self._client
            self._people.stop()
            if self._timer is not None:
                self._timer.cancel()
            if client is not None:
                client.close()
            with self._handing_over:  # from now on no event is handed over
                self._client = None

    def _watch(self, seconds: float) -> None:
        """End the client unless it is connected after `seconds`; then the owner connects with a new one."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._give_up, [self._client])
        self._timer.daemon = True
        self._timer.start()

    def _give_up(self, client: Client) -> None:
        with self._lock:
            if self._client is not client or client.is_up:
                return
            client.close()
            self._client = None
            reason = str(client.error or "WhatsApp does not answer")
        self._signal(Disconnected(reason))

    def _tell_state(self, client: Client) -> None:
        if self._known is None:  # just linked: the library tells the account soon
            return
        self._signal(Connected(self._known))
        if client.is_caught_up:
            self._signal(CaughtUp())

    def _signal(self, signal: Signal) -> None:
        if self._handlers is not None and not self._broken:
            self._handlers.signal(signal)

    # ── Events, on the library's thread ─────────────────────────────────────────────────────────────

    def _on_event(self, client: Client, kind: Any, payload: bytes) -> None:
        name = library().recorded.get(kind)
        if name is None:
            client.last_event = time.monotonic()  # what follows may take long
            change = kind.DESCRIPTOR.name
            if change in DOWN:
                client.is_up = False
            if self._client is client and not client.closing:
                self._on_change(client, change, kind.FromString(payload))
        elif name != "message" or not decoding.is_secret(kind.FromString(payload)):  # 7 µs; keys are not kept
            told = self._view_once.say(kind, payload) if name == "undecryptable" else payload
            self._hand_over(client, name, told)
        client.last_event = time.monotonic()
        if name in ("message", "undecryptable"):
            self._turnstile.leave()
        elif name == "receipt":
            client.note_receipt(kind, payload)

    def _hand_over(self, client: Client, kind: str, payload: bytes) -> None:
        """Let the handler store an event. If it fails, disconnect, so that the server sends no more."""
        with self._handing_over:
            if self._broken or self._handlers is None or self._client is not client:
                return
            try:
                self._handlers.event(kind, payload)
            except BaseException:
                self._broken = client.is_cut = True
                client.native.disconnect()
                log.exception("an event could not be kept")

    def _on_change(self, client: Client, kind: str, event: Any) -> None:
        log.info("neonize: %s", kind)
        if kind in ("Connected", "KeepAliveRestored"):
            client.is_up = True
            client.decided.set()
            if self._timer is not None:
                self._timer.cancel()
            self._tell_state(client)
        elif kind == "Device" and self._known is None:
            self._known = decoding.account(event)
            if client.is_up:
                self._tell_state(client)
        elif kind == "OfflineSyncCompleted":
            client.is_caught_up = True
            self._people.start(partial(self._hand_over, client), partial(self._channels.ask, client.native))
            if client.is_up and self._known is not None:
                self._signal(CaughtUp())
        elif kind in ("Disconnected", "KeepAliveTimeout"):
            client.is_caught_up = client.is_caught_up and kind != "Disconnected"
            self._watch(RETURN_SECONDS)
            self._signal(Disconnected("the line dropped" if kind == "Disconnected" else "no answer"))
        elif kind in ENDS:
            if kind == "LoggedOut":
                self._known = None
            client.decided.set()
            self._signal(end_signal(kind, event))
            if kind == "ConnectFailure":
                self._watch(0)

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────

    def _connected(self) -> Client:
        client = self._client
        if client is None or not client.is_up or client.closing:
            raise NotConnected("no connection")
        return client

    def send(self, message: Outgoing) -> Accepted:
        """Send a message and wait for the acknowledgement; Transport.send."""
        client, handlers = self._connected(), self._handlers
        proto = encoding.build(library(), client, message)
        if message.file is not None and handlers is not None:
            handlers.release(message.secret)
        return self._send(client, message.to_jid, proto)

    def change(self, change: Change) -> Accepted:
        """Change a message for everyone; Transport.change."""
        client = self._connected()
        return self._send(client, change.key.chat_jid, changing.build(library(), client, change))

    def _send(self, client: Client, to_jid: str, proto: Any) -> Accepted:
        lib = library()
        try:
            sent = client.native.send_message(lib.jid(to_jid), proto)
        except lib.client.SendMessageError as error:
            raise send_error(str(error), to_jid) from None
        client.retries.sent(sent.ID, to_jid)
        return Accepted(sent.ID, int(sent.Timestamp))

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        """Return whether an attempt sent its message; Transport.evidence."""
        return session.evidence(self._home, secret, marked)

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read; Transport.mark_read."""
        self._connected().mark_read(mark)

    def ask_history(self, wanted: OlderThan) -> None:
        """Ask our phone for older messages; Transport.ask_history."""
        client, account = self._connected(), self._known
        if account is None:
            raise NotConnected("no account yet")
        client.send_to_oneself(account.jid, encoding.history_request(library(), client, wanted))

    # ── Files, the account ──────────────────────────────────────────────────────────────────────────

    def download(self, raw: bytes, most: int) -> Downloaded:
        """Return the file of a message; Transport.download."""
        return self._connected().download(raw, most)

    def log_out(self) -> None:
        """Unlink this device; Transport.log_out."""
        self._connected().log_out()
