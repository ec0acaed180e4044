"""Rows as the answers of `wa/mcp/answers.py`, with the times in the zone of the settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from wa.connection.context import Context
from wa.connection.programs.agents import Made
from wa.connection.status import line_of, status_of
from wa.errors import WaError
from wa.jids import is_group, show_jid
from wa.mcp.answers import Chat, Contact, Message, Outcome, Queued, Text
from wa.people.said import said
from wa.queue import pacing, waiting
from wa.record import messages
from wa.store.database import Row
from wa.store.paths import Home
from wa.texts import clean, one_line
from wa.times import describe, from_iso, load_zone

SHORT, LONG = 1_000, 20_000
"""The most characters of a text in a list, and of a text that is asked for by itself."""
_NAME = 200
"""The most characters of a name: a person or group may have chosen a longer one."""


def without_home(home: Home, text: str) -> str:
    """Return a text of ours, such as an error, without the path of the home."""
    return text.replace(str(home.path), "WA_HOME")


def text_of(content: str, *, is_ours: bool, start: int = 0, most: int = SHORT) -> Text:
    """Return up to `most` characters of a text, without control characters."""
    whole = clean(content)
    part = whole[start : start + most]
    end = start + len(part)
    return Text(not is_ours, part, len(whole), end if end < len(whole) else None)


def message(context: Context, row: Row, start: int = 0, most: int = SHORT) -> Message:
    """Return a message of a chat; its text from the offset `start` on."""
    store, is_ours = context.store, bool(row["is_from_me"])
    words = said(store, row, lambda moment: _local(context, moment))
    return Message(
        id=row["message_id"],
        chat=row["chat_jid"],
        chat_name=_name(show_jid(row["chat_jid"], row["chat_name"])),
        sender=row["sender"],
        sender_name="me" if is_ours else _name(show_jid(row["sender"], row["sender_name"])),
        from_me=is_ours,
        at=_local(context, messages.moment(row["timestamp"])),
        type=row["message_type"],
        text=text_of(words, is_ours=is_ours, start=start, most=most),
        edited=bool(row["edited_at"]),
        quotes=row["quoted_id"],
        reactions=[_name(each["emoji"]) for each in row.get("reactions", ())],
        snippet=one_line(row["snippet"]) if "snippet" in row else None,
    )


def chat(context: Context, row: Row) -> Chat:
    """Return a chat, as `chats.listing` returns it."""
    last = {name.removeprefix("last_"): value for name, value in row.items() if name.startswith("last_")}
    last["content"] = last.pop("message")
    words = said(context.store, last, lambda moment: _local(context, moment)) if last["message_type"] else ""
    at = row["last_message_time"]
    return Chat(
        chat=row["id"],
        name=_name(show_jid(row["id"], row["name"])),
        is_group=bool(row["is_group"]),
        unread=row["unread_count"],
        last_at=None if at is None else _local(context, messages.moment(at)),
        last_from_me=bool(row["last_is_from_me"]),
        last_text=text_of(words, is_ours=bool(row["last_is_from_me"])),
    )


def contact(row: Row, start: int = 0) -> Contact:
    """Return a contact; its notes from the offset `start` on."""
    return Contact(
        id=row["id"],
        name=_name(row["name"]),
        numbers=[f"+{each['phone']}" for each in row["phones"]],
        aliases=[_name(each) for each in row["aliases"]],
        tags=[_name(each) for each in row["tags"]],
        favorite=bool(row["is_favorite"]),
        notes=text_of(row["notes"] or "", is_ours=False, start=start),
        birthday=row["birthday"],
        timezone=row["timezone"],
    )


def queued(context: Context, row: Row, start: int = 0, most: int = SHORT) -> Queued:
    """Return a message of the queue; its text from the offset `start` on."""
    due = from_iso(row["scheduled_at"])
    try:
        zone = load_zone(row["timezone"] or "")
    except WaError:  # the row has no zone, or one that this machine does not know
        zone = context.settings.zone
    number = f"+{row['to_phone']}" if row["to_phone"] else None
    who = _name(show_jid(row["to_jid"], row["contact_name"]))
    address = number or (row["to_jid"] if is_group(row["to_jid"]) else None)
    why = row["error_message"]
    return Queued(
        id=row["id"],
        status=row["status"],
        goes_to=f"{who} {address}" if address and address != who else who,
        number=number,
        text=text_of(row["message"], is_ours=row["created_from"] != "hook", start=start, most=most),
        at=_local(context, due),
        when=describe(due, zone, context.now()),
        sent_at=_local(context, from_iso(row["sent_at"])) if row["sent_at"] else None,
        repeats=row["rrule"],
        made_by=row["created_from"],
        error_code=row["error_code"],
        error=without_home(context.home, why) if why else None,
    )


def outcome(context: Context, made: Made) -> Outcome:
    """Return what became of a message, and what comes next."""
    shown = queued(context, made.row)
    what_next = without_home(context.home, _next(context, made, shown))
    return Outcome(**vars(shown), is_new=made.is_new, what_next=what_next)


def _next(context: Context, made: Made, shown: Queued) -> str:
    row_id, status = made.row["id"], made.row["status"]
    if status == "sent":
        return "nothing: it is sent"
    if status == "draft":
        why = f": {made.why}" if made.why else ""
        return f"a draft for {shown.goes_to}{why}; a person approves it: `wa schedule approve {row_id}`"
    trouble = None
    if status == "pending":
        now = context.now()
        trouble = line_of(context.home, now).nobody_sends(scheduled=made.is_for_later)
        block = pacing.blocked(context.store, now, context.settings)
        if block is not None and block.reason != "spacing":
            trouble = (block.text, "`wa status` tells more")
        if made.is_for_later and trouble is None:
            return f"it goes out {shown.when}"
    try:
        waiting.sent_or_error(made.row, "; ".join(trouble) if trouble else "")
    except WaError as error:
        return f"{error.message}; {error.hint}" if error.hint else error.message
    raise AssertionError(status)


def standing(context: Context) -> dict[str, Any]:
    """Return the fields of `Standing` that do not depend on the agent."""
    values = status_of(context).values
    reason, note = values["connection_reason"], values["sending_note"]
    return {
        **{name: values[name] for name in ("connection", "sending", "queue", "overdue")},
        "account": values["account"]["jid"] if values["account"] else None,
        "connection_since": _maybe_local(context, values["connection_since"]),
        "connection_reason": without_home(context.home, reason) if reason else None,
        "sending_note": without_home(context.home, note) if note else None,
        "last_message_at": _maybe_local(context, values["last_message_at"]),
        "last_backup_at": _maybe_local(context, values["last_backup_at"]),
        "now": _local(context, context.now()),
        "timezone": str(context.settings.zone),
    }


def _local(context: Context, moment: datetime) -> str:
    """Return a moment as ISO text in the zone of the settings."""
    return moment.astimezone(context.settings.zone).isoformat(timespec="seconds")


def _maybe_local(context: Context, at: str | None) -> str | None:
    return _local(context, from_iso(at)) if at else None


def _name(text: str) -> str:
    """Return a name on one line, and not longer than names are."""
    return one_line(text)[:_NAME]
