"""The table `requests`: requests of other commands to the owner of the connection, and its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from wa.errors import WaError
from wa.record import history_sync
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import forget_old
from wa.times import from_iso, to_iso

Result = tuple[dict[str, Any], WaError | None]
"""The result of a request, and its error if it failed."""
_OPEN = "requests INDEXED BY requests_open WHERE status IN ('pending', 'doing', 'unknown') AND status ="
"""SQL for the requests with one of these statuses; SQLite does not see by itself that the index has them."""
_THESE = "FROM requests WHERE id BETWEEN :first AND :last AND kind = :kind"
REPEATABLE = ("mark-read", "groups", "blocked", "download", "fetch-history")
"""The kinds of requests that `answers` answers: what they ask for may be done again."""
LONGEST_WAIT = timedelta(seconds=60)
"""The time for which a request that is done once waits to be begun."""
_FARTHEST = LONGEST_WAIT + timedelta(seconds=1)
"""The farthest that its end may lie ahead, by a clock that is put right in small steps."""
GROUPS_EVERY, UNKNOWN_GROUP_EVERY = timedelta(days=1), timedelta(minutes=10)


def put(store: Store, kind: str, arguments: Sequence[dict[str, Any]], expires: datetime) -> list[int]:
    """Add requests of one kind, for the owner to answer before they expire. Return their ids."""
    row = {"kind": kind, "expires_at": to_iso(expires)}
    with store.write():
        numbers = [store.insert("requests", {**row, "args": json.dumps(args)}) for args in arguments]
    return [number for number in numbers if number is not None]


def put_once(
    store: Store,
    kind: str,
    args: Row,
    now: datetime,
    expires: datetime,
    key: str | None = None,
    hook_id: int | None = None,
) -> int:
    """Add a request, which may count for a hook, or find the one of its key. Return its id.

    Raise as `with_key` does.
    """
    kept = args if hook_id is None else {**args, "hook": hook_id}
    row = {"kind": kind, "args": json.dumps(kept), "expires_at": to_iso(expires), "key": key}
    with store.write():
        found = with_key(store, key, kind, args, now)
        if found is None and key is not None:
            store.execute("UPDATE requests SET key = NULL WHERE key = ?", [key])
        return found or store.insert("requests", row) or 0


def with_key(store: Store, key: str | None, kind: str, args: Row, now: datetime) -> int | None:
    """Return the id of the request that a key has made; None if there is none, or it changed nothing.

    Raise WaError `usage` for a key that was used for something else, and for an empty one.
    """
    if key == "":
        raise WaError("usage", "the key is empty", "leave it out, or give it a text of your own")
    found = store.row("SELECT * FROM requests WHERE key = ?", [key]) if key is not None else None
    if found is None:
        return None
    if (found["kind"], arguments(found)) != (kind, args):
        raise WaError("usage", "the key was used for something else", "use another key")
    is_over = found["status"] == "pending" and found["expires_at"] <= to_iso(now)
    return None if is_over or found["status"] in ("failed", "withdrawn") else int(found["id"])


def arguments(row: Row) -> Row:
    """Return the arguments of an action, without the `hook` that it counts for."""
    return {name: value for name, value in json.loads(row["args"]).items() if name != "hook"}


@forget_old.part
def _forget(store: Store, before: str) -> None:
    """Delete the requests that expired before a moment."""
    sql = "id IN (SELECT id FROM requests ORDER BY id LIMIT ?) AND expires_at < ?"
    deleted = BATCH
    while deleted == BATCH:
        with store.write(durable=False):
            deleted = store.delete("requests", sql, [BATCH, before])


def are_open(store: Store, kind: str, numbers: Sequence[int]) -> bool:
    """Return whether one of these requests, added together, is still unanswered."""
    sql = f"SELECT 1 {_THESE} AND status = 'pending' LIMIT 1"
    return store.value(sql, {"first": numbers[0], "last": numbers[-1], "kind": kind}) is not None


def results(store: Store, kind: str, numbers: Sequence[int]) -> list[Result]:
    """Return the result of each of these requests, which were added together."""
    sql = f"SELECT id, status, result {_THESE}"
    found = store.rows(sql, {"first": numbers[0], "last": numbers[-1], "kind": kind})
    rows = {row["id"]: row for row in found}
    return [_result(rows[number]) for number in numbers]


def _result(row: Row) -> Result:
    result = json.loads(row["result"] or "{}")
    if row["status"] == "done":
        return result, None
    if row["status"] == "unknown":
        return result, WaError("unknown-outcome", result["message"], result.get("hint"))
    code, why = result.get("code", "network-error"), result.get("message", "WhatsApp could not be reached")
    hint = result.get("hint") or ("try again" if code == "network-error" else None)
    return result, WaError(code, why, hint)


def withdraw_expired(store: Store, now: datetime) -> None:
    """Withdraw the actions that waited too long, so that a clock set back does not make them wanted again.

    Those that it moved too far ahead are withdrawn too: they would keep all others waiting.
    """
    sql = f"SELECT id, kind FROM {_OPEN} 'pending' AND NOT (expires_at > :now AND expires_at <= :most)"
    for row in store.rows(sql, {"now": to_iso(now), "most": to_iso(now + _FARTHEST)}):
        if not is_repeatable(row):
            withdraw(store, row["id"])


def oldest(store: Store, now: datetime) -> Row | None:
    """Return the oldest request that is to be answered, and has not expired."""
    history_sync.end_abandoned(store, now)
    return store.row(
        f"SELECT * FROM {_OPEN} 'pending' AND expires_at > ? ORDER BY id LIMIT 1",
        [to_iso(now)],
    )


def is_repeatable(row: Row) -> bool:
    """Return whether what a request asks for may be done again. The others are actions."""
    return row["kind"] in REPEATABLE


# ── Requests that are done once: each writes in the caller's transaction ────────────────────────────


def is_in_time(row: Row, now: datetime) -> bool:
    """Return whether a request that is done once has not expired; when the clock was set back, it has."""
    return now < from_iso(row["expires_at"]) <= now + _FARTHEST


def claim(store: Store, number: int, now: datetime, secret: bytes, wire_after: int) -> None:
    """Make a request `doing`: from now on it may be done, and nobody does it again."""
    changes = {"claimed_at": to_iso(now), "secret": secret, "wire_after": wire_after}
    store.update("requests", number, {"status": "doing", **changes})


def end(
    store: Store, number: int, status: str, result: dict[str, Any], message_id: str | None = None
) -> None:
    """Record how a request ended: `done`, `failed` or `unknown`, with its result or its error's code."""
    changes = {"status": status, "result": json.dumps(result), "message_id": message_id}
    store.update("requests", number, changes)


