"""Jobs: one row of the queue at a time, each message once, and a cursor that says what the rows say."""

from __future__ import annotations

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered
from job_checks import answer, assert_cursor, claim, job_row, rows, run, settings

from wa.queue import outcomes
from wa.queue.jobs import control, table
from wa.record import names
from wa.times import to_iso
from wa.whatsapp.transport import NotOnWhatsApp, NotSent, Refused, SendError

NADIA = "12025550123"
NADIA_JID = f"{NADIA}@s.whatsapp.net"
PEOPLE = ["--to", REEM, "--to", ADAM, "--to", NADIA]
PARTS = ["--part", "one", "--delay", "5s", "--part", "two"]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def add(wa, clock):
    """Make a job of three people and two parts; return its id."""

    def make(*options, parts=PARTS, people=PEOPLE):
        made = wa("jobs", "add", *people, *parts, *options, "--json", now=clock)
        assert made.code == 0, made.err
        return made.json["id"]

    return make


# ── The chain ─────────────────────────────────────────────────────────────────────────────────────


def test_a_job_sends_its_parts_in_order_to_one_person_after_the_other(add, store, clock):
    job_id = add("--gap", "30s")
    assert rows(store) == [(0, 0, "pending")]
    assert run(store, clock) == [
        (0, REEM_JID, "one"), (5, REEM_JID, "two"),
        (35, ADAM_JID, "one"), (40, ADAM_JID, "two"),
        (70, NADIA_JID, "one"), (75, NADIA_JID, "two"),
    ]  # fmt: skip
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"], job["recipients_failed"]) == ("completed", 3, 0)
    assert job["completed_at"] == job["last_sent_at"] == to_iso(clock.at)


def test_a_failed_message_ends_its_recipient_alone(add, store, clock, wa):
    job_id = add("--gap", "0")
    sent = run(store, clock, results=[NotOnWhatsApp("nobody")])
    assert [text for _, _, text in sent] == ["one", "one", "two", "one", "two"]
    assert rows(store)[0] == (0, 0, "failed")
    job = wa("jobs", "show", job_id, "--json", now=clock).json
    assert (job["status"], job["recipients_sent"], job["recipients_failed"]) == ("completed", 2, 1)
    assert job["counts"] == {"sent": 4, "failed": 1, "cancelled": 1}


def test_a_job_has_failed_only_when_every_recipient_has(add, store, clock):
    job_id = add("--gap", "0")
    run(store, clock, results=[Refused(463)] * 3)
    assert job_row(store, job_id)["status"] == "failed"


def test_a_failure_that_may_pass_is_tried_again_as_often_as_the_job_says(add, store, clock):
    add("--gap", "0", "--max-retries", "2")
    sent = run(store, clock, results=[NotSent("no")] * 3)
    assert [jid for _, jid, _ in sent[:3]] == [REEM_JID] * 3
    assert rows(store)[0] == (0, 0, "failed")
    assert (
        store.value("SELECT error_message FROM scheduled_messages WHERE status = 'failed'")
        == "no; tried 3 times"
    )
    assert len(sent) == 7


def test_an_unknown_message_keeps_the_later_parts_of_its_recipient_back_alone(add, store, clock):
    job_id = add("--gap", "0")
    run(store, clock, results=[SendError("lost")])
    assert rows(store) == [
        (0, 0, "unknown"), (1, 0, "sent"), (1, 1, "sent"), (2, 0, "sent"), (2, 1, "sent"),
    ]  # fmt: skip
    assert job_row(store, job_id)["status"] == "running"
    row_id = store.value("SELECT id FROM scheduled_messages WHERE status = 'unknown'")
    outcomes.resolve(store, row_id, "sent", clock.at)
    assert_cursor(store)
    assert [(jid, text) for _, jid, text in run(store, clock)] == [(REEM_JID, "two")]
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"]) == ("completed", 3)


