"""Jobs in restored and copied homes, after a migration, with a clock that was ahead: nothing goes twice."""

from __future__ import annotations

import json
import shutil

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock
from job_checks import assert_cursor, job_row, rows, run

from wa.queue.jobs import table
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import to_iso

NADIA = "12025550123"
NADIA_JID = f"{NADIA}@s.whatsapp.net"
PARTS = ["--part", "one", "--delay", "5s", "--part", "two"]
PEOPLE = ["--to", REEM, "--to", ADAM, "--to", NADIA]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def add(wa, clock):
    """Make a job of three people and two parts; return its id."""

    def make(*options):
        made = wa("jobs", "add", *PEOPLE, *PARTS, "--gap", "30s", *options, "--json", now=clock)
        assert made.code == 0, made.err
        return made.json["id"]

    return make


def restore(wa, clock, home, *, fresh):
    """Restore the only backup, on the same machine or on a fresh one."""
    if fresh:
        for path in home.path.glob("wa.db*"):
            path.unlink()
    done = wa("backup", "restore", "latest", now=clock)
    assert done.code == 0, done.err


def settle_all(wa, store, clock, outcome="sent"):
    """Settle every unknown row."""
    for row in store.rows("SELECT id FROM scheduled_messages WHERE status = 'unknown' ORDER BY id"):
        assert wa("schedule", "resolve", row["id"], outcome, now=clock).code == 0
        assert_cursor(store)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_two_week_old_backup_of_a_running_job_sends_nothing_again(add, store, clock, wa, home, fresh):
    job_id = add()
    first = run(store, clock, hours=10 / 3600)
    assert [text for _, _, text in first] == ["one", "two"]
    assert wa("backup", now=clock).code == 0
    sent = run(store, clock)
    assert len(first) + len(sent) == 6
    clock.advance(days=14)
    store.close()
    restore(wa, clock, home, fresh=fresh)
    store = open_store(home)
    assert_cursor(store)
    job = job_row(store, job_id)
    if fresh:
        assert job["status"] == "paused"
        statuses = [status for _, _, status in rows(store)]
        assert statuses == ["sent", "sent", "unknown", "unknown", "unknown", "unknown"]
    else:
        assert (job["status"], job["recipients_sent"]) == ("completed", 3)
    assert wa("resume", now=clock).code == 0
    wa("jobs", "resume", job_id, now=clock)
    assert run(store, clock) == []
    if fresh:
        settle_all(wa, store, clock)
        assert job_row(store, job_id)["recipients_sent"] == 3
        assert run(store, clock) == []
    store.close()


def test_a_job_that_was_made_since_the_backup_is_kept(add, store, clock, wa, home):
    assert wa("backup", now=clock).code == 0
    job_id = add()
    run(store, clock, hours=10 / 3600)
    store.close()
    restore(wa, clock, home, fresh=False)
    store = open_store(home)
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"]) == ("paused", 1)
    assert_cursor(store)
    assert run(store, clock) == []
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert "pending" not in {status for _, _, status in rows(store)}, "no row is made before `wa resume`"
    assert wa("resume", now=clock).code == 0
    assert [jid for _, jid, _ in run(store, clock)] == [ADAM_JID, ADAM_JID, NADIA_JID, NADIA_JID]
    store.close()


def test_a_job_that_begins_later_comes_back_paused_and_whole(add, store, clock, wa, home):
    job_id = add("--at", "2026-12-25 10:00")
    assert wa("backup", now=clock).code == 0
    clock.advance(days=14)
    store.close()
    restore(wa, clock, home, fresh=True)
    store = open_store(home)
    assert rows(store) == [(0, 0, "held")]
    assert wa("resume", now=clock).code == 0
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert len(run(store, clock, hours=24 * 40)) == 6
    store.close()


def test_a_draft_comes_back_as_a_draft(add, store, clock, wa, home):
    job_id = add("--draft")
    assert wa("backup", now=clock).code == 0
    clock.advance(days=14)
    store.close()
    restore(wa, clock, home, fresh=True)
    store = open_store(home)
    assert wa("resume", now=clock).code == 0
    assert run(store, clock) == []
    assert (job_row(store, job_id)["status"], rows(store)) == ("draft", [(0, 0, "draft")])
    store.close()


