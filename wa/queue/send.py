"""The next row of the queue to send, and its claim. Each message is a row, and is sent at most once.

    pending ─claim→ sending ─┬→ sent        the server acknowledged it
       ▲                     ├→ failed      it was certainly not sent
       │                     └→ unknown     it may have been sent
       └── retry (user)      pending → cancelled (user) · pending → missed (too late)

Every function that writes opens a transaction, or joins the caller's.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from wa.errors import WaError
from wa.jids import is_person_or_group
from wa.people.recipients import Recipient
from wa.queue import outcomes, pacing, place
from wa.queue.rows import get, update
from wa.queue.series import queued
from wa.queue.states import end
from wa.record import chats, messages
from wa.record.names import canonical
from wa.settings import Settings
from wa.store.database import BATCH, Row, Store
from wa.times import format_duration, from_iso, load_zone, to_iso
from wa.values import Value
from wa.whatsapp.ids import new_secret
from wa.whatsapp.transport import Outgoing, Quote, Timer

# The indexes named in the queries use exactly this expression. Without INDEXED BY, SQLite takes the index
# by status, and sorts all pending rows for each claim.
_DUE = "max(scheduled_at, coalesce(not_before, ''))"


class Scope(Enum):
    """The rows that an owner of the connection sends."""

    WAITED = "those a command waits for"
    UNSCHEDULED = "those made to be sent at once"
    ALL = "all that are due"


_QUEUE = "scheduled_messages INDEXED BY"
_IN_SCOPE = {
    Scope.UNSCHEDULED: f"{_QUEUE} queue_now WHERE status = 'pending' AND is_immediate",
    Scope.ALL: f"{_QUEUE} queue_due WHERE status = 'pending'",
}
_WAITED = f"{_QUEUE} queue_waited WHERE status = 'pending' AND wait_until > :now"


class Claim(Value):
    """A row that this process is to send, once."""

    id: str
    message: Outgoing


def seconds_to_next(store: Store, now: datetime, settings: Settings, scope: Scope) -> float | None:
    """Return the seconds until `claim` may find a row: 0 for now, None if no time is set."""
    params = {"now": to_iso(now)}
    moments = [store.value(f"SELECT min({_DUE}) FROM {_WAITED}", params)]
    if scope in _IN_SCOPE:
        moments.append(
            store.value(f"SELECT {_DUE} FROM {_IN_SCOPE[scope]} ORDER BY {_DUE}, scheduled_at, id LIMIT 1")
        )
    due = min((from_iso(moment) for moment in moments if moment), default=None)
    if scope is Scope.ALL and (ends := store.value(f"SELECT min(expires_at) {queued.HELD}")):
        missed = from_iso(ends) + timedelta(milliseconds=1)
        due = missed if due is None else min(due, missed)
    if due is None:
        return None
    block = pacing.blocked(store, now, settings) if due <= now else None
    if block is not None:
        due = None if block.until is None else max(due, block.until)
    stall = _next_stall(store)
    if stall is not None:
        due = stall if due is None else min(due, stall)
    return None if due is None else max(0.0, (due - now).total_seconds())


def _next_stall(store: Store) -> datetime | None:
    """Return when the first job will have waited for longer than its grace."""
    waiting = f"{_QUEUE} queue_job_stalls WHERE status = 'pending' AND job_id IS NOT NULL"
    found = store.value(f"SELECT min(expires_at) FROM {waiting}")
    return from_iso(found) if found else None


def claim(store: Store, now: datetime, settings: Settings, scope: Scope) -> Claim | None:
    """Claim the next row that may be sent now: it is committed as `sending` before anything is sent."""
    with store.write():
        if (stall := _next_stall(store)) is not None and stall < now:
            from wa.queue.jobs import claims

            claims.pause_stalled(store, now, settings)
        state = store.state()
        if pacing.blocked(store, now, settings, state) is not None:
            return None
        before = store.conn.total_changes
        # A short transaction even if a thousand were missed, each of which is a row changed and one told.
        while store.conn.total_changes - before < 200:
            if scope is Scope.ALL and (row := queued.held_too_long(store, now)):
                why = f"it was held until its grace ended {row['expires_at']}"
                end(store, row["id"], now, status="missed", error_code="held", error_message=why)
                continue
            row = _candidate(store, now, scope)
            if row is None:
                return None
            if not _withheld(store, row, now, settings) and _is_filled(store, row, now):
                return _take(store, row, now, settings, state)
    return None


def _candidate(store: Store, now: datetime, scope: Scope) -> Row | None:
    params = {"now": to_iso(now)}
    order = f"AND {_DUE} <= :now ORDER BY {_DUE}, scheduled_at, id LIMIT 1"
    row = store.row(f"SELECT * FROM {_WAITED} {order}", params)
    if row is None and scope in _IN_SCOPE:
        row = store.row(f"SELECT * FROM {_IN_SCOPE[scope]} {order}", params)
    return row


def _withheld(store: Store, row: Row, now: datetime, settings: Settings) -> bool:
    """Return whether a row is withheld.

    A late row becomes `missed`, or waits for quiet hours to end; a row that would be published fails.
    """
    if not is_person_or_group(row["to_jid"]):  # an older version queued it
        why = f"nothing is sent to {row['to_jid']}: that would publish it"
        end(store, row["id"], now, status="failed", error_code="usage", error_message=why)
        return True
    if row["job_id"]:
        from wa.queue.jobs import claims

        return claims.withheld(store, row, now, settings)
    if row["series_id"] and _is_superseded(store, row, now):
        why = "a newer date of its series was due"
        end(store, row["id"], now, status="missed", error_message=why)
        return True
    due = from_iso(row["scheduled_at"])
    expires = from_iso(row["expires_at"]) if row["expires_at"] else due + settings.grace
    quiet_end = None
    if settings.quiet_hours and not row["is_immediate"] and pacing.is_late(store, due, now, settings):
        quiet_end = settings.quiet_hours.end_if_quiet(now, settings.zone)
    if expires < now or (quiet_end and expires < quiet_end):
        ends = "ended" if expires < now else "ends in the quiet hours,"
        why = f"{format_duration(pacing.whole(now - due))} late; its grace {ends} {to_iso(expires)}"
        end(store, row["id"], now, status="missed", error_message=why)
        return True
    if quiet_end:
        update(store, row["id"], now, not_before=to_iso(quiet_end), note="late; waits for quiet hours to end")
        return True
    return False


def _is_superseded(store: Store, row: Row, now: datetime) -> bool:
    """Return whether a later date of its series is due too. Series are imported where there is one."""
    from wa.queue.series import occurrences

    return occurrences.is_superseded(store, row, now)


def _is_filled(store: Store, row: Row, now: datetime) -> bool:
    """Fill in the fields of a row's template; return False if that cannot be done, so that the row failed."""
    if row["template"] is None:
        return True
    from wa.queue.series.table import fields_of
    from wa.queue.templates import table as templates
    from wa.queue.templates import values

    zone = load_zone(row["timezone"])
    local = from_iso(row["scheduled_at"]).astimezone(zone)
    to = Recipient(row["to_jid"], row["to_phone"], get(store, row["id"])["contact_name"])
    try:
        text = templates.get(store, row["template"])["text"]
        row["message"] = values.text_for(store, text, to, local, fields_of(store, row["series_id"]))
        return True
    except WaError as error:
        end(store, row["id"], now, status="failed", error_code="template", error_message=error.message)
        return False


