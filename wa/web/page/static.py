"""The files that every screen loads: styles, scripts, and what is ours from npm."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from wa.web.answers import Answer

PREFIX = "/static/"
_FOLDER = Path(__file__).parent / "static"
_FILES = {
    "wa.css": "text/css; charset=utf-8",
    "wa.js": "text/javascript; charset=utf-8",
    "vendor/pico.min.css": "text/css; charset=utf-8",
    "vendor/htmx.min.js": "text/javascript; charset=utf-8",
}
"""The files that are served, with their types; no other name leads anywhere."""
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
"""The address of a file names its content, so a browser may keep it."""


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


@cache
def address(name: str) -> str:
    """Return the address of a file, with the beginning of its digest."""
    return f"{PREFIX}{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


def answer(name: str) -> Answer:
    """Return a file, or 404."""
    if name not in _FILES:
        return Answer(404, b"there is no such file\n", kind="text/plain; charset=utf-8")
    return Answer(200, _content(name), _FOR_GOOD, _FILES[name])
