"""Changes of groups and blocks with WhatsApp's real library: a process that is killed repeats none."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from conftest import WA, wait_for

from wa.connection.context import system_now
from wa.times import to_iso

pytest_plugins = ["relay_fixture", "lived_in_fixture"]

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "support/real_kill_points.py")]
POINTS = ("putting", "put", "claiming action", "claimed action", "acting", "acted", "recording action",
          "recorded action")  # fmt: skip
ASKING = ("putting", "put")
"""The points of the process that asks for an action, whoever does it."""
CALLS = {"acting": ("managing", "blocking"), "acted": ("managed", "blocked")}
"""The points of the calls of the transport: for groups, and for people who are blocked."""
TAGS = {
    "create": "create", "rename": "subject", "add": "add", "remove": "remove", "promote": "promote",
    "demote": "demote", "leave": "leave", "renew": "invite", "block": "item",
}  # fmt: skip
"""What one does, and the node of the query by which it is done."""
FAULTS = {
    "none": None,
    "answered late": {"how": "late", "seconds": 0.3},
    "never answered": {"how": "silence"},
    "lost": {"how": "silence", "done": False},
    "cut before it is done": {"how": "cut", "done": False},
    "cut after it was done": {"how": "cut"},
    "refused": {"how": "refuse", "code": 403, "done": False},
}
SILENT = ("never answered", "lost")
ENDED = {"done", "failed", "unknown", "withdrawn"}


class Killing:
    """Rounds, each with one change, of a group or a person of its own, whose process is killed midway."""

    def __init__(self, home, seed):
        self.home, self.relay, self.chance = home, home.relay, random.Random(seed)
        self.zoe, self.omar = self.relay.person("Zoe"), self.relay.person("Omar")
        self.asked = []
        self.kills = 0

    def prepare(self, rounds):
        """Make what is changed later, and let the home know it."""
        kinds = [[*TAGS][number % len(TAGS)] for number in range(rounds)]
        self.chance.shuffle(kinds)
        for number, kind in enumerate(kinds):
            adam = self.relay.person(f"Adam {number}")
            group = self.relay.group(f"Group {number}", self.home.us, adam, self.zoe)
            if kind == "demote":
                self.relay.group_change(group, self.home.us, "promote", adam)
            self.asked.append((kind, adam, group, self.relay.group_state(group)["code"]))
        self.look()

    def look(self):
        """Run a listener until all that has arrived is recorded, and no action is open."""
        process = self.home.start("listen")
        self.home.wait_until_recorded()
        sql = "SELECT count(*) FROM requests WHERE status = 'doing' OR status = 'pending' AND expires_at > ?"
        wait_for(lambda: not self.home.value(sql, to_iso(system_now())), 90, "the end of all actions")
        self.home.stop(process)

    def round(self, number, point, fault, *, by_listener):
        """Ask for one change, and kill the process that makes it, a listener or the command itself."""
        kind, adam, group, _ = self.asked[number]
        point = CALLS[point][kind == "block"] if point in CALLS else point
        is_asker_killed = not by_listener or point in ASKING
        program = [*PROGRAM, point, "1"] if point not in ("at-random", "cut") else None
        listener = None
        if by_listener:
            listener = self.home.start("listen", program=None if is_asker_killed else program)
            wait_for(lambda: self.home.is_connected or listener.poll() is not None, what="a connection")
        before, queries = len(self.requests()), len(self.queries(kind))
        space = "blocklist" if kind == "block" else "w:g2"
        if FAULTS[fault]:
            self.home.us.fault(iq={"space": space, "tag": TAGS[kind], "count": 1, **FAULTS[fault]})
        asker = self.home.start(*self.words(number), program=program if is_asker_killed else None)
        victim = asker if is_asker_killed else listener

        def is_over():
            statuses = [status for _, status in self.requests()[before:]]
            return victim.poll() is not None or asker.poll() is not None or bool(ENDED & {*statuses})

        if program is None:
            wait_for(lambda: is_over() or len(self.queries(kind)) > queries, what="a query")
            with suppress(TimeoutExpired):
                victim.wait(self.chance.uniform(0, 0.3))
            if point == "cut":
                self.home.us.drop()
        elif fault in SILENT:
            with suppress(TimeoutExpired):
                victim.wait(3)
        else:
            wait_for(is_over, what=f"{point}, {fault}, {kind}: the end")
        victim.kill()
        self.kills += victim.wait() == -9
        self.home.us.fault(iq=None)
        asker.wait(120)
        if listener is not None and is_asker_killed:
            wait_for(lambda: not self.open_since(before), what="the action")
            self.home.stop(listener)

    def words(self, number):
        """Return the command of a round."""
        kind, adam, group, _ = self.asked[number]
        if kind == "block":
            return ["block", adam.number]
        if kind == "create":
            return ["groups", "create", f"New {number}", adam.number]
        more = {"rename": [f"New {number}"], "add": [self.omar.number], "leave": [], "renew": ["--renew"]}
        verb = "invite" if kind == "renew" else kind
        return ["groups", verb, group, *more.get(kind, [adam.number])]

    def queries(self, kind):
        """Return the queries of this kind that asked the server for a change."""
        asked = [each for each in self.home.us.said("iq") if each["attrs"].get("type") == "set"]
        return [each for each in asked if each["inside"] == [TAGS[kind]]]

    def requests(self):
        """Return the kinds and statuses of all actions, in order."""
        sql = "SELECT kind, status FROM requests WHERE kind LIKE 'group-%' OR kind = 'block' ORDER BY id"
        return self.home.rows(sql)

    def open_since(self, before):
        """Return whether one of the actions after the first `before` is not over."""
        return any(status in ("pending", "doing") for _, status in self.requests()[before:])

    def is_done(self, number):
        """Return whether the server has made the change of a round."""
        kind, adam, group, code = self.asked[number]
        if kind == "block":
            return adam.number in self.home.us.blocked()
        if kind == "create":
            made = [each for each in self.relay.groups().values() if each == f"New {number}"]
            assert len(made) <= 1, f"{len(made)} groups were made"
            return bool(made)
        state = self.relay.group_state(group)
        return {
            "rename": state["subject"] == f"New {number}",
            "add": self.omar.number in state["members"],
            "remove": adam.number not in state["members"],
            "promote": adam.number in state["admins"],
            "demote": adam.number not in state["admins"],
            "leave": self.home.us.number not in state["members"],
            "renew": state["code"] != code,
        }[kind]

    def check(self):
        """Check each action against the server, and the store of groups; return the number of each status."""
        statuses = Counter()
        for number, (kind, adam, group, _) in enumerate(self.asked):
            jid = {"create": f"New {number}", "block": adam.pn}.get(kind, group)
            sql = "SELECT status FROM requests WHERE ? IN (json_extract(args, '$.group_jid'),"
            found = self.home.rows(f"{sql} json_extract(args, '$.name'), json_extract(args, '$.jid'))", jid)
            assert len(found) <= 1
            status = found[0][0] if found else "never put"
            statuses[status] += 1
            if status != "unknown":
                assert self.is_done(number) == (status == "done"), (kind, status)
        asked = Counter(kind for kind, *_ in self.asked)
        left = {kind: [each["attrs"]["to"] for each in self.queries(kind)] for kind in asked}
        assert all(len(left[kind]) <= count for kind, count in asked.items()), left
        groups = [to for to in sum(left.values(), []) if not to.startswith(("g.us", "s.whatsapp.net"))]
        assert len({*groups}) == len(groups), "something was asked of a group twice"
        self.compare()
        return statuses

    def compare(self):
        """Check that the home knows the groups as the server has them, after a look at them."""
        command = [WA, "groups", "--refresh", "--json"]
        listed = json.loads(
            subprocess.run(command, env=self.home.env, capture_output=True, check=True).stdout
        )
        known = {row["id"]: row for row in listed}
        for jid, subject in self.relay.groups().items():
            state, row = self.relay.group_state(jid), known[jid]
            is_in = self.home.us.number in state["members"]
            assert (row["left_at"] is None) == is_in, (subject, row)
            if is_in:
                members = {each["member_jid"].split("@")[0]: each["role"] for each in row["members"]}
                assert (row["name"], sorted(members)) == (subject, sorted(state["members"]))
                admins = {number for number, role in members.items() if role != "member"}
                assert admins == {*state["admins"]}


def kill_again_and_again(lived_in, tell, seed, rounds):
    """Kill in rounds of these points, whether the process asks or a listener does it, and check."""
    lived_in.link_quickly()
    killing = Killing(lived_in, seed)
    killing.prepare(len(rounds))
    for number, (point, by_listener) in enumerate(rounds):
        killing.round(number, point, killing.chance.choice([*FAULTS]), by_listener=by_listener)
    killing.look()
    statuses = killing.check()
    tell(seed=seed, kills=killing.kills, rounds=len(rounds), statuses=statuses)
    assert killing.kills >= len(rounds) * 0.5


def test_a_killed_process_changes_no_group_twice_and_says_what_became_of_it(lived_in, tell):
    kill_again_and_again(lived_in, tell, 20261231, [("acting", False), ("acted", True)])


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", [*POINTS, "at-random", "cut"])
def test_twenty_kills_at_each_point_change_no_group_twice(lived_in, tell, point):
    kill_again_and_again(lived_in, tell, point, [(point, bool(number % 2)) for number in range(20)])
