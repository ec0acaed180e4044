"""Signal keys: the clients' queries (`encrypt`), the notice of few prekeys, and phones installed anew."""

from __future__ import annotations

import hashlib
import os

from relay import deliveries
from relay.appstate import SyncKey
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.notices import notification, tell
from relay.ratchet import Bundle, Endpoint
from relay.refused import Refused, Unknown, not_found
from relay.wabin import JID, LID, SERVER, Node, node

FEW_PREKEYS = 5
"""The server asks for more prekeys when fewer than this are left. Real servers are said to ask earlier."""
SIZES = {"registration": 4, "identity": 32, "id": 3, "value": 32, "signature": 64}


def answer(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer a query: count the remaining prekeys, store keys, give out others', digest, rotate."""
    device = conn.device
    if device is None:
        raise Refused(401, "not-authorized")
    if query.child("count"):
        return [node("count", {"value": len(device.bundle.prekeys) if device.bundle else 0})]
    if query.child("digest"):
        return [_digest(device)]
    if wanted := query.child("key"):
        _refuse_removed(hub, wanted)
        return [node("list", {}, *(_bundle_node(hub, user.jid("jid")) for user in wanted))]
    if query.text("type") == "set" and query.child("list"):
        _store(device, query)
        return []
    if query.text("type") == "set" and (rotate := query.child("rotate")):
        _rotate(device, rotate)
        return []
    raise Unknown


def keep_prekeys(hub: Hub, device: Device, count: int) -> None:
    """Forget all one-time prekeys of a device but some, and ask it for more if those are few."""
    if device.bundle:
        del device.bundle.prekeys[count:]
        _ask_for_more(hub, device)


def reinstall(hub: Hub, account: Account, address: str) -> None:
    """Give an account a phone that was installed anew: another identity, no sessions, no app state.

    `address` is the form by which the server says so, "lid" or "pn"; without one it says nothing. The form of
    which others wrote is "pn"; whom a real server tells is unknown, and here it tells everybody.
    """
    account.phone = Endpoint()
    deliveries.forget_keys(hub, [account.lid])
    account.adv_id = int.from_bytes(os.urandom(3), "big")
    account.sync_key = SyncKey()
    account.collections.clear()
    account.settings_read.clear()
    if not address:
        return
    sender = account.lid if address == LID else account.pn
    for other in hub.accounts.values():
        if other is not account:
            tell(hub, other, notification("encrypt", sender, node("identity")))


def retry_keys(account: Account) -> Node:
    """Return the <keys> that a phone sends along when it asks for a message again, to begin a new session."""
    return node("keys", {}, *_parts(account.phone.bundle()))


def _store(device: Device, query: Node) -> None:
    """Store the uploaded keys beside the prekeys that are left; refuse keys of a wrong size (a guess)."""
    uploaded = query.child("list") or Node("list")
    _check(query, "registration", "identity")
    for key in (*uploaded, query.child("skey") or Node("skey")):
        _check(key, *(("id", "value", "signature") if key.tag == "skey" else ("id", "value")))
    device.bundle = Bundle(
        query.data("registration"),
        query.data("identity"),
        query.data("skey", "id"),
        query.data("skey", "value"),
        query.data("skey", "signature"),
        (device.bundle.prekeys if device.bundle else [])
        + [(key.data("id"), key.data("value")) for key in uploaded],
    )


def _rotate(device: Device, rotate: Node) -> None:
    """Replace the signed prekey."""
    signed = rotate.child("skey")
    if device.bundle is None or signed is None:
        raise not_found()
    _check(signed, "id", "value", "signature")
    device.bundle.signed_id, device.bundle.signed = signed.data("id"), signed.data("value")
    device.bundle.signature = signed.data("signature")


def _check(keys: Node, *names: str) -> None:
    if any(len(keys.data(name)) != SIZES[name] for name in names):
        raise Refused(406, "not-acceptable")


def _digest(device: Device) -> Node:
    """Return what the server holds of a device's keys, with their SHA-1; refuse with 404 if there are none.

    The order of the hashed keys (identity, signed prekey, its signature, prekeys) is a guess: the clients
    here do not check the hash.
    """
    held = device.bundle
    if held is None:
        raise not_found()
    prekeys = b"".join(value for _, value in held.prekeys)
    hashed = hashlib.sha1(held.identity + held.signed + held.signature + prekeys, usedforsecurity=False)
    ids = [node("id", {}, key_id) for key_id, _ in held.prekeys]
    return node(
        "digest",
        {},
        node("registration", {}, held.registration),
        node("type", {}, b"\x05"),
        node("identity", {}, held.identity),
        _signed(held),
        node("list", {}, *ids),
        node("hash", {}, hashed.digest()),
    )


def _refuse_removed(hub: Hub, wanted: Node) -> None:
    """Refuse a whole query when it names a device that is not linked, as others met it."""
    for user in wanted:
        jid = user.jid("jid")
        if jid.device and hub.find(jid) and not hub.find_device(jid):
            raise Refused(406, "not-acceptable")


def _bundle_node(hub: Hub, jid: JID) -> Node:
    account, device = hub.find(jid), hub.find_device(jid)
    bundle = account.phone.bundle() if account and jid.device == 0 else device.bundle if device else None
    if bundle is None:
        return node("user", {"jid": jid}, node("error", {"code": 404, "text": "item-not-found"}))
    out = node(
        "user", {"jid": jid, "t": now()}, node("registration", {}, bundle.registration), *_parts(bundle)
    )
    if device:
        _ask_for_more(hub, device)
    return out


def _parts(bundle: Bundle) -> list[Node]:
    """Return the keys of a bundle as nodes; its first one-time prekey, if any is left, is used up."""
    parts = [node("type", {}, b"\x05"), node("identity", {}, bundle.identity)]
    if bundle.prekeys:
        key_id, value = bundle.prekeys.pop(0)
        parts.append(node("key", {}, node("id", {}, key_id), node("value", {}, value)))
    return [*parts, _signed(bundle)]


def _signed(bundle: Bundle) -> Node:
    value, signature = node("value", {}, bundle.signed), node("signature", {}, bundle.signature)
    return node("skey", {}, node("id", {}, bundle.signed_id), value, signature)


def _ask_for_more(hub: Hub, device: Device) -> None:
    """Ask a device for more prekeys when few are left."""
    left = len(device.bundle.prekeys) if device.bundle else 0
    if left < FEW_PREKEYS:
        hub.push(device, notification("encrypt", SERVER, node("count", {"value": left})))
