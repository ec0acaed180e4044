"""Files to send and files received: told by content, kept once, named safely; bad input never stops wa."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import unicodedata
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg
import pytest
from conftest import wait_for
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from linked import is_running
from media_samples import QUARTER, adts, box, film, ftyp, moov, mp3, page, picture, track, voice, zipped
from PIL import Image

from wa.errors import WaError
from wa.media import details, formats, kinds, names, outgoing, received
from wa.media.details import Details
from wa.media.kinds import Kind

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user or mount a small disk")
NOBODY = 65534
MB = 1024 * 1024
bad_files = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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


@pytest.fixture
def put(tmp_path):
    """Write a file: `put(data, name)`."""

    def write(data, name="file"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def no_ffmpeg(monkeypatch):
    """A machine without ffmpeg."""
    monkeypatch.setattr(details.shutil, "which", lambda _: None)


def large(path, data, size):
    """A file of that size on paper: its start, then a hole."""
    path.write_bytes(data)
    os.truncate(path, size)
    return path


@contextmanager
def refused(code, *words):
    """Expect a WaError with this code that says these words."""
    with pytest.raises(WaError) as caught:
        yield caught
    assert caught.value.code == code
    for word in words:
        assert word in caught.value.message


# ── What it is ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SAMPLES)
def test_content_tells_the_kind(put, name):
    data, kind, mimetype = SAMPLES[name]
    assert kinds.kind_of(put(data)) == Kind(kind, mimetype)


@pytest.mark.parametrize(
    "lie", ["photo.jpg", "film.mp4", "song.mp3", "paper.pdf", "archive.zip", "notes.txt"]
)
@pytest.mark.parametrize("name", ["jpeg", "mp4", "voice", "pdf", "docx", "program"])
def test_a_name_does_not_change_what_the_content_says(put, name, lie):
    data, kind, mimetype = SAMPLES[name]
    assert kinds.kind_of(put(data, lie)) == Kind(kind, mimetype)


@pytest.mark.parametrize(
    ("data", "name", "mimetype"),
    [
        (b"a,b\n1,2\n", "table.CSV", "text/csv"),
        (b"{}", "data.json", "application/json"),
        (b"<p>", "page.html", "text/html"),
        (b"caf\xe9", "menu.txt", "text/plain"),
        (b"caf\xe9\0", "menu.txt", "application/octet-stream"),
        (b"text", "film.ts", "text/plain"),
        (b"text", "no-such.docx", "text/plain"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "letter.doc", "application/msword"),
        (zipped("classes.dex"), "game.apk", "application/vnd.android.package-archive"),
        (zipped("a"), "letter.docx", "application/zip"),
        (b"\0\1\2\3", "disk.tar", "application/x-tar"),
        (b"\0\1\2\3", "x.jpg", "application/octet-stream"),
        (b"\0\1\2\3", "x.nosuchthing", "application/octet-stream"),
        (b"\0\1\2\3", "x.", "application/octet-stream"),
    ],
)
def test_a_name_refines_the_type_of_a_document(put, data, name, mimetype):
    assert kinds.kind_of(put(data, name)) == Kind("document", mimetype)


def test_the_machine_has_no_say_in_types(put, monkeypatch):
    import mimetypes

    mimetypes.add_type("application/x-of-this-machine", ".csv")
    try:
        assert kinds.kind_of(put(b"a,b", "table.csv")).mimetype == "text/csv"
    finally:
        mimetypes.init()


@given(st.binary(max_size=300))
@example(b"\xff\xfb")
@example(b"OggS")
@example(b"\0\0\0\0ftyp")
@example(b"\xff\xff\xff\xffftypisom")
@example(b"RIFF\0\0\0\0WEBPVP8X")
@example(b"PK\3\4")
@bad_files
def test_any_bytes_are_something(tmp_path, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    kind = kinds.kind_of(path)
    assert kind.name in outgoing.LIMITS
    assert kinds.extension_for(kind.mimetype, kind.name)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_truncated_file_is_something(put, no_ffmpeg, name):
    data, kind, _ = SAMPLES[name]
    for length in {*range(min(len(data), 64)), *range(64, min(len(data), 4000), 97)}:
        path = put(data[:length])
        details.of_file(path, kinds.kind_of(path))
        details.of_file(path, Kind(kind, SAMPLES[name][2]))


# ── Too large for its kind ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["jpeg", "mp4", "mp3", "voice"])
def test_what_is_too_large_for_its_kind_is_a_document(tmp_path, name):
    data, kind, mimetype = SAMPLES[name]
    fits = large(tmp_path / "fits", data, 16 * MB)
    assert outgoing.kind_for_sending(fits) == Kind(kind, mimetype)
    too_large = large(tmp_path / "large", data, 16 * MB + 1)
    assert kinds.kind_of(too_large) == Kind(kind, mimetype)
    assert outgoing.kind_for_sending(too_large) == Kind("document", mimetype)


def test_a_document_is_a_document_at_any_size(tmp_path):
    path = large(tmp_path / "a.pdf", b"%PDF-1.7", 200 * MB)
    assert outgoing.kind_for_sending(path) == Kind("document", "application/pdf")


# ── What can be sent ────────────────────────────────────────────────────────────────────────────────


def test_a_file_can_be_sent(put, tmp_path, monkeypatch):
    path = put(b"hello", "a.txt")
    assert outgoing.check_sendable(path) == path
    monkeypatch.chdir(tmp_path)
    assert outgoing.check_sendable(Path("a.txt")) == path
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    assert outgoing.check_sendable(link) == link


@pytest.mark.parametrize("name", ["nothing", "a.txt/nothing", "nu\0l", "lost"])
def test_a_missing_file(put, tmp_path, name):
    put(b"hello", "a.txt")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    for refuse in (outgoing.check_sendable, kinds.kind_of, outgoing.kind_for_sending):
        with refused("not-found", "there is no file"):
            refuse(tmp_path / name)


def test_a_missing_file_ends_with_4(tmp_path):
    with refused("not-found") as caught:
        outgoing.check_sendable(tmp_path / "nothing")
    assert caught.value.exit_status == 4


def test_a_circle_of_links(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with refused("storage-error"):
        outgoing.check_sendable(tmp_path / "a")


def test_a_directory(tmp_path):
    with refused("bad-data", "is a directory") as caught:
        outgoing.check_sendable(tmp_path)
    assert caught.value.hint == f"name the files in it: {tmp_path}/*"


@pytest.mark.timeout(20)
def test_a_pipe_is_neither_opened_nor_waited_for(home, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        for refuse in (outgoing.check_sendable, kinds.kind_of, lambda path: outgoing.keep(home, path)):
            with refused("bad-data", "is not a file"):
                refuse(tmp_path / name)
        assert details.of_file(tmp_path / name, Kind("video", "video/mp4")) == Details()


@pytest.mark.timeout(20)
def test_a_pipe_that_takes_the_place_of_a_file(put, monkeypatch):
    path = put(b"hello")
    real = Path.stat

    def swap(self, **options):
        found = real(self, **options)
        if self == path:
            path.unlink()
            os.mkfifo(path)
        return found

    monkeypatch.setattr(Path, "stat", swap)
    with refused("bad-data", "is empty"):
        outgoing.check_sendable(path)


def test_a_device_and_a_socket(tmp_path, monkeypatch):
    with refused("bad-data", "is not a file"):
        outgoing.check_sendable(Path("/dev/zero"))
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind("s")
        with refused("bad-data", "is not a file"):
            outgoing.check_sendable(Path("s"))


def test_an_empty_file(put, home):
    path = put(b"")
    with refused("bad-data", "is empty"):
        outgoing.check_sendable(path)
    with refused("bad-data", "is empty"):
        outgoing.keep(home, path)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(100 * MB + 1, "100.1 MB"), (200 * MB, "200 MB"), (5 * 1024**4, "5242880 MB")],
)
def test_a_file_that_is_too_large(tmp_path, home, size, shown):
    path = large(tmp_path / "big", b"x", size)
    for refuse in (outgoing.check_sendable, lambda path: outgoing.keep(home, path)):
        with refused("bad-data", f"is {shown}; files up to 100 MB can be sent"):
            refuse(path)


def test_a_file_of_just_the_limit(tmp_path):
    assert outgoing.check_sendable(large(tmp_path / "big", b"x", 100 * MB))


@as_root
def test_a_file_that_may_not_be_read(home):
    with_dir = Path("/tmp") / f"wa-unreadable-{os.getpid()}"  # where another user can get to
    with_dir.mkdir(mode=0o755)
    path = with_dir / "secret"
    path.write_bytes(b"x")
    path.chmod(0o600)
    os.seteuid(NOBODY)
    try:
        with refused("storage-error", "Permission denied") as caught:
            outgoing.check_sendable(path)
    finally:
        os.seteuid(0)
        shutil.rmtree(with_dir)
    assert caught.value.hint == f"check who owns {path}: ls -ld {path}"


# ── Kept in the home ────────────────────────────────────────────────────────────────────────────────


def outbox(home):
    """The names in the outbox, hidden ones too."""
    folder = home.path / "media" / "outbox"
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_a_file_is_kept_once(home, put):
    first, again = put(picture("PNG"), "a.png"), put(picture("PNG"), "other.png")
    again.write_bytes(first.read_bytes())
    kept, name = outgoing.keep(home, first)
    assert kept == f"media/outbox/{hashlib.sha256(first.read_bytes()).hexdigest()}.png"
    assert name == "a.png"
    assert (home.path / kept).read_bytes() == first.read_bytes()
    assert outgoing.keep(home, again) == (kept, "other.png")
    assert outbox(home) == [Path(kept).name]


def test_what_is_kept_is_for_its_owner_alone(home, put):
    old = os.umask(0)
    try:
        kept, _ = outgoing.keep(home, put(b"hello", "a.txt"))
    finally:
        os.umask(old)
    path = home.path / kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, home.path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", SAMPLES)
def test_a_copy_is_of_the_same_kind(home, put, name):
    path = put(SAMPLES[name][0], "name.bin")
    kept, _ = outgoing.keep(home, path)
    assert kinds.kind_of(home.path / kept) == kinds.kind_of(path)


@pytest.mark.parametrize(
    "name", ["a.csv", "a.json", "a.doc", "a.apk", "a.tar", "a.exe", "a.html", "a.md", "a"]
)
@pytest.mark.parametrize("data", [b"text", b"\0\1", zipped("a"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_a_copy_is_of_the_type_that_its_name_gave(home, put, name, data):
    path = put(data, name)
    kept, _ = outgoing.keep(home, path)
    assert kinds.kind_of(home.path / kept) == kinds.kind_of(path)


def test_the_name_for_the_recipient(home, put, tmp_path):
    path = put(b"hello", "bill: \u202egpj.exe")
    assert outgoing.keep(home, path)[1] == "bill_ gpj.exe"
    link = tmp_path / "report.txt"
    link.symlink_to(path)
    assert outgoing.keep(home, link)[1] == "report.txt"
    hidden = put(b"x", ".-")
    assert outgoing.keep(home, hidden)[1] == "file"
    assert outgoing.keep(home, put(b"x", os.fsdecode(b"caf\xe9.txt")))[1] == "caf.txt"


def test_the_copy_counts_when_the_file_changes(home, put, monkeypatch):
    path = put(b"first" * 200_000, "a.txt")
    real = outgoing._read

    def change(path, source):
        piece = real(path, source)
        path.write_bytes(b"2")
        return piece

    monkeypatch.setattr(outgoing, "_read", change)
    kept, _ = outgoing.keep(home, path)
    data = (home.path / kept).read_bytes()
    assert Path(kept).stem == hashlib.sha256(data).hexdigest()
    assert data.startswith(b"first")
    assert 0 < len(data) < 1_000_000


def test_a_file_that_grows_without_end(home, put, monkeypatch):
    path = put(b"x")
    monkeypatch.setitem(outgoing.LIMITS, "document", MB)
    monkeypatch.setattr(outgoing, "_read", lambda *_: b"x" * 300_000)
    with refused("bad-data", "files up to 1 MB"):
        outgoing.keep(home, path)
    assert outbox(home) == []


def test_a_file_that_becomes_empty(home, put, monkeypatch):
    monkeypatch.setattr(outgoing, "_read", lambda *_: b"")
    with refused("bad-data", "is empty"):
        outgoing.keep(home, put(b"x"))
    assert outbox(home) == []


def test_a_file_that_cannot_be_read_to_its_end(home, put, monkeypatch):
    path = put(b"x")

    class Damaged(io.BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, "no")

        def fileno(self):
            return os.open(path, os.O_RDONLY)

    real = os.fdopen
    monkeypatch.setattr(
        outgoing.os, "fdopen", lambda fd, mode, *rest: Damaged() if mode == "rb" else real(fd, mode, *rest)
    )
    with refused("storage-error", str(path), "Input/output error"):
        outgoing.keep(home, path)
    assert outbox(home) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_copy_that_fails_leaves_nothing(home, put, monkeypatch, call):
    path = put(b"x" * 1000)

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with refused("storage-error", "No space left"):
            outgoing.keep(home, path)
    assert outbox(home) == []
    outgoing.keep(home, path)
    assert len(outbox(home)) == 1


def test_an_interrupted_copy_leaves_nothing(home, put, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        outgoing.keep(home, put(b"x"))
    assert outbox(home) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@as_root
def test_a_full_disk(small_disk, put):
    from wa.store.paths import Home

    home = Home(small_disk / "home")
    with refused("storage-error", "No space left") as caught:
        outgoing.keep(home, put(os.urandom(3 * MB)))
    assert "nothing was half-written" in caught.value.hint
    assert outbox(home) == []
    with refused("storage-error", "No space left"):
        received.write_new(small_disk / "downloads", "a.bin", os.urandom(3 * MB))
    assert os.listdir(small_disk / "downloads") == []
    assert outgoing.keep(home, put(b"small"))


def test_something_is_in_the_place_of_the_folder(home, put):
    home.prepare()
    (home.path / "media").write_text("a file")
    with refused("storage-error"):
        outgoing.keep(home, put(b"x"))


def test_many_keep_the_same_file_at_once(home, put):
    path, kept = put(os.urandom(500_000), "a.bin"), []
    threads = [threading.Thread(target=lambda: kept.append(outgoing.keep(home, path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 8
    assert len(set(kept)) == 1
    assert outbox(home) == [Path(kept[0][0]).name]


# ── Pictures ────────────────────────────────────────────────────────────────────────────────────────


def opened(thumbnail):
    """The thumbnail as a picture; checks what every one has to be."""
    assert len(thumbnail) <= 10 * 1024
    shown = Image.open(io.BytesIO(thumbnail))
    shown.load()
    assert (shown.format, shown.mode) == ("JPEG", "RGB")
    assert max(shown.size) <= 100
    return shown


def details_of(path):
    """The details of a file by its own kind."""
    return details.of_file(path, kinds.kind_of(path))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture(put, form):
    found = details_of(put(picture(form, (320, 200))))
    assert (found.width, found.height) == (320, 200)
    assert abs(opened(found.thumbnail).width - 100) <= 1
    assert (found.seconds, found.waveform) == (None, None)


def test_a_small_picture_is_not_blown_up(put):
    assert opened(details_of(put(picture(size=(7, 5)))).thumbnail).size == (7, 5)
    assert opened(details_of(put(picture("PNG", size=(1, 3000)))).thumbnail).size == (1, 100)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_lies_as_its_camera_was_held(put, orientation):
    found = details_of(put(picture(size=(320, 200), orientation=orientation)))
    lies = orientation >= 5
    assert (found.width, found.height) == ((200, 320) if lies else (320, 200))
    shown = opened(found.thumbnail)
    assert (shown.width < shown.height) == lies


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png(put, mode):
    if mode == "PA":
        made = Image.new("P", (50, 40))
        written = io.BytesIO()
        made.save(written, "PNG", transparency=0)
        path = put(written.getvalue())
    else:
        path = put(picture("PNG", mode=mode))
    assert opened(details_of(path).thumbnail)


def test_jpegs_of_printers(put):
    written = io.BytesIO()
    Image.new("CMYK", (300, 200)).save(written, "JPEG")
    assert opened(details_of(put(written.getvalue())).thumbnail)


def test_what_is_seen_through_is_white(put):
    written = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(written, "PNG")
    assert opened(details_of(put(written.getvalue())).thumbnail).getpixel((20, 20)) == (255, 255, 255)


def test_a_thumbnail_tells_nothing_of_where_the_picture_was_taken(put):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}
    exif[0x010F] = "A camera"
    data = picture(exif=exif, comment=b"a comment", icc_profile=b"a profile" * 50)
    shown = opened(details_of(put(data)).thumbnail)
    assert len(shown.getexif()) == 0
    assert not {"comment", "icc_profile", "exif"} & set(shown.info)


def png_that_claims(width, height):
    """A PNG whose header names a size and that holds next to nothing."""
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 0), (10_000, 9_000), (4000, 4000)]
)
def test_a_picture_that_would_fill_the_memory(put, size):
    assert details_of(put(png_that_claims(*size))).thumbnail is None


def test_the_size_of_a_large_picture_is_known(put):
    found = details_of(put(png_that_claims(10_000, 9_000)))
    assert (found.width, found.height) == (10_000, 9_000)


def test_a_picture_that_breaks_off_still_has_a_size(put):
    data = picture("PNG", (640, 480))
    found = details_of(put(data[: len(data) // 2]))
    assert (found.width, found.height) == (640, 480)


def test_without_pillow(put, monkeypatch):
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert details_of(put(SAMPLES["jpeg"][0])) == Details()


def test_pillow_is_not_loaded_before_it_is_needed():
    code = "import sys, wa.media.details; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.data())
@bad_files
def test_pictures_with_wrong_bytes(tmp_path, data):
    name = data.draw(st.sampled_from(["jpeg", "png", "webp", "webp with alpha"]))
    sample = bytearray(SAMPLES[name][0])
    for _ in range(data.draw(st.integers(1, 8))):
        sample[data.draw(st.integers(0, min(len(sample), 600) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "any"
    path.write_bytes(sample)
    details.of_file(path, kinds.kind_of(path))
    details.of_file(path, Kind("image", "image/jpeg"))


# ── Videos ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", [0, 1])
def test_a_video(put, no_ffmpeg, version):
    data = film(track(b"soun", 0, 0), track(version=version), version=version)
    assert details_of(put(data)) == Details(width=640, height=360, seconds=12)


def test_a_video_of_a_phone_held_upright(put, no_ffmpeg):
    found = details_of(put(film(track(matrix=QUARTER))))
    assert (found.width, found.height) == (360, 640)


def test_the_header_may_come_first_or_after_a_long_box(put, no_ffmpeg):
    first = ftyp() + moov(track()) + box(b"mdat", bytes(100))
    assert details_of(put(first)).seconds == 12
    long_box = struct.pack(">I4sQ", 1, b"mdat", 16 + 500) + bytes(500)
    assert details_of(put(ftyp() + long_box + moov(track()))).seconds == 12
    to_the_end = ftyp() + struct.pack(">I4s", 0, b"moov") + moov(track())[8:]
    assert details_of(put(to_the_end)).seconds == 12


@pytest.mark.parametrize(
    "header",
    [
        {"scale": 0},
        {"duration": 0},
        {"duration": 0xFFFFFFFF},
        {"duration": 0xFFFFFFFFFFFFFFFF, "version": 1},
        {"duration": 2**62, "version": 1, "scale": 1},
    ],
)
def test_a_length_that_cannot_be(put, no_ffmpeg, header):
    assert details_of(put(film(**header))).seconds is None


def test_a_short_video_lasts_a_second(put, no_ffmpeg):
    assert details_of(put(film(duration=40))).seconds == 1


def test_a_video_without_a_size(put, no_ffmpeg):
    found = details_of(put(film(track(width=0))))
    assert (found.width, found.height) == (None, None)


@pytest.mark.parametrize(
    "junk",
    [
        box(b"free") * 200_000,
        struct.pack(">I4s", 1, b"free") * 10_000,
        struct.pack(">I4sQ", 1, b"free", 2**64 - 1),
        struct.pack(">I4sQ", 1, b"free", 0),
        struct.pack(">I4s", 7, b"moov"),
        struct.pack(">I4s", 0xFFFFFFFF, b"moov") + bytes(50),
        box(b"moov", box(b"trak", box(b"mdia", box(b"hdlr") * 100_000)) * 3),
        box(b"moov", box(b"mvhd", b"\1"), box(b"trak", box(b"tkhd", b"\1"))),
        box(b"moov", box(b"moov", box(b"moov"))),
    ],
)
@pytest.mark.timeout(30)
def test_a_film_of_junk(put, no_ffmpeg, junk):
    path = put(ftyp() + junk)
    assert details.of_file(path, Kind("video", "video/mp4")) == Details()
    kinds.kind_of(path)


@given(st.data())
@bad_files
def test_films_with_wrong_bytes(tmp_path, data):
    sample = bytearray(film(track(), track(b"soun")))
    for _ in range(data.draw(st.integers(1, 8))):
        sample[data.draw(st.integers(0, len(sample) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "any"
    path.write_bytes(sample[: data.draw(st.integers(0, len(sample)))])
    kinds.kind_of(path)
    formats.movie(path)


# ── Recordings ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "shown"), [(3.0, 3), (0.2, 1), (61.6, 62), (7200, 7200)])
def test_a_voice_message(put, no_ffmpeg, seconds, shown):
    assert details_of(put(voice(seconds))) == Details(seconds=shown)


def test_the_last_page_may_say_nothing_or_be_of_another_stream(put, no_ffmpeg):
    nothing = page(b"x" * 60, -1)
    other = page(b"x" * 60, 48000 * 900, serial=8)
    assert details_of(put(voice(3, end=nothing + other + b"OggS"))).seconds == 3


@pytest.mark.parametrize("position", [-5, 1, 2**62])
def test_a_voice_message_of_a_length_that_cannot_be(put, no_ffmpeg, position):
    head = page(b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48000, 0, 0), 0)
    assert details_of(put(head + page(b"x", position))).seconds is None


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (mp3(383), 10),
        (mp3(383, tag=b"ID3\4\0\0\0\0\1\0" + bytes(128)), 10),
        (mp3(50, counted=3828), 100),
        (b"ID3\4\0\0\x7f\x7f\x7f\x7f" + mp3(5), None),
        (b"ID3\4\0\0\0\0\0\0" + b"\xff" * 70_000, None),
        (b"ID3\4\0\0\0\0\0\0", None),
    ],
)
def test_an_mp3(put, no_ffmpeg, data, seconds):
    assert details_of(put(data)) == Details(seconds=seconds)


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"\xff\xfb\x90\x64", 417),
        (b"\xff\xfb\x92\x64", 418),
        (b"\xff\xf3\x80\x64", 208),
        (b"\xff\xe3\x80\x64", 417),
    ],
)
def test_a_frame_of_mp3(header, length):
    """MPEG 1 at 44.1 kHz without and with padding, MPEG 2 at 22.05 kHz, MPEG 2.5 at 11.025 kHz."""
    assert formats.mp3_frame(header).length == length


def test_an_m4a(put, no_ffmpeg):
    assert details_of(put(film(track(b"soun"), brand=b"M4A "))) == Details(seconds=12)


def test_what_is_not_parsed_has_no_length_without_ffmpeg(put, no_ffmpeg):
    for name in ("aac", "amr"):
        assert details_of(put(SAMPLES[name][0])) == Details()


def test_a_document_and_a_missing_file_have_no_details(put, tmp_path):
    assert details_of(put(SAMPLES["pdf"][0])) == Details()
    for kind in ("image", "video", "audio", "voice", "document"):
        assert details.of_file(tmp_path / "nothing", Kind(kind, "audio/mpeg")) == Details()
        assert details.of_file(tmp_path, Kind(kind, "audio/ogg")) == Details()


@given(st.sampled_from([Kind(*sample[1:]) for sample in SAMPLES.values()]), st.binary(max_size=400))
@bad_files
def test_any_bytes_under_any_kind(tmp_path, kind, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    details.of_file(path, kind)


@pytest.mark.parametrize("seed", range(20))
def test_noise_behind_a_good_start(put, no_ffmpeg, seed):
    noise = random.Random(seed)
    for data, _, _ in SAMPLES.values():
        start = data[: noise.randrange(4, 80)]
        path = put(start + noise.randbytes(noise.randrange(9000)))
        details_of(path)


# ── ffmpeg ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fake_ffmpeg(tmp_path, monkeypatch):
    """Put a script in ffmpeg's place."""

    def install(script):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return install


