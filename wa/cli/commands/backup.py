"""backup: make, list, verify, restore, prune, keygen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.backup.backups import Backups
from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.show import shown_time
from wa.errors import WaError
from wa.texts import counted
from wa.times import from_iso

commands = typer.Typer()
backup = typer.Typer()
commands.add_typer(backup, name="backup")

_NAME = typer.Argument(metavar="[NAME|latest]", help="A backup's name or the beginning of it, or a file.")
Name = Annotated[str, _NAME]
MaybeName = Annotated[str | None, _NAME]


def _backups(app: App) -> Backups:
    return Backups(app.home, app.storage, app.backup_keys, app.now)


@backup.callback(invoke_without_command=True)
def make(
    ctx: typer.Context,
    with_session: Annotated[
        bool, typer.Option("--with-session", help="Include this device's keys; only if it is encrypted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a backup, upload it, and remove old backups.

    Other commands may run meanwhile. If S3 storage is set (B2_BUCKET and the
    other B2_ settings) but cannot be reached, the backup stays on this machine,
    the exit code is 7, and the next run uploads it. With WA_BACKUP_RECIPIENT set,
    backups are encrypted.

    Example: wa backup
    """
    if ctx.invoked_subcommand is not None:
        return
    from wa.backup.make import make_backup

    app = app_of(ctx)
    done = make_backup(_backups(app), app.store, with_session=with_session)
    where = "uploaded" if done["uploaded"] else "kept here"
    removed = f", {len(done['removed'])} old removed" if done["removed"] else ""
    held = f"{counted(done['messages'], 'message')}, {_size(done['size_bytes'])}"
    text = f"{done['name']}: {held}, {where}{removed}"
    app.out.success(done, text)


@backup.command(name="list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the backups here and in the storage, newest first.

    Example: wa backup list
    """
    app = app_of(ctx)
    backups = _backups(app)
    backups.look()
    if backups.trouble is not None and app.json:
        raise backups.trouble

    def cells(row: Mapping[str, Any]) -> list[object]:
        places = [word for word, there in (("here", row["local"]), ("storage", row["remote"])) if there]
        return [
            row["name"],
            app.out.time(from_iso(row["at"])),
            _size(row["size_bytes"]),
            "yes" if row["encrypted"] else "no",
            " and ".join(places),
        ]

    columns = ["name", "made", "size", "encrypted", "where"]
    app.out.table(backups.rows(), columns, cells, "no backups yet; `wa backup` makes one")
    if backups.trouble is not None:
        raise backups.trouble


@backup.command()
def verify(ctx: typer.Context, name: Name = "latest", as_json: Json = False) -> None:
    """Check a backup from end to end, here and in the storage.

    It opens the backup and reads all of it; it writes nothing.

    Example: wa backup verify
    """
    from wa.backup import restore

    app = app_of(ctx)
    found = restore.verify(_backups(app), name, read_only=app.read_only)
    _tell_trouble(app, found)
    app.out.result(
        found,
        f"{found['name']} is good ({', '.join(found['places'])}): {counted(found['messages'], 'message')}",
    )


@backup.command(name="restore")
def restore_(
    ctx: typer.Context,
    name: MaybeName = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Only write the backup's database to this new file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replace the store by a backup.

    A copy of the present store stays in backups/. Nothing is sent again: the
    command keeps the outcomes that the present store knows, and a message that may
    have been sent since the backup becomes `unknown`. Sending is paused afterwards.
    Stop `wa listen` and `wa run-scheduler` first; the command asks no questions.

    Example: wa backup restore latest
    """
    from wa.backup import restore

    app = app_of(ctx)
    if name is None:
        raise WaError("usage", "which backup?", "`wa backup restore latest`, or a name of `wa backup list`")
    if to is not None:
        done = restore.extract(_backups(app), name, to.absolute())
        app.out.success(done, f"{done['name']} is in {done['to']}: {counted(done['messages'], 'message')}")
        return
    done = restore.restore(_backups(app), name, app.settings.transport)
    _tell_trouble(app, done)
    until = f" up to {shown_time(app, done['last_message_at'])}" if done["last_message_at"] else ""
    text = f"restored {done['name']}: {counted(done['messages'], 'message')}{until}; sending is paused"
    app.out.success(done, text)
    for line in [] if app.json else restore.advice(done):
        app.out.note(line)


@backup.command()
def prune(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List them, and remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old backups, here and in the storage, as `wa backup` does.

    It keeps the last backup of each hour for 24 hours, of each day for 7 days, of
    each week for 4 weeks and of each month for 12 months, in UTC.

    Example: wa backup prune --dry-run
    """
    from wa.backup import retention

    app = app_of(ctx)
    names = retention.prune(_backups(app), app.store, dry_run=dry_run)
    rows = [{"name": name} for name in names]
    app.out.table(rows, ["would be removed" if dry_run else "removed"], lambda row: [row["name"]], "nothing")


@backup.command()
def keygen(
    ctx: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write the private key to this new file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a pair of keys to encrypt backups with.

    The public key goes into WA_BACKUP_RECIPIENT. The private key opens the
    backups: keep it away from this machine, and in two places. Without it the
    backups are lost.

    Example: wa backup keygen --to backup-key.txt
    """
    from wa.backup.keys import make_pair

    app = app_of(ctx)
    pair = make_pair(to)
    recipient = pair["recipient"]
    if to is None:
        app.out.result({"recipient": recipient, "identity": pair["identity"]}, pair["text"])
        return
    app.out.result({"recipient": recipient, "file": str(to)}, f"WA_BACKUP_RECIPIENT={recipient}")
    if not app.json:
        app.out.note(f"the private key is in {to}: keep it away from this machine, and in two places")


def _tell_trouble(app: App, found: Mapping[str, Any]) -> None:
    if found["trouble"] and not app.json:
        app.out.note(f"only the backup on this machine was checked: {found['trouble']}")


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.3g} GB"
