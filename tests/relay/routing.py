"""Store and forward: the way of messages from device to device, and the faults on it."""

from __future__ import annotations

from relay import broken_clients, deliveries, message_checks, peer, phones
from relay.addressing import by_hidden_id, mode
from relay.connection import Connection
from relay.devicelist import addresses
from relay.hub import Hub
from relay.message_checks import Refused
from relay.model import Account, Device, key_of, now
from relay.wabin import BROADCAST, GROUP, JID, LID, SERVER, Attr, Node, node

KINDS = ("message", "receipt", "notification")
SPOILT = 12
"""The distance from a ciphertext's end, in bytes, at which its text or its authentication code is."""


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
    sent = {id(stanza): stanza for stanza in backlog}
    while late := [each for each in device.pending.values() if id(each) not in sent]:
        for stanza in late:  # it came while others were being written, and nothing later may overtake it
            sent[id(stanza)] = stanza
            await conn.send(stanza)
    if device.conn is not conn:
        return
    device.active = True
    if not device.greeted and device.bundle:
        device.greeted = True
        phones.greet(hub, device)


def settle(device: Device, answer: Node) -> None:
    """Take a stanza off a device's queue once the device has acknowledged it or sent its receipt."""
    tag = answer.text("class") if answer.tag == "ack" else "message"
    device.pending.pop(key_of(tag, answer, "to"), None)


async def on_message(hub: Hub, conn: Connection, sender: Device, stanza: Node) -> None:
    """Check a message, route it and acknowledge it, unless it is malformed or a fault says otherwise."""
    me = sender.account
    if stanza.child("participants") and (fault := me.take_fault("mangle")):
        stanza = broken_clients.mangle(hub, sender, stanza, fault["how"])
    try:
        kind = message_checks.check(hub, sender, stanza)
    except Refused as refusal:
        deliveries.reject(hub, sender, stanza, refusal.code, str(refusal))
        await conn.send(_ack(stanza, error=refusal.code))
        return
    record = deliveries.begin(hub, sender, stanza, kind)
    if refused := me.take_fault("ack_error"):
        record["outcome"] = "refused"
        deliveries.end(hub, record)
        await conn.send(_ack(stanza, error=refused["code"]))
        return
    if me.take_fault("swallow") is not None:
        deliveries.end(hub, record)
        return
    cut = me.take_fault("drop_on_send")
    if cut is None or cut.get("route"):
        _deliver(hub, sender, stanza, record)
    if cut is not None:
        deliveries.end(hub, record)
        await conn.drop()
    elif me.take_fault("never_ack") is not None:
        deliveries.end(hub, record)
    else:
        await _acknowledge(hub, conn, sender, stanza, record)


async def _acknowledge(
    hub: Hub, conn: Connection, sender: Device, stanza: Node, record: deliveries.Record
) -> None:
    ack = _ack(stanza, **deliveries.answer(hub, sender, stanza, record["kind"]))
    deliveries.accept(hub, record)
    if fault := sender.account.take_fault("ack_delay"):
        hub.later(float(fault["seconds"]), conn.send(ack))
    else:
        await conn.send(ack)


def _ack(stanza: Node, **more: Attr) -> Node:
    attrs: dict[str, Attr] = {"class": "message", "id": stanza.text("id"), "t": now()}
    return node("ack", attrs | {"from": stanza.attrs.get("to", SERVER)} | more)


def _deliver(hub: Hub, sender: Device, stanza: Node, record: deliveries.Record) -> None:
    """Route a message to the devices that did not get it yet.

    A client sends the same frame again if the connection broke before the acknowledgement. Baileys answers
    the retry receipt of a phone with the whole message again, under its id. So a repeat goes to a device that
    got none yet, or that asked for it again. All others get nothing, even if the repeat has something new for
    them: that real servers do so is a guess.
    """
    if sender.account.take_fault("corrupt"):
        _spoil(stanza)
    if record["kind"] in ("chat", "group", "status") and not record["reached"]:
        deliveries.note_missed(hub, sender, stanza, record)
    had = deliveries.served(record)
    record["reached"] += route(hub, sender, stanza, stanza.jid("to"), had)
    if record["kind"] == "retry":
        deliveries.note_answer(sender, record)


