"""The context of one command: the settings as they were read, the store, and where data and talk go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from wa.cli.output import Output
from wa.connection.context import Context, open_store_of, system_now
from wa.errors import WaError
from wa.settings import (
    BackupKeys,
    Settings,
    Storage,
    bad_setting,
    parse_backup_keys,
    parse_settings,
    parse_storage,
)
from wa.store.database import Store
from wa.store.files import storage_error
from wa.store.paths import Home


@dataclass
class App:
    """The context of one command; each part is made when it is first used. A test replaces its attributes."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = system_now
    verbose: int = 0
    json: bool = False

    @cached_property
    def values(self) -> dict[str, str]:
        """Settings as text: the environment before `./.env` before `$WA_HOME/.env`."""
        values = {**_dotenv(Path(".env")), **self.environ}
        home = _home_of(values)
        # A home that cannot be looked into is told of by whoever prepares it.
        return {**(_dotenv(home / ".env") if os.access(home, os.X_OK) else {}), **values}

    @cached_property
    def home(self) -> Home:
        """WA_HOME, made where it is missing."""
        home = Home(_home_of(self.values))
        home.prepare()
        return home

    @cached_property
    def settings(self) -> Settings:
        """The settings, checked."""
        return parse_settings(self.values, _system_zone)

    @cached_property
    def storage(self) -> Storage | None:
        """The S3-compatible storage, where one is set."""
        return parse_storage(self.values)

    @cached_property
    def backup_keys(self) -> BackupKeys:
        """How backups are encrypted."""
        return parse_backup_keys(self.values)

    @cached_property
    def store(self) -> Store:
        """The main thread's connection to the store."""
        settings, home = self.settings, self.home
        return open_store_of(home, settings)

    @cached_property
    def context(self) -> Context:
        """The part of this context that work below the commands knows."""
        settings, home = self.settings, self.home
        return Context(home, settings, self.store, self.now, self._note, self._keep_descriptors)

    @cached_property
    def out(self) -> Output:
        """Where data and talk go."""
        return Output(sys.stdout, sys.stderr, json=self.json, zone=lambda: self.settings.zone)

    def _note(self, text: str) -> None:
        if not self.json:
            self.out.note(text)

    def _keep_descriptors(self) -> None:
        self.out.keep_descriptors(errors=not self.verbose)

    def close(self) -> None:
        """Close what was opened."""
        if "store" in self.__dict__:
            self.store.close()


def _home_of(values: Mapping[str, str]) -> Path:
    given = values.get("WA_HOME", "").strip()
    if not given:
        from platformdirs import user_data_path

        return user_data_path("wa")
    if "\0" in given:
        raise bad_setting("WA_HOME", given, "the path of a directory")
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise bad_setting("WA_HOME", given, "the path of a directory") from None


def _dotenv(path: Path) -> dict[str, str]:
    try:
        if not path.is_file():
            return {}
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise storage_error(error, path) from error
    except UnicodeDecodeError as error:
        raise WaError("bad-setting", f"cannot read {path}: {error}", "mend the file, or remove it") from None
    from io import StringIO

    from dotenv.parser import parse_stream

    values = {}
    for binding in parse_stream(StringIO(text)):
        ours = (binding.key or "").startswith("WA_")
        if binding.error or (ours and binding.value is None):
            where = f"{path}, line {binding.original.line}"
            raise WaError("bad-setting", f"cannot read {where}", 'a line is NAME=value, or NAME="value"')
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _system_zone() -> str:
    """The IANA name of the system's zone."""
    found = Path("/etc/localtime").resolve()
    if "TZ" not in os.environ and "zoneinfo" in found.parts:
        return "/".join(found.parts[found.parts.index("zoneinfo") + 1 :])
    from tzlocal import get_localzone_name  # knows all the other ways, and takes 40 ms to load

    return get_localzone_name() or "UTC"
