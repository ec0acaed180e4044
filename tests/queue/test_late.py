"""Late messages: still sent, held until the quiet hours are over, or missed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import REEM, REEM_JID, FakeClock, delivered
from examples import examples
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from wa.cli.context import App
from wa.connection import deliver
from wa.connection.hold import serve
from wa.people.recipients import Recipient
from wa.queue import outcomes, pacing, send
from wa.queue import rows as schedule
from wa.queue.send import Claim, Scope
from wa.record import messages
from wa.settings import Settings, parse_settings
from wa.store.database import Store
from wa.times import from_iso, to_iso
from wa.whatsapp.transport import Accepted, Evidence

UTC = timezone.utc
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MOMENT = timedelta(milliseconds=1)
GRACE = 6 * HOUR
LATE = timedelta(minutes=1)
QUIET = "22:00-08:00"
REEM_TO = Recipient(REEM_JID, REEM, None)


def settings(**given: str) -> Settings:
    values = {"WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London", "WA_SEND_SPACING": "0", **given}
    return parse_settings(values, lambda: "UTC")


PLAIN = settings()
NIGHTS = settings(WA_QUIET_HOURS=QUIET)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def add(
    store: Store, made: datetime, due: datetime, text: str = "Hello", grace: timedelta = GRACE, **options: Any
) -> str:
    """Add a row to the queue; return its id."""
    return str(schedule.enqueue(store, REEM_TO, text, due, made, grace=grace, **options)["id"])


def never(secret: bytes, marked: Sequence[str]) -> Evidence:
    raise AssertionError("nobody has to ask for evidence here")


def take(store: Store, now: datetime, how: Settings = NIGHTS) -> Claim | None:
    return send.claim(store, now, how, Scope.ALL)


def settle(store: Store, claim: Claim, now: datetime) -> None:
    accepted = Accepted("3EB0" + claim.id, int(now.timestamp()))
    assert outcomes.settle(store, claim.id, accepted, never, now) == "sent"


def send_all(store: Store, now: datetime, how: Settings = NIGHTS) -> list[str]:
    """Send all rows that may go out at this moment; return their texts."""
    texts = []
    while claim := take(store, now, how):
        settle(store, claim, now)
        texts.append(claim.message.text)
    return texts


def status_of(store: Store, row_id: str) -> str:
    return str(schedule.get(store, row_id)["status"])


def statuses(store: Store) -> dict[str, str]:
    return {row["message"]: row["status"] for row in schedule.listing(store, "all")}


def own(clock: Callable[[], datetime], over: Callable[[], Any], **env: str) -> None:
    """Hold the connection in this process until `over()`."""
    app = App(environ={**os.environ, **env}, now=clock)
    deadline = time.monotonic() + 30

    def is_over(_: object) -> bool:
        assert time.monotonic() < deadline, "what was waited for did not happen"
        return bool(over())

    try:
        serve(app.context, "run-scheduler", Scope.ALL, is_over)
    finally:
        app.close()


def add_the_late_ones(store: Store, now: datetime, **options: Any) -> None:
    """Add rows that were due 1 h, 5 h, 7 h and 3 days ago, now, and in 1 h."""
    made = now - timedelta(days=10)
    for text, late in (
        ("3 d", timedelta(days=3)),
        ("7 h", 7 * HOUR),
        ("5 h", 5 * HOUR),
        ("1 h", HOUR),
        ("now", timedelta()),
        ("later", -HOUR),
    ):
        add(store, made, now - late, text, **options)


# ── Late, by day ──────────────────────────────────────────────────────────────────────────────────


def test_a_late_message_is_sent_and_noted_within_its_grace_and_missed_after_it(wa, home, store, clock):
    add_the_late_ones(store, clock())
    assert wa("run-scheduler", "--once", now=clock).code == 5
    assert delivered(home) == ["5 h", "1 h", "now"]
    assert statuses(store) == {
        "3 d": "missed",
        "7 h": "missed",
        "5 h": "sent",
        "1 h": "sent",
        "now": "sent",
        "later": "pending",
    }
    rows = {
        row["message"]: row for row in wa("schedule", "list", "--status", "all", "--json", now=clock).json
    }
    assert rows["5 h"]["note"] == "sent 5h late"
    assert rows["1 h"]["note"] == "sent 1h late"
    assert rows["now"]["note"] is None
    assert rows["7 h"]["error_message"].startswith("7h late")
    assert rows["3 d"]["error_message"].startswith("3d late")
    assert rows["3 d"]["sent_at"] is None
    assert rows["3 d"]["attempts"] == 0
    assert [each["content"] for each in messages.conversation(store, REEM_JID, 10)] == ["5 h", "1 h", "now"]


@pytest.mark.parametrize(
    ("grace", "sent"),
    [
        ("30m", ["now"]),
        ("1h", ["1 h", "now"]),
        ("59m", ["now"]),
        ("7h", ["7 h", "5 h", "1 h", "now"]),
        ("1w", ["3 d", "7 h", "5 h", "1 h", "now"]),
    ],
)
@pytest.mark.parametrize("by", ["WA_GRACE", "--grace"])
def test_the_grace_may_be_set_for_all_messages_and_for_one(wa, home, clock, grace, sent, by):
    now = clock()
    clock.advance(days=-10)
    for text, late in (("3 d", 72), ("7 h", 7), ("5 h", 5), ("1 h", 1), ("now", 0)):
        arguments = ["schedule", "add", REEM, text, "--at", (now - late * HOUR).isoformat()]
        result = (
            wa(*arguments, "--grace", grace, now=clock)
            if by == "--grace"
            else wa(*arguments, now=clock, WA_GRACE=grace)
        )
        assert result.code == 0, result.err
    clock.at = now
    assert wa("run-scheduler", "--once", now=clock).code == (0 if len(sent) == 5 else 5)
    assert delivered(home) == sent


def test_a_grace_given_to_a_message_is_kept_when_the_setting_changes(wa, home, store, clock):
    add(store, clock(), clock() + HOUR, grace=HOUR)
    clock.advance(hours=3)
    assert wa("run-scheduler", "--once", now=clock, WA_GRACE="1w").code == 5
    assert delivered(home) == []
    assert statuses(store) == {"Hello": "missed"}


def test_a_message_up_to_a_minute_late_is_not_noted_as_late(store, clock):
    exact = add(store, clock(), clock(), "exact")
    late = add(store, clock(), clock() - MOMENT, "late")
    clock.advance(minutes=1)
    assert send_all(store, clock(), PLAIN) == ["late", "exact"]
    assert schedule.get(store, exact)["note"] is None
    assert schedule.get(store, late)["note"] == "sent 1m late"


def test_a_message_to_be_sent_at_once_is_never_noted_as_late(store, clock):
    row_id = add(store, clock(), clock(), immediate=True)
    clock.advance(hours=1)
    send_all(store, clock())
    assert schedule.get(store, row_id)["note"] is None


def test_a_missed_message_fails_the_run_and_only_that_one(wa, store, clock):
    add(store, clock() - 10 * HOUR, clock() - 7 * HOUR)
    result = wa("run-scheduler", "--once", now=clock)
    assert result.code == 5
    assert "1 missed" in result.err
    clock.advance(minutes=1)
    assert wa("run-scheduler", "--once", now=clock).code == 0


def test_no_message_is_missed_while_there_is_no_connection(wa, home, store, clock, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.2)
    add_the_late_ones(store, clock())
    wa("loopback", "fault", "offline", "on")
    result = wa("run-scheduler", "--once", now=clock)
    assert result.code == 7
    assert set(statuses(store).values()) == {"pending"}
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once", now=clock).code == 5
    assert statuses(store)["7 h"] == "missed"
    assert delivered(home) == ["5 h", "1 h", "now"]


@pytest.mark.parametrize("reason", ["paused", "brake", "clock"])
def test_no_message_is_missed_while_sending_is_stopped(store, clock, reason):
    row_id = add(store, clock(), clock())
    clock.advance(hours=7)
    if reason == "paused":
        pacing.pause(store, clock())
    elif reason == "brake":
        with store.write():
            pacing.brake(store, clock())
    else:
        with store.write():
            row = {"chat_jid": REEM_JID, "message_id": "3A1", "sender": REEM_JID, "created_at": "x"}
            store.insert("messages", {**row, "timestamp": int((clock() + HOUR).timestamp())})
    assert take(store, clock()) is None
    assert status_of(store, row_id) == "pending"


def test_a_missed_message_is_pending_again_when_the_clock_had_been_ahead(home, store, clock):
    right = clock()
    row_id = add(store, right, right + HOUR)
    gone = add(store, right - 10 * HOUR, right - 7 * HOUR, "gone")
    clock.advance(hours=8)
    own(clock, lambda: status_of(store, row_id) == "missed")
    clock.at = right + 2 * HOUR
    own(clock, lambda: status_of(store, row_id) == "sent")
    assert status_of(store, gone) == "missed"
    assert delivered(home) == ["Hello"]
    assert schedule.get(store, row_id)["note"] == "sent 1h late"


def test_a_row_held_because_the_clock_was_ahead_goes_out_at_the_right_time(store):
    due = utc("2026-11-20T12:00")
    row_id = add(store, due - HOUR, due, grace=timedelta(days=2))
    assert send_all(store, utc("2026-11-20T23:00")) == []
    assert schedule.get(store, row_id)["not_before"] == "2026-11-21T08:00:00.000Z"
    now = utc("2026-11-20T12:00")
    pacing.rebase(store, now)
    assert send_all(store, now) == ["Hello"]


def test_a_missed_message_may_be_sent_by_hand(wa, home, store, clock):
    row_id = add(store, clock() - 10 * HOUR, clock() - 7 * HOUR)
    assert wa("run-scheduler", "--once", now=clock).code == 5
    result = wa("schedule", "retry", row_id, "--json", now=clock)
    assert result.code == 0, result.err
    assert result.json["status"] == "sent"
    assert result.json["error_message"] is None
    assert delivered(home) == ["Hello"]


def test_a_missed_message_sent_by_hand_does_not_wait_for_the_quiet_hours_end(wa, home, store):
    clock = FakeClock("2026-11-20T23:00:00")
    row_id = add(store, clock() - 10 * HOUR, clock() - 7 * HOUR)
    assert wa("run-scheduler", "--once", now=clock, WA_QUIET_HOURS=QUIET).code == 5
    assert wa("schedule", "retry", row_id, now=clock, WA_QUIET_HOURS=QUIET).code == 0
    assert delivered(home) == ["Hello"]


# ── Quiet hours ───────────────────────────────────────────────────────────────────────────────────


def test_a_backlog_found_at_night_waits_or_is_missed_and_messages_on_time_go_out(wa, home, store):
    """At 01:00 the connection is back, and no message that was due in the evening wakes anybody."""
    clock = FakeClock("2026-11-21T01:00:00")
    made = clock() - timedelta(days=10)
    add(store, made, clock() - 3 * HOUR, "22:00, short grace")
    add(store, made, clock() - 3 * HOUR, "22:00, long grace", grace=12 * HOUR)
    add(store, made, clock() - HOUR, "midnight", grace=8 * HOUR)
    add(store, made, clock() - HOUR, "midnight, until 07:59", grace=8 * HOUR - MINUTE)
    add(store, made, clock() - timedelta(days=3), "3 d")
    add(store, made, clock(), "now")
    add(store, made, clock() - MINUTE, "a minute ago")
    add(store, made, clock(), "at once", immediate=True)
    add(store, made, clock() - 2 * HOUR, "at once, 2 h ago", immediate=True)
    add(store, made, clock() + timedelta(days=2), "later")
    assert wa("run-scheduler", "--once", now=clock, WA_QUIET_HOURS=QUIET).code == 5
    assert set(delivered(home)) == {"now", "a minute ago", "at once", "at once, 2 h ago"}
    found = statuses(store)
    assert [text for text in found if found[text] == "missed"] == [
        "3 d",
        "22:00, short grace",
        "midnight, until 07:59",
    ]
    held = {
        row["message"]: row["not_before"] for row in schedule.listing(store, "pending") if row["not_before"]
    }
    assert held == {
        "22:00, long grace": "2026-11-21T08:00:00.000Z",
        "midnight": "2026-11-21T08:00:00.000Z",
    }
    clock.at = utc("2026-11-21T07:59:59")
    assert wa("run-scheduler", "--once", now=clock, WA_QUIET_HOURS=QUIET).code == 0
    assert len(delivered(home)) == 4
    clock.at = utc("2026-11-21T08:00:00")
    assert wa("run-scheduler", "--once", now=clock, WA_QUIET_HOURS=QUIET).code == 0
    assert delivered(home)[4:] == ["22:00, long grace", "midnight"]


def test_a_grace_that_would_end_in_the_quiet_hours_is_named_as_the_reason(store):
    now = utc("2026-11-21T01:00")
    row_id = add(store, now - 10 * HOUR, now - 3 * HOUR, grace=6 * HOUR)
    assert send_all(store, now) == []
    row = schedule.get(store, row_id)
    assert row["status"] == "missed"
    assert "its grace ended" not in row["error_message"]
    assert "quiet" in row["error_message"]


def test_held_rows_are_shown_with_the_reason(wa, store):
    clock = FakeClock("2026-11-21T01:00:00")
    add(store, clock() - 10 * HOUR, clock() - HOUR, grace=12 * HOUR)
    assert wa("run-scheduler", "--once", now=clock, WA_QUIET_HOURS=QUIET).code == 0
    [row] = wa("schedule", "list", "--json", now=clock).json
    assert row["status"] == "pending"
    assert "quiet hours" in row["note"]
    assert "quiet hours" in wa("schedule", "list", now=clock).out


def test_a_held_row_can_be_cancelled_and_given_another_time(wa, store):
    clock = FakeClock("2026-11-21T01:00:00")
    first = add(store, clock() - 10 * HOUR, clock() - HOUR, "first", grace=12 * HOUR)
    second = add(store, clock() - 10 * HOUR, clock() - HOUR, "second", grace=12 * HOUR)
    assert send_all(store, clock()) == []
    assert wa("schedule", "cancel", first, now=clock).code == 0
    assert wa("schedule", "edit", second, "--at", "in 1 hour", now=clock).code == 0
    clock.advance(hours=1)
    assert send_all(store, clock()) == ["second"]
    assert status_of(store, first) == "cancelled"


@pytest.mark.parametrize(
    ("now", "quiet", "zone", "goes"),
    [
        # the clock in London is an hour ahead of UTC in summer
        ("2026-07-01T20:59:59", QUIET, "Europe/London", None),
        ("2026-07-01T21:00:00", QUIET, "Europe/London", "2026-07-02T07:00:00.000Z"),
        ("2026-07-02T06:59:59", QUIET, "Europe/London", "2026-07-02T07:00:00.000Z"),
        ("2026-07-02T07:00:00", QUIET, "Europe/London", None),
        # the night in which it goes back, and the one in which it goes forward
        ("2026-10-24T21:00:00", QUIET, "Europe/London", "2026-10-25T08:00:00.000Z"),
        ("2026-10-25T00:30:00", QUIET, "Europe/London", "2026-10-25T08:00:00.000Z"),
        ("2026-10-25T01:30:00", QUIET, "Europe/London", "2026-10-25T08:00:00.000Z"),
        ("2026-10-25T07:30:00", QUIET, "Europe/London", "2026-10-25T08:00:00.000Z"),
        ("2026-10-25T08:00:00", QUIET, "Europe/London", None),
        ("2026-10-25T21:30:00", QUIET, "Europe/London", None),
        ("2027-03-27T22:00:00", QUIET, "Europe/London", "2027-03-28T07:00:00.000Z"),
        ("2027-03-28T00:59:59", QUIET, "Europe/London", "2027-03-28T07:00:00.000Z"),
        ("2027-03-28T06:59:59", QUIET, "Europe/London", "2027-03-28T07:00:00.000Z"),
        ("2027-03-28T07:00:00", QUIET, "Europe/London", None),
        # an end that the clock skips, and an end that it shows twice
        ("2027-03-28T00:30:00", "22:00-01:30", "Europe/London", "2027-03-28T01:00:00.000Z"),
        ("2027-03-28T01:00:00", "22:00-01:30", "Europe/London", None),
        ("2026-10-25T00:15:00", "22:00-01:30", "Europe/London", "2026-10-25T00:30:00.000Z"),
        # other zones, by day, and from midnight
        ("2026-11-20T12:00:00", QUIET, "Asia/Kolkata", None),
        ("2026-11-20T17:00:00", QUIET, "Asia/Kolkata", "2026-11-21T02:30:00.000Z"),
        ("2026-11-20T04:00:00", QUIET, "America/New_York", "2026-11-20T13:00:00.000Z"),
        ("2026-11-20T12:30:00", "12:00-14:00", "Europe/London", "2026-11-20T14:00:00.000Z"),
        ("2026-11-20T11:59:59", "12:00-14:00", "Europe/London", None),
        ("2026-11-20T00:00:00", "00:00-06:00", "Europe/London", "2026-11-20T06:00:00.000Z"),
        ("2026-11-20T23:59:59", "20:00-00:00", "Europe/London", "2026-11-21T00:00:00.000Z"),
        ("2026-11-21T00:00:00", "20:00-00:00", "Europe/London", None),
    ],
)
def test_a_late_message_waits_for_the_end_of_the_quiet_hours(store, now, quiet, zone, goes):
    how = settings(WA_QUIET_HOURS=quiet, WA_TZ=zone)
    moment = utc(now)
    row_id = add(store, moment - 2 * HOUR, moment - HOUR, grace=timedelta(days=2))
    assert send_all(store, moment, how) == ([] if goes else ["Hello"])
    assert schedule.get(store, row_id)["not_before"] == goes
    if goes:
        pause = send.seconds_to_next(store, moment, how, Scope.ALL)
        assert pause == (from_iso(goes) - moment).total_seconds()
        assert send_all(store, from_iso(goes) - MOMENT, how) == []
        assert send_all(store, from_iso(goes), how) == ["Hello"]


@pytest.mark.parametrize("late", [timedelta(), timedelta(seconds=1), MINUTE])
def test_a_message_on_time_goes_out_in_quiet_hours(store, late):
    due = utc("2027-01-01T00:00")
    add(store, due - HOUR, due)
    assert send_all(store, due + late) == ["Hello"]


def take_turns(store: Store, start: datetime, how: Settings) -> tuple[int, datetime]:
    """Send one row after the other, as soon as each may go; return how many went, and when the last did."""
    now, last, count = start, start, 0
    while (pause := send.seconds_to_next(store, now, how, Scope.ALL)) is not None:
        now += timedelta(seconds=pause)
        claim = take(store, now, how)
        if claim is not None:
            settle(store, claim, now)
            count, last = count + 1, now
    return count, last


def add_many(store: Store, due: datetime, count: int) -> None:
    with store.write():
        for number in range(count):
            store.insert(
                "scheduled_messages",
                {
                    "id": f"1_{number:06x}",
                    "to_jid": REEM_JID,
                    "message": f"Happy New Year {number}",
                    "scheduled_at": to_iso(due),
                    "expires_at": to_iso(due + GRACE),
                    "created_at": to_iso(due - HOUR),
                },
            )


@pytest.mark.parametrize(
    ("spacing", "count"),
    [("1", 300), ("20", 60), ("600", 10)],
)
def test_a_burst_at_midnight_is_not_held_as_late(store, spacing, count):
    how = settings(WA_QUIET_HOURS=QUIET, WA_SEND_SPACING=spacing)
    midnight = utc("2027-01-01T00:00")
    add_many(store, midnight, count)
    sent, last = take_turns(store, midnight, how)
    assert sent == count
    assert schedule.counts(store) == {"sent": count}
    assert last < midnight + timedelta(seconds=float(spacing) * count * 1.25)


def test_messages_of_midnight_found_later_in_the_night_are_held(store):
    how = settings(WA_QUIET_HOURS=QUIET, WA_SEND_SPACING="1")
    midnight = utc("2027-01-01T00:00")
    add_many(store, midnight, 20)
    with store.write():
        store.execute("UPDATE scheduled_messages SET expires_at = '2027-01-01T12:00:00.000Z'")
    now = utc("2027-01-01T02:00")
    assert take(store, now, how) is None
    assert {row["not_before"] for row in schedule.listing(store, "pending")} == {"2027-01-01T08:00:00.000Z"}
    sent, last = take_turns(store, now, how)
    assert sent == 20
    assert last >= utc("2027-01-01T08:00")


def test_after_a_brake_in_the_night_the_other_messages_are_late(store):
    """After a 429 the other New Year's greetings are late, and wait for the morning or are missed."""
    how = settings(WA_QUIET_HOURS=QUIET, WA_SEND_SPACING="1")
    midnight = utc("2027-01-01T00:00")
    add_many(store, midnight, 5)
    first = take(store, midnight, how)
    assert first is not None
    settle(store, first, midnight)
    with store.write():
        pacing.brake(store, midnight + MINUTE)
    sent, _ = take_turns(store, midnight + 17 * MINUTE, how)
    assert sent == 0
    assert schedule.counts(store) == {"sent": 1, "missed": 4}


