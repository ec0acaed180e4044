"""What one does with messages after they were sent, on WhatsApp's library, and what phones show of it."""

from __future__ import annotations

import pytest
from conftest import wait_for

from wa.errors import ExitStatus

pytest_plugins = ["linked_fixture"]


def row_of(device, chat, message_id):
    """Return a message as `wa read` shows it."""
    return next(row for row in device.chat(chat) if row["message_id"] == message_id)


def emoji(row):
    """Return who reacted to a message with what."""
    return {each["sender"]: each["emoji"] for each in row["reactions"]}


def edits(person, after=0):
    """Return the attribute `edit` of the messages that the clients of a person sent: what changed others."""
    return [each["attrs"].get("edit", "") for each in person.said("message")[after:]]


def shows(people, message_id, **expected):
    """Return whether the phones of these people show this of a message."""
    found = [person.shows(message_id) for person in people]
    return all(each[name] == value for each in found for name, value in expected.items())


@pytest.mark.parametrize("owner", ["a listener", pytest.param("the command", marks=pytest.mark.soak)])
def test_a_message_is_changed_by_us_on_every_phone_and_here(device, adam, reem, owner):
    device.listening() if owner == "a listener" else device.alone()
    chat, both = adam.number, (adam, reem)
    sent = device.json("send", chat, "before")["message_id"]
    before = len(reem.said("message"))
    row = device.json("react", chat, sent, "👍")
    assert (row["message_id"], emoji(row)) == (sent, {reem.pn: "👍"})
    assert shows(both, sent, reactions={reem.number: "👍"})
    row = device.json("edit", chat, "last", "after")
    assert (row["content"], bool(row["edited_at"])) == ("after", True)
    assert shows(both, sent, text="after", edited=True)
    assert emoji(device.json("react", chat, sent[:-2], "")) == {}
    assert shows(both, sent, reactions={})
    row = device.json("delete", chat, "last")
    assert (row["content"], bool(row["deleted_at"])) == (None, True)
    assert shows(both, sent, deleted=reem.number)
    assert edits(reem, before) == ["", "1", "7", "7"]
    assert device.chat(adam) == [row]


def test_what_others_wrote_is_reacted_to_and_they_see_it(device, listener, adam, reem, town):
    group = town.group("Walks", adam, reem, town.person("Zoe"))
    for chat, to in ((adam.number, reem), (group, group)):
        asked = adam.send(to, "Sunday?")
        listener.event(lambda event, sent=asked: event["message_id"] == sent)
        device.ok("react", chat, "last", "🎉")
        assert shows((adam, reem), asked, reactions={reem.number: "🎉"})
        adam.react(to, asked, "👍")
        wait_for(lambda chat=chat: len(emoji(device.chat(chat)[-1])) == 2, what="both reactions")
        assert emoji(device.chat(chat)[-1]) == {reem.pn: "🎉", adam.pn: "👍"}


def test_our_own_message_in_a_chat_by_hidden_id_is_deleted_as_ours(device, listener, newcomer, reem, town):
    hidden = newcomer("Hidden", mapped=False)
    hidden.send(reem, "who am I?")
    wait_for(lambda: device.chat(hidden.lid), what="the chat by hidden id")
    group = town.group("Both", reem, hidden)
    for chat in (hidden.lid, group):
        sent = device.json("send", chat, "never mind")["message_id"]
        device.ok("edit", chat, sent, "never mind that")
        device.ok("delete", chat, sent)
        assert edits(reem)[-2:] == ["1", "7"]
        keys = [key_in(entry) for entry in hidden.inbox() if key_in(entry).get("ID") == sent]
        assert [each.get("fromMe") for each in keys] == [True, True]
        assert shows((hidden, reem), sent, deleted=reem.number)


def key_in(entry):
    """Return the key of the message that one of an inbox edits or deletes, {} if it does neither."""
    message = entry.get("message", {})
    message = message.get("editedMessage", {}).get("message", message)
    return message.get("protocolMessage", {}).get("key", {})


def test_an_admin_deletes_what_another_wrote(device, listener, adam, reem, town):
    group = town.group("Ours", reem, adam)
    regretted = adam.send(group, "no")
    listener.event(lambda event: event["message_id"] == regretted)
    device.ok("delete", group, regretted)
    assert edits(reem)[-1] == "8"
    assert shows((adam, reem), regretted, deleted=reem.number)
    town.group_change(group, adam, "demote", reem)
    again = adam.send(group, "no, again")
    listener.event(lambda event: event["message_id"] == again)
    done = device.run("delete", group, again, "--json")
    assert (done.code, done.error["code"]) == (ExitStatus.USAGE, "wrong-state")
    assert shows((adam, reem), again, deleted="")


