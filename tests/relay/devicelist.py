"""Lists of an account's devices: their addresses, their hash, and the phone's signature under them."""

from __future__ import annotations

import base64
import hashlib

from relay.hub import Hub
from relay.model import Account
from relay.wabin import JID, LID, Node, node

KEY_INDEX_PREFIX = b"\x06\x02"
"""The bytes before a signed list of key indexes, as WhatsApp Web has them; no client here checks them."""
HASHED_BYTES = 6


def addresses(account: Account, server: str) -> list[JID]:
    """Return the addresses of an account's phone and linked devices, by number or by hidden id."""
    bare = account.lid if server == LID else account.pn
    return [bare.with_device(each) for each in (0, *account.devices)]


def device_hash(devices: list[JID]) -> str:
    """Return the hash of a list of devices, as clients compute it: 6 bytes of SHA-256, after "2:"."""
    names = sorted(f"{jid.user}.0:{jid.device}@{jid.server}" for jid in devices)
    digest = hashlib.sha256("".join(names).encode()).digest()[:HASHED_BYTES]
    return "2:" + base64.b64encode(digest).decode().rstrip("=")


def key_index_list(hub: Hub, account: Account) -> Node:
    """Return <key-index-list>: the valid key indexes (the ids of the devices), signed by the phone."""
    listed = hub.adv.ADVKeyIndexList(
        rawID=account.adv_id,
        timestamp=account.devices_changed_at,
        currentIndex=account.next_device - 1,
        validIndexes=[0, *account.devices],
    ).SerializeToString()
    signature = account.phone.identity.sign(KEY_INDEX_PREFIX + listed)
    signed = hub.adv.ADVSignedKeyIndexList(details=listed, accountSignature=signature)
    return node("key-index-list", {"ts": account.devices_changed_at}, signed.SerializeToString())
