"""schedule and run-scheduler as people use them: their output, the rows they write and their exit codes."""

from __future__ import annotations

import json
import re
import signal
from datetime import timedelta
from typing import Any

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered, is_connected, is_owned, wait_for

from wa.connection import deliver, owner
from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.queue.rows import STATUSES
from wa.store.database import Store
from wa.store.locks import lock_holder
from wa.store.paths import Home
from wa.times import from_iso, to_iso
from wa.whatsapp.loopback.server import Loopback

HOUR = timedelta(hours=1)
REEM_TO = Recipient(REEM_JID, REEM, None)
COLUMNS = {
    "id", "to_jid", "to_phone", "contact_name", "message", "scheduled_at", "status", "error_code",
    "error_message", "created_at", "created_from", "sent_at", "message_id", "attempts", "expires_at",
    "series_id", "job_id", "idempotency_key",
}  # fmt: skip
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def clock() -> FakeClock:
    """Friday noon; London's clock shows UTC."""
    return FakeClock("2026-11-20T12:00:00")


@pytest.fixture
def reem(wa, clock):
    """Reem is a contact."""
    assert wa("contacts", "add", "Reem", REEM, now=clock).code == 0


def add_due(store: Store, text: str = "Hello", ago: timedelta = timedelta(seconds=1)) -> str:
    """Add a row that is due by the system's clock; return its id."""
    now = system_now()
    row = schedule.enqueue(store, REEM_TO, text, now - ago, now - ago, grace=6 * HOUR)
    return str(row["id"])


def connection(home: Home) -> str | None:
    """Return the token of the newest connection to the stand-in."""
    server = Loopback(home)
    try:
        return server.connection()
    finally:
        server.close()


def owner_command(home: Home) -> str | None:
    return (lock_holder(home.session_lock) or {}).get("command")


def status_of(store: Store, row_id: str) -> str:
    return str(schedule.get(store, row_id)["status"])


def everything(wa, clock) -> list[dict[str, Any]]:
    return wa("schedule", "list", "--status", "all", "--json", now=clock).json


def check_row(row: dict[str, Any]) -> None:
    """Check the form of a row in JSON."""
    assert set(row) >= COLUMNS
    for name in ("scheduled_at", "created_at", "updated_at", "expires_at", "sent_at", "not_before"):
        assert row[name] is None or ISO.fullmatch(row[name]), name
    assert re.fullmatch(r"\d{13}_[0-9a-f]{6}", row["id"])
    assert "secret" not in row


# ── add ───────────────────────────────────────────────────────────────────────────────────────────


def test_add_prints_the_time_with_zone_and_distance(wa, reem, clock):
    result = wa("schedule", "add", "reem", "Happy birthday!", "--at", "24 dec 10:00", now=clock)
    assert result.code == 0, result.err
    assert "Thu 24 Dec 2026 10:00 Europe/London, in 33 days" in result.out
    assert "Reem" in result.out
    [row] = everything(wa, clock)
    assert row["id"] in result.out


def test_add_prints_the_row(wa, reem, clock):
    arguments = ("schedule", "add", "reem", "Hi", "--at", "25 dec 10:00", "--grace", "90m", "--key", "k1")
    row = wa(*arguments, "--json", now=clock).json
    check_row(row)
    assert row == {
        **row,
        "to_jid": REEM_JID,
        "to_phone": REEM,
        "contact_name": "Reem",
        "message": "Hi",
        "scheduled_at": "2026-12-25T10:00:00.000Z",
        "timezone": "Europe/London",
        "status": "pending",
        "created_at": "2026-11-20T12:00:00.000Z",
        "created_from": "cli",
        "attempts": 0,
        "expires_at": "2026-12-25T11:30:00.000Z",
        "idempotency_key": "k1",
        "sent_at": None,
        "message_id": None,
        "error_code": None,
        "series_id": None,
        "job_id": None,
    }
    assert everything(wa, clock) == [row]


def test_add_reads_the_time_in_the_zone_of_tz(wa, clock):
    arguments = ("schedule", "add", REEM, "Hi", "--at", "25 dec 10:00", "--tz", "America/New_York")
    row = wa(*arguments, "--json", now=clock).json
    assert row["scheduled_at"] == "2026-12-25T15:00:00.000Z"
    assert row["timezone"] == "America/New_York"
    assert "Fri 25 Dec 2026 10:00 America/New_York, in 35 days" in wa(*arguments, now=clock).out


def test_add_reads_the_time_in_the_contacts_zone(wa, reem, store, clock):
    with store.write():
        store.execute("UPDATE contacts SET timezone = 'Asia/Kolkata'")
    arguments = ("schedule", "add", "reem", "Hi", "--at", "25 dec 10:00", "--tz", "contact", "--json")
    result = wa(*arguments, now=clock)
    assert result.code == 0, result.err
    assert result.json["scheduled_at"] == "2026-12-25T04:30:00.000Z"
    assert result.json["timezone"] == "Asia/Kolkata"


