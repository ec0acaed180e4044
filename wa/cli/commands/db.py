"""wa db: the figures, the integrity and the size of the store."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.options import Json, app_of
from wa.record.derived import check as checking

commands = typer.Typer()
db = typer.Typer(help="The database: figures, integrity, what is kept of it.")
commands.add_typer(db, name="db")


@db.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show rows and bytes of each table, and of the files.

    Example: wa db stats
    """
    from wa.record.figures.stored import stored

    app = app_of(ctx)
    found = stored(app.store, app.now())
    if app.json:
        app.out.result(found, "")
        return
    lines = {name: count for name, count in found.items() if not isinstance(count, dict)}
    lines |= {f"  {name}": table["rows"] for name, table in found["tables"].items() if table["rows"]}
    app.out.line("\n".join(f"{name:<24} {count:>14,}" for name, count in lines.items()))


@db.command()
def check(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived from other data, if it is damaged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the database from end to end.

    It checks the file, references between tables, and whether the search index and the
    chats are as the messages say. --repair makes these, and the indexes of tables, anew;
    nothing is repaired while a listener or scheduler runs. Damaged messages are not
    repaired: restore a backup.

    Example: wa db check --repair
    """
    app = app_of(ctx)
    with checking.last_word(app.home):
        if not repair:
            checking.verify(app.store)
            app.out.result({"ok": True}, "ok")
            if app.read_only:
                app.out.note("the inside of the search index was not checked: that takes a wa that may write")
            return
        found = checking.repair(app.store, app.now())
    text = f"repaired: {'; '.join(found)}" if found else "ok; there was nothing to repair"
    app.out.result({"ok": True, "repaired": found}, text)


@db.command()
def vacuum(ctx: typer.Context, as_json: Json = False) -> None:
    """Give the space of what was removed back to the disk.

    It takes about as much free space as the database has, and nothing else
    can be stored meanwhile. No listener or scheduler may run.

    Example: wa db vacuum
    """
    from wa.record.retention.vacuum import vacuum as vacuum_store

    app = app_of(ctx)
    before, after = vacuum_store(app.store)
    found = {"size_before_bytes": before, "size_bytes": after}
    app.out.result(found, f"{before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")
