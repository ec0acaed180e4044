"""The part of the control API for what phones say; `relay.people` uses it."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict

from relay import calls, files, outgoing, phone_receipts, phones
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import JID, Attr, Node, node

Answer = dict[str, Any]
QUEUED = ("message", "receipt", "notification", "call")
"""The stanzas that clients acknowledge, and that wait for a device that is offline."""


class PhoneApi:
    """Each `do_…` method is an endpoint."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def do_send(
        self, sender: str, to: str, message: dict[str, Any], id: str = "", age: int = 0
    ) -> Answer:
        """Send a waE2E.Message, in protobuf's JSON, from a phone to a number or a JID.

        With an age, in seconds, the server says that it is so old.
        """
        content = ParseDict(message, self.hub.e2e.Message())
        return {"id": outgoing.send(self.hub, self._account(sender), self._jid(to), content, id, age)}

    async def do_send_many(self, sender: str, to: str, texts: list[str]) -> Answer:
        """Send texts from a phone, in order."""
        account, chat, message = self._account(sender), self._jid(to), self.hub.e2e.Message
        return {"ids": [outgoing.send(self.hub, account, chat, message(conversation=each)) for each in texts]}

    async def do_send_file(
        self, sender: str, to: str, data: str, field: str = "imageMessage", id: str = "", **about: Any
    ) -> Answer:
        """Send a file, in hex, from a phone; `about` holds caption, mimetype, fileName."""
        message = files.message_with(self.hub, field, bytes.fromhex(data), about)
        account = self._account(sender)
        return {"id": outgoing.send(self.hub, account, self._jid(to), message, id)}

    async def do_receipt(self, sender: str, to: str, ids: list[str], kind: str, group: str = "") -> Answer:
        """Send a receipt from the phone of `sender` for messages of `to`: "delivered", "read", "played"."""
        jid = JID.parse(group) if group else None
        phone_receipts.send(self.hub, self._account(sender), self._account(to), ids, kind, jid)
        return {}

    async def do_grouped_receipt(
        self, number: str, group: str, readers: dict[str, list[str]], kind: str
    ) -> Answer:
        """Send one receipt for messages of a number in a group; `readers` has numbers by the message's id."""
        people = {key: [self._account(each) for each in found] for key, found in readers.items()}
        phone_receipts.send_grouped(self.hub, self._account(number), JID.parse(group), people, kind)
        return {}

    async def do_ask_again(self, number: str, id: str) -> Answer:
        """Send a retry receipt from the phone of a number for a message in its inbox."""
        phone_receipts.ask_for(self.hub, self._account(number), id)
        return {}

    async def do_withhold(
        self, sender: str, to: str, message: dict[str, Any], kind: str, id: str = ""
    ) -> Answer:
        """Send a message from a phone that linked devices are told to be unavailable."""
        message = ParseDict(message, self.hub.e2e.Message())
        return {"id": outgoing.withhold(self.hub, self._account(sender), self._jid(to), message, kind, id)}

    async def do_garble(self, sender: str, number: str, hide: bool = False) -> Answer:
        """Send the linked devices of a number a message that nobody can decrypt."""
        return {"id": outgoing.garble(self.hub, self._account(sender), self._account(number), hide)}

    async def do_call(self, sender: str, number: str, step: str, call_id: str = "", **about: Any) -> Answer:
        """Tell the linked devices of a number a step of a call; `relay.calls` has the steps."""
        made = calls.tell(self.hub, self._account(sender), self._account(number), step, call_id, **about)
        return {"id": made}

    async def do_history(self, number: str) -> Answer:
        """Send the history once more to the account's devices."""
        for device in self._devices(number):
            phones.share_history(self.hub, device)
        return {}

    async def do_inbox(self, number: str, after: int = 0) -> Answer:
        """Return the decrypted messages that the phone of a number received, and receipts, in order."""
        return {"inbox": self._account(number).inbox[after:]}

    async def do_stanza(self, number: str, node: dict[str, Any]) -> Answer:
        """Send any stanza to the linked devices of a number.

        `node` is {"tag", "attrs", "content"}: values of attributes with an @ become addresses, and the
        content is a list of nodes, bytes in hex, or missing.
        """
        stanza = _node_of(node)
        for device in self._devices(number):
            if stanza.tag in QUEUED:
                self.hub.push(device, stanza)
            elif device.conn:
                await device.conn.send(stanza)
        return {}

    async def do_send_as(
        self,
        sender: str,
        number: str,
        message: dict[str, Any],
        attrs: dict[str, Any],
        enc: dict[str, str] | None = None,
    ) -> Answer:
        """Send the linked devices of a number an encrypted message with any attributes, also of <enc>."""
        account, content = self._account(sender), ParseDict(message, self.hub.e2e.Message())
        base: dict[str, Attr] = {"id": phones.new_id(), "t": now(), "type": "text", "notify": account.name}
        stated = {name: value for name, value in _attrs_of(attrs).items() if value}
        for device in self._devices(number):
            part = phones.encrypt(account, device, content)
            part.attrs |= enc or {}
            self.hub.push(device, node("message", base | stated, part))
        message_id = str((base | stated)["id"])
        outgoing.show(self.hub, account, self._account(number).pn, content, message_id)
        return {"id": message_id}

    async def do_history_raw(self, number: str, sync: dict[str, Any]) -> Answer:
        """Send the linked devices of a number a HistorySync, in protobuf's JSON."""
        part = ParseDict(sync, self.hub.hist.HistorySync())
        for device in self._devices(number):
            phones._announce(self.hub, device, part)
        return {}

    def _account(self, number: str) -> Account:
        if number not in self.hub.accounts:
            raise ValueError(f"there is no account {number}")
        return self.hub.accounts[number]

    def _devices(self, number: str) -> list[Device]:
        return list(self._account(number).devices.values())

    def _jid(self, to: str) -> JID:
        return JID.parse(to) if "@" in to else self._account(to).pn


def _attrs_of(attrs: dict[str, Any]) -> dict[str, Attr]:
    """Return attributes from JSON; those that look like an address or a server become one."""
    found = {name: str(value) for name, value in attrs.items()}
    return {
        name: JID.parse(value) if "@" in value or value.endswith("whatsapp.net") else value
        for name, value in found.items()
    }


def _node_of(tree: dict[str, Any]) -> Node:
    """Return a node from JSON."""
    content = tree.get("content")
    if isinstance(content, str):
        content = bytes.fromhex(content)
    elif content is not None:
        content = [_node_of(each) for each in content]
    return Node(tree["tag"], _attrs_of(tree.get("attrs", {})), content)
