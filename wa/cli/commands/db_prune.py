"""wa db: pruning old messages into an archive, and restoring one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of, chat_of
from wa.errors import WaError
from wa.record.retention.prune import YEAR, Pruning, age
from wa.record.retention.restore import Restoring, find
from wa.texts import counted
from wa.times import from_iso

commands = typer.Typer()


@commands.command()
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="D", help="Messages older than this: 90d, 52w.")
    ],
    chat: Annotated[str | None, typer.Option(metavar="C", help="Only the messages of this chat.")] = None,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Keep no archive: nothing brings them back.")
    ] = False,
    media: Annotated[
        bool, typer.Option("--media", help="Remove the files of the messages too, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm a time under a day.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be pruned.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old messages, once they are in an archive.

    The archive is a file of JSON lines, packed by gzip, and checked before anything is
    removed. What was pruned does not come back with WhatsApp's history or an import,
    only by `wa db restore-archive`. Without --chat, jobs, series and messages
    of the queue that ended over a year ago go too.

    Example: wa db prune --older-than 90d --dry-run
    """
    app = app_of(ctx)
    length = age(older_than)
    if length < timedelta(days=1) and not (yes or dry_run):
        text = f"--older-than {older_than} prunes messages of today too"
        raise WaError("usage", text, "if that is what you want, add --yes")
    now = app.now()
    run = Pruning(
        app.store,
        now - length,
        now,
        chat=chat_of(app, chat).jid if chat else None,
        with_archive=not no_archive,
        with_files=media,
        old=now - YEAR,
    )
    try:
        with app.out.progress(in_bytes=False) as bars:
            run.advance = bars.begin("messages", run.total() * (1 if dry_run else 2))
            found = run.rehearse() if dry_run else run.run()
    except BaseException:
        if run.path is not None:
            app.out.note(f"{counted(run.messages, 'message')} of {run.path} went; the others are still here")
        raise
    found["dry_run"] = dry_run
    app.out.result(found, _told(app, found))
    if found["messages"] and not dry_run:
        app.out.note("the database keeps its size until `wa db vacuum`")
    if found["kept"]:
        kept = counted(found["kept"], "message")
        app.out.note(f"{kept} stay: a hook has not heard of them, or a message of the queue needs them")


def _told(app: App, found: dict[str, Any]) -> str:
    if not found["messages"] and not found["rows"]:
        return f"there is nothing older than {app.out.time(from_iso(found['before']))}"
    verb = "would be pruned" if found["dry_run"] else "pruned"
    what = [counted(found["messages"], "message") + f" of {counted(found['chats'], 'chat')}"]
    if found["messages"]:
        first, last = (app.out.time(from_iso(found[name])) for name in ("first_at", "last_at"))
        what[0] += f", from {first} to {last}"
    what += _rows(found)
    if found["files"]:
        what.append(f"{counted(found['files'], 'file')} ({found['files_bytes'] / 1e6:,.1f} MB)")
    told = [f"{verb}: {'; '.join(what)} ({found['size_bytes'] / 1e6:,.1f} MB)"]
    if path := found.get("archive"):
        told.append(f"archive: {path}")
        told.append(f"`wa db restore-archive {Path(path).name}` brings it back")
    return "\n".join(told)


@commands.command("restore-archive")
def restore_archive(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="An archive, its name in WA_HOME/archive, or latest.")
    ],
    as_json: Json = False,
) -> None:
    """Bring back what was pruned into an archive.

    The archive is checked first: if it is cut off, changed or from another home, nothing
    is changed. Messages that are stored already stay as they are. The archive stays too.

    Example: wa db restore-archive latest
    """
    app = app_of(ctx)
    run = Restoring(app.store, find(app.store.home, file), app.now())
    with app.out.progress(in_bytes=False) as bars:
        run.advance = bars.begin("messages", run.check())
        found = run.run()
    told = f"{counted(found['messages'], 'message')} restored, {found['already_there']:,} already there"
    app.out.result(found, "; ".join([told, *_rows(found)]))


def _rows(found: dict[str, Any]) -> list[str]:
    return [f"{counted(number, 'row')} of {table}" for table, number in found["rows"].items() if number]
