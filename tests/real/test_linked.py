"""Sending and receiving through WhatsApp's own library, as the user of a linked home does it."""

from __future__ import annotations

import json
import signal
import time

import pytest
from conftest import is_connected, wait_for
from impatient import patient_with_recipients
from linked import Device, past
from relay.driver import Person

pytest_plugins = ["linked_fixture"]


def contents(rows):
    """Return the texts of messages."""
    return [row["content"] for row in rows]


def status_of(device, person, text):
    """Return the status of a message to a person: sent, delivered, read."""
    return next(row["status"] for row in device.chat(person) if row["content"] == text)


def receipts(person, kind):
    """Return the ids of the messages for which we sent a person such a receipt."""
    return {each for entry in person.inbox() if entry.get("receipt") == kind for each in entry["ids"]}


@pytest.fixture
def alone(device):
    """Nobody holds the connection."""
    device.alone()
    return device


# ── A conversation ────────────────────────────────────────────────────────────────────────────────


def test_a_message_goes_out_through_the_listener(device, listener, adam):
    row = device.json("send", adam.number, "Hello, Adam")
    assert (row["status"], row["attempts"]) == ("sent", 1)
    (got,) = [entry for entry in adam.inbox() if entry.get("text")]
    assert (got["text"], got["id"]) == ("Hello, Adam", row["message_id"])
    printed = listener.event(lambda event: event["content"] == "Hello, Adam")
    assert printed["is_from_me"] is True


def test_receipts_make_a_message_delivered_then_read(device, listener, adam):
    row = device.json("send", adam.number, "Did you get this?")
    wait_for(lambda: status_of(device, adam, "Did you get this?") == "delivered")
    adam.receipt(device_owner(device), [row["message_id"]], "read")
    wait_for(lambda: status_of(device, adam, "Did you get this?") == "read")


def device_owner(device):
    """Return the person whose account the device is linked to."""
    account = device.json("status")["account"]
    number = account["jid"].partition("@")[0]
    return Person(device.relay, number, "Reem", account["jid"], account["lid"])


def test_a_received_message_is_printed_stored_and_found(device, listener, adam, reem):
    sent = adam.send(reem, "Good morning from Adam")
    event = listener.event(lambda event: event["message_id"] == sent)
    assert (event["content"], event["chat_jid"], event["is_from_me"]) == (
        "Good morning from Adam", adam.pn, False,
    )  # fmt: skip
    assert event["sender_name"] == "Adam"
    (chat,) = [chat for chat in device.json("unread") if chat["id"] == adam.pn]
    assert chat["unread_count"] == 1
    assert contents(device.json("search", "morning", "--chat", adam.number)) == ["Good morning from Adam"]
    assert "Adam: Good morning from Adam" in device.ok("read", adam.number)


def test_marking_as_read_tells_the_sender(device, listener, adam, reem):
    ids = {adam.send(reem, f"read me {number}") for number in range(3)}
    listener.wait(lambda: len(device.chat(adam)) == 3, "three messages")
    assert not ids & receipts(adam, "read")
    assert len(device.json("read", adam.number, "--mark-read")) == 3
    wait_for(lambda: ids <= receipts(adam, "read"), what="the receipts")
    assert adam.pn not in [chat["id"] for chat in device.json("unread")]


def test_a_command_marks_as_read_without_a_listener(device, listener, adam, reem):
    sent = adam.send(reem, "read me alone")
    listener.event(lambda event: event["message_id"] == sent)
    device.alone()
    device.ok("read", adam.number, "--mark-read")
    wait_for(lambda: sent in receipts(adam, "read"), what="the receipt")


def test_an_answer_quotes_its_message(device, listener, adam, reem):
    question = adam.send(reem, "Tea or coffee?")
    listener.event(lambda event: event["message_id"] == question)
    row = device.json("send", adam.number, "Tea", "--reply-to", question)
    assert row["quoted_id"] == question
    assert "Tea" in adam.texts()
    (quote,) = quotes(device, "Tea")
    assert quote == question


def quotes(device, text):
    """Return the ids that our own record says a message answers."""
    return [row["quoted_id"] for row in device.json("search", text) if row["content"] == text]


