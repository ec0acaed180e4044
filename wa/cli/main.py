"""The root command, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from wa import __version__
from wa.cli import completion
from wa.cli.context import App
from wa.cli.options import SENDING, EnvFile, HomeDir, Json, ReadOnly, app_of
from wa.cli.output import usage_error, write_error
from wa.cli.streams import flush_soon, log_to_stderr
from wa.cli.tree.commands import COMMANDS, LazyGroup
from wa.errors import ExitStatus, Terminated, WaError
from wa.store.open import explain, is_damaged

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
    home: HomeDir = None,
    read_only: ReadOnly = False,
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
