"""The queue: everything that is sent is a row here, and goes out at most once.

    pending ─claim→ sending ─┬→ sent        the server acknowledged
       ▲                     ├→ failed      it provably did not go out
       │                     └→ unknown     it may have gone out
       └── retry (user)      pending → cancelled (user) · pending → missed (too late)

Every function that writes opens a transaction, or joins the caller's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from wa.errors import WaError
from wa.queue import pacing
from wa.queue.rows import expect, get, update
from wa.record import messages, write
from wa.record.names import canonical
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.times import format_duration, from_iso, to_iso
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.transport import (
    Accepted,
    Evidence,
    NotOnWhatsApp,
    NotSent,
    Outgoing,
    Quote,
    Refused,
    SendError,
)

BACKOFF_FIRST, BACKOFF_MOST = timedelta(seconds=1), timedelta(minutes=5)

# The indexes named in the queries hold this very expression. Left to itself, SQLite takes the one by status,
# and sorts all that is pending for each claim.
_DUE = "max(scheduled_at, coalesce(not_before, ''))"

LAST_TRY = timedelta(seconds=1)
"""How long before the end of its grace a row is tried for the last time."""

CONFIRMED = "confirmed by a receipt"

AskEvidence = Callable[[bytes, Sequence[str]], Evidence]


class Scope(Enum):
    """Which rows an owner sends."""

    WAITED = "those a command waits for"
    UNSCHEDULED = "those made to be sent at once"
    ALL = "all that are due"


_QUEUE = "scheduled_messages INDEXED BY"
_IN_SCOPE = {
    Scope.UNSCHEDULED: f"{_QUEUE} queue_now WHERE status = 'pending' AND is_immediate",
    Scope.ALL: f"{_QUEUE} queue_due WHERE status = 'pending'",
}
_WAITED = f"{_QUEUE} queue_waited WHERE status = 'pending' AND wait_until > :now"


@dataclass(frozen=True)
class Claim:
    """A row that is ours to send, once."""

    id: str
    message: Outgoing


def seconds_to_next(store: Store, now: datetime, settings: Settings, scope: Scope) -> float | None:
    """Seconds until `claim` may find something: 0 for now, None for never as things are."""
    params = {"now": to_iso(now)}
    moments = [store.value(f"SELECT min({_DUE}) FROM {_WAITED}", params)]
    if scope in _IN_SCOPE:
        moments.append(
            store.value(f"SELECT {_DUE} FROM {_IN_SCOPE[scope]} ORDER BY {_DUE}, scheduled_at, id LIMIT 1")
        )
    due = min((from_iso(moment) for moment in moments if moment), default=None)
    if due is None:
        return None
    block = pacing.blocked(store, now, settings) if due <= now else None
    if block is not None:
        if block.until is None:
            return None
        due = max(due, block.until)
    return max(0.0, (due - now).total_seconds())


def claim(store: Store, now: datetime, settings: Settings, scope: Scope) -> Claim | None:
    """Take the next row that may go out now, committed as `sending` before anything is sent."""
    with store.write():
        if pacing.blocked(store, now, settings) is not None:
            return None
        for _ in range(100):  # a transaction is short even when a thousand rows have been missed
            row = _candidate(store, now, scope)
            if row is None:
                return None
            if not _withheld(store, row, now, settings):
                return _take(store, row, now, settings)
    return None


def _candidate(store: Store, now: datetime, scope: Scope) -> Row | None:
    params = {"now": to_iso(now)}
    order = f"AND {_DUE} <= :now ORDER BY {_DUE}, scheduled_at, id LIMIT 1"
    row = store.row(f"SELECT * FROM {_WAITED} {order}", params)
    if row is None and scope in _IN_SCOPE:
        row = store.row(f"SELECT * FROM {_IN_SCOPE[scope]} {order}", params)
    return row


def _withheld(store: Store, row: Row, now: datetime, settings: Settings) -> bool:
    """Whether a row is too late to go out now: it is then `missed`, or waits for the quiet hours' end."""
    due = from_iso(row["scheduled_at"])
    expires = from_iso(row["expires_at"]) if row["expires_at"] else due + settings.grace
    quiet_end = None
    if settings.quiet_hours and not row["is_immediate"] and pacing.is_late(store, due, now, settings):
        quiet_end = settings.quiet_hours.end_if_quiet(now, settings.zone)
    if expires < now or (quiet_end and expires < quiet_end):
        ends = "ended" if expires < now else "ends in the quiet hours,"
        why = f"{format_duration(pacing.whole(now - due))} late; its grace {ends} {to_iso(expires)}"
        update(store, row["id"], now, status="missed", error_message=why, wait_until=None)
        return True
    if quiet_end:
        update(store, row["id"], now, not_before=to_iso(quiet_end), note="late; waits for quiet hours to end")
        return True
    return False