def test_a_zone_in_the_time_is_that_of_the_row(wa, reem, store, clock):
    at = ("--at", "25 dec 10:00 America/New_York")
    row = wa("schedule", "add", REEM, "Hi", *at, "--tz", "Asia/Tokyo", "--json", now=clock).json
    assert (row["scheduled_at"], row["timezone"]) == ("2026-12-25T15:00:00.000Z", "America/New_York")
    row = wa("schedule", "edit", row["id"], "--at", "26 dec 10:00 Asia/Kolkata", "--json", now=clock).json
    assert (row["scheduled_at"], row["timezone"]) == ("2026-12-26T04:30:00.000Z", "Asia/Kolkata")
    row = wa("schedule", "edit", row["id"], "--tz", "UTC", "--json", now=clock).json
    assert (row["scheduled_at"], row["timezone"]) == ("2026-12-26T10:00:00.000Z", "UTC")
    row = wa("schedule", "add", REEM, "Hi", *at, "--every", "week", "--json", now=clock).json
    assert (row["scheduled_at"], row["timezone"]) == ("2026-12-25T15:00:00.000Z", "America/New_York")
    series = row["series_id"]
    error = wa("schedule", "edit", series, "--at", "1 jan 10:00 UTC", "--json", now=clock).error
    assert error["code"] == "usage"
    with store.write():
        store.execute("UPDATE contacts SET timezone = 'Asia/Kolkata'")
    error = wa("schedule", "add", "reem", "Hi", *at, "--tz", "contact", "--json", now=clock).error
    assert error["code"] == "usage"
    assert "America/New_York" in error["message"]
    assert "Asia/Kolkata" in error["message"]


def test_a_distance_is_shown_as_it_was_typed(wa):
    """The command takes a moment; what it shows was reckoned from its end, and was `in 9 minutes`."""
    for distance in ("10 minutes", "1 hour", "5 hours", "10 days"):
        ends = FakeClock("2026-11-20T12:00:00")

        def now(clock=ends):
            clock.advance(milliseconds=337)
            return clock.at

        assert wa("schedule", "add", REEM, "Hi", "--at", f"in {distance}", now=now).out.endswith(
            f", in {distance}\n"
        )


def test_a_time_that_a_clock_change_moves_is_said(wa, clock):
    skipped = "skips 01:30 on Sun 28 Mar 2027: 02:00 is meant"
    added = wa("schedule", "add", REEM, "Hi", "--at", "2027-03-28 01:30", now=clock)
    assert skipped in added.err
    assert "Sun 28 Mar 2027 02:00 Europe/London" in added.out
    [row] = everything(wa, clock)
    assert wa("schedule", "edit", row["id"], "--at", "2027-03-28 03:00", now=clock).err == ""
    assert skipped in wa("schedule", "edit", row["id"], "--at", "2027-03-28 01:30", now=clock).err
    twice = wa("schedule", "add", REEM, "Hi", "--at", "2027-10-31 01:30", now=clock).err
    assert "shows 01:30 twice on Sun 31 Oct 2027: the first is meant" in twice


def test_add_keeps_the_wall_clock_across_a_clock_change(wa):
    summer = FakeClock("2026-10-20T12:00:00")
    row = wa("schedule", "add", REEM, "Hi", "--at", "1 nov 09:00", "--json", now=summer).json
    assert row["scheduled_at"] == "2026-11-01T09:00:00.000Z"
    row = wa("schedule", "add", REEM, "Hi", "--at", "24 oct 09:00", "--json", now=summer).json
    assert row["scheduled_at"] == "2026-10-24T08:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-12-25T10:00:00Z", "2026-12-25T10:00:00.000Z"),
        ("2026-12-25 10:00", "2026-12-25T10:00:00.000Z"),
        ("2026-12-25T10:00+05:30", "2026-12-25T04:30:00.000Z"),
        ("18:30", "2026-11-20T18:30:00.000Z"),
        ("11:00", "2026-11-21T11:00:00.000Z"),
        ("tomorrow 9am", "2026-11-21T09:00:00.000Z"),
        ("in 2 hours", "2026-11-20T14:00:00.000Z"),
        ("in 90s", "2026-11-20T12:01:30.000Z"),
        ("in 3 days", "2026-11-23T12:00:00.000Z"),
        ("in 2 weeks", "2026-12-04T12:00:00.000Z"),
        ("next friday 14:00", "2026-11-27T14:00:00.000Z"),
        ("25 dec 10:00", "2026-12-25T10:00:00.000Z"),
        ("1 jan 00:00", "2027-01-01T00:00:00.000Z"),
    ],
)
def test_add_takes_every_form_of_time(wa, clock, text, due):
    result = wa("schedule", "add", REEM, "Hi", "--at", text, "--json", now=clock)
    assert result.code == 0, result.err
    assert result.json["scheduled_at"] == due


@pytest.mark.parametrize(
    "text",
    [
        "03/04",
        "03/04 10:00",
        "2020-01-01 10:00",
        "2026-11-20 11:59",
        "yesterday 10:00",
        "tomorrow",
        "soon",
        "",
        "25:00",
        "30 feb 10:00",
        "in -2 hours",
        "in two hours",
    ],
)
def test_add_refuses_a_time_that_is_past_or_unclear_and_writes_nothing(wa, clock, text):
    result = wa("schedule", "add", REEM, "Hi", "--at", text, "--json", now=clock)
    assert result.code == 2
    assert result.error["code"] == "usage"
    assert result.error["hint"]
    assert f'"{text}"' in result.error["message"]
    assert result.out == ""
    assert everything(wa, clock) == []


def test_add_shows_both_readings_of_an_ambiguous_time(wa, clock):
    result = wa("schedule", "add", REEM, "Hi", "--at", "03/04 10:00", now=clock)
    assert "3 April" in result.err
    assert "4 March" in result.err