def test_a_thumbnail_by_ffmpeg(put, tmp_path, fake_ffmpeg):
    still = picture(size=(100, 56), quality=20)
    (tmp_path / "still").write_bytes(still)
    fake_ffmpeg(f'echo "$@" > {tmp_path}/asked; cat > {tmp_path}/stdin; cat {tmp_path}/still')
    path = put(film(), "-odd name.mp4")
    found = details_of(path)
    assert (found.thumbnail, found.width) == (still, 640)
    assert (tmp_path / "stdin").read_bytes() == b""
    assert f"-protocol_whitelist file -f mov -i file:{path} " in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    "script", ["exit 1", "echo no picture", "head -c 20000 /dev/zero | tr '\\0' '\\377'", "kill -9 $$", ":"]
)
def test_an_ffmpeg_that_fails(put, fake_ffmpeg, script):
    fake_ffmpeg(script)
    assert details_of(put(film())) == Details(640, 360, 12)
    assert details_of(put(voice(3))).seconds == 3


def test_an_ffmpeg_that_cannot_be_started(put, fake_ffmpeg, tmp_path):
    fake_ffmpeg("")
    (tmp_path / "bin" / "ffmpeg").write_bytes(b"#!/no/such/shell\n")
    assert details_of(put(film())) == Details(640, 360, 12)


