"""contacts add|list|search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa import contacts as people
from wa.app import App
from wa.commands.common import Json, app_of
from wa.when import load_zone

app = typer.Typer()
contacts = typer.Typer(help="People, their numbers and what you call them.")
app.add_typer(contacts, name="contacts")


@contacts.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What you call this person.")],
    phone: Annotated[str, typer.Argument(help="The number with its country code: 447700900123.")],
    alias: Annotated[
        list[str] | None, typer.Option(metavar="A", help="Another name; may be repeated.")
    ] = None,
    tz: Annotated[str | None, typer.Option(metavar="Z", help="The zone this person lives in.")] = None,
    as_json: Json = False,
) -> None:
    """Add a person.

    Example: wa contacts add "Reem" 447700900123 --alias Sister
    """
    own = app_of(ctx)
    zone = str(load_zone(tz)) if tz else None
    row = people.add(own.store, name, phone, alias or [], own.settings.region, own.now(), zone)
    own.out.result(row, f"added {row['name']} +{row['phone']}")


@contacts.command(name="list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List all contacts.

    Example: wa contacts list
    """
    own = app_of(ctx)
    _print(own, people.listing(own.store), "no contacts yet; `wa contacts add NAME PHONE`")


@contacts.command()
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="Part of a name, alias or number.")],
    as_json: Json = False,
) -> None:
    """Find contacts by part of a name, an alias or a number.

    Example: wa contacts search reem
    """
    own = app_of(ctx)
    _print(own, people.search(own.store, text), "nobody found")


def _print(own: App, rows: list[dict[str, Any]], empty: str) -> None:
    def cells(row: Mapping[str, Any]) -> list[object]:
        star = " ★" if row["is_favorite"] else ""
        return [
            row["name"] + star,
            ", ".join("+" + each for each in row["phones"]),
            ", ".join(row["aliases"]),
        ]

    own.out.table(rows, ["name", "phone", "aliases"], cells, empty)
