"""wa run-scheduler."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from wa.cli.context import App
from wa.cli.options import app_of
from wa.cli.show import who
from wa.errors import ExitStatus
from wa.queue import rows as queue
from wa.store.database import Row
from wa.times import from_iso

if TYPE_CHECKING:
    from wa.connection.hold import Watch
    from wa.connection.owner import Owner

commands = typer.Typer()


@commands.command()
def run_scheduler(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Send what is due now, and end (for cron).")] = False,
) -> None:
    """Send scheduled messages when they are due, for ever.

    Let systemd or PM2 keep it running, or let cron start it with --once. While
    another process holds the connection, it stands by, and takes over when that
    process ends.

    Example: wa run-scheduler --once
    """
    from wa.connection import hold
    from wa.connection.deliver import send_due
    from wa.queue.send import Scope

    app = app_of(ctx)
    if not once:
        hold.serve(
            app.serving, "run-scheduler", Scope.ALL, lambda owner: False, _report(app), hold.STANDBY_SECONDS
        )
        return
    app.require_home()
    rows = send_due(app.context)
    outcomes = [row["status"] for row in rows]
    for row in rows:
        app.out.note(_logged(app, from_iso(row["updated_at"]), row))
    if outcomes:  # without outcomes print nothing: cron sends a mail for any output
        app.out.note(", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes))))
    if "unknown" in outcomes:
        raise typer.Exit(ExitStatus.UNKNOWN)
    if "failed" in outcomes or "missed" in outcomes:
        raise typer.Exit(ExitStatus.NOT_SENT)


def _logged(app: App, at: datetime, row: Row) -> str:
    """Return a line of the log: time, id, outcome, recipient, and what went wrong."""
    why = f": {row['error_message']}" if row["error_message"] else ""
    return f"{app.out.time(at, seconds=True)} {row['id']} {row['status']} ({who(row)}){why}"


def _report(app: App) -> Watch[None]:
    from wa.connection.hold import describe_owner

    last_state: str | None = None

    def tick(owner: Owner | None) -> None:
        nonlocal last_state
        state = describe_owner(owner)
        if state is not None and state != last_state:
            last_state = state
            app.out.note(f"{app.out.time(app.now(), seconds=True)} {state}")
        while owner is not None and owner.settled:
            row = queue.get(app.store, owner.settled.popleft())
            app.out.note(_logged(app, app.now(), row))

    return tick