def test_two_stores_that_made_the_same_part_keep_one_row(add, store, clock, wa, home):
    """The present store is itself a restored backup, which made its own row for a part."""
    job_id = add()
    assert wa("backup", now=clock).code == 0  # before the first message
    run(store, clock, hours=50 / 3600)
    clock.advance(seconds=1)
    assert wa("backup", now=clock).code == 0  # after the fourth
    names = sorted(path.name for path in home.backups.iterdir() if path.name.endswith(".db.zst"))
    store.close()
    assert wa("backup", "restore", names[0], now=clock).code == 0
    store = open_store(home)
    store.execute("DELETE FROM scheduled_messages WHERE part_index = 1 OR recipient_index > 0")
    store.execute(
        "INSERT INTO scheduled_messages (id, to_jid, message, scheduled_at, status, created_at, job_id,"
        " recipient_index, part_index) VALUES ('other', ?, 'two', ?, 'failed', ?, ?, 0, 1)",
        [REEM_JID, to_iso(clock.at), to_iso(clock.at), job_id],
    )
    store.close()
    assert wa("backup", "restore", names[1], now=clock).code == 0
    store = open_store(home)
    assert rows(store)[:2] == [(0, 0, "sent"), (0, 1, "sent")]
    assert_cursor(store)
    store.close()


def test_a_job_that_was_cancelled_in_one_of_two_stores_stays_cancelled(add, store, clock, wa, home):
    job_id = add("--at", "2026-12-25 10:00")
    assert wa("backup", now=clock).code == 0
    clock.advance(seconds=1)
    assert wa("jobs", "cancel", job_id, now=clock).code == 0
    assert wa("backup", now=clock).code == 0
    names = sorted(path.name for path in home.backups.iterdir() if path.name.endswith(".db.zst"))
    store.close()
    assert wa("backup", "restore", names[0], now=clock).code == 0  # made while it was not cancelled
    store = open_store(home)
    assert (job_row(store, job_id)["status"], rows(store)) == ("cancelled", [(0, 0, "cancelled")])
    with store.write():  # as if the present store had never heard of it
        store.execute("UPDATE jobs SET status = 'pending', updated_at = '2026-11-21T00:00:00.000Z'")
        store.execute(
            "UPDATE scheduled_messages SET status = 'pending', updated_at = '2026-11-21T00:00:00.000Z'"
        )
    store.close()
    assert wa("backup", "restore", names[1], now=clock).code == 0
    store = open_store(home)
    assert (job_row(store, job_id)["status"], rows(store)) == ("cancelled", [(0, 0, "cancelled")])
    store.close()


