"""The kind of a file, told by its content; and the extensions of MIME types."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import example, given
from hypothesis import strategies as st
from media_samples import OOXML, SAMPLES, bad_files, zipped

from wa.media import details, kinds, outgoing
from wa.media.kinds import Kind

pytest_plugins = ["media_fixture"]


@pytest.mark.parametrize("name", SAMPLES)
def test_content_tells_the_kind(put, name):
    data, kind, mimetype = SAMPLES[name]
    assert kinds.kind_of(put(data)) == Kind(kind, mimetype)


@pytest.mark.parametrize(
    "lie", ["photo.jpg", "film.mp4", "song.mp3", "paper.pdf", "archive.zip", "notes.txt"]
)
@pytest.mark.parametrize("name", ["jpeg", "mp4", "voice", "pdf", "docx", "program"])
def test_a_name_does_not_change_the_kind_of_the_content(put, name, lie):
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


def test_types_do_not_depend_on_the_machine(put, monkeypatch):
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
def test_any_bytes_have_a_kind(tmp_path, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    kind = kinds.kind_of(path)
    assert kind.name in outgoing.LIMITS
    assert kinds.extension_for(kind.mimetype, kind.name)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_truncated_file_has_a_kind(put, no_ffmpeg, name):
    data, kind, _ = SAMPLES[name]
    for length in {*range(min(len(data), 64)), *range(64, min(len(data), 4000), 97)}:
        path = put(data[:length])
        details.of_file(path, kinds.kind_of(path))
        details.of_file(path, Kind(kind, SAMPLES[name][2]))


@for_each(
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
def test_a_type_has_an_extension(mimetype, kind, extension):
    assert kinds.extension_for(mimetype, kind) == extension
