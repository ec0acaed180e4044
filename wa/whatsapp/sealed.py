"""What is sealed with the secret of a message: the event before it is opened."""

from __future__ import annotations

from wa.values import Value


class Sealed(Value, hidden=("iv", "payload")):
    """A change of a message, or an answer to it, that only that message's secret opens."""

    chat_jid: str
    message_id: str
    sender: str
    timestamp: int
    kind: str
    """`edit`, `event-edit`, `poll-edit`, `poll-option`, `vote`, `answer`, `comment` or `reaction`."""
    target_id: str
    author: str
    """The JID of the author of that message, as the sender names it."""
    iv: bytes
    payload: bytes
    is_from_me: bool = False
    push_name: str | None = None
    said_at: int = 0
    """When it was said, by its sender's clock, in Unix milliseconds; 0 if unknown."""
