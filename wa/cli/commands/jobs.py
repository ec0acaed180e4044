"""wa jobs. Modules that only a connection or the making of a job needs are imported where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli import job_output
from wa.cli.completion import or_none
from wa.cli.options import Json, app_of
from wa.cli.queue_rows import short_id
from wa.errors import WaError
from wa.times import from_iso

commands = typer.Typer()
jobs = typer.Typer(help="Messages to many people, in one or more parts.")
commands.add_typer(jobs, name="jobs")


def _complete_job(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids for the shell's completion, none in case of an error."""
    from wa.queue.jobs import table

    return or_none(
        ctx, lambda app: [(row["id"], row["title"] or "") for row in table.listing(app.store, None)]
    )


Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="The job's id, or a part of it after _.", autocompletion=_complete_job),
]


@jobs.command(name="list")
def list_(
    ctx: typer.Context,
    status: Annotated[str | None, typer.Option(metavar="S", help="Only jobs with this status.")] = None,
    as_json: Json = False,
) -> None:
    """List the jobs, the newest last.

    Example: wa jobs list
    """
    from wa.queue.jobs import table

    if status not in (None, *table.STATUSES):
        raise WaError("usage", f"{status!r} is not a status", f"statuses: {', '.join(table.STATUSES)}")
    app = app_of(ctx)

    def cells(row: Mapping[str, Any]) -> list[object]:
        start = row["scheduled_start_at"]
        done = f"{row['recipients_sent']} of {len(row['recipients'])}"
        failed = f"{row['recipients_failed']} failed" if row["recipients_failed"] else None
        notes = "; ".join(filter(None, [failed, row["error_message"]]))
        note = f"  ({notes})" if notes else ""
        return [
            short_id(app, row["id"]),
            row["status"],
            app.out.time(from_iso(start)) if start else "",
            done,
            f"{row['title'] or ''}{note}",
        ]

    app.out.table(
        table.listing(app.store, status), ["id", "status", "begins", "sent", "title"], cells, "no jobs"
    )


@jobs.command()
def show(
    ctx: typer.Context,
    id: Id,  # noqa: A002
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show it live.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most this many recipients.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Leave the first N recipients out.")] = 0,
    as_json: Json = False,
) -> None:
    """Show a job: each message, the counts, and when it will be over.

    Example: wa jobs show a1b2c3
    """
    from wa.queue.jobs import table

    app = app_of(ctx)
    job_id = table.find(app.store, id)
    if not watch:
        job_output.show(app, job_id, limit, after)
        return
    if not app.out.on_terminal:
        raise WaError("usage", "--watch needs a terminal", "leave it out, or `wa jobs show ID --json`")
    job_output.watch(app, job_id)


@jobs.command()
def pause(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Stop a job for now.

    Once the command has ended with exit code 0, nothing of it goes out until `resume`.

    Example: wa jobs pause a1b2c3
    """
    from wa.connection import ask

    _changed(ctx, id, ask.pause_job)


@jobs.command()
def resume(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Let a paused job go on where it stopped.

    Example: wa jobs resume a1b2c3
    """
    from wa.cli.show import note_what_keeps
    from wa.queue.jobs import control

    app = app_of(ctx)
    job = _changed(ctx, id, lambda context, job_id: control.resume(context.store, job_id, context.now()))
    app.context.wake_owner()
    if job["status"] in ("pending", "running"):
        note_what_keeps(app, {**job, "status": "pending"}, scheduled=True)
    if job["status"] == "failed":
        app.out.note(
            f"nothing of it is left to send; `wa jobs retry {job['id']}` tries the failed ones again"
        )


@jobs.command()
def cancel(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """End a job; what is not sent yet is not sent.

    Once the command has ended with exit code 0, nothing more of it goes out.

    Example: wa jobs cancel a1b2c3
    """
    from wa.connection import ask

    _changed(ctx, id, ask.cancel_job)


@jobs.command()
def retry(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Try the failed recipients again.

    Each gets the message that failed, and those behind it; what was sent is not
    sent again.

    Example: wa jobs retry a1b2c3
    """
    from wa.queue.jobs import control, table

    app = app_of(ctx)
    job_id = table.find(app.store, id)
    number = control.retry(app.store, job_id, app.now())
    app.context.wake_owner()
    job = table.whole(app.store, job_id)
    again = "recipient is" if number == 1 else "recipients are"
    app.out.result(
        job, f"{number} {again} tried again: {job_output.headline(app, job, len(job['recipients']))}"
    )
    if job["status"] == "paused":
        app.out.note(f"it is paused: `wa jobs resume {job_id}` lets it go on")


def _changed(ctx: typer.Context, word: str, act: Any) -> Mapping[str, Any]:
    """Change a job, and print it."""
    from wa.queue.jobs import table

    app = app_of(ctx)
    job_id = table.find(app.store, word)
    act(app.context, job_id)
    job = table.whole(app.store, job_id)
    app.out.result(job, job_output.headline(app, job, len(job["recipients"])))
    return job
