"""contacts alias|tag|favorite|merge: further commands of the group `contacts`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.people import Force, Who, WholeWho, find, label
from wa.texts import one_line

commands = typer.Typer()


@commands.command()
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


@commands.command()
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


@commands.command()
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
    row = edit.set_favorite(app.store, find(app, who)["id"], not off, app.now())
    app.out.result(row, f"{one_line(row['name'])} is {'not a favourite any more' if off else 'a favourite'}")


@commands.command()
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
    from wa.people.birthday_texts import in_words, is_same_day

    app = app_of(ctx)
    row, gone = find(app, who, exact=True), find(app, other, exact=True)
    both = (row["birthday"], gone["birthday"])
    row = edit.merge(app.store, row["id"], gone["id"], app.now())
    kept = row["birthday"]
    for lost in filter(None, both):
        if not is_same_day(kept, lost):
            app.out.note(f"birthday {in_words(kept)} is kept, {in_words(lost)} is not")
    app.out.result(row, f"merged {label(gone)} into {label(row)}")


def _change_words(
    app: App, who: str, column: str, words: list[str], *, remove: bool, force: bool = False
) -> dict[str, Any]:
    from wa.people import edit

    number = find(app, who)["id"]
    return edit.change_words(app.store, number, column, words, app.now(), remove=remove, force=force)
