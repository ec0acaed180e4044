"""Copying newer facts of the present store into a backup that will replace it, above all sent messages.

In an old backup, messages are `pending` that were sent or cancelled since. So for each row of the queue,
the row that is further on is kept. Both databases are open on one connection: the backup is the schema
`main`, the present store a schema of another name.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from wa.store import rewrites, web_sessions
from wa.store.rewrites import Restore
from wa.times import to_iso

_KEPT_STATE = ("pacing", "brake", "ban", "transport", web_sessions.KEY)
_MAY_HAVE_GONE = "('sending', 'sent', 'unknown')"
_OPEN = "('draft', 'pending', 'held')"

# If both stores have a row, the present store's is usually right, for it is newer. But the present store may
# itself be an older backup that was restored. So a final status wins: `sent`, and `cancelled` over one that
# is open. Of two rows whose status can still change, the one that changed later wins.
_BACKUP_IS_RIGHT = f"""
    (b.status = 'sent' AND k.status != 'sent')
    OR (b.status = 'cancelled' AND k.status IN {_OPEN})
    OR ((k.status IN {_OPEN} OR k.status IN ('failed', 'missed'))
        AND coalesce(b.updated_at, '') > coalesce(k.updated_at, ''))
    OR (k.status = 'unknown' AND k.error_code = 'restored' AND b.status != 'sending'
        AND b.status NOT IN {_OPEN})