def test_add_shows_how_a_past_time_was_read(wa, clock):
    result = wa("schedule", "add", REEM, "Hi", "--at", "2026-01-02 03:04", now=clock)
    assert "Fri 2 Jan 2026 03:04 Europe/London" in result.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((REEM, "Hi"), "usage"),
        ((REEM, "Hi", "--at"), "usage"),
        ((REEM, "--at", "18:30"), "usage"),
        ((REEM, "Hi", "--at", "18:30", "--tz", "Mars/Olympus"), "usage"),
        ((REEM, "Hi", "--at", "18:30", "--grace", "soon"), "usage"),
        ((REEM, "Hi", "--at", "18:30", "--grace", "-5m"), "usage"),
        ((REEM, "Hi", "--at", "18:30", "--grace", "0s"), "usage"),
        ((REEM, "", "--at", "18:30"), "usage"),
        ((REEM, " \n\t ", "--at", "18:30"), "usage"),
        ((REEM, "x" * 65_537, "--at", "18:30"), "message-too-long"),
        (("nobody", "Hi", "--at", "18:30"), "recipient-not-found"),
    ],
)
def test_add_refuses_bad_values_and_writes_nothing(wa, clock, arguments, code):
    result = wa("schedule", "add", *arguments, "--json", now=clock)
    assert result.code == {"usage": 2, "message-too-long": 5, "recipient-not-found": 4}[code]
    assert result.error["code"] == code
    assert result.out == ""
    assert everything(wa, clock) == []


def test_add_reads_the_text_from_standard_input(wa, clock):
    text = "Zeile eins\n  zwei: ß, 中文, 😀"
    row = wa("schedule", "add", REEM, "-", "--at", "18:30", "--json", stdin=text + "\n", now=clock).json
    assert row["message"] == text


@pytest.mark.parametrize("data", [b"", b"\n", b"caf\xe9"])
def test_add_refuses_standard_input_that_is_no_text(wa, clock, data):
    result = wa("schedule", "add", REEM, "-", "--at", "18:30", "--json", stdin=data, now=clock)
    assert result.code == 2
    assert result.error["code"] == "usage"
    assert everything(wa, clock) == []


def test_a_text_that_looks_like_an_option_follows_two_dashes(wa, clock):
    row = wa("schedule", "add", "--at", "18:30", "--json", "--", REEM, "--help", now=clock).json
    assert row["message"] == "--help"


# ── list and show ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def one_of_each(store: Store, clock: FakeClock) -> dict[str, str]:
    """Add a row in every status, due an hour apart in the order of STATUSES; return the ids by status."""
    ids = {}
    for number, status in enumerate(STATUSES):
        due = clock() + number * HOUR
        row = schedule.enqueue(store, REEM_TO, f"text of {status}", due, clock(), grace=HOUR, zone="UTC")
        with store.write():
            schedule.update(store, row["id"], clock(), status=status)
        ids[status] = row["id"]
    return ids


def test_list_shows_rows_that_are_not_settled(wa, one_of_each, clock):
    rows = wa("schedule", "list", "--json", now=clock).json
    assert [row["status"] for row in rows] == ["draft", "pending", "held", "sending", "unknown"]
    for row in rows:
        check_row(row)


@pytest.mark.parametrize("status", STATUSES)
def test_list_shows_one_status(wa, one_of_each, clock, status):
    rows = wa("schedule", "list", "--status", status, "--json", now=clock).json
    assert [row["id"] for row in rows] == [one_of_each[status]]


def test_list_shows_all_rows_by_their_time(wa, one_of_each, clock):
    assert [row["status"] for row in everything(wa, clock)] == list(STATUSES)


def test_list_of_an_unknown_status_is_usage(wa, clock):
    result = wa("schedule", "list", "--status", "delivered", "--json", now=clock)
    assert result.code == 2
    assert "pending" in result.error["hint"]


def test_list_without_rows_is_empty(wa, clock):
    result = wa("schedule", "list", "--json", now=clock)
    assert (result.code, result.json) == (0, [])
    result = wa("schedule", "list", now=clock)
    assert (result.code, result.out) == (0, "")


def test_list_in_a_pipe_is_one_line_for_each_row_with_local_times(wa, reem, clock):
    arguments = ("schedule", "add", "reem", "two\nlines\tand a tab", "--at", "25 dec 10:00")
    row = wa(*arguments, "--tz", "Asia/Kolkata", "--json", now=clock).json
    [line] = wa("schedule", "list", now=clock).out.splitlines()
    cells = line.split("\t")
    assert cells[:2] == [row["id"], "pending"]
    assert "2026-12-25 04:30" in cells
    assert "Reem" in cells
    assert "two lines and a tab" in line


def test_show_prints_every_field_of_a_row(wa, reem, clock):
    row = wa("schedule", "add", "reem", "one\ntwo", "--at", "25 dec 10:00", "--json", now=clock).json
    shown = wa("schedule", "show", row["id"][-6:], "--json", now=clock)
    assert shown.json == row
    text = wa("schedule", "show", row["id"], now=clock).out
    for part in (row["id"], "Reem", REEM_JID, "Fri 25 Dec 2026 10:00 Europe/London", "pending", "one", "two"):
        assert part in text


