"""Reactions, edits and deletions with WhatsApp's real library: a process that is killed repeats none."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from conftest import wait_for

from wa.connection.context import system_now
from wa.times import to_iso

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "support/real_kill_points.py")]
POINTS = (
    "putting", "put", "claiming action", "claimed action", "acting", "marking", "marked", "acted",
    "recording action", "recorded action",
)  # fmt: skip
ASKING = ("putting", "put")
"""The points of the process that asks for an action, whoever does it."""
KINDS = ("react", "edit", "delete")
FAULTS = {
    "none": {},
    "acknowledged late": {"ack_delay": {"seconds": 0.3}},
    "cut before it is passed on": {"drop_on_send": {"route": False, "count": 1}},
    "cut after it was passed on": {"drop_on_send": {"route": True, "count": 1}},
    "swallowed": {"swallow": {"count": 1}},
    "refused": {"ack_error": {"code": 463, "count": 1}},
}
UNANSWERED = ("swallowed",)
ENDED = {"done", "failed", "unknown", "withdrawn"}
EXPIRED = "pending"
"""The status of what was asked for by a process that died, and that nobody did in time."""


class Killing:
    """Rounds, each with one action whose process, or whose owner of the connection, is killed midway."""

    def __init__(self, home, seed):
        self.home, self.chance = home, random.Random(seed)
        self.adam = home.relay.person("Adam", receipts=["delivered"])
        self.sara = home.relay.person("Sara")  # Sara's phone sends no receipts
        self.asked = []
        self.kills = 0

    def prepare(self, rounds):
        """Let our phone write the messages that are changed later, and record them."""
        self.targets = [
            (KINDS[number % len(KINDS)], person, self.home.us.send(person, f"target {number}"))
            for number in range(rounds)
            for person in [self.chance.choice([self.adam, self.sara])]
        ]
        self.listen_until_recorded()

    def listen_until_recorded(self):
        """Run a listener until all that has arrived is recorded and no action is open."""
        process = self.home.start("listen")
        self.home.wait_until_recorded()
        open_ones = (
            "SELECT count(*) FROM requests WHERE status = 'doing' OR status = 'pending' AND expires_at > ?"
        )
        wait_for(lambda: not self.home.value(open_ones, to_iso(system_now())), 90, "the end of all actions")
        self.home.stop(process)

    def round(self, number, point, fault, *, by_listener):
        """Ask for one action, and kill the process that does it, a listener or the command itself."""
        kind, person, target = self.targets[number]
        self.asked.append((kind, person, target))
        words = [] if kind == "delete" else ["👍" if kind == "react" else f"edited {number}"]
        args = [kind, person.number, target, *words]
        program = [*PROGRAM, point, "1"] if point in POINTS else None
        is_asker_killed = not by_listener or point in ASKING
        listener = None
        if by_listener:
            listener = self.home.start("listen", program=None if is_asker_killed else program)
            wait_for(lambda: self.home.is_connected or listener.poll() is not None, what="a connection")
        before = self._marks()
        self.home.us.fault(**FAULTS[fault])
        asker = self.home.start(*args, program=program if is_asker_killed else None)
        victim = asker if is_asker_killed else listener

        def is_over():
            return victim.poll() is not None or asker.poll() is not None or self._is_ended(target)

        if point not in POINTS:
            wait_for(lambda: is_over() or self._marks() > before, what="a mark")
            with suppress(TimeoutExpired):
                victim.wait(self.chance.uniform(0, 0.4))
            if point == "cut":
                self.home.us.drop()
        elif fault in UNANSWERED:
            with suppress(TimeoutExpired):
                victim.wait(3)
        else:
            wait_for(is_over, what=f"{point}, {fault}: the end")
        victim.kill()
        self.kills += victim.wait() == -9
        self.home.us.fault(**dict.fromkeys(each for faults in FAULTS.values() for each in faults))
        asker.wait(120)  # without its owner it becomes the owner, and tells what became of the action
        if listener is not None and is_asker_killed:
            wait_for(lambda: self._is_ended(target) or not self._is_put(target), what="the action")
            self.home.stop(listener)

    def _is_put(self, target):
        return bool(self._statuses(target))

    def _is_ended(self, target):
        return bool({*self._statuses(target)} & ENDED)

    def _statuses(self, target):
        sql = "SELECT status FROM requests WHERE json_extract(args, '$.message_id') = ?"
        return [status for (status,) in self.home.rows(sql, target)]

    def _marks(self):
        return self.home.value("SELECT coalesce(max(number), 0) FROM wire")

    def check(self):
        """Check each action against what phones got and the store says; return the number of each status."""
        statuses = Counter()
        accepted = self.accepted()
        for kind, person, target in self.asked:
            rows = self._statuses(target)
            assert len(rows) <= 1
            status = rows[0] if rows else "never put"
            statuses[status] += 1
            assert accepted[target] <= 1, f"{kind} of {target} went out {accepted[target]} times"
            assert status in ENDED | {EXPIRED, "never put"}
            is_done, is_there = self.is_recorded(kind, target), accepted[target] == 1
            assert is_done == (status == "done"), (kind, target, status)
            if status != "unknown":
                assert is_there == is_done, f"{kind} of {target} is {status}, and the phone: {is_there}"
            elif person is self.adam:
                assert not is_there, "a receipt settles what was accepted"
        return statuses

    def read_all(self):
        """Let Adam read all that he got, for a kill may have lost a receipt, and record his receipts."""
        ids = [each["id"] for each in self.adam.inbox() if "kind" in each]
        process = self.home.start("listen")
        wait_for(lambda: self.home.is_connected, what="a connection")
        if ids:
            self.adam.receipt(self.home.us, ids, "read")
        recorded = "SELECT count(DISTINCT message_id) FROM receipts WHERE kind = 'read'"
        wait_for(lambda: self.home.value(recorded) == len(ids), what="Adam's receipts")
        settled = "SELECT message_id FROM receipts"
        is_open = f"SELECT count(*) FROM requests WHERE status = 'unknown' AND message_id IN ({settled})"
        wait_for(lambda: not self.home.value(is_open), what="the end of what a receipt settles")
        self.home.stop(process)

    def accepted(self):
        """Return how many messages phones got that change a target, by target."""
        found = Counter()
        for person in (self.adam, self.sara):
            for entry in person.inbox():
                message = entry.get("message", {})
                message = message.get("editedMessage", {}).get("message", message)
                part = message.get("reactionMessage") or message.get("protocolMessage") or {}
                if "key" in part:
                    found[part["key"]["ID"]] += 1
        return found

    def is_recorded(self, kind, target):
        """Return whether the store says that an action was done."""
        if kind == "react":
            sql = "SELECT count(*) FROM reactions WHERE message_id = ? AND emoji <> ''"
        else:
            column = {"edit": "edited_at", "delete": "deleted_at"}[kind]
            sql = f"SELECT count(*) FROM messages WHERE message_id = ? AND {column} IS NOT NULL"
        return self.home.value(sql, target) == 1


def kill_again_and_again(lived_in, tell, seed, rounds):
    """Kill in rounds of these points, whether the process asks or a listener does it, and check."""
    lived_in.link_quickly()
    killing = Killing(lived_in, seed)
    killing.prepare(len(rounds))
    for number, (point, by_listener) in enumerate(rounds):
        killing.round(number, point, killing.chance.choice([*FAULTS]), by_listener=by_listener)
    killing.listen_until_recorded()
    killing.read_all()
    statuses = killing.check()
    lived_in.relay.take_undecrypted()  # whoever was killed cannot answer the request for it
    tell(seed=seed, kills=killing.kills, rounds=len(rounds), statuses=statuses)
    assert killing.kills >= len(rounds) * 0.5


def test_a_killed_process_does_no_action_twice_and_says_what_became_of_it(lived_in, tell):
    kill_again_and_again(lived_in, tell, 20261231, [("marked", False), ("acted", True)])


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", [*POINTS, "at-random", "cut"])
def test_twenty_kills_at_each_point_do_no_action_twice(lived_in, tell, point):
    started = time.monotonic()
    kill_again_and_again(lived_in, tell, point, [(point, bool(number % 2)) for number in range(20)])
    tell(seconds=round(time.monotonic() - started))
