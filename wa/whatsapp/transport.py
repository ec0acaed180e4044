"""The protocol between wa and WhatsApp: about ten calls, their parameters, results and errors.

An implementation hands each event that is to be recorded to `Handlers.event` once, in its raw form
and on a thread of its own, so the handler must store it. Later, `decode` turns the raw form into
events; that needs no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wa.values import Value
from wa.whatsapp.events import Account, Event
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.sealed import Sealed
from wa.whatsapp.signals import Signal


class Quote(Value):
    """The message that a reply quotes; phones show its sender and content with the reply."""

    message_id: str
    sender: str | None = None
    text: str | None = None
    kind: str = "text"
    """Its type, as in `MessageReceived.message_type`."""
    raw: bytes | None = None
    """`MessageReceived.raw`, if it is kept."""
    details: dict[str, Any] | None = None
    """`MessageReceived.details`, if any are kept."""
    is_edited: bool = False


class Timer(Value):
    """A chat's setting that messages disappear after so many seconds; set at a time in Unix seconds."""

    seconds: int
    set_at: int | None = None


class Outgoing(Value):
    """One attempt to send a message. Each attempt has a new secret."""

    to_jid: str
    text: str
    secret: bytes
    quote: Quote | None = None
    file: Path | None = None
    """A file to send, with the text as its caption."""
    file_name: str | None = None
    """The name of a document as the recipient sees it."""
    timer: Timer | None = None
    """The chat's timer, which each message carries: the recipients' phones delete it after that time."""
    kind: str = "text"
    """Its type, as in `MessageReceived.message_type`."""
    details: dict[str, Any] | None = None
    """What it says beside the text, in the form of `MessageReceived.details`."""


class Key(Value):
    """The message that a change is about, as WhatsApp names it."""

    chat_jid: str
    message_id: str
    sender: str
    is_from_me: bool


class Change(Value, hidden=("secret",)):
    """One attempt to change a message for everyone: its reaction, its text, or that it is there.

    Each attempt has a new secret.
    """

    kind: str
    """`react`, `edit` or `delete`."""
    key: Key
    secret: bytes
    text: str = ""
    """The emoji, "" to take it back; or the new text."""
    details: dict[str, Any] | None = None
    """What a new text says beside itself, in the form of `MessageReceived.details`."""
    timer: Timer | None = None
    """The chat's timer, which a new text carries."""
    at: int = 0
    """The time of the change in Unix milliseconds, by our clock."""


class Accepted(Value):
    """The server's acknowledgement."""

    message_id: str
    timestamp: int
    """Unix seconds, by the server's clock."""


class SendError(Exception):
    """The server did not acknowledge a message. It may have been sent, unless a subclass says more."""


class NotSent(SendError):
    """The message was certainly not sent, and may be tried again later."""


class UploadFailed(NotSent):
    """The file of the message could not be uploaded; a refusal by the server carries its HTTP status."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


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
    """A file could not be downloaded; a later try may succeed."""


class Expired(DownloadFailed):
    """WhatsApp no longer has the file."""


class TooLarge(DownloadFailed):
    """The file is larger than the caller allows."""


class Downloaded(Value):
    """A file that came with a message."""

    data: bytes
    mimetype: str
    name: str | None = None
    """The sender's name for it."""


class ConnectFailed(Exception):
    """No connection could be made now."""


class Evidence(Value):
    """The evidence of whether a message was sent, for an attempt whose call did not return."""

    sent: bool | None
    """True if the message was sent, False if it was certainly not sent, None if it may have been sent."""
    message_id: str | None = None


class Handlers(Value):
    """The callbacks of a transport, called from any thread. Each returns quickly."""

    event: Callable[[str, bytes], None]
    """Called with kind and raw payload of an event. If it raises, the transport receives no more events."""
    signal: Callable[[Signal], None]
    mark: Callable[[str, str], None]
    """Called with message id and JID before a frame is sent. If it raises, the frame must not be sent."""
    release: Callable[[bytes], None] = lambda secret: None
    """Called with an attempt's secret when its file is uploaded. If it raises, nothing must be sent."""


class OlderThan(Value):
    """A request to our phone for messages of a chat that are older than one of them."""

    chat_jid: str
    message_id: str
    """"" if no message of the chat is known."""
    timestamp: int
    """Unix seconds."""
    is_from_me: bool
    count: int
    """The most messages to send."""


@dataclass
class ReadMark:
    """Messages of one chat and sender that are to be marked as read."""

    chat_jid: str
    sender: str
    message_ids: list[str] = field(default_factory=list)


class Reader(Protocol):
    """The part of a transport that reads what has arrived. It needs no connection."""

    def decode(self, kind: str, payload: bytes) -> list[Event]:
        """Return the events in a raw payload. Raise an error of any kind if it cannot be read."""

    def secrets(self, chats: Sequence[str], message_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return the secrets of messages that the transport itself keeps, by message id. Raise WaError."""

    def open(
        self, sealed: Sealed, secrets: Sequence[bytes], authors: Sequence[str], senders: Sequence[str]
    ) -> list[Event] | None:
        """Return the events in a sealed message; None if no secret fits.

        `authors` are the addresses of the author of the message that it is about, `senders` its sender's.
        Raise an error of any kind if the content cannot be read.
        """


class Transport(Reader, Protocol):
    """A connection to WhatsApp, or to a stand-in."""

    def account(self) -> Account | None:
        """Return the linked account, None before linking. It needs no connection."""

    def connect(self, handlers: Handlers) -> None:
        """Begin to connect; `Connected` follows as a signal. Raise ConnectFailed."""

    def disconnect(self) -> None:
        """Close the connection. After it has returned, no event is handed over."""

    def send(self, message: Outgoing) -> Accepted:
        """Send a message and wait for the acknowledgement. One call at a time. Raise SendError.

        `Handlers.mark` is called before the message leaves, and `Handlers.release` before that for a file.
        """

    def evidence(self, secret: bytes, marked: Sequence[str]) -> Evidence:
        """Return whether the attempt with this secret, whose call is over, sent its message.

        `marked` are the message ids marked since the attempt began, at least one. It needs no connection.
        """

    def change(self, change: Change) -> Accepted:
        """Change a message for everyone, and wait for the acknowledgement. Raise SendError.

        It is a message of its own, so `Handlers.mark` is called before it leaves, and `evidence` knows it.
        """

    def mark_read(self, mark: ReadMark) -> None:
        """Tell the senders that their messages were read. Raise SendError."""

    def ask_history(self, wanted: OlderThan) -> None:
        """Ask our phone for older messages. They come as an event `History`, if at all. Raise SendError."""

    def groups(self) -> list[Event]:
        """Return `GroupInfo` of all groups we are in, with their members. Raise SendError."""

    def manage_group(self, action: GroupAction) -> GroupAnswer:
        """Do something with a group, once: it is not repeated when the connection is cut. Raise SendError.

        For whom of several people it was refused is in the answer, not an error.
        """

    def block(self, jid: str, is_blocked: bool) -> None:
        """Block a person, or unblock. Raise SendError."""

    def blocked(self) -> list[str]:
        """Return the JIDs of the people whom we have blocked. Raise SendError."""

    def download(self, raw: bytes, most: int) -> Downloaded:
        """Return the file of a message, of at most `most` bytes. `raw` is `MessageReceived.raw`.

        Raise DownloadFailed, also as Expired or TooLarge, and NotConnected.
        """

    def log_out(self) -> None:
        """Unlink this device. Raise SendError."""
