"""wa template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.completion import complete_template
from wa.cli.options import Json, app_of, read_text
from wa.queue.templates import table

commands = typer.Typer()
template = typer.Typer(help="Texts with fields, such as {first}.")
commands.add_typer(template, name="template")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The name of the template.", autocompletion=complete_template),
]


@template.command()
def add(
    ctx: typer.Context,
    name: Name,
    text: Annotated[
        str | None,
        typer.Argument(help="The text; without it, standard input.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a text with fields under a name, or change it.

    Fields are {name}, {first}, {alias}, {phone}, {date}, {time}, {weekday}, {age},
    and those that --set gives; {{ and }} are braces. The series that use the
    template get the new text.

    Example: wa template add birthday "Happy birthday, {first}!"
    """
    app = app_of(ctx)
    row = table.put(app.store, name, read_text(text), app.now())
    app.out.result(row, f"{row['name']}: {_fields(row)}")
    for series_id, absent in table.lacking(app.store, row, app.now()).items():
        names = ", ".join(f"{{{name}}}" for name in absent)
        app.out.note(f"the series {series_id} has no value for {names}: its messages would fail")


@template.command(name="list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the templates.

    Example: wa template list
    """
    app = app_of(ctx)
    app.out.table(
        table.listing(app.store),
        ["name", "fields", "text"],
        lambda row: [row["name"], _fields(row), row["text"]],
        "no templates",
    )


@template.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Print the text of a template.

    Example: wa template show birthday
    """
    app = app_of(ctx)
    row = table.get(app.store, name)
    app.out.result(row, row["text"])


@template.command()
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a template that no series uses.

    Example: wa template remove birthday
    """
    app = app_of(ctx)
    row = table.remove(app.store, name)
    app.out.result(row, f"removed {row['name']}")


def _fields(row: Mapping[str, Any]) -> str:
    return " ".join(f"{{{name}}}" for name in row["fields"]) or "no fields"
