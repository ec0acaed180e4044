"""The records of the old tool's contacts, scheduled messages and jobs, as rows of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.imports.wajs.json_stream import Unreadable
from wa.jids import jid_of_phone, parse_jid, phone_of_jid
from wa.people import contacts
from wa.people import edit as addressbook
from wa.people.edit import Person
from wa.people.vcard import tidy
from wa.phones import parse_phone
from wa.queue import pacing
from wa.queue import rows as schedule
from wa.queue.rows import MAX_TEXT
from wa.store.database import Row, Store
from wa.store.report import Skipped
from wa.times import from_iso, resolve_wall, to_iso


@dataclass
class Tally:
    """What became of the records of one file: read is the sum of the three others."""

    file: str
    chats: int | None = None
    """How many chats the messages are in, where they are."""
    read: int = 0
    written: int = 0
    already_there: int = 0
    skipped: int = 0
    """Records that were left out; what is wrong with a record that was taken is among the reasons alone."""
    reasons: Skipped = field(default_factory=Skipped)

    def skip(self, reason: str, example: str) -> None:
        """Count a record that is left out."""
        self.read += 1
        self.skipped += 1
        self.reasons.add(reason, example)

    def row(self) -> Row:
        """Return the tally as a row of the final table."""
        shown = {**vars(self), **self.reasons.row(), "skipped": self.skipped}
        return {name: each for name, each in shown.items() if each is not None}


Complain = Callable[[str, str], None]
"""Told of what is wrong with a record that was taken: the reason, and an example."""


class Skip(Exception):
    """A record that makes no sense, and why."""


_LATEST = datetime(9990, 1, 1, tzinfo=timezone.utc)
"""After which a grace may end beyond what a calendar knows."""


class RecordReader:
    """Takes one record at a time, in the caller's transaction. Raises Skip for what makes no sense."""

    def __init__(
        self, store: Store, now: datetime, zone: ZoneInfo, region: str | None, grace: timedelta
    ) -> None:
        self.store, self.now, self.zone, self.region, self.grace = store, now, zone, region, grace
        self.queued = 0
        """Messages that came in to be sent later."""
        self._taken: set[str] = set()
        """Ids of scheduled messages and jobs that this run has met."""

    def take_contact(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Whether somebody is new, or something of them."""
        record = _object(record)
        numbers = _numbers_of(record)
        phones: dict[str, str | None] = {}
        written: dict[str, str | None] = {}
        for number, label in numbers.items():
            written[number] = phone = contacts.phone_in(number, self.region)
            if phone:
                phones.setdefault(phone, label)
            else:
                complain("a number of it cannot be read", f"{number} of record {key}")
        if not phones and isinstance(key, str):  # by which the old tool kept its contacts
            written[key] = phone = contacts.phone_in(key, self.region)
            if phone:
                phones[phone] = None
            elif any(map(str.isdigit, key)):
                complain("a number of it cannot be read", f"{key}")
        person = Person(
            tidy(_text(record, "name")),
            phones,
            [tidy(each) for each in _texts(record, "aliases")],
            [tidy(each) for each in _texts(record, "tags")],
            any(record.get(name) in (True, 1) for name in ("favorite", "is_favorite", "isFavorite")),
            tidy(_text(record, "notes", "")) or None,
            is_chosen=True,  # it is what they are used to
            numbers_as_written=written,
        )
        if not person.name:
            raise Skip("it has no name")
        outcome, taken, _ = addressbook.put(self.store, person, self.now)
        for phone, owner in taken.items():
            complain("a number of it is somebody else's, and stays so", f"+{phone} of {person.name}: {owner}")
        return outcome != "unchanged"

    def take_scheduled(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Whether a message is new. What is due in the past is never queued."""
        record = _object(record)
        jid = self._recipient(record)
        text = _text(record, "message", record.get("text", ...))
        if not text.strip():
            raise Skip("its text is empty")
        due = self._moment(_first(record, "scheduledTime", "scheduledAt", "scheduled_at"))
        if due is None:
            raise Skip("it has no time")
        if due > _LATEST:
            raise Skip("its time is out of all reason")
        status = _status_of(record.get("status"))
        if status == "pending" and due <= self.now:
            status = "missed"
        made = self._moment(_first(record, "createdAt", "created_at")) or self.now
        row: Row = {
            "id": _text(record, "id", None) or (key if isinstance(key, str) else _id_of(due, jid, text)),
            "to_jid": jid,
            "to_phone": phone_of_jid(jid),
            "contact_name": _text(record, "contactName", record.get("contact_name")) or None,
            "message": text,
            "scheduled_at": to_iso(due),
            "timezone": str(self.zone),
            "status": status,
            "error_message": _text(record, "error", record.get("errorMessage")) or None,
            "created_at": to_iso(made),
            "created_from": "migration",
            "updated_at": to_iso(made),
            "sent_at": _iso(self._moment(_first(record, "sentAt", "sent_at"))),
            # What was missed stays missed, also when this machine's clock turns out to have been ahead.
            "expires_at": to_iso(due + self.grace if status == "pending" else due),
        }
        other_id = _id_of(due, jid, text)  # for where another message of one run has the same id
        is_other = row["id"] in self._taken and self._differs(row)
        if is_other or self.store.value("SELECT 1 FROM scheduled_messages WHERE id = ?", [other_id]):
            row["id"] = other_id
        self._taken.add(row["id"])
        if self.store.insert("scheduled_messages", row, ignore=True) is None and not self._catch_up(row):
            return False
        if status == "pending":  # in one transaction: a scheduler that runs beside must not be quicker
            self.queued += 1
            pacing.pause(self.store, self.now)
        return True

    def _differs(self, row: Row) -> bool:
        stored = schedule.get(self.store, row["id"])
        return any(stored[name] != row[name] for name in ("to_jid", "message", "scheduled_at"))

    def _catch_up(self, row: Row) -> bool:
        """Whether a message that waits here since an earlier run was sent, deleted or changed there since."""
        stored = schedule.get(self.store, row["id"])
        # What was touched here is not the old tool's any more.
        if stored["status"] != "pending" or stored["updated_at"] != stored["created_at"]:
            return False
        if stored["created_from"] != "migration":
            return False
        if stored["status"] == row["status"] and not self._differs(row):
            return False
        changes = {
            name: value for name, value in row.items() if name not in ("id", "updated_at", "created_at")
        }
        schedule.update(self.store, row["id"], from_iso(stored["created_at"]), **changes)
        return True

    def _recipient(self, record: Row) -> str:
        to = _text(record, "to")
        try:
            jid = parse_jid(to.replace("@c.us", "@s.whatsapp.net"))
            phone = None if jid else parse_phone(to, self.region)
        except WaError as error:
            raise Skip("its recipient is not a number or an address") from error
        if not jid and not phone:
            raise Skip("its recipient is not a number or an address")
        return jid or jid_of_phone(str(phone))

    def take_job(self, key: str | int, record: Any, complain: Complain) -> bool:
        """Whether a job is new."""
        record = _object(record)
        progress = record.get("progress") or {}
        parts = _first(record, "messageParts", "message_parts") or []
        recipients = record.get("recipients") or []
        if not isinstance(progress, dict) or not isinstance(record.get("config") or {}, dict):
            raise Skip("its progress or config is not an object")
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in _list(parts)):
            raise Skip("a part of it has no text")
        if any(len(part["text"]) > MAX_TEXT for part in parts):
            raise Skip("a part of it is too long")
        if not all(isinstance(each, str) for each in _list(recipients)):
            raise Skip("a recipient of it is not a string")
        known = {**record, **progress}
        status = record.get("status", "pending")
        made = self._moment(_first(record, "createdAt", "created_at")) or self.now
        row: Row = {
            "id": _text(record, "id", key if isinstance(key, str) else ...),
            "title": _text(record, "title", None) or (parts[0]["text"][:50] if parts else None),
            # Whether an unfinished one goes on is for its owner to say.
            "status": status if status in ("completed", "failed", "cancelled") else "paused",
            "scheduled_start_at": _iso(
                self._moment(_first(record, "scheduledStartAt", "scheduled_start_at"))
            ),
            "created_at": to_iso(made),
            "completed_at": _iso(self._moment(_first(record, "completedAt", "completed_at"))),
            "current_recipient_index": _number(known, "currentRecipientIndex", "current_recipient_index"),
            "current_part_index": _number(known, "currentPartIndex", "current_part_index"),
            "recipients_sent": _number(known, "recipientsSent", "recipients_sent"),
            "recipients_failed": _number(known, "recipientsFailed", "recipients_failed"),
            "last_sent_at": _iso(self._moment(_first(known, "lastSentAt", "last_sent_at"))),
            "error_message": _text(record, "error", None),
            "config": _json(record.get("config") or {}),
            "message_parts": _json(parts),
            "recipients": _json(recipients),
        }
        if row["id"] in self._taken:
            same = "message_parts = :message_parts AND recipients = :recipients"
            if not self.store.value(f"SELECT 1 FROM jobs WHERE id = :id AND {same}", row):
                raise Skip("another job has its id")
        self._taken.add(row["id"])
        return self.store.insert("jobs", row, ignore=True) is not None

    def _moment(self, when: Any) -> datetime | None:
        """A time as the old tool wrote it: ISO 8601, or milliseconds or seconds since 1970."""
        from dateutil.parser import isoparse  # knows all of ISO 8601

        if when is None or when == "":
            return None
        try:
            if isinstance(when, str):
                moment = isoparse(when)
                return (
                    resolve_wall(moment, self.zone)
                    if moment.tzinfo is None
                    else moment.astimezone(timezone.utc)
                )
            if not isinstance(when, bool):
                seconds = float(when) / (1000 if float(when) > 1e11 else 1)
                return datetime.fromtimestamp(seconds, timezone.utc)
        except (ValueError, OverflowError, OSError, TypeError):
            pass
        raise Skip("a time of it cannot be read")


