"""One client of the WhatsApp library, from connecting to its end. The library is an argument."""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from wa.store.paths import Home
from wa.whatsapp.neonize.decoding.from_json import stored_message
from wa.whatsapp.neonize.decoding.kinds.cards import cards_name, vcards
from wa.whatsapp.neonize.decoding.kinds.files import file_in, file_of
from wa.whatsapp.neonize.errors import download_error, send_error, upload_error
from wa.whatsapp.neonize.group_actions.unrepeated import Unrepeated
from wa.whatsapp.neonize.library import in_time, seconds_for
from wa.whatsapp.transport import Downloaded, ReadMark, SendError, TooLarge

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.4
"""Seconds without an event, after the connection was closed, after which no more events are expected."""
STOP_SECONDS = 3.0
POLL_SECONDS = 0.02
DIAL_SECONDS = 3.0
DOWNLOAD_SECONDS = 300.0
"""The most seconds of a download: the size of its file is only what the sender says."""
SERVER = "web.whatsapp.com"
RETRY_SECONDS = 1.0
"""Seconds for which a connection stays open for a recipient who has neither received a message nor asked
for it again. A recipient whose app was installed anew asks twice, the second time with new keys."""
MOST_RETRY_SECONDS = 2.0
"""The most seconds for which it stays open for all recipients together, however often they ask."""
SENT_KEPT = 256
"""The last messages that the library can send again; requests for others need no connection."""
_RECEIVED = ("DELIVERED", "INACTIVE", "READ", "PLAYED")
_Moments = dict[tuple[str | int, ...], float]


