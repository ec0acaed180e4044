"""The commands and their help texts, for `docs/commands.md` and the tests of the docs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from wa.cli.context import App
from wa.cli.main import root

# The commands of `wa loopback` are shown on loopback only; this module uses no home.
_APP = App(environ={"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"})
_WIDTH = 80


def commands() -> Iterator[Any]:
    """Yield the context of every command and group, the root first, each group before its commands."""
    yield from _walk("wa", typer.main.get_command(root), None)


def _walk(name: str, command: Any, parent: Any) -> Iterator[Any]:
    ctx = command.context_class(
        command,
        info_name=name,
        parent=parent,
        obj=_APP,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        **command.context_settings,
    )
    yield ctx
    if is_group(ctx):
        for each in command.list_commands(ctx):
            yield from _walk(each, command.get_command(ctx, each), ctx)


def is_group(ctx: Any) -> bool:
    """Return whether a command only holds other commands."""
    return hasattr(ctx.command, "list_commands")


def does_something(ctx: Any) -> bool:
    """Return whether a name can be run: a command, or a group that is a command too."""
    return not is_group(ctx) or bool(ctx.command.invoke_without_command and ctx.parent)


def help_text(ctx: Any) -> str:
    """Return the text of `--help`, plain and 80 columns wide on every machine."""
    mode, ctx.command.rich_markup_mode = ctx.command.rich_markup_mode, None
    try:
        return str(ctx.command.get_help(ctx)).strip()
    finally:
        ctx.command.rich_markup_mode = mode  # others may use the command after us


def summary(ctx: Any) -> str:
    """Return the first paragraph of the help, on one line."""
    paragraph = (ctx.command.help or "").split("\n\n")[0]
    return " ".join(paragraph.split())


def sentence(ctx: Any) -> str:
    """Return the first sentence of the help."""
    return re.split(r"(?<=\.)\s", summary(ctx))[0]


def examples(ctx: Any) -> list[str]:
    """Return the command lines after `Example:` in the help."""
    lines = map(str.strip, (ctx.command.help or "").splitlines())
    return [line.removeprefix("Example: ") for line in lines if line.startswith("Example: ")]


def parse(line: Sequence[str] | str) -> str:
    """Parse a command line (`wa …`) without running it; return the path of its command.

    Raise Typer's usage errors, and the errors of callbacks of options.
    """
    words = shlex.split(line) if isinstance(line, str) else list(line)
    command: Any = typer.main.get_command(root)
    ctx, name, rest = None, words[0], words[1:]
    while True:
        ctx = command.make_context(name, rest, parent=ctx, obj=App(environ=_APP.environ))
        if not is_group(ctx) or (does_something(ctx) and not [*ctx._protected_args, *ctx.args]):
            return str(ctx.command_path)
        name, command, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])


def as_markdown() -> str:
    """Return a table of all commands, and a section with the help text of each."""
    rows = [
        f"| [`{ctx.command_path}`](#{ctx.command_path.replace(' ', '-')}) | {sentence(ctx)} |"
        for ctx in commands()
        if does_something(ctx)
    ]
    return (
        "\n".join(["| command | does |", "|---|---|", *rows, ""])
        + "\n"
        + "\n".join(f"## {ctx.command_path}\n\n```text\n{help_text(ctx)}\n```\n" for ctx in commands())
    )
