"""schedule birthdays: a further command of the group `schedule`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.completion import complete_template
from wa.cli.options import Draft, Json, app_of
from wa.cli.show import note_what_keeps
from wa.times import from_iso

commands = typer.Typer()


@commands.command()
def birthdays(
    ctx: typer.Context,
    template: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The template of the text: `wa template`.",
            autocompletion=complete_template,
        ),
    ],
    at: Annotated[str, typer.Option(metavar="TIME", help="The time of day, in the person's zone.")] = "09:00",
    tag: Annotated[str | None, typer.Option(metavar="G", help="Only contacts with this tag.")] = None,
    draft: Draft = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who gets what when, and store nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a yearly series for each contact with a birthday.

    Run it again after an import: it adds what is new and follows corrected birthdays; who
    has a series gets no second one. 29 February is greeted on the 28th in other years.

    Example: wa schedule birthdays --template birthday --dry-run
    """
    from wa.queue import birthdays as series

    app = app_of(ctx)
    rows = series.schedule(
        app.store, app.settings, template, at, app.now(), tag=tag, draft=draft, dry_run=dry_run
    )

    def cells(row: Mapping[str, Any]) -> list[object]:
        when = app.out.time(from_iso(row["scheduled_at"])) if row["scheduled_at"] else ""
        return [row["what"], when, row["name"], row["text"] or row["note"] or ""]

    empty = 'nobody has a birthday; `wa contacts edit NAME --birthday "15 Jan"` adds one'
    app.out.table(rows, ["what", "when", "name", "text"], cells, empty)
    if rows:
        counts = Counter(row["what"] for row in rows)
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        app.out.note(told + (" (nothing was stored)" if dry_run else ""))
        if counts["added"] and not dry_run:
            note_what_keeps(app, {"status": "draft" if draft else "pending"}, scheduled=True)
