"""wa status."""

from __future__ import annotations

from typing import Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.connection.status import Status, status_of
from wa.jids import phone_of_jid
from wa.queue import pacing
from wa.store.locks import describe_holder
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
    account, last, sending = values["account"], values["last_message_at"], values["sending"]
    name = "not linked"
    if account:
        name = f"{account['push_name'] or ''} +{phone_of_jid(account['jid'])}".strip()
    if app.settings.transport == "loopback":
        name += " (loopback: nothing leaves this machine)"
    if values["sending_note"]:
        sending += f": {values['sending_note']}"
    lines = [
        ("account", name),
        ("connection", _holder_text(app, values["owner"])),
        ("sending", sending),
        ("queue", ", ".join(f"{count} {each}" for each, count in sorted(values["queue"].items())) or "empty"),
        ("last message", app.out.time(from_iso(last)) if last else "none yet"),
        ("last backup", _backup_text(app, found)),
    ]
    if values["queue"].get("unknown"):
        lines.append(("unknown", "`wa schedule list --status unknown` shows what may have been sent"))
    if values["spool"]:
        note = f", {len(found.stuck)} of them cannot be read: {found.stuck[0]}" if found.stuck else ""
        lines.append(("spool", f"{values['spool']} events wait to be recorded{note}"))
    return lines


def _holder_text(app: App, owner: dict[str, Any] | None) -> str:
    if owner is None:
        return "nobody"
    if not owner["command"]:
        return "another program"
    since = app.out.time(from_iso(owner["since"])) if owner["since"] else "just now"
    return f"{describe_holder(owner)} since {since}"


def _backup_text(app: App, found: Status) -> str:
    at, waiting = found.backup_at, found.waiting
    text = "none yet; `wa backup` makes one"
    if at:
        text = f"{app.out.time(at)} ({format_duration(pacing.whole(app.now() - at))} ago)"
    if waiting:
        text += f", {waiting} {'waits' if waiting == 1 else 'wait'} for upload"
    return text + (f"; the last run failed: {found.trouble}" if found.trouble else "")
