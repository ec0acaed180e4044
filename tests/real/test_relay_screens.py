"""What the relay's phones show of their chats, and what they ignore: without a client, in this process."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from google.protobuf.json_format import ParseDict
from relay import groups, labels, members, model, outgoing, phone_actions, profile_queries, screen
from relay.hub import Hub
from relay.model import Account
from relay.trust import prepare
from relay.wabin import Node, node

pytest_plugins = ["relay_fixture"]


@pytest.fixture(scope="module")
def town_hall(relay_folder):
    """The relay's state, without a server."""
    prepare(relay_folder)
    return Hub(relay_folder / "trust")


class Town:
    """Reem, Adam and Zoe with their phones, and a group of the three, of which Reem is the admin."""

    def __init__(self, hub):
        hub.clear()
        self.hub = hub
        self.reem, self.adam, self.zoe = (
            Account(f"44770090000{number}", name) for number, name in enumerate(("Reem", "Adam", "Zoe"))
        )
        hub.accounts = {each.number: each for each in (self.reem, self.adam, self.zoe)}
        self.group = groups.create(hub, "Walks", self.reem, [self.adam, self.zoe])

    def send(self, by, to, age=0, **content):
        """Send a message by a phone to a person or to the group; return its id."""
        message = ParseDict(content or {"conversation": "Hello"}, self.hub.e2e.Message())
        return outgoing.send(self.hub, by, getattr(to, "pn", None) or to.jid, message, age=age)

    def act(self, what, by, to, *args):
        """Do something with a message by a phone, in the chat with a person or in the group."""
        return what(self.hub, by, getattr(to, "pn", None) or to.jid, *args)

    def shown(self, who, message_id):
        """Return what a phone shows of a message."""
        return next(each for each in screen.entries(self.hub, who) if each["id"] == message_id)

    def why(self, who):
        """Return why a phone ignored the last message that it ignored."""
        return who.ignored[-1]["why"]


@pytest.fixture
def town(town_hall, monkeypatch):
    """The town at one moment: an age in whole seconds stays what it is."""
    moment = time.time()
    monkeypatch.setattr(model, "time", SimpleNamespace(time=lambda: moment))
    return Town(town_hall)


def test_both_sides_show_a_message_under_the_others_name(town):
    sent = town.send(town.reem, town.adam)
    assert (town.shown(town.adam, sent)["chat"], town.shown(town.reem, sent)["chat"]) == (
        town.reem.number,
        town.adam.number,
    )
    assert [each for each in screen.entries(town.hub, town.zoe) if each["id"] == sent] == []
    shared = town.send(town.reem, town.group)
    assert town.shown(town.zoe, shared)["chat"] == str(town.group.jid)


def test_a_reaction_is_shown_changed_and_taken_back(town):
    sent = town.send(town.reem, town.group)
    for by, emoji in ((town.adam, "👍"), (town.reem, "🎉"), (town.adam, "❤")):
        town.act(phone_actions.react, by, town.group, sent, emoji)
    expected = {town.reem.number: "🎉", town.adam.number: "❤"}
    assert town.shown(town.zoe, sent)["reactions"] == town.shown(town.reem, sent)["reactions"] == expected
    town.act(phone_actions.react, town.adam, town.group, sent, "")
    assert town.shown(town.zoe, sent)["reactions"] == {town.reem.number: "🎉"}


def test_an_edit_is_for_its_author_in_time_and_for_words(town):
    sent, old = town.send(town.reem, town.adam), town.send(town.reem, town.adam, age=16 * 60)
    town.act(phone_actions.edit, town.reem, town.adam, sent, "put right")
    shown = town.shown(town.adam, sent)
    assert (shown["text"], shown["edited"]) == ("put right", True)
    town.act(phone_actions.edit, town.adam, town.reem, sent, "forged")
    assert town.why(town.reem) == "only its author may edit a message"
    town.act(phone_actions.edit, town.reem, town.adam, old, "too late")
    assert town.why(town.adam) == "a message of 960 s ago is edited"
    place = town.send(town.reem, town.adam, locationMessage={"degreesLatitude": 1, "degreesLongitude": 2})
    forged = town.hub.e2e.Message()
    forged.protocolMessage.key.CopyFrom(phone_actions.key_of(town.hub, town.reem, town.adam.pn, place))
    forged.protocolMessage.type = 14  # MESSAGE_EDIT
    outgoing.send(town.hub, town.reem, town.adam.pn, forged)
    assert town.why(town.adam) == "a locationMessage is edited"
    assert town.shown(town.adam, sent)["text"] == "put right"