def test_an_unknown_message_that_was_not_sent_ends_its_recipient_until_retry(add, store, clock, wa):
    job_id = add("--gap", "0")
    run(store, clock, results=[SendError("lost")])
    row_id = store.value("SELECT id FROM scheduled_messages WHERE status = 'unknown'")
    outcomes.resolve(store, row_id, "failed", clock.at)
    assert job_row(store, job_id)["status"] == "completed"
    assert wa("jobs", "retry", job_id, now=clock).code == 0
    assert_cursor(store)
    assert [(jid, text) for _, jid, text in run(store, clock)] == [(REEM_JID, "one"), (REEM_JID, "two")]
    assert job_row(store, job_id)["recipients_sent"] == 3
    again = wa("jobs", "retry", job_id, "--json", now=clock)
    assert (again.code, again.error["code"]) == (2, "wrong-state")


def test_two_recipients_that_turn_out_to_be_one_person_get_each_part_once(add, store, clock):
    lid = "123456789@lid"
    job_id = add("--gap", "1m", people=["--to", REEM, "--to", lid, "--to", ADAM])
    for _ in range(2):
        answer(store, claim(store, clock), clock)
        clock.advance(seconds=10)
    with store.write():
        names.map_lid(store, lid, REEM_JID)
    sent = run(store, clock)
    assert [jid for _, jid, _ in sent] == [ADAM_JID, ADAM_JID]
    assert (1, 0, "cancelled") in rows(store)
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"]) == ("completed", 2)
    assert table.count(store, job_id, "skipped") == 1


def test_two_contacts_that_are_merged_half_way_are_one_person(add, store, clock, wa):
    for name, phone in (("Reem", REEM), ("Reem Again", ADAM)):
        assert wa("contacts", "add", name, phone).code == 0
    job_id = add("--gap", "1m")
    for _ in range(2):
        answer(store, claim(store, clock), clock)
        clock.advance(seconds=10)
    assert wa("contacts", "merge", "Reem", "Reem Again").code == 0
    assert [jid for _, jid, _ in run(store, clock)] == [NADIA_JID] * 2
    shown = wa("jobs", "show", job_id, "--json", now=clock).json
    assert shown["counts"] == {"sent": 4, "skipped": 2}
    assert {part["status"] for part in shown["parts"] if part["to_jid"] == ADAM_JID} == {"skipped"}
    assert (shown["status"], shown["recipients_sent"]) == ("completed", 2)


def test_a_renamed_contact_keeps_its_number_and_gets_its_messages(add, store, clock, wa):
    assert wa("contacts", "add", "Reem", REEM).code == 0
    job_id = add("--gap", "0")
    assert wa("contacts", "edit", "Reem", "--name", "Noor").code == 0
    assert len(run(store, clock)) == 6
    assert wa("jobs", "show", job_id, "--json", now=clock).json["parts"][0]["contact_name"] == "Noor"


def test_a_contact_that_was_renumbered_holds_its_message(add, store, clock, wa):
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    add("--gap", "0")
    other = ("--phone", "447700900789", "--remove-phone", REEM)
    assert wa("contacts", "edit", "Reem Sample", *other, now=clock).code == 0
    assert REEM_JID not in {jid for _, jid, _ in run(store, clock)}
    (held,) = store.rows("SELECT id, recipient_index FROM scheduled_messages WHERE status = 'held'")
    assert held["recipient_index"] == 0
    assert wa("schedule", "unhold", held["id"], now=clock).code == 0
    assert [text for _, jid, text in run(store, clock) if jid == REEM_JID] == ["one", "two"]
    assert_cursor(store)


