"""The relay with neonize and Baileys: what one does with a message or a group, and what phones show of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from baileys import NEWEST
from conftest import wait_for
from linked import memory_folder, past
from relay.driver import Client

pytest_plugins = ["baileys_fixture"]
# These tests are about the tests' own server, not about wa.
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def client():
    """The version of Baileys, and the form of the addresses that it meets."""
    return NEWEST, "lid"


class Scene:
    """Reem's account has a neonize client, Adam's has Baileys; Zoe has a phone."""

    def __init__(self, town, neonize, baileys, reem, adam, zoe):
        self.town, self.neonize, self.baileys = town, neonize, baileys
        self.reem, self.adam, self.zoe = reem, adam, zoe

    def sends(self, message, to=""):
        """Send a message by neonize; return its id when Baileys has it."""
        sent = self.neonize.do("send_message", to=to or self.adam.lid, message=message)["id"]
        self.baileys.message(sent)
        return sent

    def comes(self, content, to="", **options):
        """Send a content by Baileys; return its id when neonize has it."""
        sent = self.baileys.send(to or self.reem.lid, content, **options)["key"]["id"]
        self.neonize.wait("Message", lambda event: event["id"] == sent)
        return sent

    def key(self, message_id, from_me, chat="", **more):
        """Return a key as neonize's account has it."""
        return {"remoteJID": chat or self.adam.lid, "fromMe": from_me, "ID": message_id, **more}


@pytest.fixture(scope="module")
def scene(town, start_baileys):
    """Two clients of two makes that have talked."""
    reem, friend = town.person("Reem", receipts=["delivered"]), town.person("Friend")
    adam, zoe = town.person("Adam", history=past(friend), receipts=["delivered"]), town.person("Zoe")
    with memory_folder() as folder:
        neonize = Client(town, Path(folder) / "reem.db")
        try:
            neonize.link(reem)
            baileys = start_baileys("adam")
            baileys.link(adam)
            made = Scene(town, neonize, baileys, reem, adam, zoe)
            made.sends({"conversation": "Hello"})
            made.comes({"text": "Hello"})
            yield made
        finally:
            neonize.kill()


def on_both(scene, check):
    """Wait until the phones of Reem and of Adam show what is expected."""
    for person in (scene.reem, scene.adam):
        wait_for(lambda person=person: check(person), what=f"the phone of {person.name}")


def test_reactions_of_either_client_are_on_both_phones_and_are_taken_back(scene):
    sent, came = scene.sends({"conversation": "one"}), scene.comes({"text": "two"})
    for emoji in ("👍", ""):
        for message_id, is_own in ((sent, True), (came, False)):
            key = scene.key(message_id, is_own)
            scene.sends({"reactionMessage": {"key": key, "text": emoji, "senderTimestampMS": "1"}})
            theirs = {"remoteJid": scene.reem.lid, "fromMe": not is_own, "id": message_id}
            scene.comes({"react": {"text": emoji, "key": theirs}})
            expected = {scene.reem.number: emoji, scene.adam.number: emoji} if emoji else {}
            on_both(
                scene, lambda person, at=message_id, wanted=expected: person.shows(at)["reactions"] == wanted
            )
    scene.zoe.send(scene.reem, id="ZOES")
    scene.reem.react(scene.zoe, "ZOES", "👋")
    got = scene.neonize.wait(
        "Message", lambda event: "reactionMessage" in event["fields"] and event["chat"] == scene.zoe.lid
    )
    assert (got["from_me"], got["content"]["reactionMessage"]["text"]) == (True, "👋")


