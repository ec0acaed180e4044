"""service: the files with which a supervisor keeps wa alive."""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from wa.cli.options import Json, app_of
from wa.cli.service_files import next_steps, render
from wa.errors import WaError
from wa.settings import NAMES, READ_ONLY
from wa.store.env_files import COMMAND_LINE, DEFAULT, ENVIRONMENT, Sources

commands = typer.Typer()


class Manager(str, Enum):
    """The supervisors that can keep wa alive."""

    SYSTEMD = "systemd"
    PM2 = "pm2"
    CRON = "cron"


@commands.command()
def service(
    ctx: typer.Context,
    manager: Annotated[
        Manager,
        typer.Argument(metavar="systemd|pm2|cron", help="The supervisor.", show_default=False),
    ],
    serve: Annotated[bool, typer.Option("--serve", help="Add the HTTP API, `wa serve`.")] = False,
    backup: Annotated[bool, typer.Option("--backup", help="Add a backup every hour.")] = False,
    as_json: Json = False,
) -> None:
    """Print the unit, PM2 file or crontab lines that keep wa alive.

    They name this very `wa` and this WA_HOME. The file goes to stdout, and the
    commands to type next go to stderr. With systemd, --serve adds a unit and --backup
    two, each with its name in the first line.

    Example: wa service systemd --backup
    """
    app = app_of(ctx)
    sources = app.sources
    wa, home = _command(sources), sources.home
    for path in (*wa, str(home)):
        _check(path)
    more = [*(["--serve"] if serve else []), *(["--backup"] if backup else [])]
    call = shlex.join([*wa, "service", manager.value, *more])
    if sources.of("WA_HOME") in (COMMAND_LINE, ENVIRONMENT):
        call = f"WA_HOME={shlex.quote(str(home))} {call}"
    files = render(manager.value, wa, home, serve=serve, backup=backup)
    steps = next_steps(manager.value, call, serve=serve, backup=backup)
    missing = _missing(sources)
    if app.json:
        found = {
            "manager": manager.value,
            "files": [{"name": name, "content": content} for name, content in files.items()],
            "next": steps,
            "missing_settings": missing,
            "settings_file": str(sources.home_file),
        }
        app.out.result(found, "")
        return
    app.out.data("\n".join(files.values()))
    if missing:
        verb, pronoun = ("comes", "it") if len(missing) == 1 else ("come", "them")
        app.out.note(
            f"warning: {', '.join(missing)} {verb} from this environment and may be missing where"
            f" {manager.value} runs wa: put {pronoun} into {sources.home_file}"
        )
    if serve and not sources.values.get("API_SECRET", "").strip():
        app.out.note(f"warning: there is no API_SECRET, so programs are not let in: put one into {home}/.env")
    app.out.note("type next:")
    for step in steps:
        app.out.note(f"  {step}")


def _command(sources: Sources) -> list[str]:
    """Return the command that runs this wa, with the env file to name; all paths are absolute.

    When the `.env` of the default home names another home, it is read only if it is named too.
    """
    file = sources.named_file if _stays(sources.named_file) else None
    if file is None and sources.home_file.parent != sources.home:
        file = sources.home_file
    return [*_program(), *(["--env-file", str(file)] if file else [])]


def _stays(path: Path | None) -> bool:
    """Return whether a named env file is a file, and not a pipe of the shell."""
    return path is not None and path.is_file()


def _program() -> list[str]:
    """Return the `wa` that was called, else the one installed with it, else `python -m wa`."""
    for script in (Path(sys.argv[0]), Path(sysconfig.get_path("scripts")) / "wa"):
        if script.name == "wa" and script.is_file() and os.access(script, os.X_OK):
            return [str(script.parent.resolve() / script.name)]
    return [sys.executable, "-m", "wa"]


def _check(path: str) -> None:
    """Raise WaError `bad-setting` for a path with control characters or bytes that are not UTF-8."""
    if re.search("[\x00-\x1f\x7f\ud800-\udfff]", path):
        message = f"the path {path!r} has characters that the file of a supervisor cannot hold"
        raise WaError("bad-setting", message, "use a path without control characters, in UTF-8")


def _missing(sources: Sources) -> list[str]:
    """Return the settings with values in force that no file has which a supervised wa reads."""
    kept = {**sources.in_home, **(sources.named if _stays(sources.named_file) else {})}
    values = sources.values
    return [
        name
        for name in NAMES
        if name != READ_ONLY
        and sources.of(name) != DEFAULT
        and kept.get(name, "").strip() != values[name].strip()
    ]