# ── Looking into a record ───────────────────────────────────────────────────────────────────────────


def _object(record: Any) -> Row:
    if isinstance(record, Unreadable):
        raise Skip(str(record))
    if not isinstance(record, dict):
        raise Skip("it is not an object")
    return record


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise Skip("where a list should be is something else")
    return found


def _text(record: Row, name: str, default: Any = ...) -> Any:
    """A string of a record; without `default` it has to be there."""
    found = record.get(name)
    if found is None:
        found = default
    if found is ... or not isinstance(found, (str, type(None))):
        raise Skip(f"its {name} is {'missing' if found is ... else 'not a string'}")
    if found and len(found) > MAX_TEXT:
        raise Skip(f"its {name} is too long")
    return found if default is None else found or ""


def _numbers_of(record: Row) -> dict[str, str | None]:
    """The numbers of a contact as they are written, with a label where there is one."""
    found: dict[str, str | None] = {}
    given = record.get("phones") or {}
    if isinstance(given, dict):
        for name, number in given.items():
            found.setdefault(_as_number(number), None if name in ("primary", "secondary") else name)
        given = []
    for number in [*_list(given), *_list(record.get("numbers") or []), record.get("phone")]:
        found.setdefault(_as_number(number), None)
    found.pop("", None)
    return found


def _as_number(found: Any) -> str:
    if isinstance(found, (str, int)) and not isinstance(found, bool):
        return str(found)
    if found is None:
        return ""
    raise Skip("a number of it is not a string")


def _texts(record: Row, name: str) -> list[str]:
    found = record.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Skip(f"its {name} are not strings")
    if any(len(each) > MAX_TEXT for each in found):
        raise Skip(f"one of its {name} is too long")
    return found


def _first(record: Row, *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _number(record: Row, *names: str) -> int:
    found = _first(record, *names) or 0
    if not isinstance(found, int) or not 0 <= found < 2**31:
        raise Skip("a count of it is not a number")
    return found


def _status_of(status: Any) -> str:
    if status == "deleted":
        return "cancelled"
    return str(status) if status in ("pending", "sent", "failed", "cancelled", "missed") else "unknown"


def _id_of(due: datetime, jid: str, text: str) -> str:
    """An id for a message that has none, the same each time."""
    digest = hashlib.sha256(f"{jid}\n{to_iso(due)}\n{text}".encode("utf-8", "replace")).hexdigest()
    return f"{int(due.timestamp() * 1000)}_{digest[:6]}"


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, default=float)
