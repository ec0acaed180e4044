"""Receipts: the stanzas that they settle, their recipients, and a phone's answer to a retry receipt."""

from __future__ import annotations

from relay import outgoing, routing
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import GROUP, JID, Attr, Node, node

OWN = ("sender", "peer_msg", "hist_sync", "read-self")
"""Receipts that concern only the account's own devices."""


async def on_receipt(hub: Hub, conn: Connection, device: Device, stanza: Node) -> None:
    """Acknowledge a receipt, take the receipted stanza off the queue, and pass the receipt on.

    Delivery and retry receipts answer one device; a read receipt goes to all of the account.
    """
    to, kind = stanza.jid("to"), stanza.text("type")
    routing.settle(device, stanza)
    attrs: dict[str, Attr] = {"class": "receipt", "id": stanza.text("id"), "type": kind, "from": to}
    await conn.send(node("ack", attrs))
    if kind == "server-error":
        hub.note_unhandled(str(stanza))
        return
    who: dict[str, Attr] = {"from": sender_jid(device)}
    target: Attr | None = to
    if to.server == GROUP:
        who, target = {"from": to, "participant": device.lid}, stanza.attrs.get("participant")
    account = hub.find(target) if isinstance(target, JID) else None
    if kind in OWN or account is None or not isinstance(target, JID):
        return
    if kind == "retry" and target.device == 0:
        outgoing.resend(hub, account, stanza.text("id"), device)
    elif account is not device.account:
        told: dict[str, Attr] = {"id": stanza.text("id"), "t": stanza.attrs.get("t", now()), "type": kind}
        _pass_on(hub, account, target, Node("receipt", told | who, stanza.content))
    _note(account, device, stanza, kind)


def sender_jid(device: Device) -> JID:
    """Return the JID under which a device appears as the sender in a 1:1 chat."""
    return device.lid if device.account.addressing == "lid" else device.pn


def _pass_on(hub: Hub, account: Account, target: JID, receipt: Node) -> None:
    for each in account.devices.values():
        if target.device in (0, each.id):
            hub.push(each, receipt)


def _note(account: Account, device: Device, stanza: Node, kind: str) -> None:
    """Put a receipt into the inbox of the phone."""
    more = [each.text("id") for each in stanza.child("list") or ()]
    ids = [stanza.text("id"), *more]
    account.inbox.append({"receipt": kind or "delivered", "ids": ids, "from": device.account.number})
