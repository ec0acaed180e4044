"""The files of messages: a browser shows pictures, films and sound, and saves what else strangers send."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.media.kinds import kind_of
from wa.media.names import safe_name
from wa.media.received import inside
from wa.record.search import kept_file

_SHOWN = (
    "image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "audio/mp4", "audio/mpeg", "audio/ogg",
    "audio/ogg; codecs=opus", "application/ogg",
)  # fmt: skip
_DIGITS = 19
"""Fewer digits than this fit into SQLite's integers."""


def _file_of(context: Context, number: str) -> tuple[Path, str, str]:
    """Return path, type and name of the file of a message. Raise WaError `not-found`."""
    stored = None
    if number.isascii() and number.isdigit() and len(number) < _DIGITS:
        stored = kept_file(context.store, int(number))
    path = inside(context.home, stored["media_path"]) if stored else None
    if stored is None or path is None:
        raise WaError("not-found", "there is no such file", "`wa download` fetches the files of a chat")
    name = safe_name(stored["file_name"], path.name, path.suffix)
    return path, kind_of(path, "unnamed").mimetype, name


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the path of the files."""

    @paths.get("/media/{id}", summary="The file of a message")
    async def show(id: str) -> Response:  # noqa: A002
        path, kind, name = await work.read(lambda context: _file_of(context, id))
        is_shown = kind in _SHOWN
        return FileResponse(
            path,
            media_type=kind if is_shown else "application/octet-stream",
            filename=name,
            content_disposition_type="inline" if is_shown else "attachment",
            headers={"content-security-policy": "sandbox"},
        )

    paths.add_api_route("/media/{id}", show, methods=["HEAD"], include_in_schema=False)
