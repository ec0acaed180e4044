"""The outcomes of attempts to send: by an answer of the server, by evidence, or by the user's decision.

Every function that writes opens a transaction, or joins the caller's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from wa.errors import WaError
from wa.queue import pacing
from wa.queue.rows import COLUMNS, get, sending_ids, update
from wa.queue.states import end, expect
from wa.record import messages, reads, write
from wa.record.events import told
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.store.rewrites import message_sent
from wa.texts import counted
from wa.times import format_duration, from_iso, to_iso
from wa.values import replace
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.transport import Accepted, Evidence, NotOnWhatsApp, NotSent, Refused, SendError, UploadFailed

BACKOFF_FIRST, BACKOFF_MOST = timedelta(seconds=1), timedelta(minutes=5)

UPLOAD_TRIES = 3
"""The attempts to upload a file while a command waits; a file for later is tried until its grace ends."""
UPLOAD_MAY_PASS = (401, 403, 408, 429)
"""The HTTP statuses after which a later upload may succeed, although they tell of a fault of the client."""

LAST_TRY = timedelta(seconds=1)
"""The time before the end of its grace at which a row is tried for the last time."""

CONFIRMED = "confirmed by a receipt"
_DIED = "the process that sent it died before it was acknowledged"

AskEvidence = Callable[[bytes, Sequence[str]], Evidence]


def settle(store: Store, row_id: str, result: Accepted | SendError, ask: AskEvidence, now: datetime) -> str:
    """Record the outcome of an attempt. Return the row's new status.

    Call `ask` for evidence only if the result proves nothing, and before the
    transaction, for that may take about a second.
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
            return str(row["status"])  # a receipt or the user settled it meanwhile: that outcome stands
        if evidence is not None:
            _settle_by_evidence(store, row_id, evidence, now, str(result))
        elif isinstance(result, NotOnWhatsApp):
            _fail(store, row_id, now, "recipient-not-found", str(result))
        elif isinstance(result, Refused):
            _refuse(store, row_id, now, result)
        elif isinstance(result, UploadFailed):
            _upload_failed(store, row_id, now, result)
        else:
            _back_off(store, row_id, now, str(result))
        return str(store.value("SELECT status FROM scheduled_messages WHERE id = ?", [row_id]))


def settle_dead(store: Store, ask: AskEvidence, now: datetime) -> list[str]:
    """Settle the attempts of dead processes. Return their ids. The caller holds the session lock."""
    ids = sending_ids(store)
    for row_id in ids:
        settle(store, row_id, SendError(_DIED), ask, now)
    return ids


def prove_sent(store: Store, message_ids: Sequence[str], now: datetime) -> None:
    """Mark the unknown rows with these message ids as sent: there is evidence that the messages exist."""
    if store.value("SELECT 1 FROM scheduled_messages WHERE status = 'unknown' LIMIT 1") is None:
        return
    for message_id in message_ids:
        row_id = store.value(
            "SELECT id FROM scheduled_messages WHERE message_id = ? AND status = 'unknown'", [message_id]
        )
        if row_id is not None:
            mark_sent(store, row_id, now, message_id, note=CONFIRMED)


def _look_for_evidence(store: Store, row_id: str, ask: AskEvidence, result: object) -> Evidence:
    """Return whether a message was sent: not without a wire mark since it could leave, else as `ask` says.

    A server that answered with an error of its own (5xx) may still have passed
    the message on.
    """
    row = _whole_row(store, row_id)
    marks = marks_after(store, row["wire_after"])
    if not marks:
        return Evidence(sent=False)
    found = ask(row["secret"], marks)
    return replace(found, sent=found.sent or None) if isinstance(result, Refused) else found


def newest_mark(store: Store) -> int:
    """Return the number of the newest wire mark, 0 if there is none."""
    return int(store.value("SELECT coalesce(max(number), 0) FROM wire"))


def marks_after(store: Store, number: int | None) -> list[str]:
    """Return the message ids of the wire marks after one, in order; none for None."""
    return [row["message_id"] for row in store.rows("SELECT message_id FROM wire WHERE number > ?", [number])]


