"""Never twice, never lost, with WhatsApp's real library: `wa` is killed while it sends and receives."""

from __future__ import annotations

import random
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from conftest import wait_for

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "support/real_kill_points.py")]
SENDING = ("claimed", "marking", "marked", "acknowledged", "settled")
RECEIVING = ("taken", "spooled", "applying", "applied")
STARTING = ("connecting", "asking")
POINTS = (*SENDING, *RECEIVING, *STARTING)
EACH_ONCE = (*POINTS, "cut", "at-random", "cut")
OWNERS = ("listen", "run-scheduler", "send")
FAULTS = {
    "none": {},
    "acknowledged late": {"ack_delay": {"seconds": 0.3}},
    "never acknowledged": {"never_ack": {}},
    "cut before it is passed on": {"drop_on_send": {"route": False, "count": 2}},
    "cut after it was passed on": {"drop_on_send": {"route": True, "count": 2}},
    "refused": {"ack_error": {"code": 463, "count": 1}},
    "a fault of the server": {"ack_error": {"code": 503, "count": 1}},
}
ANSWERED = [each for each in FAULTS if each != "never acknowledged"]
OPEN = (
    "died before",
    "server returned error 503",
    "websocket disconnected before",
    "socket is closed",
    "failed to write frame",
)
"""The errors after which a message that no phone received may be `unknown`."""
ENOUGH = 40
"""Number of rounds from which on the share that end with a kill is more than chance."""
LOST_A_KILL = 2
"""Messages that a SIGKILL may lose: received by the library and not yet handed over."""


def said_in(entry):
    """Return what a phone shows of a message: its text, a poll's question, or the name of a place."""
    part = entry.get("message", {}).get(entry.get("kind"))
    return part["name"] if isinstance(part, dict) and "name" in part else entry.get("text")


class Killing:
    """Rounds of messages both ways, each with a process that is killed midway."""

    def __init__(self, home, seed):
        self.home = home
        self.chance = random.Random(seed)
        self.adam = home.relay.person("Adam", receipts=["delivered"])
        self.sara = home.relay.person("Sara")  # Sara's phone sends no receipts
        self.texts = []
        self.said = []
        self.kills = self.rounds = self.missed = 0

    def round(self, kind, fault):
        """Queue messages on both sides, start a process, and kill it."""
        self.rounds += 1
        self.home.us.fault(**FAULTS[fault])
        args = self._arguments(kind)
        if kind in ("at-random", "cut"):
            process = self.home.start(*args)
            self._watch(process, cut=kind == "cut")
        else:
            process = self.home.start(kind, str(self.chance.randint(1, 3)), *args, program=PROGRAM)
            wait_for(lambda: process.poll() is not None or self._is_quiet(), what=f"{kind}, {fault}: the end")
        self.missed += process.poll() is None and kind not in ("at-random", "cut")
        process.kill()
        self.kills += process.wait() == -9
        self.home.us.fault(**dict.fromkeys(FAULTS[fault]))

    def _arguments(self, kind):
        """Return the command of this round; it has messages to send and to receive."""
        command = self.chance.choice(OWNERS[:2] if kind in RECEIVING else OWNERS)
        texts = [f"{kind} {self.rounds}.{number}" for number in range(4)]
        self.texts += texts
        for person in (self.adam, self.sara):
            said = [f"from {person.name} {self.rounds}.{number}" for number in range(3)]
            self.said += person.send_many(self.home.us, said)
        self.home.queue(self.chance.choice([self.adam, self.sara]), texts[1:], mixed=True)
        if command == "send":
            return [command, self.adam.number, texts[0]]
        self.home.queue(self.adam, texts[:1])
        return [command]

    def _watch(self, process, *, cut):
        """Wait for the first wire mark and a little longer; cut the connection meanwhile."""
        before = self._marks()
        wait_for(lambda: process.poll() is not None or self._marks() > before, what="a mark")
        for _ in range(self.chance.randint(1, 3) if cut else 0):
            with suppress(TimeoutExpired):
                process.wait(self.chance.uniform(0, 0.1))
            self.home.us.drop()
        with suppress(TimeoutExpired):
            process.wait(self.chance.uniform(0, 0.5))

    def _marks(self):
        return self.home.value("SELECT coalesce(max(number), 0) FROM wire")

    def _is_quiet(self):
        statuses = self.statuses()
        return not statuses["pending"] and not statuses["sending"] and not self.home.waiting

    def statuses(self):
        """Return the number of rows of each status."""
        return Counter(
            dict(self.home.rows("SELECT status, count(*) FROM scheduled_messages GROUP BY status"))
        )

    def finish(self):
        """Send the remaining rows without faults, and record the received messages."""
        process = self.home.start("listen")
        wait_for(self._is_quiet, 90, "a quiet queue")
        self.home.wait_until_recorded()
        self.home.stop(process)

    def accepted(self):
        """Return the messages that phones received, by id."""
        entries = [each for person in (self.adam, self.sara) for each in person.inbox()]
        found = [each for each in entries if "receipt" not in each]
        assert not [key for key, count in Counter(each["id"] for each in found).items() if count > 1]
        return {each["id"]: each for each in found}

    def check(self):
        """Check that no message was sent twice or is lost; return the accepted ids and the unknown rows."""
        accepted = self.accepted()
        texts = Counter(said for each in accepted.values() if (said := said_in(each)))
        assert not [text for text, count in texts.items() if count > 1]
        columns = "id, status, message_id, message, error_code, error_message"
        rows = self.home.rows(f"SELECT {columns} FROM scheduled_messages")
        assert {text for _, _, _, text, *_ in rows} <= set(self.texts)
        by_message = {message_id: status for _, status, message_id, *_ in rows if message_id}
        assert set(accepted) <= set(by_message), "something was sent that no row knows of"
        assert set(accepted) <= {each for (each,) in self.home.rows("SELECT message_id FROM wire")}
        for row_id, status, message_id, text, code, why in rows:
            assert status in ("sent", "failed", "unknown"), row_id
            got = accepted.get(message_id)
            assert (got is not None) or status != "sent", f"{row_id} says sent, and nobody got it"
            assert got is None or said_in(got) in (None, text)
            assert (text not in texts and code and why) or status != "failed", row_id
            assert (message_id and why) or status != "unknown", row_id
        return accepted, [each for each in rows if each[1] == "unknown"]

    def read_all(self, accepted):
        """Let all phones read their messages, and record the receipts."""
        process = self.home.start("listen")
        wait_for(lambda: self.home.is_connected, what="a connection")
        for person in (self.adam, self.sara):
            ids = [each for each, entry in accepted.items() if entry["chat"] and entry in person.inbox()]
            person.receipt(self.home.us, ids, "read")
        self.home.wait_until_recorded()
        self.home.stop(process)


