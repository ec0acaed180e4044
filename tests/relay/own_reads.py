"""What one device of an account reads is told to the account's other devices."""

from __future__ import annotations

from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import BROADCAST, GROUP, JID, LID, Attr, Node

KINDS = ("read", "read-self")


def pass_on(hub: Hub, reader: Device | Account, stanza: Node) -> None:
    """Tell a read receipt to the other linked devices of its sender's account.

    It comes from the reader itself: the chat is in `recipient`, and of a group the reader in `participant`.
    Both clients expect this form; that it names the device is a guess, from the receipts that others get.
    """
    account = reader.account if isinstance(reader, Device) else reader
    chat = stanza.jid("to")
    who: dict[str, Attr] = {"from": reader.lid if chat.server == LID else reader.pn}
    if chat.server in (GROUP, BROADCAST):
        who = {"from": chat, "participant": reader.lid}
    else:
        who["recipient"] = chat.bare
    told: dict[str, Attr] = {"id": stanza.text("id"), "type": stanza.text("type")}
    receipt = Node("receipt", told | {"t": stanza.attrs.get("t", now())} | who, stanza.content)
    for device in account.devices.values():
        if device is not reader:
            hub.push(device, receipt)


def of_phone(hub: Hub, account: Account, chat: JID, kind: str, ids: list[str]) -> None:
    """Tell what the phone of an account has read to the account's linked devices."""
    items = [Node("item", {"id": each}) for each in ids[1:]]
    content = [Node("list", {}, items)] if items else None
    pass_on(hub, account, Node("receipt", {"to": chat, "id": ids[0], "type": kind}, content))
