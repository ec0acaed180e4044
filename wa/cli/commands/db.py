"""db stats|check: the figures and the integrity of the store."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.options import Json, app_of
from wa.record import search_index
from wa.store import condition

commands = typer.Typer()
db = typer.Typer(help="The database: figures and integrity.")
commands.add_typer(db, name="db")


@db.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how much is stored.

    Example: wa db stats
    """
    app = app_of(ctx)
    found = condition.stats(app.store)
    app.out.result(found, "\n".join(f"{name:<20} {count:>12,}" for name, count in found.items()))


@db.command()
def check(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived from other data, if it is damaged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the database from end to end.

    --repair makes the search index and the indexes of tables anew from the messages
    and the other tables. Nothing is repaired while a listener or scheduler runs.

    Example: wa db check --repair
    """
    app = app_of(ctx)
    if not repair:
        condition.verify(app.store)
        app.out.result({"ok": True}, "ok")
        return
    found = search_index.repair(app.store)
    text = f"repaired: {'; '.join(found)}" if found else "ok; there was nothing to repair"
    app.out.result({"ok": True, "repaired": found}, text)
