"""wa schedule.

Modules that only a connection needs are imported where they are used, so that a list is shown at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.options import Draft, Json, To, app_of, recipient
from wa.cli.queue_rows import (
    DryRun,
    Id,
    OfSeries,
    Set,
    Template,
    Words,
    became,
    described,
    kind_mark,
    limits,
    mark,
    rule_words,
    series_row,
    short_id,
    with_series,
    zone_mark,
)
from wa.cli.show import note_what_keeps, when_due, who
from wa.errors import WaError
from wa.queue import attention, compose
from wa.queue import rows as queue
from wa.times import from_iso, parse_duration, to_iso

Every = Annotated[
    str | None,
    typer.Option(metavar="RULE", help='Again and again: "2 weeks", "mon,thu", "last friday", an RRULE …'),
]
Until = Annotated[str | None, typer.Option(metavar="T", help="The end of the series.")]
Repeats = Annotated[int | None, typer.Option("--count", metavar="N", help="The number of its dates.")]
Without = Annotated[
    list[str] | None, typer.Option("--except", metavar="DATE", help="A date to leave out; may be repeated.")
]
commands = typer.Typer()
schedule = typer.Typer(help="Messages to be sent later.")
commands.add_typer(schedule, name="schedule")


@schedule.command()
def add(
    ctx: typer.Context,
    to: To,
    at: Annotated[str, typer.Option(metavar="WHEN", help='"25 dec 10:00", "tomorrow 9am", "in 2 hours" …')],
    text: Annotated[
        str | None, typer.Argument(help="The text; - reads standard input.", show_default=False)
    ] = None,
    every: Every = None,
    until: Until = None,
    count: Repeats = None,
    without: Without = None,
    tz: Annotated[
        str | None, typer.Option(metavar="Z", help="The time zone of WHEN, or contact for the recipient's.")
    ] = None,
    grace: Annotated[
        str | None, typer.Option(metavar="D", help="How late it may still go out: 90s, 15m, 6h …")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", help="A file to send; the text is its caption.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="A message with the same key is never queued twice.")
    ] = None,
    draft: Draft = False,
    template: Template = None,
    set_: Set = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Queue a message for later, or with --every again and again.

    `wa run-scheduler` or `wa listen` sends it. A series begins with the first date of its
    rule that is not before WHEN, and keeps the time of day.

    Example: wa schedule add nadia "Happy birthday!" --at "25 dec 10:00" --every year
    """
    app = app_of(ctx)
    if every is None and (until or count is not None or without):
        raise WaError("usage", "--until, --count and --except are for a series", "give --every too")
    person = recipient(app, to)
    zone = compose.zone_for(app.store, person, tz, app.settings.zone)
    now = app.now()
    words = Words.typed(app, text, template, set_)
    lateness = None if grace is None else parse_duration(grace)
    made_from = app.context.made_from("cli")
    if every is None:
        when = compose.read_at(at, now, zone, of_contact=tz == "contact")
        said = words.said_to(app, person, when.moment.astimezone(when.zone))
        if dry_run:
            return words.preview(app, person, said, when.zone, [to_iso(when.moment)])
        counted = app.context.counting([person.jid], key)
        row = compose.schedule(
            app.store,
            app.settings,
            person,
            said,
            when.moment,
            now,
            zone=when.zone,
            of_contact=tz == "contact",
            grace=lateness,
            file=file,
            key=key,
            draft=app.context.drafts(asked=draft),
            created_from=made_from,
        )
        if remark := when.remark():
            app.out.note(remark)
    else:
        from wa.queue.series import create, table

        timing = create.timing(
            every, at, now, zone, until=until, count=count, without=without or (), of_contact=tz == "contact"
        )
        times = create.times(timing, now)
        said = words.said_to(app, person, times[0].astimezone(timing.zone))
        if dry_run:
            return words.preview(app, person, said, timing.zone, [to_iso(each) for each in times])
        counted = app.context.counting([person.jid], key)
        row = create.schedule(
            app.store,
            app.settings,
            person,
            words.text,
            timing,
            now,
            grace=lateness,
            file=file,
            key=key,
            draft=app.context.drafts(asked=draft),
            template=words.template,
            fields=words.given,
            created_from=made_from,
        )
        for remark in create.remarks(table.get(app.store, row["series_id"]), now):
            app.out.note(remark)
    counted(row)
    app.out.result(*described(app, row, now))
    note_what_keeps(app, row, scheduled=True)
    return None


