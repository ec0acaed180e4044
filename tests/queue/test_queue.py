"""The queue's state machine: every transition that is allowed, and every transition that is refused."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import (
    ADAM,
    REEM,
    REEM_JID,
    FakeClock,
    delivered,
    is_connected,
    is_owned,
    over_once,
    own,
    wait_for,
)

from wa.cli.context import App
from wa.connection import apply, deliver, owner
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue import compose, outcomes, pacing, send, states, waiting
from wa.queue import rows as schedule
from wa.queue.compose import new_time
from wa.queue.rows import STATUSES
from wa.queue.send import Claim, Scope
from wa.queue.waiting import Waiter
from wa.record import messages, names
from wa.settings import Settings, parse_settings
from wa.store.database import Store
from wa.times import from_iso, to_iso
from wa.whatsapp.events import MessageReceived, ReceiptReceived
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import (
    Accepted,
    Evidence,
    NotConnected,
    NotOnWhatsApp,
    Outgoing,
    Quote,
    Refused,
    SendError,
    UploadFailed,
)

PLAIN = parse_settings(
    {"WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London", "WA_SEND_SPACING": "0"}, lambda: "UTC"
)
HOUR = timedelta(hours=1)
GRACE = 6 * HOUR
REEM_TO = Recipient(REEM_JID, REEM, None)
WRONG_STATE, MAY_HAVE_GONE = 2, 6
LID = "98765432101234@lid"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def add(
    store: Store,
    now: datetime,
    text: str = "Hello",
    *,
    at: datetime | None = None,
    grace: timedelta = GRACE,
    wait_until: datetime | None = None,
    **options: Any,
) -> str:
    """Add a row to the queue, due now unless `due` says otherwise; return its id."""
    row = schedule.enqueue(store, REEM_TO, text, at or now, now, grace=grace, **options)
    if wait_until is not None:
        waiting.start(store, Waiter(row["id"], wait_until), now)
    return str(row["id"])


def add_in_status(store: Store, now: datetime, status: str) -> str:
    """Add a row and bring it to this status; return its id."""
    row_id = add(store, now)
    if status != "pending":
        message_id = "3EB0" + secrets.token_hex(4).upper() if status in ("sent", "unknown") else None
        with store.write():
            schedule.update(
                store, row_id, now, status=status, message_id=message_id, claimed_at=to_iso(now), attempts=1
            )
    return row_id


def take(store: Store, now: datetime, settings: Settings = PLAIN, scope: Scope = Scope.ALL) -> Claim | None:
    return send.claim(store, now, settings, scope)


def claimed(store: Store, now: datetime, text: str = "Hello", **options: Any) -> Claim:
    """Add a row and claim it; return the claim."""
    row_id = add(store, now, text, **options)
    claim = take(store, now)
    assert claim is not None
    assert claim.id == row_id
    return claim


def status_of(store: Store, row_id: str) -> str:
    return str(schedule.get(store, row_id)["status"])


def hidden(store: Store, row_id: str, column: str) -> Any:
    """Return a column that no command shows."""
    return store.value(f"SELECT {column} FROM scheduled_messages WHERE id = ?", [row_id])


def never(secret: bytes, marked: Sequence[str]) -> Evidence:
    raise AssertionError("nobody has to ask for evidence here")


def answer(evidence: Evidence) -> Callable[[bytes, Sequence[str]], Evidence]:
    return lambda secret, marked: evidence


def maybe(message_id: str) -> Callable[[bytes, Sequence[str]], Evidence]:
    return answer(Evidence(sent=None, message_id=message_id))


def make_unknown(store: Store, now: datetime, message_id: str = "3EB0AA", text: str = "Hello") -> str:
    """Make a row whose outcome is unknown."""
    claim = claimed(store, now, text)
    send.mark_wire(store, message_id, REEM_JID, now)
    assert outcomes.settle(store, claim.id, SendError("timed out"), maybe(message_id), now) == "unknown"
    return claim.id


def arrive(store: Store, event: Any, now: datetime) -> None:
    """Record an event as the owner does."""
    with store.write():
        apply.apply_event(store, event, now)


def receipt(message_id: str, kind: str = "delivered") -> ReceiptReceived:
    return ReceiptReceived(REEM_JID, (message_id,), REEM_JID, kind, 1_795_000_000)


# ── The claim ─────────────────────────────────────────────────────────────────────────────────────


def test_claim_commits_sending_before_the_transport_is_called(wa, home, monkeypatch):
    seen = []
    send = LoopbackTransport.send

    def watched(self: LoopbackTransport, message: Outgoing) -> Accepted:
        other = Store(home, any_thread=True)
        try:
            seen.append((other.row("SELECT status, secret, claimed_at FROM scheduled_messages"), message))
        finally:
            other.close()
        return send(self, message)

    monkeypatch.setattr(LoopbackTransport, "send", watched)
    assert wa("send", REEM, "Hello").code == 0
    [(row, message)] = seen
    assert row["status"] == "sending"
    assert row["claimed_at"]
    assert row["secret"] == message.secret
    assert len(message.secret) == 32


def test_every_attempt_has_a_secret_of_its_own(store, clock):
    first = claimed(store, clock())
    assert outcomes.settle(store, first.id, NotConnected("no line"), never, clock()) == "pending"
    clock.advance(minutes=5)
    second = take(store, clock())
    assert second is not None
    assert second.id == first.id
    assert second.message.secret != first.message.secret
    assert hidden(store, first.id, "secret") == second.message.secret
    assert schedule.get(store, first.id)["attempts"] == 2


def test_a_claim_carries_recipient_text_and_quote(store, clock):
    claim = claimed(store, clock(), "Ünïcode\nlines 😀", quoted_id="3AQ")
    assert claim.message.to_jid == REEM_JID
    assert claim.message.text == "Ünïcode\nlines 😀"
    assert claim.message.quote == Quote("3AQ")


def test_a_row_is_claimed_once(store, clock):
    claimed(store, clock())
    assert take(store, clock()) is None


def test_claim_of_an_empty_queue_finds_nothing(store, clock):
    assert take(store, clock()) is None
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) is None


@pytest.mark.parametrize("status", [each for each in STATUSES if each != "pending"])
def test_only_pending_rows_are_claimed(store, clock, status):
    row_id = add_in_status(store, clock(), status)
    assert take(store, clock()) is None
    assert status_of(store, row_id) == status


def test_claim_sees_a_cancel_made_after_the_owner_woke_up(store, clock):
    row_id = add(store, clock())
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == 0
    states.cancel(store, row_id, clock())
    assert take(store, clock()) is None
    assert status_of(store, row_id) == "cancelled"


def test_claim_sees_a_pause_made_after_the_owner_woke_up(store, clock):
    row_id = add(store, clock())
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == 0
    pacing.pause(store, clock())
    assert take(store, clock()) is None
    assert status_of(store, row_id) == "pending"
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) is None


def test_claim_sees_a_new_time_and_a_new_text(store, clock):
    row_id = add(store, clock())
    later = new_time(schedule.get(store, row_id), clock() + HOUR, GRACE)
    states.edit(store, row_id, clock(), later)
    assert take(store, clock()) is None
    states.edit(store, row_id, clock(), {"message": "Changed"})
    clock.advance(hours=1)
    claim = take(store, clock())
    assert claim is not None
    assert claim.message.text == "Changed"


def test_claim_takes_no_row_before_its_time(store, clock):
    add(store, clock(), at=clock() + timedelta(milliseconds=1))
    assert take(store, clock()) is None
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == pytest.approx(0.001)
    clock.advance(milliseconds=1)
    assert take(store, clock()) is not None


def test_claim_makes_an_expired_row_missed_and_takes_the_next(store, clock):
    old = add(store, clock(), grace=timedelta(minutes=1))
    clock.advance(minutes=2)
    new = add(store, clock())
    claim = take(store, clock())
    assert claim is not None
    assert claim.id == new
    row = schedule.get(store, old)
    assert row["status"] == "missed"
    assert "2m late" in row["error_message"]


def test_a_row_may_go_at_the_very_end_of_its_grace(store, clock):
    row_id = add(store, clock(), grace=HOUR)
    clock.advance(hours=1)
    claim = take(store, clock())
    assert claim is not None
    assert claim.id == row_id


def test_claim_gets_past_many_expired_rows_in_short_transactions(store, clock):
    with store.write():
        for number in range(250):
            store.insert(
                "scheduled_messages",
                {
                    "id": f"1_{number:06x}",
                    "to_jid": REEM_JID,
                    "message": "Hello",
                    "scheduled_at": to_iso(clock()),
                    "expires_at": to_iso(clock() + HOUR),
                    "created_at": to_iso(clock()),
                },
            )
    clock.advance(hours=2)
    fresh = add(store, clock())
    assert take(store, clock()) is None
    assert schedule.counts(store) == {"missed": 100, "pending": 151}
    assert take(store, clock()) is None
    claim = take(store, clock())
    assert claim is not None
    assert claim.id == fresh


# ── How an attempt ends ───────────────────────────────────────────────────────────────────────────


def test_an_accepted_message_is_sent_and_recorded(store, clock):
    claim = claimed(store, clock(), "Hello", quoted_id="3AQ")
    clock.advance(seconds=3)
    stamp = int(clock().timestamp())
    assert outcomes.settle(store, claim.id, Accepted("3EB01", stamp), never, clock()) == "sent"
    row = schedule.get(store, claim.id)
    assert row["message_id"] == "3EB01"
    assert row["sent_at"] == to_iso(clock())
    assert row["error_code"] is None
    assert row["error_message"] is None
    [message] = messages.conversation(store, REEM_JID, 10)
    assert message["message_id"] == "3EB01"
    assert message["content"] == "Hello"
    assert message["is_from_me"]
    assert message["timestamp"] == stamp
    assert message["quoted_id"] == "3AQ"
    assert message["status"] == "sent"


def test_message_and_status_are_one_transaction(store, clock, monkeypatch):
    claim = claimed(store, clock())

    def fail(*args: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "_record_sent", fail)
        with pytest.raises(OSError, match="no room"):
            outcomes.settle(store, claim.id, Accepted("3EB01", 1), never, clock())
    assert status_of(store, claim.id) == "sending"
    assert outcomes.settle(store, claim.id, Accepted("3EB01", 1), never, clock()) == "sent"
    assert len(messages.conversation(store, REEM_JID, 10)) == 1


def test_our_message_that_comes_back_before_the_acknowledgement_is_stored_once(store, clock):
    claim = claimed(store, clock())
    arrive(store, MessageReceived(REEM_JID, "3EB01", ACCOUNT.jid, 7, "Hello", is_from_me=True), clock())
    arrive(store, receipt("3EB01"), clock())
    assert status_of(store, claim.id) == "sending"
    assert outcomes.settle(store, claim.id, Accepted("3EB01", 8), never, clock()) == "sent"
    [message] = messages.conversation(store, REEM_JID, 10)
    assert message["status"] == "delivered"


def test_without_a_connection_a_row_is_pending_again_with_exponential_backoff(store, clock):
    row_id = add(store, clock(), grace=timedelta(days=2))
    for attempt in range(1, 13):
        claim = take(store, clock())
        assert claim is not None
        assert outcomes.settle(store, row_id, NotConnected("no line"), never, clock()) == "pending"
        row = schedule.get(store, row_id)
        expected = min(300.0, 2.0 ** (attempt - 1))
        pause = (from_iso(row["not_before"]) - clock()).total_seconds()
        assert 0.75 * expected - 0.001 <= pause <= 1.25 * expected
        assert row["attempts"] == attempt
        assert row["note"] == "no line"
        assert row["message_id"] is None
        assert take(store, clock()) is None
        assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == pytest.approx(pause)
        clock.at = from_iso(row["not_before"])


def test_backoff_has_jitter(store, clock):
    pauses = set()
    for _ in range(12):
        claim = claimed(store, clock())
        outcomes.settle(store, claim.id, NotConnected("no line"), never, clock())
        pauses.add(schedule.get(store, claim.id)["not_before"])
    assert len(pauses) > 3


def test_the_last_try_is_at_the_end_of_the_grace(store, clock):
    row_id = add(store, clock(), grace=timedelta(seconds=60))
    end = clock() + timedelta(seconds=60)
    tries = []
    while take(store, clock()) is not None:
        tries.append(clock())
        outcomes.settle(store, row_id, NotConnected("no line"), never, clock())
        again = from_iso(schedule.get(store, row_id)["not_before"])
        clock.at = max(again, clock() + timedelta(milliseconds=1))
    assert status_of(store, row_id) == "missed"
    assert 5 <= len(tries) <= 12
    assert end - timedelta(seconds=2) <= tries[-1] <= end


def test_a_row_without_a_grace_waits_between_tries_too(store, clock):
    claim = claimed(store, clock())
    with store.write():
        schedule.update(store, claim.id, clock(), expires_at=None)
    outcomes.settle(store, claim.id, NotConnected("no line"), never, clock())
    assert take(store, clock()) is None
    assert from_iso(schedule.get(store, claim.id)["not_before"]) > clock()


def test_an_unforeseen_error_after_the_message_has_gone_does_not_send_it_again(wa, home, store, monkeypatch):
    send = LoopbackTransport.send

    def with_a_bug(self: LoopbackTransport, message: Outgoing) -> Accepted:
        send(self, message)
        raise LookupError("a bug")

    monkeypatch.setattr(LoopbackTransport, "send", with_a_bug)
    app = App()
    row_id = add(store, app.now())
    own(app.now, lambda: status_of(store, row_id) not in ("pending", "sending"))
    row = schedule.get(store, row_id)
    assert (row["attempts"], row["status"] in ("sent", "unknown")) == (1, True)
    assert delivered(home) == ["Hello"]


def test_a_running_owner_makes_the_last_try(wa, store, monkeypatch):
    """The end of the grace must not have passed when the owner gets there."""
    refusals = []
    send = LoopbackTransport.send

    def once_without_line(self: LoopbackTransport, message: Outgoing) -> Accepted:
        if not refusals:
            refusals.append(message)
            raise NotConnected("no line")
        return send(self, message)

    monkeypatch.setattr(LoopbackTransport, "send", once_without_line)
    app = App()
    row_id = add(store, app.now(), grace=timedelta(seconds=2))
    with store.write():
        schedule.update(store, row_id, app.now(), attempts=5)  # the next pause would be longer than the grace
    own(app.now, lambda: status_of(store, row_id) not in ("pending", "sending"))
    assert refusals
    assert status_of(store, row_id) == "sent"


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (NotOnWhatsApp("not on WhatsApp"), "recipient-not-found"),
        (Refused(400), "send-failed"),
        (Refused(463), "send-failed"),
        (Refused(479), "send-failed"),
    ],
)
@pytest.mark.parametrize("is_waited", [False, True])
def test_a_certain_permanent_failure_fails_the_row_at_once(store, clock, result, code, is_waited):
    claim = claimed(store, clock(), wait_until=clock() + HOUR if is_waited else None)
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    assert outcomes.settle(store, claim.id, result, never, clock()) == "failed"
    row = schedule.get(store, claim.id)
    assert row["error_code"] == code
    assert row["error_message"] == str(result)
    assert hidden(store, claim.id, "wait_until") is None
    clock.advance(hours=3)
    assert take(store, clock()) is None
    assert messages.conversation(store, REEM_JID, 10) == []


@pytest.mark.parametrize(
    ("status", "is_waited", "outcomes_wanted"),
    [
        (413, True, ["send-failed"]),
        (400, False, ["send-failed"]),
        (401, True, ["pending", "pending", "network-error"]),
        (503, True, ["pending", "pending", "network-error"]),
        (None, True, ["pending", "pending", "network-error"]),
        (None, False, ["pending"] * 5),
    ],
)
def test_a_file_that_cannot_be_uploaded_is_tried_again_unless_it_is_refused_or_waited_for(
    store, clock, status, is_waited, outcomes_wanted
):
    row_id = add(store, clock(), grace=timedelta(days=1), wait_until=clock() + HOUR if is_waited else None)
    for wanted in outcomes_wanted:
        claim = take(store, clock())
        assert claim is not None
        outcome = outcomes.settle(store, row_id, UploadFailed("no upload", status), never, clock())
        row = schedule.get(store, row_id)
        assert (row["error_code"] or outcome) == wanted
        assert outcome == ("pending" if wanted == "pending" else "failed")
        clock.advance(minutes=1)
    assert (take(store, clock()) is None) == (outcomes_wanted[-1] != "pending")


def test_after_429_a_row_is_pending_again_and_sending_is_braked(store, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    assert outcomes.settle(store, claim.id, Refused(429), never, clock()) == "pending"
    block = pacing.blocked(store, clock(), PLAIN)
    assert block is not None
    assert block.reason == "brake"


def test_429_fails_the_row_that_a_command_waits_for(store, clock):
    claim = claimed(store, clock(), wait_until=clock() + HOUR)
    assert outcomes.settle(store, claim.id, Refused(429), never, clock()) == "failed"
    assert schedule.get(store, claim.id)["error_code"] == "rate-limit-exceeded"


def test_429_leaves_a_row_pending_when_its_waiting_command_has_ended(store, clock):
    claim = claimed(store, clock(), wait_until=clock() + timedelta(seconds=1))
    clock.advance(minutes=1)
    assert outcomes.settle(store, claim.id, Refused(429), never, clock()) == "pending"


UNCERTAIN = [SendError("timed out"), Refused(500), Refused(503)]


@pytest.mark.parametrize("result", UNCERTAIN, ids=str)
def test_an_uncertain_attempt_without_a_wire_mark_was_not_sent(store, clock, result):
    send.mark_wire(store, "3EB0BEFORE", REEM_JID, clock())
    claim = claimed(store, clock())
    assert outcomes.settle(store, claim.id, result, never, clock()) == "pending"
    row = schedule.get(store, claim.id)
    assert from_iso(row["not_before"]) > clock()
    assert row["message_id"] is None


@pytest.mark.parametrize("result", UNCERTAIN, ids=str)
def test_an_uncertain_attempt_with_a_wire_mark_asks_for_its_own_evidence(store, clock, result):
    send.mark_wire(store, "3EB0BEFORE", REEM_JID, clock())
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    send.mark_wire(store, "3EB0BB", REEM_JID, clock())
    asked = []

    def ask(secret: bytes, marked: Sequence[str]) -> Evidence:
        assert not store.conn.in_transaction
        asked.append((secret, list(marked)))
        return Evidence(sent=None, message_id="3EB0BB")

    assert outcomes.settle(store, claim.id, result, ask, clock()) == "unknown"
    assert asked == [(claim.message.secret, ["3EB0AA", "3EB0BB"])]
    row = schedule.get(store, claim.id)
    assert row["error_code"] == "unknown-outcome"
    assert row["error_message"] == str(result)
    assert row["message_id"] == "3EB0BB"
    clock.advance(hours=1)
    assert take(store, clock()) is None
    assert messages.conversation(store, REEM_JID, 10) == []


def test_an_uncertain_row_that_was_provably_not_sent_is_pending_again(store, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    never_came = answer(Evidence(sent=False))
    assert outcomes.settle(store, claim.id, SendError("timed out"), never_came, clock()) == "pending"


@pytest.mark.parametrize("status", [500, 503])
def test_a_row_is_unknown_after_an_error_of_the_server(store, clock, status):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    never_came = answer(Evidence(sent=False))
    assert outcomes.settle(store, claim.id, Refused(status), never_came, clock()) == "unknown"


@pytest.mark.parametrize("result", UNCERTAIN, ids=str)
def test_an_uncertain_row_that_was_provably_sent_is_sent(store, clock, result):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    proof = answer(Evidence(sent=True, message_id="3EB0AA"))
    assert outcomes.settle(store, claim.id, result, proof, clock()) == "sent"
    assert [each["message_id"] for each in messages.conversation(store, REEM_JID, 10)] == ["3EB0AA"]


def test_an_uncertain_row_with_a_receipt_recorded_before_is_sent(store, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    arrive(store, receipt("3EB0AA"), clock())
    assert outcomes.settle(store, claim.id, SendError("timed out"), maybe("3EB0AA"), clock()) == "sent"
    [message] = messages.conversation(store, REEM_JID, 10)
    assert message["status"] == "delivered"


def test_an_uncertain_row_whose_message_was_recorded_before_is_sent(store, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    arrive(store, MessageReceived(REEM_JID, "3EB0AA", ACCOUNT.jid, 7, "Hello", is_from_me=True), clock())
    assert outcomes.settle(store, claim.id, SendError("timed out"), maybe("3EB0AA"), clock()) == "sent"
    assert len(messages.conversation(store, REEM_JID, 10)) == 1


@pytest.mark.parametrize("kind", ["delivered", "inactive", "read", "played", "sender", "retry"])
def test_a_receipt_of_any_kind_settles_an_unknown_row(store, clock, kind):
    row_id = make_unknown(store, clock())
    left = clock()
    clock.advance(minutes=10)
    arrive(store, receipt("3EB0AA", kind), clock())
    row = schedule.get(store, row_id)
    assert row["status"] == "sent"
    assert row["sent_at"] == to_iso(left)
    assert row["error_code"] is None
    assert row["error_message"] is None
    [message] = messages.conversation(store, REEM_JID, 10)
    assert message["content"] == "Hello"
    assert message["timestamp"] == int(left.timestamp())


def test_an_unknown_row_is_settled_when_our_own_message_comes_back(store, clock):
    row_id = make_unknown(store, clock())
    arrive(store, MessageReceived(REEM_JID, "3EB0AA", ACCOUNT.jid, 7, "Hello", is_from_me=True), clock())
    assert status_of(store, row_id) == "sent"
    assert len(messages.conversation(store, REEM_JID, 10)) == 1


def test_a_receipt_of_another_message_settles_no_row(store, clock):
    row_id = make_unknown(store, clock())
    arrive(store, receipt("3EB0BB"), clock())
    arrive(store, MessageReceived(REEM_JID, "3EB0AA", REEM_JID, 7, "Hello"), clock())
    arrive(store, MessageReceived(REEM_JID, "3EB0CC", ACCOUNT.jid, 7, "Hello", is_from_me=True), clock())
    assert status_of(store, row_id) == "unknown"


@pytest.mark.parametrize("status", ["failed", "cancelled", "missed", "pending"])
def test_a_receipt_changes_only_unknown_rows(store, clock, status):
    row_id = add_in_status(store, clock(), status)
    with store.write():
        schedule.update(store, row_id, clock(), message_id="3EB0AA")
    arrive(store, receipt("3EB0AA"), clock())
    assert status_of(store, row_id) == status


# ── Attempts of a process that died ───────────────────────────────────────────────────────────────


def test_dead_attempts_are_settled_each_by_its_own_evidence(store, clock):
    early = claimed(store, clock(), "died before the mark")
    assert outcomes.settle_dead(store, never, clock()) == [early.id]
    assert status_of(store, early.id) == "pending"
    clock.advance(hours=1)
    late = take(store, clock())
    assert late is not None
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    assert outcomes.settle_dead(store, maybe("3EB0AA"), clock()) == [late.id]
    row = schedule.get(store, late.id)
    assert row["status"] == "unknown"
    assert "died" in row["error_message"]
    assert outcomes.settle_dead(store, never, clock()) == []


def test_an_owner_sends_again_a_row_whose_sender_died_before_the_wire_mark(store, home, clock):
    claim = claimed(store, clock())
    clock.advance(seconds=1)

    def over() -> bool:
        clock.advance(seconds=1)
        return status_of(store, claim.id) == "sent"

    own(clock, over)
    assert delivered(home) == ["Hello"]
    assert schedule.get(store, claim.id)["attempts"] == 2


def test_an_owner_sends_again_a_marked_row_that_was_never_accepted(store, home, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())

    def over() -> bool:
        clock.advance(seconds=1)
        return status_of(store, claim.id) == "sent"

    own(clock, over)
    assert delivered(home) == ["Hello"]


def test_an_owner_never_sends_again_a_row_that_may_have_gone(store, home, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    server = Loopback(home)
    server.accept(claim.message, "3EB0AA", clock(), receipt=False)
    server.close()
    other = add(store, clock(), "Next")
    own(clock, lambda: status_of(store, other) == "sent")
    assert status_of(store, claim.id) == "unknown"
    assert delivered(home) == ["Hello", "Next"]


def test_an_owner_settles_at_start_up_the_rows_confirmed_while_it_was_away(store, home, clock):
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    server = Loopback(home)
    server.accept(claim.message, "3EB0AA", clock(), receipt=True)
    server.close()
    own(clock, lambda: status_of(store, claim.id) == "sent")
    assert delivered(home) == ["Hello"]
    [message] = messages.conversation(store, REEM_JID, 10)
    assert message["status"] == "delivered"


def test_wire_marks_are_kept_as_long_as_an_attempt_may_need_them(store, clock):
    send.mark_wire(store, "3EB0OLD", REEM_JID, clock())
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    clock.advance(days=60)
    send.prune_marks(store, clock() - timedelta(days=30))
    assert outcomes.settle(store, claim.id, SendError("timed out"), maybe("3EB0AA"), clock()) == "unknown"


# ── By real commands ──────────────────────────────────────────────────────────────────────────────


def test_send_to_a_number_that_is_not_on_whatsapp_fails_the_row(wa, home):
    wa("loopback", "fault", "not-on-whatsapp", REEM)
    result = wa("send", REEM, "Hello", "--json")
    assert result.code == 4
    assert result.error["code"] == "recipient-not-found"
    assert result.out == ""
    [row] = wa("schedule", "list", "--status", "all", "--json").json
    assert row["status"] == "failed"


@pytest.mark.parametrize(
    ("refusal", "code"), [("463", "send-failed"), ("400", "send-failed"), ("429", "rate-limit-exceeded")]
)
def test_a_refused_send_fails_the_row_and_is_not_sent_later(wa, home, refusal, code):
    wa("loopback", "fault", "refuse", refusal)
    result = wa("send", REEM, "Hello", "--json")
    assert result.code == 5
    assert result.error["code"] == code
    [row] = wa("schedule", "list", "--status", "all", "--json").json
    assert row["status"] == "failed"
    assert row["error_code"] == code
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == []


def test_a_send_without_acknowledgement_is_sent_by_its_receipt(wa, home):
    wa("loopback", "fault", "ack-timeout", "0.1")
    wa("loopback", "fault", "ack-lost", "on")
    result = wa("send", REEM, "Hello", "--json")
    assert result.code == 0
    assert result.json["status"] == "sent"
    assert delivered(home) == ["Hello"]


def test_a_send_without_acknowledgement_or_receipt_is_unknown(wa, home, monkeypatch):
    monkeypatch.setattr(deliver, "PROOF_SECONDS", 0.1)
    wa("loopback", "fault", "ack-timeout", "0.1")
    wa("loopback", "fault", "ack-lost", "on")
    wa("loopback", "fault", "receipts", "off")
    result = wa("send", REEM, "Hello", "--json")
    assert result.code == 6
    assert result.error["code"] == "unknown-outcome"
    [row] = wa("schedule", "list", "--json").json
    assert row["status"] == "unknown"
    assert row["id"] in result.error["message"] + result.error["hint"]
    assert row["message_id"]
    wa("loopback", "reset")
    line = json.dumps({"from": REEM, "receipt": row["message_id"], "text": "read"})
    assert wa("loopback", "say", "-", stdin=line).code == 0
    assert wa("run-scheduler", "--once").code == 0
    assert wa("schedule", "show", row["id"], "--json").json["status"] == "sent"
    assert delivered(home) == ["Hello"]
    assert [each["content"] for each in wa("read", REEM, "--json").json] == ["Hello"]


def test_a_row_still_sending_when_the_wait_ends_is_an_unknown_outcome(wa, home, monkeypatch):
    monkeypatch.setattr(owner, "FINISH_SECONDS", 0.2)
    wa("loopback", "fault", "ack-delay", "20")
    wa("loopback", "fault", "receipts", "off")
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "time", over_once(lambda: delivered(home)))
        result = wa("send", REEM, "Hello", "--wait", "60", "--json")
    assert result.code == 6
    assert result.error["code"] == "unknown-outcome"
    [row] = wa("schedule", "list", "--json").json
    assert row["status"] == "unknown"
    assert delivered(home) == ["Hello"]


def test_no_wait_leaves_a_pending_row(wa, home):
    result = wa("send", REEM, "Hello", "--no-wait", "--json")
    assert result.code == 0
    assert result.json["status"] == "pending"
    assert not home.session_lock.exists()
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == ["Hello"]


def test_a_wait_that_ends_leaves_a_pending_row_and_names_it(wa, home):
    wa("loopback", "fault", "offline", "on")
    result = wa("send", REEM, "Hello", "--wait", "0.3", "--json")
    assert result.code == 6
    assert result.error["code"] == "still-queued"
    [row] = wa("schedule", "list", "--json").json
    assert row["status"] == "pending"
    assert row["id"] in result.error["hint"]
    assert delivered(home) == []
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == ["Hello"]


def test_a_message_queued_offline_is_sent_once_when_the_connection_is_back(wa, home, spawn):
    wa("loopback", "fault", "offline", "on")
    sender = spawn("send", REEM, "Hello", "--wait", "30")
    wait_for(lambda: is_owned(home))
    wa("loopback", "fault", "offline", "off")
    result = sender.finish()
    assert result.code == 0, result.err
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize(
    ("fault", "value", "exit_code", "code"),
    [
        ("logged-out", "on", 3, "not-authorized"),
        ("outdated", "on", 7, "client-outdated"),
        ("banned", "600", 5, "temporary-ban"),
    ],
)
def test_send_withdraws_its_own_row_alone_when_the_account_cannot_connect(
    wa, home, fault, value, exit_code, code
):
    waiting = wa("schedule", "add", REEM, "Later", "--at", "in 1 hour", "--json").json
    queued = wa("send", ADAM, "Queued", "--no-wait", "--json").json
    wa("loopback", "fault", fault, value)
    result = wa("send", REEM, "Hello", "--json")
    assert result.code == exit_code
    assert result.error["code"] == code
    rows = {row["id"]: row for row in wa("schedule", "list", "--status", "all", "--json").json}
    assert rows.pop(waiting["id"])["status"] == "pending"
    assert rows.pop(queued["id"])["status"] == "pending"
    [row] = rows.values()
    assert row["status"] == "failed"
    assert row["error_code"] == code
    assert delivered(home) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        ((REEM, ""), 2),
        ((REEM, " \n"), 2),
        ((REEM, "x" * 65_537), 5),
        (("nobody", "Hello"), 4),
    ],
)
def test_a_send_with_wrong_arguments_leaves_no_row(wa, arguments, exit_code):
    assert wa("send", *arguments).code == exit_code
    assert wa("schedule", "list", "--status", "all", "--json").json == []


def test_the_longest_text_is_sent(wa, home):
    assert wa("send", REEM, "x" * 65_536).code == 0
    assert [len(text) for text in delivered(home)] == [65_536]


# ── Commands on a row, and the states that allow them ─────────────────────────────────────────────

VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # verb: (what follows the id, the statuses in which it is allowed)
    "cancel": ((), ("draft", "pending", "held")),
    "edit": (("--text", "Changed"), ("draft", "pending", "held")),
    "hold": ((), ("pending",)),
    "unhold": ((), ("held",)),
    "approve --now": (("--now",), ("draft",)),
    "retry": (("--no-wait",), ("failed", "missed")),
    "retry --force": (("--force", "--no-wait"), ("failed", "missed", "unknown")),
    "resolve": (("sent",), ("unknown",)),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_works_in_its_states_only(wa, store, clock, verb, status):
    row_id = add_in_status(store, clock(), status)
    before = store.row("SELECT * FROM scheduled_messages WHERE id = ?", [row_id])
    options, allowed = VERBS[verb]
    result = wa("schedule", verb.split()[0], row_id, *options, "--json", now=clock)
    if status in allowed:
        assert result.code == 0, result.err
        assert result.json["id"] == row_id
        return
    may_have_gone = status in ("sending", "unknown")
    assert result.code == (MAY_HAVE_GONE if may_have_gone else WRONG_STATE), result.err
    assert result.error["code"] == ("unknown-outcome" if may_have_gone else "wrong-state")
    assert row_id in result.error["message"]
    assert store.row("SELECT * FROM scheduled_messages WHERE id = ?", [row_id]) == before


def test_a_cancelled_row_is_never_sent(wa, home, store, clock):
    row_id = add(store, clock())
    assert wa("schedule", "cancel", row_id, "--json", now=clock).json["status"] == "cancelled"
    clock.advance(hours=1)
    other = add(store, clock(), "Next")
    own(clock, lambda: status_of(store, other) == "sent")
    assert delivered(home) == ["Next"]


def test_retry_of_a_failed_row_sends_it(wa, home):
    wa("loopback", "fault", "refuse", "463")
    assert wa("send", REEM, "Hello").code == 5
    wa("loopback", "reset")
    [row] = wa("schedule", "list", "--status", "failed", "--json").json
    result = wa("schedule", "retry", row["id"], "--json")
    assert result.code == 0, result.err
    assert result.json["status"] == "sent"
    assert result.json["error_code"] is None
    assert result.json["attempts"] == 2
    assert delivered(home) == ["Hello"]


def test_retry_that_fails_again_says_so(wa, home):
    wa("loopback", "fault", "refuse", "463")
    assert wa("send", REEM, "Hello").code == 5
    [row] = wa("schedule", "list", "--status", "failed", "--json").json
    result = wa("schedule", "retry", row["id"], "--json")
    assert result.code == 5
    assert result.error["code"] == "send-failed"
    assert wa("schedule", "show", row["id"], "--json").json["status"] == "failed"


def test_retry_force_sends_an_unknown_row_again(wa, home, store, clock):
    row_id = make_unknown(store, clock())
    assert wa("schedule", "retry", row_id, now=clock).code == MAY_HAVE_GONE
    assert delivered(home) == []
    assert wa("schedule", "retry", row_id, "--force", now=clock).code == 0
    assert delivered(home) == ["Hello"]


def test_resolve_sent_records_the_message(wa, store, clock):
    row_id = make_unknown(store, clock())
    row = wa("schedule", "resolve", row_id, "sent", "--json", now=clock).json
    assert row["status"] == "sent"
    assert row["note"] == "resolved by hand"
    assert row["error_code"] is None
    assert [each["content"] for each in messages.conversation(store, REEM_JID, 10)] == ["Hello"]
    arrive(store, receipt("3EB0AA"), clock())
    assert len(messages.conversation(store, REEM_JID, 10)) == 1


def test_resolve_failed_records_no_message_and_allows_a_retry(wa, home, store, clock):
    row_id = make_unknown(store, clock())
    row = wa("schedule", "resolve", row_id, "failed", "--json", now=clock).json
    assert row["status"] == "failed"
    assert messages.conversation(store, REEM_JID, 10) == []
    assert wa("schedule", "retry", row_id, now=clock).code == 0
    assert delivered(home) == ["Hello"]


def test_resolve_takes_sent_or_failed_only(wa, store, clock):
    row_id = make_unknown(store, clock())
    assert wa("schedule", "resolve", row_id, "perhaps", now=clock).code == 2
    assert status_of(store, row_id) == "unknown"


def test_cancelling_a_row_ends_the_send_that_waits_for_it(wa, home, spawn, store):
    wa("loopback", "fault", "offline", "on")
    sender = spawn("send", REEM, "Hello", "--wait", "30", "--json")
    [row] = wait_for(lambda: list(schedule.listing(store, "pending")))
    assert wa("schedule", "cancel", row["id"]).code == 0
    result = sender.finish()
    assert result.code == 5
    assert result.error["code"] == "send-failed"
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == []


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────


def test_schedule_add_with_the_same_key_returns_the_same_row(wa, clock):
    arguments = ("schedule", "add", REEM, "Hello", "--at", "in 2 hours", "--key", "k1", "--json")
    first = wa(*arguments, now=clock)
    clock.advance(minutes=5)
    second = wa(*arguments, now=clock)
    assert second.code == 0
    assert second.json == first.json
    assert first.json["idempotency_key"] == "k1"
    assert len(wa("schedule", "list", "--status", "all", "--json", now=clock).json) == 1


@pytest.mark.parametrize("other", [(REEM, "Other"), (ADAM, "Hello")])
@pytest.mark.parametrize("command", ["send", "schedule add"])
def test_a_key_with_another_text_or_recipient_is_usage(wa, home, clock, other, command):
    first = wa(
        "schedule", "add", REEM, "Hello", "--at", "in 2 hours", "--key", "k1", "--json", now=clock
    ).json
    when = ("--at", "in 2 hours") if command == "schedule add" else ()
    result = wa(*command.split(), *other, *when, "--key", "k1", "--json", now=clock)
    assert result.code == 2
    assert result.error["code"] == "usage"
    assert first["id"] in result.error["message"]
    assert wa("schedule", "list", "--status", "all", "--json", now=clock).json == [first]
    assert delivered(home) == []


def test_enqueue_returns_the_row_as_it_was_added_and_not_as_a_listener_has_sent_it_since(store, clock):
    ran: list[str] = []
    store.conn.set_trace_callback(ran.append)
    row = schedule.enqueue(store, REEM_TO, "Hello", clock(), clock(), grace=GRACE)
    store.conn.set_trace_callback(None)
    assert row["status"] == "pending"
    assert ran[-1] == "COMMIT"


def test_a_row_keeps_its_address_and_its_key_stands_for_number_and_hidden_id(store, clock):
    def key_of(to: Recipient) -> str:
        """Return the id of the row with the key; add the row if it does not exist."""
        due = clock() + HOUR
        return str(schedule.enqueue(store, to, "Hello", due, clock(), grace=GRACE, key="K")["id"])

    made = key_of(Recipient(LID, None, None))
    with store.write():
        names.map_lid(store, LID, REEM_JID)
    assert schedule.get(store, made)["to_jid"] == LID
    assert key_of(REEM_TO) == made
    assert key_of(Recipient(LID, None, None)) == made


def test_a_key_whose_message_was_sent_does_not_send_again(wa, home):
    first = wa("send", REEM, "Hello", "--key", "k1", "--json")
    second = wa("send", REEM, "Hello", "--key", "k1", "--json")
    assert (first.code, second.code) == (0, 0)
    assert second.json == first.json
    third = wa("schedule", "add", REEM, "Hello", "--at", "in 2 hours", "--key", "k1", "--json")
    assert (third.code, third.error["code"]) == (2, "usage")
    assert first.json["scheduled_at"] in third.error["message"]
    assert delivered(home) == ["Hello"]


def test_a_key_whose_message_failed_says_so_and_sends_nothing(wa, home):
    wa("loopback", "fault", "refuse", "463")
    assert wa("send", REEM, "Hello", "--key", "k1").code == 5
    wa("loopback", "reset")
    result = wa("send", REEM, "Hello", "--key", "k1", "--json")
    assert result.code == 2
    assert result.error["code"] == "wrong-state"
    assert "failed" in result.error["message"]
    assert "retry" in result.error["hint"]
    assert delivered(home) == []


def test_a_key_whose_outcome_is_unknown_says_so_and_sends_nothing(wa, home, monkeypatch):
    monkeypatch.setattr(deliver, "PROOF_SECONDS", 0.1)
    wa("loopback", "fault", "ack-timeout", "0.1")
    wa("loopback", "fault", "ack-lost", "on")
    wa("loopback", "fault", "receipts", "off")
    assert wa("send", REEM, "Hello", "--key", "k1").code == 6
    wa("loopback", "reset")
    assert wa("send", REEM, "Hello", "--key", "k1", "--json").error["code"] == "unknown-outcome"
    assert delivered(home) == ["Hello"]


def test_a_key_whose_message_is_pending_waits_for_that_message(wa, home):
    first = wa("send", REEM, "Hello", "--no-wait", "--key", "k1", "--json").json
    result = wa("send", REEM, "Hello", "--key", "k1", "--wait", "3", "--json")
    assert result.code == 0, result.err
    assert result.json["id"] == first["id"]
    assert delivered(home) == ["Hello"]


def test_a_key_whose_message_is_scheduled_for_later_does_not_send_early(wa, home, clock):
    first = wa(
        "schedule", "add", REEM, "Hello", "--at", "in 2 hours", "--key", "k1", "--json", now=clock
    ).json
    result = wa("send", REEM, "Hello", "--key", "k1", "--wait", "60", "--json", now=clock)
    assert (result.code, result.json) == (0, first)
    told = wa("send", REEM, "Hello", "--key", "k1", now=clock)
    assert told.code == 0
    assert first["id"] in told.out
    assert "due Fri 20 Nov 2026 14:00 Europe/London, in 2 hours" in told.out
    [row] = wa("schedule", "list", "--json", now=clock).json
    assert (row["id"], row["scheduled_at"]) == (first["id"], first["scheduled_at"])
    assert delivered(home) == []


def test_an_id_that_is_taken_is_not_given_again(store, clock, monkeypatch):
    ends = iter(["a1b2c3", "a1b2c3", "a1b2c3", "d4e5f6"])
    monkeypatch.setattr(schedule, "random_hex", lambda count: next(ends))
    assert add(store, clock())[-6:] == "a1b2c3"
    assert add(store, clock())[-6:] == "d4e5f6"


def test_an_empty_key_is_usage(wa, store):
    later = ("schedule", "add", REEM, "Hello", "--at", "in 2 hours")
    for command in (("send", REEM, "Hello"), ("send", REEM, "Hello", "--no-wait"), later):
        result = wa(*command, "--key", "", "--json")
        assert (result.code, result.error["code"]) == (2, "usage")
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


@pytest.mark.parametrize("key", [" ", "ключ", "a'b\"c", "k" * 500])
def test_any_text_is_a_key(wa, home, key):
    first = wa("send", REEM, "Hello", "--key", key, "--json")
    second = wa("send", REEM, "Hello", "--key", key, "--json")
    assert first.json["id"] == second.json["id"]
    assert delivered(home) == ["Hello"]


# ── What would be published ───────────────────────────────────────────────────────────────────────

PUBLIC = ["status@broadcast", "1600000000@broadcast", "120363000000000009@newsletter"]


@pytest.mark.parametrize("to", PUBLIC)
def test_nothing_is_published(wa, home, store, clock, to):
    later = wa("schedule", "add", REEM, "Hello", "--at", "in 2 hours", "--json").json
    commands = [
        ("send", to, "Hello"),
        ("send", to, "Hello", "--no-wait", "--key", "K"),
        ("send", f" {to.replace('cast', 'CAST')} ", "--file", __file__),
        ("schedule", "add", to, "Hello", "--at", "in 0 seconds"),
        ("schedule", "edit", later["id"], "--to", to),
    ]
    for command in commands:
        result = wa(*command, "--json")
        assert (result.code, result.error["code"]) == (2, "usage"), command
    with pytest.raises(WaError) as raised:
        schedule.enqueue(store, Recipient(to, None, None), "Hello", clock(), clock(), grace=GRACE)
    assert raised.value.code == "usage"
    assert wa("schedule", "list", "--status", "all", "--json").json == [later]
    assert not home.media.exists()
    assert delivered(home) == []


@pytest.mark.parametrize("to", PUBLIC)
def test_a_row_that_an_older_version_queued_for_the_public_fails(wa, home, store, to):
    row_id = add(store, FakeClock()())
    with store.write():
        schedule.update(store, row_id, FakeClock()(), to_jid=to)
    assert wa("run-scheduler", "--once", now=FakeClock()).code == 5
    row = schedule.get(store, row_id)
    assert (row["status"], row["error_code"]) == ("failed", "usage")
    assert to in row["error_message"]
    assert delivered(home) == []


# ── Ids ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three_ids(store: Store, clock: FakeClock) -> list[str]:
    ids = ["1795176000123_a1b2c3", "1795176000123_a1b2c4", "1795176999999_d1b2c3"]
    with store.write():
        for row_id in ids:
            store.insert(
                "scheduled_messages",
                {
                    "id": row_id,
                    "to_jid": REEM_JID,
                    "message": "Hello",
                    "scheduled_at": to_iso(clock()),
                    "created_at": to_iso(clock()),
                },
            )
    return ids


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1795176000123_a1b2c3", 0),
        ("1795176000123_a1b2c4", 1),
        ("a1b2c3", 0),
        ("a1b2c4", 1),
        ("d1b2c3", 2),
        ("17951769", 2),
        ("1795176999999_", 2),
    ],
)
def test_ids_may_be_shortened(wa, three_ids, clock, text, number):
    assert wa("schedule", "show", text, "--json", now=clock).json["id"] == three_ids[number]


@pytest.mark.parametrize("text", ["1795176", "1795176000123_a", "1"])
def test_an_ambiguous_id_lists_the_matching_rows(wa, three_ids, clock, text):
    result = wa("schedule", "cancel", text, "--json", now=clock)
    assert result.code == 4
    assert result.error["code"] == "ambiguous"
    assert three_ids[0] in result.error["message"]
    assert three_ids[1] in result.error["message"]
    assert all(row["status"] == "pending" for row in wa("schedule", "list", "--json", now=clock).json)


@pytest.mark.parametrize(
    "text", ["", "%", "_", "_1b2c3", "_______", "17951769%", "1795176______", "b2c3", "\\", "a1b2c_", "*"]
)
def test_no_character_of_an_id_has_a_special_meaning(wa, three_ids, clock, text):
    result = wa("schedule", "cancel", text, "--json", now=clock)
    assert result.code == 4
    assert result.error["code"] == "not-found"


def test_an_id_that_is_the_beginning_of_another_is_found(store, clock):
    with store.write():
        for row_id in ("1_a", "1_ab"):
            row = {"id": row_id, "to_jid": REEM_JID, "message": "Hello"}
            at = to_iso(clock())
            store.insert("scheduled_messages", {**row, "scheduled_at": at, "created_at": at})
    assert schedule.find(store, "1_a") == "1_a"
    with pytest.raises(WaError) as caught:
        schedule.find(store, "1_")
    assert caught.value.code == "ambiguous"


# ── Order and scope ───────────────────────────────────────────────────────────────────────────────


def claim_all(store: Store, now: datetime, scope: Scope) -> list[str]:
    """Claim all rows; return their texts in the order in which they are claimed."""
    texts = []
    while claim := take(store, now, scope=scope):
        texts.append(claim.message.text)
        outcomes.settle(store, claim.id, Accepted("3EB0" + claim.id, int(now.timestamp())), never, now)
    return texts


def test_rows_a_command_waits_for_come_first_then_by_due_time_then_by_id(store, clock):
    def insert(row_id: str, text: str, minutes: float, *, waited: bool = False) -> None:
        at = to_iso(clock() + timedelta(minutes=minutes))
        wait_until = to_iso(clock() + HOUR) if waited else None
        row = {"id": row_id, "to_jid": REEM_JID, "message": text, "scheduled_at": at, "created_at": at}
        store.insert("scheduled_messages", {**row, "wait_until": wait_until})

    with store.write():
        insert("5_c", "third", -10)
        insert("5_a", "first", -20)
        insert("9_z", "waited second", 0, waited=True)
        insert("1_b", "fourth", -10 + 0.001)
        insert("5_b", "second", -10)
        insert("0_y", "waited first", -5, waited=True)
        insert("0_0", "not yet", 1)
    assert claim_all(store, clock(), Scope.ALL) == [
        "waited first",
        "waited second",
        "first",
        "second",
        "third",
        "fourth",
    ]


def test_a_postponed_row_is_ordered_by_its_new_time(store, clock):
    first = claimed(store, clock() - timedelta(minutes=30), "put off")
    outcomes.settle(store, first.id, NotConnected("no line"), never, clock() - timedelta(minutes=30))
    add(store, clock() - timedelta(minutes=30), "not put off")
    assert claim_all(store, clock(), Scope.ALL) == ["not put off", "put off"]


def add_one_of_each(store: Store, clock: FakeClock) -> None:
    add(store, clock(), "scheduled")
    add(store, clock(), "queued", immediate=True)
    add(store, clock(), "waited", immediate=True, wait_until=clock() + HOUR)
    add(store, clock(), "waited no more", immediate=True, wait_until=clock() - HOUR)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.WAITED, {"waited"}),
        (Scope.UNSCHEDULED, {"waited", "queued", "waited no more"}),
        (Scope.ALL, {"waited", "queued", "waited no more", "scheduled"}),
    ],
)
def test_scope_decides_what_an_owner_sends(store, clock, scope, expected):
    add_one_of_each(store, clock)
    assert set(claim_all(store, clock(), scope)) == expected
    assert send.seconds_to_next(store, clock(), PLAIN, scope) is None


def test_a_one_off_owner_sends_its_own_message_and_no_more(wa, home, store):
    app = App()
    add(store, app.now() - HOUR, "scheduled and due")
    add(store, app.now() - HOUR, "queued", immediate=True)
    assert wa("send", REEM, "mine").code == 0
    assert delivered(home) == ["mine"]
    assert schedule.counts(store) == {"pending": 2, "sent": 1}


def test_listen_no_send_withholds_only_scheduled_rows(wa, home, spawn, store):
    app = App()
    held = add(store, app.now() - HOUR, "scheduled and due")
    add(store, app.now() - HOUR, "queued", immediate=True)
    spawn("listen", "--no-send")
    wait_for(lambda: is_connected(home))
    assert wa("send", ADAM, "mine").code == 0
    wait_for(lambda: schedule.counts(store).get("sent") == 2)
    assert sorted(delivered(home)) == ["mine", "queued"]
    assert status_of(store, held) == "pending"


def test_a_queued_row_that_was_given_a_time_is_a_scheduled_one(wa, store, clock):
    row_id = wa("send", REEM, "Hello", "--no-wait", "--json", now=clock).json["id"]
    assert wa("schedule", "edit", row_id, "--at", "in 2 hours", now=clock).code == 0
    clock.advance(hours=2)
    assert take(store, clock(), scope=Scope.UNSCHEDULED) is None
    assert take(store, clock(), scope=Scope.ALL) is not None


def test_of_two_edits_at_a_time_each_is_of_the_whole_row(wa, store, clock, monkeypatch):
    """The time that one gives is read in the zone that the other gives, or the other moves that time."""
    typed = ("schedule", "add", REEM, "Hello", "--at", "2026-11-25 09:00", "--tz", "Europe/London")
    row_id = wa(*typed, "--json", now=clock).json["id"]
    given, look = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC"), compose.zone_of

    def look_and_edit(row, settings):
        monkeypatch.setattr(compose, "zone_of", look)
        with (
            suppress(sqlite3.OperationalError),  # it waits
            closing(Store(store.home, busy_seconds=0)) as other,
        ):
            compose.edit(other, given, row_id, clock(), tz="Asia/Tokyo")
        return look(row, settings)

    monkeypatch.setattr(compose, "zone_of", look_and_edit)
    compose.edit(store, given, row_id, clock(), at="2026-11-25 10:00")
    row = store.row("SELECT * FROM scheduled_messages")
    assert row["local_at"] == schedule.local_at(from_iso(row["scheduled_at"]), row["timezone"])


def test_a_row_settled_while_evidence_was_looked_for_stays_settled(store, clock):
    """If an attempt was wrongly taken for dead, its own result, `sent`, is not overwritten."""
    claim = claimed(store, clock())
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())

    def sent_meanwhile(secret, marked):
        outcomes.settle(store, claim.id, Accepted("3EB0AA", int(clock().timestamp())), never, clock())
        return Evidence(sent=False)

    assert outcomes.settle(store, claim.id, SendError("died"), sent_meanwhile, clock()) == "sent"
    assert schedule.get(store, claim.id)["status"] == "sent"
