"""Jobs for people and programs: every part of every recipient, the counts, and when the job will be over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wa.queue.jobs import plan, sources, table
from wa.record.names import our_name_of
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso

_PAGE = 500
"""Recipients that are read at a time."""
_GOES_ON = ("pending", "running")
_LEFT_OUT = {"failed": "cancelled", "cancelled": "cancelled", "skipped": "skipped"}
"""By status of a recipient, the status of the parts that are not made for it any more."""


def counts(store: Store, job: Row) -> dict[str, int]:
    """Return the number of a job's messages of each status that occurs; `waiting` have no row yet."""
    found = {
        ("skipped" if is_skipped else str(status)): int(number)
        for status, is_skipped, number in store.execute(
            "SELECT status, coalesce(error_code = 'skipped', 0) AND status = 'cancelled', count(*)"
            " FROM scheduled_messages WHERE job_id = ? GROUP BY 1, 2",
            [job["id"]],
        )
    }
    left = table.size(store, job["id"]) * len(job["message_parts"]) - sum(found.values())
    for status, shown in _LEFT_OUT.items():
        number = table.count(store, job["id"], status) * len(job["message_parts"]) - _made(store, job, status)
        found[shown] = found.get(shown, 0) + number
        left -= number
    return {status: number for status, number in {**found, "waiting": left}.items() if number}


def _made(store: Store, job: Row, status: str) -> int:
    """Return the number of rows of the recipients with a status."""
    sql = (
        "SELECT count(*) FROM job_recipients r INDEXED BY job_recipients_by_status"
        " JOIN scheduled_messages m ON m.job_id = r.job_id AND m.recipient_index = r.number"
        " WHERE r.job_id = ? AND r.status = ?"
    )
    return int(store.value(sql, [job["id"], status]))


def parts(store: Store, settings: Settings, job: Row, now: datetime, *, after: int = -1) -> Iterator[Row]:
    """Yield every part of every recipient behind an index, as its row of the queue has it.

    A part without a row is `waiting`, or left out as `cancelled` or `skipped`; `scheduled_at` is when it is
    expected to go out then, None while nothing goes out.
    """
    expected = _Expected(store, settings, job, now)
    size = len(job["message_parts"])
    while page := table.recipients(store, job["id"], after, _PAGE):
        first, after = page[0]["number"], page[-1]["number"]
        rows = {(row["recipient_index"], row["part_index"]): row for row in _rows(store, job, first, after)}
        for person in page:
            for part in range(size):
                row = rows.get((person["number"], part))
                yield row_shown(row) if row else _to_come(job, person, part, expected)


def _rows(store: Store, job: Row, first: int, last: int) -> list[Row]:
    return store.rows(
        "SELECT id, recipient_index, part_index, to_jid, message, status, error_code, error_message, note,"
        f" scheduled_at, sent_at, message_id, attempts, coalesce({our_name_of('to_jid')}, contact_name)"
        " AS contact_name FROM scheduled_messages WHERE job_id = ? AND recipient_index BETWEEN ? AND ?",
        [job["id"], first, last],
    )


def row_shown(row: Row) -> Row:
    """Return a row of a job as it is shown: one whose person has had the part already is `skipped`."""
    is_skipped = row["status"] == "cancelled" and row["error_code"] == "skipped"
    return {**row, "status": "skipped"} if is_skipped else row


def _to_come(job: Row, person: Row, part: int, expected: _Expected) -> Row:
    """Return a part that has no row yet, or will have none."""
    is_over = person["status"] in table.OVER
    at = None if is_over else expected.at(person["number"], part)
    return {
        "id": None,
        "recipient_index": person["number"],
        "part_index": part,
        "to_jid": person["to_jid"],
        "message": sources.text_for(job["message_parts"][part], person),
        "status": _LEFT_OUT.get(person["status"], "waiting"),
        "error_code": None,
        "error_message": None,
        "note": None,
        "scheduled_at": to_iso(at) if at else None,
        "sent_at": None,
        "message_id": None,
        "attempts": 0,
        "contact_name": person["contact_name"],
    }


class _Expected:
    """The moments at which the parts without a row go out, asked for in the order of the recipients."""

    def __init__(self, store: Store, settings: Settings, job: Row, now: datetime) -> None:
        self.end: datetime | None = None
        self._known: dict[tuple[int, int], datetime] = {}
        self._moments = iter(_moments(store, settings, job, now)) if job["status"] in _GOES_ON else iter(())

    def at(self, recipient: int, part: int) -> datetime | None:
        """Return when a part goes out, None if that is not known."""
        place = (recipient, part)
        for number, index, moment in self._moments if place not in self._known else ():
            self._known[number, index] = moment
            if (number, index) >= place:
                break
        return self._known.pop(place, None)


def _moments(
    store: Store, settings: Settings, job: Row, now: datetime
) -> Iterator[tuple[int, int, datetime]]:
    """Yield the moments of all parts to come, from the open row on."""
    pace = plan.pace_of(job)
    clock = plan.Clock(settings, pace, plan.sent_lately(store, settings, now))
    start = now
    if opened := table.first_with(store, job["id"], "open"):
        due = store.value(
            "SELECT max(scheduled_at, coalesce(not_before, '')) FROM scheduled_messages"
            " WHERE job_id = ? AND recipient_index = ? AND status IN ('pending', 'sending')",
            [job["id"], opened["number"]],
        )
        start = max(now, from_iso(due)) if due else now
    elif job["scheduled_start_at"]:
        start = max(now, from_iso(job["scheduled_start_at"]))
    return plan.moments(clock, pace, start, _places(store, job))


def _places(store: Store, job: Row) -> Iterator[tuple[int, int]]:
    size, after = len(job["message_parts"]), -1
    while page := table.recipients(store, job["id"], after, _PAGE):
        after = page[-1]["number"]
        begun = [row["number"] for row in page if row["status"] in ("open", "begun")]
        sent = {
            row["number"]: int(row["sent"])
            for row in store.rows(
                "SELECT recipient_index AS number, count(*) AS sent FROM scheduled_messages WHERE job_id = ?"
                " AND recipient_index BETWEEN ? AND ? AND status = 'sent' GROUP BY 1",
                [job["id"], begun[0], begun[-1]],
            )
        } if begun else {}  # fmt: skip
        for row in page:
            if row["status"] in ("waiting", "open", "begun"):
                yield from ((row["number"], part) for part in range(sent.get(row["number"], 0), size))


def expected_end(store: Store, settings: Settings, job: Row, now: datetime) -> datetime | None:
    """Return when the last message of a job goes out if all goes well; None while nothing of it goes out."""
    if job["status"] not in _GOES_ON:
        return None
    last = None
    for _, _, last in _moments(store, settings, job, now):  # noqa: B007
        pass
    return last
