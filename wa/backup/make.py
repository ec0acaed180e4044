"""A run of the backup: made, uploaded with what waits, and written down."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any

from wa.backup import snapshot
from wa.backup.catalog import FOLDER, Shelf, waiting_rows
from wa.backup.retention import CHECKSUM
from wa.backup.snapshot import Packed
from wa.errors import Terminated, WaError
from wa.store.database import Row, Store
from wa.store.files import storage_error
from wa.times import from_iso, to_iso
from wa.whatsapp.neonize import session_db as session


def run(shelf: Shelf, store: Store, *, with_session: bool = False) -> Row:
    """Make a backup, upload it and what waits, and remove what is no longer needed; what was done.

    Raises WaError `corrupt` for a damaged store, `storage-error` where nothing could be
    made; and where the backup was made but its upload waits, what the storage said.
    """
    if with_session and shelf.keys.recipient is None:
        raise WaError(
            "usage",
            "a backup with the session's keys has to be encrypted",
            "set WA_BACKUP_RECIPIENT; `wa backup keygen` makes a pair of keys",
        )
    with shelf.alone("backup") as parts:
        _settle_dead(shelf, store)
        trouble = _reach(shelf)
        made = _make(shelf, store, parts, with_session)
        damaged: list[str] = []
        if shelf.bucket is not None and trouble is None:
            trouble = _upload_waiting(shelf, store, damaged)
        try:
            removed = shelf.prune(store)
        except WaError as error:
            trouble, removed = trouble or error, []
    waiting = len(waiting_rows(store))
    if trouble is not None:
        raise _not_uploaded(made["name"], waiting, trouble)
    if damaged:
        raise WaError(
            "corrupt",
            f"{made['name']} is made, but {', '.join(damaged)} is damaged and was not uploaded",
            "look at the disk; `wa backup list` shows what else there is",
        )
    return {**made, "uploaded": shelf.bucket is not None or None, "removed": removed}


def _not_uploaded(name: str, waiting: int, trouble: WaError) -> WaError:
    what = "its upload waits" if waiting == 1 else f"{waiting} uploads wait"
    if not waiting:
        what = "old ones could not be removed"
    return WaError(
        trouble.code if trouble.code == "network-error" else "storage-error",
        f"{name} is made and kept here, but {what}: {trouble.message}",
        (f"{trouble.hint}; " if trouble.hint else "") + "the next `wa backup` makes up for it",
    )


def _reach(shelf: Shelf) -> WaError | None:
    """Look into the bucket, if there is one; what was in the way."""
    if shelf.bucket is not None:
        try:
            shelf.look()
        except WaError as error:
            return error
    return None


def _make(shelf: Shelf, store: Store, parts: Path, with_session: bool) -> Row:
    begin = shelf.now()
    name = shelf.free_name(store, begin)
    with store.write():
        number = store.insert(
            "backup_history",
            {
                "name": name,
                "status": "running",
                "started_at": to_iso(begin),
                "upload": "waiting" if shelf.bucket is not None else None,
            },
        )
    try:
        keys = None
        if with_session:
            keys = parts / "session.db"
            session.copy(shelf.home, keys)
        counts = snapshot.take(shelf.home, parts / "wa.db", keys)
        packed = snapshot.pack(parts / "wa.db", parts / name, shelf.keys.recipient)
        shelf.keep(parts / name, name, packed)
    except BaseException as error:
        ended = "interrupted" if isinstance(error, (KeyboardInterrupt, Terminated)) else "failed"
        _settle(shelf, store, number, name, ended, str(error))
        raise
    _finish(store, number, shelf.now(), "done", None, packed, counts)
    return {
        "name": name,
        "path": str(shelf.folder / name),
        "size_bytes": packed.size,
        "sha256": packed.sha256,
        "messages": counts.get("messages", 0),
        "encrypted": shelf.keys.recipient is not None,
        "with_session": with_session,
    }


def _finish(
    store: Store,
    number: int | None,
    now: datetime,
    status: str,
    why: str | None,
    packed: Packed | None = None,
    counts: dict[str, int] | None = None,
) -> None:
    with store.write():
        store.execute(
            "UPDATE backup_history SET status = :status, finished_at = :now, error = :why,"
            " size_bytes = :size, sha256 = :sha256, counts = :counts,"
            " upload = CASE :status WHEN 'done' THEN upload END WHERE id = :id",
            {
                "status": status,
                "now": to_iso(now),
                "why": why,
                "size": packed.size if packed else None,
                "sha256": packed.sha256 if packed else None,
                "counts": json.dumps(counts) if counts else None,
                "id": number,
            },
        )


def _settle_dead(shelf: Shelf, store: Store) -> None:
    """Say of runs that were killed what became of them; for the holder of the lock."""
    for row in store.rows("SELECT id, name, started_at FROM backup_history WHERE status = 'running'"):
        _settle(shelf, store, row["id"], row["name"], "interrupted", "it was killed")


def _settle(shelf: Shelf, store: Store, number: int | None, name: str, ended: str, why: str) -> None:
    """Write down how a run ended in the middle: a backup that is in its place is one all the same."""
    if shelf.is_sound(name):
        _finish(store, number, shelf.now(), "done", None, snapshot.digest(shelf.folder / name))
    else:
        _finish(store, number, shelf.now(), ended, why)


def _upload_waiting(shelf: Shelf, store: Store, damaged: list[str]) -> WaError | None:
    """Upload what waits and is sound; what was in the way. The names of what is not sound go to `damaged`."""
    for row in waiting_rows(store):
        name = row["name"]
        if not (shelf.folder / name).exists():
            _set_upload(store, row["id"], "gone")
            continue
        try:
            packed = snapshot.digest(shelf.folder / name)
        except OSError as error:
            return storage_error(error, shelf.folder / name)
        if not packed.sha256 == row["sha256"] == shelf.local_checksum(name):
            _set_upload(store, row["id"], "damaged")
            damaged.append(name)
            continue
        try:
            _upload(shelf, name, packed)
        except WaError as error:
            return error
        _set_upload(store, row["id"], "done")
    return None


def _upload(shelf: Shelf, name: str, packed: Packed) -> None:
    assert shelf.bucket is not None  # noqa: S101
    assert shelf.remote is not None  # noqa: S101
    if name in shelf.remote:
        if shelf.remote_checksum(name) == packed.sha256:  # killed after it, before that was noted
            return
        raise WaError(
            "storage-error",
            f"the bucket has another {name}",
            "each home needs a B2_PREFIX of its own",
        )
    line = f"{packed.sha256}  {name}\n".encode()
    shelf.bucket.put(FOLDER + name + CHECKSUM, line, md5(line, usedforsecurity=False).digest())
    shelf.bucket.put(FOLDER + name, shelf.folder / name, packed.md5)
    shelf.remote[name] = packed.size


def _set_upload(store: Store, number: int, upload: str) -> None:
    with store.write():
        store.execute("UPDATE backup_history SET upload = ? WHERE id = ?", [upload, number])


def last_good(store: Store) -> datetime | None:
    """When the newest good backup was made."""
    found = store.value("SELECT max(started_at) FROM backup_history WHERE status = 'done'")
    return from_iso(found) if found else None


def describe(store: Store) -> dict[str, Any]:
    """The state of the backups: the last good one, how many uploads wait, and why the last run failed."""
    last = store.row("SELECT status, error FROM backup_history ORDER BY id DESC LIMIT 1")
    return {
        "last_at": last_good(store),
        "waiting": len(waiting_rows(store)),
        "trouble": last["error"] if last and last["status"] in ("failed", "interrupted") else None,
    }
