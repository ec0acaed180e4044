"""Requests to the owner of the connection other than sending, and waiting for the results; pausing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wa.connection import requests
from wa.connection.context import Context
from wa.connection.hold import LOOK_SECONDS, serve
from wa.connection.requests import Result
from wa.errors import WaError
from wa.media import received
from wa.queue import pacing
from wa.queue import rows as queue
from wa.queue.jobs import control
from wa.queue.pacing import Block
from wa.queue.send import Scope
from wa.record import messages, reads
from wa.record.messages import moment
from wa.record.search import files
from wa.store.database import Row
from wa.store.locks import lock_holder
from wa.texts import counted

if TYPE_CHECKING:
    from wa.connection.owner import Owner

REQUEST_SECONDS = 30.0
DOWNLOAD_SECONDS = 120.0
PAUSE_SECONDS = 5.0
"""Seconds that `pause` waits for messages that are being sent."""
_HINTS = {
    "network-error": "`wa download` again fetches what is missing",
    "not-found": "the phone may still have it; or ask for it to be sent again",
    "usage": "--max-size lets larger files through",
}
"""The advice for a file that was not downloaded, by the code of its error."""


def refresh_groups(context: Context, *, at_once: bool = False) -> WaError | None:
    """Ask WhatsApp for our groups if the stored ones are stale, or `at_once`. Return the error of that.

    If this is read-only, nobody is asked.
    """
    store, settings = context.store, context.settings
    if settings.read_only or context.me is None:
        return None
    if settings.transport == "loopback":  # its groups do not change while nobody listens
        are_stale = requests.are_in_doubt(store)
    else:
        are_stale = requests.groups_are_stale(store, context.now())
    if at_once or are_stale:
        try:
            ask(context, "groups", {}, "groups")
        except WaError as error:
            return error
    return None


def ask(context: Context, kind: str, args: dict[str, Any], command: str) -> None:
    """Let the owner do a request, or become the owner and do it. Raise WaError `network-error`."""
    for _, error in ask_each(context, kind, [args], command, REQUEST_SECONDS):
        if error is not None:
            hint = "nothing was changed; try again"
            raise WaError("network-error", "WhatsApp could not be reached", hint) from error


def mark_read(context: Context, chat: str, up_to: int) -> None:
    """Tell the senders that the unread messages of a chat, up to the one with the id `up_to`, were read."""
    place = messages.place_of(context.store, up_to)
    if messages.unread_of(context.store, chat, place):
        ask(context, "mark-read", {"chat": chat, "up_to": up_to}, "read")
    else:  # a missed call, of which nobody is told
        reads.seen(context.store, chat, place)


def ask_each(
    context: Context, kind: str, arguments: Sequence[dict[str, Any]], command: str, seconds: float
) -> list[Result]:
    """Let the owner do several requests, or become the owner for `command` and do them.

    Return the result of each, which may take `seconds`. Raise WaError when the connection ends for good.
    """
    store = context.store
    numbers = requests.put(
        store, kind, arguments, context.now() + timedelta(seconds=seconds * len(arguments))
    )
    if not numbers:
        return []
    context.wake_owner()
    deadline = time.monotonic() + seconds * len(arguments)

    def over(owner: Owner | None) -> bool:
        return not requests.are_open(store, kind, numbers) or time.monotonic() > deadline

    serve(context, command, Scope.WAITED, over)
    return requests.results(store, kind, numbers)


def fetch(
    context: Context, chat: str, kind: str | None, limit: int, *, folder: Path | None, most: int
) -> list[Row]:
    """Download the newest files of a chat that are missing here, and copy all newest ones to `folder`.

    `kind` is a type of message, None for all, and `most` the most bytes of a file.
    Return the messages' rows, each with `path`, or with `error` and its `code`.
    """
    rows = files(context.store, chat, kind, limit)
    if folder is not None:
        received.check_folder(folder)
    missing = [row for row in rows if not _is_there(context, row)]
    arguments = [{"number": row["id"], "most": most} for row in missing]
    results = dict(
        zip(
            (row["id"] for row in missing),
            ask_each(context, "download", arguments, "download", DOWNLOAD_SECONDS),
            strict=True,
        )
    )
    done = []
    for row in rows:
        found, error = results.get(row["id"], ({"media_path": row["media_path"]}, None))
        path = None if error else context.home.path / found["media_path"]
        if path is not None and folder is not None:
            path = received.copy_to(path, folder, _name_of(row, path))
        done.append(
            {
                **row,
                "media_path": found.get("media_path"),
                "path": str(path) if path else None,
                "error": error.message if error else None,
                "code": error.code if error else None,
            }
        )
    return done


def _name_of(row: Row, path: Path) -> str:
    """Return the name for a copy of a message's file; one that we sent is kept under another name."""
    if not row["is_from_me"]:
        return path.name
    sent_as = (row["details"] or {}).get("file_name")
    return received.name_for(sent_as, row["message_type"], moment(row["timestamp"]), path.suffix)