class Client:
    """One client of the library, from connecting to its end. It is never used again."""

    made: list[Client] = []
    """All clients of this process, so that none is freed: Go may still call back into one that has ended."""

    def __init__(self, lib: Any, home: Home, on_event: Callable[..., None], *, full: bool = False) -> None:
        self.made.append(self)
        self._lib = lib
        self.is_up = self.is_caught_up = False
        self.decided = threading.Event()
        self.ended = threading.Event()
        self.closing = self.is_cut = False
        self.error: Exception | None = None
        self.last_event = time.monotonic()
        self.retries, self.unrepeated = Retries(), Unrepeated(self.ended)
        platform = lib.device_props.DESKTOP
        props = lib.device_props(os="wa", platformType=platform, requireFullSync=full)
        name = f"{home.session}"
        self.native = lib.client.NewClient(name, props=props, uuid=f"{os.getpid()}-{len(self.made)}")
        self.native.event.list_func = dict.fromkeys(lib.events.EVENT_TO_INT[kind] for kind in lib.heard)
        self.native.event.execute = lambda uuid, binary, size, code: on_event(
            self, lib.events.INT_TO_EVENT[code], ctypes.string_at(binary, size)
        )
        # No daemon: while Go runs, it calls back, and Python must not end before.
        self.thread = threading.Thread(target=self._run, name="neonize", daemon=False)

    def _run(self) -> None:
        try:
            self._lib.run(self.native)
        except Exception as error:
            self.error = error
        self.ended.set()
        self.decided.set()

    def report_pairing(self, tell: Callable[[dict[str, Any]], None], phone: str | None) -> None:
        """Call `tell` with each QR code, with the code to type for `phone`, and with how the login went."""
        asked = threading.Event()

        def on_qr(_: Any, data: bytes) -> None:
            if phone is None:
                tell({"event": "qr", "code": data.decode()})
            elif not asked.is_set():  # the library accepts the request only after the first QR code
                asked.set()
                threading.Thread(target=ask_code, daemon=True).start()

        def ask_code() -> None:
            try:
                code = self.native.PairPhone(phone, show_push_notification=True)
                tell({"event": "code", "code": code})
            except Exception as error:
                tell({"event": "login", "status": str(error)})

        self.native.qr(on_qr)
        # neonize has no other way to tell Python how a pairing ended.
        self.native._NewClient__onLoginStatus = lambda _, status: tell(
            {"event": "login", "status": ctypes.string_at(status).decode()}
        )

    def phone_of(self, lid: str) -> str | None:
        """Return the phone JID behind a hidden id, None where the library does not know it."""
        return self._other(self.native.get_pn_from_lid, lid)

    def lid_of(self, pn: str) -> str | None:
        """Return the hidden id of a phone JID, None where the library does not know it."""
        return self._other(self.native.get_lid_from_pn, pn)

    def _other(self, ask: Callable[[Any], Any], jid: str) -> str | None:
        try:
            found = ask(self._lib.jid(jid))
        except Exception:
            return None  # the library raises this error for an unknown address
        return f"{found.User}@{found.Server}" if found.User else None

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read. Raise SendError."""
        lib = self._lib
        chat, sender = (self.lid_of(jid) or jid for jid in (mark.chat_jid, mark.sender))
        try:
            self.native.mark_read(
                *mark.message_ids, chat=lib.jid(chat), sender=lib.jid(sender), receipt=lib.receipt_type.READ
            )
        except lib.client.MarkReadError as error:
            raise SendError(str(error)) from None

    def send_to_oneself(self, own_jid: str, message: Any) -> None:
        """Send our phone a request: as a message to ourselves, the library's only way. Raise SendError."""
        try:
            self.native.send_message(self._lib.jid(own_jid), message)
        except self._lib.client.SendMessageError as error:
            raise send_error(str(error), own_jid) from None

    def download(self, raw: bytes, most: int) -> Downloaded:
        """Return the file of a message, of at most `most` bytes. Raise DownloadFailed."""
        message = stored_message(self._lib.e2e.Message, raw)
        if sent := vcards(message):
            return Downloaded(sent, "text/vcard", cards_name(message))
        size, mimetype, name = file_of(message)
        if size > most:
            raise TooLarge(f"it has {size / 1e6:,.1f} MB")
        file = file_in(message)
        try:
            data = bytes(in_time("download", download_seconds(size), lambda: self._fetch(file)))
        except (self._lib.client.DownloadError, TimeoutError) as error:
            raise download_error(str(error)) from None
        if len(data) > most:  # the message declared a smaller size
            raise TooLarge(f"it has {len(data) / 1e6:,.1f} MB")
        return Downloaded(data, mimetype, name)

    def _fetch(self, file: Any) -> Any:
        """Return the content of a file. The library looks for it in a few fields of a message alone."""
        kind = file.DESCRIPTOR.name if file else ""
        if kind == "StickerPackMessage":
            where = file.directPath, file.fileEncSHA256, file.fileSHA256, file.mediaKey, file.fileLength
            pack = self._lib.media_type.MediaStickerPack
            return self.native.download_media_with_path(*where, pack, pack.to_mms())
        alone = {f"{kind[0].lower()}{kind[1:]}": file} if file else {}
        return self.native.download_any(self._lib.e2e.Message(**alone))

    def upload(self, data: bytes, kind: Any) -> Any:
        """Store a file with WhatsApp; return what the library says of it. Raise UploadFailed."""
        try:
            return in_time("upload", seconds_for(len(data)), lambda: self.native.upload(data, kind))
        except (self._lib.client.UploadError, TimeoutError) as error:
            raise upload_error(str(error)) from None

    def note_receipt(self, kind: Any, payload: bytes) -> None:
        """Note a receipt, which is kept already, in `retries`; nothing is raised into the library."""
        try:
            self.retries.on_receipt(kind.FromString(payload))
        except Exception:
            log.exception("a receipt could not be noted")

    def log_out(self) -> None:
        """Unlink this device. Raise SendError."""
        try:
            self.native.logout()
        except self._lib.client.LogoutError as error:
            raise SendError(str(error)) from None

    def close(self) -> None:
        """Let recipients ask for messages again, disconnect, hand over all received events, and stop."""
        self.closing = True
        if self.ended.is_set():
            self.is_up = False
            return
        if not self.decided.is_set():  # no event can have arrived; Go's call returns once it has dialled
            threading.Thread(target=self._stop, name="neonize-stop", daemon=True).start()
            return
        self.retries.wait(lambda: self.is_up and not self.is_cut)
        self.is_up = False
        self.native.disconnect()
        self.last_event = time.monotonic()
        while time.monotonic() - self.last_event < QUIET_SECONDS:
            time.sleep(POLL_SECONDS)
        self.native.stop()
        if threading.current_thread() is not self.thread:
            self.thread.join(STOP_SECONDS)

    def _stop(self) -> None:
        self.native.disconnect()
        self.native.stop()


