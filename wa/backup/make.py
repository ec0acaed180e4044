"""A run of the backup: it makes a snapshot, uploads all waiting backups, and writes the history."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from wa.backup import history, snapshot
from wa.backup.backups import Backups
from wa.backup.names import free_moment, is_encrypted, moment_of, name_at, names_at
from wa.backup.packing import digest, pack
from wa.backup.retention import remove_old
from wa.errors import Terminated, WaError
from wa.record.retention.archive import home_id
from wa.store.database import Row, Store
from wa.store.files import storage_error
from wa.whatsapp.neonize import session_db as session


def make_backup(backups: Backups, store: Store, *, with_session: bool = False) -> Row:
    """Make a backup, upload all waiting ones, and remove old ones; return the result.

    Raise WaError `corrupt` for a damaged store, and `storage-error` when no backup could be made. When
    a backup was made but could not be uploaded, raise the error of the storage.
    """
    if with_session and backups.keys.recipient is None:
        raise WaError(
            "usage",
            "a backup with the session's keys has to be encrypted",
            "set WA_BACKUP_RECIPIENT; `wa backup keygen` makes a pair of keys",
        )
    with backups.lock("backup") as parts:
        for run in history.running(store):
            _end_early(backups, store, run["id"], run["name"], "interrupted", "it was killed")
        backups.local.look()
        home_id(store)  # an archive that is made later is of the home that this backup restores
        run_id, made = _make(backups, store, parts, with_session)
        backups.look()  # whatever the storage does, the backup is here
        trouble, damaged = backups.trouble, list[str]()
        if trouble is None:
            trouble = _upload_waiting(backups, store, damaged)
            made |= _place(backups, history.name_of(store, run_id))
        removed: list[str] = []
        try:
            removed = remove_old(backups, store)
        except WaError as error:
            trouble = trouble or error
    if trouble is not None:
        raise _not_uploaded(made["name"], len(history.waiting(store)), trouble)
    if damaged:
        raise WaError(
            "corrupt",
            f"{made['name']} is made, but {', '.join(damaged)} is damaged and was not uploaded",
            "look at the disk; `wa backup list` shows what else there is",
        )
    return {**made, "uploaded": backups.remote is not None or None, "removed": removed}


def _not_uploaded(name: str, waiting: int, trouble: WaError) -> WaError:
    what = "its upload waits" if waiting == 1 else f"{waiting} uploads wait"
    if not waiting:
        what = "old ones could not be removed"
    return WaError(
        trouble.code if trouble.code == "network-error" else "storage-error",
        f"{name} is made and kept here, but {what}: {trouble.message}",
        (f"{trouble.hint}; " if trouble.hint else "") + "the next `wa backup` makes up for it",
    )


def _place(backups: Backups, name: str) -> Row:
    return {"name": name, "path": str(backups.local.folder / name)}


def _make(backups: Backups, store: Store, parts: Path, with_session: bool) -> tuple[int, Row]:
    """Make a backup on this machine; return the id of the run, and what was made."""
    begin = backups.now()
    encrypted = backups.keys.recipient is not None
    name = name_at(_free_moment(backups, store, begin), encrypted=encrypted)
    run_id = history.begin(store, name, begin, uploads=backups.remote is not None)
    try:
        session_copy = None
        if with_session:
            session_copy = parts / "session.db"
            session.copy(backups.home, session_copy)
        counts = snapshot.take(backups.home, parts / "wa.db", session_copy)
        with snapshot.proving(backups.home, parts / "wa.db", counts) as prove:
            packed = pack(parts / "wa.db", parts / name, backups.keys)
            prove()
        backups.local.add(name, parts / name, packed)
    except BaseException as error:
        ended = "interrupted" if isinstance(error, (KeyboardInterrupt, Terminated)) else "failed"
        _end_early(backups, store, run_id, name, ended, str(error))
        raise
    history.end(store, run_id, "done", backups.now(), packed=packed, counts=counts)
    return run_id, {
        **_place(backups, name),
        "size_bytes": packed.size,
        "sha256": packed.sha256,
        "messages": counts.get("messages", 0),
        "encrypted": encrypted,
        "with_session": with_session,
    }


def _free_moment(backups: Backups, store: Store, moment: datetime) -> datetime:
    """Return the first moment from `moment` on that no backup is or was named for."""
    there = {name for catalog in backups.catalogs for name in catalog.sizes}

    def is_taken(at: datetime) -> bool:
        names = names_at(at)
        return not there.isdisjoint(names) or history.has_any(store, names)

    return free_moment(moment, is_taken)


def _end_early(backups: Backups, store: Store, run_id: int, name: str, status: str, error: str) -> None:
    """Store that a run ended early; as `done` if its backup is in place already."""
    if backups.local.is_sound(name):
        history.end(store, run_id, "done", backups.now(), packed=digest(backups.local.folder / name))
    else:
        history.end(store, run_id, status, backups.now(), error=error)


def _moved_on(backups: Backups, store: Store, row: Row) -> str:
    """Give a backup another name, because the storage has another backup of its own; return it."""
    at = moment_of(row["name"]) or backups.now()
    name = name_at(_free_moment(backups, store, at), encrypted=is_encrypted(row["name"]))
    history.rename(store, row["id"], name)
    backups.local.rename(row["name"], name, row["sha256"])
    return name


def _upload_waiting(backups: Backups, store: Store, damaged: list[str]) -> WaError | None:
    """Upload the waiting backups that are sound; return the error that ended this, if any.

    Add the names of the damaged ones to `damaged`.
    """
    if backups.remote is None:
        return None
    for name, size in backups.remote.sizes.items():
        if name in backups.local.sizes:
            history.wait_again(store, name, size)
    for row in history.waiting(store):
        name, path = row["name"], backups.local.folder / row["name"]
        if not path.exists():
            history.set_upload(store, row["id"], "gone")
            continue
        try:
            packed = digest(path)
        except OSError as error:
            return storage_error(error, path)
        if not packed.sha256 == row["sha256"] == backups.local.checksum(name):
            history.set_upload(store, row["id"], "damaged")
            damaged.append(name)
            continue
        try:
            if backups.remote.has_another(name, packed):
                name = _moved_on(backups, store, row)
                path = backups.local.folder / name
            backups.remote.add(name, path, packed)
        except WaError as error:
            return error
        history.set_upload(store, row["id"], "done")
    return None
