"""When no message may be sent: spacing, daily limit, brake, ban, pause, full disk, a clock that was set."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import ADAM, REEM, REEM_JID, FakeClock, delivered, is_connected, own, wait_for

from wa.connection import ask, owner
from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import outcomes, pacing, send, states, waiting
from wa.queue import rows as schedule
from wa.queue.send import Claim, Scope
from wa.queue.waiting import Waiter
from wa.settings import Settings, parse_settings
from wa.store.database import Store
from wa.store.locks import lock_holder
from wa.store.paths import Home
from wa.times import from_iso, to_iso
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import Accepted, Evidence, NotOnWhatsApp, Refused, SendError

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
REEM_TO = Recipient(REEM_JID, REEM, None)


def settings(**given: str) -> Settings:
    values = {"WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London", "WA_SEND_SPACING": "0", **given}
    return parse_settings(values, lambda: "UTC")


PLAIN = settings()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def add(
    store: Store, now: datetime, text: str = "Hello", *, at: datetime | None = None, **options: Any
) -> str:
    """Add a row to the queue, due now unless `due` says otherwise; return its id."""
    grace = options.pop("grace", timedelta(days=30))
    row = schedule.enqueue(store, REEM_TO, text, at or now, now, grace=grace, **options)
    return str(row["id"])


def take(store: Store, now: datetime, how: Settings = PLAIN, scope: Scope = Scope.ALL) -> Claim | None:
    return send.claim(store, now, how, scope)


def never(secret: bytes, marked: Sequence[str]) -> Evidence:
    raise AssertionError("nobody has to ask for evidence here")


def settle(store: Store, claim: Claim | None, result: Accepted | SendError, now: datetime) -> str:
    assert claim is not None
    return outcomes.settle(store, claim.id, result, never, now)


def accepted(claim: Claim | None, now: datetime) -> Accepted:
    assert claim is not None
    return Accepted("3EB0" + claim.id, int(now.timestamp()))


def send_one(store: Store, now: datetime, how: Settings = PLAIN) -> str:
    """Queue a message and send it; return its id."""
    row_id = add(store, now)
    claim = take(store, now, how)
    assert settle(store, claim, accepted(claim, now), now) == "sent"
    return row_id


def reason(store: Store, now: datetime, how: Settings = PLAIN) -> str | None:
    block = pacing.blocked(store, now, how)
    return block.reason if block else None


def until(store: Store, now: datetime, how: Settings = PLAIN) -> datetime | None:
    block = pacing.blocked(store, now, how)
    assert block is not None
    return block.until


def status_of(store: Store, row_id: str) -> str:
    return str(schedule.get(store, row_id)["status"])


# ── Spacing ───────────────────────────────────────────────────────────────────────────────────────


def test_spacing_with_jitter_lies_between_any_two_claims(store, clock):
    how = settings(WA_SEND_SPACING="4")
    gaps = []
    scopes = [Scope.ALL, Scope.UNSCHEDULED, Scope.WAITED]
    for number in range(30):
        row_id = add(store, clock(), immediate=True)
        waiting.start(store, Waiter(row_id, clock() + HOUR), clock())
        claim = take(store, clock(), how, scopes[number % 3])
        settle(store, claim, accepted(claim, clock()), clock())
        add(store, clock())
        assert all(take(store, clock(), how, scope) is None for scope in scopes)
        gap = send.seconds_to_next(store, clock(), how, Scope.ALL)
        assert gap is not None
        gaps.append(gap)
        clock.advance(seconds=gap - 0.001)
        assert take(store, clock(), how) is None
        clock.advance(seconds=0.001)
        states.cancel(store, next(iter(schedule.listing(store, "pending")))["id"], clock())
    assert all(2.999 <= gap <= 5 for gap in gaps)  # moments are stored in milliseconds
    assert max(gaps) - min(gaps) > 0.5


@pytest.mark.parametrize("result", [NotOnWhatsApp("nobody"), Refused(463)], ids=str)
def test_spacing_counts_failed_attempts_too(store, clock, result):
    how = settings(WA_SEND_SPACING="4")
    add(store, clock())
    settle(store, take(store, clock(), how), result, clock())
    add(store, clock())
    assert reason(store, clock(), how) == "spacing"
    assert take(store, clock(), how) is None


def test_spacing_zero_switches_it_off(store, clock):
    for _ in range(5):
        send_one(store, clock())
    assert pacing.blocked(store, clock(), PLAIN) is None


def test_spacing_is_not_shown_as_a_trouble(wa, store, clock):
    send_one(store, clock(), settings(WA_SEND_SPACING="60"))
    found = wa("status", "--json", now=clock, WA_SEND_SPACING="60").json
    assert found["sending"] == "on"
    assert found["sending_note"] is None


def test_two_commands_keep_the_spacing_together(wa, store):
    for number in range(3):
        assert wa("send", REEM, f"text {number}", WA_SEND_SPACING="0.2").code == 0
    moments = [
        from_iso(row["claimed_at"])
        for row in store.rows("SELECT claimed_at FROM scheduled_messages ORDER BY claimed_at")
    ]
    gaps = [(after - before).total_seconds() for before, after in zip(moments, moments[1:], strict=False)]
    assert all(gap >= 0.149 for gap in gaps)


# ── The daily limit ───────────────────────────────────────────────────────────────────────────────


def test_daily_limit_is_a_rolling_24_hours(store, clock):
    how = settings(WA_DAILY_LIMIT="3")
    start = clock()
    for _ in range(3):
        send_one(store, clock(), how)
        clock.advance(hours=1)
    add(store, clock())
    assert take(store, clock(), how) is None
    assert reason(store, clock(), how) == "daily-limit"
    assert until(store, clock(), how) == start + timedelta(days=1)
    clock.at = start + timedelta(days=1) - timedelta(milliseconds=1)
    assert take(store, clock(), how) is None
    clock.at = start + timedelta(days=1)
    assert take(store, clock(), how) is not None
    add(store, clock())
    assert until(store, clock(), how) == start + timedelta(days=1, hours=1)


def test_daily_limit_counts_messages_that_may_have_gone_and_not_those_that_did_not(store, clock):
    how = settings(WA_DAILY_LIMIT="2")
    add(store, clock())
    settle(store, take(store, clock(), how), NotOnWhatsApp("nobody"), clock())
    claim_id = add(store, clock())
    claim = take(store, clock(), how)
    assert claim is not None
    assert claim.id == claim_id
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    outcomes.settle(store, claim.id, SendError("late"), lambda *_: Evidence(None, "3EB0AA"), clock())
    assert pacing.blocked(store, clock(), how) is None
    add(store, clock())
    assert take(store, clock(), how) is not None
    assert reason(store, clock(), how) == "daily-limit"


def test_daily_limit_is_shown_and_refuses_a_send(wa, home, store, clock):
    send_one(store, clock())
    clock.advance(hours=1)
    found = wa("status", "--json", now=clock, WA_DAILY_LIMIT="1").json
    assert found["sending"] == "braked"
    assert "24 hours" in found["sending_note"]
    result = wa("send", REEM, "One more", "--json", now=clock, WA_DAILY_LIMIT="1")
    assert result.code == 5
    assert result.error["code"] == "rate-limit-exceeded"
    assert schedule.counts(store) == {"sent": 1, "failed": 1}
    assert delivered(home) == []
    clock.advance(hours=23)
    assert wa("send", REEM, "One more", now=clock, WA_DAILY_LIMIT="1").code == 0


# ── The brake ─────────────────────────────────────────────────────────────────────────────────────


def refuse(store: Store, now: datetime) -> None:
    """Send a message that is refused with 429."""
    claim = take(store, now)
    assert settle(store, claim, Refused(429), now) == "pending"


def test_429_stops_all_sending_twice_as_long_each_time_up_to_four_hours(store, clock):
    add(store, clock())
    for minutes in (15, 30, 60, 120, 240, 240):
        refuse(store, clock())
        assert reason(store, clock()) == "brake"
        assert until(store, clock()) == clock() + minutes * MINUTE
        assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == minutes * 60
        clock.advance(minutes=minutes, milliseconds=-1)
        assert take(store, clock()) is None
        clock.advance(milliseconds=1)
        assert pacing.blocked(store, clock(), PLAIN) is None
    claim = take(store, clock())
    assert settle(store, claim, accepted(claim, clock()), clock()) == "sent"


def test_after_a_success_the_next_brake_is_a_short_one(store, clock):
    add(store, clock())
    refuse(store, clock())
    clock.advance(minutes=15)
    refuse(store, clock())
    clock.advance(minutes=30)
    claim = take(store, clock())
    settle(store, claim, accepted(claim, clock()), clock())
    add(store, clock())
    refuse(store, clock())
    assert until(store, clock()) == clock() + 15 * MINUTE


def test_a_brake_that_is_released_while_the_clock_is_looked_at_does_not_come_back(store, clock, monkeypatch):
    with store.write():
        pacing.brake(store, clock() + HOUR)
    look = pacing._is_a_job_ahead

    def look_and_release(here, now):
        pacing.release_brake(here)
        return look(here, now) or True

    monkeypatch.setattr(pacing, "_is_a_job_ahead", look_and_release)
    pacing.rebase(store, clock())
    assert "brake" not in store.state()


def test_the_brake_is_shown_and_lifts_by_itself(wa, home, clock):
    wa("loopback", "fault", "refuse", "429")
    queued = wa("send", REEM, "Queued", "--no-wait", "--json", now=clock).json["id"]
    assert wa("run-scheduler", "--once", now=clock).code == 0
    wa("loopback", "reset")
    found = wa("status", "--json", now=clock).json
    assert found["sending"] == "braked"
    assert "12:15 Europe/London, in 15 minutes" in found["sending_note"]
    assert found["queue"] == {"pending": 1}
    assert "braked" in wa("status", now=clock).out
    result = wa("send", REEM, "Now", "--json", now=clock)
    assert result.code == 5
    assert result.error["code"] == "rate-limit-exceeded"
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert delivered(home) == []
    clock.advance(minutes=15)
    assert wa("status", "--json", now=clock).json["sending"] == "on"
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert delivered(home) == ["Queued"]
    assert wa("schedule", "show", queued, "--json", now=clock).json["status"] == "sent"


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_receipt_of_an_older_message_does_not_lift_the_brake(wa, store, clock, by_hand):
    add(store, clock(), "older")
    claim = take(store, clock())
    assert claim is not None
    send.mark_wire(store, "3EB0AA", REEM_JID, clock())
    outcomes.settle(store, claim.id, SendError("late"), lambda *_: Evidence(None, "3EB0AA"), clock())
    add(store, clock(), "newer")
    refuse(store, clock())
    if by_hand:
        assert wa("schedule", "resolve", claim.id, "sent", now=clock).code == 0
    else:
        with store.write():
            outcomes.prove_sent(store, ["3EB0AA"], clock())
    assert status_of(store, claim.id) == "sent"
    assert reason(store, clock()) == "brake"
    assert take(store, clock()) is None


# ── A ban ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [("send", REEM, "Hello"), ("run-scheduler",), ("listen",)])
def test_a_ban_is_stored_and_no_process_connects_before_its_end(wa, home, clock, command):
    wa("loopback", "fault", "banned", "600")
    result = wa(*command, "--json", now=clock) if command[0] != "run-scheduler" else wa(*command, now=clock)
    assert result.code == 5
    assert "12:10 Europe/London, in 10 minutes" in result.err
    wa("loopback", "reset")
    server = Loopback(home)
    before = server.take_connection()
    clock.advance(minutes=9)
    assert wa(*command, now=clock).code == 5
    assert server.connection() == before
    assert wa("status", "--json", now=clock).json["sending"] == "braked"
    clock.advance(minutes=1)
    assert wa("send", REEM, "Hello", now=clock).code == 0
    assert server.connection() != before
    server.close()
    assert delivered(home) == ["Hello"]


def test_a_ban_holds_after_the_clock_was_set(store, clock):
    pacing.ban(store, clock(), 3600)
    end = clock() + HOUR
    clock.advance(days=-2)
    pacing.rebase(store, clock())
    assert pacing.ban_end(store, clock()) == end
    add(store, clock())
    assert take(store, clock()) is None
    clock.at = end
    assert pacing.ban_end(store, clock()) is None
    assert take(store, clock()) is not None


# ── Pause ─────────────────────────────────────────────────────────────────────────────────────────


def test_pause_stops_every_kind_of_sending_and_resume_ends_the_pause(wa, home, store, clock):
    assert wa("pause", "--json", now=clock).json == {"sending": "paused"}
    assert wa("status", "--json", now=clock).json["sending"] == "paused"
    assert "paused" in wa("status", now=clock).out
    scheduled = add(store, clock(), "scheduled")
    result = wa("send", REEM, "sent", "--wait", "0.2", "--json", now=clock)
    assert result.code == 6
    assert result.error["code"] == "still-queued"
    assert "resume" in result.err
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert all(take(store, clock(), scope=scope) is None for scope in Scope)
    assert delivered(home) == []
    assert schedule.counts(store) == {"pending": 2}
    assert wa("resume", "--json", now=clock).json == {"sending": "on"}
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert sorted(delivered(home)) == ["scheduled", "sent"]
    assert status_of(store, scheduled) == "sent"


def test_pause_and_resume_may_be_repeated(wa, clock):
    for _ in range(2):
        assert wa("pause", now=clock).code == 0
    for _ in range(2):
        assert wa("resume", now=clock).code == 0
    assert wa("status", "--json", now=clock).json["sending"] == "on"


def test_a_pause_outlives_the_processes(wa, home, shell):
    assert wa("pause").code == 0
    wa("send", REEM, "Hello", "--no-wait")
    assert shell("run-scheduler", "--once").code == 0
    assert delivered(home) == []


def test_pause_waits_for_the_row_being_sent(wa, home, spawn, store):
    wa("loopback", "fault", "ack-delay", "1")
    spawn("listen")
    wait_for(lambda: is_connected(home))
    row_id = wa("send", REEM, "Hello", "--no-wait", "--json").json["id"]
    wait_for(lambda: status_of(store, row_id) == "sending")
    result = wa("pause")
    assert result.code == 0, result.err
    assert status_of(store, row_id) == "sent"
    wa("loopback", "reset")
    later = wa("send", REEM, "Later", "--no-wait", "--json").json["id"]
    assert wa("send", ADAM, "Waited", "--wait", "0.3").code == 6
    assert status_of(store, later) == "pending"
    assert delivered(home) == ["Hello"]
    assert wa("resume").code == 0
    wait_for(lambda: status_of(store, later) == "sent")


def test_pause_names_the_rows_still_being_sent_when_it_gives_up(wa, home, spawn, store, monkeypatch):
    monkeypatch.setattr(ask, "PAUSE_SECONDS", 0.2)
    wa("loopback", "fault", "ack-delay", "60")
    spawn("listen")
    wait_for(lambda: is_connected(home))
    row_id = wa("send", REEM, "Hello", "--no-wait", "--json").json["id"]
    other = wa("schedule", "add", REEM, "Later", "--at", "in 1 hour", "--json").json["id"]
    wait_for(lambda: status_of(store, row_id) == "sending")
    result = wa("pause", "--json")
    assert result.code == 6
    assert result.error["code"] == "unknown-outcome"
    assert row_id in result.error["message"]
    assert other not in result.error["message"]
    assert result.out == ""
    assert wa("status", "--json").json["sending"] == "paused"


def test_pause_does_not_wait_for_an_attempt_whose_process_is_dead(wa, store):
    row_id = add(store, system_now())
    assert take(store, system_now()) is not None
    assert wa("pause").code == 0
    assert status_of(store, row_id) == "sending"


def test_pause_waits_for_five_seconds():
    assert ask.PAUSE_SECONDS == 5


# ── A full disk ───────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_holds_sending_until_there_is_room(wa, home, store, clock, monkeypatch):
    add(store, clock(), "Queued")
    with monkeypatch.context() as patch:
        patch.setattr(Home, "has_room", lambda self: False)
        assert take(store, clock()) is None
        assert reason(store, clock()) == "disk"
        pause = send.seconds_to_next(store, clock(), PLAIN, Scope.ALL)
        assert pause is not None
        assert 0 < pause <= 15 * 60
        found = wa("status", "--json", now=clock).json
        assert found["sending"] == "braked"
        assert "disk" in found["sending_note"]
        result = wa("send", REEM, "Waited", "--wait", "0.2", "--json", now=clock)
        assert result.code == 6
        assert "disk is full" in result.err
        assert schedule.counts(store) == {"pending": 2}
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert sorted(delivered(home)) == ["Queued", "Waited"]


# ── A clock that was set ──────────────────────────────────────────────────────────────────────────


def hear(store: Store, at: datetime) -> None:
    """Record a message that arrived live at that time."""
    row = {
        "chat_jid": REEM_JID,
        "message_id": "3A1",
        "sender": REEM_JID,
        "timestamp": int(at.timestamp()),
        "created_at": to_iso(at),
    }
    with store.write():
        store.insert("messages", row)


@pytest.mark.parametrize("evidence", ["sent", "received"])
def test_sending_waits_while_the_clock_is_far_behind_the_stored_times(wa, store, clock, evidence):
    if evidence == "sent":
        send_one(store, clock())
    else:
        hear(store, clock())
    newest = clock()
    clock.advance(minutes=-5)
    assert pacing.blocked(store, clock(), PLAIN) is None
    clock.advance(seconds=-1)
    add(store, clock())
    assert take(store, clock()) is None
    assert reason(store, clock()) == "clock"
    assert send.seconds_to_next(store, clock(), PLAIN, Scope.ALL) == 1
    found = wa("status", "--json", now=clock).json
    assert found["sending"] == "braked"
    assert "clock" in found["sending_note"]
    assert "resume" in found["sending_note"]
    clock.at = newest - 5 * MINUTE
    assert take(store, clock()) is not None


def test_history_of_other_times_does_not_stop_sending(store, clock):
    hear(store, clock() + HOUR)
    with store.write():
        store.execute("UPDATE messages SET source = 'history'")
    assert pacing.blocked(store, clock(), PLAIN) is None


def test_send_says_that_the_clock_is_behind(wa, home, store, clock):
    send_one(store, clock())
    clock.advance(hours=-2)
    result = wa("send", REEM, "Hello", "--wait", "0.2", "--json", now=clock)
    assert result.code == 6
    assert result.error["code"] == "still-queued"
    assert "clock is 2h behind" in result.err
    assert delivered(home) == []


def test_resume_accepts_the_present_clock(wa, home, store, clock):
    send_one(store, clock())
    clock.advance(days=-2)
    row_id = add(store, clock())
    assert wa("resume", "--json", now=clock).json == {"sending": "on"}
    assert wa("status", "--json", now=clock).json["sending"] == "on"
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert status_of(store, row_id) == "sent"
    assert delivered(home) == ["Hello"]


def test_a_clock_that_was_accepted_once_is_not_accepted_for_ever(wa, store, clock):
    send_one(store, clock())
    clock.advance(hours=-2)
    wa("resume", now=clock)
    assert pacing.blocked(store, clock(), PLAIN) is None
    clock.advance(hours=3)
    send_one(store, clock())
    clock.advance(minutes=-10)
    assert reason(store, clock()) == "clock"


def test_a_clock_set_back_does_not_lengthen_the_spacing(store, clock):
    how = settings(WA_SEND_SPACING="60")
    send_one(store, clock(), how)
    clock.advance(minutes=-4)
    pacing.rebase(store, clock())
    add(store, clock())
    pause = send.seconds_to_next(store, clock(), how, Scope.ALL)
    assert pause is not None
    assert pause <= 75


def test_a_clock_set_back_does_not_lengthen_the_brake(store, clock):
    add(store, clock())
    refuse(store, clock())
    clock.advance(days=-3)
    pacing.resume(store, clock())
    pacing.rebase(store, clock())
    assert reason(store, clock()) == "brake"
    assert until(store, clock()) == clock() + 15 * MINUTE
    add(store, clock())
    clock.advance(minutes=15)
    assert take(store, clock()) is not None


def test_a_clock_set_back_does_not_lengthen_the_daily_limit(store, clock):
    how = settings(WA_DAILY_LIMIT="1")
    send_one(store, clock(), how)
    clock.advance(days=-30)
    pacing.resume(store, clock())
    pacing.rebase(store, clock())
    add(store, clock())
    assert reason(store, clock(), how) == "daily-limit"
    clock.advance(days=1)
    assert take(store, clock(), how) is not None


def test_a_clock_set_back_does_not_lengthen_a_retry(store, clock):
    row_id = add(store, clock())
    settle(store, take(store, clock()), Refused(429), clock())
    with store.write():
        schedule.update(store, row_id, clock(), not_before=to_iso(clock() + MINUTE))
        store.set_state("brake", None)
    clock.advance(days=-3)
    pacing.resume(store, clock())
    assert schedule.get(store, row_id)["scheduled_at"] > to_iso(clock())  # the row's own time is still ahead
    pacing.rebase(store, clock())
    assert schedule.get(store, row_id)["not_before"] is None
    clock.advance(days=3)
    assert take(store, clock()) is not None


def test_after_a_clock_that_was_ahead_is_put_right_the_queue_is_whole(home, store, clock):
    """No row is lost or sent before its time, and a row that was missed by mistake is pending again."""
    right = clock()
    soon = add(store, right, "soon", at=right + HOUR, grace=6 * HOUR)
    late = add(store, right, "in two days", at=right + timedelta(days=2), grace=6 * HOUR)
    month = add(store, right, "in a month", at=right + timedelta(days=30), grace=6 * HOUR)
    clock.advance(days=3)
    own(clock, lambda: status_of(store, late) == "missed")
    assert status_of(store, soon) == "missed"
    assert status_of(store, month) == "pending"
    clock.at = right
    own(clock, lambda: status_of(store, late) == "pending")
    assert [status_of(store, each) for each in (soon, late, month)] == ["pending"] * 3
    assert schedule.get(store, soon)["error_message"] is None
    assert delivered(home) == []
    for row_id, at in ((soon, HOUR), (late, timedelta(days=2)), (month, timedelta(days=30))):
        clock.at = right + at
        own(clock, lambda row_id=row_id: status_of(store, row_id) == "sent")
    assert delivered(home) == ["soon", "in two days", "in a month"]


def heartbeat(home: Home) -> str | None:
    """Return the owner's last heartbeat, by its own clock."""
    return (lock_holder(home.session_lock) or {}).get("heartbeat")