def test_edits_and_deletions_of_either_client_are_on_both_phones(scene):
    sent, came = scene.sends({"conversation": "before"}), scene.comes({"text": "before"})
    edit = {"key": scene.key(sent, True), "type": "MESSAGE_EDIT", "editedMessage": {"conversation": "after"}}
    scene.sends({"editedMessage": {"message": {"protocolMessage": edit}}})
    scene.comes({"text": "after", "edit": {"remoteJid": scene.reem.lid, "fromMe": True, "id": came}})
    for each in (sent, came):
        on_both(scene, lambda person, at=each: person.shows(at)["text"] == "after")
    scene.sends({"protocolMessage": {"key": scene.key(sent, True), "type": "REVOKE"}})
    scene.comes({"delete": {"remoteJid": scene.reem.lid, "fromMe": True, "id": came}})
    for each, by in ((sent, scene.reem), (came, scene.adam)):
        on_both(scene, lambda person, at=each, who=by: person.shows(at)["deleted"] == who.number)
    assert [each["attrs"]["edit"] for each in scene.reem.said("message") if "edit" in each["attrs"]][-2:] == [
        "1",
        "7",
    ]


def test_what_a_phone_ignores_is_a_finding(scene):
    came = scene.comes({"text": "mine"})
    forged = {"key": scene.key(came, True), "type": "REVOKE"}
    scene.sends({"protocolMessage": forged})
    found = scene.town.take_ignored()
    assert {each["number"] for each in found} == {scene.reem.number, scene.adam.number}
    assert all("the message is by" in each["why"] for each in found)
    assert scene.adam.shows(came)["deleted"] == ""


def test_a_poll_has_votes_of_three_makes(scene):
    group = scene.town.group("Voters", scene.reem, scene.adam, scene.zoe)
    scene.neonize.wait(
        "JoinedGroup", lambda event: event["data"]["GroupInfo"]["JID"]["User"] == group.split("@")[0]
    )
    options = [{"optionName": each} for each in ("Sat", "Sun")]
    secret = {"messageSecret": "c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgbG9uZyE="}
    content = {"name": "When?", "options": options, "selectableOptionsCount": 1}
    poll = scene.sends({"pollCreationMessage": content, "messageContextInfo": secret}, group)
    for who, choice in ((scene.zoe, "Sat"), (scene.adam, "Sun"), (scene.reem, "Sun"), (scene.zoe, "Sun")):
        who.vote(group, poll, choice)
    scene.adam.vote(group, poll)
    expected = {scene.reem.number: ["Sun"], scene.zoe.number: ["Sun"]}
    assert scene.zoe.shows(poll)["poll"]["votes"] == expected
    theirs = scene.comes(
        {"poll": {"name": "Where?", "values": ["Here", "There"], "selectableCount": 1}}, group
    )
    scene.zoe.vote(group, theirs, "There")
    assert scene.reem.shows(theirs)["poll"]["votes"] == {scene.zoe.number: ["There"]}
    scene.zoe.ask(group, "Why?", ["A", "B"], 0)
    scene.neonize.wait(
        "Message", lambda event: event["content"].get("pollCreationMessage", {}).get("name") == "Why?"
    )


def test_a_group_is_changed_by_either_client_and_says_whom_it_does_not_take(scene):
    shy, hostile, gone = (scene.town.person(name) for name in ("Shy", "Hostile", "Gone"))
    shy.privacy(groupadd="contacts")
    hostile.block(scene.reem)
    group = scene.neonize.do("create_group", name="Walks", members=[scene.adam.number, gone.number])
    scene.town.group_change(group, gone, "remove", gone)
    asked = [scene.zoe.number, shy.number, hostile.number, gone.number, scene.adam.number]
    answered = scene.neonize.do("change_group", group=group, action="add", members=asked)
    assert {each["JID"]["User"] + "@lid": each.get("Error", 0) for each in answered} == {
        scene.zoe.lid: 0, shy.lid: 403, hostile.lid: 401, gone.lid: 408, scene.adam.lid: 409,
    }  # fmt: skip
    (invitation,) = (each["AddRequest"] for each in answered if "AddRequest" in each)
    assert invitation["Code"]
    scene.neonize.do("change_group", group=group, action="promote", members=[scene.adam.number])
    scene.baileys.call("groupUpdateSubject", group, "Long walks")
    scene.neonize.wait("GroupInfo", lambda event: event["group"] == group and event["name"] == "Long walks")
    refused = scene.baileys.call("groupParticipantsUpdate", group, [scene.reem.lid], "remove")
    assert [each["status"] for each in refused] == ["403"]
    scene.baileys.call("groupParticipantsUpdate", group, [scene.zoe.lid], "remove")
    scene.neonize.wait(
        "GroupInfo", lambda event: event["group"] == group and event["Leave"] == [scene.zoe.lid]
    )
    code = scene.baileys.call("groupInviteCode", group)
    assert scene.neonize.do("invite_link", group=group).endswith(code)
    scene.neonize.do("leave_group", group=group)
    assert "403" in scene.neonize.error("leave_group", group=group)
    assert scene.neonize.do("join_by_link", link=code) == group
    assert scene.town.group_state(group)["members"].count(scene.reem.number) == 1
    assert "409" in scene.neonize.error("join_by_link", link=code)
    state = scene.town.group_state(group)
    assert (state["subject"], state["admins"]) == ("Long walks", [scene.adam.number])


