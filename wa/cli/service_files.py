"""The files that keep wa alive: units for systemd, an ecosystem file for PM2, lines for a crontab."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from importlib.resources import files as package_files
from pathlib import Path

Command = Sequence[str]
"""A program and its arguments."""

_SPLIT = "awk '/^# wa[a-z-]*\\.(service|timer)$/ { file = $2 } { print > file }'"
"""A shell command that splits units into files: the first line of each unit is its name."""


def render(
    manager: str, wa: Command, home: Path, *, serve: bool = False, backup: bool = False
) -> dict[str, str]:
    """Return the files for `systemd`, `pm2` or `cron`, as contents by name.

    `wa` is the command up to its options, with absolute paths; no path may hold control characters.
    `serve` adds the HTTP API, `backup` a backup every hour.
    """
    return _RENDER[manager](wa, home, serve, backup)


def next_steps(manager: str, call: str, *, serve: bool = False, backup: bool = False) -> list[str]:
    """Return the shell commands that install the files. `call` is the command that prints the files."""
    if manager == "systemd":
        folder = "~/.config/systemd/user"
        several = f"{call} | (cd {folder} && {_SPLIT})"
        save = several if serve or backup else f"{call} > {folder}/wa.service"
        return [
            f"mkdir -p {folder}",
            save,
            "systemctl --user daemon-reload",
            "systemctl --user enable --now wa.service"
            + (" wa-serve.service" if serve else "")
            + (" wa-backup.timer" if backup else ""),
            "loginctl enable-linger    # to run on after you log out, and to start with the machine",
            "journalctl --user -u wa.service",
        ]
    if manager == "pm2":
        return [
            f"{call} > ecosystem.config.js",
            "pm2 start ecosystem.config.js",
            "pm2 save",
            "pm2 startup    # it prints a line to type, so that PM2 starts with the machine",
            "pm2 logs wa-scheduler",
        ]
    return ["crontab -e    # add these lines at its end"]


def _template(name: str) -> str:
    return (package_files("wa.cli") / "templates" / name).read_text(encoding="utf-8")


def _fill(template: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], _template(template))


def _systemd(wa: Command, home: Path, serve: bool, backup: bool) -> dict[str, str]:
    values = {
        "WA_HOME": _systemd_word(f"WA_HOME={home}"),
        "RUN_SCHEDULER": _systemd_command([*wa, "run-scheduler"]),
        "SERVE": _systemd_command([*wa, "serve"]),
        "BACKUP": _systemd_command([*wa, "backup"]),
    }
    names = ["wa.service", *(["wa-serve.service"] if serve else [])]
    names += ["wa-backup.service", "wa-backup.timer"] if backup else []
    return {name: _fill(name, values) for name in names}


def _systemd_command(command: Command) -> str:
    """Return a command line as systemd.service(5) reads it."""
    if re.search(r"[\"'\\]", command[0]):  # systemd allows none of these in the path of a program
        command = ["/usr/bin/env", *command]
    if any("$" in word for word in command):
        command = [":" + command[0], *command[1:]]  # a colon: do not expand variables
    return " ".join(map(_systemd_word, command))


def _systemd_word(word: str) -> str:
    """Return a word as systemd.syntax(7) reads it, specifiers of systemd.unit(5) escaped."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped) else f'"{escaped}"'


def _pm2(wa: Command, home: Path, serve: bool, backup: bool) -> dict[str, str]:
    if " " in wa[0]:  # PM2 would run a script with a space in its path through a shell
        wa = ["/usr/bin/env", *wa]
    values = {
        "SCRIPT": json.dumps(wa[0]),
        "RUN_SCHEDULER": json.dumps([*wa[1:], "run-scheduler"]),
        "SERVE": json.dumps([*wa[1:], "serve"]),
        "BACKUP": json.dumps([*wa[1:], "backup"]),
        "ENVIRONMENT": json.dumps({"WA_HOME": str(home)}),
    }
    values["SERVE_APP"] = _fill("serve-app.js", values) if serve else ""
    values["BACKUP_APP"] = _fill("backup-app.js", values) if backup else ""
    return {"ecosystem.config.js": _fill("ecosystem.config.js", values)}


def _cron(wa: Command, home: Path, serve: bool, backup: bool) -> dict[str, str]:
    setting = f"WA_HOME={shlex.quote(str(home))}"
    values = {
        "RUN_ONCE": _cron_text(f"{setting} {shlex.join([*wa, 'run-scheduler', '--once'])}"),
        "LOG": _cron_text(shlex.quote(str(home / "cron.log"))),
        "SERVE": _cron_text(f"{setting} {shlex.join([*wa, 'serve'])}"),
        "BACKUP": _cron_text(f"{setting} {shlex.join([*wa, 'backup'])}"),
    }
    text = _fill("crontab", values)
    text += _fill("crontab-serve", values) if serve else ""
    text += _fill("crontab-backup", values) if backup else ""
    return {"crontab": text}


def _cron_text(shell: str) -> str:
    r"""Return shell text escaped for crontab(5), where % is a line break, and `\%` is a %.

    Between a backslash of the text and a %, put two quotes, which mean nothing to the shell inside
    quoted text. Otherwise cron would take that backslash for the one that escapes the %.
    """
    return re.sub(r"(\\?)%", lambda match: f"{match[1]}''\\%" if match[1] else "\\%", shell)


_RENDER: dict[str, Callable[[Command, Path, bool, bool], dict[str, str]]] = {
    "systemd": _systemd,
    "pm2": _pm2,
    "cron": _cron,
}