def route(
    hub: Hub, sender: Device | Account, stanza: Node, to: JID, reached: list[str] | None = None
) -> list[str]:
    """Fan a <message> out: a stanza for each device, with the one ciphertext that is meant for it.

    Return the hidden ids of the devices that got it now. Those in `reached` had it before, and get nothing.
    """
    me = sender.account if isinstance(sender, Device) else sender
    at = stanza.attrs.get("t", now()) if sender is me else now()  # a phone here may say how old it is
    attrs: dict[str, Attr] = {"id": stanza.text("id"), "t": at, "notify": me.name}
    attrs["type"] = stanza.text("type") or "text"
    attrs |= {name: stanza.attrs[name] for name in ("edit", "category") if name in stanza.attrs}
    extra = [each for each in stanza if each.tag in ("device-identity", "meta")]
    chat = stanza.attrs.get("recipient", to)  # an answer to a retry receipt of an own device names both
    hub.ids.setdefault(stanza.text("id"), me.number)
    now_reached: list[str] = []
    for jid, encs in _targets(hub, stanza, to):
        account = hub.find(jid)
        if account is None or jid in (sender.lid, sender.pn):
            continue
        name = str(account.lid.with_device(jid.device))
        if name in (reached or ()):
            continue
        if sender is me and jid.device == 0:
            continue  # one phone's message to another is nothing that a client sees
        if me.number in account.profile.blocked and to.server != GROUP:
            continue  # who blocked somebody gets none of their messages, and they are not told
        who = sender_of(hub, sender, me, account, jid, chat if isinstance(chat, JID) else to)
        if _hand_over(hub, account, jid.device, Node("message", attrs | who, [*encs, *extra]), me):
            now_reached.append(name)
    return now_reached


def _targets(hub: Hub, stanza: Node, to: JID) -> list[tuple[JID, list[Node]]]:
    """Return the devices that a message is for, each with its ciphertexts."""
    single = message_checks.named(stanza)
    shared = stanza.all("enc")  # a group's skmsg, or the only ciphertext of a peer message or of a retry
    retry = stanza.attrs.get("participant")
    if isinstance(retry, JID):
        return [(retry, [*single.values(), *shared])]
    if group := hub.groups.get(to):
        devices = [jid for each in group.members for jid in addresses(each, LID)]
        targets = [(jid, [*([single[jid]] if jid in single else []), *shared]) for jid in devices]
        return [(jid, encs) for jid, encs in targets if encs]
    if to.server == BROADCAST:
        return [(jid, [enc, *shared]) for jid, enc in single.items()]
    return [(jid, [enc]) for jid, enc in single.items()] or [(to, shared)]


def _spoil(stanza: Node) -> None:
    """Make every ciphertext impossible to decrypt; the last bytes of a first message are only ids of keys."""
    for to in stanza.child("participants") or ():
        enc = to.child("enc")
        if enc and isinstance(enc.content, bytes):
            spoilt = bytearray(enc.content)
            spoilt[-SPOILT] ^= 1
            enc.content = bytes(spoilt)


def sender_of(
    hub: Hub, sender: Device | Account, me: Account, account: Account, jid: JID, to: JID
) -> dict[str, Attr]:
    """Return the sender of a message by hidden id or number, and the other address beside it."""
    if to.server in (GROUP, BROADCAST):
        who: dict[str, Attr] = {"from": to, "participant": sender.lid, "participant_pn": sender.pn}
        return who | {"addressing_mode": "lid"}
    if account is me:  # a copy for the sender's own other devices
        own: dict[str, Attr] = {"from": sender.lid if jid.server == LID else sender.pn, "recipient": to}
        peer = hub.find(to) if to.server == LID else None
        return own | ({"peer_recipient_pn": peer.pn} if peer else {})
    by_lid = by_hidden_id(hub, me, account, to)
    who = {"addressing_mode": mode(by_lid)}
    if by_lid:
        return who | {"from": sender.lid} | ({"sender_pn": sender.pn.bare} if me.mapped else {})
    return who | {"from": sender.pn} | ({"sender_lid": sender.lid.bare} if me.mapped else {})


def _hand_over(hub: Hub, account: Account, number: int, stanza: Node, sender: Account) -> bool:
    """Give a message to a phone or queue it for a linked device; return whether there is such a device."""
    if number == 0:
        record = phones.receive(hub, account, stanza, sender)
        if sender is account:
            peer.answer(hub, account, record)
    elif device := account.devices.get(number):
        hub.push(device, stanza)
    else:
        return False
    return True
