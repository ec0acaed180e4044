"""contacts list|search|show|add|edit|remove|alias|tag|favorite|merge; more in `contacts_transfer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.output import clean, one_line
from wa.people import contacts as people
from wa.people import recipients
from wa.people.search import search as find_contacts

commands = typer.Typer()
contacts = typer.Typer(help="People, their numbers and their other names.")
commands.add_typer(contacts, name="contacts")

Who = Annotated[
    str,
    typer.Argument(
        metavar="WHO",
        help="A name or alias or the beginning of one, a number, or an id.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]
WholeWho = Annotated[str, typer.Argument(metavar="WHO", help="The whole name or alias, a number, or an id.")]
Force = Annotated[
    bool, typer.Option("--force", help="Take an alias even if it is a name of another contact.")
]
Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="A", help="Another name; may be repeated.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="G", help="A tag; may be repeated.")]
Zone = Annotated[str | None, typer.Option("--tz", metavar="Z", help="The person's time zone: Asia/Dubai.")]
Notes = Annotated[str | None, typer.Option(metavar="TEXT", help="Anything worth knowing.")]


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
    app = app_of(ctx)
    rows = people.listing(app.store, tag, favorites=favorites)
    _table(app, rows, "no contacts; `wa contacts add NAME PHONE`")


@contacts.command()
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="Part of a name, alias, number, tag or note.")],
    as_json: Json = False,
) -> None:
    """Find contacts by part of a name, alias, number, tag or note. The best match comes first.

    Example: wa contacts search sister
    """
    app = app_of(ctx)
    _table(app, find_contacts(app.store, text), "nobody found")


@contacts.command()
def show(ctx: typer.Context, who: Who, as_json: Json = False) -> None:
    """Show everything stored about a contact.

    Example: wa contacts show nadia
    """
    app = app_of(ctx)
    row = _find(app, who)
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
    app.out.result(row, "\n".join(lines))


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
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Add a contact.

    Example: wa contacts add "Adam Sample" 447700900456 --alias neighbour
    """
    from wa.people import edit

    app = app_of(ctx)
    if not force:
        recipients.expect_free(app.store, alias or [], None)
    row = edit.add(
        app.store,
        name,
        phone or [],
        app.now(),
        region=app.settings.region,
        aliases=alias or [],
        tags=tag or [],
        notes=notes,
        timezone=tz,
        is_favorite=favorite,
    )
    app.out.result(row, f"added {_label(row)}")


@contacts.command(name="edit")
def edit_(
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
    from wa.people import edit

    app = app_of(ctx)
    row = edit.edit(
        app.store,
        _find(app, who)["id"],
        app.now(),
        region=app.settings.region,
        name=name,
        phones=phone or [],
        without=remove_phone or [],
        notes=notes,
        timezone=tz,
    )
    app.out.result(row, f"changed {_label(row)}")


@contacts.command()
def remove(ctx: typer.Context, who: WholeWho, as_json: Json = False) -> None:
    """Remove a contact. The chat and its messages stay.

    Example: wa contacts remove "Tom Sample"
    """
    from wa.people import edit

    app = app_of(ctx)
    row = _find(app, who, exact=True)
    edit.remove(app.store, row["id"])
    app.out.result(row, f"removed {_label(row)}")


@contacts.command()
def alias(
    ctx: typer.Context,
    who: Who,
    aliases: Annotated[list[str], typer.Argument(metavar="ALIAS…", help="Another name for this person.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these aliases.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Give a contact other names; commands accept these too.

    An alias that is a name of another contact is refused, for it would find neither.

    Example: wa contacts alias nadia Sis Nadia-at-work
    """
    app = app_of(ctx)
    row = _change_words(app, who, "aliases", aliases, remove=remove, force=force)
    app.out.result(row, one_line(f"{row['name']}: {', '.join(row['aliases']) or 'no aliases'}"))


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
    app = app_of(ctx)
    row = _change_words(app, who, "tags", tags, remove=remove)
    app.out.result(row, one_line(f"{row['name']}: {', '.join(row['tags']) or 'no tags'}"))


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
    from wa.people import edit

    app = app_of(ctx)
    row = edit.set_favorite(app.store, _find(app, who)["id"], not off, app.now())
    app.out.result(row, f"{one_line(row['name'])} is {'not a favourite any more' if off else 'a favourite'}")


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
    from wa.people import edit

    app = app_of(ctx)
    row, gone = _find(app, who, exact=True), _find(app, other, exact=True)
    row = edit.merge(app.store, row["id"], gone["id"], app.now())
    app.out.result(row, f"merged {_label(gone)} into {_label(row)}")


# ── Shared functions ────────────────────────────────────────────────────────────────────────────────


def _find(app: App, who: str, *, exact: bool = False) -> dict[str, Any]:
    return recipients.find(app.store, who, app.settings.region, exact=exact)


def _change_words(
    app: App, who: str, column: str, words: list[str], *, remove: bool, force: bool = False
) -> dict[str, Any]:
    from wa.people import edit

    number = _find(app, who)["id"]
    if column == "aliases" and not (remove or force):
        recipients.expect_free(app.store, words, number)
    return edit.change_words(app.store, number, column, words, app.now(), remove=remove)


def _label(row: Mapping[str, Any]) -> str:
    return one_line(row["name"]) + (f" +{row['phone']}" if row["phone"] else "")


def _table(app: App, rows: Iterable[Mapping[str, Any]], empty: str) -> None:
    def cells(row: Mapping[str, Any]) -> list[object]:
        phones = ["+" + each["phone"] for each in row["phones"]]
        if app.out.on_terminal and phones[2:]:
            phones = [*phones[:1], f"{len(phones) - 1} more"]
        name = row["name"] + " ★" * row["is_favorite"]
        return [name, ", ".join(phones), ", ".join(row["aliases"]), ", ".join(row["tags"])]

    app.out.table(rows, ["name", "phone", "aliases", "tags"], cells, empty)
