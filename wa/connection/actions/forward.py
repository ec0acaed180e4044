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


def part_of(context: Context, chat: str, message_id: str, command: str | None = "forward") -> Part:
    """Return a copy of a message of a chat, to be sent to others; a missing file is downloaded for it.

    The download is as `ask.ask_each` does it for `command`: with None, another process must be the owner.
    Raise WaError `wrong-state` for a message that cannot be forwarded, `not-found` for one whose file is
    gone, `network-error` when it could not be fetched, and as `forward.part_of` does.
    """
    row = messages.about(context.store, chat, message_id)
    if row is None:
        raise WaError("not-found", f"no message {message_id!r} in that chat", "`wa read CHAT --json`")
    forward.check(row)
    file = _file_of(context, row, command) if row["message_type"] in forward.WITH_FILE else None
    return forward.part_of(context.home, row, file)


def _file_of(context: Context, row: Row, command: str | None) -> Path:
    if row["media_path"] and (path := inside(context.home, row["media_path"])):
        return path
    wanted = {"number": row["id"], "most": LIMITS["document"]}
    ((found, error),) = ask.ask_each(context, "download", [wanted], command, ask.DOWNLOAD_SECONDS)
    if error is not None:
        hint = "nothing was forwarded; the phone may still have it"
        raise WaError(error.code, f"its file could not be fetched: {error.message}", hint)
    return Path(context.home.path, found["media_path"])
