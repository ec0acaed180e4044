"""wa mcp."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from wa.cli.options import app_of
from wa.connection.programs.agents import Allowed, contacts_named
from wa.errors import WaError

commands = typer.Typer()
_WHAT = ("send", "schedule")


@commands.command()
def mcp(
    ctx: typer.Context,
    allow: Annotated[
        list[str],
        typer.Option(metavar="WHAT", help="Needs no approval: send, schedule, or both with a comma."),
    ] = [],  # noqa: B006
    to: Annotated[
        list[str], typer.Option(metavar="WHO", help="Only to this contact, of all; may be given again.")
    ] = [],  # noqa: B006
) -> None:
    """Let an agent look and propose messages, over MCP.

    It needs the extra `mcp`. A client starts it, and stops it by closing its stdin. What an
    agent sends or schedules is a draft until you approve it with `wa schedule approve`. With
    `--allow`, up to 20 messages an hour to contacts need no approval.

    Example: wa mcp --allow send --to nadia
    """
    app = app_of(ctx)
    if find_spec("mcp") is None:
        message = "wa mcp needs the extra `mcp`: mcp is not installed"
        raise WaError("usage", message, f"in the checkout of wa: {sys.executable} -m pip install '.[mcp]'")
    words = [word.strip() for each in allow for word in each.split(",")]
    if wrong := [word for word in words if word not in _WHAT]:
        raise WaError("usage", f"--allow {wrong[0]!r} is not known", f"--allow {' or '.join(_WHAT)}")
    if to and not words:
        raise WaError("usage", "--to narrows --allow, which is missing", "wa mcp --allow send --to NAME")
    only = contacts_named(app.context, to) if to else None
    hook = app.context.hook
    app.store.close()  # it is made or upgraded now, or says why not, before anything answers
    from wa.mcp.server import run

    if sys.stdin.isatty():
        app.out.note("waiting for an agent on stdin; docs/mcp.md tells how a client starts this command")
    run(app.home, app.settings, app.now, Allowed("send" in words, "schedule" in words, only), hook)
