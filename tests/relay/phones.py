"""The phones: device 0 of every account, played by the relay with real Signal sessions.

They read the clients' messages, answer with receipts, and send their own linked devices keys and history. An
account without linked devices is a person who has only a phone.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict

from relay import files, history, labels, phone_receipts, screen
from relay.crypto import encrypt_media
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import BROADCAST, GROUP, JID, Attr, Node, node

UNSHOWN = ("messageContextInfo", "senderKeyDistributionMessage")


def new_id() -> str:
    """Return a message id as phones make them."""
    return "3A" + os.urandom(9).hex().upper()


def receive(hub: Hub, account: Account, stanza: Node, sender: Account) -> dict[str, Any]:
    """Decrypt a message with the account's phone, put it into the phone's inbox and answer with receipts.

    Return the entry of the inbox.
    """
    group = stanza.jid("from") if stanza.jid("from").server in (GROUP, BROADCAST) else None
    origin = stanza.jid("participant") if group else stanza.jid("from")
    chat = str(group) if group else sender.number if sender is not account else stanza.text("recipient")
    record: dict[str, Any] = {
        "id": stanza.text("id"),
        "from": sender.number,
        "device": origin.device,
        "chat": chat,
    }
    if earlier := account.undecrypted.pop(record["id"], None):
        record["retries"] = earlier.get("retries", 0) + 1
        account.inbox.remove(earlier)
    account.inbox.append(record)
    try:
        for enc in stanza.all("enc"):
            _read(hub, account, sender, origin, stanza, enc, record)
    except Exception as exc:  # a test wants to see any error of a ciphertext
        record["error"] = repr(exc)
        account.undecrypted[record["id"]] = record
        phone_receipts.ask_again(hub, account, sender, stanza, record)
        return record
    for kind in account.receipts if sender is not account else ():
        phone_receipts.send(hub, account, sender, [stanza.text("id")], kind, group)
    return record


def encrypt(account: Account, target: Device, message: Any) -> Node:
    """Return an <enc> from the account's phone for a linked device, its own or another's."""
    peer = str(target.lid)
    if target.bundle is None:
        raise ValueError(f"{peer} has not uploaded its keys")
    if peer not in account.phone.sessions:
        account.phone.start(peer, target.bundle)
    kind, encrypted = account.phone.encrypt(peer, message.SerializeToString())
    return node("enc", {"v": "2", "type": kind}, encrypted)


def greet(hub: Hub, device: Device) -> None:
    """Send a newly linked device the key of app state and the history."""
    account = device.account

    def share(protocol: Any) -> None:
        protocol.type = hub.e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE
        key = protocol.appStateSyncKeyShare.keys.add()
        key.keyID.keyID = account.sync_key.id
        key.keyData.keyData, key.keyData.timestamp = account.sync_key.data, now()
        key.keyData.fingerprint.rawID = 1

    tell(hub, device, share)
    share_history(hub, device)


def share_history(hub: Hub, device: Device) -> None:
    """Send a history sync in parts, each a file on the media host and a notification that names it."""
    for part in history.parts(hub, device.account, device.full_history):
        _announce(hub, device, part)


def _read(
    hub: Hub,
    account: Account,
    sender: Account,
    origin: JID,
    stanza: Node,
    enc: Node,
    record: dict[str, Any],
) -> None:
    """Decrypt one <enc> and note its content."""
    peer, chat, kind = str(sender.lid.with_device(origin.device)), str(record["chat"]), enc.text("type")
    encrypted = enc.content if isinstance(enc.content, bytes) else b""
    if kind == "skmsg":
        plain = account.phone.group_decrypt(chat, peer, encrypted)
    else:
        plain = account.phone.decrypt(peer, kind, encrypted)
    message = hub.e2e.Message.FromString(plain)
    record["message"] = MessageToDict(message)
    if message.HasField("senderKeyDistributionMessage"):
        invitation = message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage
        account.phone.group_learn(chat, peer, invitation)
    is_copy = message.HasField("deviceSentMessage")
    if is_copy:
        record["chat"] = message.deviceSentMessage.destinationJID
        message = message.deviceSentMessage.message
    fields = [field.name for field, _ in message.ListFields() if field.name not in UNSHOWN]
    if not fields:
        return
    record["kind"], record["text"] = fields[0], message.conversation or message.extendedTextMessage.text
    if fields[0] in files.FILES:
        record |= files.describe(hub, fields[0], getattr(message, fields[0]))
    if is_copy and sender is not account:
        hub.note_ignored(account, sender, record, "it claims to be of the phone's own account")
        return
    if stanza.text("category") != "peer":
        _take(hub, account, sender, stanza, enc, record, message)


def _take(
    hub: Hub,
    account: Account,
    sender: Account,
    stanza: Node,
    enc: Node,
    record: dict[str, Any],
    message: Any,
) -> None:
    """Show a message, and note what is wrong with it."""
    chat = str(record["chat"])
    chat = screen.chat_name(hub, JID.parse(chat)) if "@" in chat else chat
    if why := screen.take(hub, account, sender, chat, message, record["id"]):
        hub.note_ignored(account, sender, record, why)
    is_repeat = "count" in enc.attrs or "retries" in record  # such a one has fewer labels
    if not is_repeat and (why := labels.mistake(hub, stanza, enc, message)):
        hub.mislabelled.append({"id": record["id"], "from": sender.number, "why": why})


def _announce(hub: Hub, device: Device, part: Any, **about: Any) -> None:
    """Upload a part of the history, compressed and encrypted, and send the device its location.

    `about` are further fields of the notification.
    """
    told = [each.message.key.ID for chat in part.conversations for each in chat.messages]
    device.told.update(told, (each.key.ID for each in part.statusV3Messages))
    data, inline = history.compress(part), device.account.inline_history and part.syncType == 0
    how = _damage(device.account, part)
    if how in ("zlib", "protobuf"):
        data = b"no zlib" if how == "zlib" else zlib.compress(b"no protobuf")
    key, encrypted = encrypt_media(data, "History")
    path = files.store(hub, encrypted)
    if how == "missing":
        del hub.media[path]
    elif how == "truncated":
        hub.media[path] = encrypted[: len(encrypted) // 2]

    def notify(protocol: Any) -> None:
        protocol.type = hub.e2e.ProtocolMessage.HISTORY_SYNC_NOTIFICATION
        notice = protocol.historySyncNotification
        notice.MergeFrom(hub.e2e.HistorySyncNotification(**about))
        notice.syncType, notice.chunkOrder, notice.progress = part.syncType, part.chunkOrder, part.progress
        if inline:
            notice.initialHistBootstrapInlinePayload = data
            return
        notice.fileSHA256, notice.fileLength = hashlib.sha256(data).digest(), len(data)
        notice.fileEncSHA256 = hashlib.sha256(encrypted).digest()
        notice.mediaKey, notice.directPath = key, f"{path}?ccb=1"
        if how == "hash":
            notice.fileSHA256 = hashlib.sha256(b"another file").digest()

    tell(hub, device, notify)


def _damage(account: Account, part: Any) -> str:
    """Return how the file of this part has to be damaged, empty if it is sound."""
    fault = account.faults.get("damaged_history", {})
    found = {"kind": part.HistorySyncType.Name(part.syncType), "part": part.chunkOrder}
    if not fault or any(fault.get(name, value) != value for name, value in found.items()):
        return ""
    account.take_fault("damaged_history")
    return str(fault["how"])


def tell(hub: Hub, device: Device, fill: Callable[[Any], None]) -> None:
    """Send a peer message from the phone to one of its own linked devices."""
    message = hub.e2e.Message()
    fill(message.protocolMessage)
    attrs: dict[str, Attr] = {"from": device.account.pn, "id": new_id(), "t": now(), "type": "text"}
    attrs |= {"category": "peer", "notify": device.account.name}
    enc = encrypt(device.account, device, message)
    hub.push(device, node("message", attrs, enc))
