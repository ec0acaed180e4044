"""The import of the old tool's jobs into the table `jobs`. An unfinished job becomes paused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from wa.imports.wajs.fields import Complain, Skip, a_list, an_object, first, iso, moment, number, text
from wa.queue.checks import MAX_TEXT
from wa.store.database import Row, Store
from wa.times import to_iso


class JobImport:
    """The import of jobs, each in the caller's transaction."""

    def __init__(self, store: Store, now: datetime, zone: ZoneInfo) -> None:
        """`zone` is the zone of times without one."""
        self._store, self._now, self._zone = store, now, zone
        self._seen: set[str] = set()
        """Ids of this run's jobs."""

    def take(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Import a job; return whether it is new. Raise Skip."""
        row = self._row(key, an_object(record))
        if row["id"] in self._seen:
            same = "message_parts = :message_parts AND recipients = :recipients"
            if not self._store.value(f"SELECT 1 FROM jobs WHERE id = :id AND {same}", row):
                raise Skip("another job has its id")
        self._seen.add(row["id"])
        return self._store.insert("jobs", row, ignore=True) is not None

    def _row(self, key: str | int, record: Row) -> Row:
        """Return a record as a row of `jobs`."""
        progress = record.get("progress") or {}
        parts = first(record, "messageParts", "message_parts") or []
        recipients = record.get("recipients") or []
        if not isinstance(progress, dict) or not isinstance(record.get("config") or {}, dict):
            raise Skip("its progress or config is not an object")
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in a_list(parts)):
            raise Skip("a part of it has no text")
        if any(len(part["text"]) > MAX_TEXT for part in parts):
            raise Skip("a part of it is too long")
        if not all(isinstance(each, str) for each in a_list(recipients)):
            raise Skip("a recipient of it is not a string")
        known = {**record, **progress}
        status = record.get("status", "pending")
        made = self._moment(record, "createdAt", "created_at") or self._now
        return {
            "id": text(record, "id", key if isinstance(key, str) else ...),
            "title": text(record, "title", None) or (parts[0]["text"][:50] if parts else None),
            # The user decides whether an unfinished job continues.
            "status": status if status in ("completed", "failed", "cancelled") else "paused",
            "scheduled_start_at": iso(self._moment(record, "scheduledStartAt", "scheduled_start_at")),
            "created_at": to_iso(made),
            "completed_at": iso(self._moment(record, "completedAt", "completed_at")),
            "current_recipient_index": number(known, "currentRecipientIndex", "current_recipient_index"),
            "current_part_index": number(known, "currentPartIndex", "current_part_index"),
            "recipients_sent": number(known, "recipientsSent", "recipients_sent"),
            "recipients_failed": number(known, "recipientsFailed", "recipients_failed"),
            "last_sent_at": iso(self._moment(known, "lastSentAt", "last_sent_at")),
            "error_message": text(record, "error", None),
            "config": _json(record.get("config") or {}),
            "message_parts": _json(parts),
            "recipients": _json(recipients),
        }

    def _moment(self, record: Row, *names: str) -> datetime | None:
        return moment(first(record, *names), self._zone)


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, default=float)
