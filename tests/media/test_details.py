"""Sizes, lengths, thumbnails and waveforms of files to send; damaged files and ffmpeg never stop wa."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import time

import imageio_ffmpeg
import pytest
from conftest import wait_for
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from linked import is_running
from media_samples import QUARTER, SAMPLES, bad_files, box, film, ftyp, moov, mp3, page, picture, track, voice
from PIL import Image

from wa.media import details, formats, kinds
from wa.media.details import Details
from wa.media.kinds import Kind

pytest_plugins = ["media_fixture"]


# ── Pictures ────────────────────────────────────────────────────────────────────────────────────────


def opened(thumbnail):
    """Check what holds for every thumbnail; return it as a picture."""
    assert len(thumbnail) <= 10 * 1024
    shown = Image.open(io.BytesIO(thumbnail))
    shown.load()
    assert (shown.format, shown.mode) == ("JPEG", "RGB")
    assert max(shown.size) <= 100
    return shown


def details_of(path):
    """Return the details of a file, of the kind that its content tells."""
    return details.of_file(path, kinds.kind_of(path))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_has_its_size_and_a_thumbnail(put, form):
    found = details_of(put(picture(form, (320, 200))))
    assert (found.width, found.height) == (320, 200)
    assert abs(opened(found.thumbnail).width - 100) <= 1
    assert (found.seconds, found.waveform) == (None, None)


def test_the_thumbnail_of_a_small_picture_is_not_larger(put):
    assert opened(details_of(put(picture(size=(7, 5)))).thumbnail).size == (7, 5)
    assert opened(details_of(put(picture("PNG", size=(1, 3000)))).thumbnail).size == (1, 100)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_orientation_says(put, orientation):
    found = details_of(put(picture(size=(320, 200), orientation=orientation)))
    lies = orientation >= 5
    assert (found.width, found.height) == ((200, 320) if lies else (320, 200))
    shown = opened(found.thumbnail)
    assert (shown.width < shown.height) == lies


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_gives_a_thumbnail(put, mode):
    if mode == "PA":
        made = Image.new("P", (50, 40))
        written = io.BytesIO()
        made.save(written, "PNG", transparency=0)
        path = put(written.getvalue())
    else:
        path = put(picture("PNG", mode=mode))
    assert opened(details_of(path).thumbnail)


def test_a_cmyk_jpeg_gives_a_thumbnail(put):
    written = io.BytesIO()
    Image.new("CMYK", (300, 200)).save(written, "JPEG")
    assert opened(details_of(put(written.getvalue())).thumbnail)


def test_transparent_pixels_are_white_in_the_thumbnail(put):
    written = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(written, "PNG")
    assert opened(details_of(put(written.getvalue())).thumbnail).getpixel((20, 20)) == (255, 255, 255)


def test_a_thumbnail_has_no_exif_data(put):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}
    exif[0x010F] = "A camera"
    data = picture(exif=exif, comment=b"a comment", icc_profile=b"a profile" * 50)
    shown = opened(details_of(put(data)).thumbnail)
    assert len(shown.getexif()) == 0
    assert not {"comment", "icc_profile", "exif"} & set(shown.info)


def png_that_claims(width, height):
    """Return a PNG whose header names a size and that holds next to no data."""
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 0), (10_000, 9_000), (4000, 4000)]
)
def test_a_picture_too_large_for_memory_gives_no_thumbnail(put, size):
    assert details_of(put(png_that_claims(*size))).thumbnail is None


def test_the_size_of_a_large_picture_is_known(put):
    found = details_of(put(png_that_claims(10_000, 9_000)))
    assert (found.width, found.height) == (10_000, 9_000)


def test_a_picture_that_is_cut_off_still_has_a_size(put):
    data = picture("PNG", (640, 480))
    found = details_of(put(data[: len(data) // 2]))
    assert (found.width, found.height) == (640, 480)


def test_without_pillow_a_picture_has_no_details(put, monkeypatch):
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert details_of(put(SAMPLES["jpeg"][0])) == Details()


def test_pillow_is_not_loaded_before_it_is_needed():
    code = "import sys, wa.media.details; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.data())
@bad_files
def test_wrong_bytes_in_a_picture_raise_nothing(tmp_path, data):
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
def test_a_video_has_its_size_and_length(put, no_ffmpeg, version):
    data = film(track(b"soun", 0, 0), track(version=version), version=version)
    assert details_of(put(data)) == Details(width=640, height=360, seconds=12)


def test_the_size_of_an_upright_video_is_turned(put, no_ffmpeg):
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
def test_an_impossible_length_of_a_video_is_left_out(put, no_ffmpeg, header):
    assert details_of(put(film(**header))).seconds is None


def test_a_video_shorter_than_a_second_counts_as_one_second(put, no_ffmpeg):
    assert details_of(put(film(duration=40))).seconds == 1


def test_a_video_without_a_size_has_none(put, no_ffmpeg):
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
def test_a_video_of_junk_has_no_details(put, no_ffmpeg, junk):
    path = put(ftyp() + junk)
    assert details.of_file(path, Kind("video", "video/mp4")) == Details()
    kinds.kind_of(path)


@given(st.data())
@bad_files
def test_wrong_bytes_in_a_video_raise_nothing(tmp_path, data):
    sample = bytearray(film(track(), track(b"soun")))
    for _ in range(data.draw(st.integers(1, 8))):
        sample[data.draw(st.integers(0, len(sample) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "any"
    path.write_bytes(sample[: data.draw(st.integers(0, len(sample)))])
    kinds.kind_of(path)
    formats.movie(path)


# ── Recordings ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "shown"), [(3.0, 3), (0.2, 1), (61.6, 62), (7200, 7200)])
def test_a_voice_message_has_its_length(put, no_ffmpeg, seconds, shown):
    assert details_of(put(voice(seconds))) == Details(seconds=shown)


def test_ogg_pages_without_a_position_or_of_another_stream_are_passed_over(put, no_ffmpeg):
    nothing = page(b"x" * 60, -1)
    other = page(b"x" * 60, 48000 * 900, serial=8)
    assert details_of(put(voice(3, end=nothing + other + b"OggS"))).seconds == 3


@pytest.mark.parametrize("position", [-5, 1, 2**62])
def test_an_impossible_length_of_a_voice_message_is_left_out(put, no_ffmpeg, position):
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
def test_an_mp3_has_its_length(put, no_ffmpeg, data, seconds):
    assert details_of(put(data)) == Details(seconds=seconds)


@for_each(
    ("header", "length"),
    [
        (b"\xff\xfb\x90\x64", 417),
        (b"\xff\xfb\x92\x64", 418),
        (b"\xff\xf3\x80\x64", 208),
        (b"\xff\xe3\x80\x64", 417),
    ],
)
def test_the_length_of_an_mp3_frame(header, length):
    """MPEG 1 at 44.1 kHz without and with padding, MPEG 2 at 22.05 kHz, MPEG 2.5 at 11.025 kHz."""
    assert formats.mp3_frame(header).length == length


def test_an_m4a_has_its_length(put, no_ffmpeg):
    assert details_of(put(film(track(b"soun"), brand=b"M4A "))) == Details(seconds=12)


def test_a_format_that_is_not_parsed_has_no_length_without_ffmpeg(put, no_ffmpeg):
    for name in ("aac", "amr"):
        assert details_of(put(SAMPLES[name][0])) == Details()


def test_a_document_and_a_missing_file_have_no_details(put, tmp_path):
    assert details_of(put(SAMPLES["pdf"][0])) == Details()
    for kind in ("image", "video", "audio", "voice", "document"):
        assert details.of_file(tmp_path / "nothing", Kind(kind, "audio/mpeg")) == Details()
        assert details.of_file(tmp_path, Kind(kind, "audio/ogg")) == Details()


@given(st.sampled_from([Kind(*sample[1:]) for sample in SAMPLES.values()]), st.binary(max_size=400))
@bad_files
def test_any_bytes_as_any_kind_raise_nothing(tmp_path, kind, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    details.of_file(path, kind)


@pytest.mark.parametrize("seed", range(20))
def test_noise_behind_a_sound_start_raises_nothing(put, no_ffmpeg, seed):
    noise = random.Random(seed)
    for data, _, _ in SAMPLES.values():
        start = data[: noise.randrange(4, 80)]
        path = put(start + noise.randbytes(noise.randrange(9000)))
        details_of(path)


# ── ffmpeg ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fake_ffmpeg(tmp_path, monkeypatch):
    """Put a shell script in the place of ffmpeg."""

    def install(script):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return install


def test_ffmpeg_makes_the_thumbnail_of_a_video(put, tmp_path, fake_ffmpeg):
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
def test_without_a_working_ffmpeg_size_and_length_are_still_found(put, fake_ffmpeg, script):
    fake_ffmpeg(script)
    assert details_of(put(film())) == Details(640, 360, 12)
    assert details_of(put(voice(3))).seconds == 3


def test_an_ffmpeg_that_cannot_be_started_stops_nothing(put, fake_ffmpeg, tmp_path):
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


def test_the_waveform_has_64_parts(put, fake_ffmpeg, tmp_path):
    quiet, loud = struct.pack("=h", 500) * 4000, struct.pack("=h", -32768) * 4000
    (tmp_path / "pcm").write_bytes(quiet + loud + b"x")
    fake_ffmpeg(f"cat {tmp_path}/pcm")
    found = details_of(put(voice(2)))
    assert found.waveform == bytes([2] * 32 + [100] * 32)
    assert found.seconds == 2
    assert details_of(put(SAMPLES["amr"][0])).seconds == 2


@pytest.mark.parametrize(("pcm", "waveform"), [(b"", None), (bytes(126), None), (bytes(128), bytes(64))])
def test_the_waveform_of_silence_and_of_few_samples(put, fake_ffmpeg, tmp_path, pcm, waveform):
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


def test_a_video_made_by_ffmpeg_has_all_details(tmp_path, made_by_ffmpeg):
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
def test_a_recording_made_by_ffmpeg_has_all_details(tmp_path, made_by_ffmpeg, name, codec, kind):
    source = ["-f", "lavfi", "-i", "sine=frequency=300:duration=4"]
    path = made_by_ffmpeg(tmp_path / name, *source, "-c:a", codec)
    assert kinds.kind_of(path) == kind
    found = details_of(path)
    assert found.seconds == 4
    assert len(found.waveform) == 64
    assert max(found.waveform) == 100


@pytest.mark.usefixtures("made_by_ffmpeg")
def test_a_playlist_named_as_a_video_reads_no_other_file(tmp_path, put):
    secret = put(picture(), "secret.jpg")
    path = put(ftyp() + f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n".encode())
    assert details.of_file(path, Kind("video", "video/mp4")) == Details()
