"""Series with WhatsApp's real library: killed between the end of one date and the making of the next."""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from conftest import wait_for

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue.series import create
from wa.store.open import open_store
from wa.times import load_zone

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "support/real_kill_points.py")]
POINTS = ("ended", "computed", "added", "moved on", "followed", "marked", "acknowledged", "settled")
SERIES = 3


def add_series(home, person, texts):
    """Add daily series whose first date is now."""
    store, now, zone = open_store(home.home), system_now(), load_zone("UTC")
    when = create.timing("day", "in 0 seconds", now, zone)
    to = Recipient(person.pn, person.number, person.name)
    for text in texts:
        create.add(store, to, text, when, now, grace=timedelta(hours=6))
    store.close()


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_kills_between_two_dates_send_each_date_once(lived_in, tell, seed):
    chance, kills, texts = random.Random(seed), 0, []
    lived_in.link()
    adam = lived_in.relay.person("Adam", receipts=["delivered"])
    open_rows = "SELECT count(*) FROM scheduled_messages WHERE status = 'sending' OR"
    due = f"{open_rows} (status = 'pending' AND scheduled_at <= strftime('%Y-%m-%dT%H:%M:%fZ'))"
    for number, point in enumerate(islice(POINTS * 6, 44)):
        texts += (said := [f"{number}.{each}" for each in range(SERIES)])
        add_series(lived_in, adam, said)
        process = lived_in.start(point, str(chance.randint(1, SERIES)), "run-scheduler", program=PROGRAM)
        wait_for(lambda process=process: process.poll() is not None or not lived_in.value(due), what=point)
        process.kill()
        kills += process.wait() == -9
    process = lived_in.start("listen")
    wait_for(lambda: not lived_in.value(due), 90, "a quiet queue")
    lived_in.wait_until_recorded()
    lived_in.stop(process)
    got = Counter(each["text"] for each in adam.inbox() if each.get("text"))
    statuses = Counter(status for (status,) in lived_in.rows("SELECT status FROM scheduled_messages"))
    tell(seed=seed, kills=kills, statuses=statuses, got=len(got))
    assert set(got.values()) == {1}
    assert set(got) <= set(texts)
    assert statuses["pending"] == len(texts)
    assert statuses["sent"] + statuses["unknown"] == len(texts)
    assert set(statuses) <= {"pending", "sent", "unknown"}
    assert len(got) >= statuses["sent"]
    waiting = "SELECT count(*) FROM scheduled_messages WHERE status = 'pending' GROUP BY series_id"
    assert set(lived_in.rows(waiting)) == {(1,)}
    assert kills >= 40