def test_show_of_a_missing_row_is_not_found(wa, clock):
    result = wa("schedule", "show", "nothing", "--json", now=clock)
    assert result.code == 4
    assert result.error["code"] == "not-found"


# ── edit ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def row(wa, clock) -> dict[str, Any]:
    """A message for 25 December, 10:00 in New York, with a grace of 90 minutes."""
    arguments = ("schedule", "add", REEM, "Hi", "--at", "25 dec 10:00", "--tz", "America/New_York")
    added: dict[str, Any] = wa(*arguments, "--grace", "90m", "--json", now=clock).json
    return added


def test_edit_changes_the_text_alone(wa, row, clock):
    clock.advance(minutes=1)
    changed = wa("schedule", "edit", row["id"], "--text", "Ho", "--json", now=clock).json
    check_row(changed)
    assert changed == {**row, "message": "Ho", "updated_at": to_iso(clock())}


def test_edit_reads_the_new_time_in_the_rows_zone_and_keeps_its_grace(wa, row, clock):
    changed = wa("schedule", "edit", row["id"], "--at", "26 dec 11:00", "--json", now=clock).json
    assert changed == {
        **row,
        "scheduled_at": "2026-12-26T16:00:00.000Z",
        "expires_at": "2026-12-26T17:30:00.000Z",
        "updated_at": changed["updated_at"],
    }
    text = wa("schedule", "edit", row["id"], "--at", "27 dec 11:00", now=clock).out
    assert "Sun 27 Dec 2026 11:00 America/New_York, in 37 days" in text


def test_edit_changes_the_recipient(wa, row, clock):
    assert wa("contacts", "add", "Adam", ADAM, now=clock).code == 0
    changed = wa("schedule", "edit", row["id"], "--to", "adam", "--json", now=clock).json
    assert changed == {
        **row,
        "to_jid": ADAM_JID,
        "to_phone": ADAM,
        "contact_name": "Adam",
        "updated_at": changed["updated_at"],
    }


@pytest.fixture
def in_tokyo(wa, clock) -> dict[str, Any]:
    """A message to Reem, who lives in Tokyo, for 25 December, 10:00 there."""
    assert wa("contacts", "add", "Reem", REEM, "--tz", "Asia/Tokyo", now=clock).code == 0
    assert wa("contacts", "add", "Adam", ADAM, "--tz", "Asia/Dubai", now=clock).code == 0
    arguments = ("schedule", "add", "reem", "Hi", "--at", "25 dec 10:00", "--tz", "contact", "--json")
    added: dict[str, Any] = wa(*arguments, now=clock).json
    return added


@pytest.mark.parametrize(
    ("arguments", "zone", "due"),
    [
        (["--to", "adam"], "Europe/London", "2026-12-25T01:00"),
        (["--to", "adam", "--at", "26 dec 9:00"], "Europe/London", "2026-12-26T09:00"),
        (["--to", "adam", "--tz", "contact"], "Asia/Dubai", "2026-12-25T06:00"),
        (["--to", "adam", "--tz", "contact", "--at", "26 dec 9:00"], "Asia/Dubai", "2026-12-26T05:00"),
        (["--to", REEM], "Asia/Tokyo", "2026-12-25T01:00"),
        (["--tz", "America/New_York"], "America/New_York", "2026-12-25T15:00"),
        (["--tz", "contact", "--at", "26 dec 9:00"], "Asia/Tokyo", "2026-12-26T00:00"),
        (["--tz", "UTC", "--at", "26 dec 9:00"], "UTC", "2026-12-26T09:00"),
    ],
    ids=" ".join,
)
def test_edit_keeps_nobody_else_s_zone_and_takes_another(wa, in_tokyo, clock, arguments, zone, due):
    changed = wa("schedule", "edit", in_tokyo["id"], *arguments, "--json", now=clock).json
    assert (changed["timezone"], changed["scheduled_at"]) == (zone, f"{due}:00.000Z")
    assert zone in wa("schedule", "show", in_tokyo["id"], now=clock).out


def test_edit_to_a_zone_in_which_the_time_has_passed_is_refused(wa, in_tokyo, clock):
    clock.at = from_iso("2026-12-24T22:00:00Z")  # 07:00 in Tokyo, three hours before
    result = wa("schedule", "edit", in_tokyo["id"], "--tz", "Pacific/Kiritimati", "--json", now=clock)
    assert (result.code, result.error["code"]) == (2, "usage")
    assert "has passed" in result.error["message"]
    assert wa("schedule", "edit", in_tokyo["id"], "--tz", "Mars/Base", now=clock).code == 2
    assert everything(wa, clock) == [in_tokyo]


def test_edit_changes_several_things_at_once(wa, row, clock):
    arguments = ("--text", "Ho", "--at", "in 1 hour", "--to", ADAM)
    changed = wa("schedule", "edit", row["id"], *arguments, "--json", now=clock).json
    assert (changed["message"], changed["to_jid"]) == ("Ho", ADAM_JID)
    assert changed["scheduled_at"] == to_iso(clock() + HOUR)


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        ((), 2),
        (("--text", ""), 2),
        (("--text", "x" * 65_537), 5),
        (("--at", "03/04"), 2),
        (("--at", "2020-01-01 10:00"), 2),
        (("--to", "nobody"), 4),
        (("--text", "Ho", "--at", "soon"), 2),
    ],
)
def test_edit_refuses_bad_values_and_changes_nothing(wa, row, clock, arguments, exit_code):
    result = wa("schedule", "edit", row["id"], *arguments, "--json", now=clock)
    assert result.code == exit_code, result.err
    assert result.out == ""
    assert everything(wa, clock) == [row]


