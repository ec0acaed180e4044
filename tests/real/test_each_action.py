"""Each thing that one does with messages, groups and people: refused once and told, then done once.

Each while a listener holds the connection, and without one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import spooled
import webp
from conftest import wait_for
from media_samples import picture

pytest_plugins = ["linked_fixture"]
pytestmark = pytest.mark.soak

REFUSED = 463
SENDS = {
    "text": ["a text"],
    "mention": ["hey", "--mention", "447700900456"],
    "poll": ["--poll", "When?", "--option", "Sat", "--option", "Sun"],
    "location": ["--location", "51.5,-0.1"],
    "contact": ["--contact", "Nadia"],
    "sticker": ["--sticker", "cat.webp"],
    "view once": ["--file", "pie.jpg", "--view-once"],
}
CHANGES = {"react": ["👍"], "edit": ["after"], "delete": []}
GROUPS = {
    "create": "create", "rename": "subject", "add": "add", "remove": "remove", "promote": "promote",
    "demote": "demote", "invite": "invite", "renew": "invite", "leave": "leave",
}  # fmt: skip


@pytest.fixture(params=["a listener", "the command"])
def owner(request, device, reem):
    """Return a function that makes this the holder of the connection, once all that has come is recorded."""

    def hold():
        device.listening()
        wait_for(lambda: not any(each["pending"] for each in reem.devices().values()), what="the notices")
        wait_for(lambda: not spooled.waiting(device.home), what="an empty spool")
        if request.param == "the command":
            device.alone()

    hold()
    yield hold
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db, db:
        db.execute("DELETE FROM state WHERE key LIKE 'brake%'")  # as after a rest


@pytest.fixture(scope="module")
def friend(town):
    """Somebody with whom all is done, and whose phone says nothing by itself."""
    return town.person("Friend")


def stored(device):
    """Return all that the store says of messages, reactions and groups."""
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db:
        tables = ("messages", "reactions", "group_members")
        found = {each: db.execute(f"SELECT * FROM {each}").fetchall() for each in tables}
        return found | {"chats": db.execute("SELECT id, name, left_at FROM chats").fetchall()}


def fails(device, args, code):
    """Run a command that fails; check that it says so and that the store is as before."""
    before = stored(device)
    done = device.run(*args, "--json")
    assert (done.code, done.error["code"]) == (5, code), done
    assert stored(device) == before
    return done


@pytest.mark.parametrize("kind", SENDS)
def test_a_message_of_each_kind(device, owner, friend, reem, put, kind):
    if device.run("contacts", "show", "Nadia").code:
        device.ok("contacts", "add", "Nadia", "447700900456")
    files = {"cat.webp": webp.lossless(100, 100), "pie.jpg": picture()}
    words = [put(each, files[each]) if each in files else each for each in SENDS[kind]]
    before = len(friend.inbox())
    reem.fault(ack_error={"code": REFUSED, "count": 1})
    done = fails(device, ["send", friend.number, *words], "send-failed")
    assert str(REFUSED) in done.err
    assert friend.inbox()[before:] == []
    row = device.json("send", friend.number, *words)
    assert [each["id"] for each in friend.inbox()[before:] if "kind" in each] == [row["message_id"]]


@pytest.mark.parametrize("kind", CHANGES)
def test_each_change_of_a_message(device, owner, friend, reem, kind):
    sent = device.json("send", friend.number, "before")["message_id"]
    before = len(friend.inbox())
    reem.fault(ack_error={"code": REFUSED, "count": 1})
    done = fails(device, [kind, friend.number, sent, *CHANGES[kind]], "send-failed")
    assert str(REFUSED) in done.err
    assert friend.inbox()[before:] == []
    device.ok(kind, friend.number, sent, *CHANGES[kind])
    assert len([each for each in friend.inbox()[before:] if "kind" in each]) == 1
    shown = friend.shows(sent)
    done = {"react": shown["reactions"], "edit": shown["edited"], "delete": shown["deleted"]}[kind]
    assert done


def test_a_forward(device, owner, friend, reem, newcomer):
    other = newcomer("Other")
    sent = device.json("send", friend.number, "pass it on")["message_id"]
    reem.fault(ack_error={"code": REFUSED, "count": 1})
    fails(device, ["forward", friend.number, sent, other.number], "send-failed")
    assert other.inbox() == []
    device.ok("forward", friend.number, sent, other.number)
    ((text, score),) = [(each["text"], each["forwarded"]) for each in other.shown(reem)]
    assert (text, score) == ("pass it on", 1)


@pytest.mark.parametrize("kind", GROUPS)
def test_each_change_of_a_group(device, owner, friend, reem, newcomer, town, kind):
    adam, zoe = newcomer("Adam"), newcomer("Zoe")
    group = town.group(f"{kind} {adam.number}", reem, adam, friend)
    if kind == "demote":
        town.group_change(group, reem, "promote", adam)
    owner()
    device.ok("groups", "--refresh")
    more = {"create": [adam.number], "rename": ["New"], "add": [zoe.number], "renew": ["--renew"]}
    more |= {"invite": [], "leave": []}
    name = f"New {adam.number}" if kind == "create" else group
    verb = "invite" if kind == "renew" else kind
    args = ["groups", verb, name, *more.get(kind, [adam.number])]
    reem.fault(
        iq={"space": "w:g2", "tag": GROUPS[kind], "how": "refuse", "code": 429, "count": 1, "done": False}
    )
    state = town.group_state(group)
    fails(device, args, "rate-limit-exceeded")
    assert (town.group_state(group), name in town.groups().values()) == (state, False)
    with closing(sqlite3.connect(device.home.store, timeout=30)) as db, db:
        db.execute("DELETE FROM state WHERE key LIKE 'brake%'")  # as after a rest
    device.json(*args)
    after = town.group_state(group)
    assert {
        "create": list(town.groups().values()).count(name) == 1,
        "rename": after["subject"] == "New",
        "add": zoe.number in after["members"],
        "remove": adam.number not in after["members"],
        "promote": adam.number in after["admins"],
        "demote": adam.number not in after["admins"],
        "invite": after["code"] == state["code"],
        "renew": after["code"] != state["code"],
        "leave": reem.number not in after["members"],
    }[kind]


def test_joining_a_group(device, owner, friend, reem, newcomer, town):
    adam = newcomer("Adam")
    group = town.group(f"Choir {adam.number}", adam)
    code = town.group_state(group)["code"]
    reem.fault(iq={"space": "w:g2", "tag": "invite", "how": "refuse", "code": 500, "count": 1, "done": False})
    before = stored(device)
    done = device.run("groups", "join", code, "--json")
    assert (done.code, done.error["code"]) == (7, "network-error")  # the question about the group failed
    assert stored(device) == before
    device.ok("groups", "join", code)
    assert town.group_state(group)["members"] == [adam.number, reem.number]


@pytest.mark.parametrize("kind", ["block", "unblock"])
def test_each_change_of_the_blocked(device, owner, friend, reem, newcomer, kind):
    adam = newcomer("Adam")
    if kind == "unblock":
        reem.block(adam)
        owner()
    reem.fault(
        iq={"space": "blocklist", "tag": "item", "how": "refuse", "code": 400, "count": 1, "done": False}
    )
    before = reem.blocked()
    fails(device, [kind, adam.number], "send-failed")
    assert reem.blocked() == before
    device.ok(kind, adam.number)
    assert (adam.number in reem.blocked()) == (kind == "block")
    reem.block(adam, "unblock")
