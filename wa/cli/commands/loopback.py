"""loopback say|delivered|changes|fault|reset: the people and the faults of the stand-in for WhatsApp."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of, recipient
from wa.errors import WaError
from wa.jids import parse_address, show_jid
from wa.times import from_iso
from wa.whatsapp.loopback.faults import FAULTS
from wa.whatsapp.loopback.lines import ACCOUNT, read_lines
from wa.whatsapp.loopback.server import Loopback

commands = typer.Typer()
loopback = typer.Typer(help="The stand-in for WhatsApp: people, server and faults.")
commands.add_typer(loopback, name="loopback")


def _server(ctx: typer.Context) -> tuple[App, Loopback]:
    app = app_of(ctx)
    if app.settings.transport != "loopback":
        raise WaError("bad-setting", "this home is not on loopback", "set WA_TRANSPORT=loopback")
    return app, Loopback(app.home, read_only=app.read_only)


@loopback.command()
def say(
    ctx: typer.Context,
    sender: Annotated[
        str,
        typer.Argument(
            metavar="FROM", help="The sender: a name, a number, a JID, or me; - reads JSON Lines."
        ),
    ],
    text: Annotated[str | None, typer.Argument(help="The text.")] = None,
    group: Annotated[str | None, typer.Option(metavar="G", help="The group it is written in.")] = None,
    id: Annotated[str | None, typer.Option(metavar="I", help="The message's id.")] = None,  # noqa: A002
    name: Annotated[str | None, typer.Option(metavar="N", help="The sender's name for themselves.")] = None,
    as_json: Json = False,
) -> None:
    """Let somebody write to you.

    The message waits at the stand-in until a command connects.

    Example: wa loopback say 447700900123 "Are you there?" --name Nadia
    """
    app, server = _server(ctx)
    if sender == "-":
        lines = [_address(app, line) for line in read_lines(sys.stdin.buffer)]
    else:
        if text is None:
            raise WaError("usage", "there is no text", 'wa loopback say 447700900123 "Hello"')
        lines = [_address(app, {"from": sender, "text": text, "group": group, "id": id, "name": name})]
    ids = server.say(lines, app.now())
    app.out.result({"message_ids": ids}, "\n".join(ids))


def _address(app: App, line: dict[str, Any]) -> dict[str, Any]:
    named = {key: str(line[key]) for key in ("from", "to") if line.get(key)}
    return {**line, **{key: _jid(app, name) for key, name in named.items()}}


def _jid(app: App, name: str) -> str:
    return ACCOUNT.jid if name == "me" else parse_address(name) or recipient(app, name).jid


@loopback.command()
def delivered(ctx: typer.Context, as_json: Json = False) -> None:
    """List the messages that were accepted for delivery, in order.

    Example: wa loopback delivered --json
    """
    app, server = _server(ctx)
    app.out.table(
        server.delivered(),
        ["time", "to", "text"],
        lambda row: [app.out.time(from_iso(row["at"])), show_jid(row["to_jid"]), row["content"]],
        "nothing was delivered yet",
    )


@loopback.command()
def changes(ctx: typer.Context, as_json: Json = False) -> None:
    """List the reactions, edits and deletions that were accepted.

    Example: wa loopback changes --json
    """
    app, server = _server(ctx)
    app.out.table(
        server.changes(),
        ["time", "chat", "what", "message", "text"],
        lambda row: [
            app.out.time(from_iso(row["at"])),
            show_jid(row["chat_jid"]),
            row["kind"],
            row["about"],
            row["content"],
        ],
        "nothing was changed yet",
    )


@loopback.command()
def fault(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help=", ".join(FAULTS) + ".")],
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="on, off, or a value such as 3 (seconds).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make something go wrong, at once and for all processes.

    Example: wa loopback fault ack-delay 3
    """
    app, server = _server(ctx)
    server.set_fault(name, value)
    _show_faults(app, server)


@loopback.command()
def reset(ctx: typer.Context, as_json: Json = False) -> None:
    """Clear all faults. The lists of what was accepted stay.

    Example: wa loopback reset
    """
    app, server = _server(ctx)
    server.reset()
    _show_faults(app, server)


def _show_faults(app: App, server: Loopback) -> None:
    faults = server.faults()
    app.out.result(
        {"faults": faults}, ", ".join(f"{name} {value}" for name, value in faults.items()) or "no faults"
    )
