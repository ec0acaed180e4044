"""contacts list|search|show|add|edit|remove|alias|tag|favorite|merge|import-vcf|import-aliases|export."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of, complete_contact
from wa.cli.output import array, clean, one_line
from wa.errors import ExitStatus, WaError
from wa.people import contacts as people
from wa.people.vcard import tidy
from wa.times import load_zone

if TYPE_CHECKING:
    from wa.people.transfer import Report

commands = typer.Typer()
contacts = typer.Typer(help="People, their numbers and their other names.")
commands.add_typer(contacts, name="contacts")

_WARNINGS = 20
"""How many lines are shown of those that were taken with a doubt."""
Who = Annotated[
    str,
    typer.Argument(
        metavar="WHO",
        help="A name or alias or the beginning of one, a number, or an id.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]
WholeWho = Annotated[str, typer.Argument(metavar="WHO", help="The whole name or alias, a number, or an id.")]
Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="A", help="Another name; may be repeated.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="G", help="A tag; may be repeated.")]
Zone = Annotated[str | None, typer.Option("--tz", metavar="Z", help="The person's time zone: Asia/Dubai.")]
Notes = Annotated[str | None, typer.Option(metavar="TEXT", help="Anything worth knowing.")]
Region = Annotated[
    str | None, typer.Option(metavar="R", help="The country of numbers without a country code: GB, DE …")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


@contacts.command(name="list")
def list_(
    ctx: typer.Context,
    tag: Annotated[str | None, typer.Option(metavar="G", help="Only contacts with this tag.")] = None,
    favorites: Annotated[bool, typer.Option("--favorites", help="Only favourites.")] = False,
    as_json: Json = False,
) -> None:
    """List all contacts, favourites first.

    Example: wa contacts list --tag family
    """
    own = app_of(ctx)
    rows = people.listing(own.store, tag, favorites=favorites)
    _table(own, rows, "no contacts; `wa contacts add NAME PHONE`")


@contacts.command()
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="Part of a name, alias, number, tag or note.")],
    as_json: Json = False,
) -> None:
    """Find contacts by part of a name, alias, number, tag or note. The best match comes first.

    Example: wa contacts search sister
    """
    own = app_of(ctx)
    _table(own, people.search(own.store, text), "nobody found")


@contacts.command()
def show(ctx: typer.Context, who: Who, as_json: Json = False) -> None:
    """Show everything stored about a contact.

    Example: wa contacts show nadia
    """
    own = app_of(ctx)
    row = _find(own, who)
    shown = {
        "name": row["name"] + " ★" * row["is_favorite"],
        "numbers": ", ".join(
            f"+{each['phone']}" + (f" ({each['label']})" if each["label"] else "") for each in row["phones"]
        ),
        "aliases": ", ".join(row["aliases"]),
        "tags": ", ".join(row["tags"]),
        "zone": row["timezone"],
        "id": row["id"],
    }
    lines = [f"{name:<9} {one_line(value)}" for name, value in shown.items() if value]
    notes = clean(row["notes"] or "").splitlines()
    lines += [f"{'notes' if number == 0 else '':<9} {line}" for number, line in enumerate(notes)]
    own.out.result(row, "\n".join(lines))


@contacts.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What you call this person.")],
    phone: Annotated[
        list[str] | None,
        typer.Argument(help="Numbers with country code: 447700900456. The first is the main number."),
    ] = None,
    alias: Aliases = None,
    tag: Tags = None,
    notes: Notes = None,
    tz: Zone = None,
    favorite: Annotated[bool, typer.Option("--favorite", help="Make this contact a favourite.")] = False,
    as_json: Json = False,
) -> None:
    """Add a contact.

    Example: wa contacts add "Adam Sample" 447700900456 --alias neighbour
    """
    from wa.people import edit as addressbook

    own = app_of(ctx)
    person = addressbook.Person(
        name,
        dict.fromkeys(addressbook.checked_phone(each, own.settings.region) for each in phone or []),
        _words(alias),
        _words(tag),
        is_favorite=favorite,
        notes=tidy(notes or ""),
        timezone=_zone(tz),
    )
    row = addressbook.add(own.store, person, own.now())
    own.out.result(row, f"added {_label(row)}")


@contacts.command()
def edit(
    ctx: typer.Context,
    who: Who,
    name: Annotated[str | None, typer.Option(metavar="N", help="The new name.")] = None,
    phone: Annotated[
        list[str] | None, typer.Option(metavar="P", help="The new main number; the other numbers stay.")
    ] = None,
    remove_phone: Annotated[list[str] | None, typer.Option(metavar="P", help="A number to remove.")] = None,
    notes: Notes = None,
    tz: Zone = None,
    as_json: Json = False,
) -> None:
    """Change a contact. An empty text removes the notes or the time zone.

    Example: wa contacts edit nadia --notes "Vegetarian" --tz Asia/Dubai
    """
    from wa.people import edit as addressbook

    own = app_of(ctx)
    row = _find(own, who)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = addressbook.checked_name(name)
    if notes is not None:
        changes["notes"] = tidy(notes) or None
    if tz is not None:
        changes["timezone"] = _zone(tz)
    new = [addressbook.checked_phone(each, own.settings.region) for each in phone or []]
    gone = [addressbook.checked_phone(each, own.settings.region) for each in remove_phone or []]
    known = {each["phone"] for each in row["phones"]}
    if stranger := next((each for each in gone if each not in known), None):
        raise WaError(
            "not-found", f"+{stranger} is not a number of {row['name']}", f"wa contacts show {row['id']}"
        )
    if not (changes or new or gone):
        raise WaError("usage", "there is nothing to change", "give --name, --phone, --notes or --tz")
    row = addressbook.edit(own.store, row["id"], changes, own.now(), phones=new, without=gone)
    own.out.result(row, f"changed {_label(row)}")


@contacts.command()
def remove(ctx: typer.Context, who: WholeWho, as_json: Json = False) -> None:
    """Remove a contact. The chat and its messages stay.

    Example: wa contacts remove "Tom Sample"
    """
    from wa.people import edit as addressbook

    own = app_of(ctx)
    row = _find(own, who, exact=True)
    addressbook.remove(own.store, row["id"])
    own.out.result(row, f"removed {_label(row)}")


@contacts.command()
def alias(
    ctx: typer.Context,
    who: Who,
    aliases: Annotated[list[str], typer.Argument(metavar="ALIAS…", help="Another name for this person.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these aliases.")] = False,
    as_json: Json = False,
) -> None:
    """Give a contact other names; commands accept these too.

    Example: wa contacts alias nadia Sis Nadia-at-work
    """
    own = app_of(ctx)
    row = _change_words(own, who, "aliases", aliases, remove=remove)
    own.out.result(row, one_line(f"{row['name']}: {', '.join(row['aliases']) or 'no aliases'}"))


@contacts.command()
def tag(
    ctx: typer.Context,
    who: Who,
    tags: Annotated[list[str], typer.Argument(metavar="TAG…", help="A word such as family.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these tags.")] = False,
    as_json: Json = False,
) -> None:
    """Give a contact tags.

    Example: wa contacts tag zoe neighbours
    """
    own = app_of(ctx)
    row = _change_words(own, who, "tags", tags, remove=remove)
    own.out.result(row, one_line(f"{row['name']}: {', '.join(row['tags']) or 'no tags'}"))


@contacts.command()
def favorite(
    ctx: typer.Context,
    who: Who,
    off: Annotated[bool, typer.Option("--off", help="Make it an ordinary contact again.")] = False,
    as_json: Json = False,
) -> None:
    """Make a contact a favourite; favourites come first in lists.

    Example: wa contacts favorite nadia
    """
    from wa.people import edit as addressbook

    own = app_of(ctx)
    row = addressbook.edit(own.store, _find(own, who)["id"], {"is_favorite": not off}, own.now())
    own.out.result(row, f"{one_line(row['name'])} is {'not a favourite any more' if off else 'a favourite'}")


@contacts.command()
def merge(
    ctx: typer.Context,
    who: WholeWho,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The contact that goes into WHO.")],
    as_json: Json = False,
) -> None:
    """Merge two contacts of one person. WHO keeps its name, and gets everything stored about OTHER.

    Example: wa contacts merge "Omar Sample" 447700900201
    """
    from wa.people import edit as addressbook

    own = app_of(ctx)
    row, gone = _find(own, who, exact=True), _find(own, other, exact=True)
    row = addressbook.merge(own.store, row["id"], gone["id"], own.now())
    own.out.result(row, f"merged {_label(gone)} into {_label(row)}")


@contacts.command(name="import-vcf")
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
    from wa.people import transfer as exchange

    own = app_of(ctx)
    region = region or own.settings.region
    report = exchange.import_cards(
        own.store, files, sys.stdin.buffer, own.now(), region=region, charset=charset, dry_run=dry_run
    )
    _report(own, report, dry_run=dry_run)


@contacts.command(name="import-aliases")
def import_aliases(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file; - is standard input.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import aliases from a text file. Its lines look like this: Nadia Sample: Sister, Nadi

    Example: wa contacts import-aliases contacts/aliases.txt
    """
    from wa.people import transfer as exchange

    own = app_of(ctx)
    report = exchange.import_aliases(
        own.store, file, sys.stdin.buffer, own.now(), region=own.settings.region, dry_run=dry_run
    )
    _report(own, report, dry_run=dry_run)


