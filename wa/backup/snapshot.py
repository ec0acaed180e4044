"""One moment of the store as a file: taken, checked, packed, and unpacked again.

A packed snapshot is the SQLite file, compressed with zstd and, for a recipient, encrypted
with age (https://age-encryption.org/v1) around that: `age -d | zstd -d` gives it back.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlite_utils import Database

from wa.errors import WaError
from wa.settings import BackupKeys, bad_setting
from wa.store.database import BUSY_TIMEOUT
from wa.store.files import create, explained, need_room, storage_error
from wa.store.open import explain
from wa.store.paths import Home
from wa.store.schema import STEPS, migrations

SESSION = "session_file"
"""The table in a snapshot that holds `session.db`, where that was asked for."""
_LEVEL = 3
_CHUNK = 1024 * 1024
_MOST_RATIO = 50_000
"""More than this zstd cannot compress: 128 KiB of one byte take three (RFC 8878, 3.1.1.2)."""
_HEADER = 18
"""The most bytes that a zstd frame's header has (RFC 8878, 3.1.1.1)."""
_AGE, _ZSTD, _SQLITE = b"age-encryption.org/v1\n", b"\x28\xb5\x2f\xfd", b"SQLite format 3\0"


class Damaged(WaError):
    """A backup that is not what was made: cut off, changed, or none at all."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            "corrupt", f"{name} is damaged: {why}", "`wa backup list` shows the others; `verify` tries one"
        )


@dataclass(frozen=True)
class Packed:
    """What is known of a packed file: its size in bytes and its digests."""

    size: int
    sha256: str
    md5: bytes


def take(home: Home, path: Path, session: Path | None = None) -> dict[str, int]:
    """Copy the store as it is at one moment to `path`; the rows of each table, as counted in the store.

    Writers wait for milliseconds. The copy is checked from end to end before this
    returns. `session` is a copy of session.db to put in. Raises WaError `corrupt`, `storage-error`.
    """
    with explained(path):
        create(path).close()
    try:
        with closing(_connect(home.store)) as source, closing(_connect(path)) as copy:
            source.execute("BEGIN")  # what is counted and what is copied are of one moment
            counts = count(source)
            size = int(
                source.execute(
                    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
                ).fetchone()[0]
            )
            need_room(path.parent, size * 1.5, "a backup")
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            source.backup(copy)
            source.execute("ROLLBACK")
            _put_session(copy, session)
    except sqlite3.Error as error:
        raise explain(error, home) from error
    problems = check(path)
    if not problems and (found := counts_of(path)) != counts:
        problems = [f"rows differ: {sorted(set(found.items()) ^ set(counts.items()))[:3]}"]
    if problems:
        raise WaError(
            "corrupt",
            f"{home.store} is damaged, so no backup of it was made: {'; '.join(problems[:3])}",
            "`wa db check` tells more; `wa backup restore latest` brings back the last good one",
        )
    return counts


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)


def _put_session(copy: sqlite3.Connection, session: Path | None) -> None:
    drop_session(copy)
    if session is not None:
        copy.execute(f"CREATE TABLE {SESSION} (content BLOB NOT NULL)")
        copy.execute(f"INSERT INTO {SESSION} VALUES (?)", [session.read_bytes()])


def drop_session(db: sqlite3.Connection) -> None:
    """Take the session's keys out of a snapshot, leaving no trace of them."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [SESSION]).fetchone():
        db.execute("PRAGMA secure_delete=ON")
        db.execute(f"DROP TABLE {SESSION}")


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A snapshot to read: it is not changed, and gets no files beside it."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
        yield db


def count(db: sqlite3.Connection) -> dict[str, int]:
    """The rows of each table, but for virtual ones and the session's."""
    names = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'",
        [SESSION],
    ).fetchall()
    return {name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for (name,) in names}


def counts_of(path: Path) -> dict[str, int]:
    """The rows of each table of a snapshot."""
    with opened(path) as db:
        return count(db)


def check(path: Path) -> list[str]:
    """What is wrong with a snapshot: nothing, as a rule."""
    try:
        with opened(path) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [each for each in found if each != "ok"]


def check_version(path: Path, name: str) -> None:
    """Raise WaError `newer-version`, or Damaged for a database that is none of wa's."""
    try:
        with opened(path) as db:
            applied = {each.name for each in migrations.applied(Database(db, execute_plugins=False))}
    except sqlite3.DatabaseError as error:
        raise Damaged(name, str(error)) from None
    if not applied:
        raise Damaged(name, "it is a database, but not one of wa's")
    if applied - {step.__name__ for step in STEPS}:
        raise WaError(
            "newer-version",
            f"{name} was made by a newer version of wa",
            "install that version here, then restore it",
        )