REFUSED = [
    pytest.param(("react", "👍"), id="react"),
    pytest.param(("edit", "after"), id="edit", marks=pytest.mark.soak),
    pytest.param(("delete",), id="delete", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("args", REFUSED)
def test_a_change_that_the_server_refuses_is_told_and_changes_nothing(device, listener, newcomer, reem, args):
    kind, *words = args
    adam = newcomer("Adam", receipts=[])  # a receipt would change the record too
    sent = device.json("send", adam.number, "as it is")["message_id"]
    before = device.chat(adam)
    reem.fault(ack_error={"code": 463, "count": 1})
    done = device.run(kind, adam.number, sent, *words, "--json")
    assert (done.code, done.error["code"], done.out) == (ExitStatus.NOT_SENT, "send-failed", "")
    assert "463" in done.error["message"]
    assert device.chat(adam) == before
    assert shows((adam,), sent, text="as it is", deleted="", reactions={})
    device.ok(kind, adam.number, sent, *words)


def test_an_edit_keeps_the_timer_of_the_chat(device, listener, adam, reem):
    setting = {"type": "EPHEMERAL_SETTING", "ephemeralExpiration": 86_400}
    adam.send(reem, protocolMessage=setting)
    sent = adam.send(reem, "set")
    wait_for(lambda: device.chat(adam) and device.chat(adam)[-1]["message_id"] == sent, what="the timer")
    device.ok("send", adam.number, "after")
    device.ok("edit", adam.number, "last", "before")
    (edit,) = [entry["message"]["editedMessage"]["message"]["protocolMessage"]["editedMessage"]
               for entry in adam.inbox() if "editedMessage" in entry.get("message", {})]  # fmt: skip
    assert edit["extendedTextMessage"]["contextInfo"]["expiration"] == 86_400


def test_what_our_phone_does_to_messages_is_recorded_as_ours(device, listener, adam, reem):
    mine, his = reem.send(adam, "before"), adam.send(reem, "hello")
    listener.event(lambda event: event["message_id"] == his)
    reem.react(adam, his, "🎉")
    reem.edit(adam, mine, "after")
    wait_for(lambda: emoji(row_of(device, adam, his)) == {reem.pn: "🎉"}, what="our reaction")
    wait_for(lambda: row_of(device, adam, mine)["content"] == "after", what="our edit")
    reem.react(adam, his, "")
    reem.delete(adam, mine)
    wait_for(lambda: emoji(row_of(device, adam, his)) == {}, what="the end of our reaction")
    wait_for(lambda: row_of(device, adam, mine)["deleted_at"], what="our deletion")
    assert adam.shows(mine)["deleted"] == reem.number
    assert adam.ignored() == []


def test_an_admin_deletes_what_we_wrote_and_a_member_cannot(device, listener, adam, reem, town):
    group = town.group("Careful", adam, reem)
    mine = reem.send(group, "no")
    again = reem.send(group, "no, again")
    wait_for(lambda: device.chat(group)[-1:] and device.chat(group)[-1]["message_id"] == again, what="them")
    adam.delete(group, mine)
    wait_for(lambda: row_of(device, group, mine)["deleted_at"], what="the deletion")
    town.group_change(group, adam, "promote", reem)
    town.group_change(group, adam, "demote", adam)
    adam.delete(group, again)
    adam.send(group, "after it")
    wait_for(lambda: device.chat(group)[-1]["content"] == "after it", what="a message after it")
    assert row_of(device, group, again)["deleted_at"] is None
    assert [each["why"] for each in reem.ignored()] == ["only admins of a group may delete what others wrote"]


def test_nobody_edits_what_another_wrote(device, listener, adam, reem, town):
    zoe = town.person("Zoe")
    group = town.group("Forgers", adam, reem, zoe)
    hers, ours = zoe.send(group, "hers"), reem.send(group, "ours")
    for each in (hers, ours):
        adam.edit(group, each, "forged")
    zoe.delete(group, ours)
    adam.send(group, "after it")
    wait_for(lambda: device.chat(group)[-1:] and device.chat(group)[-1]["content"] == "after it", what="it")
    rows = {row["message_id"]: (row["content"], row["edited_at"]) for row in device.chat(group)}
    assert (rows[hers], rows[ours]) == (("hers", None), ("ours", None))
    assert [each["id"] for each in reem.ignored() if each["chat"] == group]


def test_wa_says_to_nobody_that_it_is_online_or_has_read(device, listener, adam, reem):
    device.alone()
    before = len(reem.said("receipt"))
    asked = adam.send(reem, "there?")
    device.listening().event(lambda event: event["message_id"] == asked)
    device.ok("read", adam.number)
    device.ok("send", adam.number, "no")
    answered = adam.send(reem, "oh")
    device.listening().event(lambda event: event["message_id"] == answered)
    said = {each["attrs"].get("type", "") for each in reem.said("receipt")[before:]}
    assert not said & {"read", "read-self", "played"}
    device.ok("read", adam.number, "--mark-read")
    wait_for(lambda: reem.said("receipt")[-1]["attrs"].get("type") == "read", what="the receipt")
    assert reem.said("presence") == reem.said("chatstate") == []