def _take(store: Store, row: Row, now: datetime, settings: Settings, state: dict[str, Any]) -> Claim:
    secret = new_secret()
    update(
        store,
        row["id"],
        now,
        status="sending",
        secret=secret,
        message=row["message"],
        template=None,
        claimed_at=to_iso(now),
        attempts=row["attempts"] + 1,
        wire_after=None if row["media_path"] else outcomes.newest_mark(store),
        message_id=None,
        error_code=None,
        error_message=None,
    )
    if "place" not in state:  # a copied home is blocked
        place.keep(store, now)
    pacing.note_send(store, now, settings, state)
    message = Outgoing(
        row["to_jid"],
        row["message"],
        secret,
        _quote(store, row["to_jid"], row["quoted_id"]) if row["quoted_id"] else None,
        store.home.path / row["media_path"] if row["media_path"] else None,
        row["file_name"],
        _timer(store, row["to_jid"]),
        row["media_type"] or "text",
        json.loads(row["details"]) if row["details"] else None,
    )
    return Claim(row["id"], message)


def release(store: Store, secret: bytes, now: datetime) -> bool:
    """Commit that the file of an attempt is uploaded. Return False if its row was withdrawn before.

    Until then the row has no `wire_after` and can be withdrawn; from now on the message may leave.
    """
    with store.write():
        sql = "SELECT id FROM scheduled_messages WHERE status = 'sending' AND secret = ?"
        row_id = store.value(sql, [secret])
        if row_id is None:
            return False
        update(store, row_id, now, wire_after=outcomes.newest_mark(store))
    return True