def test_a_deletion_is_for_its_author_and_for_admins_and_in_time(town):
    mine, hers, old = (town.send(town.reem, town.group), town.send(town.zoe, town.group),
                       town.send(town.reem, town.group, age=49 * 3600))  # fmt: skip
    town.act(phone_actions.delete, town.adam, town.group, hers)
    assert town.why(town.zoe) == "only admins of a group may delete what others wrote"
    for each in (mine, hers):
        town.act(phone_actions.delete, town.reem, town.group, each)
        shown = town.shown(town.adam, each)
        assert (shown["deleted"], shown["text"]) == (town.reem.number, "")
    town.act(phone_actions.delete, town.reem, town.group, old)
    assert town.why(town.adam) == f"a message of {49 * 3600} s ago is deleted"
    town.act(phone_actions.react, town.adam, town.group, mine, "👍")
    assert town.why(town.adam) == "the message was deleted"


def test_a_key_has_to_name_the_chat_and_the_author_as_its_sender_knows_them(town):
    sent = town.send(town.adam, town.reem)
    right = phone_actions.key_of(town.hub, town.reem, town.adam.pn, sent)
    wrong = {
        "in place of": {"remoteJID": str(town.zoe.lid)},
        "the message is by": {"fromMe": True},
        "has no message": {"ID": "NOBODYS"},
    }
    for why, changed in wrong.items():
        message = town.hub.e2e.Message()
        message.reactionMessage.text = "👍"
        message.reactionMessage.key.CopyFrom(right)
        ParseDict(changed, message.reactionMessage.key)
        outgoing.send(town.hub, town.reem, town.adam.pn, message)
        assert why in town.why(town.adam)
    town.act(phone_actions.react, town.reem, town.adam, sent, "👍")
    assert town.shown(town.adam, sent)["reactions"] == {town.reem.number: "👍"}


def test_votes_are_counted_changed_and_taken_back(town):
    poll = town.act(phone_actions.ask, town.adam, town.group, "Which day?", ["Sat", "Sun", "Mon"], 2)
    for who, options in ((town.reem, ["Sat"]), (town.zoe, ["Sun", "Mon"]), (town.adam, ["Sat"])):
        town.act(phone_actions.vote, who, town.group, poll, options)
    town.act(phone_actions.vote, town.reem, town.group, poll, ["Sun"])
    town.act(phone_actions.vote, town.adam, town.group, poll, [])
    expected = {town.zoe.number: ["Sun", "Mon"], town.reem.number: ["Sun"]}
    assert town.shown(town.zoe, poll)["poll"]["votes"] == expected
    town.act(phone_actions.vote, town.reem, town.group, poll, ["Sat", "Sun", "Mon"])
    assert town.why(town.zoe) == "a vote for 3 of at most 2 options"
    town.send(town.adam, town.zoe, pollCreationMessage={"name": "No secret"})
    assert town.why(town.zoe) == "a poll without a secret, in which nobody can vote"


def test_what_a_message_carries_beside_its_words_is_shown(town):
    about = {"expiration": 86_400, "isForwarded": True, "forwardingScore": 3,
             "mentionedJID": [str(town.zoe.lid)], "stanzaID": "QUOTED"}  # fmt: skip
    sent = town.send(town.adam, town.reem, extendedTextMessage={"text": "hey", "contextInfo": about})
    shown = town.shown(town.reem, sent)
    assert [shown[name] for name in ("expiration", "forwarded", "mentions", "quoted")] == [
        86_400, 3, [town.zoe.number], "QUOTED",
    ]  # fmt: skip
    place = {"degreesLatitude": 51.5, "degreesLongitude": -0.1, "name": "home", "address": "London"}
    sent = town.send(town.adam, town.reem, locationMessage={**place, "contextInfo": about})
    shown = town.shown(town.reem, sent)
    assert (shown["location"], shown["expiration"]) == ([51.5, -0.1, "home", "London"], 86_400)
    once = town.send(town.adam, town.reem, viewOnceMessageV2={"message": {"imageMessage": {"caption": "!"}}})
    assert (town.shown(town.reem, once)["view_once"], town.shown(town.reem, once)["text"]) == (True, "!")


