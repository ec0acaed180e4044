"""What a client's <message> is, and whether the server takes it.

The real server answers, as users of other clients reported: 479 to a stanza with both <participants> and an
answer to a retry receipt, to a status for nobody but the sender's own devices, and to a status with an
addressing mode; 400 in a 1:1 chat if numbers and hidden ids are mixed, or if the sender writes to a hidden id
and the chats of its account were not moved to hidden ids; 421 if they are mixed in a group. Users also met
420 in groups; that it is for those in which only admins may write is a guess.

The rest is a guess, never compared with real servers: each other code, that types and edits are looked at,
that an <enc> alone is refused (WhatsApp's own web client is said to send one to a person with a single
device), and that anybody looks at whose id it is.
"""

from __future__ import annotations

from relay.hub import Hub
from relay.labels import ADMIN_DELETED, EDITS, TYPES
from relay.model import Account, Device, Group
from relay.wabin import BROADCAST, GROUP, JID, LID, STATUS, Node

INVALID, BAD_ADDRESS, MIXED_GROUP, NOT_A_MEMBER, NO_GROUP, NO_ADMIN = 479, 400, 421, 403, 404, 420
FOR_A_DEVICE = ("pkmsg", "msg")
FOR_ALL = "skmsg"


class Refused(Exception):
    """The server does not take a message: `code` is the error of its acknowledgement."""

    def __init__(self, why: str, code: int = INVALID) -> None:
        super().__init__(why)
        self.code = code


def check(hub: Hub, sender: Device, stanza: Node) -> str:
    """Return the kind of a message: chat, group, status, peer or retry; raise Refused if it is malformed."""
    to = stanza.attrs.get("to")
    if not isinstance(to, JID):
        raise Refused("it has no address")
    if not stanza.text("id"):
        raise Refused("it has no id")
    if hub.ids.get(stanza.text("id"), sender.account.number) != sender.account.number:
        raise Refused("it has the id of a message of somebody else")
    if stanza.text("edit") not in EDITS or stanza.text("type") not in ("", *TYPES):
        raise Refused("it has an unknown type or edit")
    if stanza.text("edit") == ADMIN_DELETED and to.server != GROUP:
        raise Refused("an admin deletes a message of a chat that has no admins")
    kind = _kind(stanza, to)
    CHECKS[kind](hub, sender, stanza, to)
    return kind


def named(stanza: Node) -> dict[JID, Node]:
    """Return the ciphertext for each device that a message names."""
    return {each.jid("jid"): enc for each in stanza.child("participants") or () if (enc := each.child("enc"))}


def _kind(stanza: Node, to: JID) -> str:
    has_count = any("count" in enc.attrs for enc in stanza.all("enc"))
    is_for_one = stanza.text("device_fanout").lower() == "false" or "participant" in stanza.attrs
    if has_count and stanza.child("participants"):
        raise Refused("it has <participants> and an answer to a retry receipt")
    if has_count or is_for_one:
        return "retry"
    if stanza.text("category") == "peer":
        return "peer"
    return {GROUP: "group", BROADCAST: "status"}.get(to.server, "chat")


def _check_chat(hub: Hub, sender: Device, stanza: Node, to: JID) -> None:
    peer = hub.find(to)
    if peer is None:
        raise Refused(f"nobody has the address {to}")
    if to.device:
        raise Refused(f"{to} is one device, and this is no answer to a retry receipt")
    if stanza.child("enc"):
        raise Refused("it has an <enc> that is for no device")
    devices = _participants(hub, stanza, may_repeat=peer is sender.account)
    if any(jid.server != to.server for jid in devices):
        raise Refused("numbers and hidden ids are mixed", BAD_ADDRESS)
    if to.server == LID and not sender.account.migrated:
        raise Refused("the chats of this account are addressed by number", BAD_ADDRESS)
    _refuse_others(hub, devices, [peer, sender.account], "the chat")
    _refuse_nobody(hub, sender, devices, [peer])


def _check_group(hub: Hub, sender: Device, stanza: Node, to: JID) -> None:
    group = _group(hub, sender, to)
    if group.announce and sender.account not in group.admins:
        raise Refused("only admins may write in the group", NO_ADMIN)
    _shared(stanza)
    devices = _participants(hub, stanza) if stanza.child("participants") else []
    if any(jid.server != group.creator.lid.server for jid in devices):
        raise Refused("numbers are used in a group of hidden ids", MIXED_GROUP)
    if stanza.attrs.get("addressing_mode", "lid") != "lid":
        raise Refused("a group of hidden ids is addressed by numbers", MIXED_GROUP)
    _refuse_others(hub, devices, group.members, "the group")