"""


def nothing_known(db: sqlite3.Connection, schema: str) -> None:
    """Attach an empty store in place of a present store that cannot be read."""
    db.execute(f"ATTACH ':memory:' AS {schema}")
    tables = db.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    for (table,) in tables:
        db.execute(f'CREATE TABLE {schema}."{table}" AS SELECT * FROM main."{table}" WHERE 0')


def carry_over(db: sqlite3.Connection, known: str, name: str, now: datetime) -> None:
    """Copy newer facts of the schema `known` into the backup, and pause sending.

    A row that only the backup has, and that is `sending`, or `pending` and due by now,
    becomes `unknown`: it may have been sent since. `name` is the backup's name.
    """
    restore = Restore(db, known, name, now)
    db.execute("BEGIN")
    try:
        _queue(restore)
        restore.take_over("requests")
        restore.take_over("events")  # a reader goes on from the place in the log that it has reached
        restore.take_over("wire")  # its marks settle the rows that are `sending` in the present store
        _stuck(restore)
        _state(restore)
        rewrites.carry_over.run(restore)
        _numbers(restore)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _queue(restore: Restore) -> None:
    """Keep the present store's row unless the backup's is right; a key stays with one message."""
    db, known = restore.db, restore.known
    columns = restore.columns("scheduled_messages")
    db.execute(
        "CREATE TEMP TABLE kept AS SELECT k.id AS id"
        f" FROM {known}.scheduled_messages k LEFT JOIN main.scheduled_messages b ON b.id = k.id"
        f" WHERE b.id IS NULL OR NOT ({_BACKUP_IS_RIGHT})"
    )
    db.execute(
        "UPDATE main.scheduled_messages SET status = 'unknown', error_code = 'restored',"
        " error_message = :why, wait_until = NULL, updated_at = :now WHERE id NOT IN (SELECT id FROM kept)"
        " AND (status = 'sending' OR (scheduled_at <= :now AND"
        " (status = 'pending' OR (status = 'held' AND series_id IS NOT NULL))))",
        {"why": f"it comes from {restore.name}, and may have been sent since", "now": to_iso(restore.now)},
    )
    clashes = db.execute(
        f"SELECT b.id, k.id, k.idempotency_key, b.status IN {_MAY_HAVE_GONE}, k.status IN {_MAY_HAVE_GONE}"
        f" FROM main.scheduled_messages b JOIN {known}.scheduled_messages k USING (idempotency_key)"
        " WHERE b.id != k.id"
    ).fetchall()
    _keep_one_of_twins(restore, "job_id", "recipient_index", "part_index")
    _keep_one_of_twins(restore, "series_id", "occurrence")
    release = "UPDATE main.scheduled_messages SET idempotency_key = NULL WHERE id = ?"
    db.executemany(release, [(ours,) for ours, *_ in clashes])
    db.execute("DELETE FROM main.scheduled_messages WHERE id IN (SELECT id FROM kept)")
    db.execute(
        f"INSERT INTO main.scheduled_messages ({columns})"
        f" SELECT {columns} FROM {known}.scheduled_messages WHERE id IN (SELECT id FROM kept)"
    )
    for ours, theirs, key, ours_gone, theirs_gone in clashes:  # the key stays with the message that was sent
        holder, other = (ours, theirs) if ours_gone and not theirs_gone else (theirs, ours)
        db.execute(release, [other])
        db.execute(
            "UPDATE main.scheduled_messages SET status = 'cancelled', note = ?"
            f" WHERE id = ? AND status IN {_OPEN}",
            [f"its key is that of {holder}", other],
        )
        db.execute("UPDATE main.scheduled_messages SET idempotency_key = ? WHERE id = ?", [key, holder])
    db.execute("DROP TABLE temp.kept")


def _keep_one_of_twins(restore: Restore, *names: str) -> None:
    """Keep, of two rows that the stores made for the same part of a job or date of a series, one.

    It is the one that is further on. `names` are the columns that both rows share.
    """
    db, known = restore.db, restore.known
    if names[-1] not in restore.columns("scheduled_messages"):
        return
    rank = "CASE {0}.status WHEN 'sent' THEN 2 WHEN 'unknown' THEN 1 WHEN 'sending' THEN 1 ELSE 0 END"
    twins = db.execute(
        f"SELECT b.id, k.id, {rank.format('b')} > {rank.format('k')} FROM main.scheduled_messages b"
        f" JOIN {known}.scheduled_messages k USING ({', '.join(names)}) WHERE b.id != k.id"
    ).fetchall()
    for ours, theirs, is_ours in twins:
        if is_ours:
            db.execute("DELETE FROM temp.kept WHERE id = ?", [theirs])
        else:
            db.execute("DELETE FROM main.scheduled_messages WHERE id = ?", [ours])


def _stuck(restore: Restore) -> None:
    """Keep the events that could not be recorded, and record the spool from its beginning.

    WhatsApp sends no event again. Recording one that the backup knows already changes nothing.
    """
    columns = restore.columns("stuck", but=["id"])
    if columns:
        restore.db.execute(
            f"INSERT INTO main.stuck ({columns})"
            f" SELECT {columns} FROM {restore.known}.stuck k WHERE NOT EXISTS"
            " (SELECT 1 FROM main.stuck b WHERE b.payload = k.payload AND b.received_at = k.received_at)"
            " ORDER BY k.id"
        )
    restore.db.execute("DELETE FROM main.state WHERE key IN ('spool', 'spool_history')")


def _state(restore: Restore) -> None:
    """Keep the pace of sending, its blocks and the sessions of browsers, and pause sending."""
    # a session that was ended must not come back
    restore.db.execute("DELETE FROM main.state WHERE key = ?", [web_sessions.KEY])
    marks = ", ".join("?" * len(_KEPT_STATE))
    restore.db.execute(
        "INSERT OR REPLACE INTO main.state"
        f" SELECT key, value FROM {restore.known}.state WHERE key IN ({marks})",
        _KEPT_STATE,
    )
    paused = json.dumps({"at": to_iso(restore.now), "restored": True})
    restore.db.execute("INSERT OR REPLACE INTO main.state VALUES ('paused', ?)", [paused])


def _numbers(restore: Restore) -> None:
    """Keep each AUTOINCREMENT counter at the higher of the two stores.

    So no id is used twice, and a cursor, such as that of `listen --since`, misses no message.
    """
    db = restore.db
    try:
        highest = db.execute(f"SELECT name, seq FROM {restore.known}.sqlite_sequence").fetchall()
    except sqlite3.OperationalError:  # the present store is an empty one
        return
    for table, number in highest:
        changed = db.execute(
            "UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [number, table]
        )
        if not changed.rowcount:
            db.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", [table, number])