def test_the_edited_text_goes_out(wa, home, row, clock):
    arguments = ("--text", "Ho", "--at", "in 1 hour", "--to", ADAM)
    assert wa("schedule", "edit", row["id"], *arguments, now=clock).code == 0
    clock.advance(hours=1)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    [sent] = wa("loopback", "delivered", "--json", now=clock).json
    assert (sent["to_jid"], sent["content"]) == (ADAM_JID, "Ho")


# ── cancel, retry, resolve ────────────────────────────────────────────────────────────────────────


def test_cancel_prints_the_row_and_names_the_recipient(wa, reem, clock):
    added = wa("schedule", "add", "reem", "Hi", "--at", "18:30", "--json", now=clock).json
    result = wa("schedule", "cancel", added["id"], "--json", now=clock)
    check_row(result.json)
    assert result.json == {**added, "status": "cancelled"}
    added = wa("schedule", "add", "reem", "Hi", "--at", "18:30", "--json", now=clock).json
    text = wa("schedule", "cancel", added["id"], now=clock).out
    assert "cancelled" in text
    assert "Reem" in text


def test_retry_without_waiting_queues_the_row_for_now(wa, home, one_of_each, clock):
    result = wa("schedule", "retry", one_of_each["missed"], "--no-wait", "--json", now=clock)
    check_row(result.json)
    assert result.json["status"] == "pending"
    assert result.json["scheduled_at"] == to_iso(clock())
    assert result.json["note"] == f"first due {to_iso(clock() + STATUSES.index('missed') * HOUR)}"
    assert not home.session_lock.exists()


@pytest.mark.parametrize("status", ["failed", "missed"])
def test_retry_waits_until_it_is_sent(wa, home, one_of_each, clock, status):
    result = wa("schedule", "retry", one_of_each[status], "--wait", "20", "--json", now=clock)
    assert result.code == 0, result.err
    check_row(result.json)
    assert result.json["status"] == "sent"
    assert delivered(home) == [f"text of {status}"]


def test_retry_that_finds_no_connection_stays_queued(wa, home, one_of_each, clock):
    wa("loopback", "fault", "offline", "on")
    result = wa("schedule", "retry", one_of_each["failed"], "--wait", "0.2", "--json", now=clock)
    assert result.code == 6
    assert result.error["code"] == "still-queued"
    assert one_of_each["failed"] in result.error["hint"]
    assert delivered(home) == []


@pytest.mark.parametrize("outcome", ["sent", "failed"])
def test_resolve_prints_the_row(wa, one_of_each, clock, outcome):
    result = wa("schedule", "resolve", one_of_each["unknown"], outcome, "--json", now=clock)
    check_row(result.json)
    assert result.json["status"] == outcome
    assert result.json["note"] == "resolved by hand"


@pytest.mark.parametrize(
    "arguments", [("cancel",), ("retry",), ("resolve", "sent"), ("edit", "--text", "Ho"), ("show",)]
)
def test_an_unknown_id_is_not_found(wa, clock, arguments):
    result = wa("schedule", arguments[0], "179_abc", *arguments[1:], "--json", now=clock)
    assert result.code == 4
    assert result.error["code"] == "not-found"


# ── run-scheduler --once ──────────────────────────────────────────────────────────────────────────


def test_once_with_no_due_row_does_not_connect(wa, home, clock):
    assert wa("schedule", "add", REEM, "Later", "--at", "in 1 hour", now=clock).code == 0
    result = wa("run-scheduler", "--once", now=clock)
    assert (result.code, result.out) == (0, "")
    assert not home.session_lock.exists()
    assert not home.loopback.exists()


@pytest.mark.no_home
@pytest.mark.parametrize("transport", ["loopback", "neonize"])
def test_once_without_a_home_ends_with_3_and_makes_none(shell, home, transport):
    result = shell("run-scheduler", "--once", WA_TRANSPORT=transport)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"error: there is no home of wa at {home.path}\nhint: ")
    assert not home.path.exists()


@pytest.mark.no_home
def test_once_in_a_folder_that_is_no_home_makes_none_of_it(wa, home):
    home.path.mkdir()
    assert wa("run-scheduler", "--once").code == 3
    assert list(home.path.iterdir()) == []


def test_once_in_a_home_that_is_not_linked_ends_with_3(wa, home, store):
    result = wa("run-scheduler", "--once", WA_TRANSPORT="neonize")
    assert (result.code, result.out) == (3, "")
    assert "no WhatsApp account is linked" in result.err
    assert not home.session.exists()
    assert not home.session_lock.exists()


def test_once_on_loopback_in_a_fresh_home_ends_with_0(wa, home, store):
    result = wa("run-scheduler", "--once")
    assert (result.code, result.err) == (0, "")
    assert not home.loopback.exists()


def test_once_sends_the_due_rows_and_ends(wa, home, clock):
    for text in ("first", "second"):
        wa("schedule", "add", REEM, text, "--at", "in 1 hour", now=clock)
        clock.advance(minutes=1)
    wa("schedule", "add", REEM, "later", "--at", "in 3 hours", now=clock)
    clock.advance(hours=1)
    result = wa("run-scheduler", "--once", now=clock)
    assert (result.code, result.out) == (0, "")
    assert "2 sent" in result.err
    assert delivered(home) == ["first", "second"]
    assert [row["status"] for row in everything(wa, clock)] == ["sent", "sent", "pending"]
    assert lock_holder(home.session_lock) is None