class _Digesting:
    """A file to write that digests what passes; it remembers its own error, which age would hide."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Append."""
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.size += len(data)
        self.sha256.update(data)
        self.md5.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing: the end is what counts."""

    @property
    def packed(self) -> Packed:
        """What has passed."""
        return Packed(self.size, self.sha256.hexdigest(), self.md5.digest())


def pack(snapshot: Path, target: Path, recipient: str | None) -> Packed:
    """Compress a snapshot, encrypt it to a recipient, and have it on the disk for good.

    Raises WaError `bad-setting` for a recipient that is no age key, `storage-error`.
    """
    import zstandard

    key = None if recipient is None else _recipient(recipient)
    with explained(target):
        file = create(target)
    with file, snapshot.open("rb") as source:
        out = _Digesting(file)
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        size = snapshot.stat().st_size
        try:
            if key is None:
                compressor.copy_stream(source, out, size=size)  # type: ignore[arg-type]
            else:
                import pyrage

                pyrage.encrypt_io(compressor.stream_reader(source, size=size), out, [key])
            file.flush()
            os.fsync(file.fileno())
        except Exception as error:
            reason = out.error or error
            if not isinstance(reason, OSError):
                raise
            raise storage_error(reason, target) from error
    return out.packed


def digest(path: Path) -> Packed:
    """The size and the digests of a file. Raises OSError."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Packed(size, sha256.hexdigest(), md5.digest())


def unpack(packed: Path, target: Path, keys: BackupKeys, name: str, *, copies: float = 1.0) -> None:
    """Decrypt and decompress to `target`; `copies` times what comes out has to fit on the disk.

    Raises Damaged, WaError `bad-setting` where the identity is missing or another, and `storage-error`.
    """
    with packed.open("rb") as file:
        begin = file.read(len(_AGE))
        file.seek(0)
        with explained(target):
            out = create(target)
        with out:
            unpacked = _Unpacked(file, out, target, name, copies)
            try:
                if begin.startswith(_SQLITE):
                    unpacked.copy(file)
                elif begin.startswith(_ZSTD):
                    unpacked.decompress(file)
                elif begin.startswith(_AGE):
                    _decrypt(file, unpacked, keys, name)
                else:
                    raise Damaged(name, "it is no backup of wa's")
                unpacked.finish()
            except Exception as error:
                raise unpacked.reason or error from error


class _Unpacked:
    """A file to write what was decompressed to; what goes wrong here age would hide."""

    def __init__(self, packed: BinaryIO, out: BinaryIO, target: Path, name: str, copies: float) -> None:
        import zstandard

        self._out = out
        self._target = target
        self._name = name
        self._copies = copies
        self._most = os.fstat(packed.fileno()).st_size * _MOST_RATIO
        self._size: int | None = None
        self._begin = b""
        self._done = 0
        self._zstd = zstandard.ZstdDecompressor().decompressobj()
        self.reason: WaError | None = None

    def copy(self, file: BinaryIO) -> None:
        """Take a file that is not packed at all."""
        self._expect(os.fstat(file.fileno()).st_size)
        while chunk := file.read(_CHUNK):
            self._put(chunk)

    def decompress(self, file: BinaryIO) -> None:
        """Take a file that is only compressed."""
        while chunk := file.read(_CHUNK):
            self.write(chunk)

    def write(self, data: bytes) -> int:
        """Take the next compressed bytes."""
        import zstandard

        try:
            if self._size is None:
                self._begin += data
                if len(self._begin) < _HEADER:
                    return len(data)
                self._expect(zstandard.get_frame_parameters(self._begin).content_size)
                self._put(self._zstd.decompress(self._begin))
            else:
                self._put(self._zstd.decompress(data))
        except zstandard.ZstdError as error:
            self.reason = Damaged(self._name, f"it cannot be decompressed ({error})")
            raise
        except WaError as error:
            self.reason = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing: the end is what counts."""

    def finish(self) -> None:
        """Have it on the disk. Raises Damaged where something is missing."""
        if self._size is None or self._done != self._size:
            raise Damaged(self._name, "it is cut off")
        try:
            self._out.flush()
            os.fsync(self._out.fileno())
        except OSError as error:
            raise storage_error(error, self._target) from error

    def _expect(self, size: int) -> None:
        if size > self._most:
            raise Damaged(self._name, "it cannot hold as much as it says")
        need_room(self._target.parent, size * self._copies, "to unpack the backup")
        self._size = size

    def _put(self, data: bytes) -> None:
        try:
            self._out.write(data)
        except OSError as error:
            raise storage_error(error, self._target) from error
        self._done += len(data)


def _decrypt(file: BinaryIO, out: _Unpacked, keys: BackupKeys, name: str) -> None:
    import pyrage

    identities = _identities(keys, name)
    try:
        pyrage.decrypt_io(file, out, identities)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise bad_setting(
                "WA_BACKUP_IDENTITY", str(keys.identity), f"the private key for which {name} was encrypted"
            ) from None
        raise Damaged(name, f"it cannot be decrypted ({error})") from None
    except OSError as error:
        raise Damaged(name, f"it cannot be decrypted ({error})") from None


def _identities(keys: BackupKeys, name: str) -> list[Any]:
    import pyrage

    if keys.identity is None:
        raise WaError(
            "bad-setting",
            f"{name} is encrypted, and WA_BACKUP_IDENTITY is not set",
            "set it to the file with the private key, as `wa backup keygen` wrote it",
        )
    wanted = "a file with an age private key, as `wa backup keygen` writes it"
    try:
        lines = Path(keys.identity).expanduser().read_text(encoding="utf-8").split()
        found = [
            pyrage.x25519.Identity.from_str(each) for each in lines if each.startswith("AGE-SECRET-KEY-")
        ]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise bad_setting("WA_BACKUP_IDENTITY", keys.identity, wanted)
    return found


def _recipient(text: str) -> Any:
    import pyrage

    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise bad_setting("WA_BACKUP_RECIPIENT", text, "an age public key; it was mistyped") from None
