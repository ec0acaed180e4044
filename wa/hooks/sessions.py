"""Chat sessions: the conversation of a person with a hook so far, until it ends. The table `chat_sessions`.

Functions that write join the caller's transaction. Whether a session has ended is decided when it is read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.store.rewrites import Restore, carry_over, join_chats, message_deleted
from wa.times import from_iso, parse_duration, resolve_wall, to_iso

MOST_ENTRIES, MOST_BYTES = 50, 64 * 1024
"""The most entries of a context, and the most bytes of it as JSON; the oldest entries make room."""
IDLE_WITH_MYSELF = timedelta(seconds=60)
"""The pause after which a session in the chat with oneself ends, unless the hook says otherwise."""
OFF = "off"
_FORM = "time:02:00, duration:24h, same_day or off, each with ,idle:60s behind it if wanted"


@dataclass(frozen=True)
class Mode:
    """When a session ends: at a wall-clock time, after a span, after a pause, whichever is first."""

    at: time | None = None
    span: timedelta | None = None
    idle: timedelta | None = None

    def end(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return when a session ends that begins now."""
        if self.span is not None:
            return now + self.span
        here = now.astimezone(zone)
        day = here.date()
        while (end := resolve_wall(datetime.combine(day, self.at or time()), zone)) <= now:
            day += timedelta(days=1)
        return end


def parse(text: str) -> Mode | None:
    """Return the mode in a text, None for `off`. Raise WaError `usage` for any other text."""
    kind, *more = (each.strip() for each in text.split(","))
    idle = None
    if more:
        if len(more) > 1 or not more[0].startswith("idle:"):
            raise _usage(text)
        idle = _span(text, more[0].removeprefix("idle:"))
    if kind == OFF and not more:
        return None
    if kind == "same_day":
        return Mode(at=time(), idle=idle)
    if kind.startswith("duration:"):
        return Mode(span=_span(text, kind.removeprefix("duration:")), idle=idle)
    if found := re.fullmatch(r"time:([01][0-9]|2[0-3]):([0-5][0-9])", kind, re.ASCII):
        return Mode(at=time(int(found[1]), int(found[2])), idle=idle)
    raise _usage(text)


def _span(text: str, given: str) -> timedelta:
    try:
        span = parse_duration(given)
    except WaError:
        raise _usage(text) from None
    if not timedelta() < span <= timedelta(days=366):
        raise _usage(text)
    return span


def _usage(text: str) -> WaError:
    return WaError("usage", f"{text!r} is no mode of sessions", f"it is {_FORM}")


def say(store: Store, hook: Row, message: Row, now: datetime, zone: ZoneInfo) -> Row | None:
    """Return the session that a message belongs to, with the message in its context; None for none.

    One that has ended gives way to a new one. Our replies that were sent since join before the message.
    """
    mode = parse(hook["session"])
    if mode is None:
        return None
    key = {"hook": hook["id"], "user_jid": message["sender"], "chat_jid": message["chat_jid"]}
    row = find(store, mode, key, now)
    if row is None:
        number = f"{message['sender']}_{message['chat_jid']}_{int(now.timestamp())}"
        at = to_iso(now)
        row = {
            "session_id": number, **key, "context": [], "created_at": at,
            "expires_at": to_iso(mode.end(now, zone)), "last_activity": at, "replies_to": at,
        }  # fmt: skip
    context = _current(store, {**row, "context": row["context"] + _replies(store, row)})
    is_gone = bool(message["deleted_at"])
    if not is_gone and all(each.get("id") != message["message_id"] for each in context):  # it may come again
        context.append({"role": "user", "content": message["content"] or "", "id": message["message_id"]})
    row |= {"context": _cut(context), "last_activity": to_iso(now), "replies_to": to_iso(now)}
    stored = {**row, "context": json.dumps(row["context"], ensure_ascii=False)}
    names = ", ".join(stored)
    store.execute(
        f"INSERT OR REPLACE INTO chat_sessions ({names}) VALUES ({', '.join(f':{name}' for name in stored)})",
        stored,
    )
    return row


def find(store: Store, mode: Mode, key: Row, now: datetime) -> Row | None:
    """Return the session of a hook, a person and a chat, None if there is none or it has ended."""
    row = store.row(
        "SELECT * FROM chat_sessions WHERE hook = :hook AND user_jid = :user_jid AND chat_jid = :chat_jid",
        key,
    )
    if row is None:
        return None
    idle = mode.idle
    if idle is None and key["chat_jid"] == own_jid(store):
        idle = IDLE_WITH_MYSELF
    begun, ends, last = (from_iso(row[name]) for name in ("created_at", "expires_at", "last_activity"))
    if not begun <= now < ends or (idle is not None and now - last >= idle):
        return None  # also one that began in the future, while the clock was wrong
    return {**row, "context": json.loads(row["context"])}


