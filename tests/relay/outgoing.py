"""Messages that a phone sends: texts, any message, and files."""

from __future__ import annotations

import os
from typing import Any

from relay import labels, phones, routing, screen
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import JID, Attr, Node, node

SENT_KEPT = 5000


def send(hub: Hub, account: Account, to: JID, message: Any, message_id: str = "", age: int = 0) -> str:
    """Send from the account's phone, to a person or a group, with copies for its own linked devices.

    The phones of the chat show the message. `age` is in seconds: the server says that it has kept it so long.
    """
    message_id = message_id or phones.new_id()
    shared: list[Node] = []
    first = message
    if group := hub.groups.get(to):
        members = [each for member in group.members for each in member.devices.values()]
        first = _invitation(hub, account, to)
        encrypted = account.phone.group_encrypt(str(to), message.SerializeToString())
        shared = [node("enc", {"v": "2", "type": "skmsg"}, encrypted)]
    elif peer := hub.find(to):
        to = peer.lid
        members = list(dict.fromkeys([*peer.devices.values(), *account.devices.values()]))
    else:
        raise ValueError(f"there is no chat {to}")
    _remember(account, message_id, to, message, age)
    show(hub, account, to, message, message_id, age)
    parts = [_part(hub, account, each, to, first) for each in members if each.bundle]
    _route(hub, account, message_id, parts, shared)
    return message_id


def show(hub: Hub, account: Account, to: JID, message: Any, message_id: str, age: int = 0) -> None:
    """Show a message of the account's phone on the phones of the chat, its own too."""
    group, peer = hub.groups.get(to), hub.find(to)
    chat = screen.chat_name(hub, to)
    for each in group.members if group else dict.fromkeys([account, *([peer] if peer else [])]):
        where = chat if group or each is account else account.number
        if each is account or account.number not in each.profile.blocked or group:
            screen.take(hub, each, account, where, message, message_id, now() - age)


def _remember(account: Account, message_id: str, to: JID, message: Any, age: int = 0) -> None:
    account.sent[message_id] = (to, message.SerializeToString(), now() - age)
    if len(account.sent) > SENT_KEPT:
        del account.sent[next(iter(account.sent))]


def withhold(hub: Hub, account: Account, to: JID, message: Any, kind: str, message_id: str = "") -> str:
    """Send a message whose content linked devices do not get: they are told that it is unavailable.

    The recipient's phone has it, and may be asked for it. `kind` is the word that the server uses:
    "view_once", "hosted_unavailable_fanout" …, empty for a device that the sender has left out.
    """
    message_id = message_id or phones.new_id()
    group, peer = hub.groups.get(to), hub.find(to)
    members = group.members if group else [peer] if peer else []
    to = to if group or peer is None else peer.lid
    _remember(account, message_id, to, message)
    show(hub, account, to, message, message_id)
    about: dict[str, Attr] = {"id": message_id, "t": now(), "type": "media", "notify": account.name}
    unavailable = node("unavailable", {"type": kind})
    for device in (each for member in members for each in member.devices.values()):
        who = routing.sender_of(hub, account, account, device.account, device.lid, to)
        hub.push(device, node("message", about | who, unavailable))
    return message_id


def garble(hub: Hub, account: Account, to: Account, hide: bool) -> str:
    """Send linked devices a message that they can never decrypt; `hide` says that it is not worth a word."""
    message_id = phones.new_id()
    about: dict[str, Attr] = {"id": message_id, "t": now(), "type": "text", "notify": account.name}
    enc: dict[str, Attr] = {"v": "2", "type": "msg", "decrypt-fail": "hide" if hide else ""}
    for device in to.devices.values():
        who = routing.sender_of(hub, account, account, to, device.lid, to.lid)
        hub.push(device, node("message", about | who, node("enc", enc, b"\x33" + os.urandom(60))))
    return message_id


def resend(hub: Hub, account: Account, message_id: str, device: Device) -> None:
    """Answer a retry receipt: send the same id again, to that device alone, in a new session."""
    if message_id not in account.sent or device.bundle is None:
        return
    to, data, _ = account.sent[message_id]
    message = hub.e2e.Message.FromString(data)
    if to in hub.groups:
        message.MergeFrom(_invitation(hub, account, to))
    account.phone.start(str(device.lid), device.bundle)
    _route(hub, account, message_id, [_part(hub, account, device, to, message)], [])


def _route(hub: Hub, account: Account, message_id: str, parts: list[Node], shared: list[Node]) -> None:
    """Pass on a message that the phone remembers, with the words that say what it is."""
    to, data, at = account.sent[message_id]
    about = labels.labels_of(hub, hub.e2e.Message.FromString(data))
    attrs: dict[str, Attr] = {"id": message_id, "type": about.type, "t": at}
    for enc in [*shared, *(enc for part in parts for enc in part)]:
        enc.attrs |= {"decrypt-fail": "hide"} if about.edit or about.type == "reaction" else {}
        enc.attrs |= {"mediatype": about.mediatype} if about.mediatype else {}
    attrs |= {"edit": about.edit} if about.edit else {}
    meta = [node("meta", {"polltype": about.polltype})] if about.polltype else []
    stanza = Node("message", attrs, [Node("participants", {}, parts), *shared, *meta])
    routing.route(hub, account, stanza, to)


def _part(hub: Hub, account: Account, device: Device, to: JID, message: Any) -> Node:
    """Return the ciphertext for one device; for our own devices it names the chat."""
    if device.account is account and to != account.lid and to not in hub.groups:
        copy = hub.e2e.Message()
        copy.deviceSentMessage.destinationJID = str(to)
        copy.deviceSentMessage.message.CopyFrom(message)
        message = copy
    return node("to", {"jid": device.lid}, phones.encrypt(account, device, message))


def _invitation(hub: Hub, account: Account, group: JID) -> Any:
    """Return the message that gives out the sender key of the phone."""
    message = hub.e2e.Message()
    message.senderKeyDistributionMessage.groupID = str(group)
    key = account.phone.group_invitation(str(group))
    message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = key
    return message