# ── As properties ─────────────────────────────────────────────────────────────────────────────────

MIDDAY = utc("2026-12-01T12:00")
# Zones without a clock change in that month, so that the wall clock alone says whether it is quiet.
ZONES = ("UTC", "Europe/London", "Asia/Kolkata", "America/New_York", "Pacific/Chatham")

minutes = st.integers(0, 24 * 60 - 1)
spans = st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1])
quiet_hours = st.none() | spans
distances = st.integers(-120, 3 * 24 * 60).map(lambda count: timedelta(minutes=count))
graces = st.integers(1, 2 * 24 * 60).map(lambda count: timedelta(minutes=count))
fine = st.integers(0, 59_999).map(lambda count: timedelta(milliseconds=count))
exhaustive = hypothesis_settings(
    database=None,
    max_examples=examples(150),
)


def clock_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def setting_of(quiet: tuple[int, int] | None, zone: str) -> Settings:
    given = {"WA_QUIET_HOURS": "-".join(map(clock_text, quiet))} if quiet else {}
    return settings(WA_TZ=zone, **given)


def is_quiet(moment: datetime, quiet: tuple[int, int] | None, how: Settings) -> bool:
    """Return whether it is quiet, by the wall clock alone."""
    if quiet is None:
        return False
    local = moment.astimezone(how.zone)
    minute = local.hour * 60 + local.minute
    start, end = quiet
    return start <= minute < end if start < end else minute >= start or minute < end


