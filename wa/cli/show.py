"""Messages and rows of the queue as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wa.cli.context import App
from wa.cli.output import one_line
from wa.errors import WaError
from wa.jids import show_jid
from wa.record.messages import EDIT, mentioned, moment
from wa.record.names import with_names
from wa.times import describe, from_iso, load_zone


def who(row: Mapping[str, Any]) -> str:
    """Return the recipient of a queue row, as a name or a number."""
    return one_line(row["contact_name"] or show_jid(row["to_jid"]))


def when_due(app: App, row: Mapping[str, Any]) -> str:
    """Return a queue row's time as text, in the zone it was given in."""
    try:
        zone = load_zone(row["timezone"] or "")
    except WaError:  # the row has no zone, or one that this machine does not know
        zone = app.settings.zone
    return describe(from_iso(row["scheduled_at"]), zone, app.now())


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


def body(app: App, row: Mapping[str, Any], content: str | None = None) -> str:
    """Return the text to show for a message's content, with the names of those whom it mentions."""
    if row.get("deleted_at"):
        return "(deleted)"
    text = content if content is not None else row["content"] or ""
    kind = row["message_type"]
    text = with_names(app.store, text, mentioned(dict(row)), is_notice=kind == "system")
    is_call = "call" in (row.get("details") or {})
    is_plain = kind == "text" or is_call or row.get("unavailable") not in (None, EDIT)
    return text if is_plain else f"[{kind}] {text}".rstrip()


def names_of(row: Mapping[str, Any]) -> str:
    """Return the names of a message's chat and sender."""
    chat, sender = show_jid(row["chat_jid"], row["chat_name"]), show_jid(row["sender"], row["sender_name"])
    if row["is_from_me"]:
        return f"→ {chat}"
    return f"{chat} · {sender}" if row["chat_jid"] != row["sender"] else sender


def message_line(app: App, row: Mapping[str, Any]) -> str:
    """Return a message as one line; further lines of its text are indented, to look unlike a message."""
    text = "\n    ".join(body(app, row).splitlines())
    marks = "".join(f" {each['emoji']}" for each in row.get("reactions", ()))
    edited = " (edited)" if row["edited_at"] and not row["deleted_at"] else ""
    if row["unavailable"] == EDIT:
        edited = " (edited: only the phone can show the new text)"
    return f"[{shown_time(app, row['timestamp'])}] {one_line(names_of(row))}: {text}{edited}{marks}"
