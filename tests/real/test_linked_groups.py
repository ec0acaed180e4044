"""Groups changed by `wa`, and people blocked: what WhatsApp, the members' phones and the store say of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from conftest import wait_for

pytest_plugins = ["linked_fixture"]


def results(row):
    """Return the number of each person, whether it was done, and the code."""
    return [(each["jid"].partition("@")[0], each["done"], each["error"]) for each in row["results"]]


def roles(row):
    """Return the numbers of the members of a group, and their roles."""
    return {each["member_jid"].partition("@")[0]: each["role"] for each in row["members"]}


def notices(device, group):
    """Return the notices in a group."""
    return [row["content"] for row in device.chat(group) if row["message_type"] == "system"]


def listed(device, group):
    """Return a group as `wa groups` lists it."""
    (row,) = [row for row in device.json("groups") if row["id"] == group]
    return row


def refused(device, *args):
    """Run a command that fails; return its exit code and the error's code."""
    done = device.run(*args, "--json")
    return done.code, done.error["code"]


def test_a_group_is_made_and_changed_and_each_person_told_apart(device, listener, newcomer, reem, town):
    adam, eve, zoe, omar, nadia = (newcomer(name) for name in ("Adam", "Eve", "Zoe", "Omar", "Nadia"))
    zoe.privacy(groupadd="contacts")
    omar.block(reem)
    people = [adam.number, eve.number, nadia.number, zoe.number, omar.number, "447700900555"]
    made = device.json("groups", "create", "Garden party", *people)
    assert results(made) == [
        (adam.number, True, None), (eve.number, True, None), (nadia.number, True, None),
        (zoe.number, False, 403), (omar.number, False, 401), (people[5], False, 404),
    ]  # fmt: skip
    members = {adam.number: "member", eve.number: "member", nadia.number: "member"}
    assert roles(made) == {reem.number: "superadmin", **members}
    group = made["id"]
    town.group_change(group, nadia, "remove", nadia)
    wait_for(lambda: nadia.number not in roles(listed(device, group)), what="the news that she left")
    device.ok("send", "garden party", "Hello all")
    assert [adam.texts(), eve.texts()] == [["Hello all"], ["Hello all"]]
    device.ok("groups", "rename", "garden", "Summer party")
    assert results(device.json("groups", "promote", group, adam.number)) == [(adam.number, True, None)]
    assert town.group_state(group)["admins"] == [reem.number, adam.number]
    assert results(device.json("groups", "demote", group, adam.number)) == [(adam.number, True, None)]
    assert results(device.json("groups", "remove", group, eve.number)) == [(eve.number, True, None)]
    done = device.run("groups", "add", "summer party", zoe.number, omar.number, nadia.number, adam.number)
    why = ["can be added by invitation only", "has blocked you", "left the group a short while ago"]
    why = dict(zip((zoe, omar, nadia, adam), [*why, "is in the group already"], strict=True))
    assert done.out == "".join(f"+{who.number}\t{text}\n" for who, text in why.items())
    assert (done.code, "the link that `wa groups invite` prints" in done.err) == (5, True)
    link = device.ok("groups", "invite", group).strip()
    assert link == f"https://chat.whatsapp.com/{town.group_state(group)['code']}"
    assert device.ok("groups", "invite", group, "--renew").strip() != link
    assert town.group_state(group)["members"] == [reem.number, adam.number]
    assert roles(listed(device, group)) == {reem.number: "superadmin", adam.number: "member"}
    device.ok("groups", "leave", group)
    assert town.group_state(group)["members"] == [adam.number]
    expected = ["Created the group: Garden party", f"Left: @{nadia.number}", "Named the group: Summer party"]
    expected += [f"{what}: @{who.number}" for what, who in (
        ("Made an admin", adam), ("No longer an admin", adam), ("Removed", eve),
    )]  # fmt: skip
    wait_for(lambda: len(notices(device, group)) == 8, what="the notices")
    assert notices(device, group) == [*expected, "Reset the invite link", f"Left: @{reem.number}"]
    ids = lambda: [each["id"] for each in listener.messages if each["chat_jid"] == group]  # noqa: E731
    wait_for(lambda: len(ids()) >= 9, what="the lines of the listener")
    assert len({*ids()}) == len(ids()) == 9