def test_a_received_answer_names_the_quoted_message(device, listener, adam, reem):
    row = device.json("send", adam.number, "Red or blue?")
    about = {"stanzaID": row["message_id"], "participant": reem.lid, "quotedMessage": {"conversation": "x"}}
    sent = adam.send(reem, extendedTextMessage={"text": "Blue", "contextInfo": about})
    event = listener.event(lambda event: event["message_id"] == sent)
    assert (event["content"], event["quoted_id"]) == ("Blue", row["message_id"])


def test_a_message_that_our_phone_sends_is_recorded_as_ours(device, listener, adam, reem):
    sent = reem.send(adam, "typed on the phone")
    event = listener.event(lambda event: event["message_id"] == sent)
    assert (event["is_from_me"], event["chat_jid"]) == (True, adam.pn)


def test_edits_reactions_and_deletions_are_recorded(device, listener, adam, reem):
    first, second = adam.send(reem, "Helo, Reem"), adam.send(reem, "regretted")
    key = {"remoteJID": reem.pn, "fromMe": True, "ID": first}
    now = int(time.time() * 1000)
    edit = {"key": key, "type": "MESSAGE_EDIT", "editedMessage": {"conversation": "first"}}
    adam.send(reem, protocolMessage={**edit, "timestampMS": now})
    adam.send(reem, reactionMessage={"key": key, "text": "👍", "senderTimestampMS": now})
    adam.send(reem, protocolMessage={"key": {**key, "ID": second}, "type": "REVOKE"})
    is_deleted = [False, True]
    listener.wait(
        lambda: [bool(row["deleted_at"]) for row in device.chat(adam)] == is_deleted, "the deletion"
    )
    edited, deleted = device.chat(adam)
    assert (edited["content"], bool(edited["edited_at"])) == ("first", True)
    assert [each["emoji"] for each in edited["reactions"]] == ["👍"]
    assert deleted["content"] is None
    assert device.json("search", "Helo, Reem") == device.json("search", "regretted") == []
    adam.send(reem, reactionMessage={"key": key, "text": "", "senderTimestampMS": now + 1000})
    listener.wait(lambda: device.chat(adam)[0]["reactions"] == [], "the end of the reaction")


# ── Numbers, hidden ids and names ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", [("pn", "lid"), ("lid", "pn")], ids="-then-".join)
def test_one_person_is_one_chat_whichever_address_comes_first(device, listener, newcomer, reem, order):
    peer = newcomer("Two-faced", mapped=False, addressing=order[0])
    word = f"chameleon{peer.number}"
    ids = [peer.send(reem, f"{word} one")]
    listener.event(lambda event: event["message_id"] == ids[0])
    peer.set(addressing=order[1])
    ids.append(peer.send(reem, f"{word} two"))
    listener.event(lambda event: event["message_id"] == ids[1])
    peer.set(mapped=True)
    ids.append(peer.send(reem, f"{word} three"))
    listener.event(lambda event: event["message_id"] == ids[2])
    wait_for(lambda: len(chats_of(device, peer)) == 1, what="one chat")
    (chat,) = chats_of(device, peer)
    assert (chat["id"], chat["unread_count"]) == (peer.pn, 3)
    assert [row["message_id"] for row in device.chat(peer)] == ids
    assert {row["chat_jid"] for row in device.json("search", word)} == {peer.pn}
    assert len(device.json("search", word, "--from", peer.number)) == 3
    assert [row["message_id"] for row in device.chat(peer.lid)] == ids


def chats_of(device, person):
    """Return the chats under either address of a person."""
    return [chat for chat in device.json("chats", "1000") if chat["id"] in (person.pn, person.lid)]


def test_an_answer_to_a_hidden_id_reaches_its_owner(device, listener, newcomer, reem):
    peer = newcomer("Hidden", mapped=False, addressing="lid")
    sent = peer.send(reem, "who am I?")
    listener.event(lambda event: event["message_id"] == sent)
    row = device.json("send", peer.lid, "I do not know")
    assert row["status"] == "sent"
    assert peer.texts() == ["I do not know"]
    assert len(chats_of(device, peer)) == 1


