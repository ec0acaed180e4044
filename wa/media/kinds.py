"""The kind and MIME type of a file by its content; and the extension that belongs to a MIME type.

The name of a file decides only for documents whose content does not show the type.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from mimetypes import MimeTypes
from pathlib import Path
from typing import BinaryIO

from wa.errors import WaError
from wa.media.formats import is_adts, is_mp3, movie, ogg_packet
from wa.store.files import storage_error
from wa.values import Value

_HEAD, _TAIL = 4096, 64 * 1024
"""Bytes of the beginning and the end that a file is recognised by; a ZIP has its directory at the end."""


class Kind(Value):
    """The kind of message that a file is sent as, and its MIME type."""

    name: str
    """`image`, `video`, `audio`, `voice` or `document`."""
    mimetype: str


_OOXML = "application/vnd.openxmlformats-officedocument."
_WORD, _SHEET = f"{_OOXML}wordprocessingml.document", f"{_OOXML}spreadsheetml.sheet"
_SLIDES = f"{_OOXML}presentationml.presentation"
_OOXML_OF = {b"word": _WORD, b"xl": _SHEET, b"ppt": _SLIDES}
_ODF = "application/vnd.oasis.opendocument."
_APK = "application/vnd.android.package-archive"
_BYTES = "application/octet-stream"

# Formats that WhatsApp does not play are documents: GIF, WAV, FLAC, Matroska, AVI.
_SIGNATURES = [
    (re.compile(pattern, re.DOTALL), Kind(name, mimetype))
    for pattern, name, mimetype in (
        (rb"\xff\xd8\xff", "image", "image/jpeg"),
        (rb"\x89PNG\r\n\x1a\n", "image", "image/png"),
        (rb"RIFF....WEBP", "image", "image/webp"),
        (rb"GIF8[79]a", "document", "image/gif"),
        (rb"II\*\0|MM\0\*", "document", "image/tiff"),
        (rb"ID3[\x02-\x04]..[\x00-\x7f]{4}", "audio", "audio/mpeg"),
        (rb"#!AMR\n", "audio", "audio/amr"),
        (rb"RIFF....WAVE", "document", "audio/wav"),
        (rb"fLaC", "document", "audio/flac"),
        (rb"RIFF....AVI ", "document", "video/x-msvideo"),
        (rb"\x1a\x45\xdf\xa3.{0,60}webm", "document", "video/webm"),
        (rb"\x1a\x45\xdf\xa3", "document", "video/x-matroska"),
        (rb"[\x00-\x07]...(?:moov|mdat|wide)", "document", "video/quicktime"),  # files without brands
        (rb"(?:\xef\xbb\xbf)?\s*%PDF-", "document", "application/pdf"),
        (rb"{\\rtf", "document", "application/rtf"),
        (rb"\x1f\x8b\x08", "document", "application/gzip"),
        (rb"7z\xbc\xaf\x27\x1c", "document", "application/x-7z-compressed"),
        (rb"Rar!\x1a\x07", "document", "application/vnd.rar"),
        (rb"(?:\xef\xbb\xbf)?\s*(?i:BEGIN:VCARD)\s", "document", "text/vcard"),
    )
]
# The first letters of brands of ISO base media files (ISO 14496-12, 4.3; registered at mp4ra.org).
_BRANDS = [
    (re.compile(pattern), Kind(name, mimetype))
    for pattern, name, mimetype in (
        (rb"M4[ABP]|F4A", "audio", "audio/mp4"),
        (rb"hei[cxms]|hev[cxms]", "document", "image/heic"),
        (rb"avi[fs]", "document", "image/avif"),
        (rb"mif1|msf1", "document", "image/heif"),
        (rb"3g[2c]", "document", "video/3gpp2"),
        (rb"3g", "video", "video/3gpp"),
        (rb"qt  ", "video", "video/quicktime"),
        (rb"iso|mp4|avc1|M4V|mmp4|MSNV|dash|XAVC|F4V", "video", "video/mp4"),
    )
]
_ZIP = re.compile(rb"PK(?:\x03\x04|\x05\x06)")
# APPNOTE.TXT 4.3.7 and 4.3.12: the name of an entry follows a header of fixed length.
_ENTRY = re.compile(
    rb"PK(?:\x03\x04.{26}|\x01\x02.{42})(?:(\[Content_Types\]\.xml)|(word|xl|ppt)/)", re.DOTALL
)
# ODF 1.2 part 3, 3.3, and EPUB: the first entry holds the type, uncompressed.
_MIMETYPE_ENTRY = re.compile(rb"PK\x03\x04.{26}mimetype(application/[\w.+-]{1,80}?)PK", re.DOTALL)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SIGNED = {kind.mimetype for _, kind in _SIGNATURES} | {_WORD, _SHEET, _SLIDES, "application/zip", _BYTES}
"""Types that always show in the content, so a file name alone is no evidence for them."""


def kind_of(path: Path, name: str | None = None) -> Kind:
    """Return the kind of a file by its content; `name` is its name if it differs from that in `path`.

    Raise WaError `not-found`, `bad-data`, `storage-error`.
    """
    with reading(path) as file:
        head = file.read(_HEAD)
        file.seek(max(_HEAD, file.seek(0, os.SEEK_END) - _TAIL))
        kind = recognise(head, file.read(_TAIL), name or path.name)
    if kind.name == "video":
        film = movie(path)
        if film.tracks and not film.has_video:  # phones record sound in files with the brands of video
            return Kind("audio", "audio/mp4")
    return kind


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read. Raise WaError `not-found`, `bad-data`, `storage-error`."""
    try:
        mode = path.stat().st_mode  # before opening: open() would wait for a pipe and wake a device
        if stat.S_ISDIR(mode):
            raise WaError("bad-data", f"{path} is a directory", f"name the files in it: {path}/*")
        if not stat.S_ISREG(mode):
            raise WaError(
                "bad-data", f"{path} is not a file but a pipe or a device", "save it to a file first"
            )
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise WaError("not-found", f"there is no file {path}", None) from None
    except OSError as error:
        raise storage_error(error, path) from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise storage_error(error, path) from error


