"""jobs add: a further command of the group `jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from wa.cli import job_output
from wa.cli.context import App
from wa.cli.options import Draft, Json, app_of, finite, read_text
from wa.errors import WaError
from wa.times import parse_duration
from wa.when import parse_when

commands = typer.Typer()

_ORDER = "parts of the job in order"


class InOrder(TyperCommand):
    """A command that keeps the order of its options: a delay and a file belong to the part before them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and keep the names of the options in the order in which they stand."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_ORDER] = [each.name for each in order]
        return super().parse_args(ctx, args)


@commands.command(cls=InOrder)
def add(
    ctx: typer.Context,
    title: Annotated[str | None, typer.Option(metavar="T", help="The title; else the first text.")] = None,
    to: Annotated[list[str] | None, typer.Option(metavar="R", help="A recipient; may be repeated.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="G", help="All contacts with this tag; may be repeated.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Recipients in the column `to`; the others are fields."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="JOB", help="A job in the form of wa.js (JSON).")
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A message; repeat it for further parts.")
    ] = None,
    delay: Annotated[
        list[str] | None, typer.Option(metavar="D", help="How long to wait after the part before it.")
    ] = None,
    part_file: Annotated[
        list[Path] | None,
        typer.Option(metavar="F", help="A file; the part before it is its caption, if that has none."),
    ] = None,
    template: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A message from a template; see `wa template`.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="A field for all recipients.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="WHEN", help="When it begins; else now.")] = None,
    gap: Annotated[str | None, typer.Option(metavar="D", help="Between two recipients (30s).")] = None,
    grace: Annotated[
        str | None, typer.Option(metavar="D", help="It pauses when nothing could be sent for longer.")
    ] = None,
    max_retries: Annotated[
        int | None, typer.Option(min=0, max=100, metavar="N", help="Further tries of a message (3).")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="A job with the same key is never made twice.")
    ] = None,
    draft: Draft = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show who gets what when; make nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send one or more messages to many people.

    One person after the other gets all parts, in order. {name}, {first}, {alias},
    {phone}, {date}, {time}, {weekday} and {age} in a text are fields, and so are
    the columns of a CSV file and what --set gives; {{ and }} are braces.
    Everything is checked before anything is stored.

    Example: wa jobs add --to nadia --to zoe --part "Hi {first}!" --delay 5s --part "Come on Friday?"
    """
    from wa.queue.jobs import csv_file, old_file, people, plan, sources
    from wa.queue.templates import fields

    app = app_of(ctx)
    if sum(map(bool, (to, tag, csv, file))) != 1:
        raise WaError("usage", "recipients come from --to, --tag, --csv or --file", "give one of them")
    settings, now = app.settings, app.now()
    old = old_file.read_old_job(file, now, settings.zone, with_start=at is None) if file else None
    parts = _parts(app, ctx.meta[_ORDER], part or [], template or [], delay or [], part_file or [])
    if old and parts:
        raise WaError("usage", "the parts are in the file", "leave --part out, or use --csv or --to")
    if not old and not parts:
        raise WaError("usage", "there is nothing to send", "--part TEXT or --template gives a message")
    if old:
        given, parts = list(old.recipients), old.parts
    elif csv:
        given = list(csv_file.read_csv(csv)[1])
    else:
        given = list(people.tagged(app.store, tag)) if tag else [sources.Given(word) for word in to or []]
    wish = people.Wish(
        title or (old.title if old else None),
        parts,
        parse_when(at, now, settings.zone) if at is not None else old.start if old else None,
        settings.zone,
        _first(None if gap is None else _span(gap), old.gap if old else None, plan.GAP),
        settings.grace if grace is None else parse_duration(grace),
        int(_first(max_retries, old.max_retries if old else None, plan.MAX_RETRIES)),
        key,
        draft,
        fields.typed(set_ or []),
    )
    job_output.make(app, wish, given, dry_run=dry_run)


def _first(*values: float | None) -> float:
    """Return the first of several values that is given."""
    return next(value for value in values if value is not None)


def _span(text: str) -> float:
    """Return a length of time in seconds; `0` is one too."""
    return 0.0 if text.strip() in ("0", "0s") else finite(parse_duration(text).total_seconds())


def _parts(
    app: App, order: list[str], texts: list[str], names: list[str], delays: list[str], files: list[Path]
) -> list[Any]:
    """Return the parts, with the delays and files that stand behind each on the command line."""
    from wa.queue import checks
    from wa.queue.jobs.sources import Part
    from wa.queue.templates import table as templates

    parts: list[Part] = []
    next_text, next_name, next_delay, next_file = iter(texts), iter(names), iter(delays), iter(files)
    for name in order:
        if name == "part":
            text = read_text(next(next_text))
            checks.check_text(text)
            parts.append(Part(text))
        elif name == "template":
            parts.append(Part(templates.get(app.store, next(next_name))["text"]))
        elif name == "part_file":
            file = next(next_file)
            _check_file(file)
            before = parts.pop() if parts and parts[-1].file is None and parts[-1].delay is None else Part("")
            parts.append(Part(before.text, None, file))
        elif name == "delay":
            if not parts or parts[-1].delay is not None:
                raise WaError(
                    "usage", "a --delay stands behind the part that it follows", "wa jobs add --help"
                )
            last = parts.pop()
            parts.append(Part(last.text, _span(next(next_delay)), last.file))
    return parts


def _check_file(path: Path) -> None:
    from wa.media import outgoing

    outgoing.check_sendable(path)
