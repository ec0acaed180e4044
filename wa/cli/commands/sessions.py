"""wa sessions: the conversations of people with hooks."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.cli.options import Json, app_of, chat_of
from wa.hooks import sessions as table
from wa.jids import show_jid
from wa.texts import counted
from wa.times import from_iso

commands = typer.Typer()
sessions = typer.Typer(help="Conversations of people with hooks.")
commands.add_typer(sessions, name="sessions")

Chat = Annotated[
    str | None,
    typer.Argument(
        metavar="[CHAT]",
        help="Only of this chat.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
        show_default=False,
    ),
]


def _chat(app: App, text: str | None) -> str | None:
    return None if text is None else chat_of(app, text).jid


@sessions.command(name="list")
def list_(ctx: typer.Context, chat: Chat = None, as_json: Json = False) -> None:
    """List the sessions that have not ended.

    Example: wa sessions list
    """
    app = app_of(ctx)
    app.out.table(
        table.listing(app.store, app.now(), _chat(app, chat)),
        ["hook", "person", "chat", "entries", "ends"],
        lambda row: [
            row["hook"],
            show_jid(row["user_jid"]),
            show_jid(row["chat_jid"]),
            len(row["context"]),
            app.out.time(from_iso(row["expires_at"])),
        ],
        "no sessions",
    )


@sessions.command()
def show(ctx: typer.Context, chat: Chat = None, as_json: Json = False) -> None:
    """Show what was said in the sessions that have not ended.

    Example: wa sessions show
    """
    app = app_of(ctx)
    found = table.listing(app.store, app.now(), _chat(app, chat))
    if app.json:
        app.out.table(found, [], lambda row: [], "")
        return
    for row in found:
        app.out.line(f"{row['hook']}, {show_jid(row['user_jid'])} in {show_jid(row['chat_jid'])}:")
        for each in row["context"]:
            app.out.line(f"  {each['role']}: {each['content']}")
    if not found:
        app.out.note("no sessions")


@sessions.command()
def clear(ctx: typer.Context, chat: Chat = None, as_json: Json = False) -> None:
    """End all sessions, or those of a chat.

    Example: wa sessions clear
    """
    app = app_of(ctx)
    count = table.clear(app.store, _chat(app, chat))
    app.out.result({"cleared": count}, f"ended: {counted(count, 'session')}")