def test_a_running_owner_notices_that_the_clock_was_set(home, store, clock, monkeypatch):
    monkeypatch.setattr(owner, "HEARTBEAT", 0.05)
    monkeypatch.setattr(owner, "LOOK_AGAIN", 0.05)
    right = clock()
    row_id = add(store, right, at=right + HOUR, grace=6 * HOUR)
    problems: list[BaseException] = []
    finished = threading.Event()

    def set_clock() -> None:
        watcher = Store(home, any_thread=True)
        try:
            for ahead in (timedelta(), timedelta(days=3), timedelta(days=3, seconds=1)):
                clock.at = right + ahead
                wait_for(lambda: heartbeat(home) == to_iso(clock()))
            wait_for(lambda: status_of(watcher, row_id) == "missed")
            clock.at = right
            wait_for(lambda: status_of(watcher, row_id) == "pending")
            clock.at = right + HOUR
            wait_for(lambda: status_of(watcher, row_id) == "sent")
        except BaseException as error:
            problems.append(error)
        finally:
            watcher.close()
            finished.set()

    thread = threading.Thread(target=set_clock)
    thread.start()
    try:
        own(clock, finished.is_set)
    finally:
        thread.join()
    assert problems == []
    assert delivered(home) == ["Hello"]


def test_a_message_sent_while_the_clock_was_ahead_is_not_sent_again(home, store, clock):
    right = clock()
    row_id = add(store, right, at=right + HOUR)
    other = add(store, right, "Other", at=right + 2 * HOUR)
    clock.advance(hours=1, minutes=1)
    own(clock, lambda: status_of(store, row_id) == "sent")
    clock.at = right
    assert reason(store, clock()) == "clock"
    clock.at = right + HOUR
    assert pacing.blocked(store, clock(), PLAIN) is None
    clock.at = right + 2 * HOUR
    own(clock, lambda: status_of(store, other) == "sent")
    assert delivered(home) == ["Hello", "Other"]
