"""A message that a program sends now: queued once for its key, and waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.media.uploads import Upload
from wa.people.recipients import Recipient
from wa.queue import checks, compose, pacing, rows
from wa.queue.series import occurrences
from wa.store.database import Row, Store

LOOK_SECONDS = 0.1
"""Seconds between two looks for what became of a message that a request waits for."""


def queue(
    context: Context,
    to: Recipient,
    part: compose.Part,
    key: str,
    *,
    created_from: str,
    is_draft: Callable[[], bool],
    file: Upload | None = None,
) -> tuple[Row, bool]:
    """Queue a message, or find the one of its key. Return its row, and whether it is new.

    `is_draft` is asked in the transaction that adds the row; `file` is the upload of the part. Raise as
    `rows.enqueue` does, and WaError `unknown-outcome` for a key whose message may have been sent.
    """
    store = context.store

    def make() -> Row:
        now = context.now()
        pacing.rebase(store, now)
        row = compose.queue_now(
            store,
            to,
            part,
            now,
            grace=context.settings.grace,
            key=key,
            draft=is_draft(),
            created_from=created_from,
        )
        checks.check_decided(row)
        return counted(row)

    context.bind()
    counted = context.counting([to.jid], key)
    row, is_new = once(store, key, make, file)
    context.wake_owner()
    return row, is_new


def once(store: Store, key: str, make: Callable[[], Row], file: Upload | None = None) -> tuple[Row, bool]:
    """Return the row that `make` adds or finds by its key, and whether it is new; keep an upload for it."""

    def with_file() -> Row:
        row = make()
        if file is not None and row["media_path"] == file.columns["media_path"]:
            file.keep()
        return row

    try:
        return checks.once(store, key, with_file)
    except BaseException:
        if file is not None:
            file.withdraw(store)
        raise


def shown(context: Context, row: Row) -> Row:
    """Return a row with its series and the next times of that."""
    return occurrences.with_series(context.store, row, context.now())


async def settled(work: Work, row: Row, seconds: float) -> Row:
    """Return a row as it is once it is sent, or not any more on its way, or after `seconds`."""
    deadline, row_id = time.monotonic() + seconds, row["id"]
    while row["status"] in ("pending", "sending") and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        with suppress(WaError):  # too busy to look: it is queued, and must not seem to be refused
            row = await work.read(lambda context: shown(context, rows.get(context.store, row_id)))
    return row
