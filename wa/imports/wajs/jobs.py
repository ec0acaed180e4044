"""The import of the old tool's jobs. An unfinished one becomes paused, with rows for what it has done."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from wa.imports.wajs import job_rows
from wa.imports.wajs.fields import Complain, Skip, a_list, an_object, first, iso, moment, number, text
from wa.imports.wajs.scheduled import address
from wa.queue.checks import MAX_TEXT
from wa.queue.jobs import table
from wa.store.database import Row, Store
from wa.times import to_iso


class JobImport:
    """The import of jobs, each in the caller's transaction."""

    def __init__(self, store: Store, now: datetime, zone: ZoneInfo, region: str | None) -> None:
        """`zone` is the zone of times without one."""
        self._store, self._now, self._zone, self._region = store, now, zone, region
        self._seen: set[str] = set()
        """Ids of this run's jobs."""
        self.unfinished = 0
        """The number of jobs that this run imported and that are not finished."""

    def take(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Import a job; return whether it is new, or the old tool has gone on with it since. Raise Skip."""
        row = self._row(key, an_object(record))
        if table.exists(self._store, row["id"]):
            known = table.whole(self._store, row["id"])
            is_other = any(known[name] != row[name] for name in ("message_parts", "recipients"))
            if is_other and row["id"] in self._seen:
                raise Skip("another job has its id")
            if is_other or known["status"] != "paused":
                return False
        self._seen.add(row["id"])
        progress = self._progress(row, record)
        if progress.is_over and not table.exists(self._store, row["id"]):
            return table.add(self._store, row)
        people = []
        for place, to in enumerate(row["recipients"], 1):
            jid = address(to, self._region)
            if jid is None and not progress.is_over:
                complain("a recipient of it is not a number or an address", f"{row['id']}: {place}")
            people.append((jid or to, jid is not None))
        is_new = job_rows.take_over(self._store, row, people, progress, self._now)
        self.unfinished += is_new and not progress.is_over
        return is_new

    def _progress(self, row: Row, record: Row) -> job_rows.Progress:
        """Return how far the old tool has come with a job."""
        cursor = row["current_recipient_index"], row["current_part_index"]
        has_begun = record.get("status", "pending") not in ("pending", "paused")
        has_begun = has_begun or any(cursor) or bool(row["recipients_sent"] or row["last_sent_at"])
        return job_rows.Progress(*cursor, has_begun, row["status"] != "paused")

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
        if all(isinstance(part.get("orderIndex"), int) for part in parts):
            parts = sorted(parts, key=lambda part: int(part["orderIndex"]))
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
            "config": plain(record.get("config") or {}),
            "message_parts": plain(parts),
            "recipients": recipients,
        }

    def _moment(self, record: Row, *names: str) -> datetime | None:
        return moment(first(record, *names), self._zone)


def plain(found: Any) -> Any:
    """Return a value of JSON with its decimal fractions as floats."""
    return json.loads(json.dumps(found, ensure_ascii=False, default=float))