def _settle_by_evidence(store: Store, row_id: str, evidence: Evidence, now: datetime, why: str) -> None:
    message_id = evidence.message_id
    if evidence.sent is False:
        _back_off(store, row_id, now, why)
    elif evidence.sent or (
        message_id and messages.is_confirmed(store, _whole_row(store, row_id)["to_jid"], message_id)
    ):
        mark_sent(store, row_id, now, message_id, note=CONFIRMED)
    else:
        end(
            store,
            row_id,
            now,
            status="unknown",
            message_id=message_id,
            error_code="unknown-outcome",
            error_message=why,
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
    """Mark a row as sent and record its message in the chat, in the caller's transaction.

    `acknowledged` is the server's time in Unix seconds; without it, the time of
    the claim counts as the time of sending.
    """
    row = _whole_row(store, row_id)
    left = from_iso(row["claimed_at"] or row["scheduled_at"])
    late = left - from_iso(row["scheduled_at"])
    if note is None and late > pacing.LATE and not row["is_immediate"] and not row["job_id"]:
        note = f"sent {format_duration(pacing.whole(late))} late"
    end(
        store,
        row_id,
        now,
        status="sent",
        sent_at=to_iso(left if acknowledged is None else now),
        message_id=message_id,
        error_code=None,
        error_message=None,
        note=note,
    )
    if acknowledged is not None:
        pacing.release_brake(store)
    if message_id:
        timestamp = int(left.timestamp()) if acknowledged is None else acknowledged
        _record_sent(store, row, message_id, timestamp, now)
        told.complete(store)
    if row["is_immediate"] and not row["job_id"]:  # somebody answers the chat, and has seen it
        reads.answered(store, row["to_jid"], row["created_at"])


def _record_sent(store: Store, sent: Row, message_id: str, timestamp: int, now: datetime) -> None:
    """Record a message that was sent, from its row of the queue."""
    me, kind = own_jid(store) or "me", sent["media_type"] or "text"
    details = json.loads(sent["details"] or "{}")
    if kind == "document":
        details = {"file_name": sent["file_name"], **details}
    event = MessageReceived(
        sent["to_jid"],
        message_id,
        me,
        timestamp,
        sent["message"] or (sent["file_name"] if kind == "document" else None),
        kind,
        is_from_me=True,
        quoted_id=sent["quoted_id"],
        details=details or None,
        secret=sent["secret"] if kind == "poll" else None,  # votes are sealed with it
    )
    number = write.record(store, event, "live", now)
    if kind == "poll":  # somebody may have voted before the acknowledgement
        message_sent.run(store, message_id)
    if number is not None and sent["media_path"]:
        write.attach_files(store, [(number, sent["media_path"], None)])


def _whole_row(store: Store, row_id: str) -> Row:
    row = store.row("SELECT * FROM scheduled_messages WHERE id = ?", [row_id])
    if row is None:
        raise WaError("not-found", f"there is no message {row_id}", "see `wa schedule list --status all`")
    return row


def resolve(store: Store, row_id: str, outcome: str, now: datetime) -> Row:
    """Settle an unknown row as the user decided, `sent` or `failed`. Return the row."""
    with store.write():
        expect(store, row_id, "resolved", ("unknown",))
        if outcome == "sent":
            mark_sent(store, row_id, now, get(store, row_id)["message_id"], note="resolved by hand")
        else:
            end(store, row_id, now, status="failed", error_code="send-failed", note="resolved by hand")
    return get(store, row_id)


def _fail(store: Store, row_id: str, now: datetime, code: str, why: str) -> None:
    end(store, row_id, now, status="failed", error_code=code, error_message=why)


def _refuse(store: Store, row_id: str, now: datetime, refusal: Refused) -> None:
    """Record that the server answered with an error: the message was not sent."""
    if refusal.status != 429:
        _fail(store, row_id, now, "send-failed", str(refusal))
        return
    pacing.brake(store, now)
    if _is_waited_for(_whole_row(store, row_id), now):  # let its user decide
        _fail(store, row_id, now, "rate-limit-exceeded", str(refusal))
    else:
        update(store, row_id, now, status="pending", note=str(refusal))


def _upload_failed(store: Store, row_id: str, now: datetime, failure: UploadFailed) -> None:
    """Record that a file could not be uploaded, so nothing was sent; a command that waits learns it soon."""
    row = _whole_row(store, row_id)
    status = failure.status or 0
    if 400 <= status < 500 and status not in UPLOAD_MAY_PASS:
        _fail(store, row_id, now, "send-failed", str(failure))
    elif row["attempts"] >= UPLOAD_TRIES and _is_waited_for(row, now):  # let its user decide
        _fail(store, row_id, now, "network-error", str(failure))
    else:
        _back_off(store, row_id, now, str(failure))


def _is_waited_for(row: Row, now: datetime) -> bool:
    return bool(row["wait_until"]) and row["wait_until"] > to_iso(now)


def _back_off(store: Store, row_id: str, now: datetime, why: str) -> None:
    """Put back a row that was certainly not sent; its last try is just before its grace ends.

    A job tries a row again only so many times; a try whose process died does not count.
    """
    row = _whole_row(store, row_id)
    if row["job_id"] and why != _DIED and not _job_tries_again(store, row, now):
        _fail(store, row_id, now, "send-failed", f"{why}; tried {counted(row['attempts'], 'time')}")
        return
    jitter = random.uniform(0.75, 1.25)  # noqa: S311
    again = now + min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(row["attempts"] - 1, 10)) * jitter
    last = from_iso(row["expires_at"]) - LAST_TRY if row["expires_at"] else again
    if now < last < again:
        again = last
    update(store, row_id, now, status="pending", message_id=None, not_before=to_iso(again), note=why)


def _job_tries_again(store: Store, row: Row, now: datetime) -> bool:
    """Return whether the job of a row tries it again, and count that."""
    from wa.queue.jobs import claims

    return claims.may_try_again(store, row, now)


def outcomes_since(store: Store, moment: datetime) -> list[Row]:
    """Return the rows that were sent, failed, missed or became unknown since a moment, in that order."""
    return store.rows(
        f"SELECT {COLUMNS} FROM scheduled_messages WHERE id IN"
        " (SELECT row_id FROM events INDEXED BY events_at WHERE at >= :since AND type = 'queue')"
        " AND status IN ('sent', 'failed', 'unknown', 'missed') AND updated_at >= :since"
        " ORDER BY updated_at, id",
        {"since": to_iso(moment)},
    )
