"""Reacting to a message, editing and deleting it: from what a user names to the changed message."""

from __future__ import annotations

from collections.abc import Sequence

from wa.connection.actions import asking, changes
from wa.connection.context import Context
from wa.record import messages, responses
from wa.record.changing import which
from wa.record.names import canonical
from wa.store.database import Row


def change(
    context: Context, kind: str, chat: str, msg: str, text: str, mentions: Sequence[str] = ()
) -> tuple[Row, Row]:
    """Do an action of `changes` with the message of a chat that `msg` means.

    `kind` is `react`, `edit` or `delete`, and the command that becomes the owner of the connection if there
    is none; `text` is the emoji or the new text, `mentions` the JIDs of those whom it mentions. Return the
    message before and after, as `shown` does. Raise WaError, as `arguments` and `asking.act` do.
    """
    args = arguments(context, kind, chat, msg, text)
    if mentions:
        args["mentions"] = [*mentions]
    before = shown(context, args)
    if asking.act(context, kind, args, kind).get("unrecorded"):
        context.note("it is done, and could not be recorded here: see the log of the process that did it")
    return before, shown(context, args)


def arguments(context: Context, kind: str, chat: str, msg: str, text: str) -> Row:
    """Return the arguments of the action. Raise WaError as `which.find` and `changes.check` do."""
    found = which.find(context.store, chat, msg)
    changes.check(kind, context.store, found, text, context.now())
    return {"chat": found["chat_jid"], "message_id": found["message_id"], "text": text}


def shown(context: Context, args: Row) -> Row:
    """Return the message of an action as `wa read --json` shows it; its id alone if it was pruned since."""
    chat, message_id = canonical(context.store, args["chat"]), args["message_id"]
    found = messages.about(context.store, chat, message_id)
    if found is None:
        return {"chat_jid": chat, "message_id": message_id}
    (row,) = responses.counted(context.store, messages.with_reactions(context.store, [found]))
    return row