def test_a_phone_knows_the_messages_of_its_history(town):
    town.reem.history = [{"chat": str(town.adam.pn), "id": "OLD", "from_me": False, "text": "old", "t": 1}]
    town.act(phone_actions.react, town.reem, town.adam, "OLD", "👍")
    assert town.shown(town.reem, "OLD")["reactions"] == {town.reem.number: "👍"}
    assert "has no message" in town.why(town.adam)


def test_who_is_blocked_reaches_nobody_in_a_chat_but_in_groups(town):
    profile_queries.block(town.hub, town.reem, town.adam, "block")
    sent, shared = town.send(town.adam, town.reem), town.send(town.adam, town.group)
    assert [each["id"] for each in screen.entries(town.hub, town.reem)] == [shared]
    assert town.shown(town.adam, sent)
    profile_queries.block(town.hub, town.reem, town.adam, "unblock")
    assert town.shown(town.reem, town.send(town.adam, town.reem))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"conversation": "text"}, labels.Labels("text")),
        ({"imageMessage": {}}, labels.Labels("media", "image")),
        ({"viewOnceMessage": {"message": {"videoMessage": {}}}}, labels.Labels("media", "video")),
        ({"audioMessage": {"PTT": True}}, labels.Labels("media", "ptt")),
        ({"contactMessage": {}}, labels.Labels("media", "vcard")),
        ({"locationMessage": {}}, labels.Labels("text")),
        ({"reactionMessage": {"text": "👍"}}, labels.Labels("reaction")),
        ({"reactionMessage": {"text": ""}}, labels.Labels("reaction", edit="7")),
        ({"pollCreationMessageV3": {}}, labels.Labels("poll", polltype="creation")),
        ({"pollUpdateMessage": {}}, labels.Labels("poll", polltype="vote")),
        ({"protocolMessage": {"key": {"fromMe": True}, "type": "REVOKE"}}, labels.Labels(edit="7")),
        ({"protocolMessage": {"key": {"ID": "1"}, "type": "REVOKE"}}, labels.Labels(edit="8")),
        (
            {"editedMessage": {"message": {"protocolMessage": {"key": {}, "type": "MESSAGE_EDIT"}}}},
            labels.Labels(edit="1"),
        ),
    ],
)
def test_a_message_says_what_it_is_outside_of_its_ciphertext(town_hall, content, expected):
    message = ParseDict(content, town_hall.e2e.Message())
    assert labels.labels_of(town_hall, message) == expected
    told = {name: value for name, value in expected._asdict().items() if value and name in ("type", "edit")}
    meta = [node("meta", {"polltype": expected.polltype})] if expected.polltype else []
    enc = node("enc", {"mediatype": expected.mediatype})
    assert labels.mistake(town_hall, Node("message", dict(told), meta), enc, message) == ""
    if expected.edit in ("1", "8") or expected.polltype:
        wrong = Node("message", {**told, "edit": "7", "type": "text"}, meta)
        assert labels.mistake(town_hall, wrong, enc, message)


def test_a_group_says_why_it_does_not_take_somebody(town):
    gone, shy, knows, hostile, new = (Account(f"44770090010{number}", str(number)) for number in range(5))
    for each in (gone, shy, knows, hostile, new):
        town.hub.accounts[each.number] = each
    groups.change(town.hub, town.group, town.reem, "add", [gone])
    groups.change(town.hub, town.group, gone, "remove", [gone])
    shy.profile.privacy["groupadd"] = knows.profile.privacy["groupadd"] = "contacts"
    knows.contacts = {town.reem.number: "Reem"}
    hostile.profile.blocked = [town.reem.number]
    nobody = Account("447700900999", "Nobody")
    people = (town.adam, gone, shy, knows, hostile, new, nobody)
    asked = node("add", {}, *(node("participant", {"jid": each.pn}) for each in people))
    found, refused = members.sort_out(town.hub, town.group, town.reem, asked, "add")
    assert found == [knows, new]
    members.invite(town.hub, town.group, refused)
    assert [each.attrs["error"] for each in refused] == [409, 408, 403, 401, 404]
    (invitation,) = (each for one in refused for each in one)
    accept = node("accept", {**invitation.attrs, "admin": town.reem.lid})
    members.accept(town.group, shy, accept)
    asked = node(
        "remove", {}, *(node("participant", {"jid": each.lid}) for each in (town.reem, town.adam, new))
    )
    found, refused = members.sort_out(town.hub, town.group, town.reem, asked, "remove")
    assert (found, [each.attrs["error"] for each in refused]) == ([town.adam], [403, 404])
