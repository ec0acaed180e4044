"""Receipts that phones send: delivered and read, grouped, and the requests to send a message again."""

from __future__ import annotations

from typing import Any

from relay import deliveries, keys, own_reads
from relay.addressing import by_hidden_id
from relay.hub import Hub
from relay.model import Account, now
from relay.wabin import BROADCAST, GROUP, JID, LID, Attr, Node, node

RETRIES = 5


def send(
    hub: Hub, account: Account, to: Account, ids: list[str], kind: str, group: JID | None = None
) -> None:
    """Send a receipt from the account's phone for messages of `to`: delivered, read, played."""
    by_lid = by_hidden_id(hub, account, to)
    me = account.lid if by_lid else account.pn
    who: dict[str, Attr] = {"from": group, "participant": account.lid} if group else {"from": me}
    attrs: dict[str, Attr] = {"id": ids[0], "t": now(), "type": "" if kind == "delivered" else kind}
    more = [node("list", {}, *(node("item", {"id": each}) for each in ids[1:]))] if ids[1:] else []
    stanza = node("receipt", attrs | who, *more)
    for device in to.devices.values():
        hub.push(device, stanza)
    if kind in own_reads.KINDS:
        own_reads.of_phone(hub, account, group or (to.lid if by_lid else to.pn), kind, ids)


def send_grouped(hub: Hub, to: Account, group: JID, readers: dict[str, list[Account]], kind: str) -> None:
    """Tell `to` in one receipt whose phones have read its messages in a group; `readers` has them by id.

    So the server puts together receipts of groups, mostly for a device that was offline.
    """
    each = []
    for message_id, people in readers.items():
        users = [node("user", {"jid": who.lid, "t": now()}) for who in people]
        each.append(node("participants", {"key": message_id}, *users))
    attrs: dict[str, Attr] = {"from": group, "id": next(iter(readers)), "t": now()}
    for device in to.devices.values():
        hub.push(device, node("receipt", attrs | {"type": "" if kind == "delivered" else kind}, *each))


def ask_for(hub: Hub, account: Account, message_id: str) -> None:
    """Send a retry receipt for a message as if the account's phone had not been able to decrypt it."""
    record = next(each for each in account.inbox if each.get("id") == message_id and "from" in each)
    sender = hub.accounts[record["from"]]
    account.undecrypted[message_id] = record
    chat = JID.parse(record["chat"]) if "@" in record["chat"] else sender.lid
    attrs: dict[str, Attr] = {"from": chat if chat.server == GROUP else sender.lid, "recipient": chat}
    ask_again(hub, account, sender, Node("message", attrs), record)


def ask_again(hub: Hub, account: Account, sender: Account, stanza: Node, record: dict[str, Any]) -> None:
    """Send a retry receipt to the device whose message could not be decrypted, as often as clients do.

    From the second request on it has the phone's keys, for a new session.
    """
    count = record.get("retries", 0) + 1
    device = sender.devices.get(record["device"])
    if device is None or count > RETRIES:
        return
    about: dict[str, Attr] = {"count": count, "id": record["id"], "t": now(), "v": 1}
    registration = account.phone.registration.to_bytes(4, "big")
    who: dict[str, Attr] = {"from": account.lid if stanza.jid("from").server == LID else account.pn}
    if stanza.jid("from").server in (GROUP, BROADCAST):
        who = {"from": stanza.jid("from"), "participant": account.lid}
    elif sender is account:
        who["recipient"] = stanza.attrs["recipient"]
    attrs: dict[str, Attr] = {"id": record["id"], "t": now(), "type": "retry"}
    more = [keys.retry_keys(account)] if count > 1 else []
    parts = node("retry", about), node("registration", {}, registration), *more
    deliveries.note_retry(device, record["id"], account, 0)
    hub.push(device, node("receipt", attrs | who, *parts))
