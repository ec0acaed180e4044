"""Pictures, films, sounds and archives made by hand, as small as they can be."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from contextlib import contextmanager

import pytest
from examples import examples
from hypothesis import settings
from PIL import Image

from wa.errors import WaError

MB = 1024 * 1024
bad_files = settings(max_examples=examples(150))


def picture(form="JPEG", size=(320, 200), mode="RGB", orientation=None, **options):
    """Return a picture with some detail in it."""
    made = Image.effect_noise(size, 60).convert(mode)
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    written = io.BytesIO()
    made.save(written, form, **options)
    return written.getvalue()


def box(name, *parts):
    """Return a box of an MP4."""
    inside = b"".join(parts)
    return struct.pack(">I4s", 8 + len(inside), name) + inside


def ftyp(major=b"isom", *others):
    """Return the first box, with its brands."""
    return box(b"ftyp", major, b"\0\0\2\0", *others)


STRAIGHT = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
QUARTER = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def track(handler=b"vide", width=640, height=360, matrix=STRAIGHT, version=0):
    """Return one track."""
    times = bytes(32 if version else 20)
    tkhd = box(
        b"tkhd", bytes([version, 0, 0, 7]), times, bytes(16), struct.pack(">9i", *matrix),
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    return box(b"trak", tkhd, box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12))))


def moov(*tracks, scale=1000, duration=12_400, version=0):
    """Return the header of a film."""
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, scale, duration)
    return box(b"moov", box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80)), *tracks)


def film(*tracks, brand=b"isom", **header):
    """Return an MP4."""
    return ftyp(brand, b"mp42") + box(b"mdat", bytes(1000)) + moov(*(tracks or (track(),)), **header)


def page(packet, position, serial=7, kind=0):
    """Return one page of Ogg, without its checksum, which no code here checks."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, position, serial, 0, 0, len(lacing))
    return header + lacing + packet


def voice(seconds=3.0, skip=312, end=b""):
    """Return a voice message."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, skip, 48000, 0, 0)
    last = page(b"\xfc" * 900, round(seconds * 48000) + skip, kind=4)
    return page(head, 0, kind=2) + page(b"OpusTags" + bytes(8), 0) + page(b"x" * 300, -1) + last + end


def mp3(frames=100, tag=b"", counted=None):
    """Return MP3 of 128 kbit/s at 44.1 kHz: 417 bytes a frame, 38.28 frames a second."""
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    first = frame
    if counted is not None:
        first = frame[:36] + b"Xing" + struct.pack(">II", 1, counted) + frame[48:]
    return tag + first + frame * (frames - 1)


def adts(frames=3, length=64):
    """Return AAC as a stream."""
    header = bytes(
        [0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC]
    )
    return (header + bytes(length - 7)) * frames


def zipped(*names, stored=None):
    """Return a ZIP with these entries."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, (stored or {}).get(name, "x" * 50), zipfile.ZIP_STORED)
    return written.getvalue()


