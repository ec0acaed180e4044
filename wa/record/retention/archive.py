"""The file of an archive: JSON Lines, packed by gzip, checked before anything is removed or restored.

The first line says which home the archive is from, the last how many lines there are and their SHA-256. So an
archive that is cut off, or changed, is told from a whole one: `zcat` shows it, whatever its state.
"""

from __future__ import annotations

import gzip
import json
import secrets
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from wa.errors import WaError
from wa.store.database import Row, Store
from wa.store.files import make_folder, part_file, part_path, put, storage_error, sync_folder
from wa.store.paths import Home
from wa.store.rewrites import Restore, carry_over

VERSION = 1
_LEVEL = 6
_LONGEST = 64 * 1024**2
"""The most bytes of a line that are read as one."""
_PART, _HOME = "prune", "home"


class Unusable(WaError):
    """A file is no archive, or is cut off or changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__("bad-data", f"{path} cannot be restored: {why}", "nothing was changed")


class Writer:
    """An archive that is being written."""

    def __init__(self, file: BinaryIO, head: Row) -> None:
        self._packed = gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)
        self._digest, self.lines = sha256(), 0
        self.add(to_line({"type": "archive", "version": VERSION, **head}))

    def add(self, line: str) -> None:
        """Add a line, without its end."""
        data = line.encode() + b"\n"
        self._digest.update(data)
        self._packed.write(data)
        self.lines += 1

    def end(self) -> None:
        """Add the line that makes the archive whole."""
        self.add(to_line({"type": "end", "lines": self.lines, "sha256": self._digest.hexdigest()}))
        self._packed.close()


def to_line(row: Row) -> str:
    """Return an object as a line of JSON. Bytes are {"base64": …}."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_bytes)


def _bytes(value: Any) -> Any:
    from base64 import b64encode

    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    raise TypeError(value)


def home_id(store: Store) -> str:
    """Return the name by which archives know this home; it gets one when it has none."""
    with store.write():
        if _HOME not in store.state():
            store.set_state(_HOME, secrets.token_hex(8))
    return str(store.state()[_HOME])


def is_of(store: Store, home: str | None) -> bool:
    """Return whether an archive of the home with this name is of this one."""
    return home is not None and home == store.state().get(_HOME)


@carry_over.part
def _keep_home_id(restore: Restore) -> None:
    """Keep the present store's name if the backup has none."""
    ours = Store.over(restore.db)
    found = restore.db.execute(f"SELECT value FROM {restore.known}.state WHERE key = ?", [_HOME]).fetchone()
    if found and _HOME not in ours.state():
        ours.set_state(_HOME, json.loads(found[0]))


def write(home: Home, head: Row, lines: Iterable[str], now: datetime) -> Path | None:
    """Write an archive, read it back, and give it its name; return its path, None if there are no lines.

    After an error or a kill there is no file under that name. Raise WaError `storage-error`.
    """
    folder = home.archive
    try:
        if not folder.is_dir():
            make_folder(folder)
            sync_folder(home.path)
        with part_file(folder, _PART) as part:
            writer = Writer(part, head)
            for line in lines:
                writer.add(line)
            if writer.lines == 1:
                return None
            writer.end()
            part.flush()
            _check(Path(part.name), writer.lines)
            target = _free_name(folder, now)
            put(part, target, replacing=False)
            return target
    except OSError as error:
        raise storage_error(error, folder) from error


def _check(path: Path, lines: int) -> None:
    """Raise WaError `storage-error` unless a written archive reads as it was written."""
    try:
        count = sum(1 for _ in read(path))
    except Unusable:
        count = -1
    if count != lines - 2:
        raise WaError(
            "storage-error",
            f"what was written to {path.parent} reads otherwise; nothing was removed",
            "look at the disk",
        )


def _free_name(folder: Path, now: datetime) -> Path:
    while True:
        path = folder / f"pruned_{now.astimezone(timezone.utc):%Y%m%d_%H%M%S}.jsonl.gz"
        if not path.exists():
            return path
        now += timedelta(seconds=1)


def remove_left(home: Home) -> None:
    """Remove what a killed process left of an archive. The caller holds the lock."""
    try:
        part_path(home.archive, _PART).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, home.archive) from error


def read(path: Path, here: Store | None = None) -> Iterator[bytes]:
    """Yield the lines of an archive between its first and last.

    Raise Unusable when it is not whole, perhaps only at the end, and when it is not from the home of the
    store `here`. Raise WaError `storage-error` and `newer-version`.
    """
    digest, count = sha256(), 0
    if path.exists() and not path.is_file():
        raise Unusable(path, "it is no file")
    try:
        with gzip.open(path, "rb") as file:
            line = file.readline(_LONGEST)
            _check_head(path, _parsed(line), here)
            while True:
                digest.update(line)
                count += 1
                line = file.readline(_LONGEST)
                if not line.endswith(b"\n"):
                    raise Unusable(path, "it is cut off")
                if line.startswith(b'{"type":"end"'):
                    break
                yield line
            end = _parsed(line)
            if file.read(1) or end.get("lines") != count or end.get("sha256") != digest.hexdigest():
                raise Unusable(path, "it was changed")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unusable(path, "it is cut off, damaged, or no archive") from error
    except FileNotFoundError as error:
        hint = "`latest`, the path of an archive, or its name in archive/ in WA_HOME"
        raise WaError("not-found", f"there is no {path}", hint) from error
    except OSError as error:
        raise storage_error(error, path) from error


def _parsed(line: bytes) -> Row:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_head(path: Path, head: Row, here: Store | None) -> None:
    if head.get("type") != "archive" or not isinstance(head.get("version"), int):
        raise Unusable(path, "it is no archive of `wa db prune`")
    if head["version"] > VERSION:
        raise WaError("newer-version", f"{path} was written by a newer version of wa", "install that one")
    if here is not None and not is_of(here, head.get("home")):
        raise Unusable(path, "it is from another home")
