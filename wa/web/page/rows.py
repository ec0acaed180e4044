"""Rows of the queue as the page shows them: in words, with one button for each thing that can be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from wa.connection.context import Context
from wa.errors import WaError
from wa.jids import show_jid
from wa.queue import compose
from wa.queue.rows import FIRST_DUE, OPEN
from wa.queue.series import occurrences
from wa.queue.series.rules import in_words, parse
from wa.record import messages
from wa.store.database import Row
from wa.times import describe, from_iso
from wa.web.page import render

_WORDS = {
    "draft": ("Draft", ""),
    "held": ("Held", ""),
    "sending": ("Sending", ""),
    "sent": ("Sent", ""),
    "unknown": ("Unknown", "warn"),
    "failed": ("Not sent", "bad"),
    "missed": ("Missed", "bad"),
    "cancelled": ("Cancelled", ""),
}
"""A status in a word, and its tone."""
_TICKS = {"delivered": "Delivered", "read": "Read", "played": "Played"}


@dataclass(frozen=True)
class Act:
    """A button of a row: the verb that it sends, its label, its look."""

    do: str
    label: str
    look: str = "plain"


def shown(context: Context, row: Row) -> dict[str, Any]:
    """Return what a row of the queue shows."""
    store, settings, now = context.store, context.settings, context.now()
    zone = compose.zone_of(row, settings)
    due = from_iso(row["scheduled_at"])
    word, tone = _WORDS.get(row["status"], ("", ""))
    whole = occurrences.with_series(store, row, now)
    is_undated = row["status"] == "draft" and row["scheduled_at"] == row["created_at"]
    is_past = row["status"] == "draft" and due <= now and not is_undated
    when = render.when(due, zone, now)
    found = {
        **row,
        "who": row["contact_name"] or show_jid(row["to_jid"]),
        "address": render.address(row["to_jid"], row["contact_name"]),
        "due": "when it is approved" if is_undated else describe(due, zone, now),
        "when": when,
        "word": word,
        "tone": tone,
        "is_past": is_past,
        "why": _why(row),
        "series": whole["series"],
        "rule": f"every {in_words(parse(row['rrule']))}" if row["rrule"] else None,
        "next": [_day(from_iso(each), zone, now) for each in whole["next"] if each != row["scheduled_at"]],
        "late": _late(row, zone, now),
        "acts": _acts(row, whole["series"], at_once=is_past or is_undated),
        "is_open": row["status"] in OPEN,
    }
    if row["status"] == "sent":
        found["word"], found["when"] = _sent(context, row, zone, now)
    return found


def _day(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    return render.day(moment, zone, now)


def _sent(context: Context, row: Row, zone: ZoneInfo, now: datetime) -> tuple[str, str]:
    """Return how far a sent message came, and when it was sent."""
    about = messages.about(context.store, row["to_jid"], row["message_id"]) if row["message_id"] else None
    word = _TICKS.get(about["status"] or "", "Sent") if about else "Sent"
    return word, render.when(from_iso(row["sent_at"] or row["scheduled_at"]), zone, now)


def _late(row: Row, zone: ZoneInfo, now: datetime) -> str | None:
    """Return for when a row was first made, where it is or was sent at another time."""
    note = row["note"] or ""
    if not note.startswith(FIRST_DUE):
        return note or None
    try:
        return f"first due {render.when(from_iso(note[len(FIRST_DUE) :].split()[0]), zone, now)}"
    except WaError:
        return note


def _why(row: Row) -> str | None:
    """Return what happened to a row that needs the user, in a sentence."""
    why = row["error_message"]
    if row["status"] == "unknown":
        what = why or "the line dropped just after this was handed over"
        return f"It may have arrived: {what}. Look in the chat on your phone, then choose."
    if row["status"] in ("failed", "missed", "held") and why:
        return f"{why[:1].upper()}{why[1:]}."
    return None


def _acts(row: Row, series: Row | None, *, at_once: bool) -> list[Act]:
    """Return the buttons of a row, the main one first."""
    status = row["status"]
    if status == "unknown":
        return [Act("sent", "It arrived", ""), Act("failed", "It did not arrive")]
    if status == "failed":
        return [Act("retry", "Try again", "")]
    if status == "missed":
        return [Act("retry", "Send now", "")]
    if status == "draft":
        first = Act("approve-now", "Approve and send now", "") if at_once else Act("approve", "Approve", "")
        return [first, Act("cancel", "Delete", "plain bad")]
    if status not in OPEN:
        return []
    of_series = series is not None and series["status"] != "ended"
    cancel = Act("cancel", "Skip this date" if of_series else "Cancel", "plain bad")
    end = [Act("end", "End the series", "plain bad")] if of_series else []
    first = Act("unhold", "Release", "") if status == "held" else Act("hold", "Hold")
    return [first, cancel, *end]
