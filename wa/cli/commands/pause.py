"""wa pause and resume."""

from __future__ import annotations

import typer

from wa.cli.options import Json, app_of
from wa.queue import pacing

commands = typer.Typer()


@commands.command()
def pause(ctx: typer.Context, as_json: Json = False) -> None:
    """Stop all sending. The queue stays, and messages are still received.

    Once the command has ended with exit code 0, nothing goes out until `wa resume`.

    Example: wa pause
    """
    from wa.connection import ask

    app = app_of(ctx)
    ask.pause(app.context)
    app.out.result({"sending": "paused"}, "paused: nothing is sent until `wa resume`")


@commands.command()
def resume(ctx: typer.Context, as_json: Json = False) -> None:
    """Start sending again, and trust the computer's clock.

    Example: wa resume
    """
    from wa.connection import ask

    app = app_of(ctx)
    block = ask.resume(app.context)
    note = f", but not yet: {block.text}" if block and block.text else ""
    app.out.result({"sending": pacing.word(block)}, f"sending goes on{note}")