def test_an_ffmpeg_that_hangs_is_ended_with_its_children(put, fake_ffmpeg, tmp_path, monkeypatch):
    begun = tmp_path / "child"

    class Popen(subprocess.Popen):
        def communicate(self, *args, **options):
            wait_for(lambda: begun.exists() and begun.read_text().endswith("\n"), what="its child")
            return super().communicate(*args, **options)

    monkeypatch.setattr(details, "_FFMPEG_SECONDS", 0.5)
    monkeypatch.setattr(details.subprocess, "Popen", Popen)
    fake_ffmpeg(f"sleep 300 & echo $! > {begun}; wait")
    began = time.monotonic()
    assert details_of(put(film())).thumbnail is None
    assert time.monotonic() - began < 60
    wait_for(lambda: not is_running(int(begun.read_text())), what="the end of its child")


def test_the_waveform_is_of_64_parts(put, fake_ffmpeg, tmp_path):
    quiet, loud = struct.pack("=h", 500) * 4000, struct.pack("=h", -32768) * 4000
    (tmp_path / "pcm").write_bytes(quiet + loud + b"x")
    fake_ffmpeg(f"cat {tmp_path}/pcm")
    found = details_of(put(voice(2)))
    assert found.waveform == bytes([2] * 32 + [100] * 32)
    assert found.seconds == 2
    assert details_of(put(SAMPLES["amr"][0])).seconds == 2