def test_a_contact_s_name_wins_over_the_phone_s_address_book_and_that_over_the_push_name(
    device, listener, newcomer, reem
):
    peer = newcomer("Pushy")
    sent = peer.send(reem, "my name is Pushy")
    event = listener.event(lambda event: event["message_id"] == sent)
    assert event["chat_name"] == "Pushy"
    device.ok("contacts", "add", "Our Name For Pushy", peer.number)
    assert chats_of(device, peer)[0]["name"] == "Our Name For Pushy"
    device.ok("contacts", "remove", "Our Name For Pushy")
    assert chats_of(device, peer)[0]["name"] == "Pushy"


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def family(device, listener, newcomer, reem, town):
    """A group that Adam has made, with Reem and Sara in it; and its members."""
    adam, sara = newcomer("Adam"), newcomer("Sara")
    jid = town.group(f"Family {adam.number}", adam, reem, sara)
    listener.wait(lambda: group_of(device, jid), "the group")
    return jid, adam, sara


def group_of(device, jid):
    """Return a group as `wa groups` lists it."""
    return next((group for group in device.json("groups") if group["id"] == jid), None)


def roles(device, jid):
    """Return the role of each member of a group, by number."""
    return {each["member_jid"]: each["role"] for each in group_of(device, jid)["members"]}


def test_a_group_is_listed_with_its_name_and_members(device, family, reem):
    jid, adam, sara = family
    assert group_of(device, jid)["name"] == f"Family {adam.number}"
    assert roles(device, jid) == {adam.pn: "superadmin", reem.pn: "member", sara.pn: "member"}


def test_changes_of_a_group_are_recorded(device, listener, family, newcomer, reem, town):
    jid, adam, sara = family
    ali = newcomer("Ali")
    town.group_subject(jid, adam, "Relatives")
    listener.wait(lambda: group_of(device, jid)["name"] == "Relatives", "the new name")
    town.group_change(jid, adam, "add", ali)
    listener.wait(lambda: roles(device, jid).get(ali.pn) == "member", "the new member")
    town.group_change(jid, adam, "promote", ali)
    listener.wait(lambda: roles(device, jid).get(ali.pn) == "admin", "the new admin")
    town.group_change(jid, adam, "demote", ali)
    listener.wait(lambda: roles(device, jid).get(ali.pn) == "member", "the end of the admin")
    town.group_change(jid, adam, "remove", sara)
    listener.wait(lambda: sara.pn not in roles(device, jid), "the end of the member")
    assert set(roles(device, jid)) == {adam.pn, reem.pn, ali.pn}


def test_messages_go_both_ways_in_a_group(device, listener, family):
    jid, adam, sara = family
    sent = adam.send(jid, "Dinner at eight")
    event = listener.event(lambda event: event["message_id"] == sent)
    assert (event["chat_jid"], event["sender"], event["sender_name"]) == (jid, adam.pn, "Adam")
    assert event["chat_name"] == f"Family {adam.number}"
    row = device.json("send", f"family {adam.number}", "I will come")
    assert (row["to_jid"], row["status"]) == (jid, "sent")
    for each in (adam, sara):
        assert [entry["chat"] for entry in each.inbox() if entry.get("text") == "I will come"] == [jid]
    wait_for(lambda: status_of_group(device, jid, "I will come") == "delivered", what="the receipts")


def status_of_group(device, jid, text):
    """Return the status of a message in a group."""
    return next(row["status"] for row in device.chat(jid) if row["content"] == text)


def test_marking_as_read_in_a_group_tells_each_sender(device, listener, family):
    jid, adam, sara = family
    ids = {each: each.send(jid, f"from {each.name}") for each in (adam, sara)}
    for sent in ids.values():
        listener.event(lambda row, sent=sent: row["message_id"] == sent)
    device.ok("read", jid, "--mark-read")
    for each, sent in ids.items():
        wait_for(lambda each=each, sent=sent: sent in receipts(each, "read"), what="the receipt")


def test_no_message_goes_to_a_group_that_has_removed_us_unheard(device, family, reem, town):
    """Nothing was connected when we were removed, so the command queues its message before it can know."""
    jid, adam, _ = family
    device.alone()
    town.group_change(jid, adam, "remove", reem)
    done = device.run("send", jid, "am I still here?", "--json")
    assert done.out == ""
    assert (done.code, done.error["code"]) in [(4, "recipient-not-found"), (5, "send-failed")]
    row = device.queue("am I still here?")
    assert (row["status"], row["error_code"]) == ("failed", done.error["code"])
    assert "am I still here?" not in adam.texts()
    assert {each["why"] for each in town.take_rejected()} <= {"the sender is not in the group"}


