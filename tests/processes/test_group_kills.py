"""Changes of groups: whoever is killed when, each is done at most once, and `wa groups` says what is so."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ADAM_JID, REEM, Process, Result, is_connected, own, wait_for

from wa.connection import requests
from wa.connection.context import system_now
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback

KILL_POINTS = str(Path(__file__).parents[1] / "support/kill_points.py")
BEFORE = ("claimed action", "managing group")
AFTER = ("managed group", "answered group")
OWNERS = ("claiming action", *BEFORE, *AFTER, "recorded action")
COMMANDS = ("putting", "put", *OWNERS, "told action")
Wa = Callable[..., Result]
Spawn = Callable[..., Process]


class Groups:
    """The groups of a home, and those of the stand-in."""

    def __init__(self, home: Home, store: Store, wa: Wa, spawn: Spawn) -> None:
        self.home, self.store, self._wa, self._spawn = home, store, wa, spawn
        self._made = 0

    def kill(self, point: str, *args: str) -> None:
        """Run `wa ARGS`, which kills itself at a point."""
        self.store.set_state("acted_at", None)  # no wait for the second that is between two
        killed = self._spawn(point, "1", *args, program=[sys.executable, KILL_POINTS])
        assert killed.finish().code == -signal.SIGKILL

    def kill_the_owner(self, point: str, *args: str) -> Result:
        """Ask a listener, which is killed at a point. Return how the command ends."""
        self.store.set_state("acted_at", None)
        listener = self._spawn(point, "1", "listen", program=[sys.executable, KILL_POINTS])
        wait_for(lambda: is_connected(self.home), what="a listener")
        done = self._spawn(*args, "--json").finish()
        assert listener.finish().code == -signal.SIGKILL
        return done

    def next_name(self) -> str:
        """Return a name that no group has."""
        self._made += 1
        return f"Group {self._made}"

    def settle(self) -> None:
        """Be the next owner, which settles what a killed one has left, and does what is still wanted."""
        left = "SELECT 1 FROM requests WHERE status IN ('doing', 'pending') LIMIT 1"
        own(system_now, lambda: self.store.value(left) is None)

    def statuses(self) -> list[str]:
        """Return the statuses of all requests for a change."""
        sql = "SELECT status FROM requests WHERE kind LIKE 'group-%' ORDER BY id"
        return [row["status"] for row in self.store.rows(sql)]

    def there(self) -> dict[str, dict[str, str]]:
        """Return the groups of the stand-in that we are in, with their members; each name is there once."""
        server = Loopback(self.home)
        try:
            found = [(str(each.name), dict(each.members or ())) for each in server.groups()]
        finally:
            server.close()
        names = [name for name, _ in found]
        assert len(set(names)) == len(names), names
        return {name: people for name, people in found if ACCOUNT.jid in people}

    def here(self) -> dict[str, dict[str, str]]:
        """Return the groups that `wa groups` lists and that we are in, with their members."""
        return {
            row["name"]: {each["member_jid"]: each["role"] for each in row["members"]}
            for row in self._wa("groups", "--json").json
            if row["left_at"] is None
        }


@pytest.fixture
def groups(home: Home, store: Store, wa: Wa, spawn: Spawn) -> Groups:
    """The groups of this home."""
    return Groups(home, store, wa, spawn)


@pytest.mark.parametrize("point", ["claiming action", "managed group"])
def test_a_group_is_made_at_most_once_when_the_listener_is_killed(groups: Groups, point: str) -> None:
    done = groups.kill_the_owner(point, "groups", "create", "Family", REEM)
    code, status = (0, "done") if point == "claiming action" else (6, "unknown")
    assert (done.code, groups.statuses()) == (code, [status]), done
    assert list(groups.there()) == ["Family"]
    assert groups.here() == groups.there()


@pytest.mark.parametrize("point", ["claimed action", "answered group"])
def test_a_killed_command_leaves_an_unknown_outcome_and_the_next_look_says_what_is_so(
    groups: Groups, point: str
) -> None:
    groups.kill(point, "groups", "create", "Family", REEM)
    assert groups.here() == groups.there()
    assert groups.statuses() == ["unknown"]
    assert list(groups.there()) == (["Family"] if point in AFTER else [])
    groups.settle()
    assert groups.statuses() == ["unknown"]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_changes_of_groups_that_are_killed_at_random_are_done_once(groups: Groups, wa: Wa, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        name, mine = groups.next_name(), [*groups.there()]
        changes = [["create", name, REEM]]
        if mine:
            group = chance.choice(mine)
            is_in = ADAM_JID in groups.there()[group]
            changes += [["rename", group, name], ["leave", group], ["invite", group, "--renew"]]
            changes += [["remove" if is_in else "add", group, ADAM_JID]] * 2
        change = ["groups", *chance.choice(changes)]
        if chance.random() < 0.5:
            groups.kill_the_owner(chance.choice(OWNERS), *change)
        else:
            groups.kill(chance.choice(COMMANDS), *change)
        assert set(groups.here()) <= {*groups.there(), name}
        groups.settle()
        assert groups.here() == groups.there()
    assert not requests.in_status(groups.store, "doing")
    assert {"done", "unknown"} == set(groups.statuses())
