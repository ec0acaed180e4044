"""The commands, each loaded and built when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer._click.globals import get_current_context
from typer.core import TyperGroup
from typer.models import CommandInfo

from wa.cli.options import HomeDir, ReadOnly, app_of
from wa.cli.terminal import paragraphs
from wa.cli.tree import looks
from wa.errors import ExitStatus, WaError

PANELS = {
    "Commands: first steps": "link unlink status doctor listen",
    "Messages": "send forward react edit delete chats unread groups read poll search download export"
    " stats history",
    "Later, again, to many": "schedule run-scheduler pause resume template jobs",
    "People": "contacts block unblock",
    "To keep it running": "service backup db migrate-s3",
    "For programs": "serve mcp hooks sessions",
    "To try it out": "loopback",
}
"""The commands by what they are for, as `wa --help` shows them."""
_BESIDE = {"unlink": "link", "resume": "pause", "unread": "chats", "unblock": "block"}
_BESIDE |= {"edit": "react", "delete": "react"}
_PANEL = {name: panel for panel, names in PANELS.items() for name in names.split()}
# The module of each command, so that only the module of the command that runs is loaded.
COMMANDS = {name: _BESIDE.get(name, name.replace("-", "_")) for name in _PANEL}
# The modules with further commands of a group.
FURTHER = {"jobs": ["jobs_add"], "schedule": ["schedule_change", "schedule_birthdays"]}
FURTHER |= {"hooks": ["hooks_change"], "db": ["db_prune"]}
FURTHER["contacts"] = ["contacts_change", "contacts_birthdays", "contacts_transfer"]


class Commands(Mapping[str, Any]):
    """The commands of a group by name, each built when it is first looked up."""

    def __init__(self, registered: list[CommandInfo]) -> None:
        self._registered = {_name_of(each): each for each in registered}
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a command; build it the first time."""
        if name not in self._built:
            only = typer.Typer(add_completion=False)
            only.registered_commands = [self._registered[name]]
            command = self._built[name] = _checked(typer.main.get_command(only))
            command.help = paragraphs(command.help or "")
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names, in the order in which the commands are defined."""
        return iter(self._registered)

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(self._registered)


class LazyGroup(TyperGroup):
    """The root group: it loads a command's module when the command is asked for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = names  # Typer looks here for a name like the one that was typed

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands to show, `loopback` only if the transport is loopback."""
        return [name for name in COMMANDS if name != "loopback" or _on_loopback(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = load(cmd_name)
        command.rich_help_panel = _PANEL[cmd_name]
        if isinstance(command, TyperGroup):  # a group alone shows its help, which is no JSON
            command.no_args_is_help = not command.invoke_without_command and not app_of(ctx).json
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command; it is no error if the reader of its output has gone away."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitStatus.OK) from None


@cache
def load(name: str) -> Any:
    """Return a command; the subcommands of a group are built when they are looked up."""
    commands = import_module(f"wa.cli.commands.{COMMANDS[name]}").commands
    group = next((each for each in commands.registered_groups if each.name == name), None)
    if group is None:
        return Commands(commands.registered_commands)[name]
    bare, only = copy(group.typer_instance), typer.Typer(add_completion=False)
    bare.registered_commands = []
    only.registered_groups = [copy(group)]
    only.registered_groups[0].typer_instance = bare
    built: Any = typer.main.get_command(only)
    registered = list(group.typer_instance.registered_commands)
    for further in FURTHER.get(name, ()):
        registered += import_module(f"wa.cli.commands.{further}").commands.registered_commands
    built.commands[name].commands = Commands(registered)
    return _checked(built.commands[name])


def _checked(command: Any) -> Any:
    """Let a command take the options of all commands, and run only what a read-only wa may run."""
    command.params += _options_of_all()
    if (run := command.callback) is not None:

        def run_if_allowed(**given: Any) -> Any:
            ctx: Any = get_current_context()
            if ctx.invoked_subcommand is None:
                looks.check(app_of(ctx), ctx.command_path.partition(" ")[2], given)
            return run(**given)

        command.callback = run_if_allowed
    return command


@cache
def _options_of_all() -> list[Any]:
    """Return the options of `wa` itself that each command takes too; its help does not repeat them."""

    def take(home: HomeDir = None, read_only: ReadOnly = False) -> None:
        """Take the options; their callbacks do what they are for."""

    only = typer.Typer(add_completion=False)
    only.command()(take)
    options: list[Any] = typer.main.get_command(only).params
    for each in options:
        each.hidden, each.expose_value = True, False
    return options


def _name_of(command: CommandInfo) -> str:
    return str(command.name or getattr(command.callback, "__name__", "").replace("_", "-"))


def _on_loopback(ctx: typer.Context) -> bool:
    try:
        return app_of(ctx).values.get("WA_TRANSPORT", "").strip() == "loopback"
    except WaError:
        return False
