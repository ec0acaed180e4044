"""wa chats and unread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.show import shown_time
from wa.jids import show_jid
from wa.people.said import said_last
from wa.record import chats as chat_list
from wa.store.database import Row

commands = typer.Typer()


@commands.command()
def chats(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Argument(metavar="N", min=1, max=1_000_000, help="At most this many chats.")
    ] = 20,
    channels: Annotated[bool, typer.Option("--channels", help="List the channels instead.")] = False,
    archived: Annotated[bool, typer.Option("--archived", help="Only those archived on the phone.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Only those pinned on the phone.")] = False,
    muted: Annotated[bool, typer.Option("--muted", help="Only those muted on the phone.")] = False,
    as_json: Json = False,
) -> None:
    """List the chats, newest message first.

    Archived chats are listed too, and marked; the phone says which they are, and only there this can
    be changed. Channels and status posts are no chats: `wa read status` shows the posts.

    Example: wa chats 5
    """
    app = app_of(ctx)
    now = int(app.now().timestamp())
    rows = chat_list.listing(
        app.store, limit, channels=channels, archived=archived, pinned=pinned, muted_at=now if muted else None
    )
    kinds = [name for name, asked in (("archived", archived), ("pinned", pinned), ("muted", muted)) if asked]
    empty = "no channels" if channels else "no chats"
    empty += f" that are {' and '.join(kinds)}" if kinds else " yet"
    _print_chats(app, rows, empty + ("" if kinds or channels else "; `wa listen` records them"))


@commands.command()
def unread(ctx: typer.Context, as_json: Json = False) -> None:
    """List the chats that have unread messages.

    Example: wa unread
    """
    app = app_of(ctx)
    _print_chats(app, chat_list.listing(app.store, 1_000, unread_only=True), "nothing is unread")


def _mark(row: Mapping[str, Any], now: float) -> str:
    """Return how the phone lists a chat, in brackets; "" for a chat as any other."""
    kinds = {
        "archived": row["is_archived"],
        "pinned": row["is_pinned"],
        "muted": (row["muted_until"] or 0) > now,
    }
    shown = ", ".join(name for name, is_so in kinds.items() if is_so)
    return f" ({shown})" if shown else ""


def _print_chats(app: App, rows: list[Row], empty: str) -> None:
    now = app.now().timestamp()

    def cells(row: Mapping[str, Any]) -> list[object]:
        me = "→ " if row["last_is_from_me"] else ""
        return [
            shown_time(app, row["last_message_time"]),
            show_jid(row["id"], row["name"]) + _mark(row, now),
            row["unread_count"] or "",
            me + said_last(app.store, row, app.out.time),
        ]

    app.out.table(rows, ["time", "chat", "unread", "last message"], cells, empty, is_short=True)
