"""What became of the clients' messages: which devices each reached, and which it left out.

A record of a message: id, from, to, kind; `devices`, those that it names; `reached`, the hidden ids of
the devices and phones that got a ciphertext; `missed`, the devices of the chat that got no ciphertext;
`asked`, those that asked again and got no answer yet; `outcome`: "" (no acknowledgement was sent), "accepted"
or "refused".
"""

from __future__ import annotations

from typing import Any

from relay.devicelist import addresses, device_hash
from relay.hub import Hub
from relay.message_checks import named
from relay.model import Account, Device
from relay.wabin import GROUP, JID, LID, STATUS, Attr, Node

Record = dict[str, Any]


def begin(hub: Hub, sender: Device, stanza: Node, kind: str) -> Record:
    """Return the record of a message; a repeat, with the same id in the same chat, goes on with the first."""
    to = stanza.jid("to")
    chat = (stanza.text("id"), str(peer.pn if (peer := hub.find(to)) else to))
    if kind != "retry" and chat in sender.sent:
        hub.unanswered.append(sender.sent[chat])
        return sender.sent[chat]
    record = {
        "id": stanza.text("id"),
        "from": str(sender.lid),
        "to": str(to),
        "kind": kind,
        "devices": [str(jid) for jid in named(stanza)],
        "reached": [],
        "missed": [],
        "asked": [],
        "outcome": "",
    }
    hub.routed.append(record)
    hub.unanswered.append(record)
    if kind != "retry":
        sender.sent[chat] = record
    return record


def reject(hub: Hub, sender: Device, stanza: Node, code: int, why: str) -> None:
    """Note a message that the server refuses."""
    about = {"id": stanza.text("id"), "from": str(sender.lid), "to": stanza.text("to")}
    hub.rejected.append(about | {"code": code, "why": why})
    hub.routed.append(about | {"kind": "", "devices": [], "reached": [], "missed": [], "outcome": "refused"})


def note_retry(sender: Device, message_id: str, asker: Account, number: int) -> None:
    """Note that a device, by its account and number, asked `sender` for a message again."""
    for (each, _), record in sender.sent.items():
        if each == message_id:
            record["asked"].append(str(asker.lid.with_device(number)))


def note_answer(sender: Device, answer: Record) -> None:
    """Note that the devices that an answer to a retry receipt reached wait for it no more."""
    for (each, _), record in sender.sent.items():
        if each == answer["id"]:
            record["asked"] = [jid for jid in record["asked"] if jid not in answer["reached"]]


def served(record: Record) -> list[str]:
    """Return the devices that need no repeat of a message; those that asked for it again have it now."""
    had = [jid for jid in record["reached"] if jid not in record["asked"]]
    record["asked"] = []
    return had


def end(hub: Hub, record: Record) -> None:
    """Note that a message is acknowledged, or that a fault keeps its acknowledgement back."""
    hub.unanswered[:] = [each for each in hub.unanswered if each is not record]


def accept(hub: Hub, record: Record) -> None:
    """Note that a message is acknowledged without an error."""
    end(hub, record)
    if record["outcome"] != "accepted" and not record["reached"]:
        hub.lost.append(record)
    record["outcome"] = "accepted"


def note_missed(hub: Hub, sender: Device, stanza: Node, record: Record) -> None:
    """Note the devices of the chat that cannot read a message, and whether its own phash is a wrong one.

    In a group each device gets the sender key once: one that this sender never named is left out. A status is
    for all devices of each person whom it names.
    """
    to = stanza.jid("to")
    has_named = set(named(stanza))
    if to.server == GROUP:
        has_named = sender.keyed.setdefault(to, set()) | has_named
        sender.keyed[to] = has_named
    every = devices(hub, sender, to) if to != STATUS else _audience(hub, has_named)
    wanted = [jid for jid in every if jid not in (sender.lid, sender.pn)]
    record["missed"] = [str(jid) for jid in wanted if jid not in has_named and _has_keys(hub, jid)]
    claimed = stanza.text("phash")
    if record["missed"] or (claimed and claimed != device_hash(every)):
        hub.stale.append(record | {"phash": claimed})


def devices(hub: Hub, sender: Device, to: JID) -> list[JID]:
    """Return all devices of a chat, the sender too, in the form that the chat's address has."""
    group = hub.groups.get(to)
    if group:
        return [jid for member in group.members for jid in addresses(member, LID)]
    people = dict.fromkeys(filter(None, (hub.find(to), sender.account)))
    return [jid for account in people for jid in addresses(account, to.server)]


def _audience(hub: Hub, named_devices: set[JID]) -> list[JID]:
    """Return all devices of the people whom a status names, in the form of its addresses.

    Clients differ as to their own phone: whatsmeow always names it, Baileys when it is asked to.
    """
    form = next(iter(named_devices)).server
    people = dict.fromkeys(filter(None, map(hub.find, named_devices)))
    return [jid for account in people for jid in addresses(account, form)]


def forget_keys(hub: Hub, gone: list[JID], group: JID | None = None) -> None:
    """Note that devices, by hidden id, have no sender keys more: of a group that they left, or of all."""
    for account in hub.accounts.values():
        for device in account.devices.values():
            for chat, keyed in device.keyed.items():
                if group in (None, chat):
                    keyed.difference_update(gone)


def answer(hub: Hub, sender: Device, stanza: Node, kind: str) -> dict[str, Attr]:
    """Return the attributes of an acknowledgement that tell a client which devices the chat has.

    The server sends them for a group; that it does so in every 1:1 chat, and not only if the list differs, is
    a guess.
    """
    if kind not in ("chat", "group"):
        return {}
    return {"phash": device_hash(devices(hub, sender, stanza.jid("to")))}


def _has_keys(hub: Hub, jid: JID) -> bool:
    device = hub.find_device(jid)
    return jid.device == 0 or (device is not None and device.bundle is not None)
