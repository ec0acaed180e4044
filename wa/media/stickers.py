"""Stickers: WebP pictures, still or moving."""

from __future__ import annotations

import os
from pathlib import Path

from wa.errors import WaError
from wa.media.kinds import reading
from wa.values import Value

MOST_BYTES = 1024 * 1024
"""The most bytes of a sticker: WhatsApp's apps leave a larger one blank."""
_HEAD = 32


class Sticker(Value):
    """Width and height of a sticker in pixels, None where its header is damaged, and whether it moves."""

    width: int | None = None
    height: int | None = None
    is_animated: bool = False


def look_at(path: Path) -> Sticker:
    """Return what a sticker's header says of it.

    Raise WaError `not-found`, `storage-error`, and `bad-data` for what is no WebP, or too large.
    """
    with reading(path) as file:
        size, head = os.fstat(file.fileno()).st_size, file.read(_HEAD)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise WaError(
            "bad-data", f"{path} is no WebP picture, as stickers are", "--file sends it as what it is"
        )
    if size > MOST_BYTES:
        shown = f"{size / 1024:,.0f} KB"
        raise WaError("bad-data", f"{path} has {shown}; a sticker has at most 1024 KB", "make it smaller")
    return _header(head[12:16], head[20:].ljust(12, b"\0"))


def _header(kind: bytes, data: bytes) -> Sticker:
    """Return size and movement from the first chunk of a WebP (RFC 9649): its kind and first bytes."""
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (4, 7))
        return Sticker(width, height, bool(data[0] & 2))
    if kind == b"VP8L" and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return Sticker(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return Sticker(width or None, height or None)
    return Sticker()
