"""schedule cancel|hold|unhold|approve|retry|resolve: further commands of the group `schedule`.

Modules that only a connection needs are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from wa.cli.options import Json, Wait, app_of
from wa.cli.queue_rows import Id, Ids, OfSeries, change_each, with_series
from wa.cli.show import note_what_keeps, when_due, who
from wa.errors import WaError
from wa.queue import rows as queue
from wa.queue import states
from wa.times import from_iso

commands = typer.Typer()


@commands.command()
def cancel(ctx: typer.Context, ids: Ids, series: OfSeries = False, as_json: Json = False) -> None:
    """Cancel messages that are not sent yet, or whole series.

    Once the command has ended with exit code 0, they do not go out. If one of
    several cannot be cancelled, the others are, and the command ends with an error.
    A message of a series is one date of it: the series goes on, unless --series or
    the id of the series is given.

    Example: wa schedule cancel a1b2c3
    """
    from wa.queue.series import change

    app = app_of(ctx)

    def note(row: Mapping[str, Any]) -> None:
        shown = with_series(app, row) if row["series_id"] else {"next": []}
        if shown["next"]:
            following = when_due(app, {**row, "scheduled_at": shown["next"][0]})
            app.out.note(f"its series goes on: {following}; `wa schedule cancel {row['series_id']}` ends it")

    change_each(app, ids, states.cancel, "cancelled", note, of_series=change.cancel, series=series)


@commands.command()
def hold(ctx: typer.Context, ids: Ids, series: OfSeries = False, as_json: Json = False) -> None:
    """Keep pending messages from going out, until `unhold`.

    The dates of a held series pass, and are missed.

    Example: wa schedule hold a1b2c3
    """
    from wa.queue.series import change

    change_each(app_of(ctx), ids, states.hold, "held", of_series=change.hold, series=series)


@commands.command()
def unhold(ctx: typer.Context, ids: Ids, series: OfSeries = False, as_json: Json = False) -> None:
    """Let held messages go out again, at their time.

    Example: wa schedule unhold a1b2c3
    """
    from wa.queue.series import change

    app = app_of(ctx)

    def note(row: Mapping[str, Any]) -> None:
        if row["expires_at"] and from_iso(row["expires_at"]) < app.now():
            app.out.note(f"its grace has ended: {row['id']} will be missed, unless `edit --at` moves it")
        note_what_keeps(app, row, scheduled=True)

    change_each(app, ids, states.unhold, "released", note, of_series=change.unhold, series=series)


@commands.command()
def approve(
    ctx: typer.Context,
    ids: Ids,
    now: Annotated[bool, typer.Option("--now", help="Send it now, whatever its time was.")] = False,
    as_json: Json = False,
) -> None:
    """Let drafts go out at their time.

    A draft of `wa send` has no time of its own, and goes out at once.

    Example: wa schedule approve a1b2c3
    """
    app = app_of(ctx)
    change_each(
        app,
        ids,
        partial(states.approve, at_once=now),
        "approved",
        lambda row: note_what_keeps(app, row, scheduled=from_iso(row["scheduled_at"]) > app.now()),
    )


NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once.")]


@commands.command()
def retry(
    ctx: typer.Context,
    id: Id,  # noqa: A002
    force: Annotated[bool, typer.Option("--force", help="Even if it may have been sent already.")] = False,
    wait: Wait = 90,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Send a failed or missed message again, now.

    Example: wa schedule retry a1b2c3
    """
    from wa.connection import deliver

    app = app_of(ctx)
    row_id = queue.find(app.store, id)

    def tell(row: Mapping[str, Any], was_sent: bool) -> None:
        app.out.success(with_series(app, row), f"{row['status']}: {row['id']} for {who(row)}")
        note_what_keeps(app, row, scheduled=False)

    deliver.retry(app.context, row_id, force=force, wait=None if no_wait else wait, tell=tell)


@commands.command()
def resolve(
    ctx: typer.Context,
    id: Id,  # noqa: A002
    outcome: Annotated[
        str, typer.Argument(metavar="sent|failed", help="Whether the message is in the chat.")
    ],
    as_json: Json = False,
) -> None:
    """Settle an `unknown` message, after looking at the chat.

    Example: wa schedule resolve a1b2c3 sent
    """
    if outcome not in ("sent", "failed"):
        raise WaError(
            "usage", f"the outcome is sent or failed, not {outcome!r}", "look at the chat on your phone"
        )
    from wa.queue import outcomes

    app = app_of(ctx)
    row = outcomes.resolve(app.store, queue.find(app.store, id), outcome, app.now())
    app.out.result(with_series(app, row), f"{row['status']}: {row['id']} for {who(row)}")
