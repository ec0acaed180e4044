"""Notifications that the server sends by itself: the devices of an account changed."""

from __future__ import annotations

import os

from relay.hub import Hub
from relay.model import Account, now
from relay.wabin import Attr, Node, node


def devices_changed(hub: Hub, account: Account) -> None:
    """Make connected clients forget an account's devices.

    Clients keep device lists; without this, or a `phash` in an acknowledgement, a device that was linked
    just now gets nothing from them.
    """
    for other in hub.accounts.values():
        notices = [_own(account)] if other is account else _foreign(account)
        for device in other.devices.values():
            for notice in notices:
                if device.conn and device.active:
                    hub.background(device.conn.send(notice))


def _own(account: Account) -> Node:
    ids = (0, *account.devices)
    devices = [node("device", {"jid": account.pn.with_device(each)}) for each in ids]
    attrs: dict[str, Attr] = {
        "from": account.pn,
        "type": "account_sync",
        "id": os.urandom(6).hex(),
        "t": now(),
    }
    return node("notification", attrs, node("devices", {"dhash": "2:changed"}, *devices))


def _foreign(account: Account) -> list[Node]:
    out = []
    for jid in (account.lid, account.pn):
        attrs: dict[str, Attr] = {"from": jid, "type": "devices", "id": os.urandom(6).hex(), "t": now()}
        out.append(node("notification", attrs, node("update", {"device_hash": "2:changed"})))
    return out