def forget_all(store: Store) -> None:
    with store.write():
        for table in ("scheduled_messages", "state", "messages", "chats"):
            store.execute(f"DELETE FROM {table}")


@exhaustive
@given(late=distances, grace=graces, quiet=quiet_hours, zone=st.sampled_from(ZONES), start=distances, ms=fine)
def test_one_look_sends_holds_or_misses_a_row_as_the_rule_says(store, late, grace, quiet, zone, start, ms):
    forget_all(store)
    how = setting_of(quiet, zone)
    now = MIDDAY + start + ms
    due = now - late
    expires = due + grace
    row_id = add(store, due - HOUR, due, grace=grace)
    claim = take(store, now, how)
    row = schedule.get(store, row_id)
    quiet_now = is_quiet(now, quiet, how)
    if late < timedelta():
        assert (claim, row["status"], row["not_before"]) == (None, "pending", None)
    elif now <= expires and not (quiet_now and late > LATE):
        assert claim is not None
    elif row["status"] == "pending":
        end = from_iso(row["not_before"])
        assert claim is None
        assert quiet_now
        assert now < end <= expires
        assert not is_quiet(end, quiet, how)
        assert is_quiet(end - MOMENT, quiet, how)
    else:
        assert claim is None
        assert row["status"] == "missed"
        assert expires < now or quiet_now