def mark_wire(store: Store, message_id: str, to_jid: str, now: datetime) -> None:
    """Commit that a frame with this id is about to be sent. It must not be sent when this raises."""
    with store.write():
        store.insert("wire", {"message_id": message_id, "to_jid": to_jid, "at": to_iso(now)})


def _quote(store: Store, chat: str, message_id: str) -> Quote:
    """Return the quoted message as far as it is known."""
    found = store.row(
        "SELECT sender, content, message_type, raw_proto, details, edited_at, unavailable FROM messages"
        " WHERE chat_jid = ? AND message_id = ?",
        [canonical(store, chat), message_id],
    )
    if found is None:
        return Quote(message_id)
    if messages.is_stand_in(found):  # its text is ours
        return Quote(message_id, found["sender"])
    return Quote(
        message_id,
        found["sender"],
        found["content"],
        found["message_type"],
        found["raw_proto"],
        json.loads(found["details"] or "{}"),
        found["edited_at"] is not None,
    )


def _timer(store: Store, jid: str) -> Timer | None:
    """Return the time after which messages of a chat disappear; None if they stay."""
    seconds, set_at = chats.ephemeral(store, canonical(store, jid))
    return Timer(seconds, set_at) if seconds else None


def has_due(store: Store, now: datetime) -> bool:
    """Return whether a pending row is due, or a held one of a series was held too long."""
    sql = f"SELECT 1 FROM {_IN_SCOPE[Scope.ALL]} AND {_DUE} <= ? LIMIT 1"
    return store.value(sql, [to_iso(now)]) is not None or queued.held_too_long(store, now) is not None


def is_unsettled(store: Store, since: datetime) -> bool:
    """Return whether a row claimed after `since` is still without an outcome."""
    sql = (
        "SELECT 1 FROM scheduled_messages WHERE status IN ('sending', 'unknown') AND claimed_at >= ? LIMIT 1"
    )
    return store.value(sql, [to_iso(since)]) is not None


def prune_marks(store: Store, before: datetime) -> None:
    """Delete wire marks older than `before` that no attempt may need."""
    needed = "SELECT min(wire_after) FROM scheduled_messages WHERE status = 'sending'"
    sql = (
        "DELETE FROM wire WHERE at < :at AND number IN (SELECT number FROM wire"
        f" WHERE number < coalesce(({needed}), {2**63 - 1}) ORDER BY number LIMIT {BATCH})"
    )
    deleted = BATCH
    while deleted == BATCH:
        with store.write(durable=False):
            deleted = store.execute(sql, {"at": to_iso(before)}).rowcount
