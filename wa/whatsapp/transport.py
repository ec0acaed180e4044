"""How the rest of wa sees WhatsApp: a few calls, and what comes back.

An implementation hands every recordable event to `Handlers.event` in its raw
form, on a thread of its own, and never again: whoever gets it must keep it.
`decode` makes sense of that form later, in no hurry, and needs no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wa.whatsapp.events import Account, Event, Signal


@dataclass(frozen=True)
class Quote:
    """The message that one answers; its sender and text are shown with the answer."""

    message_id: str
    sender: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Outgoing:
    """One attempt to send a message. The secret is made afresh for each."""

    to_jid: str
    text: str
    secret: bytes
    quote: Quote | None = None
    file: Path | None = None
    """A file to send, with the text as its caption."""
    file_name: str | None = None
    """What the recipient sees as the name of a document."""


@dataclass(frozen=True)
class Accepted:
    """The server's acknowledgement."""

    message_id: str
    timestamp: int
    """Unix seconds, by the server's clock."""


class SendError(Exception):
    """A send did not return an acknowledgement; unless a subclass says more, it may have gone out."""


class NotSent(SendError):
    """It provably did not go out, and may be tried again later."""


class NotConnected(NotSent):
    """There was no connection before the call."""


class NotOnWhatsApp(NotSent):
    """Nobody has this number or address; trying again does not help."""


class Refused(SendError):
    """The server answered with an error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server returned error {status}")
        self.status = status


class DownloadFailed(Exception):
    """A file could not be fetched; it may work later."""


class Expired(DownloadFailed):
    """WhatsApp no longer has the file."""


class TooLarge(DownloadFailed):
    """The file is larger than what was asked for."""


@dataclass(frozen=True)
class Downloaded:
    """A file that came with a message."""

    data: bytes
    mimetype: str
    name: str | None = None
    """What the sender called it."""


class ConnectFailed(Exception):
    """No connection could be made now."""


@dataclass(frozen=True)
class Evidence:
    """What can be found out afterwards about an attempt that never returned."""

    sent: bool | None
    """False: provably not sent. True: it went out. None: it may have gone."""
    message_id: str | None = None


@dataclass(frozen=True)
class Handlers:
    """Where a transport delivers. All of them are quick, and may be called from any thread."""

    event: Callable[[str, bytes], None]
    """(kind, raw payload) of something to record. When it raises, the transport takes no more."""
    signal: Callable[[Signal], None]
    mark: Callable[[str, str], None]
    """(message id, JID), right before a frame leaves. When it raises, the frame must not leave."""


@dataclass
class ReadMark:
    """What marking as read needs to know about messages of one chat and sender."""

    chat_jid: str
    sender: str
    message_ids: list[str] = field(default_factory=list)


class Transport(Protocol):
    """A connection to WhatsApp, or to a stand-in."""

    def account(self) -> Account | None:
        """The linked account, None before linking; needs no connection."""

    def connect(self, handlers: Handlers) -> None:
        """Begin to connect; `Connected` follows as a signal. Raises ConnectFailed."""

    def disconnect(self) -> None:
        """Close the line. When it returns, no further event will be handed over."""

    def send(self, message: Outgoing) -> Accepted:
        """Hand a message over and wait for the acknowledgement.

        `Handlers.mark` is called before it leaves. Raises a SendError. Calls come
        one at a time.
        """

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        """What became of the attempt with this secret, whose call is over.

        `marked` are the message ids marked since it began, at least one. Needs no
        connection.
        """

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read. Raises a SendError."""

    def groups(self) -> list[Event]:
        """`GroupInfo` of all groups we are in, and who their members are. Raises a SendError."""

    def download(self, raw: bytes, most: int) -> Downloaded:
        """The file of a message, of at most so many bytes, from `MessageReceived.raw`.

        Raises DownloadFailed, which says whether it expired or is too large, and NotConnected.
        """

    def log_out(self) -> None:
        """Unlink this device. Raises a SendError."""

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """The events in a raw payload. Raises for one it cannot read."""
