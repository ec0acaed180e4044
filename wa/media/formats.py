"""The headers of MP4, Ogg Opus, MP3 and AAC, as far as sending needs them.

Damaged files are common: they give None, or fewer values, and never an error.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BOXES = 500
"""The most boxes read on one level of an MP4; a damaged file may seem to have millions."""
_LONGEST = 7 * 24 * 3600
"""Seconds; a longer duration is treated as damage."""
_OGG_PAGE = 27 + 255 + 255 * 255
"""Bytes of the longest page (RFC 3533, section 6)."""


def believed(seconds: float) -> int | None:
    """Return a duration in whole seconds, at least 1; None for an impossible one."""
    return max(1, round(seconds)) if 0 < seconds <= _LONGEST else None


# ── MP4, 3GP, MOV, M4A: ISO 14496-12 ────────────────────────────────────────────────────────────────


@dataclass
class Movie:
    """The header of an MP4."""

    width: int | None = None
    """In pixels, of the picture as it is shown, after the rotation that the file asks for."""
    height: int | None = None
    seconds: int | None = None
    tracks: int = 0
    has_video: bool = False


def movie(path: Path) -> Movie:
    """Return the header of an MP4, as far as it can be read."""
    found = Movie()
    try:
        with path.open("rb") as file:
            for name, start, end in _boxes(file, 0, os.fstat(file.fileno()).st_size):
                if name == b"moov":
                    _read_moov(file, start, end, found)
                    break
    except (OSError, struct.error):  # the file ends too early: keep the fields read so far
        return found
    return found


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, and start and end of the content, of each box (4.2).

    The size 1 means that a 64-bit size follows, 0 that the box goes to the end.
    """
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        size, name, long_size = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        inside = start + (16 if size == 1 else 8)
        size = {0: end - start, 1: long_size}.get(size, size)
        if start + size < inside:
            return
        yield name, inside, min(start + size, end)
        start += size


def _body(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(max(0, min(end - start, 128)))


def _read_moov(file: BinaryIO, start: int, end: int, found: Movie) -> None:
    for name, inside, its_end in _boxes(file, start, end):
        if name == b"mvhd":
            found.seconds = _movie_seconds(_body(file, inside, its_end))
        elif name == b"trak":
            found.tracks += 1
            _read_track(file, inside, its_end, found)


def _movie_seconds(mvhd: bytes) -> int | None:
    """Return duration by time scale (8.2.2); a duration of all ones is unknown."""
    is_long = mvhd[:1] == b"\x01"
    scale, duration = struct.unpack_from(">20xIQ" if is_long else ">12xII", mvhd)
    unknown = 0xFFFFFFFFFFFFFFFF if is_long else 0xFFFFFFFF
    return believed(duration / scale) if scale and duration != unknown else None


def _read_track(file: BinaryIO, start: int, end: int, found: Movie) -> None:
    """Keep the size of the first video track in `found`."""
    size, is_video = (0, 0), False
    for name, inside, its_end in _boxes(file, start, end):
        if name == b"tkhd":
            size = _track_size(_body(file, inside, its_end))
        elif name == b"mdia":
            about = [_body(file, *each[1:]) for each in _boxes(file, inside, its_end) if each[0] == b"hdlr"]
            is_video = bool(about) and about[0][8:12] == b"vide"  # 8.4.3
    if is_video and not found.has_video:
        found.has_video = True
        found.width, found.height = size if all(size) else (None, None)


def _track_size(tkhd: bytes) -> tuple[int, int]:
    """Return width and height (8.3.2): fixed point 16.16, swapped if the matrix turns by a quarter."""
    matrix_at = 52 if tkhd[:1] == b"\x01" else 40
    a, _, _, _, d, *_, width, height = struct.unpack_from(">9i2I", tkhd, matrix_at)
    width, height = width >> 16, height >> 16
    return (width, height) if a or d else (height, width)


# ── Ogg Opus ────────────────────────────────────────────────────────────────────────────────────────


def ogg_packet(head: bytes) -> bytes:
    """Return the first packet of a file, as far as it is in `head`; it names the codec (RFC 3533, 6)."""
    return head[27 + head[26] :] if head.startswith(b"OggS") and len(head) > 27 else b""


def ogg_seconds(file: BinaryIO) -> float:
    """Return the duration in seconds, 0 if unknown.

    It is the last page's position at 48 kHz less the pre-skip (RFC 7845, 4).
    """
    head = file.read(512)
    packet = ogg_packet(head)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * _OGG_PAGE))
    tail = file.read(2 * _OGG_PAGE)
    at = tail.rfind(b"OggS")
    while packet.startswith(b"OpusHead") and at >= 0:
        page = tail[at : at + 18]
        position = int.from_bytes(page[6:14], "little", signed=True)  # -1: no packet ends on this page
        if len(page) == 18 and page[14:18] == head[14:18] and position > 0:
            return (position - int.from_bytes(packet[10:12], "little")) / 48000
        at = tail.rfind(b"OggS", 0, at)
    return 0


# ── MP3 and AAC ─────────────────────────────────────────────────────────────────────────────────────


class Frame(NamedTuple):
    """One frame of MP3."""

    length: int
    """Bytes to the next frame."""
    bitrate: int
    """Bits per second."""
    seconds: float


# kbit/s of Layer III: MPEG 1 (ISO 11172-3, 2.4.2.3), then MPEG 2 (ISO 13818-3, 2.4.2.3) and 2.5.
_BITRATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def mp3_frame(data: bytes, at: int = 0) -> Frame | None:
    """Return the frame that begins at the offset `at` (bytes), None if there is none."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return None
    per_second = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if version == 3 else 576
    bitrate = _BITRATES[version != 3][bits] * 1000
    length = samples // 8 * bitrate // per_second + (header[2] >> 1 & 1)
    return Frame(length, bitrate, samples / per_second)


def is_mp3(data: bytes, at: int = 0) -> bool:
    """Return whether two frames in a row begin at the offset `at`: a single one may be chance."""
    frame = mp3_frame(data, at)
    return frame is not None and mp3_frame(data, at + frame.length) is not None


def is_adts(data: bytes) -> bool:
    """Return whether two frames of AAC in a row begin the data (ISO 13818-7, 6.2)."""
    if not _adts_begins(data) or len(data) < 7:
        return False
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    return length >= 7 and _adts_begins(data[length:])


def _adts_begins(data: bytes) -> bool:
    return len(data) > 2 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0 and data[2] >> 2 & 15 < 13


def mp3_seconds(file: BinaryIO) -> float:
    """Return the duration in seconds, 0 if unknown: by a Xing header, else by the first frame's bitrate."""
    tag = file.read(10).ljust(10)
    start = 0
    if tag.startswith(b"ID3"):  # ID3v2.4, 3.1: seven bits a byte
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    size = file.seek(0, os.SEEK_END)
    file.seek(start)
    data = file.read(64 * 1024)
    at = next((found.start() for found in re.finditer(b"\xff", data) if is_mp3(data, found.start())), None)
    if at is None or (frame := mp3_frame(data, at)) is None:
        return 0
    counted = re.search(rb"(?:Xing|Info)...(.)(....)", data[at : at + 60], re.DOTALL)
    if counted and counted[1][0] & 1:
        return int.from_bytes(counted[2], "big") * frame.seconds
    return (size - start - at) * 8 / frame.bitrate