def test_a_number_that_left_its_contact_is_held(add, store, clock, wa):
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    job_id = add("--gap", "0")
    assert wa("contacts", "remove", "Reem Sample").code == 0
    assert wa("contacts", "add", "Omar Sample", REEM).code == 0  # it gets the id of the one before
    assert REEM_JID not in {jid for _, jid, _ in run(store, clock)}
    (held,) = store.rows("SELECT * FROM scheduled_messages WHERE status = 'held'")
    assert "Reem Sample" in held["error_message"]
    assert "1 for a number that is no longer the contact's" in wa("status", now=clock).out
    assert job_row(store, job_id)["status"] == "running"
    assert wa("schedule", "cancel", held["id"], now=clock).code == 0
    assert_cursor(store)
    assert job_row(store, job_id)["status"] == "completed"


# ── Pausing ───────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_job_goes_on_where_it_stopped(add, store, clock, wa):
    job_id = add("--gap", "30s")
    answer(store, claim(store, clock), clock)
    assert wa("jobs", "pause", job_id, now=clock).code == 0
    assert_cursor(store)
    clock.advance(days=9)
    assert run(store, clock) == []
    resumed = wa("jobs", "resume", job_id, "--json", now=clock)
    assert (resumed.code, resumed.json["status"]) == (0, "running")
    assert [text for _, _, text in run(store, clock)] == ["two", "one", "two", "one", "two"]
    assert job_row(store, job_id)["recipients_sent"] == 3


def test_a_job_that_is_resumed_before_its_time_has_not_begun(add, store, clock, wa):
    job_id = add("--at", "in 2 hours")
    assert wa("jobs", "pause", job_id, now=clock).code == 0
    assert wa("jobs", "resume", job_id, "--json", now=clock).json["status"] == "pending"
    clock.advance(hours=3)
    assert len(run(store, clock)) == 6


def test_a_job_paused_while_it_sends_makes_no_further_row(add, store, clock):
    job_id = add("--gap", "0")
    taken = claim(store, clock)
    control.pause(store, job_id, clock.at)
    assert control.sending(store, job_id) == [taken.id]
    answer(store, taken, clock, NotSent("the line dropped"), None)
    assert rows(store) == [(0, 0, "held")]
    assert run(store, clock) == []
    control.resume(store, job_id, clock.at)
    assert len(run(store, clock)) == 6


def test_a_cancelled_job_sends_nothing_more(add, store, clock, wa):
    job_id = add("--gap", "0")
    answer(store, claim(store, clock), clock)
    assert wa("jobs", "cancel", job_id, now=clock).code == 0
    assert run(store, clock) == []
    assert rows(store) == [(0, 0, "sent"), (0, 1, "cancelled")]
    for command in ("pause", "resume", "retry"):
        refused = wa("jobs", command, job_id, "--json", now=clock)
        assert (refused.code, refused.error["code"]) == (2, "wrong-state")


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"WA_QUIET_HOURS": "13:00-23:00"}, "quiet hours"), ({"WA_DAILY_LIMIT": "2"}, "24 hours")],
)
def test_a_job_that_cannot_send_for_longer_than_its_grace_is_paused_with_the_reason(
    add, store, clock, wa, given, reason
):
    job_id = add("--gap", "40m")
    run(store, clock, settings(**given))
    job = job_row(store, job_id)
    assert job["status"] == "paused"
    assert reason in job["error_message"]
    assert "missed" not in {status for _, _, status in rows(store)}
    assert wa("status", now=clock).out.count("paused") == 1
    clock.advance(days=1)
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert job_row(store, job_id)["error_message"] is None
    run(store, clock)
    assert job_row(store, job_id)["recipients_sent"] == 3


def test_a_brake_longer_than_the_grace_pauses_a_job(add, store, clock, wa):
    job_id = add("--gap", "0", "--grace", "10m")
    run(store, clock, results=[None, Refused(429)])
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"]) == ("paused", 0)
    assert "WhatsApp asked for a rest" in job["error_message"]
    assert rows(store) == [(0, 0, "sent"), (0, 1, "held")]
    clock.advance(hours=5)
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert len(run(store, clock)) == 5


