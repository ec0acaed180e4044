"""What a store that is about to be replaced knows, and the backup that replaces it must not forget.

An old backup knows messages as `pending` that went out since, or were withdrawn. So for
each row of the queue, the one that knows more is taken. Both databases are attached to
one connection: the backup is `main`, the present store the schema that is named.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from wa.store import rewrites
from wa.times import to_iso

_TABLES = ("scheduled_messages", "spool", "wire", "requests", "state", "device", "backup_history")
_KEPT_STATE = ("pacing", "brake", "ban", "transport")
_GONE = "('sending', 'sent', 'unknown')"

# Where both know a row, the present store is right, as a rule: it has gone on since. But it may itself be an
# older backup that was restored. Then what cannot be undone stands: nothing leads away from `sent`, nor from
# `cancelled` back to `pending`, and whatever else can, says when it happened.
_BACKUP_IS_RIGHT = """
    (b.status = 'sent' AND k.status != 'sent')
    OR (b.status = 'cancelled' AND k.status = 'pending')
    OR (k.status IN ('pending', 'failed', 'missed')
        AND coalesce(b.updated_at, '') > coalesce(k.updated_at, ''))
    OR (k.status = 'unknown' AND k.error_code = 'restored' AND b.status NOT IN ('sending', 'pending'))
"""


def nothing_known(db: sqlite3.Connection, schema: str) -> None:
    """Attach a store that knows nothing, for a present one that cannot be read."""
    db.execute(f"ATTACH ':memory:' AS {schema}")
    for table in _TABLES:
        db.execute(f"CREATE TABLE {schema}.{table} AS SELECT * FROM main.{table} WHERE 0")


def carry_over(db: sqlite3.Connection, known: str, name: str, now: datetime) -> None:
    """Bring into the backup what the schema `known` knows; sending is paused.

    What the backup alone has as `sending`, or as `pending` and due by now, becomes
    `unknown`: it may have gone out since. `name` is the backup's.
    """
    db.execute("BEGIN")
    try:
        _queue(db, known, name, now)
        _requests_and_marks(db, known)
        _spool(db, known)
        _state(db, known, now)
        rewrites.carry_over.run(rewrites.Restore(db, known, name, now))
        _history(db, known, name)
        _numbers(db, known)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _columns(db: sqlite3.Connection, known: str, table: str, but: Sequence[str] = ()) -> str:
    """The columns that a table has in both, as SQL; none where one has no such table."""
    ours, theirs = (
        [row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")] for schema in ("main", known)
    )
    return ", ".join(name for name in ours if name in theirs and name not in but)


def _queue(db: sqlite3.Connection, known: str, name: str, now: datetime) -> None:
    columns = _columns(db, known, "scheduled_messages")
    db.execute(
        "CREATE TEMP TABLE taken AS SELECT k.id AS id"
        f" FROM {known}.scheduled_messages k LEFT JOIN main.scheduled_messages b ON b.id = k.id"
        f" WHERE b.id IS NULL OR NOT ({_BACKUP_IS_RIGHT})"
    )
    db.execute(
        "UPDATE main.scheduled_messages SET status = 'unknown', error_code = 'restored',"
        " error_message = :why, wait_until = NULL, updated_at = :now WHERE id NOT IN (SELECT id FROM taken)"
        " AND (status = 'sending' OR (status = 'pending' AND scheduled_at <= :now))",
        {"why": f"it comes from {name}, and may have been sent since", "now": to_iso(now)},
    )
    clashes = db.execute(
        f"SELECT b.id, k.id, k.idempotency_key, b.status IN {_GONE}, k.status IN {_GONE}"
        f" FROM main.scheduled_messages b JOIN {known}.scheduled_messages k USING (idempotency_key)"
        " WHERE b.id != k.id"
    ).fetchall()
    release = "UPDATE main.scheduled_messages SET idempotency_key = NULL WHERE id = ?"
    db.executemany(release, [(ours,) for ours, *_ in clashes])
    db.execute("DELETE FROM main.scheduled_messages WHERE id IN (SELECT id FROM taken)")
    db.execute(
        f"INSERT INTO main.scheduled_messages ({columns})"
        f" SELECT {columns} FROM {known}.scheduled_messages WHERE id IN (SELECT id FROM taken)"
    )
    for ours, theirs, key, ours_gone, theirs_gone in clashes:  # one key, one message: the one that went
        holds, yields = (ours, theirs) if ours_gone and not theirs_gone else (theirs, ours)
        db.execute(release, [yields])
        db.execute(
            "UPDATE main.scheduled_messages SET status = 'cancelled', note = ?"
            " WHERE id = ? AND status = 'pending'",
            [f"its key is that of {holds}", yields],
        )
        db.execute("UPDATE main.scheduled_messages SET idempotency_key = ? WHERE id = ?", [key, holds])
    db.execute("DROP TABLE temp.taken")


def _requests_and_marks(db: sqlite3.Connection, known: str) -> None:
    """Wishes and wire marks are of the present alone: what is `sending` there is settled by them."""
    for table in ("requests", "wire"):
        if columns := _columns(db, known, table):
            db.execute(f"DELETE FROM main.{table}")
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM {known}.{table}")


def _spool(db: sqlite3.Connection, known: str) -> None:
    """What arrived and is not recorded yet comes along: nobody sends it again."""
    if columns := _columns(db, known, "spool", but=["id"]):
        db.execute(
            f"INSERT INTO main.spool ({columns}) SELECT {columns} FROM {known}.spool k WHERE NOT EXISTS"
            " (SELECT 1 FROM main.spool b WHERE b.payload = k.payload AND b.received_at = k.received_at)"
            " ORDER BY k.id"
        )


def _state(db: sqlite3.Connection, known: str, now: datetime) -> None:
    marks = ", ".join("?" * len(_KEPT_STATE))
    db.execute(
        f"INSERT OR REPLACE INTO main.state SELECT key, value FROM {known}.state WHERE key IN ({marks})",
        _KEPT_STATE,
    )
    paused = json.dumps({"at": to_iso(now)})
    db.execute("INSERT OR REPLACE INTO main.state VALUES ('paused', ?)", [paused])


def _history(db: sqlite3.Connection, known: str, name: str) -> None:
    """What is known of backups, and which of them wait for their upload."""
    db.execute(
        "UPDATE main.backup_history SET status = 'done', upload = NULL WHERE status = 'running' AND name = ?",
        [name],
    )
    if columns := _columns(db, known, "backup_history", but=["id"]):
        db.execute(f"DELETE FROM main.backup_history WHERE name IN (SELECT name FROM {known}.backup_history)")
        db.execute(
            f"INSERT INTO main.backup_history ({columns})"
            f" SELECT {columns} FROM {known}.backup_history ORDER BY id"
        )


def _numbers(db: sqlite3.Connection, known: str) -> None:
    """No number of the present store is given a second time: others may have kept one as their place."""
    try:
        highest = db.execute(f"SELECT name, seq FROM {known}.sqlite_sequence").fetchall()
    except sqlite3.OperationalError:  # that store knows nothing
        return
    for table, number in highest:
        changed = db.execute(
            "UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [number, table]
        )
        if not changed.rowcount:
            db.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", [table, number])
