"""Store and forward: the way of messages and receipts from device to device, and the faults on it."""

from __future__ import annotations

from typing import Any

from relay import phones
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, Group, key_of, now
from relay.wabin import GROUP, JID, LID, SERVER, Attr, Node, node

KINDS = ("message", "receipt", "notification")


async def activate(hub: Hub, device: Device) -> None:
    """Send the backlog, oldest first, between <offline_preview/> and <offline/>; then live stanzas."""
    conn = device.conn
    if conn is None:
        return
    backlog = list(device.pending.values())
    counts: dict[str, Attr] = {kind: sum(each.tag == kind for each in backlog) for kind in KINDS}
    preview = node("offline_preview", {"count": len(backlog), "appdata": 0} | counts)
    await conn.send(node("ib", {"from": SERVER}, preview))
    for number, stanza in enumerate(backlog):
        await conn.send(Node(stanza.tag, stanza.attrs | {"offline": str(number)}, stanza.content))
    await conn.send(node("ib", {"from": SERVER}, node("offline", {"count": len(backlog)})))
    device.active = True
    sent = {id(stanza) for stanza in backlog}
    for stanza in [each for each in device.pending.values() if id(each) not in sent]:
        await conn.send(stanza)  # the stanza came while the backlog was being written
    if not device.greeted and device.bundle:
        device.greeted = True
        phones.greet(hub, device)


def settle(device: Device, answer: Node) -> None:
    """Take a stanza off a device's queue once the device has acknowledged it or sent its receipt."""
    tag = answer.text("class") if answer.tag == "ack" else "message"
    device.pending.pop(key_of(tag, answer, "to"), None)


async def on_message(hub: Hub, conn: Connection, sender: Device, stanza: Node) -> None:
    """Accept a message, unless a fault says otherwise, route it, acknowledge it.

    A client sends the same frame again if the connection broke before the acknowledgement: the relay
    acknowledges it again and does not route it. An answer to a retry receipt has the same id, but a single
    <enc> and no <participants>.
    """
    me, message_id, to = sender.account, stanza.text("id"), stanza.jid("to")
    ack: dict[str, Attr] = {"class": "message", "id": message_id, "from": to, "t": now()}
    refusal = me.take_fault("ack_error") or _no_member(hub, me, to)
    if refusal:
        await conn.send(node("ack", ack | {"error": refusal["code"]}))
        return
    if fault := me.take_fault("drop_on_send"):
        if fault.get("route") and message_id not in sender.routed:
            route(hub, sender, stanza, to)
            sender.routed.add(message_id)
        await conn.drop()
        return
    if me.take_fault("corrupt"):
        _spoil(stanza)
    if message_id not in sender.routed or not stanza.child("participants"):
        sender.routed.add(message_id)
        route(hub, sender, stanza, to)
    if me.take_fault("never_ack"):
        return
    if _device_list_is_stale(hub, sender, stanza, to):
        ack["phash"] = "2:stale"  # a hash that cannot match, so that the client asks for the devices again
    if fault := me.take_fault("ack_delay"):
        hub.later(float(fault["seconds"]), conn.send(node("ack", ack)))
        return
    await conn.send(node("ack", ack))


def route(hub: Hub, sender: Device | Account, stanza: Node, to: JID) -> None:
    """Fan a <message> out: a stanza for each device, with the one ciphertext that is meant for it."""
    me = sender.account if isinstance(sender, Device) else sender
    attrs: dict[str, Attr] = {"id": stanza.text("id"), "t": now(), "notify": me.name}
    attrs["type"] = stanza.text("type") or "text"
    attrs |= {name: stanza.attrs[name] for name in ("edit", "category") if name in stanza.attrs}
    extra = [each for each in stanza if each.tag in ("device-identity", "meta")]
    single = {each.jid("jid"): each.child("enc") for each in stanza.child("participants") or ()}
    shared = stanza.child("enc")  # a group's skmsg, or the only ciphertext of a peer message or of a retry
    record = {
        "id": attrs["id"],
        "from": str(sender.lid),
        "to": str(to),
        "devices": [str(jid) for jid in single],
    }
    hub.routed.append(record)
    group = hub.groups.get(to) if to.server == GROUP else None
    if group:
        who: dict[str, Attr] = {"from": to, "participant": sender.lid, "participant_pn": sender.pn}
        who["addressing_mode"] = "lid"
        for jid in _group_devices(group, stanza):
            parts = [each for each in (single.get(jid), shared) if each]
            if jid != sender.lid and parts:
                _hand_over(hub, jid, Node("message", attrs | who, parts + extra), me)
        return
    for jid, enc in single.items() or [(to, shared)]:
        account = hub.find(jid)
        if enc and account:
            who = _addresses(hub, sender, me, account, jid, to)
            _hand_over(hub, jid, Node("message", attrs | who, [enc, *extra]), me)


def _no_member(hub: Hub, me: Account, to: JID) -> dict[str, Any] | None:
    """Refuse a message to a group if the sender is not in it (the codes are a guess)."""
    group = hub.groups.get(to)
    if to.server != GROUP or (group and me in group.members):
        return None
    return {"code": 403 if group else 404}


def _spoil(stanza: Node) -> None:
    """Make every ciphertext impossible to decrypt."""
    for to in stanza.child("participants") or ():
        enc = to.child("enc")
        if enc and isinstance(enc.content, bytes):
            enc.content = enc.content[:-1] + bytes([enc.content[-1] ^ 1])


def _device_list_is_stale(hub: Hub, sender: Device, stanza: Node, to: JID) -> bool:
    """Return whether the client has left out an existing device."""
    peer = hub.find(to)
    sent = {each.jid("jid") for each in stanza.child("participants") or ()}
    if peer is None or not sent:
        return False
    both = (peer, sender.account)
    wanted = {account.lid.with_device(each) for account in both for each in (0, *account.devices)}
    return not wanted - {sender.lid} <= sent


def _group_devices(group: Group, stanza: Node) -> list[JID]:
    retry = stanza.attrs.get("participant")
    if isinstance(retry, JID):
        return [retry]
    return [member.lid.with_device(each) for member in group.members for each in (0, *member.devices)]


def _addresses(
    hub: Hub, sender: Device | Account, me: Account, account: Account, jid: JID, to: JID
) -> dict[str, Attr]:
    """Return the sender of a 1:1 message by hidden id or number, and the other address beside it."""
    if account is me:  # a copy for the sender's own other devices: the chat is in "recipient"
        own: dict[str, Attr] = {"from": sender.lid if jid.server == LID else sender.pn, "recipient": to}
        peer = hub.find(to) if to.server == LID else None
        return own | ({"peer_recipient_pn": peer.pn} if peer else {})
    who: dict[str, Attr] = {"addressing_mode": me.addressing}
    if me.addressing == "lid":
        return who | {"from": sender.lid} | ({"sender_pn": sender.pn.bare} if me.mapped else {})
    return who | {"from": sender.pn} | ({"sender_lid": sender.lid.bare} if me.mapped else {})


def _hand_over(hub: Hub, jid: JID, stanza: Node, sender: Account) -> None:
    account = hub.find(jid)
    if account is None:
        return
    if jid.device == 0:
        phones.receive(hub, account, stanza, sender)
    elif device := account.devices.get(jid.device):
        hub.push(device, stanza)
