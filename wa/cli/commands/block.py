"""wa block and unblock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.cli.options import Json, address, app_of
from wa.jids import phone_of_jid, show_jid

commands = typer.Typer()

_WHO = typer.Argument(
    metavar="WHO",
    help="A person: a name or alias, a phone number, or a JID.",
    autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
)


@commands.command()
def block(ctx: typer.Context, who: Annotated[str | None, _WHO] = None, as_json: Json = False) -> None:
    """Block a person, or list the people whom you have blocked.

    WhatsApp keeps the list. What is recorded here stays as it is.

    Example: wa block 447700900123
    """
    app = app_of(ctx)
    if who is not None:
        _set(app, who, is_blocked=True)
        return
    from wa.connection.actions import managing

    def cells(row: Mapping[str, Any]) -> list[object]:
        phone = phone_of_jid(row["jid"])
        return [show_jid(row["jid"], row["name"]), f"+{phone}" if phone and row["name"] else ""]

    app.out.table(managing.blocked(app.context), ["who", "number"], cells, "nobody is blocked")


@commands.command()
def unblock(ctx: typer.Context, who: Annotated[str, _WHO], as_json: Json = False) -> None:
    """Unblock a person.

    Example: wa unblock 447700900123
    """
    _set(app_of(ctx), who, is_blocked=False)


def _set(app: App, who: str, *, is_blocked: bool) -> None:
    """Block a person or unblock, and say so."""
    from wa.connection.actions import managing

    wanted = managing.block(app.context, address(app, who).jid, is_blocked=is_blocked)
    row = managing.do(app.context, wanted, "block")
    name = show_jid(row["jid"], row["name"])
    app.out.success(row, f"{name} is blocked" if is_blocked else f"{name} is not blocked any more")
