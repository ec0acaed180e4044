"""The relay's model of people: accounts, their linked devices, groups."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from relay.appstate import Collection, PhoneSettings, SyncKey
from relay.profile import Profile
from relay.ratchet import Bundle, Endpoint
from relay.wabin import JID, LID, Node

if TYPE_CHECKING:
    from relay.connection import Connection

Key = tuple[str, str, str, str, str]


def now() -> int:
    """Return the time as stanzas have it, in Unix seconds."""
    return int(time.time())


def key_of(tag: str, stanza: Node, sender: str) -> Key:
    """Return a stanza's key in a queue, from its own attributes or from its acknowledgement or receipt."""
    kind = "" if tag == "message" else stanza.text("type")
    return tag, stanza.text("id"), stanza.text(sender), stanza.text("participant"), kind


@dataclass(eq=False)
class Device:
    """A linked (companion) device of an account."""

    account: Account
    id: int
    noise: bytes
    full_history: bool = False
    """Whether the device asked for the whole history when it registered."""
    bundle: Bundle | None = None
    conn: Connection | None = None
    active: bool = False
    """Whether the device has logged in and sent <active/>: stanzas may be pushed."""
    pending: dict[Key, Node] = field(default_factory=dict)
    """Stanzas that the device has not acknowledged, oldest first."""
    sent: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The device's own messages, by id and chat: `relay.deliveries` says what is noted of each."""
    told: set[str] = field(default_factory=set)
    """The ids of the stanzas that were queued for the device, and of the messages of its histories."""
    keyed: dict[JID, set[JID]] = field(default_factory=dict)
    """The devices that got a ciphertext of their own from this device, and so its sender key, by group."""
    dirty: dict[str, int] = field(default_factory=dict)
    """What the server says has changed until the device has cleaned it: kind to Unix time."""
    greeted: bool = False
    """The phone has sent its sync key and the history."""

    @property
    def pn(self) -> JID:
        """Return the address by number."""
        return self.account.pn.with_device(self.id)

    @property
    def lid(self) -> JID:
        """Return the address by hidden id."""
        return self.account.lid.with_device(self.id)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"conn": None, "active": False}


@dataclass(eq=False)
class Account:
    """A person with a phone; the relay plays the phone as device 0."""

    number: str
    name: str
    phone: Endpoint = field(default_factory=Endpoint)
    devices: dict[int, Device] = field(default_factory=dict)
    next_device: int = 1
    addressing: str = "lid"
    """The form of the account's address as the sender of a 1:1 chat: "lid" or "pn"."""
    migrated: bool = True
    """Whether the server takes its 1:1 messages to hidden ids."""
    mapped: bool = True
    """Whether its 1:1 messages name the other address too, from which clients learn the mapping."""
    receipts: list[str] = field(default_factory=list)
    """The receipts that its phone sends for a message: "delivered", "read"."""
    inbox: list[dict[str, Any]] = field(default_factory=list)
    """The messages that its phone decrypted, and the receipts for the account, in order."""
    undecrypted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The entries of the inbox that the phone could not decrypt and asked for again, by id."""
    sent: dict[str, tuple[JID, bytes, int]] = field(default_factory=dict)
    """The last messages of its phone, by id, for retry receipts: chat, message, Unix time."""
    shown: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """What its phone shows, by chat and message id, in order; `relay.screen` has the fields."""
    ignored: list[dict[str, Any]] = field(default_factory=list)
    """What its phone was asked for and does not do: id, from, chat, why."""
    timers: dict[str, int] = field(default_factory=dict)
    """The seconds after which messages disappear, as somebody said in a chat."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The messages of a history sync; `relay.history` has their fields."""
    chats: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of a chat's Conversation in a history sync, in protobuf's JSON: unreadCount, archived …"""
    more_history: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of the first HistorySync of a kind, such as INITIAL_STATUS_V3, in protobuf's JSON."""
    inline_history: bool = False
    """Whether the first part of the history is in the notification itself, and no file."""
    chunk: int = 1000
    """The number of messages in one part of a history sync."""
    channels: dict[str, str] = field(default_factory=dict)
    """The channels that it follows: JID to name."""
    contacts: dict[str, str] = field(default_factory=dict)
    """The phone's address book: number to full name."""
    device_notices: tuple[str, ...] = ("pn", "lid")
    """The forms of a notice that a device came or went: "pn", "lid", "update"; see `relay.notices`."""
    adv_id: int = field(default_factory=lambda: int.from_bytes(os.urandom(3), "big"))
    """The id under which the phone signs its linked devices; another one after a new installation."""
    devices_changed_at: int = field(default_factory=now)
    media_auth_seconds: int = 21_600
    """The seconds for which a right to upload is valid; clients ask for a new one in half of them."""
    sync_key: SyncKey = field(default_factory=SyncKey)
    collections: dict[str, Collection] = field(default_factory=dict)
    """The app state that the server holds, by the name of its collection."""
    settings_read: dict[str, PhoneSettings] = field(default_factory=dict)
    """The app state as the phone has read it, by the name of its collection."""
    profile: Profile = field(default_factory=Profile)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def pn(self) -> JID:
        """Return the address by number."""
        return JID(self.number)

    @cached_property
    def lid(self) -> JID:
        """Return the address by hidden id: 15 digits that do not show the number."""
        digest = hashlib.sha256(self.number.encode()).digest()
        return JID(str(10**14 + int.from_bytes(digest, "big") % (9 * 10**14)), LID)

    def take_fault(self, name: str) -> dict[str, Any] | None:
        """Return a fault that is set, and count it down; without a count it stays until it is cleared.

        With a `skip`, it does not strike so many times before.
        """
        fault = self.faults.get(name)
        if fault is not None and fault.get("skip"):
            fault["skip"] -= 1
            return None
        if fault is not None and "count" in fault:
            fault["count"] -= 1
            if fault["count"] <= 0:
                del self.faults[name]
        return fault


@dataclass(eq=False)
class Group:
    """A group, with addresses by hidden id."""

    jid: JID
    subject: str
    creator: Account
    members: list[Account]
    admins: list[Account] = field(default_factory=list)
    named_by: Account | None = None
    """The member who gave the group its subject, if not its creator when it was made."""
    named_at: int = 0
    topic: str = ""
    topic_id: str = ""
    topic_by: Account | None = None
    topic_at: int = 0
    created: int = field(default_factory=now)
    announce: bool = False
    """Whether only admins may write."""
    locked: bool = False
    """Whether only admins may change subject, description and the time after which messages disappear."""
    ephemeral: int = 0
    """The seconds after which messages disappear, 0 if they do not."""
    member_add_mode: str = "admin_add"
    """Who may add members: "admin_add" or "all_member_add"."""
    approval: bool = False
    """Whether an admin has to approve of those who join by the invite code."""
    requests: dict[str, int] = field(default_factory=dict)
    """The people who wait for that approval: number to Unix time."""
    code: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """The invite code."""
    old_codes: set[str] = field(default_factory=set)
    invitations: dict[str, str] = field(default_factory=dict)
    """The codes for people whom nobody may add, by number."""
    left: set[str] = field(default_factory=set)
    """The numbers of the people who have left by themselves."""
    picture: bytes = b""