def _current(store: Store, row: Row) -> list[Any]:
    """Return the context as its messages are now: an edit is in it, and what was deleted is not."""
    ids = [each["id"] for each in row["context"] if "id" in each]
    found = {
        each["message_id"]: each
        for each in store.rows(
            "SELECT message_id, content, deleted_at FROM messages WHERE chat_jid = ?"
            " AND message_id IN (SELECT value FROM json_each(?))",
            [row["chat_jid"], json.dumps(ids)],
        )
    }
    context = []
    for each in row["context"]:
        now = found.get(each.get("id"))
        if now is None:
            context.append(each)
        elif not now["deleted_at"]:
            context.append({**each, "content": now["content"] or ""})
    return context


def _replies(store: Store, row: Row) -> list[Any]:
    """Return our replies that were sent since the session was last read, in order."""
    found = store.rows(
        "SELECT message, message_id FROM scheduled_messages WHERE hook_id = :hook AND to_jid = :chat_jid"
        " AND created_at >= :created_at AND status = 'sent' AND sent_at > :replies_to ORDER BY sent_at",
        {name: row[name] for name in ("hook", "chat_jid", "created_at", "replies_to")},
    )
    return [{"role": "assistant", "content": each["message"], "id": each["message_id"]} for each in found]


def _cut(context: list[Any]) -> list[Any]:
    context = context[-MOST_ENTRIES:]
    while len(context) > 1 and len(json.dumps(shown(context), ensure_ascii=False).encode()) > MOST_BYTES:
        context = context[1:]
    return context


def shown(context: list[Any]) -> list[Any]:
    """Return a context as programs get it."""
    return [{"role": each["role"], "content": each["content"]} for each in context]


def handed_out(row: Row) -> Row:
    """Return a session as it is in an event."""
    names = ("session_id", "created_at", "expires_at", "last_activity")
    return {**{name: row[name] for name in names}, "context": shown(row["context"])}


def listing(store: Store, now: datetime, chat: str | None = None) -> list[Row]:
    """Return the sessions of all hooks that have not ended, the newest first, with the names of the hooks."""
    where = "" if chat is None else "WHERE s.chat_jid = :chat"
    rows = store.rows(
        f"SELECT s.*, h.name, h.session FROM chat_sessions s JOIN hooks h ON h.id = s.hook {where}"
        " ORDER BY s.last_activity DESC",
        {"chat": chat},
    )
    found = []
    for row in rows:
        mode = parse(row.pop("session"))
        key = {name: row[name] for name in ("hook", "user_jid", "chat_jid")}
        if mode is not None and (alive := find(store, mode, key, now)):
            found.append({**handed_out(alive), **key, "hook": row["name"]})
    return found


def clear(store: Store, chat: str | None = None) -> int:
    """Remove all sessions, or those of a chat. Return their number."""
    with store.write():
        if chat is None:
            return store.execute("DELETE FROM chat_sessions").rowcount
        return store.execute("DELETE FROM chat_sessions WHERE chat_jid = ?", [chat]).rowcount


def prune(store: Store, now: datetime) -> None:
    """Delete the sessions whose time is over; a transaction of its own."""
    with store.write(durable=False):
        store.execute("DELETE FROM chat_sessions WHERE expires_at < ?", [to_iso(now)])


@message_deleted.part
def _forget(store: Store, chat: str, message_id: str, deleted_at: datetime) -> None:
    """Remove what a message said from the conversations that it is in, in the transaction."""
    for row in store.rows("SELECT rowid AS number, context FROM chat_sessions WHERE chat_jid = ?", [chat]):
        context = json.loads(row["context"])
        left = [each for each in context if each.get("id") != message_id]
        if len(left) < len(context):
            text = json.dumps(left, ensure_ascii=False)
            store.execute("UPDATE chat_sessions SET context = ? WHERE rowid = ?", [text, row["number"]])


@join_chats.part
def _join_sessions(store: Store, lid: str, pn: str) -> None:
    for column in ("user_jid", "chat_jid"):
        store.execute(f"UPDATE OR IGNORE chat_sessions SET {column} = ? WHERE {column} = ?", [pn, lid])
        store.execute(f"DELETE FROM chat_sessions WHERE {column} = ?", [lid])


@carry_over.part
def _carry_over(restore: Restore) -> None:
    """Let all sessions begin anew: what was said since the backup was made is not in them."""
    restore.db.execute("DELETE FROM main.chat_sessions")