@contacts.command()
def export(
    ctx: typer.Context,
    form: Annotated[str | None, typer.Option("--format", metavar="F", help="vcf, json, csv or txt.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file instead of standard output.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export all contacts. Contacts that are exported as vCard and imported again are the same.

    Example: wa contacts export --out people.vcf
    """
    from wa.people import transfer as exchange
    from wa.store.files import write_file

    own = app_of(ctx)
    form = form or ("json" if own.json else (out.suffix[1:].lower() if out else "") or "vcf")
    formats = {**exchange.FORMATS, "json": array}
    if form not in formats:
        raise WaError("usage", f"{form!r} is not a format", f"formats: {', '.join(formats)}")
    pieces = formats[form](people.read(own.store))
    if out is not None:
        write_file(out, pieces)
        own.out.note(f"written to {out}")
        return
    for piece in pieces:
        own.out.data(clean(piece) if form == "txt" else piece)


# ── What they share ─────────────────────────────────────────────────────────────────────────────────


def _find(own: App, who: str, *, exact: bool = False) -> dict[str, Any]:
    return people.find(own.store, who, own.settings.region, exact=exact)


def _change_words(own: App, who: str, column: str, words: list[str], *, remove: bool) -> dict[str, Any]:
    from wa.people import edit as addressbook

    row = addressbook.change_words(own.store, _find(own, who)["id"], column, words, own.now(), remove=remove)
    if column == "aliases" and not remove:
        for word in words:
            others = [each["name"] for each in people.called(own.store, word) if each["id"] != row["id"]]
            if others:
                own.out.note(f"warning: {word} is {', '.join(others)} too, and so means neither of them")
    return row


def _words(words: list[str] | None) -> list[str]:
    return list(filter(None, map(tidy, words or [])))


def _zone(name: str | None) -> str | None:
    return str(load_zone(name)) if name else None


def _report(own: App, report: Report, *, dry_run: bool) -> None:
    """Say what an import did. The exit code tells if something was left out."""
    for place in report.problems:
        own.out.note(_told(place))
    for place in report.warnings[:_WARNINGS]:
        own.out.note(f"warning: {_told(place)}")
    if len(report.warnings) > _WARNINGS:
        own.out.note(f"warning: {len(report.warnings) - _WARNINGS} more such lines; --json has them all")
    row = report.row()
    counts = ", ".join(f"{row[kind]} {kind}" for kind in ("added", "updated", "unchanged", "skipped"))
    own.out.result(row, counts + (" (nothing was written)" if dry_run else ""))
    if row["skipped"]:
        raise typer.Exit(ExitStatus.BAD_DATA)


def _told(place: Mapping[str, Any]) -> str:
    card = f" ({place['card']})" if place["card"] else ""
    return one_line(f"{place['file']}:{place['line']}: {place['reason']}{card}")


def _label(row: Mapping[str, Any]) -> str:
    return one_line(row["name"]) + (f" +{row['phone']}" if row["phone"] else "")


def _table(own: App, rows: Iterable[Mapping[str, Any]], empty: str) -> None:
    def cells(row: Mapping[str, Any]) -> list[object]:
        phones = ["+" + each["phone"] for each in row["phones"]]
        if own.out.on_terminal and phones[2:]:
            phones = [*phones[:1], f"{len(phones) - 1} more"]
        name = row["name"] + " ★" * row["is_favorite"]
        return [name, ", ".join(phones), ", ".join(row["aliases"]), ", ".join(row["tags"])]

    own.out.table(rows, ["name", "phone", "aliases", "tags"], cells, empty)
