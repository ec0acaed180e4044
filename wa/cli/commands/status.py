"""wa status."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.connection.status import Status, status_of
from wa.jids import phone_of_jid
from wa.queue import pacing
from wa.store.locks import describe_holder
from wa.texts import counted, one_line
from wa.times import format_duration, from_iso

commands = typer.Typer()


@commands.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the account, the connection and what waits to be sent.

    Example: wa status
    """
    app = app_of(ctx)
    found = status_of(app.context)
    app.out.result(found.values, "\n".join(f"{name:<13} {text}" for name, text in _lines(app, found)))


def _lines(app: App, found: Status) -> list[tuple[str, str]]:
    values = found.values
    account, sending = values["account"], values["sending"]
    name = "not linked"
    if account:
        name = f"{account['push_name'] or ''} +{phone_of_jid(account['jid'])}".strip()
    if app.settings.transport == "loopback":
        name += " (loopback: nothing leaves this machine)"
    if values["sending_note"]:
        sending += f": {values['sending_note']}"
    lines = [
        ("account", name),
        ("connection", _line_text(app, found)),
        ("sending", sending),
        ("queue", ", ".join(f"{count} {each}" for each, count in sorted(values["queue"].items())) or "empty"),
        ("last message", _moment_text(app, found, "last_message_at") or "none yet"),
        ("last backup", _backup_text(app, found)),
    ]
    return lines + list(_troubles(found))


def _troubles(found: Status) -> Iterator[tuple[str, str]]:
    """Yield what wants the user, and what to do about it."""
    values = found.values
    if number := values["overdue"]:
        text = f"{counted(number, 'message')} should have gone out by now"
        yield "overdue", f"{text}: {'; '.join(found.overdue)}" if found.overdue else text
    for status, number in values["unseen"].items():
        yield status, f"{number} not sent; `wa schedule list --status {status}` shows them"
    if values["renumbered"]:
        yield (
            "held",
            f"{values['renumbered']} for a number that is no longer the contact's;"
            + (" `wa schedule list --status held` shows them"),
        )
    if values["queue"].get("unknown"):
        yield "unknown", "`wa schedule list --status unknown` shows what may have been sent"
    if number := values["unknown_changes"]:
        yield "changes", f"{number} may have been done, or not: look at the phone before you do it again"
    for job in values["paused_jobs"]:
        title, job_id = one_line(job["title"]), job["id"]
        yield "job", f"{title} is paused: {job['error_message']}; `wa jobs resume {job_id}` lets it go on"
    for hook in values["resting_hooks"]:
        yield (
            "hook",
            f"{hook['name']} rests: {hook['reason']}; `wa hooks resume {hook['name']}` lets it go on",
        )
    if values["spool"]:
        note = f", {len(found.stuck)} of them cannot be read: {found.stuck[0]}" if found.stuck else ""
        yield "spool", f"{counted(values['spool'], 'event', 'wait')} to be recorded{note}"


def _line_text(app: App, found: Status) -> str:
    line, since = found.line, _moment_text(app, found, "connection_since")
    what = f"{line.state} since {since}" if since else line.state
    if line.owner is None:
        what = f"nobody since {since}" if since else "nobody"
    if line.reason:
        what += f": {line.reason}"
    if line.owner is None or line.is_silent:
        return what
    owner = found.values["owner"]
    if not owner["command"]:
        return "another program"
    began = f" since {app.out.time(from_iso(owner['since']))}" if owner["since"] else ""
    note = "; it does not send scheduled messages" if line.owner.get("sends") == "unscheduled" else ""
    return f"{what} ({describe_holder(owner)}{began}{note})"


def _moment_text(app: App, found: Status, name: str) -> str:
    """Return a moment of the status as text, "" for none."""
    if found.values[name] is None:
        return ""
    note = " (in the future: the clock is or was wrong)" if name in found.values["in_the_future"] else ""
    return app.out.time(from_iso(found.values[name])) + note


def _backup_text(app: App, found: Status) -> str:
    at, waiting = found.backup_at, found.waiting
    text = _moment_text(app, found, "last_backup_at") or "none yet; `wa backup` makes one"
    if at and at <= app.now():
        text += f" ({format_duration(pacing.whole(app.now() - at))} ago)"
        if found.backup_ahead:
            text += f"; one is dated {app.out.time(found.backup_ahead)}, in the future"
    if waiting:
        text += f", {waiting} {'waits' if waiting == 1 else 'wait'} for upload"
    return text + (f"; the last run failed: {found.trouble}" if found.trouble else "")
