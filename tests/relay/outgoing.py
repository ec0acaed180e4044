"""Messages that a phone sends: texts, any message, and files."""

from __future__ import annotations

from typing import Any

from relay import phones, routing
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import JID, Node, node

SENT_KEPT = 5000


def send(hub: Hub, account: Account, to: JID, message: Any, message_id: str = "", kind: str = "text") -> str:
    """Send from the account's phone, to a person or a group, with copies for its own linked devices."""
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
    account.sent[message_id] = (to, message.SerializeToString(), kind, now())
    if len(account.sent) > SENT_KEPT:
        del account.sent[next(iter(account.sent))]
    parts = [_part(hub, account, each, to, first) for each in members if each.bundle]
    _route(hub, account, to, message_id, kind, parts, shared)
    return message_id


def resend(hub: Hub, account: Account, message_id: str, device: Device) -> None:
    """Answer a retry receipt: send the same id again, to that device alone, in a new session."""
    if message_id not in account.sent or device.bundle is None:
        return
    to, data, kind, _ = account.sent[message_id]
    message = hub.e2e.Message.FromString(data)
    if to in hub.groups:
        message.MergeFrom(_invitation(hub, account, to))
    account.phone.start(str(device.lid), device.bundle)
    _route(hub, account, to, message_id, kind, [_part(hub, account, device, to, message)], [])


def _route(
    hub: Hub, account: Account, to: JID, message_id: str, kind: str, parts: list[Node], shared: list[Node]
) -> None:
    stanza = Node("message", {"id": message_id, "type": kind}, [Node("participants", {}, parts), *shared])
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
