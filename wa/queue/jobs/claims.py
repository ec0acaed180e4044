"""The check of a job before one of its messages is claimed: may it go out, and if not, why?"""

from __future__ import annotations

from datetime import datetime, timedelta

from wa.jids import jid_of_phone
from wa.people.contacts import by_phone, numbers_of
from wa.queue import pacing, rows
from wa.queue.jobs import chain, control, table
from wa.queue.jobs.plan import pace_of
from wa.queue.pacing import Block
from wa.record.names import aliases_of, canonical
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import format_duration, from_iso, to_iso

_MAY_HAVE_IT = ("sending", "sent", "unknown")
_PENDING = "scheduled_messages INDEXED BY queue_job_stalls WHERE status = 'pending' AND job_id IS NOT NULL"


def withheld(store: Store, row: Row, now: datetime, settings: Settings) -> bool:
    """Return whether a due row of a job is withheld, in the caller's transaction.

    It waits while its job is paused, and for quiet hours to end, whether it is late or not. It is `skipped`
    when its person has had the part under another address, and held when its number is not its contact's
    any more.
    """
    if table.head(store, row["job_id"])["status"] in ("paused", "cancelled"):
        chain.follow(store, row["id"], now)  # which holds or cancels it
        return True
    person = table.recipient(store, row["job_id"], row["recipient_index"])
    if had_it(store, row, person):
        why = "the same person has had it under another address"
        rows.update(
            store,
            row["id"],
            now,
            status="cancelled",
            error_code="skipped",
            error_message=why,
            wait_until=None,
        )
        return True
    if row["to_jid"] == person["to_jid"] and (why_not := _no_longer_theirs(store, person)):
        changes = {"status": "held", "error_code": "renumbered", "error_message": why_not, "wait_until": None}
        rows.update(store, row["id"], now, **changes)
        return True
    quiet = settings.quiet_hours.end_if_quiet(now, settings.zone) if settings.quiet_hours else None
    if quiet and not row["wait_until"]:
        rows.change(store, row["id"], now, not_before=to_iso(quiet), note=f"quiet hours end {to_iso(quiet)}")
        return True
    return False


def _no_longer_theirs(store: Store, person: Row) -> str | None:
    """Return why a recipient's number is to be looked at: it was a contact's, and is not any more."""
    if person["contact_id"] is None or person["to_phone"] is None:
        return None
    owner = by_phone(store, person["to_phone"])
    if owner and owner["id"] == person["contact_id"]:
        return None
    whose = f"it is {owner['name']}'s now" if owner else "no contact has it now"
    return f"+{person['to_phone']} was {person['contact_name']}'s when the job was made; {whose}"


def had_it(store: Store, row: Row, person: Row) -> bool:
    """Return whether a recipient's person has had a part of a job, or may have, under another address."""
    theirs = table.with_addresses(store, row["job_id"], addresses(store, row["to_jid"]))
    others = [each for each in theirs if each["number"] != person["number"] and each["status"] != "waiting"]
    return any(
        each["part_index"] == row["part_index"] and each["status"] in _MAY_HAVE_IT
        for other in others
        for each in chain.rows_of(store, row["job_id"], other["number"])
    )


def addresses(store: Store, jid: str) -> set[str]:
    """Return all addresses of a person: hidden ids, and the numbers of the contact."""
    main = canonical(store, jid)
    people = {main}
    if owner := by_phone(store, main.partition("@")[0]):
        people |= {jid_of_phone(phone) for phone in numbers_of(store, owner["id"])}
    return people | {jid} | {lid for each in people for lid in aliases_of(store, each)}


def may_try_again(store: Store, row: Row, now: datetime) -> bool:
    """Return whether a row that was certainly not sent may be tried again; if so, count that."""
    if row["retries"] >= pace_of(table.head(store, row["job_id"])).max_retries:
        return False
    rows.change(store, row["id"], now, retries=row["retries"] + 1)
    return True


# ── Nothing could be sent for longer than the grace ─────────────────────────────────────────────────


def pause_stalled(store: Store, now: datetime, settings: Settings) -> None:
    """Pause each job of which nothing could be sent for longer than its grace, with the reason."""
    with store.write():
        block = pacing.blocked(store, now, settings)
        late = (
            f"SELECT id, job_id, scheduled_at, not_before, note FROM {_PENDING} AND expires_at < ? LIMIT 100"
        )
        for row in store.rows(late, [to_iso(now)]):
            if table.head(store, row["job_id"])["status"] not in ("paused", "cancelled"):
                control.stop(store, row["job_id"], now, reason=_why(row, block, now, settings))


def _why(row: Row, block: Block | None, now: datetime, settings: Settings) -> str:
    waited = format_duration(pacing.whole(now - from_iso(row["scheduled_at"])))
    why = "nobody was there to send it"
    if block and block.reason != "spacing":
        why = block.text
    elif row["not_before"] and row["not_before"] > to_iso(now):
        why = row["note"] or why
    elif settings.quiet_hours and settings.quiet_hours.end_if_quiet(
        now - timedelta(minutes=1), settings.zone
    ):
        why = "quiet hours"
    return f"nothing of it could be sent for {waited}: {why}"
