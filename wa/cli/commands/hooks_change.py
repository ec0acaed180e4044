"""wa hooks: removing a hook, letting it rest and go on, trying it."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.errors import WaError
from wa.hooks import deliveries, program, sample, table, webhook
from wa.texts import counted

commands = typer.Typer()
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the hook.")]


@commands.command()
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a hook.

    Example: wa hooks remove bot
    """
    app = app_of(ctx)
    row = table.remove(app.store, name)
    app.out.result(table.public(row), f"removed {name}")


@commands.command()
def pause(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a hook wait; after `resume` it hears of all since.

    Example: wa hooks pause bot
    """
    _set(app_of(ctx), name, "paused")


@commands.command()
def resume(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a hook go on that was paused, or rests.

    Example: wa hooks resume bot
    """
    _set(app_of(ctx), name, "active")


def _set(app: App, name: str, status: str) -> None:
    row = table.get(app.store, name)
    table.change(app.store, row["id"], app.now(), status=status, reason=None)
    row = table.get(app.store, name)
    app.out.result(table.public(row), f"{name} is {row['status']}")


@commands.command()
def retry(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Hand over again what a hook did not take.

    Example: wa hooks retry bot
    """
    app = app_of(ctx)
    row = table.get(app.store, name)
    count = deliveries.retry(app.store, row["id"], app.now())
    app.out.result({"name": name, "retried": count}, f"handed over again: {counted(count, 'event')}")


@commands.command(name="test")
def try_(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Hand a made-up message to a hook; nothing is sent.

    Example: wa hooks test bot
    """
    app = app_of(ctx)
    row = table.get(app.store, name)
    if not (row["exec"] or row["webhook"]):
        raise WaError("usage", f"{name} is a message to yourself: there is nothing to try", None)
    event = sample.message(app.now(), several=bool(row["settle"]))
    if row["exec"]:
        extra = {"WA_HOOK": f"{row['id']}:0", "WA_HOME": str(app.home.path)}
        result = program.run(row["exec"], event, row["timeout"], extra, threading.Event())
    else:
        result = webhook.post(row["webhook"], row["secret"], 0, event, row["timeout"], app.now())
    if result.error:
        raise WaError("send-failed", f"{name} did not take it: {result.error}", None)
    app.out.result(
        {"name": name, "output": result.output},
        f"it would reply: {result.output.strip()}" if result.output.strip() else "it took the event",
    )
