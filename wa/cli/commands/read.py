"""wa read."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.options import After, Before, Chat, Json, app_of, chat_of, span
from wa.cli.show import message_line
from wa.record import messages

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
    as_json: Json = False,
) -> None:
    """Show a conversation, oldest message first.

    Example: wa read nadia 20 --after "yesterday 18:00"
    """
    app = app_of(ctx)
    found = chat_of(app, chat)
    rows = messages.conversation(app.store, found.jid, limit, *span(app, before, after))
    shown = max((row["id"] for row in rows), default=0)
    if mark_read:
        from wa.connection import ask

        ask.mark_read(app.context, found.jid, shown)
    if app.json:
        app.out.table(rows, [], lambda row: [], "")
    for row in rows:
        app.out.line(message_line(app, row))
    if not rows:
        app.out.note("no messages there")