def test_approval_is_asked_for_and_given(scene):
    group = scene.town.group("Careful", scene.zoe)
    scene.town.group_setting(group, scene.zoe, "membership_approval_mode", state="on")
    code = scene.town.group_state(group)["code"]
    scene.neonize.do("join_by_link", link=code)
    assert scene.town.group_state(group)["requests"] == [scene.reem.number]
    scene.town.group_decide(group, scene.zoe, "approve", scene.reem)
    scene.neonize.wait(
        "JoinedGroup", lambda event: event["data"]["GroupInfo"]["GroupName"]["Name"] == "Careful"
    )


def test_who_is_blocked_is_not_heard(scene):
    other = scene.town.person("Loud")
    assert scene.neonize.do("block", who=other.lid, action="block") == [other.lid]
    assert scene.reem.blocked() == [other.number]
    other.send(scene.reem, id="UNHEARD")
    assert scene.neonize.do("block", who=other.lid, action="unblock") == []
    other.send(scene.reem, id="HEARD")
    scene.neonize.wait("Message", lambda event: event["id"] == "HEARD")
    assert "UNHEARD" not in [each.get("id") for each in scene.neonize.events]
    scene.reem.block(other)
    scene.neonize.wait("Blocklist")


def test_a_query_is_done_and_not_answered_refused_or_cut(scene):
    group = scene.town.group("Faulty", scene.reem, scene.adam)
    scene.reem.fault(
        iq={"space": "w:g2", "tag": "subject", "how": "refuse", "code": 429, "done": False, "count": 1}
    )
    assert "429" in scene.neonize.error("rename_group", group=group, name="one")
    scene.reem.fault(iq={"space": "w:g2", "tag": "subject", "how": "late", "seconds": 0.3, "count": 1})
    scene.neonize.do("rename_group", group=group, name="two")
    scene.reem.fault(iq={"space": "w:g2", "tag": "subject", "how": "cut", "count": 1})
    outcome = scene.neonize.result(scene.neonize.post("rename_group", group=group, name="three"))
    assert "error" in outcome or outcome["ok"] is None
    wait_for(lambda: scene.town.group_state(group)["subject"] == "three", what="the third name")
    scene.reem.fault(iq={"space": "w:g2", "tag": "subject", "how": "silence", "count": 1})
    pending = scene.neonize.post("rename_group", group=group, name="four")
    wait_for(lambda: scene.town.group_state(group)["subject"] == "four", what="the fourth name")
    assert scene.neonize.result(pending, timeout=0.2) == {"pending": True}
    scene.reem.fault(swallow={"count": 1})
    blocked = scene.neonize.post("send", to=scene.adam.number, text="into nothing")
    assert scene.neonize.result(blocked, timeout=0.3) == {"pending": True}
    assert "into nothing" not in scene.adam.texts()
    scene.reem.drop()
    scene.neonize.result(blocked)