def test_once_ends_with_5_when_a_message_failed(wa, home, store):
    wa("loopback", "fault", "not-on-whatsapp", ADAM)
    now = system_now()
    schedule.enqueue(store, Recipient(ADAM_JID, ADAM, None), "No", now, now, grace=HOUR)
    add_due(store, "Yes")
    result = wa("run-scheduler", "--once")
    assert result.code == 5
    assert "1 failed" in result.err
    assert delivered(home) == ["Yes"]


def test_once_ends_with_6_when_an_outcome_became_unknown_and_settles_it_later(wa, home, store):
    for name, value in (("ack-timeout", "0.1"), ("ack-lost", "on"), ("receipts", "off")):
        wa("loopback", "fault", name, value)
    row_id = add_due(store)
    result = wa("run-scheduler", "--once")
    assert result.code == 6
    assert "1 unknown" in result.err
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once").code == 0  # no other row became unknown
    assert status_of(store, row_id) == "unknown"
    receipt = {"from": REEM, "receipt": schedule.get(store, row_id)["message_id"]}
    assert wa("loopback", "say", "-", stdin=json.dumps(receipt)).code == 0
    assert wa("run-scheduler", "--once").code == 0
    assert status_of(store, row_id) == "sent"
    assert delivered(home) == ["Hello"]


def test_once_does_not_connect_for_rows_unknown_for_more_than_a_day(wa, home, store, clock):
    row_id = str(schedule.enqueue(store, REEM_TO, "Hello", clock(), clock(), grace=HOUR)["id"])
    with store.write():
        schedule.update(
            store, row_id, clock(), status="unknown", message_id="3EB0AA", claimed_at=to_iso(clock())
        )
    wa("loopback", "delivered", now=clock)
    before = connection(home)
    clock.advance(hours=24, seconds=1)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert connection(home) == before
    clock.advance(seconds=-1)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert connection(home) != before


