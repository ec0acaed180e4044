"""The import of the old tool's scheduled messages into the queue; one due in the past becomes missed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.imports.wajs.fields import Complain, Skip, an_object, first, iso, moment, text
from wa.jids import is_person_or_group, jid_of_phone, parse_jid, phone_of_jid
from wa.phones import parse_phone
from wa.queue import pacing
from wa.queue import rows as queue
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso

_LATEST = datetime(9990, 1, 1, tzinfo=timezone.utc)
"""A grace that ends later than this may be beyond what a calendar knows."""


class ScheduledImport:
    """The import of scheduled messages, each in the caller's transaction."""

    def __init__(
        self, store: Store, now: datetime, zone: ZoneInfo, region: str | None, grace: timedelta
    ) -> None:
        """`zone` is the zone of times without one; `grace` is how late a pending message may be sent."""
        self._store, self._now, self._zone, self._region, self._grace = store, now, zone, region, grace
        self._seen: set[str] = set()
        """Ids of this run's messages."""
        self.pending = 0
        """The number of messages that this run imported and that are still to be sent."""

    def take(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Import a message; return whether it is new or changed since an earlier run. Raise Skip."""
        row, other_id = self._row(key, an_object(record))
        is_other = row["id"] in self._seen and self._differs(row)
        if is_other or queue.exists(self._store, other_id):
            row["id"] = other_id
        self._seen.add(row["id"])
        if not queue.add_migrated(self._store, row) and not self._catch_up(row):
            return False
        if row["status"] == "pending":  # pause in this transaction, before a running scheduler can send it
            self.pending += 1
            pacing.pause(self._store, self._now)
        return True

    def _row(self, key: str | int, record: Row) -> tuple[Row, str]:
        """Return a record as a row of the queue, and an id to use if another message has its id."""
        jid = self._recipient(record)
        message = text(record, "message", record.get("text", ...))
        if not message.strip():
            raise Skip("its text is empty")
        due = self._moment(record, "scheduledTime", "scheduledAt", "scheduled_at")
        if due is None:
            raise Skip("it has no time")
        if due > _LATEST:
            raise Skip("its time is out of all reason")
        status = _status_of(record.get("status"))
        if status == "pending" and due <= self._now:
            status = "missed"
        if status == "pending" and not is_person_or_group(jid):
            raise Skip("it would be published: to a status, a broadcast list or a channel")
        made = self._moment(record, "createdAt", "created_at") or self._now
        made_up_id = _made_up_id(due, jid, message)
        row: Row = {
            "id": text(record, "id", None) or (key if isinstance(key, str) else made_up_id),
            "to_jid": jid,
            "to_phone": phone_of_jid(jid),
            "contact_name": text(record, "contactName", record.get("contact_name")) or None,
            "message": message,
            "scheduled_at": to_iso(due),
            "timezone": str(self._zone),
            "status": status,
            "error_message": text(record, "error", record.get("errorMessage")) or None,
            "created_at": to_iso(made),
            "created_from": "migration",
            "updated_at": to_iso(made),
            "sent_at": iso(self._moment(record, "sentAt", "sent_at")),
            # A missed message stays missed, even if this machine's clock turns out to have been ahead.
            "expires_at": to_iso(due + self._grace if status == "pending" else due),
        }
        return row, made_up_id

    def _moment(self, record: Row, *names: str) -> datetime | None:
        return moment(first(record, *names), self._zone)

    def _differs(self, row: Row) -> bool:
        stored = queue.get(self._store, row["id"])
        return any(stored[name] != row[name] for name in ("to_jid", "message", "scheduled_at"))

    def _catch_up(self, row: Row) -> bool:
        """Update a message that is pending since an earlier run; return whether the old tool changed it."""
        stored = queue.get(self._store, row["id"])
        is_ours = stored["status"] != "pending" or stored["updated_at"] != stored["created_at"]
        if is_ours or stored["created_from"] != "migration":  # changed or made here
            return False
        if stored["status"] == row["status"] and not self._differs(row):
            return False
        kept = ("id", "updated_at", "created_at")
        changes = {name: value for name, value in row.items() if name not in kept}
        queue.update(self._store, row["id"], from_iso(stored["created_at"]), **changes)
        return True

    def _recipient(self, record: Row) -> str:
        jid = address(text(record, "to"), self._region)
        if jid is None:
            raise Skip("its recipient is not a number or an address")
        return jid


def address(to: str, region: str | None) -> str | None:
    """Return the JID of a recipient of the old tool, None if it is not a number or an address."""
    try:
        jid = parse_jid(to.replace("@c.us", "@s.whatsapp.net"))
        phone = None if jid else parse_phone(to, region)
    except WaError:
        return None
    return jid or (jid_of_phone(phone) if phone else None)


def _status_of(status: Any) -> str:
    if status == "deleted":
        return "cancelled"
    return str(status) if status in ("pending", "sent", "failed", "cancelled", "missed") else "unknown"


def _made_up_id(due: datetime, jid: str, message: str) -> str:
    """Return an id for a message without one, the same in every run."""
    digest = hashlib.sha256(f"{jid}\n{to_iso(due)}\n{message}".encode("utf-8", "replace")).hexdigest()
    return f"{int(due.timestamp() * 1000)}_{digest[:6]}"
