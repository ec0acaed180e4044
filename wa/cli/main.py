"""The root command, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.models import CommandInfo

from wa import __version__
from wa.cli import completion
from wa.cli.context import App
from wa.cli.options import SENDING, EnvFile, Json, app_of
from wa.cli.output import usage_error, write_error
from wa.cli.streams import flush_soon, log_to_stderr
from wa.cli.terminal import paragraphs
from wa.errors import ExitStatus, Terminated, WaError
from wa.store.open import explain, is_damaged

PANELS = {
    "Commands: first steps": "link unlink status doctor listen",
    "Messages": "send chats unread groups read search download export stats history",
    "Later, again, to many": "schedule run-scheduler pause resume template jobs",
    "People": "contacts",
    "To keep it running": "service backup db migrate-s3",
    "For programs": "serve mcp hooks sessions",
    "To try it out": "loopback",
}
"""The commands by what they are for, as `wa --help` shows them."""
_BESIDE = {"unlink": "link", "resume": "pause", "unread": "chats", "groups": "chats"}
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
            command = self._built[name] = typer.main.get_command(only)
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
        command = _load(cmd_name)
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
def _load(name: str) -> Any:
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
    return built.commands[name]


def _name_of(command: CommandInfo) -> str:
    return str(command.name or getattr(command.callback, "__name__", "").replace("_", "-"))


def _on_loopback(ctx: typer.Context) -> bool:
    try:
        return app_of(ctx).values.get("WA_TRANSPORT", "").strip() == "loopback"
    except WaError:
        return False


root = typer.Typer(
    cls=LazyGroup,
    name="wa",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"wa {__version__}")
        raise typer.Exit


@root.callback()
def options(
    ctx: typer.Context,
    as_json: Json = False,
    env_file: EnvFile = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log to stderr; given twice, with message texts.",
        ),
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Your own WhatsApp account from a terminal: record, send now or later, never twice.

    Example: wa send 447700900123 "Hello"
    """
    app_of(ctx).verbose = verbose
    if ctx.invoked_subcommand is None:
        if app_of(ctx).json:
            raise WaError("usage", "there is no command", "wa --help")
        typer.echo(ctx.get_help())
    if verbose:
        log_to_stderr(verbose)


def run(args: Sequence[str], app: App) -> int:
    """Run one command line; write any error to stderr. Return the exit code."""
    try:
        try:
            return _invoke(args, app)
        except WaError:
            raise
        except sqlite3.Error as error:
            if _asked:  # SQLite turned the exception of a signal handler into an error of its own
                raise _asked[0]() from None
            raise explain(error, app.home) from error
        except OSError as error:
            raise app.refused(error) from error
        finally:
            app.close()
    except Terminated:
        name = next((arg for arg in args if arg in COMMANDS), "")
        return ExitStatus.INTERRUPTED if name in SENDING else ExitStatus.OK
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except WaError as error:
        if app.verbose:
            traceback.print_exception(error)
        _tell(error, args, app)
        return error.exit_status
    except Exception as error:  # noqa: BLE001
        if app.verbose:
            raise
        fault = WaError("internal", f"{type(error).__name__}: {error}", "a fault of wa's own; -v shows where")
        if "store" in vars(app) and is_damaged(app.home):  # the error came from damaged data
            fault = explain(sqlite3.DatabaseError(f"malformed: {error}"), app.home)
        _tell(fault, args, app)
        return fault.exit_status


def _tell(error: WaError, args: Sequence[str], app: App) -> None:
    """Write an error to stderr; the exit code tells of it where that cannot be written."""
    with contextlib.suppress(OSError):
        write_error(sys.stderr, error, as_json=app.json or _wants_json(args))
        sys.stderr.flush()


@cache
def _root_command() -> Any:
    return typer.main.get_command(root)


def _invoke(args: Sequence[str], app: App) -> int:
    for number, arg in enumerate(args, 1):
        try:
            arg.encode()
        except UnicodeEncodeError:
            raise WaError(
                "usage", f"argument {number} is not valid UTF-8", "check the terminal's encoding"
            ) from None
    command = _root_command()
    if shell := app.environ.get("_WA_COMPLETE"):
        completion.register(shell)
    try:
        result = command.main(args=list(args), prog_name="wa", standalone_mode=False, obj=app)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:  # Typer raises it when the reader of its help has gone away
        return ExitStatus.OK
    except Exception as error:
        if not hasattr(error, "format_message"):  # Typer's usage errors have this method
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # with rich, it has printed the help
            typer.echo(error.format_message(), nl=False)
            return ExitStatus.OK
        raise usage_error(error) from None
    return result if isinstance(result, int) else ExitStatus.OK


def _wants_json(args: Sequence[str]) -> bool:
    end = args.index("--") if "--" in args else len(args)
    return "--json" in args[:end]


_asked: list[type[BaseException]] = []
"""The exceptions that signals asked for."""


def _on_signal(number: int, frame: object) -> NoReturn:
    _asked.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    raise _asked[0]


def main() -> NoReturn:
    """Run the console script `wa`."""
    os.umask(0o077)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # output must not fail, whatever the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _on_signal)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if it is ignored, as by nohup
        signal.signal(signal.SIGINT, _on_signal)
    code = run(sys.argv[1:], App())
    for number in (signal.SIGTERM, signal.SIGINT):  # from now on a signal cannot change the exit code
        signal.signal(number, signal.SIG_IGN)
    # Without the end of the interpreter: it takes as long as a short command, and a thread of the WhatsApp
    # library, which may wait for the network for minutes, would delay it.
    flush_soon()
    os._exit(code)