# ── The queue ─────────────────────────────────────────────────────────────────────────────────────


def test_a_message_goes_out_without_a_listener(alone, adam):
    row = alone.json("send", adam.number, "Alone")
    assert row["status"] == "sent"
    assert adam.texts() == ["Alone"]
    assert not alone.is_held


@pytest.mark.parametrize("as_json", [False, True])
def test_send_says_sent_before_it_closes_the_connection(alone, newcomer, as_json):
    """Closing takes a second while a recipient may ask for the message again; a kill then loses nothing."""
    adam, text = newcomer("Adam", receipts=[]), f"said at once {as_json}"
    words = ["send", adam.number, text, *(["--json"] if as_json else [])]
    sender = alone.start(*words, program=patient_with_recipients(60))
    sender.wait(lambda: sender.out.endswith("\n"), "the line")
    assert alone.is_held, "the connection is still open"
    sender.kill()
    assert sender.err == ""
    if as_json:
        assert json.loads(sender.out)["status"] == "sent"
    else:
        assert sender.out.startswith("sent to ")
    assert alone.queue(text)["status"] == "sent"
    assert adam.texts().count(text) == 1
    again = alone.run("send", adam.number, f"and after it {as_json}")
    assert (again.code, again.err) == (0, "")


def test_several_senders_at_once_without_a_listener_all_send(alone, adam):
    texts = [f"crowd {number}" for number in range(4)]
    commands = [alone.start("send", adam.number, text, "--json") for text in texts]
    done = [command.finish() for command in commands]
    assert [(each.code, each.err) for each in done] == [(0, "")] * 4
    wait_for(lambda: len(adam.texts()) >= 4, what="all messages")
    assert sorted(adam.texts()) == texts


def test_a_message_to_a_number_that_is_not_on_whatsapp_fails(device, listener):
    done = device.run("send", "15555550199", "Anybody?", "--json")
    assert (done.code, done.out, done.error["code"]) == (4, "", "recipient-not-found")
    assert "not on WhatsApp" in done.error["message"]
    assert device.queue("Anybody?")["status"] == "failed"


def test_a_note_to_myself_is_sent(device, listener, reem):
    before = len(reem.inbox())
    assert device.json("send", "me", "buy bread")["to_jid"] == reem.pn
    assert reem.texts(before) == ["buy bread"]


def test_a_key_sends_its_message_once(device, listener, adam):
    first = device.json("send", adam.number, "just once", "--key", f"key-{adam.number}")
    second = device.json("send", adam.number, "just once", "--key", f"key-{adam.number}")
    assert first["id"] == second["id"]
    other = device.run("send", adam.number, "another", "--key", f"key-{adam.number}", "--json")
    assert (other.code, other.error["code"]) == (2, "usage")
    assert adam.texts() == ["just once"]


def test_a_scheduled_message_goes_out_at_its_time(device, listener, adam):
    row = device.json("schedule", "add", adam.number, "in time", "--at", "in 2 seconds")
    assert row["status"] == "pending"
    wait_for(lambda: adam.texts() == ["in time"], what="the message")
    wait_for(lambda: device.queue("in time")["status"] == "sent")
    cancelled = device.json("schedule", "add", adam.number, "never", "--at", "in 1 hour")
    assert device.json("schedule", "cancel", cancelled["id"])["status"] == "cancelled"


def test_while_paused_no_message_goes_out(device, listener, adam):
    device.ok("pause")
    try:
        device.ok("send", adam.number, "withheld", "--no-wait", note="sending is paused")
        device.ok("send", adam.number, "withdrawn", "--no-wait", note="sending is paused")
        device.ok("schedule", "cancel", device.queue("withdrawn")["id"])
        assert adam.texts() == []
    finally:
        device.ok("resume")
    wait_for(lambda: adam.texts() == ["withheld"], what="what was withheld")


