"""Figures in words and numbers for the screen, with the widths of their bars in percent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from wa.jids import show_jid
from wa.record.figures.tally import COUNTS
from wa.store.database import Row
from wa.times import MONTHS, from_iso
from wa.web.page import render

_MOST_DAYS, _MOST_PEOPLE = 366, 100
"""Lines of a table: the newest days, weeks or months; those of most messages."""
_HEADS = {"day": "Day", "week": "Week of", "month": "Month", "hour": "Hour", "person": "Who", "tag": "Tag"}
_BECAME = {
    "sent": "Sent", "pending": "Waits", "draft": "Draft", "held": "Held", "sending": "Being sent",
    "missed": "Missed", "failed": "Not sent", "unknown": "Unknown", "cancelled": "Cancelled",
}  # fmt: skip


def sums(found: Row) -> list[tuple[str, str, str]]:
    """Return the key figures as (name, number, share)."""
    counts = [
        (name.capitalize(), f"{found[name]:,}", _share(found, name))
        for name in ("sent", "received", *COUNTS[1:-1])
        if name != "played" or found[name]
    ]
    took = found["median_seconds"]
    names = {"delivery": "delivered", "reading": "read", "answer": "answered"}
    spans = [
        (f"Median until {word}", span(took[name]), "")
        for name, word in names.items()
        if took[name] is not None
    ]
    return counts + spans


def _share(found: Row, name: str) -> str:
    is_of_sent = name in COUNTS[1:-1] and found["sent"]
    return f"{100 * found[name] / found['sent']:.0f} %" if is_of_sent else ""


def span(seconds: int) -> str:
    """Return a length of time in its two largest units: `45 s`, `6 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if not minutes:
        return f"{seconds} s"
    if not hours:
        return f"{minutes} min"
    if not days:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def table(found: Row, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Return the table of the counts: its heading, its lines, and how many more there are."""
    by, rows = found["by"], found["rows"]
    kept = rows[-_MOST_DAYS:] if by in ("day", "week", "month") else rows[:_MOST_PEOPLE]
    most = max((row["sent"] + row["received"] for row in kept), default=0)
    lines = [
        {
            **row,
            "name": _name(by, row, zone, now),
            "own": _percent(row["sent"], most),
            "theirs": _percent(row["received"], most),
        }
        for row in kept
    ]
    return {"head": _HEADS[by], "lines": lines if most else [], "more": len(rows) - len(kept)}


def _percent(count: int, most: int) -> float:
    return round(100 * count / most, 1) if most else 0


def _name(by: str, row: Row, zone: ZoneInfo, now: datetime) -> str:
    value = row[by]
    if by == "person":
        return show_jid(value, row["name"])
    if by == "tag":
        return value or "No tag"
    if by == "hour":
        return f"{value:02}:00"
    if by == "month":
        return f"{MONTHS[int(value[5:]) - 1][:3]} {value[:4]}"
    if by == "week":
        monday = date.fromisocalendar(int(value[:4]), int(value[6:]), 1)
        year = "" if monday.year == now.astimezone(zone).year else f" {monday.year}"
        return f"{monday.day} {MONTHS[monday.month - 1][:3]}{year}"
    noon = datetime.combine(date.fromisoformat(value), time(12), zone)
    return render.day(noon, zone, now)


def _bars(counts: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    given = list(counts)
    most = max((count for _, count in given), default=0)
    return [{"name": name, "count": count, "width": _percent(count, most)} for name, count in given]


def hours(found: Row) -> list[dict[str, Any]]:
    """Return the busiest hours, the busiest first."""
    return _bars(
        (f"{each['hour']:02}–{each['hour'] + 1:02}", each["messages"]) for each in found["busiest_hours"]
    )


def scheduled(found: Row) -> list[dict[str, Any]]:
    """Return what became of scheduled messages."""
    return _bars(
        (word, found["scheduled"][name]) for name, word in _BECAME.items() if name in found["scheduled"]
    )


def waiting(found: Row, zone: ZoneInfo, now: datetime) -> list[dict[str, Any]]:
    """Return who waits for an answer, the one who waits longest first."""
    return [
        {
            "chat": each["chat_jid"],
            "name": show_jid(each["chat_jid"], each["name"]),
            "since": render.when(from_iso(each["since"]), zone, now),
            "count": each["messages"],
        }
        for each in found["waiting"]
    ]