@pytest.mark.parametrize(("pcm", "waveform"), [(b"", None), (bytes(126), None), (bytes(128), bytes(64))])
def test_silence_and_next_to_nothing(put, fake_ffmpeg, tmp_path, pcm, waveform):
    (tmp_path / "pcm").write_bytes(pcm)
    fake_ffmpeg(f"cat {tmp_path}/pcm")
    assert details_of(put(voice(2))).waveform == waveform


@pytest.fixture(scope="session")
def ffmpeg_folder(tmp_path_factory):
    """A folder with a real ffmpeg in it."""
    folder = tmp_path_factory.mktemp("ffmpeg")
    (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return folder


@pytest.fixture
def made_by_ffmpeg(ffmpeg_folder, monkeypatch):
    """Put a real ffmpeg on the PATH, with time enough; it makes files."""
    monkeypatch.setenv("PATH", f"{ffmpeg_folder}:{os.environ['PATH']}")
    monkeypatch.setattr(details, "_FFMPEG_SECONDS", 60.0)

    def make(path, *wanted):
        subprocess.run(["ffmpeg", "-y", "-nostdin", "-loglevel", "error", *wanted, path], check=True)
        return path

    return make


def test_a_real_video(tmp_path, made_by_ffmpeg):
    source = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=3"]
    path = made_by_ffmpeg(tmp_path / "-a film.mp4", *source, "-c:v", "mpeg4", "-f", "mp4")
    assert kinds.kind_of(path) == Kind("video", "video/mp4")
    found = details_of(path)
    assert (found.width, found.height, found.seconds) == (320, 240, 3)
    assert opened(found.thumbnail).width == 100


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.ogg", "libopus", Kind("voice", "audio/ogg; codecs=opus")),
        ("a.mp3", "libmp3lame", Kind("audio", "audio/mpeg")),
        ("a.m4a", "aac", Kind("audio", "audio/mp4")),
        ("a.aac", "aac", Kind("audio", "audio/aac")),
        ("b.mp4", "aac", Kind("audio", "audio/mp4")),
    ],
)
def test_a_real_recording(tmp_path, made_by_ffmpeg, name, codec, kind):
    source = ["-f", "lavfi", "-i", "sine=frequency=300:duration=4"]
    path = made_by_ffmpeg(tmp_path / name, *source, "-c:a", codec)
    assert kinds.kind_of(path) == kind
    found = details_of(path)
    assert found.seconds == 4
    assert len(found.waveform) == 64
    assert max(found.waveform) == 100


