"""history status|import, migrate-s3, db stats|check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.options import EnvFile, Json, app_of
from wa.cli.show import shown_time
from wa.errors import ExitStatus, WaError
from wa.jids import show_jid
from wa.record import history_sync as past
from wa.store import condition

commands = typer.Typer()
db = typer.Typer(help="The database: figures and integrity.")
commands.add_typer(db, name="db")
history = typer.Typer(help="Older messages: how far back they reach, and more of them.")
commands.add_typer(history, name="history")


@db.command()
def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how much is stored.

    Example: wa db stats
    """
    own = app_of(ctx)
    found = condition.stats(own.store)
    own.out.result(found, "\n".join(f"{name:<20} {count:>12,}" for name, count in found.items()))


@db.command()
def check(ctx: typer.Context, as_json: Json = False) -> None:
    """Check the database from end to end.

    Example: wa db check
    """
    own = app_of(ctx)
    problems = condition.check(own.store)
    if problems:
        raise WaError(
            "corrupt",
            f"{own.home.store} is damaged: {'; '.join(problems[:5])}",
            "stop what uses it, keep a copy, and restore the last good one",
        )
    own.out.result({"ok": True}, "ok")


@history.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how far back each chat reaches, and possible gaps.

    The phone sends its history after linking, all of it with
    `wa link --full-history`. The WhatsApp library has no call that asks for older
    messages; `wa history import` reads a file of WhatsApp's own "Export chat".

    Example: wa history status
    """
    own = app_of(ctx)
    rows = past.status(own.store)
    for row in rows:
        row["gaps"] = past.gaps(own.store, row["chat_jid"])

    def cells(row: Mapping[str, Any]) -> list[object]:
        days = [
            f"{shown_time(own, gap['after'])[:10]} to {shown_time(own, gap['before'])[:10]}"
            for gap in row["gaps"]
        ]
        progress = f" {row['progress_percent']} %" if row["status"] == "in_progress" else ""
        return [
            row["name"] or show_jid(row["chat_jid"]),
            row["messages"],
            shown_time(own, row["oldest"]),
            shown_time(own, row["newest"]),
            row["status"].replace("_", " ") + progress,
            ", ".join(days[:3]) + (f" and {len(days) - 3} more" if len(days) > 3 else ""),
        ]

    columns = ["chat", "messages", "oldest", "newest", "sync", "nothing between"]
    own.out.table(rows, columns, cells, "no chats yet")
    if not own.json:
        whole = past.sync_status(own.store)
        state = (
            f"{whole['status'].replace('_', ' ')}, {whole['progress_percent']} %" if whole else "not begun"
        )
        own.out.note(f"what the phone sends of the past: {state}; older messages cannot be asked for")


@history.command(name="import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .txt or .zip file of Export chat.")],
    chat: Annotated[
        str | None,
        typer.Option(metavar="C", help="The chat it belongs to; by default the file's name tells."),
    ] = None,
    me: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your own name in the file; - if you wrote nothing.")
    ] = None,
    date_order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="dmy, mdy or ymd, if the file does not tell.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import a chat from a file of WhatsApp's own "Export chat".

    The same file, or a later export of the same chat, may be imported again: the
    command recognises messages that are stored already.

    Example: wa history import "WhatsApp Chat with Nadia Sample.txt"
    """
    from wa.imports.export_chat.importer import import_chat

    own = app_of(ctx)
    with own.out.progress() as progress:
        found = import_chat(
            own.store,
            own.home,
            file,
            chat=chat,
            me=me,
            date_order=date_order,
            zone=own.settings.zone,
            own_jid=own.context.me,
            now=own.now(),
            region=own.settings.region,
            dry_run=dry_run,
            progress=progress.begin,
        )
    skipped = found["skipped"]
    own.out.result(
        found,
        f"{found['chat_name']}: {found['read']} messages read, {found['added']} added,"
        f" {found['already_there']} already there, {skipped} skipped",
    )
    for each in found["reasons"]:
        own.out.note(f"skipped {each['count']} × {each['reason']} ({each['example']})")
    if dry_run:
        own.out.note("nothing was written")
    if skipped:
        raise typer.Exit(ExitStatus.BAD_DATA)


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
    from wa.imports.wajs.migration import Folder, Migration, Source

    own = app_of(ctx)
    source: Source
    if folder is not None:
        source = Folder(folder)
    elif own.storage is not None:
        from wa.s3 import Bucket

        source = Bucket(own.storage)
    else:
        raise WaError("bad-setting", "no storage is set", "set B2_BUCKET and the rest, or give --from DIR")
    settings = own.settings
    migration = Migration(
        own.store, own.now(), settings.zone, settings.region, settings.grace, dry_run=dry_run
    )
    names = migration.find(source)
    if not dry_run:
        own.context.bind()
    try:
        with own.out.progress() as progress:
            migration.run(source, names, progress)
    except WaError:
        for tally in migration.tallies:  # what was done before stays done
            own.out.note("  ".join(map(str, _tally_cells(tally.row()))))
        raise
    finally:
        if migration.queued and not dry_run:
            own.context.wake_owner()
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
