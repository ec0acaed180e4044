"""Figures: which days, of which chat, a line for what; `shown` has the words and the bars."""

from __future__ import annotations

from wa.connection.context import Context
from wa.jids import show_jid
from wa.record.figures.exchange import BY, days_within, figures
from wa.record.names import stored_name
from wa.web.answers import Answer
from wa.web.page import chats, frame
from wa.web.page.figures import shown
from wa.web.page.forms import Form
from wa.web.page.render import View

DAYS = 30
"""The days of the screen that is not asked for others."""
_SPANS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year"}
_MOST_DAYS = 3650
_MOST_MESSAGES, _MOST_BY_PERSON = 40_000, 20_000
"""Messages that are counted for one screen, and with their people: they take a tenth of a second."""
_LINES = {
    "day": "Day", "week": "Week", "month": "Month", "hour": "Hour of the day", "person": "Person",
    "tag": "Tag",
}  # fmt: skip


def screen(context: Context, view: View, query: Form) -> Answer:
    """Return the figures of the last days, of one chat or of all."""
    store, now, zone = context.store, context.now(), context.settings.zone
    chat = chats.jid_of(context, query["chat"]) if query["chat"] else None
    wanted = min(query.number("days"), _MOST_DAYS) or DAYS
    most = _MOST_BY_PERSON if query["by"] in ("person", "tag") else _MOST_MESSAGES
    days = days_within(store, now, zone, days=wanted, most=most, chat=chat)
    by = query["by"] if query["by"] in BY else _line_for(days)
    found = figures(store, now, zone, days=days, by=by, chat=chat)
    name = show_jid(chat, stored_name(store, chat)) if chat else None
    values = {
        "title": f"Figures of {name}" if name else "Figures",
        "tab": "figures",
        "chat": chat,
        "name": name,
        "days": days,
        "wanted": wanted,
        "most": most,
        "spans": {**_SPANS, wanted: _SPANS.get(wanted, f"{wanted:,} days")},
        "by": by,
        "lines": _LINES,
        "sums": shown.sums(found),
        "table": shown.table(found, zone, now),
        "hours": shown.hours(found),
        "scheduled": shown.scheduled(found),
        "waiting": shown.waiting(found, zone, now),
        "more_waiting": found["waiting_count"] - len(found["waiting"]),
    }
    return frame.page(context, view, "figures.html", **values)


def _line_for(days: int) -> str:
    """Return what each line is for, so that a table of so many days is not long."""
    return "day" if days <= 14 else "week" if days <= 100 else "month"