def test_a_copied_home_does_not_go_on_with_a_job(add, store, clock, wa, home, tmp_path, monkeypatch):
    job_id = add()
    run(store, clock, hours=10 / 3600)
    store.close()
    copy = tmp_path / "copy"
    shutil.copytree(home.path, copy, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    monkeypatch.setenv("WA_HOME", str(copy))
    clock.advance(days=1)
    store = open_store(Home(copy))
    assert run(store, clock) == []
    assert wa("resume", now=clock).code == 0
    assert_cursor(store)
    assert job_row(store, job_id)["status"] == "paused"
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert run(store, clock) == []
    assert [status for _, _, status in rows(store)] == ["sent", "sent"] + ["unknown"] * 4
    store.close()


# ── A clock that was ahead ────────────────────────────────────────────────────────────────────────


def test_a_job_goes_on_when_the_clock_that_paused_it_was_a_year_ahead(add, store, clock, wa):
    from wa.queue import pacing

    job_id = add()
    run(store, clock, hours=10 / 3600)
    clock.advance(days=365)
    assert run(store, clock, hours=1) == []
    assert job_row(store, job_id)["status"] == "paused"
    clock.advance(days=-365)
    pacing.rebase(store, clock.at)
    assert_cursor(store)
    assert job_row(store, job_id)["status"] == "running"
    assert len(run(store, clock)) == 4


def test_a_row_made_while_the_clock_was_ahead_goes_out_when_it_is_right(add, store, clock, wa):
    from wa.queue import pacing

    add("--grace", "52w")
    clock.advance(days=300)
    run(store, clock, hours=10 / 3600)
    clock.advance(days=-300)
    pacing.rebase(store, clock.at)
    assert wa("resume", now=clock).code == 0
    assert len(run(store, clock, hours=1)) == 4


# ── Migrated jobs ─────────────────────────────────────────────────────────────────────────────────


def migrate(wa, clock, tmp_path, **fields):
    """Take a job of the old tool over."""
    folder = tmp_path / "old"
    folder.mkdir(exist_ok=True)
    job = {
        "id": "job_1735132800001_abc123",
        "status": "running",
        "scheduledStartAt": "2026-11-20T10:00:00.000Z",
        "createdAt": "2026-11-20T09:00:00.000Z",
        "recipients": [REEM_JID, ADAM_JID, NADIA],
        "messageParts": [
            {"orderIndex": 1, "text": "two", "delayAfterSeconds": None},
            {"orderIndex": 0, "text": "one {name}", "delayAfterSeconds": 3},
        ],
        "config": {"recipientGapSeconds": 0, "maxRetries": 3},
        **fields,
    }
    (folder / "jobs.json").write_text(json.dumps({"jobs": [job]}))
    return wa("migrate-s3", "--from", str(folder), now=clock)


def test_a_migrated_job_goes_on_behind_its_cursor(store, clock, wa, tmp_path):
    cursor = {"currentRecipientIndex": 1, "currentPartIndex": 0, "recipientsSent": 1}
    done = migrate(wa, clock, tmp_path, progress=cursor)
    assert done.code == 0
    assert "1 unfinished job came in paused" in done.err
    assert "wa jobs resume" in done.err
    job_id = "job_1735132800001_abc123"
    job = job_row(store, job_id)
    assert (job["status"], job["current_recipient_index"], job["current_part_index"]) == ("paused", 1, 0)
    assert rows(store) == [(0, 0, "sent"), (0, 1, "sent"), (1, 0, "unknown")]
    assert run(store, clock) == []
    assert wa("jobs", "retry", job_id, now=clock).code == 2
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert [(jid, text) for _, jid, text in run(store, clock)] == [
        (NADIA_JID, "one {name}"),
        (NADIA_JID, "two"),
    ]
    settle_all(wa, store, clock)
    assert [(jid, text) for _, jid, text in run(store, clock)] == [(ADAM_JID, "two")]
    assert job_row(store, job_id)["status"] == "completed"


def test_a_job_that_the_old_tool_went_on_with_catches_up_at_a_second_migration(store, clock, wa, tmp_path):
    migrate(wa, clock, tmp_path, progress={"currentRecipientIndex": 0, "currentPartIndex": 1})
    assert rows(store) == [(0, 0, "sent"), (0, 1, "unknown")]
    migrate(wa, clock, tmp_path, progress={"currentRecipientIndex": 2, "currentPartIndex": 0})
    assert rows(store) == [(0, 0, "sent"), (0, 1, "sent"), (1, 0, "sent"), (1, 1, "sent"), (2, 0, "unknown")]
    assert_cursor(store)
    migrate(wa, clock, tmp_path, status="completed", completedAt="2026-11-20T11:00:00.000Z")
    assert {status for _, _, status in rows(store)} == {"sent"}
    assert job_row(store, "job_1735132800001_abc123")["status"] == "completed"


def test_a_migrated_job_that_was_not_resumed_is_the_same_after_a_restore(store, clock, wa, home, tmp_path):
    migrate(wa, clock, tmp_path, progress={"currentRecipientIndex": 1, "currentPartIndex": 0})
    before = rows(store)
    assert wa("backup", now=clock).code == 0
    clock.advance(days=14)
    store.close()
    restore(wa, clock, home, fresh=True)
    store = open_store(home)
    assert rows(store) == before
    assert job_row(store, "job_1735132800001_abc123")["status"] == "paused"
    store.close()


def test_a_job_that_never_began_and_whose_time_has_passed_is_missed(store, clock, wa, tmp_path):
    migrate(wa, clock, tmp_path, status="pending")
    assert {status for _, _, status in rows(store)} == {"missed"}
    assert len(rows(store)) == 6
    job_id = "job_1735132800001_abc123"
    assert job_row(store, job_id)["status"] == "paused"
    assert run(store, clock) == []
    assert wa("jobs", "retry", job_id, now=clock).code == 0
    assert run(store, clock) == [], "it is paused"
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert len(run(store, clock)) == 6
    assert table.head(store, job_id)["recipients_sent"] == 3


def test_a_recipient_of_the_old_tool_that_is_no_address_fails_alone(store, clock, wa, tmp_path):
    done = migrate(
        wa, clock, tmp_path, status="pending", scheduledStartAt="2026-12-24T10:00:00.000Z",
        recipients=[REEM_JID, "nobody at all", ADAM_JID],
    )  # fmt: skip
    assert done.code == 8
    job_id = "job_1735132800001_abc123"
    assert rows(store) == [(1, 0, "failed")]
    assert wa("jobs", "resume", job_id, now=clock).code == 0
    assert [jid for _, jid, _ in run(store, clock, hours=24 * 60)] == [REEM_JID] * 2 + [ADAM_JID] * 2
    job = job_row(store, job_id)
    assert (job["status"], job["recipients_sent"], job["recipients_failed"]) == ("completed", 2, 1)
