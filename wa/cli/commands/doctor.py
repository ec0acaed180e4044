"""wa doctor."""

from __future__ import annotations

import typer

from wa.cli.options import Json, app_of
from wa.cli.terminal import INDENT, hanging
from wa.errors import WaError

commands = typer.Typer()
_INDENT = " " * 17
"""Before the further lines of a check, which stand below its words."""


@commands.command()
def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check what wa needs, and say what to do about each problem.

    Example: wa doctor
    """
    from wa.connection import doctor as diagnosis

    app = app_of(ctx)
    checks = diagnosis.examine(app)
    if app.json:
        app.out.table(checks, [], lambda row: [], "")
    width = app.out.width if app.out.on_terminal else None
    for each in checks:
        line = f"{'ok ' if each['ok'] else 'NO '} {each['name']:<12} {each['message']}"
        app.out.line(hanging(line, width, _INDENT))
        if each["hint"]:
            hint = hanging(f"hint: {each['hint']}", width and width - len(INDENT), _INDENT)
            app.out.line(f"{INDENT}{hint}")
    failed = [each for each in checks if not each["ok"]]
    if failed:
        raise typer.Exit(WaError(failed[0]["code"], "").exit_status)
