"""migrate-s3: the import of the data of wa.js, the tool before this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wa.cli.options import EnvFile, Json, app_of
from wa.errors import ExitStatus

commands = typer.Typer()


@commands.command()
def migrate_s3(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="A folder with the files, instead of the bucket."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    env_file: EnvFile = None,
    as_json: Json = False,
) -> None:
    """Import contacts, messages and jobs from the files of wa.js.

    It reads contacts.json, scheduled.json, jobs.json and chats.json from the
    bucket of the B2_ settings, which are in the .env of wa.js (`--env-file`), or
    from a folder. It may be run again: nothing is stored twice. Messages that
    were due in the past become `missed`; if others are still to be sent, sending
    is paused.

    Example: wa migrate-s3 --from backups/ --dry-run
    """
    from wa.imports.wajs.files import source_of
    from wa.imports.wajs.migration import migrate
    from wa.imports.wajs.report import cells_of

    app = app_of(ctx)
    reports = migrate(
        app.store,
        app.settings,
        source_of(folder, app.storage if folder is None else None),
        app.now(),
        dry_run=dry_run,
        progress=app.out.progress,
        note=app.out.note,
    )
    rows = [report.row() for report in reports]
    columns = ["file", "read", "written", "already there", "skipped", "why"]
    app.out.table(rows, columns, cells_of, "nothing to take over")
    if dry_run:
        app.out.note("nothing was written")
    if any(row["reasons"] for row in rows):
        raise typer.Exit(ExitStatus.BAD_DATA)