@schedule.command(name="list")
def list_(
    ctx: typer.Context,
    status: Annotated[
        str | None, typer.Option(metavar="S", help="Only messages with this status, or all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the queue: messages that are not settled yet, or by status.

    Example: wa schedule list --status all
    """
    if status not in (None, "all", *queue.STATUSES):
        raise WaError("usage", f"{status!r} is not a status", f"statuses: {', '.join(queue.STATUSES)}, all")
    app = app_of(ctx)

    def cells(row: Mapping[str, Any]) -> list[object]:
        note = row["error_message"] or row["note"] or ""
        if note.startswith(queue.FIRST_DUE):
            note = queue.FIRST_DUE + app.out.time(from_iso(note.removeprefix(queue.FIRST_DUE)))
        marks = [mark(row), kind_mark(row), row["message"], zone_mark(app, row), note and f"({note})"]
        return [
            short_id(app, row["id"]),
            row["status"],
            app.out.time(from_iso(row["scheduled_at"])),
            who(row),
            "  ".join(filter(None, marks)),
        ]

    found = queue.listing(app.store, status)
    if app.json:
        found = (with_series(app, row) for row in found)
    app.out.table(found, ["id", "status", "when", "to", "text"], cells, "nothing queued")
    if status is not None:
        attention.note_looked(app.store, status, queue.counts(app.store))


@schedule.command()
def show(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Show everything stored about a message, or a series.

    Of a series, it is the newest message, with the next five times.

    Example: wa schedule show a1b2c3
    """
    from wa.queue.series import change, queued, table

    app = app_of(ctx)
    row_id, series_id = change.find(app.store, id)
    if row_id is None:
        row_id = queued.of_date(app.store, str(series_id), table.get(app.store, str(series_id))["current"])
    row = queue.get(app.store, str(row_id))
    public, _ = described(app, row)
    shown = {"to": f"{who(row)} ({row['to_jid']})", "when": when_due(app, row)}
    if row["rrule"]:
        shown["every"] = mark(row) + limits(public["series"])
    hidden = ("to_jid", "to_phone", "contact_name", "scheduled_at", "timezone", "rrule")
    shown.update({name: value for name, value in row.items() if value is not None and name not in hidden})
    shown |= became(app, row)
    if public["next"]:
        shown["next"] = "\n".join(when_due(app, {**row, "scheduled_at": each}) for each in public["next"])
    lines = (f"{name:<15} {str(value).replace(chr(10), chr(10) + ' ' * 16)}" for name, value in shown.items())
    app.out.result(public, "\n".join(lines))


@schedule.command()
def edit(
    ctx: typer.Context,
    id: Id,  # noqa: A002
    text: Annotated[str | None, typer.Option(metavar="T", help="The new text.")] = None,
    at: Annotated[str | None, typer.Option(metavar="WHEN", help="The new time.")] = None,
    tz: Annotated[
        str | None,
        typer.Option(metavar="Z", help="The zone of the time, or contact; without --at, 09:00 stays 09:00."),
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="TO", help="The new recipient.")] = None,
    series: OfSeries = False,
    every: Every = None,
    until: Until = None,
    count: Repeats = None,
    without: Without = None,
    as_json: Json = False,
) -> None:
    """Change a message that is not sent yet, or a series.

    For another recipient, a time in the zone of the one before is shown in your own.
    With --series, or the id of a series, its following dates change: a time of day alone
    keeps the days, and --every is the new rule.

    Example: wa schedule edit a1b2c3 --at "tomorrow 9am"
    """
    from wa.queue.series import change

    app = app_of(ctx)
    row_id, series_id = change.find(app.store, id, series=series)
    person = None if to is None else recipient(app, to)
    now = app.now()
    if series_id is not None:
        row = change.edit(
            app.store,
            app.settings,
            series_id,
            now,
            text=text,
            at=at,
            tz=tz,
            to=person,
            every=every,
            until=until,
            count=count,
            without=without or (),
        )
        app.context.wake_owner()
    elif every or until or count is not None or without:
        raise WaError("usage", "--every, --until, --count and --except are of a series", "give --series")
    else:
        row = compose.edit(app.store, app.settings, str(row_id), now, text=text, at=at, tz=tz, to=person)
        from wa.when import read_when

        if at is not None and (remark := read_when(at, now, compose.zone_of(row, app.settings)).remark()):
            app.out.note(remark)
    app.out.result(*described(app, row, now))


@schedule.command(name="series")
def list_series(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    as_json: Json = False,
) -> None:
    """List the series.

    Example: wa schedule series
    """
    from wa.queue.series import table

    app = app_of(ctx)
    found = (series_row(app, row) for row in table.listing(app.store, ended=every))

    def cells(row: Mapping[str, Any]) -> list[object]:
        following = app.out.time(from_iso(row["next"][0])) if row["next"] else ""
        text = f"↻ {rule_words(row)}  {row['message']}"
        return [short_id(app, row["id"]), row["status"], following, who(row), text]

    app.out.table(found, ["id", "status", "next", "to", "text"], cells, "no series")