def _check_status(hub: Hub, sender: Device, stanza: Node, to: JID) -> None:
    if to != STATUS:
        raise Refused(f"there is no broadcast list {to}")
    if "addressing_mode" in stanza.attrs:
        raise Refused("a status has no addressing mode")
    _shared(stanza)
    devices = _participants(hub, stanza)
    _refuse_nobody(
        hub, sender, devices, [each for each in map(hub.find, devices) if each is not sender.account]
    )


def _check_peer(hub: Hub, sender: Device, stanza: Node, to: JID) -> None:
    if stanza.child("participants"):
        raise Refused("a message to an own device has <participants>")
    if hub.find(to) is not sender.account:
        raise Refused(f"{to} is no own device")
    _single(stanza)


def _check_retry(hub: Hub, sender: Device, stanza: Node, to: JID) -> None:
    """Refuse an answer to a retry receipt that is not for one device alone.

    It is one <enc>, or, from Baileys 6, <participants> with that device alone, in a group with a new skmsg.
    """
    if not any(message_id == stanza.text("id") for message_id, _ in sender.sent):
        raise Refused("it answers a retry receipt for a message that this device never sent")
    target = stanza.attrs.get("participant", to)
    if not isinstance(target, JID) or not exists(hub, target):
        raise Refused(f"there is no device {target}")
    if to.server == GROUP:
        _refuse_others(hub, [target], _group(hub, sender, to).members, "the group")
    if not stanza.child("participants"):
        _single(stanza)
    elif _participants(hub, stanza) != [target]:
        raise Refused("an answer to a retry receipt names other devices too")
    elif to == target and stanza.child("enc"):
        raise Refused("it has <participants> and an answer to a retry receipt")
    elif to != target:
        _shared(stanza)


CHECKS = {
    "chat": _check_chat,
    "group": _check_group,
    "status": _check_status,
    "peer": _check_peer,
    "retry": _check_retry,
}


def exists(hub: Hub, jid: JID) -> bool:
    """Return whether an address is that of a phone or of a linked device."""
    account = hub.find(jid)
    return account is not None and (jid.device == 0 or jid.device in account.devices)


def _participants(hub: Hub, stanza: Node, *, may_repeat: bool = False) -> list[JID]:
    """Return the devices that a message names, each with a ciphertext.

    whatsmeow names each own device twice in a message to oneself, and users do send themselves messages.
    """
    out: list[JID] = []
    for each in stanza.child("participants") or ():
        jid = each.attrs.get("jid")
        if each.tag != "to" or not isinstance(jid, JID):
            raise Refused(f"a participant has no address: {each}")
        if hub.find(jid) is None:
            raise Refused(f"nobody has the address {jid}")
        if jid in out and not may_repeat:
            raise Refused(f"{jid} is named twice")
        _check_enc(each.all("enc"), FOR_A_DEVICE, f"for {jid}")
        out.append(jid)
    if not out:
        raise Refused("it has no participants and is no answer to a retry receipt")
    return out


def _shared(stanza: Node) -> None:
    _check_enc(stanza.all("enc"), (FOR_ALL,), "for all")


def _single(stanza: Node) -> None:
    _check_enc(stanza.all("enc"), FOR_A_DEVICE, "for one device")


def _check_enc(encs: list[Node], types: tuple[str, ...], what: str) -> None:
    if len(encs) != 1:
        raise Refused(f"it has {len(encs)} ciphertexts {what}")
    if encs[0].text("type") not in types:
        raise Refused(f"its ciphertext {what} is of the type {encs[0].text('type')!r}")
    if not isinstance(encs[0].content, bytes) or not encs[0].content:
        raise Refused(f"its ciphertext {what} is empty")


def _group(hub: Hub, sender: Device, to: JID) -> Group:
    group = hub.groups.get(to)
    if group is None:
        raise Refused(f"there is no group {to}", NO_GROUP)
    if sender.account not in group.members:
        raise Refused("the sender is not in the group", NOT_A_MEMBER)
    return group


def _refuse_others(hub: Hub, devices: list[JID], people: list[Account], where: str) -> None:
    for jid in devices:
        if hub.find(jid) not in people:
            raise Refused(f"{jid} is not in {where}")


def _refuse_nobody(hub: Hub, sender: Device, devices: list[JID], people: list[Account | None]) -> None:
    """Refuse a message that names no device of these people but the sender's own one."""
    others = [jid for jid in devices if jid not in (sender.lid, sender.pn) and exists(hub, jid)]
    if not any(hub.find(jid) in people for jid in others):
        raise Refused("it is for no device of its recipient")