def kill_again_and_again(lived_in, tell, seed, kinds):
    """Kill in rounds of these kinds, and check the rows before and after receipts."""
    lived_in.link()
    killing = Killing(lived_in, seed)
    for kind in kinds:
        faults = [*FAULTS] if kind in ("at-random", "cut") else ANSWERED
        killing.round(kind, killing.chance.choice(faults))
    killing.finish()
    before = killing.check()[1]
    accepted = killing.accepted()
    killing.read_all(accepted)
    after = killing.check()[1]
    unreadable = lived_in.relay.take_undecrypted()  # whoever was killed cannot answer the request for it
    lost = set(killing.said) - {each for (each,) in lived_in.rows("SELECT message_id FROM messages")}
    tell(
        seed=seed,
        kills=killing.kills,
        ended_before=killing.rounds - killing.kills,
        points_missed=killing.missed,
        accepted=len(accepted),
        unreadable=len(unreadable),
        statuses=killing.statuses(),
        unknown_before_receipts=len(before),
        unknown_accepted=sum(each[2] in accepted for each in before),
        unknown_after=len(after),
        received=len(killing.said),
        lost=len(lost),
        reasons=Counter(each[5] for each in after),
    )
    assert len(unreadable) <= killing.kills // 10
    assert not [each for each in after if each[2] in accepted], "a receipt settles what was accepted"
    assert all(any(reason in each[5] for reason in OPEN) for each in after)
    assert killing.kills >= (killing.rounds * 0.7 if killing.rounds >= ENOUGH else 1)
    assert len(lost) <= LOST_A_KILL * killing.kills


def many(rounds):
    """Return the kinds of kills: every point in turn, and as often at random or with the connection cut."""
    kinds = [POINTS[number // 2 % len(POINTS)] if number % 2 else "at-random" for number in range(rounds)]
    for number in range(2, rounds, 6):
        kinds[number] = "cut"
    return kinds


def test_a_process_killed_at_every_stage_sends_no_message_twice_and_loses_none(lived_in, tell):
    kill_again_and_again(lived_in, tell, seed=20261231, kinds=EACH_ONCE)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(5))
def test_more_than_a_hundred_kills_send_no_message_twice_and_lose_none(lived_in, tell, seed):
    kill_again_and_again(lived_in, tell, seed, many(44))