def _take(store: Store, row: Row, now: datetime, settings: Settings) -> Claim:
    secret = os.urandom(32)
    update(
        store,
        row["id"],
        now,
        status="sending",
        secret=secret,
        claimed_at=to_iso(now),
        attempts=row["attempts"] + 1,
        wire_after=store.value("SELECT coalesce(max(number), 0) FROM wire"),
        message_id=None,
        error_code=None,
        error_message=None,
    )
    pacing.note_send(store, now, settings)
    message = Outgoing(
        row["to_jid"],
        row["message"],
        secret,
        _quote(store, row["to_jid"], row["quoted_id"]) if row["quoted_id"] else None,
        store.home.path / row["media_path"] if row["media_path"] else None,
        row["file_name"],
    )
    return Claim(row["id"], message)


def mark_wire(store: Store, message_id: str, to_jid: str, now: datetime) -> None:
    """Commit that a frame with this id is about to leave. It must not leave when this raises."""
    with store.write():
        store.insert("wire", {"message_id": message_id, "to_jid": to_jid, "at": to_iso(now)})


def settle(store: Store, row_id: str, result: Accepted | SendError, ask: AskEvidence, now: datetime) -> str:
    """Record how an attempt ended; the row's new status.

    Evidence is asked for only where the result proves nothing, and before the
    transaction, for it may take a while.
    """
    if isinstance(result, Accepted):
        with store.write():
            mark_sent(store, row_id, now, result.message_id, acknowledged=result.timestamp)
        return "sent"
    secret = _whole_row(store, row_id)["secret"]
    certain = isinstance(result, NotSent) or (isinstance(result, Refused) and result.status < 500)
    evidence = None if certain else _look_for_evidence(store, row_id, ask, result)
    with store.write():
        row = _whole_row(store, row_id)
        if (row["status"], row["secret"]) != ("sending", secret):
            return str(row["status"])  # settled by somebody else meanwhile: that word stands
        if evidence is not None:
            _settle_by_evidence(store, row_id, evidence, now, str(result))
        elif isinstance(result, NotOnWhatsApp):
            _fail(store, row_id, now, "recipient-not-found", str(result))
        elif isinstance(result, Refused):
            _refuse(store, row_id, now, result)
        else:
            _back_off(store, row_id, now, str(result))
        return str(store.value("SELECT status FROM scheduled_messages WHERE id = ?", [row_id]))


def settle_dead(store: Store, ask: AskEvidence, now: datetime) -> list[str]:
    """Settle the attempts of processes that died; only for the holder of the session lock. Their ids."""
    ids = sending_ids(store)
    for row_id in ids:
        settle(store, row_id, SendError("the process that sent it died before it was acknowledged"), ask, now)
    return ids


def prove_sent(store: Store, message_ids: Sequence[str], now: datetime) -> None:
    """Evidence has come that these messages exist: unknown rows that are theirs were sent."""
    for message_id in message_ids:
        row_id = store.value(
            "SELECT id FROM scheduled_messages WHERE message_id = ? AND status = 'unknown'", [message_id]
        )
        if row_id is not None:
            mark_sent(store, row_id, now, message_id, note=CONFIRMED)


def _look_for_evidence(store: Store, row_id: str, ask: AskEvidence, result: object) -> Evidence:
    """No wire mark since the claim: not sent. Otherwise the transport tells.

    A server that answered with an error of its own (5xx) may have passed the
    message on all the same.
    """
    row = _whole_row(store, row_id)
    marks = store.rows("SELECT message_id FROM wire WHERE number > ?", [row["wire_after"] or 0])
    if not marks:
        return Evidence(sent=False)
    found = ask(row["secret"], [mark["message_id"] for mark in marks])
    return replace(found, sent=found.sent or None) if isinstance(result, Refused) else found


def _settle_by_evidence(store: Store, row_id: str, evidence: Evidence, now: datetime, why: str) -> None:
    message_id = evidence.message_id
    if evidence.sent is False:
        _back_off(store, row_id, now, why)
    elif evidence.sent or (
        message_id and messages.is_confirmed(store, _whole_row(store, row_id)["to_jid"], message_id)
    ):
        mark_sent(store, row_id, now, message_id, note=CONFIRMED)
    else:
        update(
            store,
            row_id,
            now,
            status="unknown",
            message_id=message_id,
            error_code="unknown-outcome",
            error_message=why,
            wait_until=None,
        )


def mark_sent(
    store: Store,
    row_id: str,
    now: datetime,
    message_id: str | None,
    *,
    acknowledged: int | None = None,
    note: str | None = None,
) -> None:
    """The row's end, and its message in the chat, in one transaction.

    `acknowledged` is the server's time in Unix seconds; without it, the message
    left when it was claimed.
    """
    row = _whole_row(store, row_id)
    left = from_iso(row["claimed_at"] or row["scheduled_at"])
    late = left - from_iso(row["scheduled_at"])
    if note is None and late > pacing.LATE and not row["is_immediate"]:
        note = f"sent {format_duration(pacing.whole(late))} late"
    update(
        store,
        row_id,
        now,
        status="sent",
        sent_at=to_iso(left if acknowledged is None else now),
        message_id=message_id,
        error_code=None,
        error_message=None,
        wait_until=None,
        note=note,
    )
    if acknowledged is not None:
        pacing.release_brake(store)
    if message_id:
        timestamp = int(left.timestamp()) if acknowledged is None else acknowledged
        _record_sent(store, row, message_id, timestamp, now)


