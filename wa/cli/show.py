"""Messages and rows of the queue as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from wa.cli.context import App
from wa.cli.terminal import cut, hanging
from wa.errors import WaError
from wa.jids import is_group, show_jid
from wa.people.said import said
from wa.record import messages
from wa.record.messages import EDIT, moment
from wa.texts import one_line
from wa.times import day_in_words, describe, from_iso, load_zone

_QUOTE = 40
"""The most characters that are shown of the message that a notice is about."""
_BELOW = " " * len("09:00  ")
"""Before each further line of a message, so that it stands below the first one."""
_TICKS = {"sent": " ✓", "delivered": " ✓✓", "read": " ✓✓ read", "played": " ✓✓ played"}
"""What the receipts of a message of ours prove, as phones show it."""


def who(row: Mapping[str, Any]) -> str:
    """Return the recipient of a queue row, as a name or a number; of a draft as both, for it is approved."""
    name = one_line(row["contact_name"] or show_jid(row["to_jid"]))
    is_named_draft = row.get("status") == "draft" and row["contact_name"] and row.get("to_phone")
    return f"{name} +{row['to_phone']}" if is_named_draft else name


def when_due(app: App, row: Mapping[str, Any], now: datetime | None = None) -> str:
    """Return a queue row's time as text, in the zone it was given in, as seen from now or from `now`."""
    try:
        zone = load_zone(row["timezone"] or "")
    except WaError:  # the row has no zone, or one that this machine does not know
        zone = app.settings.zone
    return describe(from_iso(row["scheduled_at"]), zone, now or app.now())


def note_what_keeps(app: App, row: Mapping[str, Any], *, scheduled: bool) -> None:
    """Note it when sending is paused, or nothing is running that will send a queue row that waits."""
    if row["status"] != "pending":
        return
    from wa.connection.status import line_of
    from wa.queue import pacing

    if text := pacing.pause_text(app.store, app.store.state()):
        app.out.note(f"sending is paused: {text}")
    if trouble := line_of(app.home, app.now()).nobody_sends(scheduled=scheduled):
        app.out.note(f"{trouble[0]}: {trouble[1]}")


def shown_time(app: App, timestamp: int | None) -> str:
    """Return a message's time, given in Unix seconds, as text in the zone of the settings."""
    return app.out.time(moment(timestamp)) if timestamp is not None else ""


def body(app: App, row: Mapping[str, Any], part: str | None = None) -> str:
    """Return the text to show for a message's content, or for a `part` of it; whom it mentions is named."""
    return said(app.store, row, app.out.time, part)


def names_of(row: Mapping[str, Any]) -> str:
    """Return the names of a message's chat and sender."""
    chat, sender = show_jid(row["chat_jid"], row["chat_name"]), show_jid(row["sender"], row["sender_name"])
    if row["is_from_me"]:
        return f"→ {chat}"
    return f"{chat} · {sender}" if row["chat_jid"] != row["sender"] else sender


def sender_of(row: Mapping[str, Any]) -> str:
    """Return who sent a message, where the chat is known: a name, or `me`."""
    return "me" if row["is_from_me"] else show_jid(row["sender"], row["sender_name"])


def message_line(app: App, row: Mapping[str, Any]) -> str:
    """Return a message as one line; further lines of its text are indented, to look unlike a message."""
    line = f"[{shown_time(app, row['timestamp'])}] {one_line(names_of(row))}: {_text(app, row)}"
    return hanging(line, app.out.width if app.out.on_terminal else None)


def _text(app: App, row: Mapping[str, Any]) -> str:
    """Return what a message says, with what became of it: edits and reactions."""
    text = body(app, row)
    if row["message_type"] == "system" and row["quoted_id"]:
        text += _quote(app, row)
    marks = "".join(f" {each['emoji']}" for each in row.get("reactions", ()))
    edited = " (edited)" if row["edited_at"] and not row["deleted_at"] else ""
    if "forwarded" in (row["details"] or {}):
        edited = f" (forwarded){edited}"
    if row["unavailable"] == EDIT:
        edited = " (edited: only the phone can show the new text)"
    return f"{text}{edited}{marks}"


def print_conversation(app: App, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a conversation: in a pipe a line a message, on a terminal grouped by days."""
    day = ""
    for row in rows:
        if not app.out.on_terminal:
            app.out.line(message_line(app, row))
            continue
        date, _, clock = shown_time(app, row["timestamp"]).partition(" ")
        if date != day:
            day = date
            app.out.heading(day_in_words(datetime.fromisoformat(day)))
        if row["quoted_id"] and row["message_type"] != "system":
            app.out.line(f"{_BELOW}╭ {_answered(app, row)}")
        text = f"{_text(app, row)}{_TICKS.get(row['status'], '') if row['is_from_me'] else ''}"
        app.out.line(hanging(f"{clock}  {one_line(sender_of(row))}: {text}", app.out.width, _BELOW))


def _answered(app: App, row: Mapping[str, Any]) -> str:
    """Return on one line the message that a message answers."""
    found = messages.about(app.store, row["chat_jid"], row["quoted_id"])
    if found is None:
        return "a message that is not stored here"
    return cut(one_line(f"{sender_of(found)}: {body(app, found)}"), app.out.width - len(_BELOW) - 2)


def _quote(app: App, row: Mapping[str, Any]) -> str:
    """Return the beginning of the message that a notice is about, such as the one that was pinned."""
    from wa.record.search import snippet

    about = messages.about(app.store, row["chat_jid"], row["quoted_id"])
    question = about["poll"]["question"] if about and about.get("poll") else None
    shown = snippet(body(app, about, question), (), _QUOTE) if about else ""
    return f": “{shown}”" if shown else ""


def change_line(app: App, row: Mapping[str, Any]) -> str:
    """Return a reaction to a message, its edit or its deletion as one line."""
    author = one_line(names_of(row))
    names = f"{author}: you" if row["is_from_me"] else author
    text = body(app, row) if row["row_id"] else "a message"
    if row["event"] == "reaction":
        from wa.record.search import snippet

        about = snippet(text, (), _QUOTE)
        did = f"reacted {row['emoji']} to" if row["emoji"] else "took back a reaction to"
        at, said = shown_time(app, row["timestamp"]), f"{did}: {about}"
    elif row["event"] == "deleted":
        at, said = app.out.time(from_iso(row["deleted_at"])), "deleted a message"
        if is_group(row["chat_jid"]):  # an admin may have done it
            names, said = f"{author}:", "a message was deleted"
    elif row["unavailable"] == EDIT:
        at = app.out.time(from_iso(row["edited_at"]))
        said = "edited a message: only the phone can show the new text"
    else:
        at = app.out.time(from_iso(row["edited_at"]))
        said = "edited: " + "\n    ".join(text.splitlines())
    return f"[{at}] {names} {said}"
