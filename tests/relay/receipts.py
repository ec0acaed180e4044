"""Receipts: the stanzas that they settle, their recipients, and a phone's answer to a retry receipt."""

from __future__ import annotations

from relay import deliveries, media_retry, outgoing, own_reads, routing
from relay.addressing import by_hidden_id
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import BROADCAST, GROUP, JID, STATUS, Attr, Node, node

OWN = ("sender", "peer_msg", "hist_sync", "read-self")
"""Receipts that are never passed on to another account."""


async def on_receipt(hub: Hub, conn: Connection, device: Device, stanza: Node) -> None:
    """Acknowledge a receipt, take the receipted stanza off the queue, and pass the receipt on.

    Delivery and retry receipts answer one device; a read receipt goes to all of the account, and to the other
    devices of the reader.
    """
    to, kind = stanza.jid("to"), stanza.text("type")
    routing.settle(device, stanza)
    attrs: dict[str, Attr] = {"class": "receipt", "id": stanza.text("id"), "type": kind, "from": to}
    await conn.send(node("ack", attrs))
    if why := _misdirected(hub, device, stanza):
        hub.note_misdirected(device, stanza, why)
    if kind == "server-error" and stanza.child("rmr"):
        media_retry.answer(hub, device, stanza)
        return
    if kind == "server-error":
        hub.note_unhandled(str(stanza))
        return
    if kind in own_reads.KINDS:
        own_reads.pass_on(hub, device, stanza)
    target = stanza.attrs.get("participant") if to.server in (GROUP, BROADCAST) else to
    account = hub.find(target) if isinstance(target, JID) else None
    if kind in OWN or account is None or not isinstance(target, JID):
        return
    if kind == "retry" and (asked := account.devices.get(target.device)):
        deliveries.note_retry(asked, stanza.text("id"), device.account, device.id)
    if kind == "retry" and target.device == 0:
        outgoing.resend(hub, account, stanza.text("id"), device)
    elif account is not device.account:
        told: dict[str, Attr] = {"id": stanza.text("id"), "t": stanza.attrs.get("t", now()), "type": kind}
        _pass_on(hub, account, target, Node("receipt", told | _who(hub, device, account, to), stanza.content))
    _note(account, device, stanza, kind)


def who_is_missing(hub: Hub, me: Account, chat: JID) -> str:
    """Return why an account cannot say anything in a chat, empty if it can."""
    if chat.server == GROUP:
        group = hub.groups.get(chat)
        if group is None:
            return "there is no such group"
        return "" if me in group.members else "the sender is not in the group"
    return "" if chat == STATUS or hub.find(chat) else "nobody has the address"


def _misdirected(hub: Hub, device: Device, stanza: Node) -> str:
    """Return why a receipt fits nobody, empty if it does: what a real server does with it is unknown."""
    to, participant = stanza.jid("to"), stanza.attrs.get("participant")
    unknown = [each for each in _ids(stanza) if each not in device.told]
    if unknown:
        return f"the device was never told of {', '.join(unknown)}"
    if why := who_is_missing(hub, device.account, to):
        return why
    if to.server not in (GROUP, BROADCAST):
        return ""
    account = hub.find(participant) if isinstance(participant, JID) else None
    if account is None:
        return "it names no participant"
    is_member = to.server == BROADCAST or account in hub.groups[to].members
    return "" if is_member else "the participant is not in the group"


def _ids(stanza: Node) -> list[str]:
    return [stanza.text("id"), *(each.text("id") for each in stanza.child("list") or ())]


def sender_jid(hub: Hub, device: Device, to: JID) -> JID:
    """Return the JID under which a device appears as the sender in a 1:1 chat.

    It names the device in each receipt: users of another client saw it in `read` too, from linked devices.
    """
    other = hub.find(to) or device.account
    return device.lid if by_hidden_id(hub, device.account, other, to) else device.pn


def _who(hub: Hub, device: Device, account: Account, to: JID) -> dict[str, Attr]:
    if to.server in (GROUP, BROADCAST):
        return {"from": to, "participant": device.lid}
    return {"from": sender_jid(hub, device, to)}


def _pass_on(hub: Hub, account: Account, target: JID, receipt: Node) -> None:
    for each in account.devices.values():
        if target.device in (0, each.id):
            hub.push(each, receipt)


def _note(account: Account, device: Device, stanza: Node, kind: str) -> None:
    """Put a receipt into the inbox of the phone."""
    about = {"ids": _ids(stanza), "from": device.account.number, "chat": str(stanza.jid("to").bare)}
    account.inbox.append({"receipt": kind or "delivered", **about})