def _record_sent(store: Store, sent: Row, message_id: str, timestamp: int, now: datetime) -> None:
    """Store a message that we sent, from its row of the queue."""
    me = own_jid(store) or "me"
    event = MessageReceived(
        sent["to_jid"],
        message_id,
        me,
        timestamp,
        sent["message"] or (sent["file_name"] if sent["media_type"] == "document" else None),
        sent["media_type"] or "text",
        is_from_me=True,
        quoted_id=sent["quoted_id"],
    )
    number = write.record(store, event, "live", now)
    if number is not None and sent["media_path"]:
        write.attach_files(store, [(number, sent["media_path"], None)])


def _quote(store: Store, chat: str, message_id: str) -> Quote:
    """What is known of a message that is answered."""
    found = store.row(
        "SELECT sender, content FROM messages WHERE chat_jid = ? AND message_id = ?",
        [canonical(store, chat), message_id],
    )
    return Quote(message_id, found["sender"], found["content"]) if found else Quote(message_id)


def _whole_row(store: Store, row_id: str) -> Row:
    row = store.row("SELECT * FROM scheduled_messages WHERE id = ?", [row_id])
    if row is None:
        raise WaError("not-found", f"there is no message {row_id}", "see `wa schedule list --status all`")
    return row


def resolve(store: Store, row_id: str, outcome: str, now: datetime) -> Row:
    """Settle an unknown row by the user's word, `sent` or `failed`."""
    with store.write():
        expect(store, row_id, "resolved", ("unknown",))
        if outcome == "sent":
            mark_sent(store, row_id, now, get(store, row_id)["message_id"], note="resolved by hand")
        else:
            update(store, row_id, now, status="failed", error_code="send-failed", note="resolved by hand")
    return get(store, row_id)


def _fail(store: Store, row_id: str, now: datetime, code: str, why: str) -> None:
    update(store, row_id, now, status="failed", error_code=code, error_message=why, wait_until=None)


def _refuse(store: Store, row_id: str, now: datetime, refusal: Refused) -> None:
    """An error the server answered with: the message did not go out."""
    if refusal.status != 429:
        _fail(store, row_id, now, "send-failed", str(refusal))
        return
    pacing.brake(store, now)
    wait_until = _whole_row(store, row_id)["wait_until"]
    if wait_until and wait_until > to_iso(now):  # whoever waits is told now, and decides
        _fail(store, row_id, now, "rate-limit-exceeded", str(refusal))
    else:
        update(store, row_id, now, status="pending", note=str(refusal))


def _back_off(store: Store, row_id: str, now: datetime, why: str) -> None:
    """Try again later what provably was not sent, the last time just before its grace ends."""
    row = _whole_row(store, row_id)
    jitter = random.uniform(0.75, 1.25)  # noqa: S311
    again = now + min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(row["attempts"] - 1, 10)) * jitter
    last = from_iso(row["expires_at"]) - LAST_TRY if row["expires_at"] else again
    if now < last < again:
        again = last
    update(store, row_id, now, status="pending", message_id=None, not_before=to_iso(again), note=why)


def has_due(store: Store, now: datetime) -> bool:
    """Whether a pending row's time has come."""
    sql = f"SELECT 1 FROM {_IN_SCOPE[Scope.ALL]} AND {_DUE} <= ? LIMIT 1"
    return store.value(sql, [to_iso(now)]) is not None


def is_unsettled(store: Store, since: datetime) -> bool:
    """Whether the outcome of something claimed after `since` is still open."""
    sql = (
        "SELECT 1 FROM scheduled_messages WHERE status IN ('sending', 'unknown') AND claimed_at >= ? LIMIT 1"
    )
    return store.value(sql, [to_iso(since)]) is not None


def outcomes_since(store: Store, moment: datetime) -> list[str]:
    """The statuses of the rows whose sending came to an end, of whatever kind, since then."""
    sql = (
        "SELECT status FROM scheduled_messages"
        " WHERE status IN ('sent', 'failed', 'unknown', 'missed') AND updated_at >= ?"
    )
    return [row["status"] for row in store.rows(sql, [to_iso(moment)])]


def sending_ids(store: Store) -> list[str]:
    """The rows an attempt is under way for."""
    return [row["id"] for row in store.rows("SELECT id FROM scheduled_messages WHERE status = 'sending'")]


def prune_marks(store: Store, before: datetime) -> None:
    """Forget wire marks so old that no attempt can be settled by them."""
    with store.write(durable=False):
        store.execute(
            "DELETE FROM wire WHERE at < ? AND number < (SELECT coalesce(min(wire_after), 0)"
            " FROM scheduled_messages WHERE status = 'sending')",
            [to_iso(before)],
        )
