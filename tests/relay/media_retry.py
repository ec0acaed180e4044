"""A file that the media host has no more: the client asks the phone for it, and the phone sends it again.

The client's receipt and the phone's notification are encrypted with a key from the file's own media key, by
AES-GCM, with the message's id as additional data.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay import files, history
from relay.crypto import hkdf
from relay.hub import Hub
from relay.model import Device, now
from relay.wabin import Attr, Node, node

INFO = b"WhatsApp Media Retry Notification"
NOT_FOUND, DECRYPTION_ERROR = 2, 3
"""The codes of <error>, which are those of MediaRetryNotification.ResultType."""


def answer(hub: Hub, device: Device, stanza: Node) -> None:
    """Answer a server-error receipt with the file's new place, or with why there is none.

    The phone finds the message by its id, checks that the receipt was encrypted for it, and uploads the file
    that it has kept. Real phones are said to answer without the encrypted part too: here this is an error.
    """
    message_id = stanza.text("id")
    info = history.find(hub, device.account, message_id)
    file = files.file_of(info.message) if info else None
    path = files.store_again(hub, file.directPath) if file is not None else None
    if file is None or path is None:
        _send(hub, device, stanza, node("error", {"code": NOT_FOUND}))
        return
    try:
        asked = open_sealed(file.mediaKey, message_id, stanza)
        if hub.retry.ServerErrorReceipt.FromString(asked).stanzaID != message_id:
            raise InvalidTag
    except (InvalidTag, ValueError):
        _send(hub, device, stanza, node("error", {"code": DECRYPTION_ERROR}))
        return
    notice = hub.retry.MediaRetryNotification(stanzaID=message_id, directPath=path, result="SUCCESS")
    _send(hub, device, stanza, seal(file.mediaKey, message_id, notice.SerializeToString()))


def seal(media_key: bytes, message_id: str, plain: bytes) -> Node:
    """Return the <encrypt> with a text for the other side."""
    iv = os.urandom(12)
    encrypted = _cipher(media_key).encrypt(iv, plain, message_id.encode())
    return node("encrypt", {}, node("enc_p", {}, encrypted), node("enc_iv", {}, iv))


def open_sealed(media_key: bytes, message_id: str, stanza: Node) -> bytes:
    """Return the text in the <encrypt> of a stanza. Raise InvalidTag or ValueError if it cannot be opened."""
    encrypted, iv = stanza.data("encrypt", "enc_p"), stanza.data("encrypt", "enc_iv")
    return _cipher(media_key).decrypt(iv, encrypted, message_id.encode())


def _cipher(media_key: bytes) -> AESGCM:
    return AESGCM(hkdf(media_key, 32, info=INFO))


def _send(hub: Hub, device: Device, stanza: Node, content: Node) -> None:
    """Send a notification; that it comes from the account's own number is a guess."""
    attrs: dict[str, Attr] = {"from": device.account.pn, "type": "mediaretry", "t": now()}
    about = stanza.child("rmr")
    parts = [content, *([about] if about else [])]
    hub.push(device, node("notification", attrs | {"id": stanza.text("id")}, *parts))
