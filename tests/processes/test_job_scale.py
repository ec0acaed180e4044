"""A job for 10,000 people: made within 5 seconds and 60 MB, shown by pages, its rows made when needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import WA, wait_for
from query_plans import plans

from wa.connection.context import system_now
from wa.queue import send
from wa.queue.jobs import show, table
from wa.queue.send import Scope
from wa.settings import parse_settings

PEOPLE = 10_000
SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC", "WA_SEND_SPACING": "0"}, lambda: "UTC")
SMALL = ("SCAN json_each", "SCAN CONSTANT ROW", "SCAN state", "SCAN sqlite")
PARTIAL = ("queue_due", "queue_job_stalls")
"""Indexes of pending rows alone."""


MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
seconds = used.ru_utime + used.ru_stime
print(os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss / 1024, file=sys.stderr)
"""
"""A small program that starts another: a child counts the memory of the process that it was forked from."""


def measured(*args):
    """Run `wa ARGS`; return its output, its seconds on a processor, and the most megabytes that it had."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, WA, *args], capture_output=True, text=True, check=True
    )
    code, seconds, megabytes = done.stderr.splitlines()[-1].split()
    assert code == "0"
    return done.stdout, float(seconds), float(megabytes)


@pytest.mark.console_script
def test_a_job_for_10_000_people_is_made_and_shown_in_little_time_and_memory(tmp_path, store, wa):
    lines = "".join(f"44770{number:07d},Person {number}\n" for number in range(PEOPLE))
    (tmp_path / "people.csv").write_text(f"to,name\n{lines}")
    parts = ["--part", "Hi {name}", "--part", "two", "--part", "three", "--gap", "0"]
    out, seconds, megabytes = measured("jobs", "add", "--csv", str(tmp_path / "people.csv"), *parts)
    assert seconds < 5
    assert megabytes < 60
    job_id = out.split()[0]
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1
    out, seconds, megabytes = measured("jobs", "show", job_id)
    assert len(out.splitlines()) == 3 * PEOPLE
    assert megabytes < 60
    page = wa("jobs", "show", job_id, "--after", "9990", "--limit", "5", "--json").json
    assert [part["recipient_index"] for part in page["parts"]] == [
        n for n in range(9990, 9995) for _ in range(3)
    ]
    every_statement_uses_an_index(store, job_id)


def every_statement_uses_an_index(store, job_id):
    """Check that no statement of a claim, or of a page, reads the whole of a table that grows."""
    now = system_now()

    def act():
        assert send.seconds_to_next(store, now, SETTINGS, Scope.ALL) == 0
        claim = send.claim(store, now, SETTINGS, Scope.ALL)
        assert claim is not None
        job = table.head(store, job_id)
        next(iter(show.parts(store, SETTINGS, job, now, after=5000)))
        show.counts(store, job)

    found = plans(store, act)
    assert any("job_recipients" in sql for sql in found)
    for sql, plan in ((sql, plan) for sql, plan in found.items() if "job" in sql):
        scans = [step for step in plan.split(" | ") if step.startswith("SCAN")]
        assert all(step.startswith(SMALL) or step.endswith(PARTIAL) for step in scans), (sql, plan)
        searches = [step for step in plan.split(" | ") if step.startswith("SEARCH job_recipients")]
        if "to_jid" in sql:
            assert all("job_recipients_by_jid" in step for step in searches), (sql, plan)


@pytest.mark.soak
def test_a_job_for_10_000_people_is_sent(tmp_path, store, wa, spawn):
    lines = "".join(f"44770{number:07d}\n" for number in range(PEOPLE))
    (tmp_path / "people.csv").write_text(f"to\n{lines}")
    made = wa("jobs", "add", "--csv", str(tmp_path / "people.csv"), "--part", "Hi", "--gap", "0", "--json")
    process = spawn("run-scheduler")
    wait_for(lambda: table.head(store, made.json["id"])["status"] == "completed", 600, "the end of the job")
    process.kill()
    assert table.head(store, made.json["id"])["recipients_sent"] == PEOPLE