class Retries:
    """The recipients from whom a receipt for a message of the last RETRY_SECONDS is still expected."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: deque[str] = deque(maxlen=SENT_KEPT)
        self._unanswered: _Moments = {}
        self._received: _Moments = {}
        self._asked: _Moments = {}
        """The requests, by message id and device, also for ids that may never have been sent."""

    def sent(self, message_id: str, to_jid: str) -> None:
        """Expect receipts for a message; one may have come before the server's acknowledgement.

        A message to a group is expected to be asked for again, however many of its members have received it.
        """
        with self._lock:
            self._sent.append(message_id)
            if (message_id,) not in self._received or to_jid.endswith("@g.us"):
                _note(self._unanswered, (message_id,))

    def on_receipt(self, receipt: Any) -> None:
        """Note that messages were received, or that a recipient could not decrypt one."""
        kind, source = receipt.ReceiptType.Name(receipt.Type), receipt.MessageSource
        sender = source.Sender
        is_to_oneself = kind == "SENDER" and source.Chat.User == sender.User
        with self._lock:
            for message_id in receipt.MessageIDs:
                asked = (message_id, sender.User, sender.Device)
                if kind == "RETRY":
                    _note(self._asked, asked)
                elif kind in _RECEIVED or is_to_oneself:
                    _note(self._received, (message_id,))
                    self._asked.pop(asked, None)
                    if not source.IsGroup:
                        self._unanswered.pop((message_id,), None)

    def wait(self, is_up: Callable[[], bool]) -> None:
        """Wait until no receipt is expected, at most MOST_RETRY_SECONDS, and only while the line `is_up`."""
        deadline = time.monotonic() + MOST_RETRY_SECONDS
        while is_up() and self._is_expected() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _is_expected(self) -> bool:
        with self._lock:
            _forget_old(self._unanswered)
            _forget_old(self._asked)
            return bool(self._unanswered) or any(asked[0] in self._sent for asked in self._asked)


def _note(moments: _Moments, what: tuple[str | int, ...]) -> None:
    moments.pop(what, None)
    moments[what] = time.monotonic()
    _forget_old(moments)


def _forget_old(moments: _Moments) -> None:
    """Remove the entries older than RETRY_SECONDS; the oldest come first."""
    while moments and time.monotonic() - next(iter(moments.values())) > RETRY_SECONDS:
        del moments[next(iter(moments))]


def download_seconds(size: int) -> float:
    """Return the seconds that a download may take. `size` is what the sender says, 0 if that is nothing."""
    return min(seconds_for(size), DOWNLOAD_SECONDS) if size else DOWNLOAD_SECONDS


def can_be_reached() -> bool:
    """Return whether WhatsApp's server, or the proxy before it, accepts a connection."""
    from urllib.parse import urlsplit  # their import takes 1 MB, and this is called after a failure
    from urllib.request import getproxies

    proxy = urlsplit(getproxies().get("https", ""))
    where = (proxy.hostname, proxy.port or 80) if proxy.hostname else (SERVER, 443)
    try:
        socket.create_connection(where, DIAL_SECONDS).close()
    except OSError:
        return False
    return True
