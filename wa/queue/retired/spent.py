"""What was archived of the queue, so that nothing is sent twice: the tables `spent` and `spent_dates`.

A row, series or job that is archived leaves its id and its key here, and a series its dates. So a key stays
used, and a backup from before that is restored brings none of them back. Of a text, only a digest stays.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from wa.errors import WaError
from wa.store.database import Row, Store
from wa.store.rewrites import Restore, carry_over

_QUEUE = "scheduled_messages"
_MADE = {_QUEUE: "message", "series": "series", "jobs": "job"}
"""What the rows of a table are, as the column `made` names it."""
_OF_A_MESSAGE = (
    "id", "to_jid", "to_phone", "contact_name", "scheduled_at", "timezone", "created_at", "created_from",
    "status", "error_code", "error_message", "sent_at", "message_id", "media_path", "media_type",
    "is_immediate", "idempotency_key",
)  # fmt: skip
_BELONG = {
    "series": ((_QUEUE, "series_id"),),
    "jobs": ((_QUEUE, "job_id"), ("job_recipients", "job_id")),
}
"""The tables whose rows belong to a series or a job, and their column with its id."""
_TEXTS = ("message", "message_parts", "recipients", "secret")


def keep(table: str, store: Store, row: Row) -> None:
    """Keep the id and the key of a row of the queue, a series or a job that goes."""
    if table != _QUEUE:
        kept = {name: value for name, value in row.items() if name not in _TEXTS and value is not None}
    elif row["idempotency_key"] is not None:
        kept = {name: row[name] for name in _OF_A_MESSAGE if row[name] is not None}
        kept |= {name: _digest(row[name]) for name in ("message", "details") if row[name] is not None}
    else:
        kept = {"status": row["status"]}
    key = row["idempotency_key"]
    text = json.dumps(kept, ensure_ascii=False)
    store.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?)", [_MADE[table], row["id"], key, text])


def keep_date(store: Store, row: Row) -> None:
    """Keep the date of a row of a series."""
    if row["occurrence"] is not None:
        store.insert("spent_dates", {name: row[name] for name in ("series_id", "occurrence")}, ignore=True)


def forget(table: str, store: Store, row: Row) -> None:
    """Forget what was kept of a row that is stored again."""
    store.execute("DELETE FROM spent WHERE made = ? AND id = ?", [_MADE[table], row["id"]])
    if row.get("series_id") is not None:
        date = [row["series_id"], row["occurrence"]]
        store.execute("DELETE FROM spent_dates WHERE series_id = ? AND occurrence = ?", date)


def by_key(store: Store, table: str, key: str, sql: str) -> Row | None:
    """Return what is kept of the row with a key: with the columns of the query `sql` by that key."""
    query = "SELECT row FROM spent WHERE made = ? AND idempotency_key = ?"
    kept = store.value(query, [_MADE[table], key])
    if kept is None:
        return None
    names = [column[0] for column in store.execute(sql, [key]).description]
    return {**dict.fromkeys(names), **json.loads(kept), "is_spent": True}


def is_used(store: Store, key: str) -> bool:
    """Return whether a message or a series that was archived had a key."""
    sql = "SELECT 1 FROM spent WHERE made IN ('message', 'series') AND idempotency_key = ?"
    return store.value(sql, [key]) is not None


def is_text(kept: str | None, text: str | None) -> bool:
    """Return whether a text is the one of which `kept` is the digest, or is `kept` itself."""
    return text == kept or (text is not None and kept == _digest(text))


def check_not_spent(row: Row) -> None:
    """Raise WaError `wrong-state` for what a key has made, and was archived since."""
    if "is_spent" in row:
        raise WaError(
            "wrong-state",
            f"the key {row['idempotency_key']!r} is that of {row['id']}, which has ended and was archived",
            "choose another key",
        )


def _digest(text: str) -> str:
    from hashlib import sha256  # it takes 2 ms to load

    return f"sha256:{sha256(text.encode(errors='surrogatepass')).hexdigest()[:40]}"


@carry_over.part
def _carry_spent_over(restore: Restore) -> None:
    """Take out of the backup what the present store has archived since, and keep its keys and dates used."""
    db, known = restore.db, restore.known
    if not restore.columns("spent"):
        return
    for table in ("spent", "spent_dates"):
        db.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM {known}.{table}")
    there = "SELECT 1 FROM {known}.{table} t WHERE t.id = s.id"
    store = Store.over(db)
    for table, made in _MADE.items():
        is_back = there.format(known=known, table=table)  # restored from its archive
        db.execute(f"DELETE FROM main.spent AS s WHERE made = ? AND EXISTS ({is_back})", [made])
        _remove_whole(store, table, "SELECT id FROM spent WHERE made = ?", [made])
    dates = f"SELECT 1 FROM {known}.scheduled_messages k WHERE k.series_id = d.series_id"
    db.execute(f"DELETE FROM main.spent_dates AS d WHERE EXISTS ({dates} AND k.occurrence = d.occurrence)")
    store.delete(_QUEUE, "(series_id, occurrence) IN (SELECT * FROM spent_dates)")


def _remove_whole(store: Store, table: str, ids: str, params: Sequence[str]) -> None:
    """Remove the rows with these ids (SQL), and those that belong to them."""
    for each, name in ((table, "id"), *_BELONG.get(table, ())):
        store.delete(each, f"{name} IN ({ids})", params)
