"""Jobs whose senders are killed, paused and resumed: each person gets each part at most once, in order."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import is_connected, wait_for
from job_checks import Reader, parts_received

from wa.connection.context import system_now
from wa.queue import outcomes
from wa.queue import rows as queue
from wa.queue.jobs import control, table
from wa.whatsapp.loopback.server import Loopback

KILL_POINTS = str(Path(__file__).parents[1] / "support/kill_points.py")
SENDING = ("claimed", "marked", "accepted", "acknowledged", "recorded")
PARTS = ["first", "second", "third"]
FAULTS = [
    ("ack-delay", "0.03"), ("ack-delay", "off"), ("ack-lost", "on"), ("ack-lost", "off"),
    ("refuse", "503"), ("refuse", "off"), ("receipts", "off"), ("receipts", "on"),
]  # fmt: skip


def make(wa, tmp_path, people):
    """Make a job of three parts for so many people; return its id."""
    lines = [f"4477009{number:05d}" for number in range(people)]
    Path(tmp_path / "people.csv").write_text("to\n" + "\n".join(lines))
    parts = [word for text in PARTS for word in ("--part", text)]
    made = wa("jobs", "add", "--csv", str(tmp_path / "people.csv"), *parts, "--gap", "0", "--json")
    assert made.code == 0, made.err
    return made.json["id"]


def disturb(chance, shell, spawn, wa, home, job_id):
    """Do one thing to a job that is being sent: kill, pause, resume, or change how the server answers."""
    name, value = chance.choice(FAULTS)
    wa("loopback", "fault", name, value)
    if chance.random() < 0.5:
        point = chance.choice(SENDING)
        process = spawn(
            point, str(chance.randint(1, 40)), "run-scheduler", program=[sys.executable, KILL_POINTS]
        )
    else:
        process = spawn("run-scheduler")
        wait_for(lambda: is_connected(home) or process.popen.poll() is not None, what="the connection")
    if chance.random() < 0.4:
        wait_for(lambda: is_connected(home) or process.popen.poll() is not None, what="the connection")
        paused = wa("jobs", "pause", job_id)
        if paused.code == 0:
            before = count(home)
            again = table_of(home, job_id)
            assert again in ("paused", "completed", "failed")
            process_settles(process, 0.05)
            assert count(home) == before, "something went out after `jobs pause` had returned"
        assert wa("jobs", "resume", job_id).code in (0, 2)
    process_settles(process, chance.uniform(0.05, 0.4))
    process.kill()
    return process.popen.returncode == -9


def table_of(home, job_id):
    """Return the status of a job."""
    from wa.store.open import open_store

    store = open_store(home)
    try:
        return table.head(store, job_id)["status"]
    finally:
        store.close()


def process_settles(process, seconds):
    """Wait for a while, or until a process has ended."""
    try:
        process.popen.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def count(home):
    """Return how many messages the server accepted."""
    return len(accepted(home))


def accepted(home):
    """Return what the server accepted, in order."""
    server = Loopback(home)
    try:
        return list(server.delivered())
    finally:
        server.close()


def assert_at_most_once_in_order(home):
    """Check that nobody got a part twice, or before the one in front of it."""
    for jid, texts in parts_received(accepted(home)).items():
        assert texts == PARTS[: len(texts)], jid


def settle(store, home):
    """Settle every unknown row as its user does who looks at the chat."""
    got = parts_received(accepted(home))
    rows = store.rows("SELECT id, to_jid, message FROM scheduled_messages WHERE status = 'unknown'")
    for row in rows:
        outcome = "sent" if row["message"] in got[row["to_jid"]] else "failed"
        outcomes.resolve(store, row["id"], outcome, system_now())


def kill_a_job(home, store, wa, spawn, shell, tmp_path, *, people, kills, seed):
    """Send a job through kills, pauses and faults; afterwards everybody has each part once, in order."""
    chance = random.Random(seed)
    job_id = make(wa, tmp_path, people)
    wa("loopback", "fault", "ack-timeout", "0.03")
    reader = Reader(home.store)
    reader.start()
    done = 0
    while done < kills:
        done += disturb(chance, shell, spawn, wa, home, job_id)
        assert_at_most_once_in_order(home)
        if table.head(store, job_id)["status"] in ("completed", "failed"):
            break
    for name in ("ack-delay", "ack-lost", "refuse"):
        wa("loopback", "fault", name, "off")

    def is_over():
        with_failed = table.count(store, job_id, "failed")
        if table.head(store, job_id)["status"] in ("completed", "failed"):
            if not with_failed:
                return True
            control.retry(store, job_id, system_now())
        if table.head(store, job_id)["status"] == "paused":
            control.resume(store, job_id, system_now())
        shell("run-scheduler", "--once")
        settle(store, home)
        return False

    wait_for(is_over, 120, "the end of the job")
    reader.end()
    assert_at_most_once_in_order(home)
    assert set(queue.counts(store)) == {"sent"}
    got = parts_received(accepted(home))
    assert len(got) == people
    assert all(texts == PARTS for texts in got.values())
    assert table.head(store, job_id)["recipients_sent"] == people
    return done


def test_a_job_whose_sender_is_killed_is_sent_once_and_in_order(home, store, wa, spawn, shell, tmp_path):
    assert kill_a_job(home, store, wa, spawn, shell, tmp_path, people=40, kills=6, seed=20261231)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(6))
def test_a_job_for_272_people_is_sent_once_and_in_order(home, store, wa, spawn, shell, tmp_path, seed):
    kill_a_job(home, store, wa, spawn, shell, tmp_path, people=272, kills=40, seed=seed)
