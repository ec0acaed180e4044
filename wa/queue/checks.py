"""Checks of a message before it is queued: its text, and its key, which names one message for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TypeVar

from wa.errors import WaError
from wa.queue.retired import spent
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.times import from_iso

Made = TypeVar("Made")
MAX_TEXT = 65_536  # the most characters in one message, WhatsApp's own limit


def check_text(text: str, *, may_be_empty: bool = False) -> None:
    """Raise WaError `usage` or `message-too-long` for a text that cannot be a message."""
    if not text.strip() and not may_be_empty:
        raise WaError("usage", "the text is empty", "give the text as an argument, or on standard input")
    if len(text) > MAX_TEXT:
        raise WaError(
            "message-too-long",
            f"the text has {len(text):,} characters; WhatsApp takes {MAX_TEXT:,}",
            "send it in parts",
        )


def check_key(store: Store, first: Row, row: Row) -> None:
    """Raise WaError unless the first row of a key answers a command that would make `row`.

    That is `usage` for another recipient, message or time, and `wrong-state` for a
    first row that will not be sent. Both rows have `is_immediate`.
    """
    key, row_id = first["idempotency_key"], first["id"]
    is_other = not spent.is_text(first["message"], row["message"]) or not _same_beside(first, row)
    if is_other or canonical(store, first["to_jid"]) != canonical(store, row["to_jid"]):
        raise _used_otherwise(first, "recipient or message")
    if not row["is_immediate"] and not _same_time(first, row):
        raise _used_otherwise(first, f"time, {first['scheduled_at']}")
    if first["status"] != "sent":
        spent.check_not_spent(first)
    if first["status"] in ("failed", "missed", "cancelled"):
        why = f": {first['error_message']}" if first["error_message"] else ""
        anew = "another key sends it anew"
        raise WaError(
            "wrong-state",
            f"the key {key!r} is that of {row_id}, which is {first['status']}{why}",
            anew if first["status"] == "cancelled" else f"`wa schedule retry {row_id}` sends it; {anew}",
        )


def same_file(first: Row, row: Row) -> bool:
    """Return whether two rows have the same file, or none. The name of a kept file tells its content."""
    return PurePosixPath(first["media_path"] or "").name == PurePosixPath(row["media_path"] or "").name


def _same_beside(first: Row, row: Row) -> bool:
    """Return whether two rows have the same file, details, and form of a file: a sticker is no picture."""
    stickers = {each.get("media_type") == "sticker" for each in (first, row)}
    is_same = spent.is_text(first["details"], row.get("details"))
    return is_same and same_file(first, row) and len(stickers) == 1


def expect_unused(store: Store, table: str, key: str) -> None:
    """Raise WaError `usage` for a key that a table of the queue has: of a message, or of a series."""
    sql = f"SELECT id FROM {table} WHERE idempotency_key = ?"
    if other := store.value(sql, [key]) or (spent.by_key(store, table, key, sql) or {}).get("id"):
        raise _used_otherwise({"id": other, "idempotency_key": key}, "message")


def _used_otherwise(first: Row, what: str) -> WaError:
    return WaError(
        "usage",
        f"the key {first['idempotency_key']!r} was used for another {what} ({first['id']})",
        "choose another key, or repeat the first message as it was",
    )


def _same_time(first: Row, row: Row) -> bool:
    """Return whether a scheduled row has the time of its key's first row.

    "in 2 hours" is the same time when it is said again. A row that was retried has lost its first time.
    """
    if first["scheduled_at"] == row["scheduled_at"]:
        return True
    ahead, first_ahead = (
        from_iso(each["scheduled_at"]) - from_iso(each["created_at"]) for each in (row, first)
    )
    is_retried = first["is_immediate"] and first_ahead
    return bool(is_retried) or (not first["is_immediate"] and abs(ahead - first_ahead) < timedelta(seconds=1))


def once(store: Store, key: str, make: Callable[[], Made]) -> tuple[Made, bool]:
    """Return what `make` returns, and whether no message or series had this key before."""
    sql = (
        "SELECT 1 FROM scheduled_messages WHERE idempotency_key = :key"
        " UNION ALL SELECT 1 FROM series WHERE idempotency_key = :key"
    )
    with store.write():
        is_new = store.value(sql, {"key": key}) is None and not spent.is_used(store, key)
        return make(), is_new


def check_decided(row: Row) -> None:
    """Raise WaError `unknown-outcome` for the row of a key that may have been sent, or may not."""
    if row["status"] in ("sending", "unknown"):
        raise WaError(
            "unknown-outcome",
            f"the key {row['idempotency_key']!r} is that of {row['id']}, which may have been sent",
            f"wa schedule show {row['id']}",
        )