ODT = "application/vnd.oasis.opendocument.text"
OOXML = "application/vnd.openxmlformats-officedocument."
CONTENT_TYPES, RELS = "[Content_Types].xml", "_rels/.rels"
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Nadia\r\nEND:VCARD\r\n"
SAMPLES = {
    "jpeg": (picture(), "image", "image/jpeg"),
    "png": (picture("PNG"), "image", "image/png"),
    "webp": (picture("WEBP"), "image", "image/webp"),
    "webp with alpha": (picture("WEBP", mode="RGBA"), "image", "image/webp"),
    "moving webp": (
        picture("WEBP", save_all=True, append_images=[Image.new("RGB", (320, 200), "red")]),
        "document",
        "image/webp",
    ),
    "gif": (picture("GIF", mode="P"), "document", "image/gif"),
    "tiff": (picture("TIFF"), "document", "image/tiff"),
    "heic": (ftyp(b"heic", b"mif1"), "document", "image/heic"),
    "heic by its second brand": (ftyp(b"zzzz", b"heic"), "document", "image/heic"),
    "avif": (ftyp(b"avif", b"mif1"), "document", "image/avif"),
    "mp4": (film(), "video", "video/mp4"),
    "mp4 of a camera": (film(brand=b"MSNV"), "video", "video/mp4"),
    "3gp": (film(brand=b"3gp5"), "video", "video/3gpp"),
    "mov": (film(brand=b"qt  "), "video", "video/quicktime"),
    "old mov": (moov(track()), "document", "video/quicktime"),
    "mp4 whose header is lost": (ftyp(b"isom"), "video", "video/mp4"),
    "m4a": (film(track(b"soun"), brand=b"M4A "), "audio", "audio/mp4"),
    "sound under a brand of video": (film(track(b"soun"), brand=b"mp42"), "audio", "audio/mp4"),
    "unknown brand": (ftyp(b"zzzz"), "document", "application/octet-stream"),
    "mkv": (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "document", "video/x-matroska"),
    "webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "document", "video/webm"),
    "avi": (b"RIFF\0\1\0\0AVI LIST", "document", "video/x-msvideo"),
    "mp3": (mp3(), "audio", "audio/mpeg"),
    "mp3 with a tag": (mp3(tag=b"ID3\4\0\0\0\0\0\x0a" + bytes(10)), "audio", "audio/mpeg"),
    "aac": (adts(), "audio", "audio/aac"),
    "amr": (b"#!AMR\n\x3c" + bytes(31), "audio", "audio/amr"),
    "voice": (voice(), "voice", "audio/ogg; codecs=opus"),
    "vorbis": (page(b"\x01vorbis" + bytes(20), 0), "document", "audio/ogg"),
    "theora": (page(b"\x80theora" + bytes(20), 0), "document", "application/ogg"),
    "wav": (b"RIFF\0\1\0\0WAVEfmt ", "document", "audio/wav"),
    "flac": (b"fLaC\0\0\0\x22", "document", "audio/flac"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "document", "application/pdf"),
    "zip": (zipped("a.txt", "word/notes.txt"), "document", "application/zip"),
    "empty zip": (zipped(), "document", "application/zip"),
    "docx": (
        zipped(CONTENT_TYPES, RELS, "word/document.xml"),
        "document",
        f"{OOXML}wordprocessingml.document",
    ),
    "xlsx": (zipped(CONTENT_TYPES, "xl/workbook.xml"), "document", f"{OOXML}spreadsheetml.sheet"),
    "pptx": (zipped("ppt/a.xml", CONTENT_TYPES), "document", f"{OOXML}presentationml.presentation"),
    "large docx": (
        zipped(CONTENT_TYPES, "big", "word/x.xml", stored={"big": os.urandom(300_000)}),
        "document",
        f"{OOXML}wordprocessingml.document",
    ),
    "odt": (zipped("mimetype", "content.xml", stored={"mimetype": ODT}), "document", ODT),
    "gzip": (b"\x1f\x8b\x08\0abc", "document", "application/gzip"),
    "rtf": (rb"{\rtf1\ansi hello}", "document", "application/rtf"),
    "text": ("Grüße, ça va? 你好\n".encode(), "document", "text/plain"),
    "text cut in a character": (b"x" * 4095 + "ü".encode() * 10, "document", "text/plain"),
    "card": (CARD, "document", "text/vcard"),
    "card with a mark": (b"\xef\xbb\xbf" + CARD.lower(), "document", "text/vcard"),
    "latin-1": (b"caf\xe9 au lait", "document", "application/octet-stream"),
    "old word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "document", "application/x-ole-storage"),
    "program": (b"\x7fELF\2\1\1" + bytes(50), "document", "application/octet-stream"),
}


def large(path, data, size):
    """Write a sparse file of that size: its start, then a hole; return its path."""
    path.write_bytes(data)
    os.truncate(path, size)
    return path


@contextmanager
def refused(code, *words):
    """Expect a WaError with this code whose message contains these words."""
    with pytest.raises(WaError) as caught:
        yield caught
    assert caught.value.code == code
    for word in words:
        assert word in caught.value.message