def _is_there(context: Context, row: Row) -> bool:
    return bool(row["media_path"]) and (context.home.path / row["media_path"]).is_file()


def failure_of(rows: Sequence[Row]) -> WaError | None:
    """Return the error for the rows that `fetch` returned, None if every file was downloaded."""
    failed = [row for row in rows if row["code"]]
    if not failed:
        return None
    unreachable = any(row["code"] == "network-error" for row in failed)
    code = "network-error" if unreachable else failed[0]["code"]
    return WaError(
        code,
        f"{len(failed)} of {counted(len(rows), 'file')} could not be fetched: {failed[0]['error']}",
        _HINTS.get(code),
    )


def pause(context: Context) -> None:
    """Stop all sending; once this has returned, nothing is sent any more.

    Raise WaError `unknown-outcome`, with the ids, when messages are still being sent after PAUSE_SECONDS.
    """
    pacing.pause(context.store, context.now())
    store = context.store
    _wait_for_the_sender(
        context,
        "paused",
        lambda: [*queue.sending_ids(store), *(row["kind"] for row in requests.in_status(store, "doing"))],
    )


def pause_job(context: Context, job_id: str) -> None:
    """Pause a job as `jobs.control.pause` does; then and otherwise as `pause` does for all sending."""
    control.pause(context.store, job_id, context.now())
    _wait_for_the_sender(context, "paused", lambda: control.sending(context.store, job_id))


def cancel_job(context: Context, job_id: str) -> None:
    """Cancel a job as `jobs.control.cancel` does; then and otherwise as `pause` does for all sending."""
    control.cancel(context.store, job_id, context.now())
    _wait_for_the_sender(context, "cancelled", lambda: control.sending(context.store, job_id))


def _wait_for_the_sender(context: Context, word: str, sending_ids: Callable[[], list[str]]) -> None:
    """Wait until no row is being sent, or nobody is there to send it. Raise WaError as `pause` does."""
    context.wake_owner()
    deadline = time.monotonic() + PAUSE_SECONDS
    while sending := sending_ids():
        if lock_holder(context.home.session_lock) is None:
            break
        if time.monotonic() > deadline:
            raise WaError(
                "unknown-outcome",
                f"{word}, but still being sent: {', '.join(sending)}",
                "what is not on its way yet stays; `wa schedule list` and `wa status` show how these end",
            )
        time.sleep(LOOK_SECONDS)


def resume(context: Context) -> Block | None:
    """Start sending again. Return the block that still keeps messages from being sent, or None."""
    if doubtful := pacing.resume(context.store, context.now()):
        context.note(
            f"{doubtful} due messages may have been sent by another copy of this home, and are not sent:"
            " look at `wa schedule list --status unknown`"
        )
    context.wake_owner()
    return pacing.blocked(context.store, context.now(), context.settings)
