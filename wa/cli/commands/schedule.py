"""schedule add|list|show|edit|cancel|retry|resolve, run-scheduler.

What only a connection needs is imported where it is used: a list is shown at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import (
    Json,
    To,
    Wait,
    app_of,
    grace_of,
    kept_files,
    parts_of,
    read_text,
    recipient,
    when_due,
    who,
    zone_for,
)
from wa.errors import ExitStatus, WaError
from wa.queue import rows as queue
from wa.times import from_iso, load_zone, parse_when, to_iso

if TYPE_CHECKING:
    from wa.connection.hold import Watch
    from wa.connection.owner import Owner

app = typer.Typer()
schedule = typer.Typer(help="Messages to be sent later.")
app.add_typer(schedule, name="schedule")


def _complete_id(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids for the shell's completion; none rather than an error."""
    try:
        own = ctx.find_object(App) or App()
        rows = queue.recent(own.store, 200)
        return [(row["id"], f"{who(row)}: {row['message'][:30]}") for row in rows]
    except Exception:  # noqa: BLE001
        return []


Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id, its beginning, or the part after _.", autocompletion=_complete_id
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once.")]


@schedule.command()
def add(
    ctx: typer.Context,
    to: To,
    text: Annotated[str, typer.Argument(help="The text; - reads standard input.")],
    at: Annotated[str, typer.Option(metavar="WHEN", help='"25 dec 10:00", "tomorrow 9am", "in 2 hours" …')],
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
    as_json: Json = False,
) -> None:
    """Queue a message for later. `wa run-scheduler` or `wa listen` sends it.

    Example: wa schedule add nadia "Happy birthday!" --at "25 dec 10:00"
    """
    own = app_of(ctx)
    person = recipient(own, to)
    zone = zone_for(own, person, tz)
    now = own.now()
    moment = parse_when(at, now, zone)
    said, kept = read_text(text), kept_files(own, [file] if file else None, key)
    if said and len(parts_of(said, kept)) > 1:
        raise WaError(
            "usage", "a sound has no place for words", 'schedule them by themselves, and it with ""'
        )
    own.context.bind()
    row = queue.enqueue(
        own.store,
        person,
        said,
        moment,
        now,
        grace=grace_of(own, grace),
        zone=str(zone),
        key=key,
        file=kept[0] if kept else None,
    )
    own.context.wake_owner()
    own.out.result(row, f"{row['id']}  {who(row)}  {when_due(own, row)}")


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
    own = app_of(ctx)

    def cells(row: Mapping[str, Any]) -> list[object]:
        note = row["error_message"] or row["note"] or ""
        return [
            row["id"],
            row["status"],
            own.out.time(from_iso(row["scheduled_at"])),
            who(row),
            row["message"] + (f"  ({note})" if note else ""),
        ]

    own.out.table(
        queue.listing(own.store, status), ["id", "status", "when", "to", "text"], cells, "nothing queued"
    )


@schedule.command()
def show(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Show everything stored about a queued message.

    Example: wa schedule show a1b2c3
    """
    own = app_of(ctx)
    row = queue.get(own.store, queue.find(own.store, id))
    _print(own, row)


def _print(own: App, row: Mapping[str, Any]) -> None:
    shown = {"to": f"{who(row)} ({row['to_jid']})", "when": when_due(own, row)}
    hidden = ("to_jid", "to_phone", "contact_name", "scheduled_at", "timezone")
    shown.update({name: value for name, value in row.items() if value is not None and name not in hidden})
    lines = (f"{name:<15} {str(value).replace(chr(10), chr(10) + ' ' * 16)}" for name, value in shown.items())
    own.out.result(row, "\n".join(lines))


@schedule.command()
def edit(
    ctx: typer.Context,
    id: Id,  # noqa: A002
    text: Annotated[str | None, typer.Option(metavar="T", help="The new text.")] = None,
    at: Annotated[str | None, typer.Option(metavar="WHEN", help="The new time.")] = None,
    to: Annotated[str | None, typer.Option(metavar="TO", help="The new recipient.")] = None,
    as_json: Json = False,
) -> None:
    """Change the text, the time or the recipient of a pending message.

    Example: wa schedule edit a1b2c3 --at "tomorrow 9am"
    """
    own = app_of(ctx)
    row = queue.get(own.store, queue.find(own.store, id))
    changes: dict[str, Any] = {}
    if text is not None:
        queue.check_text(text)
        changes["message"] = text
    if at is not None:
        zone = load_zone(row["timezone"]) if row["timezone"] else own.settings.zone
        changes.update(queue.new_time(row, parse_when(at, own.now(), zone), own.settings.grace))
    if to is not None:
        person = recipient(own, to)
        changes.update(to_jid=person.jid, to_phone=person.phone, contact_name=person.name)
    if not changes:
        raise WaError("usage", "there is nothing to change", "give --text, --at or --to")
    row = queue.edit(own.store, row["id"], own.now(), changes)
    own.context.wake_owner()
    own.out.result(row, f"{row['id']}  {who(row)}  {when_due(own, row)}")


@schedule.command()
def cancel(ctx: typer.Context, id: Id, as_json: Json = False) -> None:  # noqa: A002
    """Cancel a pending message.

    Once the command has ended with exit code 0, the message does not go out.

    Example: wa schedule cancel a1b2c3
    """
    own = app_of(ctx)
    row = queue.cancel(own.store, queue.find(own.store, id), own.now())
    own.out.result(row, f"cancelled {row['id']} for {who(row)}")


@schedule.command()
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
    own = app_of(ctx)
    now = own.now()
    row = queue.retry(
        own.store,
        queue.find(own.store, id),
        now,
        force=force,
        grace=own.settings.grace,
    )
    own.context.wake_owner()
    if not no_wait:
        from wa.connection.deliver import deliver

        row = deliver(own.context, row["id"], wait)
    own.out.success(row, f"{row['status']}: {row['id']} for {who(row)}")


@schedule.command()
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
    from wa.queue import send as outbox

    own = app_of(ctx)
    row = outbox.resolve(own.store, queue.find(own.store, id), outcome, own.now())
    own.out.result(row, f"{row['status']}: {row['id']} for {who(row)}")


@app.command()
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

    own = app_of(ctx)
    if not once:
        hold.serve(
            own.context,
            "run-scheduler",
            Scope.ALL,
            lambda owner: False,
            _report(own),
            hold.STANDBY_SECONDS,
        )
        return
    outcomes = send_due(own.context)
    if outcomes:  # cron sends a mail about whatever is said
        own.out.note(", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes))))
    if "unknown" in outcomes:
        raise typer.Exit(ExitStatus.UNKNOWN)
    if "failed" in outcomes:
        raise typer.Exit(ExitStatus.NOT_SENT)


def _report(own: App) -> Watch[None]:
    from wa.connection.hold import describe_owner

    said: list[str] = []

    def tick(owner: Owner | None) -> None:
        state = describe_owner(owner)
        if state is not None and said[-1:] != [state]:
            said[:] = [state]
            own.out.note(f"{to_iso(own.now())} {state}")
        while owner is not None and owner.settled:
            row = queue.get(own.store, owner.settled.popleft())
            why = f": {row['error_message']}" if row["error_message"] else ""
            own.out.note(f"{to_iso(own.now())} {row['id']} {row['status']} ({who(row)}){why}")

    return tick
