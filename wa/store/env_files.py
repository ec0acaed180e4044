"""Settings as text, from the environment and from env files, and the source of each setting."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

from wa.errors import WaError
from wa.settings import NAMES, READ_ONLY, bad_setting
from wa.store.database import Store
from wa.store.files import storage_error
from wa.values import Value

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"
_KNOWN = ("WA_HOME", *NAMES)
_NEARBY = Path(".env")
_TOLD = "env_file_told"
_FORM = 'a line is NAME=value, or NAME="value"'
_LARGEST = 1024 * 1024
"""The most bytes of an env file. Of a larger `./.env`, which another program may have, the first are read."""


class Sources(Value):
    """The places that settings come from, each as a mapping of names to text."""

    environment: Mapping[str, str]
    named_file: Path | None
    """The file that `--env-file` or WA_ENV_FILE names."""
    named: Mapping[str, str]
    home_file: Path
    """The home's own env file. It need not exist."""
    in_home: Mapping[str, str]
    options: Mapping[str, str] = {}
    """What the options of the command line set; it wins over all others."""

    @property
    def home(self) -> Path:
        """WA_HOME, which the `.env` of the default home may name too. It need not exist."""
        return _home_path(self.values, self.options)

    @property
    def values(self) -> dict[str, str]:
        """All names with the text in force: the first source that names a variable wins."""
        return {**self.in_home, **self.named, **self.environment, **self.options}

    def of(self, name: str) -> str:
        """Return where a setting comes from: `command line`, `environment`, a file's path, or `default`."""
        files = () if name == READ_ONLY else self.files
        places = ((COMMAND_LINE, self.options), (ENVIRONMENT, self.environment), *files)
        for place, values in places:
            if name in values:
                return place if values[name].strip() else DEFAULT
        return DEFAULT

    @property
    def files(self) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """The env files that are read, each as its path and its variables."""
        return (str(self.named_file), self.named), (str(self.home_file), self.in_home)

    def of_all(self) -> dict[str, str]:
        """Return where each known setting comes from."""
        return {name: self.of(name) for name in _KNOWN}


def read_sources(
    environ: Mapping[str, str], env_file: str | None, options: Mapping[str, str] | None = None
) -> Sources:
    """Read the env files. `env_file` is the value of `--env-file`; it wins over WA_ENV_FILE.

    `options` are the settings that options of the command line give.

    Raise WaError `bad-setting` for a file that cannot be parsed, and for a named one that cannot be
    read; `storage-error` when the home's file cannot be read.
    """
    option, given = ("--env-file", env_file)
    if given is None:
        option, given = ("WA_ENV_FILE", environ.get("WA_ENV_FILE", "").strip() or None)
    named_file = None if given is None else _as_path(option, given, "the path of a file")
    named = {} if named_file is None else _read_named(named_file)
    options = options or {}
    home = _home_path({**named, **environ}, options)
    # A home that may not be entered is an error of Home.prepare.
    in_home = _read_own(home / ".env") if os.access(home, os.X_OK) else {}
    return Sources(environ, named_file, named, home / ".env", in_home, options)


def _home_path(values: Mapping[str, str], options: Mapping[str, str]) -> Path:
    """Return the absolute path of `--home`, else of WA_HOME. Raise WaError `bad-setting` if it cannot be one.

    An empty WA_HOME is none, but an empty `--home` is an error: another account's home would be used.
    """
    if "WA_HOME" in options:
        return _as_path("--home", options["WA_HOME"].strip(), "the path of a directory")
    given = values.get("WA_HOME", "").strip()
    if given:
        return _as_path("WA_HOME", given, "the path of a directory")
    from platformdirs import user_data_path

    return user_data_path("wa")


def _as_path(name: str, given: str, allowed: str) -> Path:
    if not given or "\0" in given:
        raise bad_setting(name, given, allowed)
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:  # `~name` without such a user on this machine
        raise bad_setting(name, given, allowed) from None


def _read_named(path: Path) -> dict[str, str]:
    try:
        data = _read(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "--env-file and WA_ENV_FILE name a file with a setting a line, such as WA_TZ=Europe/London"
        raise WaError("bad-setting", f"cannot read {path}: {reason}", hint) from None
    return _parse(data, path)


def _read_own(path: Path) -> dict[str, str]:
    try:
        return _parse(_read(path), path) if path.is_file() else {}
    except OSError as error:
        raise storage_error(error, path) from error


def _read(path: Path) -> bytes:
    """Return the content of an env file. Raise OSError, and WaError `bad-setting` for too large a file."""
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise WaError("bad-setting", f"cannot read {path}: it is larger than 1 MB", _FORM)
    return data


def _parse(data: bytes, path: Path) -> dict[str, str]:
    """Return the variables of an env file. Raise WaError `bad-setting` with the path and the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WaError("bad-setting", f"cannot read {path}: {error}", "mend the file, or remove it") from None
    from dotenv.parser import parse_stream

    values = {}
    for binding in parse_stream(StringIO(text)):
        ours = binding.key is not None and (binding.key.startswith("WA_") or binding.key in NAMES)
        if binding.error or (ours and binding.value is None):
            raise WaError("bad-setting", f"cannot read {path}, line {binding.original.line}", _FORM)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def unread_names(sources: Sources) -> list[str]:
    """Return the settings that a `.env` in the current directory names with another value than in force.

    That file is not read as settings. A file that cannot be read or parsed names none.
    """
    values = sources.values
    others = {**sources.named, **sources.environment, **sources.options, READ_ONLY: ""}
    return [
        name
        for name, value in _nearby(sources).items()
        if name in _KNOWN and name not in others and value.strip() != values.get(name, "").strip()
    ]


def _nearby(sources: Sources) -> dict[str, str]:
    try:
        used = [path for path in (sources.named_file, sources.home_file) if path and path.exists()]
        if not _NEARBY.is_file() or any(_NEARBY.samefile(path) for path in used):
            return {}
        with _NEARBY.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8-sig", "replace")
    except OSError:
        return {}
    from dotenv.parser import parse_stream

    bindings = parse_stream(StringIO(text))
    return {each.key: each.value for each in bindings if each.key is not None and each.value is not None}


def unread_notice(sources: Sources) -> tuple[str, str] | None:
    """Return a warning about a `.env` in the current directory, and a hint; None without such a file."""
    names = unread_names(sources)
    if not names:
        return None
    return (
        f"the .env in this directory is not read; it names {', '.join(names)}",
        f"read it with `wa --env-file .env`, or move it to {sources.home_file}",
    )


def notices_of(sources: Sources) -> list[tuple[str, str]]:
    """Return what is set where it does not count: warnings, each with a hint."""
    unread = unread_notice(sources)
    hint = f"{READ_ONLY} counts in the environment alone, and as --read-only"
    ignored = [path for path, values in sources.files if values.get(READ_ONLY, "").strip()]
    return [*([unread] if unread else []), *((f"{READ_ONLY} in {path} is ignored", hint) for path in ignored)]


def warn_once(store: Store, sources: Sources, note: Callable[[str], None]) -> None:
    """Warn of a `.env` in the current directory, once for each home whose store can be written."""
    notice = unread_notice(sources)
    if notice and _TOLD not in store.state() and _remember(store):
        note(f"{notice[0]}: {notice[1]}")


def _remember(store: Store) -> bool:
    """Store that the warning was given; return False if it was before, or the store cannot be written."""
    try:
        with store.patience(0), store.write():
            first = _TOLD not in store.state()
            store.set_state(_TOLD, True)
        return first
    except sqlite3.Error:
        return False