@pytest.mark.usefixtures("made_by_ffmpeg")
def test_a_playlist_in_the_place_of_a_film_reads_no_other_file(tmp_path, put):
    secret = put(picture(), "secret.jpg")
    path = put(ftyp() + f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n".encode())
    assert details.of_file(path, Kind("video", "video/mp4")) == Details()


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("report.pdf", "report.pdf"),
        ("report", "report.bin"),
        ("v1.2 of a report", "v1.2 of a report.bin"),
        ("part.001", "part.001.bin"),
        ("a.7z", "a.7z"),
        ("../../x", "x.bin"),
        ("../../etc/passwd", "etc_passwd.bin"),
        ("/etc/passwd", "etc_passwd.bin"),
        ("C:\\Users\\me\\a.doc", "C__Users_me_a.doc"),
        ("AC/DC.mp3", "AC_DC.mp3"),
        ("..", "fallback.bin"),
        (".", "fallback.bin"),
        ("", "fallback.bin"),
        (None, "fallback.bin"),
        ("   ", "fallback.bin"),
        ("///", "fallback.bin"),
        ("\u200d\u200c", "fallback.bin"),
        (".hidden", "hidden.bin"),
        ("...a.txt", "a.txt"),
        ("-rf.txt", "rf.txt"),
        (". -.-a.txt", "a.txt"),
        ("a.txt. . ", "a.txt"),
        ("CON", "_CON.bin"),
        ("con.txt", "_con.txt"),
        ("nul .tar.gz", "_nul .tar.gz"),
        ("COM1.jpg", "_COM1.jpg"),
        ("lpt\u00b9", "_lpt\u00b9.bin"),
        ("console.txt", "console.txt"),
        ('a<b>c:d"e|f?g*h.txt', "a_b_c_d_e_f_g_h.txt"),
        ("a\0b\x1b[31m\x07.txt", "ab[31m.txt"),
        ("two\r\nlines\t.txt", "two lines .txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c\ufeff.txt", "a.txt"),
        ("a\u2028b\u2029c\u0085d.txt", "a b c d.txt"),
        ("\ud800a.txt", "a.txt"),
        ("отчёт за май.docx", "отчёт за май.docx"),
        ("报告.pdf", "报告.pdf"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        ("👩\u200d👧 ok.png", "👩\u200d👧 ok.png"),
        ("cafe\u0301.txt", "café.txt"),
    ],
)
def test_safe_names(name, made):
    assert names.safe_name(name, "fallback", ".bin") == made


