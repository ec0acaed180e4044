"""WhatsApp itself, through neonize (whatsmeow in Go): the only module that imports it.

What the library is like decides what is done here. It tells the server "received"
before we have a message, so the handler of events hands over the raw bytes and
returns. It makes up the message's id itself and tells it only on success, but
logs each stanza right before it writes it, and waits for whoever reads the log:
that is where the wire mark is made. It reconnects by itself when a socket is cut,
and then sends once more, under the same id, what was not acknowledged: so it is
left a few seconds for that, and what does not come back by then is ended and begun
anew. It prints, so whoever uses it keeps descriptors 1 and 2 for themselves first.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from wa.errors import WaError
from wa.store.paths import Home
from wa.whatsapp.neonize import decode as decoding
from wa.whatsapp.neonize import encode as outgoing
from wa.whatsapp.neonize import session_db as session
from wa.whatsapp.neonize.client import Line, can_be_reached, heard, recorded
from wa.whatsapp.neonize.errors import ENDS, connect_error, end_of_line, send_error
from wa.whatsapp.neonize.wire_log import WireLog
from wa.whatsapp.transport import (
    Accepted,
    Account,
    CaughtUp,
    Connected,
    ConnectFailed,
    Disconnected,
    Downloaded,
    DownloadFailed,
    Event,
    Evidence,
    Expired,
    Handlers,
    LoggedOut,
    NotConnected,
    Outgoing,
    ReadMark,
    SendError,
    Signal,
    TooLarge,
)

log = logging.getLogger(__name__)

RETURN_SECONDS = 6.0
"""How long the library may try to bring a cut line back; it gives up its own resending after 5."""
LOGIN_SECONDS = 40.0
LINK_SECONDS = 3600.0
MOST_LINES = 200
"""The library leaves something behind with each; whoever supervises us starts a fresh process then."""
DIAL_SECONDS = 2.0
"""How long `connect` waits to see the first attempt fail; what fails later is signalled."""


class Library:
    """neonize, loaded when first needed: it takes 0.4 s and 70 MB."""

    def __init__(self) -> None:
        try:
            import magic  # noqa: F401
        except ImportError:  # no libmagic on this system; only parts of neonize that we do not use need it
            sys.modules["magic"] = ModuleType("magic")
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            from neonize import client, events
            from neonize.proto import Neonize_pb2 as proto
            from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
            from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
            from neonize.utils.enum import MediaType, ReceiptType
        except (ImportError, OSError) as error:
            raise WaError(
                "network-error",
                f"the WhatsApp library cannot be loaded: {error}",
                "there is none for musl (Alpine), nor for old systems; see `wa doctor`",
            ) from error
        finally:  # it sets up logging for the whole process
            root.handlers[:] = handlers
            root.setLevel(level)
        self.client, self.events, self.proto, self.e2e = client, events, proto, e2e
        self.device_props, self.media_type, self.receipt_type = DeviceProps, MediaType, ReceiptType
        self.recorded, self.heard = recorded(events), heard(events)
        logging.getLogger("neonize.utils.log").setLevel(logging.DEBUG)  # the level that Go is given
        for name in ("neonize", "whatsmeow"):  # or its warnings would go to standard error
            logging.getLogger(name).propagate = False
            logging.getLogger(name).addHandler(logging.NullHandler())

    def jid(self, text: str) -> Any:
        """A JID as the library has it."""
        user, _, server = text.partition("@")
        return self.proto.JID(User=user, Server=server, Device=0, RawAgent=0, Integrator=0, IsEmpty=False)


_loaded: list[Library] = []
_loading = threading.Lock()


def library() -> Library:
    """The library, loaded now if it was not. Raises WaError where it cannot be."""
    with _loading:
        if not _loaded:
            _loaded.append(Library())
        return _loaded[0]


class NeonizeTransport:
    """The transport contract, spoken with WhatsApp."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._handlers: Handlers | None = None
        self._line: Line | None = None
        self._lock = threading.RLock()
        self._handing_over = threading.Lock()
        self._known: Account | None = None
        self._broken = False
        self._timer: threading.Timer | None = None
        self._sweeper = session.Sweeper(home)

    def account(self) -> Account | None:
        """The linked account; Transport.account. Raises WaError for a damaged session database."""
        return session.account(self._home)

    # ── The line ────────────────────────────────────────────────────────────────────────────────────

    def connect(self, handlers: Handlers) -> None:
        """Begin to connect; Transport.connect. Raises WaError where no retry can help."""
        with self._lock:
            self._handlers, self._broken = handlers, False
            line = self._line
            if line is not None and not line.ended.is_set() and not line.closing:
                if line.is_up:
                    self._tell_state(line)
                return  # the library is at it
            self._known = self._known or self.account()
            if self._known is None:
                handlers.signal(LoggedOut())
                return
            if Line.made and not can_be_reached():  # to try costs the library memory and an open file
                raise ConnectFailed("WhatsApp cannot be reached")
            if len(Line.made) >= MOST_LINES:
                raise WaError("network-error", "no connection for a long time", "start again")
            self._begin(Line(library(), self._home, self._on_event), LOGIN_SECONDS)

    def pair(
        self, handlers: Handlers, tell: Callable[[dict[str, Any]], None], phone: str | None, full: bool
    ) -> None:
        """Begin to link this device; only in a process that can be killed, for nothing else ends this.

        `tell` is given {"event": "qr" | "code", "code": …} and {"event": "login", "status": …}; what
        follows comes to `handlers`. `phone` (digits) asks for a code to type, `full` for all of the past.
        """
        self._handlers = handlers
        line = Line(library(), self._home, self._on_event, full=full)
        line.report_pairing(tell, phone)
        self._begin(line, LINK_SECONDS)

    def _begin(self, line: Line, login_seconds: float) -> None:
        session.is_shared.set()
        if self._home.session.exists():  # all of the account is in it
            self._home.session.chmod(0o600)
        library().client.log_whatsmeow = WireLog(library().proto.LogEntry, self._handlers)
        self._line = line
        self._watch(login_seconds)
        line.thread.start()
        line.decided.wait(DIAL_SECONDS)
        if line.error is not None:
            self._line = None
            raise connect_error(self._home, str(line.error))

    def disconnect(self) -> None:
        """Close the line; Transport.disconnect."""
        with self._lock:
            line = self._line
            self._sweeper.stop()
            if self._timer is not None:
                self._timer.cancel()
            if line is not None:
                line.close()
            with self._handing_over:  # from now on nothing is handed over
                self._line = None

    def _watch(self, seconds: float) -> None:
        """Give the line so long to be up; then it is ended, and whoever listens connects anew."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._give_up, [self._line])
        self._timer.daemon = True
        self._timer.start()

    def _give_up(self, line: Line) -> None:
        with self._lock:
            if self._line is not line or line.is_up:
                return
            line.close()
            self._line = None
            reason = str(line.error or "WhatsApp does not answer")
        self._signal(Disconnected(reason))

    def _tell_state(self, line: Line) -> None:
        if self._known is None:  # just linked: the library tells it soon
            return
        self._signal(Connected(self._known))
        if line.is_caught_up:
            self._signal(CaughtUp())

    def _signal(self, signal: Signal) -> None:
        if self._handlers is not None and not self._broken:
            self._handlers.signal(signal)

    # ── What arrives, on the library's thread ───────────────────────────────────────────────────────

    def _on_event(self, line: Line, kind: Any, payload: bytes) -> None:
        line.last_event = time.monotonic()
        name = library().recorded.get(kind)
        if name is None:
            if self._line is line and not line.closing:
                self._on_change(line, kind.DESCRIPTOR.name, kind.FromString(payload))
        elif name != "message" or not decoding.is_secret(kind.FromString(payload)):
            self._hand_over(line, name, payload)
        line.last_event = time.monotonic()

    def _hand_over(self, line: Line, kind: str, payload: bytes) -> None:
        """Let the handler keep an event. When it cannot, the server must not think that we take more."""
        with self._handing_over:
            if self._broken or self._handlers is None or self._line is not line:
                return
            try:
                self._handlers.event(kind, payload)
            except BaseException:
                self._broken = True
                line.client.disconnect()
                log.exception("an event could not be kept")

    def _on_change(self, line: Line, kind: str, event: Any) -> None:
        log.info("neonize: %s", kind)
        if kind in ("Connected", "KeepAliveRestored"):
            line.is_up = True
            line.decided.set()
            if self._timer is not None:
                self._timer.cancel()
            self._tell_state(line)
        elif kind == "Device" and self._known is None:
            self._known = decoding.account(event)
            if line.is_up:
                self._tell_state(line)
        elif kind == "OfflineSyncCompleted":
            line.is_caught_up = True
            self._sweeper.start(partial(self._hand_over, line))
            if line.is_up and self._known is not None:
                self._signal(CaughtUp())
        elif kind in ("Disconnected", "KeepAliveTimeout"):
            line.is_up = False
            line.is_caught_up = line.is_caught_up and kind != "Disconnected"
            self._watch(RETURN_SECONDS)
            self._signal(Disconnected("the line dropped" if kind == "Disconnected" else "no answer"))
        elif kind in ENDS:
            if kind == "LoggedOut":
                self._known = None
            line.is_up = False
            line.decided.set()
            self._signal(end_of_line(kind, event))
            if kind == "ConnectFailure":
                self._watch(0)

    # ── What goes out ───────────────────────────────────────────────────────────────────────────────

    def _connected_line(self) -> Line:
        line = self._line
        if line is None or not line.is_up:
            raise NotConnected("no connection")
        return line

    def send(self, message: Outgoing) -> Accepted:
        """Hand a message over and wait for the acknowledgement; Transport.send."""
        line = self._connected_line()
        lib = library()
        proto = outgoing.build(lib, line, message)
        try:
            sent = line.client.send_message(lib.jid(message.to_jid), proto)
        except lib.client.SendMessageError as error:
            raise send_error(str(error), message.to_jid) from None
        return Accepted(sent.ID, int(sent.Timestamp))

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        """What became of an attempt; Transport.evidence.

        The library writes the secret of a message beside its id into its database
        before the frame: an id that was not marked has not gone; one that was may have.
        """
        try:
            message_id = session.message_of(self._home, secret)
        except WaError as error:
            log.warning("%s", error.message)
            return Evidence(sent=None)
        if message_id is not None and message_id not in marked:
            return Evidence(sent=False)
        return Evidence(sent=None, message_id=message_id)

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read; Transport.mark_read."""
        line = self._connected_line()
        lib = library()
        chat, sender = (line.lid_of(jid) or jid for jid in (mark.chat_jid, mark.sender))
        try:
            line.client.mark_read(
                *mark.message_ids, chat=lib.jid(chat), sender=lib.jid(sender), receipt=lib.receipt_type.READ
            )
        except lib.client.MarkReadError as error:
            raise SendError(str(error)) from None

    # ── The rest ────────────────────────────────────────────────────────────────────────────────────

    def groups(self) -> list[Event]:
        """The groups we are in, with their members; Transport.groups."""
        line = self._connected_line()
        lib = library()
        try:
            found = line.client.get_joined_groups()
        except lib.client.GetJoinedGroupsError as error:
            raise SendError(str(error)) from None
        return [event for each in found for event in decoding.group_info(each)]

    def download(self, raw: bytes, most: int) -> Downloaded:
        """The file that a message's raw bytes tell of; Transport.download."""
        line = self._connected_line()
        lib = library()
        message = lib.e2e.Message.FromString(raw)
        size, mimetype, name = outgoing.file_of(message)
        if size > most:
            raise TooLarge(f"it has {size / 1e6:,.1f} MB")
        try:
            data = bytes(line.client.download_any(message))
        except lib.client.DownloadError as error:
            found = re.search(r"status code (\d+)", str(error))
            if found and found[1] in ("403", "404", "410"):
                raise Expired(f"WhatsApp no longer has it (status {found[1]})") from None
            raise DownloadFailed(str(error)) from None
        if len(data) > most:  # the message said otherwise
            raise TooLarge(f"it has {len(data) / 1e6:,.1f} MB")
        return Downloaded(data, mimetype, name)

    def log_out(self) -> None:
        """Unlink this device; Transport.log_out."""
        line = self._connected_line()
        try:
            line.client.logout()
        except library().client.LogoutError as error:
            raise SendError(str(error)) from None

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """The events in a raw payload; Transport.decode."""
        if kind == session.PEOPLE:
            return session.decode_people(payload)
        for proto, name in library().recorded.items():
            if name == kind:
                return self._decode(kind, proto.FromString(payload), payload)
        raise ValueError(f"there is no event of kind {kind!r}")

    def _decode(self, kind: str, event: Any, payload: bytes) -> list[Event]:
        if not event.ListFields():
            raise ValueError(f"{len(payload)} bytes that say nothing")
        if kind == "message":
            return decoding.message_events(event, self._phone_of)
        if kind == "receipt":
            return decoding.receipt_events(event, self._phone_of)
        if kind == "history":
            account = self._known or self.account()
            return decoding.history(event.Data, account.jid if account else None, self._phone_of)
        if kind == "group-change":
            return decoding.group_events(event, self._phone_of)
        if kind == "group-joined":
            return decoding.joined_group_events(event)
        return decoding.undecryptable_events(event, self._phone_of)

    def _phone_of(self, lid: str) -> str | None:
        line = self._line
        if line is not None and line.is_up:
            return line.phone_of(lid)
        return None if session.is_shared.is_set() else session.phone_of(self._home, lid)
