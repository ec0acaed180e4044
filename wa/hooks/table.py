"""The table `hooks`: programs and web addresses that hear of events, and how far each has heard.

Functions that write are transactions, or join the caller's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.hooks import bursts
from wa.record.events import log
from wa.store import rewrites
from wa.store.database import Row, Store
from wa.times import to_iso

TIMEOUT, MAX_AGE = 30.0, 15 * 60.0
"""Seconds that one run may take, and after which an event is late, unless a hook says otherwise."""
LONGEST_RUN = 24 * 3600.0
"""Seconds that one run may take at most."""
_LONGEST_NAME = 64
_LISTS = ("events", "chats", "senders")
_FLAGS = ("own", "reply_to_strangers", "is_draft", "allow_http", "is_alert")


def new_secret() -> str:
    """Return a secret to sign with, in the form of the Standard Webhooks convention: whsec_ and base64."""
    from base64 import b64encode
    from secrets import token_bytes  # it takes 4 ms to load, and `wa status` reads this table

    return "whsec_" + b64encode(token_bytes(32)).decode()


def add(store: Store, name: str, values: Row, now: datetime, *, since: int | None = None) -> Row:
    """Add a hook; it hears what happens behind the event `since`, without that from now on. Return it.

    Raise WaError `usage` for a name that is none or is taken, and for a pause that it cannot wait for.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        text = f"a name has 1 to {_LONGEST_NAME} characters on one line"
        raise WaError("usage", text, "wa hooks add bot --exec …")
    with store.write():
        if store.value("SELECT 1 FROM hooks WHERE name = ?", [name]):
            raise WaError("usage", f"there is a hook {name!r} already", f"`wa hooks edit {name}` changes it")
        newest = log.newest(store)
        row = {
            "timeout": TIMEOUT,
            "max_age": MAX_AGE,
            **_stored(values),
            "name": name,
            "secret": new_secret() if values.get("webhook") else None,
            "cursor": newest if since is None else min(since, newest),
            "created_at": to_iso(now),
            "updated_at": to_iso(now),
        }
        bursts.check(row.get("settle", 0.0), row["max_age"])
        store.insert("hooks", row)
    return get(store, name)


def _stored(values: Row) -> Row:
    return {name: json.dumps(value) if name in _LISTS else value for name, value in values.items()}


def _shown(row: Row) -> Row:
    lists = {name: json.loads(row[name]) for name in _LISTS}
    return {**row, **lists, **{name: bool(row[name]) for name in _FLAGS}}


def get(store: Store, name: str) -> Row:
    """Return a hook by its name. Raise WaError `not-found`."""
    row = store.row("SELECT * FROM hooks WHERE name = ?", [name])
    if row is None:
        raise WaError("not-found", f"there is no hook {name!r}", "see `wa hooks list`")
    return _shown(row)


def by_id(store: Store, hook_id: int) -> Row | None:
    """Return a hook by its id; None if it was removed."""
    row = store.row("SELECT * FROM hooks WHERE id = ?", [hook_id])
    return None if row is None else _shown(row)


def listing(store: Store) -> list[Row]:
    """Return all hooks by name."""
    return [_shown(row) for row in store.rows("SELECT * FROM hooks ORDER BY name")]


def public(row: Row) -> Row:
    """Return a hook without its secret."""
    return {name: value for name, value in row.items() if name != "secret"}


def change(store: Store, hook_id: int, now: datetime, **changes: Any) -> None:
    """Change columns of a hook, in the caller's transaction if there is one."""
    with store.write():
        store.update("hooks", hook_id, {**_stored(changes), "updated_at": to_iso(now)})


def remove(store: Store, name: str) -> Row:
    """Remove a hook, and what became of its events. Return it."""
    row = get(store, name)
    with store.write():
        store.execute("DELETE FROM hooks WHERE id = ?", [row["id"]])
    return row


def remove_left(store: Store) -> None:
    """Remove the hooks of listeners that were killed."""
    for row in store.rows("SELECT id, holder FROM hooks WHERE holder IS NOT NULL"):
        try:
            os.kill(row["holder"], 0)
        except ProcessLookupError:
            with store.write():
                store.execute("DELETE FROM hooks WHERE id = ?", [row["id"]])
        except PermissionError:  # it is there, and somebody else's
            continue


def pass_to(store: Store, hook_id: int, place: int) -> None:
    """Note that a hook is done with all events up to a place, in the caller's transaction."""
    store.execute("UPDATE hooks SET cursor = ?1 WHERE id = ?2 AND cursor < ?1", [place, hook_id])


def note_missed(store: Store, hook_id: int, place: int, count: int) -> None:
    """Note that events up to a place were deleted before the hook heard of them; in the transaction."""
    store.execute("UPDATE hooks SET missed = missed + ? WHERE id = ?", [count, hook_id])
    pass_to(store, hook_id, place)


def rest(store: Store, hook_id: int, reason: str, now: datetime) -> None:
    """Let a hook rest until the user resumes it, in the caller's transaction."""
    change(store, hook_id, now, status="resting", reason=reason)


def resting(store: Store) -> list[Row]:
    """Return name and reason of the hooks that rest, for `status`."""
    return store.rows("SELECT name, reason FROM hooks WHERE status = 'resting' ORDER BY name")


@rewrites.still_needed.part
def _keep_unheard(store: Store, rows: Sequence[Row], needed: set[int]) -> None:
    """Keep messages of which something was told that a hook has not heard yet."""
    place = store.value("SELECT min(cursor) FROM hooks")
    if place is None or place >= log.newest(store):
        return
    sql = (
        "SELECT 1 FROM events WHERE chat_jid = :chat_jid AND message_id = :message_id AND id > :place LIMIT 1"
    )
    for row in rows:
        key = {"chat_jid": row["chat_jid"], "message_id": row["message_id"], "place": place}
        if store.value(sql, key) is not None:
            needed.add(row["id"])


@rewrites.carry_over.part
def _carry_over(restore: rewrites.Restore) -> None:
    """Let hooks go on where they are: what they heard since the backup was made, they do not hear again.

    A hook that the present store does not know begins now.
    """
    db, known = restore.db, restore.known
    if restore.columns("hooks") and restore.columns("events"):
        newest = f"(SELECT coalesce(max(id), 0) FROM {known}.events)"
        mine = f"(SELECT k.cursor FROM {known}.hooks k WHERE k.id = hooks.id AND k.name = hooks.name)"
        db.execute(f"UPDATE main.hooks SET cursor = coalesce({mine}, {newest})")
