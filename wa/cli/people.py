"""Contacts as arguments of commands, and in their output."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.people import recipients
from wa.texts import one_line

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


def find(app: App, who: str, *, exact: bool = False) -> dict[str, Any]:
    """Return the contact that a word on the command line means."""
    return recipients.find(app.store, who, app.settings.region, exact=exact)


def label(row: Mapping[str, Any]) -> str:
    """Return a contact as `Nadia Sample +447700900123`."""
    return one_line(row["name"]) + (f" +{row['phone']}" if row["phone"] else "")


def today(app: App) -> date:
    """Return the present day in the user's zone."""
    return app.now().astimezone(app.settings.zone).date()


def note_birthday_in_notes(app: App, row: dict[str, Any]) -> None:
    """Say so if the notes of a contact tell a birthday that is not stored."""
    if row["notes"] and not row["birthday"]:
        from wa.people.birthdays import offer

        if hint := offer(row, today(app)):
            app.out.note(f"hint: {hint}")