def withdraw(store: Store, number: int) -> str:
    """Withdraw a request that nobody has begun to do. Return its status: `withdrawn` if that succeeded."""
    with store.write():
        if status(store, number) == "pending":
            store.update("requests", number, {"status": "withdrawn"})
        return status(store, number)


def get(store: Store, number: int) -> Row:
    """Return a request."""
    row = store.row("SELECT * FROM requests WHERE id = ?", [number])
    assert row is not None  # noqa: S101
    return row


def status(store: Store, number: int) -> str:
    """Return the status of a request."""
    return str(store.value("SELECT status FROM requests WHERE id = ?", [number]))


def in_status(store: Store, status: str) -> list[Row]:
    """Return the requests with the status `doing` or `unknown`."""
    return store.rows(f"SELECT * FROM {_OPEN} ? ORDER BY id", [status])


def done_after(store: Store, row: Row) -> list[Row]:
    """Return the requests of the kind of a request that were added after it and are done."""
    sql = "SELECT * FROM requests WHERE id > ? AND kind = ? AND status = 'done'"
    return store.rows(sql, [row["id"], row["kind"]])


def doubt_groups(store: Store) -> None:
    """Note that the stored groups may not be as they are on WhatsApp; in the caller's transaction."""
    store.set_state("groups_at", "")


def are_in_doubt(store: Store) -> bool:
    """Return whether the stored groups are in doubt, by what is noted or what a dead process had begun."""
    begun = (row["kind"].startswith("group-") for row in in_status(store, "doing"))
    return store.state().get("groups_at") == "" or any(begun)


def groups_are_stale(store: Store, now: datetime) -> bool:
    """Return whether the stored groups are in doubt, or so old that they may have changed."""
    if are_in_doubt(store):
        return True
    last = store.state().get("groups_at")
    every = UNKNOWN_GROUP_EVERY if _has_unknown_group(store) else GROUPS_EVERY
    return last is None or abs(now - from_iso(last)) > every


def _has_unknown_group(store: Store) -> bool:
    """Return whether there are messages of a group whose name and members are unknown."""
    return bool(store.value("SELECT 1 FROM chats WHERE is_group AND name IS NULL LIMIT 1"))
