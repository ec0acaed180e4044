"""WebP pictures made of their headers alone, as stickers."""

from __future__ import annotations

import struct


def _riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def lossless(width: int = 512, height: int = 512) -> bytes:
    """Return a still picture in the lossless form."""
    return _riff(_chunk(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)))


def lossy(width: int = 512, height: int = 512) -> bytes:
    """Return a still picture in the lossy form."""
    return _riff(_chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)))


def moving(width: int = 512, height: int = 512) -> bytes:
    """Return an animation, without its frames."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return _riff(_chunk(b"VP8X", b"\x02\0\0\0" + size))
