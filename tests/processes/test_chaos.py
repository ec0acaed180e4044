"""Random kills, stops, faults, cancels, edits, pauses and retries at once; then the balance.

Nothing went out twice, nothing that was cancelled went out, and nothing is lost but for what a kill may lose.

With another program that locks the store for 5 to 60 seconds, or a disk that fills up, the same holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from conftest import REEM, wait_for

from wa.connection.context import system_now
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue import compose, pacing, rows, states
from wa.store.database import Store
from wa.store.open import open_store
from wa.store.paths import Home
from wa.whatsapp.loopback.server import Loopback

pytestmark = [pytest.mark.soak, pytest.mark.no_home, pytest.mark.timeout(600)]

SECONDS = float(os.environ.get("CHAOS_SECONDS", "40"))
SCHEDULED = 300
GRACE = timedelta(hours=1)
FAULTS = [
    ("offline", "on"), ("offline", "off"), ("ack-delay", "0.3"), ("ack-delay", "off"), ("ack-lost", "on"),
    ("ack-lost", "off"), ("ack-timeout", "0.2"), ("receipts", "off"), ("receipts", "on"), ("refuse", "503"),
    ("refuse", "off"), ("refuse", "463"), ("refuse", "off"), None,
]  # fmt: skip
LOST_A_KILL = 5
"""Messages that a kill may lose on a busy machine, as README says."""


@pytest.fixture
def place(request, tmp_path, monkeypatch):
    """A home, on a disk of 64 MB if the test wants that; the stand-in's data is elsewhere."""
    path = tmp_path / "place"
    path.mkdir()
    is_small = request.node.callspec.params.get("attack") == "disk"
    if is_small:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", path], check=True)
    home = Home(path / "home")
    home.prepare()
    home.loopback.symlink_to(tmp_path / "server.db")
    open_store(home).close()
    monkeypatch.setenv("WA_HOME", str(home.path))
    monkeypatch.setenv("WA_GRACE", "1h")
    yield home
    if is_small:
        subprocess.run(["umount", "-l", path], check=True)


