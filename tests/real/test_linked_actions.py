"""What one does with messages after they were sent, on WhatsApp's library, and what phones show of it."""

from __future__ import annotations

from conftest import wait_for

pytest_plugins = ["linked_fixture"]


def row_of(device, chat, message_id):
    """Return a message as `wa read` shows it."""
    return next(row for row in device.chat(chat) if row["message_id"] == message_id)


def emoji(row):
    """Return who reacted to a message with what."""
    return {each["sender"]: each["emoji"] for each in row["reactions"]}


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
