"""Rows of the queue, series and jobs that are archived a year after they ended: nothing is sent twice."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
from conftest import ADAM, REEM, FakeClock, delivered, own

from wa.queue.retired import spent
from wa.store.condition import check
from wa.times import to_iso

TABLES = ("scheduled_messages", "series", "jobs", "job_recipients")


def dump(store):
    """Return the rows of the queue's tables."""
    return {table: sorted(map(repr, store.rows(f"SELECT * FROM {table}"))) for table in TABLES}


POLL = ("--poll", "Q", "--option", "a", "--option", "b")


@pytest.fixture
def clock():
    """A clock that a test moves by years."""
    return FakeClock("2026-03-02T12:00:00")


@pytest.fixture
def ended(wa, store, home, clock):
    """A home in which messages, a series and a job ended over a year ago, and others go on."""
    run = [
        ("send", REEM, "one-off", "--key", "k1"),
        ("send", REEM, "no key"),
        ("send", REEM, *POLL, "--key", "k6"),
        ("jobs", "add", "--to", REEM, "--to", ADAM, "--part", "job", "--gap", "1s", "--key", "k2"),
        ("schedule", "add", REEM, "series", "--at", "2026-03-02 13:00", "--every", "day", "--count", "2",
         "--key", "k3"),
        ("schedule", "add", REEM, "ended", "--at", "2026-03-02 13:00", "--every", "day", "--key", "k5"),
        ("schedule", "add", REEM, "goes on", "--at", "2026-03-02 13:00", "--every", "year", "--key", "k4"),
        ("schedule", "add", REEM, "held", "--at", "2026-03-03 13:00"),
    ]  # fmt: skip
    for line in run:
        done = wa(*line, now=clock)
        assert done.code == 0, (line, done.err)
    series = store.value("SELECT id FROM series WHERE idempotency_key = 'k5'")
    assert wa("schedule", "cancel", series, "--series", now=clock).code == 0
    held = store.value("SELECT id FROM scheduled_messages WHERE message = 'held'")
    assert wa("schedule", "hold", held, now=clock).code == 0
    waiting = "SELECT 1 FROM scheduled_messages WHERE status = 'pending' AND scheduled_at <= ?"
    for seconds in (5, 60, 3600, 86_400, 86_400):
        clock.advance(seconds=seconds)
        own(clock, lambda: store.value(waiting, [to_iso(clock())]) is None)
    clock.advance(days=366)
    return store


def test_what_ended_a_year_ago_is_archived_and_sends_nothing_again(wa, ended, home, clock):
    before, sent = dump(ended), sorted(delivered(home))
    once = {"one-off": 1, "no key": 1, "Q\na\nb": 1}
    assert Counter(sent) == {**once, "job": 2, "series": 2, "goes on": 1}
    report = wa("db", "prune", "--older-than", "90d", "--json", now=clock).json
    assert report["rows"] == {"scheduled_messages": 8, "job_recipients": 2, "series": 2, "jobs": 1}
    assert ended.execute("SELECT message FROM scheduled_messages ORDER BY 1").fetchall() == [
        ("goes on",), ("goes on",), ("held",),
    ]  # fmt: skip
    again = wa("send", REEM, "one-off", "--key", "k1", "--json", now=clock)
    assert again.code == 0, again.err
    assert (again.json["status"], again.json["message"]) == ("sent", "one-off")
    assert wa("send", REEM, "other", "--key", "k1", "--json", now=clock).error["code"] == "usage"
    poll = wa("send", REEM, *POLL, "--key", "k6", "--json", now=clock).json
    assert (poll["status"], poll["details"]["poll"]["options"]) == ("sent", ["a", "b"])
    for other in ((*POLL, "--multi", "2"), ("Q\na\nb",)):
        assert wa("send", REEM, *other, "--key", "k6", "--json", now=clock).error["code"] == "usage"
    job = ("jobs", "add", "--to", REEM, "--to", ADAM, "--part", "job", "--key", "k2", "--json")
    assert wa(*job, now=clock).error["code"] == "wrong-state"
    for key in ("k3", "k5"):
        repeated = (
            "schedule",
            "add",
            REEM,
            "series",
            "--at",
            "13:00",
            "--every",
            "day",
            "--key",
            key,
            "--json",
        )
        assert wa(*repeated, now=clock).error["code"] == "wrong-state"
    assert wa("send", REEM, "series", "--key", "k3", "--json", now=clock).error["code"] == "usage"
    assert sorted(delivered(home)) == sent
    with gzip.open(report["archive"], "rt") as file:
        kinds = Counter(json.loads(line)["type"] for line in file)
    assert kinds["scheduled_messages"] == 8
    assert wa("db", "restore-archive", "latest", now=clock).code == 0
    assert dump(ended) == before
    assert not ended.value("SELECT count(*) FROM spent")
    assert not ended.value("SELECT count(*) FROM spent_dates")
    assert check(ended) == []


def test_an_old_backup_brings_back_nothing_that_would_be_sent(wa, store, home, clock):
    assert (
        wa("schedule", "add", REEM, "yearly", "--at", "2028-03-02 13:00", "--every", "month", now=clock).code
        == 0
    )
    assert wa("schedule", "add", REEM, "far", "--at", "2028-06-02 13:00", now=clock).code == 0
    assert wa("jobs", "add", "--to", REEM, "--part", "job", "--at", "2028-05-01 10:00", now=clock).code == 0
    assert wa("backup", now=clock).code == 0
    series = store.value("SELECT id FROM series")
    assert wa("schedule", "cancel", series, "--series", now=clock).code == 0
    far = store.value("SELECT id FROM scheduled_messages WHERE message = 'far'")
    assert wa("schedule", "edit", far, "--at", "2026-03-02 13:00", now=clock).code == 0
    assert wa("schedule", "cancel", far, now=clock).code == 0
    assert wa("jobs", "cancel", store.value("SELECT id FROM jobs"), now=clock).code == 0
    clock.advance(days=400)
    found = wa("db", "prune", "--older-than", "90d", "--json", now=clock).json
    assert found["rows"] == {"scheduled_messages": 3, "job_recipients": 1, "series": 1, "jobs": 1}
    store.close()
    assert wa("backup", "restore", "latest", now=clock).code == 0
    listed = wa("schedule", "list", "--status", "all", "--json", now=clock).json
    assert listed == []
    assert wa("jobs", "list", "--json", now=clock).json == []
    assert wa("schedule", "series", "--all", "--json", now=clock).json == []


def test_a_date_of_a_series_that_was_archived_is_not_sent_by_an_older_backup(wa, store, home, clock):
    """The process was killed when the rows were archived, and the series itself was not."""
    assert wa("schedule", "add", REEM, "daily", "--at", "13:00", "--every", "day", now=clock).code == 0
    assert wa("backup", now=clock).code == 0
    series, row_id = store.execute("SELECT series_id, id FROM scheduled_messages").fetchone()
    assert wa("schedule", "cancel", series, "--series", now=clock).code == 0
    with store.write():
        row = store.row("SELECT * FROM scheduled_messages")
        store.delete("scheduled_messages", "id = ?", [row_id])
        spent.keep_date(store, row)
    assert wa("backup", "restore", "latest", now=clock).code == 0
    assert wa("schedule", "list", "--status", "all", "--json", now=clock).json == []
    assert wa("schedule", "series", "--json", now=clock).json == []
