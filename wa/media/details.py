"""The details sent along with a picture, video or recording: size, length, thumbnail, waveform.

A file can be sent without them, and damaged files are common. So a value that cannot be found is
None, and no content of a file raises an error here.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import warnings
from array import array
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wa.media.formats import believed, movie, mp3_seconds, ogg_seconds
from wa.media.kinds import Kind

if TYPE_CHECKING:
    from PIL import Image

_THUMBNAIL_SIDE = 100
_THUMBNAIL_BYTES = 10 * 1024
_MOST_PIXELS = {"JPEG": 50_000_000, "PNG": 13_000_000, "WEBP": 13_000_000}
"""The most pixels of a picture that is decoded, so that decoding takes at most 200 MB of memory. A pixel
takes 8 bytes in a PNG, 16 in a WebP, and at most 3 in a JPEG, which is decoded at an eighth of its size."""
_FFMPEG_SECONDS = 10.0
_PCM_RATE = 4000
"""Samples per second that the loudness is computed from: an hour has 29 MB."""
_PCM_SECONDS = 3600
_DEMUXERS = {
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "mov",
    "audio/aac": "aac",
    "audio/amr": "amr",
}


@dataclass(frozen=True)
class Details:
    """The details that the recipient's phone shows of a file before it has downloaded the file."""

    width: int | None = None
    """In pixels, of the picture as it is shown, after the rotation that the file asks for."""
    height: int | None = None
    seconds: int | None = None
    """The length in whole seconds, at least 1."""
    thumbnail: bytes | None = None
    """A JPEG of at most 100 pixels a side and 10 KB."""
    waveform: bytes | None = None
    """64 values from 0 to 100."""


def of_file(path: Path, kind: Kind) -> Details:
    """Return size, length, thumbnail and waveform of a file; a document has none of these."""
    if kind.name == "document" or not os.path.isfile(path):
        return Details()
    if kind.name == "image":
        return of_picture(path)
    if kind.name == "video":
        return of_video(path)
    return of_sound(path, kind.mimetype)


def of_picture(path: Path) -> Details:
    """Return size and thumbnail; without Pillow, neither."""
    try:
        from PIL import Image
    except ImportError:
        return Details()
    found = Details()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures, and would do so on stderr
        try:
            with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as picture:
                found = Details(*picture.size)
                if picture.getexif().get(0x0112) in (5, 6, 7, 8):  # Exif 2.3, 4.6.4: lies on its side
                    found = Details(*reversed(picture.size))
                if picture.width * picture.height <= _MOST_PIXELS[str(picture.format)]:
                    found = replace(found, thumbnail=_thumbnail(picture))
        except Exception:  # noqa: BLE001 - Pillow has a dozen kinds of error for a damaged file
            return found
    return found


def _thumbnail(picture: Image.Image) -> bytes | None:
    from PIL import Image, ImageOps

    picture.draft("RGB", (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    small = ImageOps.exif_transpose(picture).convert("RGBA")
    # Paste it on a new picture, so that no comment, place or colour profile of the original is sent.
    plain = Image.new("RGB", small.size, "white")
    plain.paste(small, mask=small.getchannel("A"))
    for quality in (75, 50, 25):
        written = io.BytesIO()
        plain.save(written, "JPEG", quality=quality)
        if written.tell() <= _THUMBNAIL_BYTES:
            return written.getvalue()
    return None


def of_video(path: Path) -> Details:
    """Return size and length of an MP4, and a thumbnail if ffmpeg is installed."""
    film = movie(path)
    scale = f"scale={_THUMBNAIL_SIDE}:{_THUMBNAIL_SIDE}:force_original_aspect_ratio=decrease"
    still = _ffmpeg(path, "mov", "-an", "-frames:v", "1", "-vf", scale, "-q:v", "6", "-f", "mjpeg") or b""
    is_small_jpeg = still.startswith(b"\xff\xd8") and len(still) <= _THUMBNAIL_BYTES
    return Details(film.width, film.height, film.seconds, still if is_small_jpeg else None)


def of_sound(path: Path, mimetype: str) -> Details:
    """Return the length, for which some formats need ffmpeg, and, if ffmpeg is installed, the waveform."""
    mimetype = mimetype.partition(";")[0]
    seconds = _seconds_of_sound(path, mimetype)
    if mimetype not in _DEMUXERS or (seconds or 0) > _PCM_SECONDS:
        return Details(seconds=seconds)
    form = "s16le" if sys.byteorder == "little" else "s16be"
    wanted = ("-vn", "-t", str(_PCM_SECONDS), "-ac", "1", "-ar", str(_PCM_RATE), "-f", form)
    pcm = _ffmpeg(path, _DEMUXERS[mimetype], *wanted) or b""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    return Details(seconds=seconds or believed(len(samples) / _PCM_RATE), waveform=_waveform(samples))


def _seconds_of_sound(path: Path, mimetype: str) -> int | None:
    if mimetype == "audio/mp4":
        return movie(path).seconds
    if mimetype not in ("audio/ogg", "audio/mpeg"):
        return None
    try:
        with path.open("rb") as file:
            return believed(ogg_seconds(file) if mimetype == "audio/ogg" else mp3_seconds(file))
    except OSError:
        return None


def _waveform(samples: array[int]) -> bytes | None:
    """Return the loudness of 64 equal parts on a scale where the loudest part has 100."""
    if len(samples) < 64:
        return None
    ends = [len(samples) * part // 64 for part in range(65)]
    means = [
        sum(map(abs, samples[start:end])) / (end - start) for start, end in zip(ends, ends[1:], strict=False)
    ]
    return bytes(round(100 * mean / (max(means) or 1)) for mean in means)


def _ffmpeg(path: Path, demuxer: str, *wanted: str) -> bytes | None:
    """Return ffmpeg's output for a file; None without ffmpeg, if it fails, or after 10 seconds.

    It is told the format, and may read only files: a playlist, say, could name
    other files of ours, or addresses to fetch.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    source = ("-protocol_whitelist", "file", "-f", demuxer, "-i", f"file:{path}")
    command = [program, "-nostdin", "-loglevel", "quiet", "-threads", "1", *source, *wanted, "pipe:1"]
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that its child processes can be ended with it
        )
    except OSError:
        return None
    with process:
        try:
            made = process.communicate(timeout=_FFMPEG_SECONDS)[0]
        except subprocess.TimeoutExpired:
            _kill_all(process.pid)
            return None
        except BaseException:  # Ctrl-C, which does not reach another session
            _kill_all(process.pid)
            raise
    return made if process.returncode == 0 else None


def _kill_all(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
