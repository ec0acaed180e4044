"""WA_HOME: the directory, and the names of the files in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wa.errors import WaError
from wa.store.files import free_bytes, storage_error
from wa.values import Value

_DATABASES = {"wa.db", "session.db", "loopback.db"}
"""The files by which a directory is known as a home; any directory may hold a .env, media or backups."""
_NEEDED_FREE_BYTES = 8 * 1024 * 1024


class Home(Value):
    """The directory of all our files; only its owner may look inside."""

    path: Path

    @property
    def store(self) -> Path:
        """Our database."""
        return self.path / "wa.db"

    @property
    def loopback(self) -> Path:
        """The database of the stand-in for WhatsApp's server."""
        return self.path / "loopback.db"

    @property
    def spool(self) -> Path:
        """The events that have arrived and are not recorded yet, without parts of the history."""
        return self.path / "spool"

    @property
    def spool_history(self) -> Path:
        """The parts of the history that have arrived and are not recorded yet."""
        return self.path / "spool.history"

    @property
    def session(self) -> Path:
        """The keys of the WhatsApp library; we never open it for writing."""
        return self.path / "session.db"

    @property
    def session_lock(self) -> Path:
        """The lock that the owner of the connection holds."""
        return self.path / "session.lock"

    @property
    def migrate_lock(self) -> Path:
        """The lock for making and changing the schema."""
        return self.path / "migrate.lock"

    @property
    def media(self) -> Path:
        """The directory of files that were sent, received and imported."""
        return self.path / "media"

    @property
    def backups(self) -> Path:
        """The directory of the backups on this machine."""
        return self.path / "backups"

    @property
    def backup_lock(self) -> Path:
        """The lock for making, removing and restoring backups."""
        return self.path / "backup.lock"

    @property
    def archive(self) -> Path:
        """The directory of the archives with what was pruned."""
        return self.path / "archive"

    @property
    def prune_lock(self) -> Path:
        """The lock for pruning, and for restoring what was pruned."""
        return self.path / "prune.lock"

    @property
    def socket(self) -> Path:
        """The datagram socket on which any process wakes the owner of the connection."""
        return self.path / "wa.sock"

    def prepare(self, *, read_only: bool = False) -> None:
        """Make the directory for its owner alone, or check that an existing one is ours.

        With `read_only`, nothing is made or changed.
        Raise WaError `storage-error` when it cannot be used, and `bad-setting` when other users may look
        inside and it holds files that are not ours.
        """
        try:
            if not read_only:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if not stat.S_ISDIR(found.st_mode):
                raise FileExistsError
        except FileExistsError:
            raise WaError(
                "bad-setting", f"WA_HOME={str(self.path)!r} is a file", "a home is a directory"
            ) from None
        except FileNotFoundError:
            raise no_home(self) from None
        except OSError as error:
            raise storage_error(error, self.path) from error
        if found.st_uid != os.geteuid():
            raise WaError(
                "storage-error",
                f"{self.path} belongs to another user (uid {found.st_uid})",
                "run wa as that user, or set WA_HOME to a directory of your own",
            )
        if stat.S_IMODE(found.st_mode) & 0o077 and not read_only:
            self._make_private()

    def _make_private(self) -> None:
        try:
            others = {entry.name for entry in self.path.iterdir()}
            if others - {".env"} and not others & _DATABASES:
                raise WaError(
                    "bad-setting",
                    f"WA_HOME={str(self.path)!r} is open to other users and holds other things",
                    "name a directory for wa alone, or one that does not exist yet",
                )
            self.path.chmod(0o700)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def has_room(self) -> bool:
        """Return whether the disk has room for the data that sending a message writes."""
        return free_bytes(self.path) >= _NEEDED_FREE_BYTES


def no_home(home: Home) -> WaError:
    """Return the error of a home that does not exist, for those who do not make one."""
    hint = "`wa link` makes one and links an account; WA_HOME and --home name another"
    return WaError("not-authorized", f"there is no home of wa at {home.path}", hint)
