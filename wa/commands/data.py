"""db stats|check."""

from __future__ import annotations

import typer

from wa import store as storage
from wa.commands.common import Json, app_of
from wa.errors import WaError

app = typer.Typer()
db = typer.Typer(help="The database: figures and integrity.")
app.add_typer(db, name="db")


@db.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how much is stored.

    Example: wa db stats
    """
    own = app_of(ctx)
    found = storage.stats(own.store)
    own.out.result(found, "\n".join(f"{name:<20} {count:>12,}" for name, count in found.items()))


@db.command()
def check(ctx: typer.Context, as_json: Json = False) -> None:
    """Check the database from end to end.

    Example: wa db check
    """
    own = app_of(ctx)
    problems = storage.check(own.store)
    if problems:
        raise WaError(
            "corrupt",
            f"{own.home.store} is damaged: {'; '.join(problems[:5])}",
            "stop what uses it, keep a copy, and restore the last good one",
        )
    own.out.result({"ok": True}, "ok")
