"""contacts import-vcf|import-aliases|export: further commands of the group `contacts`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.output import array
from wa.errors import ExitStatus, WaError
from wa.texts import clean, counted, one_line

if TYPE_CHECKING:
    from wa.people.report import Report

commands = typer.Typer()

_ALIKE = 10
"""The most numbers left out for one reason that are shown one by one."""
_SHOWN = 3
"""The numbers that are shown of more."""
_WARNINGS = 20
"""The most warnings that are shown; --json has all of them."""
Region = Annotated[
    str | None, typer.Option(metavar="R", help="The country of numbers without a country code: GB, DE …")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


@commands.command(name="import-vcf")
def import_vcf(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="vCard files; - is standard input.")],
    region: Region = None,
    charset: Annotated[
        str, typer.Option(metavar="C", help="The character set of lines that are not UTF-8 and name none.")
    ] = "cp1252",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import contacts from vCard files. Importing the same file again changes nothing.

    Example: wa contacts import-vcf contacts/*.vcf --region GB
    """
    from wa.people import transfer

    app = app_of(ctx)
    region = region or app.settings.region
    report = transfer.import_cards(
        app.store,
        files,
        sys.stdin.buffer,
        app.now(),
        region=region,
        charset=charset,
        zone=app.settings.zone,
        dry_run=dry_run,
    )
    _report(app, report, dry_run=dry_run)


@commands.command(name="import-aliases")
def import_aliases(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file; - is standard input.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import aliases from a text file. Its lines look like this: Nadia Sample: Sister, Nadi

    Example: wa contacts import-aliases contacts/aliases.txt
    """
    from wa.people import transfer

    app = app_of(ctx)
    report = transfer.import_aliases(
        app.store, file, sys.stdin.buffer, app.now(), region=app.settings.region, dry_run=dry_run
    )
    _report(app, report, dry_run=dry_run)


@commands.command()
def export(
    ctx: typer.Context,
    form: Annotated[str | None, typer.Option("--format", metavar="F", help="vcf, json, csv or txt.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file instead of standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Export all contacts. Contacts that are exported as vCard and imported again are the same.

    Example: wa contacts export --out people.vcf
    """
    from wa.people import transfer
    from wa.people.contacts import read, with_name_parts
    from wa.store.files import write_out

    app = app_of(ctx)
    form = form or ("json" if app.json else (out.suffix[1:].lower() if out else "") or "vcf")
    formats = {**transfer.FORMATS, "json": array}
    if form not in formats:
        raise WaError("usage", f"{form!r} is not a format", f"formats: {', '.join(formats)}")
    rows = read(app.store)
    pieces = formats[form](with_name_parts(app.store, rows) if form == "vcf" else rows)
    if out is not None:
        write_out(out, pieces, force=force)
        app.out.note(f"written to {out}")
        return
    for piece in pieces:
        app.out.data(clean(piece) if form == "txt" else piece)


def _report(app: App, report: Report, *, dry_run: bool) -> None:
    """Print the report of an import. Exit with code 8 if something was left out."""
    for reason, places in report.grouped():
        for place in places if len(places) <= _ALIKE else places[:_SHOWN]:
            app.out.note(_told(place))
        if len(places) > _ALIKE:
            app.out.note(f"… and {len(places) - _SHOWN} more numbers: {reason}")
    for place in report.warnings[:_WARNINGS]:
        app.out.note(f"warning: {_told(place)}")
    if len(report.warnings) > _WARNINGS:
        app.out.note(f"warning: {len(report.warnings) - _WARNINGS} more such lines; --json has them all")
    row = report.row()
    numbers = row["numbers_skipped"]
    shown = {**row, "skipped": row["skipped"] - numbers}
    counts = ", ".join(f"{shown[kind]} {kind}" for kind in ("added", "updated", "unchanged", "skipped"))
    if numbers:
        counts += f"; {counted(numbers, 'number')} left out"
    if row["birthdays"]:
        counts += f", {counted(row['birthdays'], 'birthday')}"
    app.out.result(row, counts + (" (nothing was written)" if dry_run else ""))
    if row["birthdays_in_notes"]:
        app.out.note("hint: notes tell birthdays that are not stored: `wa contacts birthdays` shows them")
    if row["skipped"]:
        raise typer.Exit(ExitStatus.BAD_DATA)


def _told(place: Mapping[str, Any]) -> str:
    card = f" ({place['card']})" if place["card"] else ""
    return one_line(f"{place['file']}:{place['line']}: {place['reason']}{card}")
