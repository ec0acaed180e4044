"""Reactions, edits and deletions: whoever is killed when, each is done at most once, and known."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REEM, REEM_JID, Process, Result, is_connected, own, wait_for

from wa.connection import requests
from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event, keep_account
from wa.record import messages
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback

KILL_POINTS = str(Path(__file__).parents[1] / "support/kill_points.py")
NOT_DONE = ("claimed action", "marked action")
DONE = ("accepted action", "acknowledged action", "recorded action")
OWNERS = ("claiming action", *NOT_DONE, *DONE)
COMMANDS = ("putting", "put", *OWNERS, "told action")
Spawn = Callable[..., Process]


class Chat:
    """A chat of which messages are changed, each time with another text or emoji."""

    def __init__(self, home: Home, store: Store, kind: str) -> None:
        self.home, self.store, self.kind, self._number = home, store, kind, 0
        with store.write():
            keep_account(store, ACCOUNT, system_now())
        self._say("OWN")

    def _say(self, message_id: str) -> None:
        at = int(system_now().timestamp())
        own = MessageReceived(REEM_JID, message_id, ACCOUNT.jid, at, "Hello", is_from_me=True)
        with self.store.write():
            apply_event(self.store, own, system_now())

    def next(self) -> list[str]:
        """Return the arguments of the next change."""
        self._number += 1
        self.store.set_state("acted_at", None)  # no wait for the second that is between two
        if self.kind == "delete":
            self._say(f"OWN{self._number}")
            return ["delete", REEM, f"OWN{self._number}"]
        text = chr(0x1F600 + self._number) if self.kind == "react" else f"text {self._number}"
        return [self.kind, REEM, "OWN", text]

    def accepted(self) -> list[Row]:
        """Return what the stand-in accepted."""
        server = Loopback(self.home)
        try:
            return list(server.changes())
        finally:
            server.close()

    def requests(self) -> list[Row]:
        """Return all requests."""
        return self.store.rows("SELECT * FROM requests ORDER BY id")

    def shows(self) -> list[str]:
        """Return what is to be seen of the changes here, in order as far as there is one."""
        if self.kind == "delete":
            rows = self.store.rows("SELECT message_id FROM messages WHERE deleted_at IS NOT NULL ORDER BY id")
            return [row["message_id"] for row in rows]
        if self.kind == "react":
            found = self.store.value("SELECT emoji FROM reactions WHERE sender = ?", [ACCOUNT.jid])
        else:
            found = messages.about(self.store, REEM_JID, "OWN")["content"]
        return [found or ""]

    def check(self) -> None:
        """Check that each change was accepted at most once, and that the store says what was."""
        accepted = self.accepted()
        secrets = {bytes.fromhex(row["secret"]): row["message_id"] for row in accepted}
        said = [(row["about"], row["content"]) for row in accepted]
        assert len(said) == len(set(said)), said
        done = []
        for row in self.requests():
            if row["status"] in ("done", "unknown"):
                assert secrets.pop(row["secret"]) == row["message_id"]
                args = json.loads(row["args"])
                done += [args["message_id" if self.kind == "delete" else "text"]] * (row["status"] == "done")
            else:
                assert row["secret"] not in secrets
                assert row["status"] in ("failed", "withdrawn", "pending"), row
        assert secrets == {}
        assert self.shows() == (done if self.kind == "delete" else done[-1:] or self.shows()[:1])
        assert len(set(self.shows())) == len(self.shows())


@pytest.fixture
def chat(home: Home, store: Store) -> Callable[[str], Chat]:
    """Make a chat for one kind of change."""
    return lambda kind: Chat(home, store, kind)


def killed(spawn: Spawn, point: str, *args: str) -> Process:
    """Start `wa ARGS`, which kills itself at a point."""
    return spawn(point, "1", *args, program=[sys.executable, KILL_POINTS])


def kill_the_owner(spawn: Spawn, chat: Chat, point: str) -> Result:
    """Ask a listener for a change, which is killed at a point. Return how the command ends."""
    settle(chat)  # else what a killed command has left would kill the listener before it is asked
    listener = killed(spawn, point, "listen")
    # It may be killed before it is asked: when it records the receipt of a change of unknown outcome.
    wait_for(lambda: is_connected(chat.home) or listener.popen.poll() is not None, what="a listener")
    done = spawn(*chat.next(), "--json").finish()
    assert listener.finish().code == -signal.SIGKILL
    return done


def kill_the_command(spawn: Spawn, chat: Chat, point: str) -> None:
    """Kill a command that does a change by itself."""
    assert killed(spawn, point, *chat.next()).finish().code == -signal.SIGKILL


def settle(chat: Chat) -> None:
    """Be the next owner, which settles what a killed one has left, and does what is still wanted."""
    left = "SELECT 1 FROM requests WHERE status IN ('doing', 'pending') LIMIT 1"
    own(system_now, lambda: chat.store.value(left) is None)


def prove(wa: Callable[..., Result], chat: Chat) -> None:
    """Send a receipt for every change of unknown outcome, and record it."""
    settle(chat)
    unknown = requests.in_status(chat.store, "unknown")
    lines = [json.dumps({"from": REEM, "receipt": row["message_id"]}) for row in unknown]
    assert wa("loopback", "say", "-", stdin="\n".join(lines)).code == 0
    own(system_now, lambda: not requests.in_status(chat.store, "unknown"))


@pytest.mark.parametrize(
    "point", [OWNERS[0], *(pytest.param(each, marks=pytest.mark.soak) for each in OWNERS[1:-1]), OWNERS[-1]]
)
def test_a_command_is_told_what_became_of_its_change_when_the_listener_is_killed(spawn, wa, chat, point):
    wa("loopback", "fault", "receipts", "on" if point == "acknowledged action" else "off")
    made = chat("react")
    done = kill_the_owner(spawn, made, point)
    code, status = (7, "failed") if point in NOT_DONE else (6, "unknown")
    if point in ("claiming action", "acknowledged action", "recorded action"):
        code, status = 0, "done"
    assert (done.code, made.requests()[0]["status"]) == (code, status), done
    assert len(made.accepted()) == (status != "failed")
    if status == "unknown":
        assert done.error["code"] == "unknown-outcome"
        assert made.shows() == [""]
    made.check()


@pytest.mark.parametrize("point", COMMANDS)
def test_a_command_that_is_killed_leaves_what_the_next_owner_settles(spawn, wa, chat, point):
    wa("loopback", "fault", "receipts", "off")
    made = chat("edit")
    kill_the_command(spawn, made, point)
    was_put = len(made.requests())
    settle(made)
    found = [row["status"] for row in made.requests()]
    if point == "putting":
        assert (was_put, found) == (0, [])
    elif point in ("put", "claiming action"):  # nobody has withdrawn it, and its minute is not over
        assert found == ["done"]
    else:
        wanted = "failed" if point in NOT_DONE else "unknown" if point in DONE[:2] else "done"
        assert found == [wanted]
        if point == "accepted action":
            prove(wa, made)
            assert [row["status"] for row in made.requests()] == ["done"]
    made.check()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["react", "edit", "delete"])
def test_changes_that_are_killed_at_random_are_done_once(spawn, wa, chat, kind, seed):
    chance, made = random.Random(f"{kind} {seed}"), chat(kind)
    wa("loopback", "fault", "receipts", chance.choice(["on", "off"]))
    for _ in range(20):
        if chance.random() < 0.5:
            kill_the_owner(spawn, made, chance.choice(OWNERS))
        else:
            kill_the_command(spawn, made, chance.choice(COMMANDS))
        if chance.random() < 0.3:
            prove(wa, made)
    prove(wa, made)
    made.check()
    assert not requests.in_status(made.store, "doing")
    assert json.loads(wa("read", REEM, "--json").out)
