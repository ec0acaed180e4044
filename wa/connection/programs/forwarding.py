"""A message that a program forwards: its file is fetched first, then there is a row for each recipient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wa.connection.actions.forward import download_of, file_here, not_fetched
from wa.connection.ask import DOWNLOAD_SECONDS
from wa.connection.context import Context
from wa.connection.programs import acting, asked, sending
from wa.connection.programs.work import Act, Work
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue.kinds import forward
from wa.record import messages
from wa.store.database import Row


def missing(context: Context, found: Act[Row], to: Sequence[str]) -> int | None:
    """Return the number of the row whose file has to be fetched; None if it is here, or there is none.

    `found` returns the message as `messages.find` does. Raise WaError where it cannot be forwarded to these.
    """
    context.require_account()
    _people(context, to)
    row = _message(context, found)
    forward.check(row)
    is_here = row["message_type"] not in forward.WITH_FILE or file_here(context, row) is not None
    return None if is_here else int(row["id"])


async def fetch(work: Work, number: int) -> None:
    """Let the owner of the connection download the file of a message. Raise WaError."""
    try:
        await acting.ask(work, "download", download_of(number), DOWNLOAD_SECONDS)
    except WaError as error:
        raise not_fetched(error) from None


def queue(
    context: Context, found: Act[Row], to: Sequence[str], key: str, *, created_from: str,
    is_draft: Callable[[], bool],
) -> tuple[list[Row], bool]:  # fmt: skip
    """Queue a message for each recipient, once for the key, all or none. Return the rows, whether one is new.

    Raise as `sending.queue` does.
    """
    row, people = _message(context, found), _people(context, to)
    has_file = row["message_type"] in forward.WITH_FILE
    path = file_here(context, row) if has_file else None
    if has_file and path is None:
        raise WaError("not-found", "its file is not here any more", "nothing was forwarded; try again")
    part = forward.part_of(context.home, row, path)
    keys = {each.jid: key if len(people) == 1 else f"{key} {each.jid}" for each in people}
    for jid in keys:  # a hook that comes to rest is noted before the transaction that is rolled back then
        context.counting([jid], keys[jid])
    with context.store.write():
        made = [
            sending.queue(context, each, part, keys[each.jid], created_from=created_from, is_draft=is_draft)
            for each in people
        ]
    context.wake_owner()
    return [sending.shown(context, row) for row, _ in made], any(is_new for _, is_new in made)


def _people(context: Context, to: Sequence[str]) -> list[Recipient]:
    found = [asked.recipient(context, each) for each in to]
    return list({each.jid: each for each in found}.values())


def _message(context: Context, found: Act[Row]) -> Row:
    row = found(context)
    about = messages.about(context.store, row["chat_jid"], row["message_id"])
    assert about is not None  # noqa: S101
    return about
