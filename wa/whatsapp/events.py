"""The events of WhatsApp as plain values: what is recorded. `signals` has those about the connection.

JIDs are as the server wrote them, without a device part.
"""

from __future__ import annotations

from typing import Any

from wa.values import Value
from wa.whatsapp.sealed import Sealed

# ── About ourselves and about messages, chats and people: recorded ──────────────────────────────────


class Account(Value):
    """The linked account."""

    jid: str
    lid: str | None = None
    push_name: str | None = None


class MessageReceived(Value, hidden=("secret",)):
    """A message of any kind, by anybody, including ourselves on another device."""

    chat_jid: str
    message_id: str
    sender: str
    timestamp: int
    content: str | None
    message_type: str = "text"
    is_from_me: bool = False
    push_name: str | None = None
    quoted_id: str | None = None
    raw: bytes | None = None
    details: dict[str, Any] | None = None
    """What is known beside the text, fit for JSON; a key that is unknown is left out."""
    unavailable: str | None = None
    """Why this stands for a message that this device cannot read: `view_once`, `phone_only` (it never
    comes) or `waiting` (it may come). None for the message itself."""
    secret: bytes | None = None
    """The key material with which changes of this message, and answers to it, are sealed."""


class NothingToShow(Value):
    """A message that this device could not read at first turned out to be none that people read."""

    chat_jid: str
    message_id: str


class OtherVersion(Value):
    """A picture or video of a message before, in better quality or moving; phones show both as one."""

    of: str
    """The id of the message before; '' where it is the oldest of the sender's that waits for one."""
    message: MessageReceived
    """The version as a message of its own."""
    file: bytes
    """A message of its file alone, encoded, to be put behind the bytes of the message before."""


class Edited(Value):
    """The sender changed the text of a message."""

    chat_jid: str
    message_id: str
    content: str
    timestamp: int
    by: str | None = None
    """The JID of the editor, who must be the message's sender; None if the server vouches for the edit."""
    is_from_me: bool = False
    details: dict[str, Any] | None = None
    """What the new content says beside its text: whom it mentions, times, the options of a poll."""


class Deleted(Value):
    """A message was deleted for everyone."""

    chat_jid: str
    message_id: str
    timestamp: int
    by: str | None = None
    """The JID that deleted it, the sender's or a group admin's; None if the server vouches for that."""
    is_from_me: bool = False


class Reacted(Value):
    """Somebody reacted; an empty emoji takes the reaction back."""

    chat_jid: str
    message_id: str
    sender: str
    emoji: str
    timestamp: int


class Voted(Value):
    """Somebody voted in a poll. A vote takes the place of the person's earlier one."""

    notice: MessageReceived
    """The vote as a message without a text; it quotes the poll."""
    choices: tuple[str, ...]
    """The SHA-256 digests, in hex, of the options chosen; none takes the vote back."""
    said_at: int
    """Unix milliseconds."""


class OptionAdded(Value):
    """Somebody added an option to a poll."""

    notice: MessageReceived
    """The addition as a message without a text; it quotes the poll."""
    option: str


class ReceiptReceived(Value):
    """A receipt for messages: `delivered`, `inactive`, `read`, `played`, `sender` or `retry`."""

    chat_jid: str
    message_ids: tuple[str, ...]
    recipient: str
    kind: str
    timestamp: int


class ChatRead(Value):
    """We read messages on another device, and with them all older ones of the chat."""

    chat_jid: str
    message_ids: tuple[str, ...] = ()
    """The newest messages that were read; without any, all of the chat was read."""


class JidMapped(Value):
    """A hidden id and the phone JID it stands for."""

    lid: str
    pn: str


class Named(Value):
    """A person's name: the one the person chose (push name), or the one in our phone's address book."""

    jid: str
    name: str
    is_saved: bool = False


class GroupInfo(Value):
    """A group as it is now; members are (JID, role) pairs, None where the event did not list them."""

    jid: str
    name: str | None
    members: tuple[tuple[str, str], ...] | None = None
    ephemeral: int | None = None
    """The seconds after which its messages disappear, 0 for never; None where the event did not tell."""


class GroupChanged(Value):
    """Changes of a group's members: (JID, role) pairs; the role is None for a member who left."""

    jid: str
    members: tuple[tuple[str, str | None], ...]
    timestamp: int = 0


class GroupsListed(Value):
    """All groups that we are in: we have left every other one."""

    jids: tuple[str, ...]


class EphemeralSet(Value):
    """Messages of a chat disappear after so many seconds from now on; 0: they stay."""

    chat_jid: str
    seconds: int
    timestamp: int


FOREVER = 253402300799
"""The Unix seconds until which a chat is muted that is muted for ever: the last ones that a date can have."""


class ChatSet(Value):
    """How the phone lists a chat; None for what was not told."""

    chat_jid: str
    is_archived: bool | None = None
    is_pinned: bool | None = None
    muted_until: int | None = None
    """Unix seconds, FOREVER for no end, 0 for a chat that is not muted."""


class CallTold(Value):
    """A step of a call: `offer`, `accept` (on another device of ours) or `end`."""

    call_id: str
    chat_jid: str
    """The caller's chat, or the group that is called."""
    caller: str
    step: str
    timestamp: int
    is_video: bool = False
    reason: str = ""
    """Why it ended, in the server's words: `timeout`, `accepted_elsewhere`, `rejected_elsewhere`, '' …"""


class HistoryChat(Value):
    """A part of a chat's history, newest or oldest message first, as the phone sent it."""

    jid: str
    name: str | None
    messages: tuple[Event, ...]
    is_complete: bool
    """The phone will send no more of this chat."""
    unread: int | None = None
    """The number of unread messages on the phone; None if it does not tell."""


class History(Value):
    """One part of the history that the phone sends after pairing."""

    kind: str
    """`bootstrap`, `recent`, `full`, `push_name`, `on_demand` or `other`."""
    progress: int | None
    """Percent of the history that the phone has sent so far, this part included."""
    chats: tuple[HistoryChat, ...]


class HistoryDamaged(Value):
    """A part of the history could not be read. Its chats are unknown, and it does not come again."""

    reason: str


Event = (
    MessageReceived
    | NothingToShow
    | OtherVersion
    | Edited
    | Deleted
    | Reacted
    | Sealed
    | Voted
    | OptionAdded
    | ReceiptReceived
    | ChatRead
    | JidMapped
    | Named
    | GroupInfo
    | GroupChanged
    | GroupsListed
    | EphemeralSet
    | ChatSet
    | CallTold
    | History
    | HistoryDamaged
)
