"""Files as phones have them: encrypted, on the media host, and kept by the phone itself."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from relay.crypto import decrypt_media, encrypt_media
from relay.hub import Hub
from relay.net import MEDIA_HOST

FILES = {
    "imageMessage": "Image",
    "videoMessage": "Video",
    "audioMessage": "Audio",
    "documentMessage": "Document",
    "stickerMessage": "Image",
    "ptvMessage": "Video",
    "stickerPackMessage": "Sticker Pack",
}
"""The fields of a message that hold a file, and the word in the derivation of the file's keys."""


def store(hub: Hub, data: bytes) -> str:
    """Put a phone's file onto the media host; return its path there. The phone keeps the file."""
    path = "/v/" + os.urandom(8).hex()
    hub.media[path] = hub.kept[path] = data
    return path


def store_again(hub: Hub, direct_path: str) -> str | None:
    """Put a file that the phone has kept onto the media host anew; return its path, None if it is gone."""
    kept = hub.kept.get(direct_path.split("?")[0])
    return None if kept is None else f"{store(hub, kept)}?ccb=1"


def message_with(hub: Hub, field: str, data: bytes, about: dict[str, Any]) -> Any:
    """Return a message with a file that is on the media host; `about` is its caption, mimetype, fileName."""
    key, encrypted = encrypt_media(data, FILES[field])
    path = store(hub, encrypted)
    message = hub.e2e.Message()
    file = getattr(message, field)
    file.directPath = f"{path}?ccb=1"
    if field != "stickerPackMessage":
        file.URL = f"https://{MEDIA_HOST}{path}?ccb=1"
    file.mediaKey, file.fileLength = key, len(data)
    file.fileSHA256, file.fileEncSHA256 = hashlib.sha256(data).digest(), hashlib.sha256(encrypted).digest()
    for name, value in about.items():
        setattr(file, name, value)
    return message


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def file_of(message: Any) -> Any | None:
    """Return the part of a message that describes its file, None without a file."""
    return next((part for field, part in message.ListFields() if field.name in FILES), None)


def describe(hub: Hub, field: str, file: Any) -> dict[str, Any]:
    """Return a sent file as the phone sees it: caption, type, name, and the downloaded content.

    `sha256` is empty for a file that is not there, or has not the digests that the message names: clients
    refuse such a file.
    """
    encrypted = hub.media.get(file.directPath.split("?")[0], b"")
    plain = decrypt_media(file.mediaKey, FILES[field], encrypted) if encrypted else b""
    is_whole = file.fileSHA256 == _sha256(plain) and file.fileEncSHA256 == _sha256(encrypted)
    return {
        "caption": getattr(file, "caption", ""),
        "mimetype": getattr(file, "mimetype", ""),
        "file_name": getattr(file, "fileName", ""),
        "size": file.fileLength,
        "sha256": _sha256(plain).hex() if is_whole else "",
        "thumbnail": len(getattr(file, "JPEGThumbnail", b"")),
        "voice": bool(getattr(file, "PTT", False)),
    }
