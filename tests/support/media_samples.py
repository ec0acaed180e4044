"""Pictures, films, sounds and archives made by hand, as small as they can be."""

from __future__ import annotations

import io
import struct
import zipfile

from PIL import Image


def picture(form="JPEG", size=(320, 200), mode="RGB", orientation=None, **options):
    """A picture with some detail in it."""
    made = Image.effect_noise(size, 60).convert(mode)
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    written = io.BytesIO()
    made.save(written, form, **options)
    return written.getvalue()


def box(name, *parts):
    """A box of an MP4."""
    inside = b"".join(parts)
    return struct.pack(">I4s", 8 + len(inside), name) + inside


def ftyp(major=b"isom", *others):
    """The first box, with its brands."""
    return box(b"ftyp", major, b"\0\0\2\0", *others)


STRAIGHT = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
QUARTER = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def track(handler=b"vide", width=640, height=360, matrix=STRAIGHT, version=0):
    """One track."""
    times = bytes(32 if version else 20)
    tkhd = box(
        b"tkhd", bytes([version, 0, 0, 7]), times, bytes(16), struct.pack(">9i", *matrix),
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    return box(b"trak", tkhd, box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12))))


def moov(*tracks, scale=1000, duration=12_400, version=0):
    """The header of a film."""
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, scale, duration)
    return box(b"moov", box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80)), *tracks)


def film(*tracks, brand=b"isom", **header):
    """An MP4."""
    return ftyp(brand, b"mp42") + box(b"mdat", bytes(1000)) + moov(*(tracks or (track(),)), **header)


def page(packet, position, serial=7, kind=0):
    """One page of Ogg; the checksum is left out, for nobody here looks at it."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, position, serial, 0, 0, len(lacing))
    return header + lacing + packet


def voice(seconds=3.0, skip=312, end=b""):
    """A voice message."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, skip, 48000, 0, 0)
    last = page(b"\xfc" * 900, round(seconds * 48000) + skip, kind=4)
    return page(head, 0, kind=2) + page(b"OpusTags" + bytes(8), 0) + page(b"x" * 300, -1) + last + end


def mp3(frames=100, tag=b"", counted=None):
    """MP3 of 128 kbit/s at 44.1 kHz: 417 bytes a frame, 38.28 frames a second."""
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    first = frame
    if counted is not None:
        first = frame[:36] + b"Xing" + struct.pack(">II", 1, counted) + frame[48:]
    return tag + first + frame * (frames - 1)


def adts(frames=3, length=64):
    """AAC as a stream."""
    header = bytes(
        [0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC]
    )
    return (header + bytes(length - 7)) * frames


def zipped(*names, stored=None):
    """A ZIP with these entries."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, (stored or {}).get(name, "x" * 50), zipfile.ZIP_STORED)
    return written.getvalue()
