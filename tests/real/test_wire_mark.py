"""The wire mark of the transport: no message leaves without one, however the process dies."""

from __future__ import annotations

import os
import queue
import random
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from conftest import HELPERS, wait_for

from wa.store.paths import Home
from wa.whatsapp.neonize.connection import NeonizeTransport
from wa.whatsapp.signals import Connected
from wa.whatsapp.transport import Handlers, Outgoing

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

BOOK = """
CREATE TABLE marks (number INTEGER PRIMARY KEY, message_id TEXT);
CREATE TABLE attempts (text INTEGER PRIMARY KEY, secret BLOB, after INTEGER, message_id TEXT);
"""
"""`after` is the newest mark before an attempt, `message_id` the id in its acknowledgement."""
ONE_IN = 3
"""Of this number of marked and unacknowledged messages, one may not have been accepted, which makes an
`unknown` row. We saw 6 of 53; many more would mean that the mark is made too early."""
ENOUGH = 100
"""Number of kills from which on this ratio is more than chance."""


def opened(book):
    """Open the sender's notes; each statement is a commit of its own."""
    return sqlite3.connect(book, timeout=30, isolation_level=None, check_same_thread=False)


def send_until_killed(home, book, to):
    """Send one message after the other, with a note before and after each."""
    notes, marks = opened(book), opened(book)
    signals = queue.Queue()

    def mark(message_id, jid):
        marks.execute("INSERT INTO marks (message_id) VALUES (?)", [message_id])

    transport = NeonizeTransport(Home(Path(home)))
    transport.connect(Handlers(lambda kind, payload: None, signals.put, mark))
    while not isinstance(signals.get(timeout=30), Connected):
        pass
    while True:
        secret = os.urandom(32)
        added = "INSERT INTO attempts (secret, after) SELECT ?, coalesce(max(number), 0) FROM marks"
        number = notes.execute(added, [secret]).lastrowid
        sent = transport.send(Outgoing(to, f"{number}", secret))
        notes.execute("UPDATE attempts SET message_id = ? WHERE text = ?", [sent.message_id, number])


class Experiment:
    """Senders that are killed, and the evidence about their last messages."""

    def __init__(self, home, seed):
        self.home = home
        self.chance = random.Random(seed)
        self.adam = home.relay.person("Adam")
        self.book = home.home.path / "book.db"
        home.link_quickly()
        with closing(opened(self.book)) as db:
            db.executescript(BOOK)
        self.transport = NeonizeTransport(home.home)
        self.open = []
        """(text, secret, marks since, evidence) of the messages that were not acknowledged."""

    def ask(self, sql, *params):
        """Return all rows of a query on the notes."""
        with closing(opened(self.book)) as db:
            return db.execute(sql, params).fetchall()

    def kill_one(self):
        """Start a sender, kill it, and ask for evidence about its last message."""
        before = self.ask("SELECT count(*) FROM attempts")[0][0]
        args = [str(self.home.home.path), str(self.book), self.adam.pn]
        path = self.home.env["PYTHONPATH"] + os.pathsep + HELPERS
        process = self.home.start(*args, program=[sys.executable, __file__], PYTHONPATH=path)

        def has_begun():
            assert process.poll() is None, self.home.said(process)
            return self.ask("SELECT count(*) FROM attempts")[0][0] > before

        wait_for(has_begun, what="an attempt")
        with suppress(TimeoutExpired):
            process.wait(self.chance.uniform(0, 0.15))
        process.kill()
        assert process.wait() == -9, self.home.said(process)
        wait_for(lambda: not self.home.is_connected, what="a server that has seen it")
        for text, secret, after in self.ask(
            "SELECT text, secret, after FROM attempts WHERE message_id IS NULL AND text > ?", before
        ):
            marked = [each for (each,) in self.ask("SELECT message_id FROM marks WHERE number > ?", after)]
            self.open.append((str(text), secret, marked, self.transport.evidence(secret, marked)))

    def accepted(self):
        """Return the ids of the messages that Adam's phone received, by text."""
        found = [each for each in self.adam.inbox() if "receipt" not in each]
        accepted = {each["text"]: each["id"] for each in found}
        assert len(accepted) == len(found), "something came twice"
        return accepted


@pytest.mark.parametrize("kills", [6, pytest.param(120, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_no_message_without_a_mark_was_accepted_and_the_evidence_is_right(lived_in, tell, kills):
    experiment = Experiment(lived_in, seed=kills)
    for _ in range(kills):
        experiment.kill_one()
    accepted = experiment.accepted()
    marks = {each for (each,) in experiment.ask("SELECT message_id FROM marks")}
    assert set(accepted.values()) <= marks

    acknowledged = experiment.ask(
        "SELECT text, secret, message_id FROM attempts WHERE message_id IS NOT NULL"
    )
    for text, secret, message_id in acknowledged:
        assert accepted[str(text)] == message_id
        if int(text) % 10 == 0:
            assert experiment.transport.evidence(secret, [message_id]).message_id == message_id

    for text, _, marked, evidence in experiment.open:
        if not marked:  # without a mark no evidence is needed: the message has not gone
            assert text not in accepted
            assert not evidence.sent
            assert evidence.message_id is None
        elif evidence.sent is False:
            assert text not in accepted
        else:
            assert evidence.sent is None
            assert evidence.message_id in marked
            assert accepted.get(text) in (None, evidence.message_id)
    gone = [text for text, _, marked, evidence in experiment.open if marked and evidence.message_id]
    tell(
        kills=kills,
        acknowledged=len(acknowledged),
        accepted=len(accepted),
        without_a_mark=len(set(accepted.values()) - marks),
        open=len(experiment.open),
        open_unmarked=sum(not marked for _, _, marked, _ in experiment.open),
        written_but_not_marked=sum(not m and e.sent is False for _, _, m, e in experiment.open),
        others_marks=sum(bool(m) and e.sent is False for _, _, m, e in experiment.open),
        open_marked=len(gone),
        marked_and_not_accepted=sum(text not in accepted for text in gone),
    )
    if kills >= ENOUGH:
        assert sum(text not in accepted for text in gone) <= len(gone) / ONE_IN
        assert len(experiment.open) >= kills * 0.5


if __name__ == "__main__":
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    send_until_killed(*sys.argv[1:])
