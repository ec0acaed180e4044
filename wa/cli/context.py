"""The context of one command: its settings, store and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from wa.cli.output import Output
from wa.connection.context import Context, HookRun, system_now
from wa.errors import WaError
from wa.settings import (
    READ_ONLY,
    BackupKeys,
    Settings,
    Storage,
    parse_backup_keys,
    parse_settings,
    parse_storage,
    parse_switch,
)
from wa.store.database import Store
from wa.store.env_files import Sources, read_sources, warn_once
from wa.store.files import storage_error
from wa.store.open import look_at_store_for, open_store_for
from wa.store.paths import Home, no_home
from wa.zones import RULES, choose_rules, rules

HOOK = "WA_HOOK"
"""The variable in which a hook's program finds its hook and event, as ID:EVENT."""


@dataclass
class App:
    """The context of one command; each part is made when it is first used. A test replaces its attributes."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = system_now
    env_file: str | None = None
    """The value of `--env-file`."""
    home_option: str | None = None
    """The value of `--home`."""
    is_read_only: bool = False
    """Whether `--read-only` was given."""
    verbose: int = 0
    json: bool = False

    @cached_property
    def sources(self) -> Sources:
        """The sources of settings: the environment, the named env file, and the home's own env file."""
        options = {} if self.home_option is None else {"WA_HOME": self.home_option}
        if self.is_read_only:
            options[READ_ONLY] = "1"
        return read_sources(self.environ, self.env_file, options)

    @cached_property
    def read_only(self) -> bool:
        """Whether whatever sends or changes something is refused. No file is read for this."""
        return self.is_read_only or parse_switch(READ_ONLY, self.environ.get(READ_ONLY, ""))

    @cached_property
    def values(self) -> dict[str, str]:
        """Settings as text."""
        return {**self.sources.values, READ_ONLY: "1" if self.read_only else ""}

    @cached_property
    def home(self) -> Home:
        """WA_HOME, made if it is missing; not if this is read-only."""
        home = Home(self.sources.home)
        home.prepare(read_only=self.read_only)
        return home

    def require_home(self) -> None:
        """Raise WaError `not-authorized` if there is no home; do not make one."""
        home = Home(self.sources.home)
        if not home.store.exists():
            raise no_home(home)

    @cached_property
    def settings(self) -> Settings:
        """The settings, checked."""
        choose_rules()
        return parse_settings(self.values, _system_zone)

    @cached_property
    def storage(self) -> Storage | None:
        """The S3-compatible storage, None if none is set."""
        return parse_storage(self.values)

    @cached_property
    def backup_keys(self) -> BackupKeys:
        """The keys of encrypted backups."""
        return parse_backup_keys(self.values)

    @cached_property
    def store(self) -> Store:
        """The command's connection to the store: one thread uses it at a time."""
        settings, home = self.settings, self.home
        if self.read_only:
            return look_at_store_for(home, settings.transport, any_thread=True)
        store = open_store_for(home, settings.transport, any_thread=True)
        # Do not warn a program, which reads errors as JSON from stderr, or a shell that asks for completion.
        if not self.json and "_WA_COMPLETE" not in self.environ:
            warn_once(store, self.sources, self.out.note)
        self._follow_zones(store)
        return store

    def _follow_zones(self, store: Store) -> None:
        """Keep the wall-clock times of scheduled messages if the rules of zones have changed."""
        if store.state().get(RULES) == rules():
            return
        from wa.queue.wall_time import follow

        if moved := follow(store, rules(), self.now()):
            self._note(f"the zone rules have changed: {moved} scheduled messages keep their wall time")

    @cached_property
    def context(self) -> Context:
        """The context for functions below the commands."""
        settings, home = self.settings, self.home
        return Context(
            home, settings, self.store, self.now, self._note, self._keep_descriptors, self.out.error,
            HookRun.parse(self.environ.get(HOOK, "")),
        )  # fmt: skip

    @property
    def serving(self) -> Context:
        """The context for a process that works until it is stopped: it waits for no reader of its notes."""
        _ = self.context.transport  # first, for it may move the streams
        self.out.wait_for_no_reader()
        return self.context

    @cached_property
    def out(self) -> Output:
        """The output of the command: data and messages."""
        return Output(sys.stdout, sys.stderr, json=self.json, zone=lambda: self.settings.zone)

    def _note(self, text: str) -> None:
        if not self.json:
            self.out.note(text)

    def _keep_descriptors(self) -> None:
        self.out.keep_descriptors(errors=not self.verbose)

    def refused(self, error: OSError) -> WaError:
        """Return the WaError for an error of the operating system, without making a home."""
        if "home" in self.__dict__:
            return storage_error(error, self.home.path)
        if error.filename is not None:
            return storage_error(error, Path(os.fsdecode(error.filename)))
        return WaError(
            "storage-error", f"cannot write the output: {error.strerror}", "the command itself is done"
        )

    def close(self) -> None:
        """Close the store if it was opened."""
        if "store" in self.__dict__:
            self.store.close()


def _system_zone() -> str:
    """Return the IANA name of the system's time zone."""
    found = Path("/etc/localtime").resolve()
    if "TZ" not in os.environ and "zoneinfo" in found.parts:
        return "/".join(found.parts[found.parts.index("zoneinfo") + 1 :])
    from tzlocal import get_localzone_name  # for all other systems; it takes 40 ms to load

    return get_localzone_name() or "UTC"