def test_what_the_cut_line_leaves_unknown_is_done_once_and_seen_at_the_next_look(
    device, newcomer, reem, town
):
    device.alone()
    adam, old = newcomer("Adam"), "120363999999999999@g.us"
    with closing(sqlite3.connect(device.home.store)) as db, db:  # a group of long ago, from the history
        db.execute("INSERT INTO chats (id, is_group, created_at, updated_at) VALUES (?, 1, '', '')", [old])
    device.ok("groups", "--refresh")
    assert listed(device, old)["left_at"]
    reem.fault(iq={"space": "w:g2", "tag": "create", "how": "cut", "count": 1})
    assert refused(device, "groups", "create", "Once", adam.number) == (6, "unknown-outcome")
    (made,) = [row for row in device.json("groups") if row["name"] == "Once"]
    assert roles(made) == {reem.number: "superadmin", adam.number: "member"}
    reem.fault(iq={"space": "w:g2", "tag": "leave", "how": "cut", "count": 1})
    assert refused(device, "groups", "leave", made["id"]) == (6, "unknown-outcome")
    assert listed(device, made["id"])["left_at"]
    reem.fault(iq={"space": "blocklist", "how": "cut", "count": 1})
    assert refused(device, "block", adam.number) == (6, "unknown-outcome")
    assert [row["jid"] for row in device.json("block")] == [adam.pn]
    assert reem.blocked() == [adam.number]
    assert device.json("unblock", adam.number) == {"jid": adam.pn, "name": None, "is_blocked": False}
    assert (device.json("block"), reem.blocked()) == ([], [])
    assert refused(device, "block", "447700900555") == (4, "recipient-not-found")


def test_a_group_is_joined_by_its_invitation_and_lost_by_removal(device, listener, newcomer, reem, town):
    adam = newcomer("Adam")
    group = town.group("Choir", adam)
    code = town.group_state(group)["code"]
    joined = device.json("groups", "join", f"https://chat.whatsapp.com/{code}?mode=ac_t")
    assert (joined["id"], joined["name"], joined["is_waiting"]) == (group, "Choir", False)
    assert roles(joined) == {adam.number: "superadmin", reem.number: "member"}
    assert refused(device, "groups", "join", code) == (2, "wrong-state")
    assert refused(device, "groups", "join", "AAAAAAAAAAAAAAAAAAAAAA") == (4, "not-found")
    assert refused(device, "groups", "invite", group) == (2, "wrong-state")
    town.group_change(group, adam, "promote", reem)
    wait_for(lambda: roles(listed(device, group))[reem.number] == "admin", what="the rights")
    assert refused(device, "groups", "remove", group, adam.number) == (5, "send-failed")
    town.group_change(group, adam, "remove", reem)
    wait_for(lambda: listed(device, group)["left_at"], what="the removal")
    for args in (
        ["send", "choir", "Hi"],
        ["groups", "add", "choir", adam.number],
        ["groups", "leave", group],
    ):
        assert refused(device, *args) == (2, "wrong-state")
    assert adam.texts() == []
    assert "you are not in it any more" in device.ok("groups")
    town.group_setting(group, adam, "membership_approval_mode", state="on")
    assert town.group_state(group)["approval"]
    asked = device.json("groups", "join", code)
    assert (asked["name"], asked["is_waiting"]) == ("Choir", True)
    assert town.group_state(group)["requests"] == [reem.number]
    town.group_decide(group, adam, "approve", reem)
    wait_for(lambda: not listed(device, group)["left_at"], what="the group")
    device.ok("send", "choir", "Hi")
    assert adam.texts() == ["Hi"]