def test_once_without_a_connection_is_a_network_error_and_keeps_the_queue(wa, store, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    wa("loopback", "fault", "offline", "on")
    row_id = add_due(store)
    result = wa("run-scheduler", "--once")
    assert result.code == 7
    assert result.err.startswith("error: no connection to WhatsApp")
    assert status_of(store, row_id) == "pending"


@pytest.mark.parametrize(
    ("fault", "value", "exit_code"), [("logged-out", "on", 3), ("banned", "60", 5), ("outdated", "on", 7)]
)
def test_once_ends_with_the_error_that_ends_the_connection_and_keeps_the_queue(
    wa, store, fault, value, exit_code
):
    wa("loopback", "fault", fault, value)
    row_id = add_due(store)
    assert wa("run-scheduler", "--once").code == exit_code
    assert status_of(store, row_id) == "pending"


def test_once_beside_a_listener_waits_while_the_listener_sends(wa, home, spawn, store):
    wa("loopback", "fault", "ack-delay", "0.5")
    listener = spawn("listen")
    wait_for(lambda: is_connected(home))
    before = wait_for(lambda: connection(home))
    row_id = add_due(store)
    result = wa("run-scheduler", "--once")
    assert result.code == 0, result.err
    assert "1 sent" in result.err
    assert status_of(store, row_id) == "sent"
    assert connection(home) == before
    assert listener.popen.poll() is None
    assert delivered(home) == ["Hello"]


def test_once_beside_a_listener_reports_an_outcome_that_became_unknown_there(wa, home, spawn, store):
    for name, value in (("ack-timeout", "1.5"), ("ack-lost", "on"), ("receipts", "off")):
        wa("loopback", "fault", name, value)
    spawn("listen")
    wait_for(lambda: is_connected(home))
    row_id = add_due(store)
    assert wa("run-scheduler", "--once").code == 6
    assert status_of(store, row_id) == "unknown"


def test_once_beside_a_listener_without_a_connection_does_not_end_with_0(wa, home, spawn, store, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    wa("loopback", "fault", "offline", "on")
    spawn("listen")
    wait_for(lambda: is_owned(home))
    row_id = add_due(store)
    assert wa("run-scheduler", "--once").code == 7
    assert status_of(store, row_id) == "pending"


def test_once_beside_a_listener_that_does_not_send_is_in_use(wa, home, spawn, store, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    spawn("listen", "--no-send")
    wait_for(lambda: owner_command(home))
    row_id = add_due(store)
    result = wa("run-scheduler", "--once")
    assert result.code == 7
    assert "listen --no-send" in result.err
    assert status_of(store, row_id) == "pending"
    assert delivered(home) == []


def test_once_while_paused_neither_sends_nor_connects(wa, home, store):
    assert wa("pause").code == 0
    row_id = add_due(store)
    assert wa("run-scheduler", "--once").code == 0
    assert status_of(store, row_id) == "pending"
    assert not home.loopback.exists()


def test_once_sets_rows_missed_by_a_clock_ahead_to_pending_again(wa, home, store, clock):
    """Under cron no other owner could do it."""
    right = clock()
    row_id = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--json", now=clock).json["id"]
    clock.advance(days=1)
    assert wa("run-scheduler", "--once", now=clock).code == 5
    assert status_of(store, row_id) == "missed"
    clock.at = right + HOUR
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert status_of(store, row_id) == "sent"
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize("command", [("run-scheduler", "--once"), ("send", REEM, "Now")])
def test_a_clock_set_back_does_not_lengthen_the_brake_where_only_short_commands_run(wa, home, clock, command):
    wa("loopback", "fault", "refuse", "429", now=clock)
    wa("send", REEM, "Queued", "--no-wait", now=clock)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    wa("loopback", "reset", now=clock)
    clock.advance(days=-3)
    wa("send", REEM, "Then", "--no-wait", now=clock)
    assert wa("resume", now=clock).code == 0
    wa(*command, now=clock)  # the brake counts from here at the latest
    clock.advance(minutes=15)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert "Then" in delivered(home)


# ── run-scheduler ─────────────────────────────────────────────────────────────────────────────────


def test_run_scheduler_sends_on_time_and_stays(wa, home, spawn, store):
    scheduler = spawn("run-scheduler")
    wait_for(lambda: is_connected(home))
    row_id = wa("schedule", "add", REEM, "Hello", "--at", "in 1 second", "--json").json["id"]
    wait_for(lambda: status_of(store, row_id) == "sent")
    assert scheduler.popen.poll() is None
    moments = store.row("SELECT scheduled_at, claimed_at FROM scheduled_messages")
    assert moments is not None
    assert from_iso(moments["claimed_at"]) >= from_iso(moments["scheduled_at"])
    assert wa("status", "--json").json["owner"]["command"] == "run-scheduler"
    scheduler.signal(signal.SIGTERM)
    result = scheduler.finish()
    assert result.code == 0, result.err
    assert result.out == ""
    assert f"{row_id} sent" in result.err
    assert "Traceback" not in result.err
    assert lock_holder(home.session_lock) is None


def test_run_scheduler_learns_of_changes_without_being_restarted(wa, home, spawn, store):
    spawn("run-scheduler")
    wait_for(lambda: is_connected(home))
    first = wa("schedule", "add", REEM, "first", "--at", "in 1 hour", "--json").json["id"]
    second = wa("schedule", "add", REEM, "second", "--at", "in 2 hours", "--json").json["id"]
    assert wa("schedule", "edit", second, "--at", "in 1 second").code == 0
    assert wa("schedule", "cancel", first).code == 0
    wait_for(lambda: status_of(store, second) == "sent")
    assert delivered(home) == ["second"]


def test_run_scheduler_goes_on_after_a_dropped_connection(wa, home, spawn, store):
    wa("loopback", "fault", "offline", "on")
    spawn("run-scheduler")
    wait_for(lambda: is_owned(home))
    row_id = add_due(store)
    wa("loopback", "fault", "offline", "off")
    wait_for(lambda: status_of(store, row_id) == "sent")
    assert delivered(home) == ["Hello"]


@pytest.mark.parametrize(
    ("fault", "value", "exit_code"), [("logged-out", "on", 3), ("banned", "60", 5), ("outdated", "on", 7)]
)
def test_run_scheduler_ends_when_the_account_cannot_connect(wa, store, fault, value, exit_code):
    wa("loopback", "fault", fault, value)
    row_id = add_due(store)
    assert wa("run-scheduler").code == exit_code
    assert status_of(store, row_id) == "pending"


@pytest.mark.parametrize(("first", "second"), [("run-scheduler", "listen"), ("listen", "run-scheduler")])
def test_a_standby_takes_over_when_the_owner_is_killed(wa, home, spawn, store, first, second):
    active = spawn(first)
    wait_for(lambda: owner_command(home) == first)
    standby = spawn(second)
    row_id = wa("schedule", "add", REEM, "Hello", "--at", "in 2 seconds", "--json").json["id"]
    active.kill()
    wait_for(lambda: owner_command(home) == second)
    wait_for(lambda: status_of(store, row_id) == "sent")
    assert standby.popen.poll() is None
    assert delivered(home) == ["Hello"]


def test_a_standby_says_that_it_stands_by_and_leaves_the_connection_alone(wa, home, spawn, store):
    active = spawn("listen")
    wait_for(lambda: owner_command(home) == "listen")
    before = wait_for(lambda: connection(home))
    standby = spawn("run-scheduler")
    assert "standing by" in standby.popen.stderr.readline()
    row_id = wa("schedule", "add", REEM, "Hello", "--at", "in 1 second", "--json").json["id"]
    wait_for(lambda: status_of(store, row_id) == "sent")
    assert connection(home) == before
    assert delivered(home) == ["Hello"]
    for process in (standby, active):
        process.signal(signal.SIGTERM)
        assert process.finish().code == 0


def test_status_names_the_process_that_holds_the_connection(wa, home, spawn):
    scheduler = spawn("run-scheduler")
    wait_for(lambda: owner_command(home))
    holder = lock_holder(home.session_lock)
    assert holder is not None
    assert holder["pid"] == scheduler.pid
    assert ISO.fullmatch(holder["since"])
    assert ISO.fullmatch(holder["heartbeat"])
    found = wa("status", "--json").json["owner"]
    assert found == {"pid": scheduler.pid, "command": "run-scheduler", "since": holder["since"]}
    assert f"pid {scheduler.pid}" in wa("status").out


def test_the_owner_looks_at_the_queue_at_least_every_15_minutes():
    assert owner.LOOK_EVERY == 15 * 60


# ── Shell completion ──────────────────────────────────────────────────────────────────────────────


def complete(shell: Any, *words: str) -> list[str]:
    """Return the completions that bash is offered for the last of the words."""
    result = shell(
        _WA_COMPLETE="complete_bash", COMP_WORDS=" ".join(("wa", *words)), COMP_CWORD=str(len(words))
    )
    assert result.code == 0, result.err
    assert result.err == ""
    return [line for line in result.out.splitlines() if line]


def test_contacts_are_completed(wa, shell):
    for name, phone in (("Reem", REEM), ("Rami", "447700900777"), ("Adam", ADAM)):
        assert wa("contacts", "add", name, phone).code == 0
    assert sorted(complete(shell, "send", "R")) == ["Rami", "Reem"]
    assert complete(shell, "schedule", "add", "Ad") == ["Adam"]
    assert complete(shell, "read", "Ree") == ["Reem"]
    assert complete(shell, "send", "Adam", "--mention", "Re") == ["Reem"]
    assert complete(shell, "send", "Adam", "--contact", "Ree") == ["Reem"]
    assert complete(shell, "send", "Zo") == []


def test_templates_are_completed(wa, shell):
    for name in ("birthday", "new year"):
        assert wa("template", "add", name, "x").code == 0
    assert complete(shell, "template", "show", "b") == ["birthday"]
    for command in (["schedule", "birthdays"], ["schedule", "add", "me"], ["send", "me"]):
        assert complete(shell, *command, "--template", "") == ["birthday", "new\\ year"]


def test_ids_are_completed(wa, shell, store):
    ids = [add_due(store, text) for text in ("one", "two")]
    assert sorted(complete(shell, "schedule", "cancel", "")) == sorted(ids)
    assert complete(shell, "schedule", "show", ids[0]) == [ids[0]]
    assert complete(shell, "schedule", "edit", "x") == []


@pytest.mark.parametrize(
    ("verb", "offered"),
    [
        ("cancel", {"pending"}),
        ("edit", {"pending"}),
        ("retry", {"failed", "missed", "unknown"}),
        ("resolve", {"unknown"}),
        ("show", set(STATUSES)),
    ],
)
def test_ids_are_completed_only_in_states_that_the_command_accepts(shell, one_of_each, verb, offered):
    assert set(complete(shell, "schedule", verb, "")) >= {one_of_each[status] for status in offered}


@pytest.mark.no_home
def test_completion_on_a_home_that_cannot_be_used_offers_nothing_and_stays_silent(shell, home):
    home.path.mkdir()
    home.store.write_bytes(b"this is not a database, though it is long enough to be one" * 20)
    assert complete(shell, "send", "R") == []
    assert complete(shell, "schedule", "show", "1") == []


def test_commands_are_completed(shell):
    assert complete(shell, "sched") == ["schedule"]
    assert complete(shell, "schedule", "re") == ["retry", "resolve"]


# ── What a person sees ────────────────────────────────────────────────────────────────────────────


def test_series_are_listed_by_their_next_time(wa, reem, clock):
    for text, at in (("late", "in 3 days"), ("early", "in 1 day")):
        assert wa("schedule", "add", "reem", text, "--at", at, "--every", "week", now=clock).code == 0
    lines = wa("schedule", "series", now=clock).out.splitlines()
    assert [line.split("\t")[-1] for line in lines] == ["↻ week, 12:00  early", "↻ week, 12:00  late"]


def test_cancelling_one_date_says_that_its_series_goes_on(wa, reem, clock):
    rule = ("--every", "day", "--until", "2026-11-23", "--except", "2026-11-22")
    added = wa("schedule", "add", "reem", "x", "--at", "18:30", *rule, "--json", now=clock).json
    shown = wa("schedule", "show", added["id"], now=clock).out
    assert "↻ day, until 2026-11-23 23:59, except 2026-11-22\n" in shown
    told = wa("schedule", "cancel", added["id"], now=clock).err
    assert "goes on: Sat 21 Nov 2026 18:30" in told
    assert f"`wa schedule cancel {added['series_id']}`" in told
    assert "goes on" not in wa("schedule", "cancel", added["series_id"], now=clock).err


def test_the_list_shows_when_a_retried_message_was_due_in_the_users_zone(wa, one_of_each, clock):
    assert wa("schedule", "retry", one_of_each["missed"], "--no-wait", now=clock).code == 0
    listed = wa("schedule", "list", now=clock, WA_TZ="Asia/Dubai").out
    assert re.search(r"\(first due \d{4}-\d\d-\d\d \d\d:00\)", listed)
    assert not ISO.search(listed)


def test_status_posts_that_there_are_none_of_are_no_missing_chat(wa):
    told = wa("read", "status")
    assert (told.code, "there are no status posts yet" in told.err) == (4, True)


def test_a_field_outside_of_a_template_is_pointed_out(wa, reem, clock):
    for options in ((), ("--every", "week")):
        told = wa("schedule", "add", "reem", "Hi {first}!", "--at", "18:30", *options, now=clock)
        assert (told.code, "{first} goes out as it stands" in told.err) == (0, True)
    assert "as it stands" not in wa("schedule", "add", "reem", "Hi {x}", "--at", "18:30", now=clock).err
