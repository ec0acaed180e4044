"""migrate-s3, db stats|check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wa import store as storage
from wa.commands.common import Json, app_of
from wa.errors import ExitStatus, WaError

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


@app.command()
def migrate_s3(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="A folder with the files, instead of the bucket."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take over contacts, scheduled messages, jobs and chats from the JSON files of wa.js.

    They are read from the bucket that B2_BUCKET and its like name, or from a
    folder. It may be run again: nothing doubles. Messages that were due in the
    past come in as missed; where some are still to be sent, sending is paused.

    Example: wa migrate-s3 --from backups/ --dry-run
    """
    from wa.legacy import Folder, Migration, Source

    own = app_of(ctx)
    source: Source
    if folder is not None:
        source = Folder(folder)
    elif own.storage is not None:
        from wa.bucket import Bucket

        source = Bucket(own.storage)
    else:
        raise WaError("bad-setting", "no storage is set", "set B2_BUCKET and the rest, or give --from DIR")
    settings = own.settings
    migration = Migration(
        own.store, own.now(), settings.zone, settings.region, settings.grace, dry_run=dry_run
    )
    names = migration.find(source)
    if not dry_run:
        own.bind()
    try:
        with own.out.progress() as progress:
            migration.run(source, names, progress)
    except WaError:
        for tally in migration.tallies:  # what was done before stays done
            own.out.note("  ".join(map(str, _tally_cells(tally.row()))))
        raise
    finally:
        if migration.queued and not dry_run:
            own.wake_owner()
            waiting = f"{migration.queued} still to be sent, so sending is paused"
            own.out.note(f"{waiting}: stop the old scheduler, then `wa resume`")
    rows = [tally.row() for tally in migration.tallies]
    columns = ["file", "read", "written", "already there", "skipped", "why"]
    own.out.table(rows, columns, _tally_cells, "nothing to take over")
    if dry_run:
        own.out.note("nothing was written")
    if any(row["reasons"] for row in rows):
        raise typer.Exit(ExitStatus.BAD_DATA)


def _tally_cells(row: Mapping[str, Any]) -> list[object]:
    reasons = "; ".join(f"{each['count']} × {each['reason']} ({each['example']})" for each in row["reasons"])
    return [row["file"], row["read"], row["written"], row["already_there"], row["skipped"], reasons]
