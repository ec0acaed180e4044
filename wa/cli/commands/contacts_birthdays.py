"""contacts birthdays: a further command of the group `contacts`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Annotated, Any

import typer

from wa.cli.options import Json, app_of
from wa.cli.people import today
from wa.texts import counted

commands = typer.Typer()

_HINTS = 3
"""The most contacts that are named whose notes tell a birthday."""


@commands.command()
def birthdays(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(metavar="N", min=0, help="Look this many days ahead.")] = 30,
    as_json: Json = False,
) -> None:
    """List the birthdays that come, the next one first.

    Whoever was born on 29 February is listed on the 28th in other years.

    Example: wa contacts birthdays --days 366
    """
    from wa.people.birthdays import offers, upcoming
    from wa.times import day_in_words

    app = app_of(ctx)
    day = today(app)

    def cells(row: Mapping[str, Any]) -> list[object]:
        ahead = {0: "today", 1: "tomorrow"}.get(row["in_days"], f"in {row['in_days']} days")
        return [
            day_in_words(date.fromisoformat(row["date"])),
            ahead,
            row["age"] or "",
            row["name"] + " ★" * row["is_favorite"],
        ]

    adds = '`wa contacts edit NAME --birthday "15 Jan"` adds one'
    empty = f"no birthdays in the next {counted(days, 'day')}; {adds}"
    app.out.table(upcoming(app.store, day, days), ["date", "when", "turns", "name"], cells, empty)
    hints = list(islice(offers(app.store, day), _HINTS + 1))
    for hint in hints[:_HINTS]:
        app.out.note(f"hint: {hint}")
    if len(hints) > _HINTS:
        app.out.note("hint: further notes tell birthdays too; these are the first")