def test_a_pause_of_all_sending_longer_than_the_grace_pauses_a_job(add, store, clock, wa):
    job_id = add("--gap", "0")
    assert wa("pause", now=clock).code == 0
    assert run(store, clock) == []
    assert "nothing goes out until `wa resume`" in job_row(store, job_id)["error_message"]


def test_a_brake_does_not_make_a_job_late(add, store, clock):
    job_id = add("--gap", "0")
    sent = run(store, clock, results=[Refused(429)] * 3)
    assert [text for _, _, text in sent] == ["one"] * 4 + ["two", "one", "two", "one", "two"]
    assert job_row(store, job_id)["recipients_sent"] == 3
    assert store.value("SELECT max(retries) FROM scheduled_messages") == 0


def test_a_job_keeps_quiet_hours_also_when_it_is_on_time(add, store, clock):
    job_id = add("--gap", "2h", "--grace", "12h")
    sent = run(store, clock, settings(WA_QUIET_HOURS="13:00-15:00"))
    times = [seconds / 3600 for seconds, _, text in sent if text == "one"]
    assert times[0] == 0
    assert times[1] == 3
    assert job_row(store, job_id)["recipients_sent"] == 3


def test_a_row_that_was_given_another_time_does_not_keep_the_others_back(add, store, clock, wa):
    job_id = add("--gap", "0")
    (row,) = wa("schedule", "list", "--json", now=clock).json
    assert wa("schedule", "edit", row["id"], "--at", "in 3 days", now=clock).code == 0
    assert [jid for _, jid, _ in run(store, clock)] == [ADAM_JID, ADAM_JID, NADIA_JID, NADIA_JID]
    assert job_row(store, job_id)["status"] == "running"
    assert [text for _, _, text in run(store, clock, hours=96)] == ["one", "two"]
    assert job_row(store, job_id)["status"] == "completed"


def test_a_row_of_a_job_that_is_held_or_cancelled_concerns_its_recipient_alone(add, store, clock, wa):
    job_id = add("--gap", "0")
    (row,) = wa("schedule", "list", "--json", now=clock).json
    assert wa("schedule", "hold", row["id"], now=clock).code == 0
    (other,) = wa("schedule", "list", "--status", "pending", "--json", now=clock).json
    assert wa("schedule", "cancel", other["id"], now=clock).code == 0
    assert [jid for _, jid, _ in run(store, clock)] == [NADIA_JID, NADIA_JID]
    clock.advance(days=3)
    assert wa("schedule", "unhold", row["id"], now=clock).code == 0
    assert [text for _, _, text in run(store, clock)] == ["one", "two"]
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"]) == ("completed", 2)


def test_a_draft_begins_when_its_first_message_is_approved(add, store, clock, wa):
    job_id = add("--draft", "--gap", "0")
    assert run(store, clock) == []
    assert wa("jobs", "resume", job_id, now=clock).code == 2
    clock.advance(days=2)
    (row,) = wa("schedule", "list", "--json", now=clock).json
    assert row["status"] == "draft"
    assert wa("schedule", "approve", row["id"], now=clock).code == 0
    assert len(run(store, clock)) == 6
    assert job_row(store, job_id)["status"] == "completed"


def test_a_job_begins_at_its_time(add, store, clock):
    add("--at", "2026-11-22 09:00", "--gap", "1m")
    sent = run(store, clock)
    assert sent[0][0] == 45 * 3600
    assert len(sent) == 6


def test_a_scheduler_sends_a_whole_job(add, home, wa):
    job_id = wa("jobs", "add", *PEOPLE, "--part", "one", "--part", "two", "--gap", "0", "--json").json["id"]
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == ["one", "two"] * 3
    shown = wa("jobs", "show", job_id, "--json").json
    assert shown["status"] == "completed"
    assert shown["counts"] == {"sent": 6}
    assert [(part["recipient_index"], part["part_index"]) for part in shown["parts"]] == [
        (recipient, part) for recipient in range(3) for part in range(2)
    ]
