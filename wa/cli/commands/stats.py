"""wa stats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, MaybeChat, app_of, chat_of
from wa.cli.terminal import hanging
from wa.errors import WaError
from wa.jids import show_jid
from wa.record.figures.exchange import BY, figures
from wa.record.figures.tally import COUNTS
from wa.texts import counted
from wa.times import distance, format_duration, from_iso

commands = typer.Typer()
_ROOM = 66
"""Columns of a terminal that the numbers take, with a name of ten characters."""


@commands.command()
def stats(
    ctx: typer.Context,
    chat: MaybeChat = None,
    days: Annotated[
        int, typer.Option(metavar="N", min=1, max=36_500, help="The last N days, today included.")
    ] = 30,
    by: Annotated[str, typer.Option(metavar="B", help=f"{', '.join(BY[:-1])} or {BY[-1]}.")] = "day",
    as_json: Json = False,
) -> None:
    """Show what was sent, received, read and answered.

    Times and answers are those of chats with one person: a message is answered when
    the other writes after it. What counts as delivered or read in a group was so for
    everybody. Days, hours and weeks are those of WA_TZ.

    Example: wa stats nadia --days 90 --by week
    """
    app = app_of(ctx)
    if by not in BY:
        raise WaError("usage", f"{by!r} is not one of {', '.join(BY)}", "wa stats --by week")
    jid = chat_of(app, chat).jid if chat else None
    found = figures(app.store, app.now(), app.settings.zone, days=days, by=by, chat=jid)
    if app.json:
        app.out.result(found, "")
        return
    for line in _summary(app, found):
        app.out.line(hanging(line, app.out.width if app.out.on_terminal else None))
    most = max((row["sent"] + row["received"] for row in found["rows"]), default=0)
    app.out.table(found["rows"], [by, *COUNTS, "sent + received"], lambda row: _cells(app, by, row, most), "")


def _cells(app: App, by: str, row: Mapping[str, Any], most: int) -> list[object]:
    total = row["sent"] + row["received"]
    room = max(app.out.width - _ROOM, 5)
    bar = "█" * round(room * total / most) if most else ""
    name = (
        show_jid(row[by], row["name"]) if by == "person" else f"{row[by]:02}:00" if by == "hour" else row[by]
    )
    return [name or "(no tag)", *(row[each] for each in COUNTS), bar if app.out.on_terminal else total]


def _summary(app: App, found: Mapping[str, Any]) -> list[str]:
    name = show_jid(found["chat_jid"], found["chat_name"]) if found["chat_jid"] else "all chats"
    counts = [f"{each} {found[each]:,}{_share(found, each)}" for each in COUNTS]
    took = found["median_seconds"]
    usual = [
        f"{what} after {format_duration(timedelta(seconds=took[what]))}"
        for what in took
        if took[what] is not None
    ]
    hours = [f"{each['hour']:02}:00 ({each['messages']:,})" for each in found["busiest_hours"]]
    now = app.now().astimezone(app.settings.zone)
    waits = [
        f"{show_jid(each['chat_jid'], each['name'])} ({distance(from_iso(each['since']), now)})"
        for each in found["waiting"][:5]
    ]
    more = found["waiting_count"] - len(waits)
    scheduled = [f"{count:,} {status}" for status, count in found["scheduled"].items()]
    return [
        f"{name}, {counted(found['days'], 'day')}, {found['timezone']}",
        " · ".join(counts),
        *([f"half of the messages: {', '.join(usual)}"] if usual else []),
        *([f"busiest hours: {', '.join(hours)}"] if hours else []),
        *(
            [f"waiting for your answer: {', '.join(waits)}{f' and {more} more' * bool(more)}"]
            if waits
            else []
        ),
        *([f"scheduled: {', '.join(scheduled)}"] if scheduled else []),
        "",
    ]


def _share(found: Mapping[str, Any], name: str) -> str:
    is_of_sent = name in COUNTS[1:-1] and found["sent"]
    return f" ({100 * found[name] / found['sent']:.0f} %)" if is_of_sent else ""
