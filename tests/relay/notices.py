"""Notifications that the server sends by itself: devices, keys and settings of an account changed."""

from __future__ import annotations

import base64
import hashlib
import os

from relay.devicelist import addresses, device_hash, key_index_list
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import JID, LID, PN, SERVER, Attr, Node, node


def notification(kind: str, sender: JID, *children: Node, **more: Attr) -> Node:
    """Return a <notification> with an id of its own."""
    attrs: dict[str, Attr] = {"from": sender, "type": kind, "id": os.urandom(6).hex(), "t": now()}
    return node("notification", attrs | more, *children)


def devices_changed(hub: Hub, device: Device, action: str) -> None:
    """Tell all others and the account's other devices that a device came ("add") or went ("remove").

    The notices wait for devices that are offline. To whom the real server sends them, and by which of the
    two addresses, is unknown: `Account.device_notices` has the forms, and everybody gets them.
    """
    account = device.account
    account.devices_changed_at = now()
    lie = account.take_fault("wrong_device_hash") is not None
    forms = {"pn": _by_number, "lid": _by_hidden_id, "update": _update}
    notices = [each for form in account.device_notices for each in forms[form](hub, device, action, lie)]
    for other in hub.accounts.values():
        if other is not account:
            tell(hub, other, *notices)
    own = _own(hub, account, lie)
    for each in account.devices.values():
        if each is not device:
            hub.push(each, own)


async def send_dirty(device: Device) -> None:
    """Tell a connected device what has changed since it looked; it says so when it has seen it."""
    for kind, at in list(device.dirty.items()):  # the device may clean one meanwhile
        if device.conn:
            changed = node("dirty", {"type": kind, "timestamp": at})
            await device.conn.send(node("ib", {"from": SERVER}, changed))


def tell(hub: Hub, account: Account, *notices: Node) -> None:
    """Queue notices for all linked devices of an account."""
    for device in account.devices.values():
        for notice in notices:
            hub.push(device, notice)


def _hash(account: Account, server: str, lie: bool) -> str:
    return device_hash([] if lie else addresses(account, server))


def _by_number(hub: Hub, device: Device, action: str, lie: bool) -> list[Node]:
    account = device.account
    hashes: dict[str, Attr] = {
        "device_hash": _hash(account, PN, lie),
        "device_lid_hash": _hash(account, LID, lie),
    }
    which = node("device", {"jid": device.pn, "lid": device.lid, "key-index": device.id})
    change = node(action, hashes, which, _indexes(hub, account, action))
    return [notification("devices", account.pn, change, lid=account.lid)]


def _by_hidden_id(hub: Hub, device: Device, action: str, lie: bool) -> list[Node]:
    account = device.account
    which = node("device", {"jid": device.lid, "key-index": device.id})
    hashes: dict[str, Attr] = {"device_hash": _hash(account, LID, lie)}
    change = node(action, hashes, which, _indexes(hub, account, action))
    return [notification("devices", account.lid, change)]


def _update(hub: Hub, device: Device, action: str, lie: bool) -> list[Node]:
    """Say only that something changed, with the hash by which official clients find the person."""
    account = device.account
    known_by = hashlib.md5(f"{account.number}WA_ADD_NOTIF".encode(), usedforsecurity=False).digest()[:3]
    return [
        notification("devices", jid, node("update", {"hash": base64.b64encode(known_by).decode()}))
        for jid in (account.lid, account.pn)
    ]


def _indexes(hub: Hub, account: Account, action: str) -> Node:
    """Return the signed list for a new device; at a removal the server has only its time (a guess)."""
    if action == "add":
        return key_index_list(hub, account)
    return node("key-index-list", {"ts": account.devices_changed_at})


def _own(hub: Hub, account: Account, lie: bool) -> Node:
    devices = [node("device", {"jid": jid, "key-index": jid.device}) for jid in addresses(account, PN)]
    listed = node("devices", {"dhash": _hash(account, PN, lie)}, *devices, key_index_list(hub, account))
    return notification("account_sync", account.pn, listed)