@exhaustive
@given(
    dues=st.lists(distances, min_size=1, max_size=6),
    grace=graces,
    quiet=quiet_hours,
    zone=st.sampled_from(ZONES),
    steps=st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_no_outage_makes_a_message_go_out_after_its_grace_or_late_at_night(
    store, dues, grace, quiet, zone, steps
):
    """The owner runs only now and then, for no longer than it takes to send the due rows."""
    forget_all(store)
    how = setting_of(quiet, zone)
    rows = {}
    for number, due in enumerate(dues):
        rows[add(store, MIDDAY - 3 * HOUR, MIDDAY + due, str(number), grace=grace)] = MIDDAY + due
    now = MIDDAY
    for step in steps:
        now += timedelta(minutes=step)
        while claim := take(store, now, how):
            due = rows[claim.id]
            assert due <= now <= due + grace
            assert now - due <= LATE or not is_quiet(now, quiet, how)
            settle(store, claim, now)
        for row_id, due in rows.items():
            row = schedule.get(store, row_id)
            quiet_now = is_quiet(now, quiet, how)
            if row["status"] == "pending":
                assert due > now or (quiet_now and now <= due + grace)
            elif row["status"] == "missed" and row["updated_at"] == to_iso(now):
                assert due + grace < now or quiet_now
    now += timedelta(days=10)
    assert send_all(store, now, how) == []
    assert set(statuses(store).values()) <= {"sent", "missed"}


@exhaustive
@given(
    dues=st.lists(distances, min_size=1, max_size=6),
    grace=graces,
    quiet=quiet_hours,
    zone=st.sampled_from(ZONES),
)
def test_an_owner_that_is_always_there_sends_everything_on_time(store, dues, grace, quiet, zone):
    forget_all(store)
    how = setting_of(quiet, zone)
    for due in dues:
        add(store, MIDDAY - 3 * HOUR, MIDDAY + due, grace=grace)
    now = MIDDAY - 3 * HOUR
    while (pause := send.seconds_to_next(store, now, how, Scope.ALL)) is not None:
        now += timedelta(seconds=pause)
        claim = take(store, now, how)
        assert claim is not None
        assert to_iso(now) == schedule.get(store, claim.id)["scheduled_at"]
        settle(store, claim, now)
    assert set(statuses(store).values()) == {"sent"}