def test_a_fallback_and_an_extension_are_not_believed_either():
    assert names.safe_name(None, "../x", "/../y") == "x"
    assert names.safe_name(None, "//", "") == "file"
    assert names.safe_name(None, "con", ".txt") == "_con.txt"
    assert names.safe_name("a", "b", ".tar.gz\n") == "a"


@pytest.mark.parametrize("letter", ["a", "é", "報", "👍"])
def test_long_names_are_cut_at_a_character(letter):
    made = names.safe_name(letter * 300 + ".pdf", "x", ".bin")
    assert made.endswith(".pdf")
    assert 113 <= len(made.encode()) <= 120
    assert set(made.removesuffix(".pdf")) == {letter}
    assert len(names.safe_name("a" * 10_000_000, "x", ".bin")) == 120


odd_text = st.text(
    st.one_of(st.sampled_from("./\\- :\0\n\u202e\u200d\u2066\u0301aAcConN1é👍報\ud800"), st.characters()),
    max_size=200,
)


@given(odd_text, odd_text, st.sampled_from(["", ".jpg", ".bin", "/x", "..", odd_text]))
@settings(max_examples=500, deadline=None)
def test_every_name_is_safe(tmp_path_factory, name, fallback, extension):
    made = names.safe_name(name, fallback, str(extension))
    assert 0 < len(made.encode()) <= 120
    assert not set(made) & set('/\\<>:"|?*')
    assert made[0] not in ".- "
    assert made[-1] not in ". "
    assert all(unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in made)
    assert all(unicodedata.category(each) != "Cf" for each in made if each not in "\u200c\u200d")
    assert made.partition(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert names.safe_name(made, "other", "") == made
    assert Path("/folder", made).name == made


@pytest.mark.parametrize(
    ("mimetype", "kind", "extension"),
    [
        ("image/jpeg", "image", ".jpg"),
        ("IMAGE/PNG ; x=y", "image", ".png"),
        ("audio/ogg; codecs=opus", "voice", ".ogg"),
        ("audio/mpeg", "audio", ".mp3"),
        ("video/mp4", "video", ".mp4"),
        ("image/webp", "sticker", ".webp"),
        ("application/pdf", "document", ".pdf"),
        ("text/plain", "document", ".txt"),
        ("text/csv", "document", ".csv"),
        (f"{OOXML}wordprocessingml.document", "document", ".docx"),
        ("application/octet-stream", "document", ".bin"),
        ("application/x-nothing", "document", ".bin"),
        ("", "document", ".bin"),
        ("../../x", "document", ".bin"),
        ("", "image", ".jpg"),
        ("", "voice", ".ogg"),
        ("", "audio", ".bin"),
        ("application/x-msdownload", "image", ".jpg"),
        ("text/html", "video", ".mp4"),
        ("image/jpeg", "nothing", ".jpg"),
    ],
)
def test_extensions(mimetype, kind, extension):
    assert kinds.extension_for(mimetype, kind) == extension


# ── Files that came ─────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_overwritten(tmp_path):
    folder = tmp_path / "new" / "downloads"
    made = [received.write_new(folder, "a.tar.gz", bytes([number])).name for number in range(3)]
    assert made == ["a.tar.gz", "a.tar (2).gz", "a.tar (3).gz"]
    assert [(folder / name).read_bytes() for name in made] == [b"\0", b"\1", b"\2"]
    assert sorted(os.listdir(folder)) == sorted(made)
    assert stat.S_IMODE((folder / "a.tar.gz").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_name_taken_by_anything_is_taken(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a (2)").symlink_to("/nowhere/at/all")
    assert names.free_name(tmp_path, "a") == tmp_path / "a (3)"
    assert names.free_name(tmp_path, "b.txt") == tmp_path / "b.txt"
    assert received.write_new(tmp_path, "a", b"x").name == "a (3)"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\0b"])
def test_what_is_no_name_is_a_mistake(tmp_path, name):
    with pytest.raises(ValueError, match="is not the name of a file"):
        received.write_new(tmp_path / "in", name, b"x")
    assert os.listdir(tmp_path / "in") == []


@pytest.mark.parametrize("links", [True, False])
def test_many_write_the_same_name_at_once(tmp_path, monkeypatch, links):
    def no_link(source, target):
        raise PermissionError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    folder = tmp_path / "in"
    folder.mkdir()
    threads = [
        threading.Thread(target=received.write_new, args=(folder, "a.txt", b"%d" % number))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_bytes() for path in folder.iterdir()} == {b"%d" % number for number in range(12)}
    assert len(os.listdir(folder)) == 12


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "replace", fail)
    with refused("storage-error", "Input/output error"):
        received.write_new(tmp_path / "in", "a.txt", b"x")
    assert os.listdir(tmp_path / "in") == []


def test_a_folder_that_is_a_file(put):
    with refused("storage-error"):
        received.write_new(put(b"x"), "a.txt", b"x")


def test_a_name_too_long_for_the_disk(tmp_path):
    with refused("storage-error", "File name too long"):
        received.write_new(tmp_path, "a" * 300, b"x")
    assert received.write_new(tmp_path, names.safe_name("報" * 300, "x", ".txt"), b"x").exists()
