"""The table `backup_history`: each run of the backup, its outcome, and the state of its upload."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wa.store.database import Row, Store
from wa.store.rewrites import Restore, carry_over
from wa.times import from_iso, to_iso

if TYPE_CHECKING:
    from wa.backup.packing import Packed


def begin(store: Store, name: str, now: datetime, *, uploads: bool) -> int:
    """Store that a backup is being made; return the run's id. `uploads`: whether it is to be uploaded."""
    row = {
        "name": name,
        "status": "running",
        "started_at": to_iso(now),
        "upload": "waiting" if uploads else None,
    }
    with store.write():
        run_id = store.insert("backup_history", row)
    assert run_id is not None  # noqa: S101
    return run_id


def end(
    store: Store,
    run_id: int,
    status: str,
    now: datetime,
    *,
    error: str | None = None,
    packed: Packed | None = None,
    counts: dict[str, int] | None = None,
) -> None:
    """Store the outcome of a run: `done`, `failed` or `interrupted`. Only a `done` backup is uploaded."""
    with store.write():
        store.execute(
            "UPDATE backup_history SET status = :status, finished_at = :now, error = :error,"
            " size_bytes = :size, sha256 = :sha256, counts = :counts,"
            " upload = CASE :status WHEN 'done' THEN upload END WHERE id = :id",
            {
                "status": status,
                "now": to_iso(now),
                "error": error,
                "size": packed.size if packed else None,
                "sha256": packed.sha256 if packed else None,
                "counts": json.dumps(counts) if counts else None,
                "id": run_id,
            },
        )


def running(store: Store) -> list[Row]:
    """Return the runs (id, name) that have not ended. If the caller holds the lock, they were killed."""
    return store.rows("SELECT id, name FROM backup_history WHERE status = 'running'")


def has_any(store: Store, names: Sequence[str]) -> bool:
    """Return whether a run has made, or tried to make, a backup of one of these names."""
    marks = ", ".join("?" * len(names))
    return bool(store.value(f"SELECT 1 FROM backup_history WHERE name IN ({marks})", names))


def waiting(store: Store) -> list[Row]:
    """Return the backups (id, name, sha256) that wait for their upload, the newest first."""
    return store.rows(
        "SELECT id, name, sha256 FROM backup_history INDEXED BY backup_history_waiting"
        " WHERE upload = 'waiting' AND status = 'done' ORDER BY id DESC"
    )


def set_upload(store: Store, run_id: int, upload: str) -> None:
    """Store the state of an upload: `done`, `damaged`, or `gone` when the file is missing."""
    with store.write():
        store.execute("UPDATE backup_history SET upload = ? WHERE id = ?", [upload, run_id])


def wait_again(store: Store, name: str, size: int) -> None:
    """Let an uploaded backup wait for its upload again, if it is not of the size that the storage has."""
    where = "name = ? AND upload = 'done' AND size_bytes != ?"
    if store.value(f"SELECT 1 FROM backup_history WHERE {where}", [name, size]) is not None:
        with store.write():
            store.execute(f"UPDATE backup_history SET upload = 'waiting' WHERE {where}", [name, size])


def name_of(store: Store, run_id: int) -> str:
    """Return the name of the backup of a run."""
    return str(store.value("SELECT name FROM backup_history WHERE id = ?", [run_id]))


def rename(store: Store, run_id: int, name: str) -> None:
    """Store that the backup of a run has another name."""
    with store.write():
        store.execute("UPDATE backup_history SET name = ? WHERE id = ?", [name, run_id])


def last_good(store: Store, now: datetime) -> datetime | None:
    """Return the moment when the newest good backup was begun.

    A moment after `now` comes from a clock that was wrong: it counts only if there is no other.
    """
    sql = "SELECT max(started_at) FROM backup_history WHERE status = 'done'"
    found = store.value(f"{sql} AND started_at <= ?", [to_iso(now)]) or store.value(sql)
    return from_iso(found) if found else None


def describe(store: Store, now: datetime) -> dict[str, Any]:
    """Return `last_at`, when the last good backup was made, `waiting`, how many uploads wait, and `trouble`.

    `trouble` is the error of the last run, None if it did not fail. `ahead` is the newest
    moment of a backup that lies in the future, None without one.
    """
    newest = store.value("SELECT max(started_at) FROM backup_history WHERE status = 'done'")
    last = store.row("SELECT status, error FROM backup_history ORDER BY id DESC LIMIT 1")
    return {
        "last_at": last_good(store, now),
        "waiting": len(waiting(store)),
        "trouble": last["error"] if last and last["status"] in ("failed", "interrupted") else None,
        "ahead": from_iso(newest) if newest and newest > to_iso(now) else None,
    }


@carry_over.part
def _keep_history(restore: Restore) -> None:
    """Keep the present store's history of backups, and of uploads that wait."""
    db, known = restore.db, restore.known
    db.execute(  # the run that made the backup had not ended in it
        "UPDATE main.backup_history SET status = 'done', upload = NULL WHERE status = 'running' AND name = ?",
        [restore.name],
    )
    if columns := restore.columns("backup_history", but=["id"]):
        db.execute(f"DELETE FROM main.backup_history WHERE name IN (SELECT name FROM {known}.backup_history)")
        db.execute(
            f"INSERT INTO main.backup_history ({columns})"
            f" SELECT {columns} FROM {known}.backup_history ORDER BY id"
        )
