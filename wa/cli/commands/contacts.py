"""contacts list|search|show|add|edit|remove; more in `contacts_change`, `_birthdays` and `_transfer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.people import Force, Who, WholeWho, find, label, note_birthday_in_notes, today
from wa.people import contacts as people
from wa.people.search import search as find_contacts
from wa.texts import clean, one_line

commands = typer.Typer()
contacts = typer.Typer(help="People, their numbers and their other names.")
commands.add_typer(contacts, name="contacts")

Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="A", help="Another name; may be repeated.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="G", help="A tag; may be repeated.")]
Zone = Annotated[str | None, typer.Option("--tz", metavar="Z", help="The person's time zone: Asia/Dubai.")]
Born = Annotated[
    str | None,
    typer.Option("--birthday", metavar="D", help="15 Jan, 15 January 1985, 1985-01-15, --01-15."),
]
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
    row = find(app, who)
    shown = {
        "name": row["name"] + " ★" * row["is_favorite"],
        "numbers": ", ".join(
            f"+{each['phone']}" + (f" ({each['label']})" if each["label"] else "") for each in row["phones"]
        ),
        "aliases": ", ".join(row["aliases"]),
        "tags": ", ".join(row["tags"]),
        "birthday": _birthday(app, row),
        "zone": row["timezone"],
        "id": row["id"],
    }
    lines = [f"{name:<9} {one_line(value)}" for name, value in shown.items() if value]
    notes = clean(row["notes"] or "").splitlines()
    lines += [f"{'notes' if number == 0 else '':<9} {line}" for number, line in enumerate(notes)]
    app.out.result(row, "\n".join(lines))
    note_birthday_in_notes(app, row)


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
    birthday: Born = None,
    favorite: Annotated[bool, typer.Option("--favorite", help="Make this contact a favourite.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Add a contact.

    Example: wa contacts add "Adam Sample" 447700900456 --alias neighbour
    """
    from wa.people import edit

    app = app_of(ctx)
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
        birthday=birthday,
        today=today(app),
        is_favorite=favorite,
        force=force,
    )
    app.out.result(row, f"added {label(row)}")
    note_birthday_in_notes(app, row)


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
    birthday: Born = None,
    as_json: Json = False,
) -> None:
    """Change a contact. An empty text removes the notes, the time zone or the birthday.

    Example: wa contacts edit nadia --notes "Vegetarian" --tz Asia/Dubai
    """
    from wa.people import edit

    app = app_of(ctx)
    row = edit.edit(
        app.store,
        find(app, who)["id"],
        app.now(),
        region=app.settings.region,
        name=name,
        phones=phone or [],
        without=remove_phone or [],
        notes=notes,
        timezone=tz,
        birthday=birthday,
        today=today(app),
    )
    app.out.result(row, f"changed {label(row)}")
    note_birthday_in_notes(app, row)


@contacts.command()
def remove(ctx: typer.Context, who: WholeWho, as_json: Json = False) -> None:
    """Remove a contact. The chat and its messages stay.

    Example: wa contacts remove "Tom Sample"
    """
    from wa.people import edit

    app = app_of(ctx)
    row = find(app, who, exact=True)
    edit.remove(app.store, row["id"])
    app.out.result(row, f"removed {label(row)}")


def _birthday(app: App, row: Mapping[str, Any]) -> str | None:
    """Return a birthday as `15 January 1985 (41 years old)`."""
    if not row["birthday"]:
        return None
    from wa.people.birthday_texts import age_at, in_words

    age = age_at(row["birthday"], today(app))
    return in_words(row["birthday"]) + (f" ({age} years old)" if age else "")


def _table(app: App, rows: Iterable[Mapping[str, Any]], empty: str) -> None:
    def cells(row: Mapping[str, Any]) -> list[object]:
        phones = ["+" + each["phone"] for each in row["phones"]]
        if app.out.on_terminal and phones[2:]:
            phones = [*phones[:1], f"{len(phones) - 1} more"]
        name = row["name"] + " ★" * row["is_favorite"]
        return [name, ", ".join(phones), ", ".join(row["aliases"]), ", ".join(row["tags"])]

    app.out.table(rows, ["name", "phone", "aliases", "tags"], cells, empty)
