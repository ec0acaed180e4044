"""wa read."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.options import After, Before, Chat, Json, app_of, chat_of, span
from wa.cli.show import print_conversation
from wa.errors import WaError
from wa.record import messages, responses

commands = typer.Typer()


@commands.command()
def read(
    ctx: typer.Context,
    chat: Chat,
    limit: Annotated[
        int,
        typer.Argument(metavar="N", min=1, max=1_000_000, help="At most this many of the newest messages."),
    ] = 50,
    before: Before = None,
    after: After = None,
    mark_read: Annotated[
        bool, typer.Option("--mark-read", help="Tell the senders that you read it.")
    ] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Count it as read here, and tell nobody.")] = False,
    as_json: Json = False,
) -> None:
    """Show a conversation, oldest message first.

    A message counts as unread until you read or answer the chat, here or on the phone.
    `--seen` and `--mark-read` count what is shown, and what is older, as read; only
    `--mark-read` tells the senders.

    Example: wa read nadia 20 --after "yesterday 18:00"
    """
    app = app_of(ctx)
    found = chat_of(app, chat)
    rows = messages.conversation(app.store, found.jid, limit, *span(app, before, after))
    if app.json:
        rows = responses.counted(app.store, rows)
    if mark_read and seen:
        raise WaError("usage", "--seen and --mark-read exclude each other", "--seen tells nobody")
    if mark_read and rows:
        from wa.connection import ask

        ask.mark_read(app.context, found.jid, rows[-1]["id"])
    elif seen and rows:
        from wa.record import reads

        reads.seen(app.store, found.jid, (rows[-1]["timestamp"], rows[-1]["id"]))
    if app.json:
        app.out.table(rows, [], lambda row: [], "")
    else:
        print_conversation(app, rows)
    if not rows:
        app.out.note("no messages there")
