"""What a command needs: home, settings, clock, store, lock and transport, each made when first used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wa.cli.output import Output
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
from wa.store.device import linked_account
from wa.store.files import storage_error
from wa.store.open import open_store
from wa.store.paths import Home
from wa.store.wake import wake_owner

if TYPE_CHECKING:
    from wa.whatsapp.transport import Transport


def system_now() -> datetime:
    """The system's clock, in UTC. The only place that reads it."""
    return datetime.now(timezone.utc)


@dataclass
class App:
    """The context of one command. A test replaces its attributes."""

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
        """The main thread's connection to the store, which belongs to one transport."""
        settings, home = self.settings, self.home
        store = open_store(home)
        bound = store.state().get("transport")
        if bound not in (None, settings.transport):
            store.close()
            raise WaError(
                "bad-setting",
                f"{home.path} belongs to the transport {bound}, and WA_TRANSPORT is {settings.transport}",
                f"set WA_TRANSPORT={bound}, or another WA_HOME",
            )
        return store

    @cached_property
    def transport(self) -> Transport:
        """The way to WhatsApp. Raises WaError `not-authorized` while no account is linked."""
        if self.settings.transport == "loopback":
            from wa.whatsapp.loopback.connection import LoopbackTransport

            self.bind()
            return LoopbackTransport(self.home, self.now)
        from wa.whatsapp.neonize import session_db as session
        from wa.whatsapp.neonize.connection import NeonizeTransport

        if linked_account(self.store) is None and session.account(self.home) is None:
            raise not_linked()
        self.bind()
        self.out.keep_descriptors(errors=not self.verbose)
        return NeonizeTransport(self.home)

    def bind(self) -> None:
        """Let the home belong to its transport, from the first message sent or to be sent."""
        if "transport" not in self.store.state():
            with self.store.write():
                self.store.set_state("transport", self.settings.transport)

    @cached_property
    def out(self) -> Output:
        """Where data and talk go."""
        return Output(sys.stdout, sys.stderr, json=self.json, zone=lambda: self.settings.zone)

    @property
    def me(self) -> str | None:
        """Our own JID, None while no account is linked."""
        if self.settings.transport == "loopback":
            account = self.transport.account()
            return account.jid if account else None
        linked = linked_account(self.store)
        return linked["jid"] if linked else None

    def wake_owner(self) -> None:
        """Tell whoever holds the connection that there is something to do."""
        wake_owner(self.home.socket)

    def close(self) -> None:
        """Close what was opened."""
        if "store" in self.__dict__:
            self.store.close()


def not_linked() -> WaError:
    """The error of a home without an account."""
    return WaError(
        "not-authorized",
        "no WhatsApp account is linked to this home",
        "`wa link` links one; to try everything without, set WA_TRANSPORT=loopback",
    )


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