class Chaos:
    """What goes on at once, each in a thread of its own, and what it saw."""

    def __init__(self, home, spawn, seed):
        self.home, self.spawn = home, spawn
        self.dice = random.Random(seed)
        self.end = time.monotonic() + SECONDS
        self.kills = 0
        self.faults, self.said, self.sends = [], [], []
        self.cancelled = set()
        self.owners = []

    @property
    def goes_on(self):
        """Whether the time is not over."""
        return time.monotonic() < self.end

    def run(self, *jobs):
        """Run jobs to the end of the time; raise the first error of any."""

        def guarded(job):
            try:
                job()
            except BaseException as error:
                self.faults.append(f"{job.__name__}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for owner in self.owners:
            owner.kill()

    def schedule(self):
        """Queue messages for the whole time."""
        store = open_store(self.home)
        now = system_now()
        for number in range(SCHEDULED):
            phone = f"4477009001{number % 50:02}"
            to = Recipient(f"{phone}@s.whatsapp.net", phone, None)
            due = now + timedelta(seconds=number * SECONDS / SCHEDULED)
            rows.enqueue(store, to, f"sched {number}", due, now, grace=GRACE, zone="UTC")
        store.close()

    def kill(self):
        """Start up to three owners, and end them in all ways."""
        while self.goes_on:
            while len(self.owners) < 3:
                self.owners.append(self.spawn(self.dice.choice(["run-scheduler", "listen"])))
            time.sleep(self.dice.uniform(0.1, 2.0))
            owner = self.dice.choice(self.owners)
            how = self.dice.choice(["KILL", "KILL", "TERM", "STOP", "INT"])
            if owner.popen.poll() is not None:
                self.owners.remove(owner)
            elif how == "STOP":
                owner.signal(signal.SIGSTOP)
                time.sleep(self.dice.uniform(0.1, 3))
                owner.signal(signal.SIGCONT)
            else:
                self.kills += how == "KILL"
                owner.signal(getattr(signal, f"SIG{how}"))
                self.owners.remove(owner)
                began = time.monotonic()
                code = owner.finish().code
                if time.monotonic() - began > 7:
                    self.faults.append(f"SIG{how} took {time.monotonic() - began:.1f} s, code {code}")

    def fault(self):
        """Let the server misbehave."""
        while self.goes_on:
            time.sleep(self.dice.uniform(0.1, 0.8))
            self.serve(self.dice.choice(FAULTS))

    def serve(self, fault):
        """Set a fault of the server; None clears all."""
        server = Loopback(self.home)
        server.set_fault(*fault) if fault else server.reset()
        server.close()

    def talk(self):
        """Let Reem write five messages at a time."""
        number = 0
        while self.goes_on:
            ids = [f"IN{number + each}" for each in range(5)]
            number += 5
            lines = "".join(json.dumps({"from": REEM, "text": each, "id": each}) + "\n" for each in ids)
            if self.spawn("loopback", "say", "-", stdin=lines).finish().code == 0:
                self.said += ids
            time.sleep(self.dice.uniform(0.2, 1))

    def send(self):
        """Send with keys, from several processes at once, some of them killed."""
        number = 0
        while self.goes_on:
            number += 1
            command = ("send", REEM, f"keyed {number}", "--key", f"k{number}", "--wait", "5", "--json")
            senders = [self.spawn(*command) for _ in range(self.dice.choice([1, 2, 4]))]
            if self.dice.random() < 0.3:
                time.sleep(self.dice.uniform(0, 1))
                senders[0].signal(self.dice.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
            self.sends.append((f"keyed {number}", [sender.finish(200) for sender in senders]))

    def change(self):
        """Cancel, edit, move, retry and pause."""
        store = open_store(self.home)
        while self.goes_on:
            time.sleep(self.dice.uniform(0.02, 0.25))
            with contextlib.suppress(WaError, sqlite3.OperationalError):
                self._change(store)
        store.close()

    def _change(self, store: Store) -> None:
        open_rows = store.rows(
            "SELECT id, message FROM scheduled_messages WHERE message LIKE 'sched %' AND"
            " status IN ('pending', 'sending', 'unknown', 'failed')"
            " ORDER BY status = 'pending', scheduled_at LIMIT 12"
        )
        if not open_rows:
            return
        row = self.dice.choice(open_rows)
        now, text = system_now(), row["message"].replace(" E", "")
        what = self.dice.choice(["cancel", "edit", "edit", "pause", "retry", "retry", "move"])
        if what == "cancel":
            states.cancel(store, row["id"], now)
            self.cancelled.add(text)
        elif what == "edit":
            states.edit(store, row["id"], now, {"message": f"{text} E"})
        elif what == "move":
            moved = compose.new_time(rows.get(store, row["id"]), now + timedelta(seconds=1), GRACE)
            states.edit(store, row["id"], now, moved)
        elif what == "retry":
            states.retry(store, row["id"], now, force=False, grace=GRACE)
        elif self.dice.random() < 0.3:
            if self.spawn("pause").finish().code == 0:
                before = len(accepted(self.home))
                time.sleep(0.7)
                if len(accepted(self.home)) != before:
                    self.faults.append("something went out after pause had returned")
            pacing.resume(store, system_now())

    def lock(self):
        """Be another program that locks the store for long."""
        while self.goes_on:
            time.sleep(self.dice.uniform(2, 6))
            db = sqlite3.connect(self.home.store, timeout=30, isolation_level=None)
            with contextlib.closing(db), contextlib.suppress(sqlite3.OperationalError):
                db.execute("BEGIN IMMEDIATE")
                time.sleep(min(self.dice.uniform(5, 60), max(0.0, self.end - time.monotonic())))

    def fill(self):
        """Fill the disk again and again, and make room."""
        ballast = self.home.path.parent / "ballast"
        while self.goes_on:
            time.sleep(self.dice.uniform(1, 4))
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            with contextlib.suppress(OSError):
                left = self.dice.choice([0, 8, 32, 128]) * 1024
                os.truncate(ballast, max(0, ballast.stat().st_size - left))
            time.sleep(self.dice.uniform(1, 4))
            ballast.unlink(missing_ok=True)


def accepted(home):
    """Return the texts that the server accepted."""
    server = Loopback(home)
    try:
        return [row["content"] for row in server.delivered()]
    finally:
        server.close()


def read(home, sql):
    """Return the rows of a query."""
    with contextlib.closing(sqlite3.connect(home.store, timeout=30)) as db:
        return db.execute(sql).fetchall()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("attack", ["kills", "lock", "disk"])
def test_the_balance_after_chaos(place, spawn, seed, attack):
    home, chaos = place, Chaos(place, spawn, seed)
    chaos.schedule()
    jobs = [chaos.kill, chaos.fault, chaos.talk, chaos.send, chaos.change]
    jobs += {"lock": [chaos.lock], "disk": [chaos.fill]}.get(attack, [])
    chaos.run(*jobs)
    chaos.serve(None)
    assert spawn("resume").finish().code == 0
    scheduler = spawn("run-scheduler")
    undone = "SELECT 1 FROM scheduled_messages WHERE status IN ('pending', 'sending')"
    wait_for(lambda: not read(home, undone), 180, "an end of the queue")
    server = Loopback(home)
    wait_for(lambda: not server.incoming(0), 60, "the taking of all that arrived")
    server.close()
    scheduler.signal(signal.SIGTERM)
    scheduler.finish()

    went = Counter(text.replace(" E", "") for text in accepted(home))
    queue = read(home, "SELECT message, status FROM scheduled_messages")
    status = {text.replace(" E", ""): each for text, each in queue}
    assert {text: times for text, times in went.items() if times > 1} == {}, "twice"
    assert sorted(chaos.cancelled & set(went)) == [], "cancelled, and went out"
    assert [text for text in status if status[text] == "sent" and text not in went] == [], "sent, they say"
    wrong = [text for text in went if status[text] not in ("sent", "unknown")]
    assert wrong == [], "went out, and is not said to be sent"
    for text, results in chaos.sends:
        codes = [result.code for result in results]
        assert went[text] or 0 not in codes, (text, codes)
        if text in went and not {0, 6} & set(codes):  # nobody may say that it will not go out
            assert -signal.SIGKILL in codes, (text, codes, [result.err for result in results])
    stored = {name for (name,) in read(home, "SELECT message_id FROM messages WHERE message_id LIKE 'IN%'")}
    lost = [each for each in chaos.said if each not in stored]
    sys.stderr.write(
        f"{attack} {seed}: {chaos.kills} kills, {len(queue)} rows, {dict(Counter(status.values()))},"
        f" {len(chaos.cancelled)} cancelled, {len(lost)} of {len(chaos.said)} lost, faults {chaos.faults}\n"
    )
    assert len(lost) <= LOST_A_KILL * chaos.kills
    assert [each for each in chaos.faults if "pause" in each] == []