def recognise(head: bytes, tail: bytes, name: str) -> Kind:
    """Return the kind of a file by its first bytes.

    `tail` has its last bytes, which a ZIP needs, unless `head` is the whole file.
    """
    for pattern, kind in _SIGNATURES:
        if pattern.match(head):
            # WebP's flag for moving pictures (RFC 9649, 2.7), which are not sent as images
            moves = head[8:16] == b"WEBPVP8X" and head[20:21] and head[20] & 2
            return Kind("document", kind.mimetype) if moves else kind
    if head[4:8] == b"ftyp":
        return _kind_of_brands(head)
    if head.startswith(b"OggS"):
        return _kind_of_ogg(ogg_packet(head))
    if is_mp3(head):
        return Kind("audio", "audio/mpeg")
    if is_adts(head):
        return Kind("audio", "audio/aac")
    return Kind("document", _document_type(head, tail, _type_by_name(name)))


def _kind_of_brands(head: bytes) -> Kind:
    """Return the kind by the main brand or, if that is unknown, by the first known compatible brand."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    for brand in (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))):
        for pattern, kind in _BRANDS:
            if pattern.match(brand):
                return kind
    return Kind("document", _BYTES)


def _kind_of_ogg(packet: bytes) -> Kind:
    if packet.startswith(b"OpusHead"):  # RFC 7845, 5.1
        return Kind("voice", "audio/ogg; codecs=opus")
    return Kind("document", "audio/ogg" if packet.startswith(b"\x01vorbis") else "application/ogg")


def _document_type(head: bytes, tail: bytes, by_name: str) -> str:
    if by_name in _SIGNED:
        by_name = ""
    is_application = by_name.startswith("application/")
    if _ZIP.match(head):
        return _zip_type(head + tail) or (by_name if is_application else "application/zip")
    if head.startswith(_OLE):  # Word, Excel and PowerPoint up to 2003, and others
        return by_name if is_application else "application/x-ole-storage"
    if _is_utf8(head, is_whole=not tail):
        return by_name if by_name.startswith("text/") or by_name == "application/json" else "text/plain"
    if by_name.startswith("text/"):  # perhaps in another encoding than UTF-8
        return by_name if b"\0" not in head else _BYTES
    return by_name if is_application else _BYTES


def _zip_type(data: bytes) -> str | None:
    if own := _MIMETYPE_ENTRY.match(data):
        return own[1].decode("ascii")
    entries = [(bool(found[1]), found[2]) for found in _ENTRY.finditer(data)]
    if not any(is_list for is_list, _ in entries):
        return None
    return next((_OOXML_OF[folder] for _, folder in entries if folder), None)


def _is_utf8(head: bytes, *, is_whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=is_whole)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


# ── Types and extensions ────────────────────────────────────────────────────────────────────────────

_EXTENSIONS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif",
    "image/tiff": ".tiff", "image/heic": ".heic", "image/heif": ".heif", "image/avif": ".avif",
    "video/mp4": ".mp4", "video/3gpp": ".3gp", "video/3gpp2": ".3g2", "video/quicktime": ".mov",
    "video/webm": ".webm", "video/x-matroska": ".mkv", "video/x-msvideo": ".avi", "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "audio/ogg": ".ogg", "audio/wav": ".wav",
    "audio/flac": ".flac", "application/ogg": ".ogx", "application/pdf": ".pdf", "application/zip": ".zip",
    "application/gzip": ".gz", "application/rtf": ".rtf", "application/x-7z-compressed": ".7z",
    "application/vnd.rar": ".rar", "application/epub+zip": ".epub", _APK: ".apk", _WORD: ".docx",
    _SHEET: ".xlsx", _SLIDES: ".pptx", "text/plain": ".txt", "text/vcard": ".vcf", "text/markdown": ".md",
    f"{_ODF}text": ".odt", f"{_ODF}spreadsheet": ".ods", f"{_ODF}presentation": ".odp", _BYTES: ".bin",
}  # fmt: skip
_TYPES = {extension: mimetype for mimetype, extension in _EXTENSIONS.items()}
_FAMILIES = {"image": "image/", "sticker": "image/", "video": "video/", "audio": "audio/", "voice": "audio/"}
_USUAL = {"image": ".jpg", "sticker": ".webp", "video": ".mp4", "voice": ".ogg", "contact": ".vcf"}


@cache
def _python_types() -> MimeTypes:
    return MimeTypes()  # without the machine's own table: the same file has the same type everywhere


def _type_by_name(name: str) -> str:
    _, dot, extension = name.lower().rpartition(".")
    extension = dot + extension
    return _TYPES.get(extension) or _python_types().types_map[True].get(extension, "")


def extension_for(mimetype: str, kind: str) -> str:
    """Return the extension of a MIME type with its dot: `.jpg`.

    An unknown type has the usual extension of its kind, or `.bin`. A type that does
    not fit its kind counts as unknown, so that a picture is never an `.exe`.
    """
    plain = mimetype.partition(";")[0].strip().lower()
    found = _EXTENSIONS.get(plain) or _python_types().guess_extension(plain)
    fits = plain.startswith(_FAMILIES.get(kind, ""))
    return found if found and fits else _USUAL.get(kind, ".bin")
