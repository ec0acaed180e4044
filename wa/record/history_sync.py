"""Progress of history sync: how far back each chat reaches, and how much the phone has sent so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from wa.record.names import canonical, name_of
from wa.store.database import Row, Store
from wa.store.rewrites import join_chats
from wa.times import to_iso
from wa.whatsapp.events import History

DAY = 86_400
ASKED = "on_demand"
"""The kind of a part that answers a request for older messages."""
GAP_DAYS = 30
REASON_LENGTH = 200
_STATUS = (
    "CASE WHEN {0}.status = 'completed' AND (SELECT damaged_parts FROM sync_status WHERE id = 1) > 0"
    " THEN 'interrupted' ELSE {0}.status END"
)
"""The status that is shown: nobody knows which chats a damaged part had messages of, so none is complete."""


def begin_part(store: Store, history: History, now: datetime) -> None:
    """Store that a part of the history is being recorded. All functions that write join the transaction."""
    if history.kind == ASKED:
        return
    store.execute(
        "INSERT INTO sync_status (id, status, kind, progress_percent, started_at, updated_at)"
        " VALUES (1, 'in_progress', :kind, 0, :at, :at) ON CONFLICT (id) DO UPDATE SET"
        " status = CASE WHEN status = 'completed' THEN status ELSE 'in_progress' END,"
        " kind = excluded.kind, updated_at = excluded.updated_at",
        {"kind": history.kind, "at": to_iso(now)},
    )


def advance(store: Store, kind: str, chat: str, messages: Mapping[str, int], now: datetime) -> None:
    """Store that messages of a chat are recorded; `messages` has their times in Unix seconds by id.

    `kind` is that of their part. An answer that comes when nobody waits for it any more begins nothing.
    """
    at = to_iso(now)
    _begin(store, chat, now, is_known=kind == ASKED)
    if not messages:
        return
    oldest = min(messages, key=lambda message_id: messages[message_id])
    store.execute(
        "UPDATE sync_checkpoints SET messages_synced = messages_synced + :count, updated_at = :at,"
        " last_message_id = CASE WHEN last_timestamp < :time THEN last_message_id ELSE :id END,"
        " last_timestamp = min(coalesce(last_timestamp, :time), :time) WHERE chat_jid = :chat",
        {"chat": chat, "count": len(messages), "at": at, "id": oldest, "time": messages[oldest]},
    )
    store.execute("UPDATE sync_status SET messages = messages + ? WHERE id = 1", [len(messages)])


def _begin(store: Store, chat: str, now: datetime, *, is_known: bool = False) -> None:
    """Make sure that a chat has a checkpoint and, unless it `is_known`, that this is in progress."""
    params = {"chat": chat, "at": to_iso(now)}
    store.execute(
        "INSERT INTO sync_checkpoints (chat_jid, status, updated_at) VALUES (:chat, 'not_started', :at)"
        " ON CONFLICT DO NOTHING",
        params,
    )
    if not is_known:
        store.execute(
            "UPDATE sync_checkpoints SET status = 'in_progress', started_at = coalesce(started_at, :at)"
            " WHERE chat_jid = :chat AND status IN ('not_started', 'interrupted', 'cancelled')",
            params,
        )


def complete(store: Store, chat: str | None, now: datetime) -> None:
    """Store that the phone has sent all of a chat's history, or of every chat's for None.

    If a part is damaged, the chat may lack messages of it, and is interrupted instead.
    """
    if damaged_parts(store):
        _end(store, "sync_checkpoints", "interrupted", now, chat)
        return
    store.execute(
        "UPDATE sync_checkpoints SET status = 'completed', progress_percent = 100, completed_at = :at,"
        " updated_at = :at, asked_until = NULL"
        " WHERE status = 'in_progress' AND chat_jid = coalesce(:chat, chat_jid)"
        " AND (chat_jid = :chat OR asked_until IS NULL)",
        {"chat": chat, "at": to_iso(now)},
    )


def end_part(store: Store, history: History, now: datetime) -> None:
    """Store that all of a part is recorded."""
    if history.kind == ASKED:
        for chat in history.chats:
            store.execute(
                "UPDATE sync_checkpoints SET answers = answers + 1, updated_at = ? WHERE chat_jid = ?",
                [to_iso(now), canonical(store, chat.jid)],
            )
        return
    progress = history.progress or 0
    for chat in history.chats:
        if not chat.is_complete:
            store.execute(
                "UPDATE sync_checkpoints SET progress_percent = max(progress_percent, ?)"
                " WHERE chat_jid = ? AND status = 'in_progress'",
                [min(progress, 99), canonical(store, chat.jid)],
            )
    is_end = progress >= 100 and history.kind in ("bootstrap", "recent", "full")
    is_all = is_end and not damaged_parts(store)
    if is_all:
        complete(store, None, now)
    elif is_end:
        interrupt(store, "interrupted", now)
    store.execute(
        "UPDATE sync_status SET progress_percent = max(progress_percent, :progress), updated_at = :at,"
        " status = CASE WHEN :all THEN 'completed' ELSE status END,"
        " completed_at = CASE WHEN :all THEN coalesce(completed_at, :at) ELSE completed_at END",
        {"progress": progress, "all": is_all, "at": to_iso(now)},
    )


def note_damage(store: Store, reason: str, now: datetime) -> None:
    """Store that a part of the history could not be read, and why; a long reason is cut.

    When the phone has sent its history, this is its answer to a command, which asks for it again.
    """
    asked = store.execute(
        "UPDATE sync_checkpoints SET status = 'interrupted', asked_until = NULL, error_message = :reason,"
        " updated_at = :at WHERE asked_until > :at AND status = 'in_progress'",
        {"at": to_iso(now), "reason": reason[:REASON_LENGTH]},
    )
    if asked.rowcount and (sync_status(store) or {}).get("status") != "in_progress":
        return
    store.execute(
        "INSERT INTO sync_status (id, status, started_at, updated_at, damaged_parts, error_message)"
        " VALUES (1, 'in_progress', :at, :at, 1, :reason) ON CONFLICT (id) DO UPDATE SET"
        " damaged_parts = damaged_parts + 1, error_message = excluded.error_message,"
        " updated_at = excluded.updated_at",
        {"at": to_iso(now), "reason": reason[:REASON_LENGTH]},
    )
    interrupt(store, "interrupted", now)  # a later part may begin again; if this was the last, none will


def begin_anew(store: Store) -> None:
    """Store that the phone is about to send its history anew: nothing of it is damaged, or told, so far."""
    store.execute("UPDATE sync_status SET damaged_parts = 0, error_message = NULL")
    store.execute("UPDATE sync_checkpoints SET unread_told = 0, unread_left = 0")


def unread_left(store: Store, chat: str, told: int | None) -> tuple[int, bool]:
    """Return how many unread messages are still to come of a chat that has a checkpoint.

    The second value is whether `told`, the phone's count in a part of the history, is the first since
    linking; then it counts.
    """
    if told is not None:
        sql = "UPDATE sync_checkpoints SET unread_told = 1 WHERE chat_jid = ? AND NOT unread_told"
        if store.execute(sql, [chat]).rowcount:
            return told, True
    return int(store.value("SELECT unread_left FROM sync_checkpoints WHERE chat_jid = ?", [chat]) or 0), False


def set_unread_left(store: Store, chat: str, left: int) -> None:
    """Store how many unread messages are still to come of a chat, by its history."""
    store.execute("UPDATE sync_checkpoints SET unread_left = ? WHERE chat_jid = ?", [left, chat])


@join_chats.part
def _join_checkpoints(store: Store, lid: str, pn: str) -> None:
    """Move the checkpoint of a hidden id to the phone JID; if that has one, add to it what is to come."""
    store.execute("UPDATE OR IGNORE sync_checkpoints SET chat_jid = ? WHERE chat_jid = ?", [pn, lid])
    store.execute(
        "UPDATE sync_checkpoints AS ours SET unread_left = ours.unread_left + theirs.unread_left,"
        " answers = ours.answers + theirs.answers FROM sync_checkpoints theirs"
        " WHERE ours.chat_jid = :pn AND theirs.chat_jid = :lid",
        {"lid": lid, "pn": pn},
    )
    store.execute("DELETE FROM sync_checkpoints WHERE chat_jid = ?", [lid])


def damaged_parts(store: Store) -> int:
    """Return the number of parts of the history that could not be read."""
    return int(store.value("SELECT damaged_parts FROM sync_status WHERE id = 1") or 0)


def interrupt(store: Store, status: str, now: datetime) -> None:
    """Store that recording ended early: `interrupted`, or `cancelled` when the device is unlinked.

    A request for older messages is the command's that made it, and goes on.
    """
    for table in ("sync_checkpoints", "sync_status"):
        _end(store, table, status, now)


def _end(store: Store, table: str, status: str, now: datetime, chat: str | None = None) -> None:
    where = " AND asked_until IS NULL" if table == "sync_checkpoints" else ""
    store.execute(
        f"UPDATE {table} SET status = :status, updated_at = :at WHERE status = 'in_progress'{where}"
        + (" AND chat_jid = :chat" if chat else ""),
        {"status": status, "at": to_iso(now), "chat": chat},
    )


# ── Older messages that a command asks for ──────────────────────────────────────────────────────────


def ask(store: Store, chat: str, percent: int, until: datetime, now: datetime) -> None:
    """Store that the phone is asked for older messages of a chat, and that a command waits `until` then.

    An earlier request that ended for good is followed by a new checkpoint.
    """
    _begin(store, chat, now)
    row = checkpoint(store, chat)
    if row["status"] in ("completed", "failed"):
        store.execute("DELETE FROM sync_checkpoints WHERE chat_jid = ?", [chat])
        store.insert("sync_checkpoints", {**row, "status": "not_started", "completed_at": None})
        _begin(store, chat, now)
    store.execute(
        "UPDATE sync_checkpoints SET asked_until = ?, progress_percent = ?, error_message = NULL"
        " WHERE chat_jid = ?",
        [to_iso(until), percent, chat],
    )


def checkpoint(store: Store, chat: str) -> Row:
    """Return the checkpoint of a chat; an empty row if it has none."""
    return store.row("SELECT * FROM sync_checkpoints WHERE chat_jid = ?", [chat]) or {}


def end_asking(store: Store, chat: str, status: str, now: datetime, why: str | None = None) -> None:
    """Store how a request for older messages ended: `completed`, `interrupted` or `cancelled`."""
    store.execute(
        "UPDATE sync_checkpoints SET status = :status, error_message = :why, updated_at = :at,"
        " progress_percent = CASE :status WHEN 'completed' THEN 100 ELSE progress_percent END,"
        " completed_at = CASE :status WHEN 'completed' THEN :at END"
        " WHERE chat_jid = :chat AND status = 'in_progress'",
        {"chat": chat, "status": status, "why": why, "at": to_iso(now)},
    )
    store.execute("UPDATE sync_checkpoints SET asked_until = NULL WHERE chat_jid = ?", [chat])


def end_abandoned(store: Store, now: datetime) -> None:
    """End the requests whose command was killed; a transaction of its own, if there are any."""
    sql = "SELECT chat_jid FROM sync_checkpoints WHERE asked_until < ?"
    if abandoned := store.rows(sql, [to_iso(now)]):
        with store.write():
            for row in abandoned:
                end_asking(store, row["chat_jid"], "interrupted", now)


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def sync_status(store: Store) -> Row | None:
    """Return the progress of the history as a whole; None if no history sync ever began."""
    return store.row(f"SELECT s.*, {_STATUS.format('s')} AS status FROM sync_status s WHERE id = 1")


def status(store: Store) -> list[Row]:
    """Return each chat with its oldest and newest message, their count, its checkpoint and its gaps.

    The chat with the newest message is first. A gap is of more than 30 days between two messages: silence, or
    a missing record. It is {"after", "before"}, the times of these messages in Unix seconds.
    """
    reach: dict[str, Row] = {}
    for chat, at in store.execute("SELECT chat_jid, timestamp FROM messages ORDER BY chat_jid, timestamp"):
        known = reach.get(chat)
        if known is None:
            reach[chat] = {"oldest": at, "newest": at, "messages": 1, "gaps": []}
            continue
        if at - known["newest"] > GAP_DAYS * DAY:
            known["gaps"].append({"after": known["newest"], "before": at})
        known["newest"] = at
        known["messages"] += 1
    nothing: Row = {"oldest": None, "newest": None, "messages": 0, "gaps": []}
    rows = store.rows(
        f"SELECT h.id AS chat_jid, {name_of('h.id')} AS name, NULL AS oldest, NULL AS newest, 0 AS messages,"
        f" coalesce({_STATUS.format('c')}, 'not_started') AS status,"
        " coalesce(c.messages_synced, 0) AS messages_synced,"
        " coalesce(c.progress_percent, 0) AS progress_percent, c.last_message_id, c.last_timestamp"
        " FROM chats h LEFT JOIN sync_checkpoints c ON c.chat_jid = h.id ORDER BY h.id"
    )
    found = [{**row, **reach.get(row["chat_jid"], nothing)} for row in rows]
    return sorted(found, key=lambda row: -1 if row["newest"] is None else row["newest"], reverse=True)
