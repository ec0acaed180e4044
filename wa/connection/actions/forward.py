"""Forwarding a message: its file is fetched first, so that nothing is queued for one that is gone."""

from __future__ import annotations

from pathlib import Path

from wa.connection import ask
from wa.connection.context import Context
from wa.errors import WaError
from wa.media.outgoing import LIMITS
from wa.media.received import inside
from wa.queue.compose import Part
from wa.queue.kinds import forward
from wa.record import messages
from wa.store.database import Row


def part_of(context: Context, chat: str, message_id: str) -> Part:
    """Return a copy of a message of a chat, to be sent to others; a missing file is downloaded for it.

    Raise WaError `wrong-state` for a message that cannot be forwarded, `not-found` for one whose file is
    gone, `network-error` when it could not be fetched, and as `forward.part_of` does.
    """
    row = messages.about(context.store, chat, message_id)
    if row is None:
        raise WaError("not-found", f"no message {message_id!r} in that chat", "`wa read CHAT --json`")
    forward.check(row)
    file = _file_of(context, row) if row["message_type"] in forward.WITH_FILE else None
    return forward.part_of(context.home, row, file)


def _file_of(context: Context, row: Row) -> Path:
    if path := file_here(context, row):
        return path
    wanted = [download_of(row["id"])]
    ((found, error),) = ask.ask_each(context, "download", wanted, "forward", ask.DOWNLOAD_SECONDS)
    if error is not None:
        raise not_fetched(error)
    return Path(context.home.path, found["media_path"])


def file_here(context: Context, row: Row) -> Path | None:
    """Return the path of a message's file, None if it is not in the home."""
    return inside(context.home, row["media_path"]) if row["media_path"] else None


def download_of(number: int) -> Row:
    """Return the arguments of the request for the file of the message with the id `number`."""
    return {"number": number, "most": LIMITS["document"]}


def not_fetched(error: WaError) -> WaError:
    """Return the error to tell for a file that could not be downloaded."""
    hint = "nothing was forwarded; the phone may still have it"
    return WaError(error.code, f"its file could not be fetched: {error.message}", hint)
