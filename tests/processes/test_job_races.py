"""What `wa jobs pause` and `cancel` returned 0 for holds, whatever the sender is doing at that moment."""

from __future__ import annotations

import random
import time

import pytest
from conftest import REEM, is_connected, wait_for
from job_checks import wrong_columns

from wa.connection import ask
from wa.connection.context import Context, system_now
from wa.errors import WaError
from wa.queue import rows as queue
from wa.queue.jobs import control, make, people, sources, table
from wa.settings import parse_settings
from wa.store.open import open_store
from wa.whatsapp.loopback.server import Loopback


def a_job(store, settings):
    """Make a job of ten people and three parts."""
    parts = [sources.Part(text, has_fields=False) for text in ("one", "two", "three")]
    wish = people.Wish(None, parts, None, settings.zone, 0.0, settings.grace, 3)
    given = [sources.Given(f"4477009{number:05d}") for number in range(10)]
    now = system_now()
    frozen = people.freeze(store, settings, None, given, wish, now)
    return make.create(store, settings, wish, frozen, now)[0]["id"]


def accepted(home):
    """Return how many messages the server accepted."""
    server = Loopback(home)
    try:
        return len(list(server.delivered()))
    finally:
        server.close()


def race(home, spawn, wa, rounds, seed):
    """Pause or cancel a job at a random moment of its sending, again and again."""
    chance = random.Random(seed)
    settings = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")
    store = open_store(home)
    context = Context(home, settings, store)
    process = spawn("run-scheduler")
    wait_for(lambda: is_connected(home), what="the connection")
    wa("loopback", "fault", "ack-delay", "0.004")
    held = 0
    for number in range(rounds):
        job_id = a_job(store, settings)
        context.wake_owner()
        time.sleep(chance.uniform(0, 0.12))
        act = ask.cancel_job if number % 2 else ask.pause_job
        try:
            act(context, job_id)
        except WaError as error:
            if error.code != "wrong-state":
                raise
            assert table.head(store, job_id)["status"] == "completed"
            continue
        before = accepted(home)
        held += before > 0
        for _ in range(3):
            time.sleep(0.01)
            context.wake_owner()
        assert accepted(home) == before, "something went out after the command had returned"
        assert not wrong_columns(store.conn)
        sent = store.value(
            "SELECT count(*) FROM scheduled_messages WHERE job_id = ? AND status = 'sent'", [job_id]
        )
        status = table.head(store, job_id)["status"]
        if status == "paused":
            control.cancel(store, job_id, system_now())
        rows = store.rows("SELECT status FROM scheduled_messages WHERE job_id = ?", [job_id])
        assert {row["status"] for row in rows} <= {"sent", "cancelled"}
        assert sent <= 30
    assert held
    assert process.popen.poll() is None
    assert not {"pending", "sending", "held"} & set(queue.counts(store))
    store.close()


def test_pausing_and_cancelling_a_job_while_it_is_sent_holds(home, spawn, wa):
    race(home, spawn, wa, rounds=12, seed=7)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2))
def test_pausing_and_cancelling_300_jobs_while_they_are_sent_holds(home, spawn, wa, seed):
    race(home, spawn, wa, rounds=150, seed=seed)


def test_a_job_is_paused_and_resumed_from_other_processes(home, spawn, shell, wa, store):
    made = shell("jobs", "add", "--to", REEM, "--part", "one", "--part", "two", "--gap", "0", "--json")
    job_id = made.json["id"]
    assert shell("jobs", "pause", job_id).code == 0
    process = spawn("run-scheduler")
    wait_for(lambda: is_connected(home), what="the connection")
    assert table.head(store, job_id)["status"] == "paused"
    assert shell("jobs", "resume", job_id).code == 0
    wait_for(lambda: table.head(store, job_id)["status"] == "completed", what="the end of the job")
    process.kill()
