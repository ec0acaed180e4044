"""db stats|check: the figures and the integrity of the store."""

from __future__ import annotations

import typer

from wa.cli.options import Json, app_of
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
def check(ctx: typer.Context, as_json: Json = False) -> None:
    """Check the database from end to end.

    Example: wa db check
    """
    app = app_of(ctx)
    condition.verify(app.store)
    app.out.result({"ok": True}, "ok")