def test_two_schedulers_send_each_message_once(alone, adam):
    schedulers = [alone.start("run-scheduler") for _ in range(2)]
    try:
        wait_for(lambda: is_connected(alone.home), what="a scheduler")
        texts = [f"turn {number}" for number in range(6)]
        for text in texts:
            alone.ok("schedule", "add", adam.number, text, "--at", "in 1 second")
        wait_for(lambda: len(adam.texts()) >= 3, what="half of them")
        holder = alone.json("status")["owner"]["pid"]
        (first,) = [each for each in schedulers if each.pid == holder]
        first.kill()
        wait_for(lambda: len(set(adam.texts())) == 6, what="all of them")
    finally:
        ended = [each.stop() for each in schedulers if each.popen.poll() is None]
    assert [each.code for each in ended] == [0]
    assert sorted(adam.texts()) == texts


def test_run_scheduler_once_sends_a_due_message(alone, adam):
    nobody = "nothing is running that will send it"
    alone.ok("schedule", "add", adam.number, "for cron", "--at", "in 1 second", note=nobody)
    wait_for(lambda: alone.run("run-scheduler", "--once").code == 0 and adam.texts(), what="the message")
    assert adam.texts() == ["for cron"]
    assert not alone.is_held


# ── Output in a pipe ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "with_listener", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["beside a listener", "alone"]
)
def test_every_command_prints_data_on_stdout_and_nothing_else(device, adam, with_listener):
    if with_listener:
        device.listening()
    else:
        device.alone()
    device.ok("send", adam.number, f"loud {with_listener}")
    commands = [
        ("status",), ("doctor",), ("chats",), ("unread",), ("groups",), ("read", adam.number),
        ("search", "old"), ("history", "status"), ("schedule", "list", "--status", "all"),
        ("contacts", "list"), ("db", "stats"), ("db", "check"), ("pause",), ("resume",),
        ("send", adam.number, f"quiet {with_listener}"), ("download", adam.number),
    ]  # fmt: skip
    for args in commands:
        done = device.run(*args, "--json")
        assert (done.code, done.err) == (0, ""), args
        json.loads(done.out)
        assert device.run(*args).code == 0


def test_a_listener_prints_only_json_and_ends_with_0(alone, adam, reem):
    listener = alone.listen()
    sent = adam.send(reem, "one line, please\nor two")
    listener.event(lambda event: event["message_id"] == sent)
    done = listener.stop(signal.SIGINT)
    assert done.code == 130
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["message_id"] for line in lines if "event" not in line] == [sent]
    assert done.err == "connected\n"


def test_messages_that_came_without_a_listener_are_printed_in_order(alone, adam, reem):
    ids = adam.send_many(reem, [f"while away {number}" for number in range(40)])
    listener = alone.listen()
    listener.event(lambda event: event["message_id"] == ids[-1])
    assert [message["message_id"] for message in listener.messages] == ids
    assert listener.stop().code == 0
    assert contents(alone.chat(adam)) == [f"while away {number}" for number in range(40)]


def test_a_send_without_a_listener_records_waiting_messages(alone, adam, reem):
    ids = adam.send_many(reem, [f"meanwhile {number}" for number in range(20)])
    alone.ok("send", adam.number, "and this goes out")
    alone.ok("send", adam.number, "and this too")
    assert [row["message_id"] for row in alone.chat(adam) if not row["is_from_me"]] == ids


def test_a_listener_from_a_cursor_prints_messages_recorded_before(device, listener, adam, reem):
    sent = adam.send(reem, "printed twice")
    number = listener.event(lambda event: event["message_id"] == sent)["id"]
    beside = device.start("listen", "--json", "--since", str(number - 1))
    beside.event(lambda event: event["message_id"] == sent)
    assert beside.stop().code == 0
    assert listener.popen.poll() is None


def test_names_from_the_phone_s_address_book_are_shown(town, newcomer, memory_path):
    peer = newcomer("Pushy")
    owner = town.person("Owner", history=past(peer), contacts={peer.number: "Saved On The Phone"})
    home = Device(town, memory_path / "home")
    try:
        home.link(owner)
        listener = home.listen()
        sent = peer.send(owner, "Hello")
        listener.event(lambda event: event["message_id"] == sent)
        listener.wait(lambda: chats_of(home, peer)[0]["name"] == "Saved On The Phone", "the name")
        home.ok("send", "saved on the phone", "found by that name")
        assert peer.texts() == ["found by that name"]
        home.ok("contacts", "add", "Our Own", peer.number)
        assert chats_of(home, peer)[0]["name"] == "Our Own"
        assert home.json("status")["account"]["push_name"] == "Owner"
    finally:
        home.end()
