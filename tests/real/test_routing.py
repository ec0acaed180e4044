"""The way of messages and receipts through the relay, with real clients.

The relay refuses what no server takes, and notes whom each message reached; a person's devices learn what the
others read; clients learn of devices that they left out; addresses are by number or by hidden id.
"""

from __future__ import annotations

import pytest
from conftest import wait_for
from relay.broken_clients import MISTAKES

pytest_plugins = ["linked_fixture"]

ACCEPTED = ("stale", "phash")
"""Mistakes with which the server accepts a message: it answers with the hash of the true list."""
UNANSWERED = ("another's id", "no id")
"""Mistakes after which the acknowledgement names no message that the client waits for."""
REFUSED = [how for how in MISTAKES if how not in (*ACCEPTED, *UNANSWERED)]
CODES = {"mixed": 400}
WARNING = "different participant list hash"


@pytest.fixture(autouse=True)
def no_fault_is_left(reem):
    """Clear the fault of a test when it ends."""
    yield
    reem.fault(mangle=None, never_ack=None)


@pytest.mark.parametrize("how", REFUSED)
def test_a_malformed_message_is_refused_reaches_nobody_and_fails(device, listener, town, adam, reem, how):
    before = len(reem.inbox())
    reem.fault(mangle={"how": how, "count": 1})
    done = device.run("send", adam.number, f"broken: {how}", "--json")
    code = CODES.get(how, 479)
    assert (done.code, done.out, done.error["code"]) == (5, "", "send-failed")
    assert str(code) in done.error["message"]
    assert device.queue(f"broken: {how}")["status"] == "failed"
    assert (adam.inbox(), reem.texts(before)) == ([], [])
    with pytest.raises(AssertionError, match="rejected"):
        town.check_messages()
    assert town.routed[-1]["outcome"] == "refused"


@pytest.mark.parametrize("how", ["foreign", "mixed", "enc type", "twice"])
def test_a_malformed_message_to_a_group_is_refused(device, listener, town, adam, reem, how):
    group = town.group(f"Group: {how}", reem, adam)
    town.person("Stranger")
    reem.fault(mangle={"how": how, "count": 1})
    done = device.run("send", group, f"broken in a group: {how}", "--json")
    assert (done.code, done.error["code"]) == (5, "send-failed")
    (found,) = town.take_rejected()
    assert (found["code"], found["to"]) == (421 if how == "mixed" else 479, group)
    assert adam.texts() == []


@pytest.mark.parametrize("how", ACCEPTED)
def test_a_message_that_leaves_out_a_device_fails_the_test_that_sends_it(
    device, listener, town, newcomer, reem, how, clients
):
    adam = newcomer("Adam")
    if how == "stale":
        clients(town, "adam").link(adam)
    reem.fault(mangle={"how": how, "count": 1})
    assert device.json("send", adam.number, f"accepted: {how}")["status"] == "sent"
    with pytest.raises(AssertionError, match="stale"):
        town.check_messages()


@pytest.mark.parametrize("how", ACCEPTED)
def test_a_message_to_a_group_that_leaves_out_a_member_fails_the_test_that_sends_it(
    device, listener, town, adam, reem, how
):
    group = town.group(f"Accepted: {how}", reem, adam)
    reem.fault(mangle={"how": how, "count": 1})
    assert device.json("send", group, f"accepted in a group: {how}")["status"] == "sent"
    (found,) = town.take_stale()
    assert found["missed"] == ([adam.lid] if how == "stale" else [])
    device.ok("send", group, "and on it goes")
    wait_for(lambda: len(adam.texts()) == 2, what="both texts, asked for again where the key was missing")


def test_phones_that_cannot_decrypt_get_each_message_once_and_the_answers_are_well_formed(
    device, listener, town, adam, reem
):
    group, already = town.group("Spoilt", reem, adam), len(town.routed)
    for chat in (adam.number, group):
        before = len(reem.inbox())
        reem.fault(corrupt={"count": 1})
        device.ok("send", chat, f"spoilt: {chat}")
        wait_for(lambda chat=chat: adam.texts().count(f"spoilt: {chat}") == 1)
        wait_for(lambda chat=chat, before=before: reem.texts(before).count(f"spoilt: {chat}") == 1)
    answers = [each for each in town.routed[already:] if each["kind"] == "retry"]
    assert len(answers) == 4
    assert {tuple(each["reached"]) for each in answers} == {(adam.lid,), (reem.lid,)}
    assert {each["outcome"] for each in answers} == {"accepted"}


def test_a_message_that_a_phone_never_gets_again_fails_the_test_that_sends_it(
    device, listener, town, clients, adam, monkeypatch
):
    nadia = town.person("Nadia")
    client = clients(town, "nadia")
    client.link(nadia)
    sent = client.do("send", to=adam.number, text="never asked for in vain")["id"]
    client.kill()
    town.call("ask_again", number=adam.number, id=sent)
    monkeypatch.setattr("relay.driver.ANSWERED_WITHIN", 0)
    with pytest.raises(AssertionError, match="undecrypted"):
        town.check_messages()


@pytest.mark.parametrize("how", UNANSWERED)
def test_a_message_under_a_wrong_id_reaches_nobody_until_the_client_repeats_it(
    device, listener, town, adam, reem, how
):
    device.ok("send", adam.number, "before")
    if how == "another's id":
        adam.send(reem, "one with an id")
    reem.fault(mangle={"how": how, "count": 1})
    done = device.run("send", adam.number, f"lost: {how}", "--wait", "1", "--json")
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    assert len(wait_for(town.take_rejected, what="the refusal, if the wait was over before")) == 1
    assert adam.texts() == ["before"]
    reem.drop()
    wait_for(lambda: device.queue(f"lost: {how}")["status"] == "sent")
    assert adam.texts() == ["before", f"lost: {how}"]


def test_a_message_that_is_never_acknowledged_is_unknown_and_the_relay_names_it(
    device, listener, town, newcomer, reem
):
    adam = newcomer("Adam", receipts=[])
    reem.fault(never_ack={"count": 1})
    done = device.run("send", adam.number, "no word of it", "--wait", "1", "--json")
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    wait_for(lambda: adam.texts() == ["no word of it"], what="the message, if the wait was over before")
    listener.kill()
    device.listening().wait(lambda: device.queue("no word of it")["status"] == "unknown", "the outcome")
    assert [adam.inbox()[0]["id"]] == town.unacknowledged


# ── Devices that a client does not know ───────────────────────────────────────────────────────────


def test_a_client_learns_from_the_acknowledgement_that_it_left_out_a_device(town, clients, memory_path):
    """Nobody is told of Adam's devices: the hash of the list of devices alone makes the client ask again."""
    nadia, adam = town.person("Nadia"), town.person("Adam", device_notices=[])
    client = clients(town, "nadia")
    client.link(nadia)

    def warnings():
        return (memory_path / "nadia.db.log").read_text(errors="replace").count(WARNING)

    for text in ("to the phone", "again"):
        client.do("send", to=adam.number, text=text)
        assert 'phash="2:' in town.call("log", match='<ack class="message"', last=1)["log"][0]
    other = clients(town, "adam")
    other.link(adam)
    client.do("send", to=adam.number, text="missed")
    assert [each["missed"] for each in town.take_stale()] == [[adam.lid.replace("@", ":1@")]]
    wait_for(lambda: warnings() == 1, what="the first warning")
    client.do("send", to=adam.number, text="to all devices")
    other.wait("Message", lambda event: event["text"] == "to all devices")
    other.kill()
    adam.unlink("silent")
    client.do("send", to=adam.number, text="to a device that is gone")
    client.do("send", to=adam.number, text="to the phone alone")
    assert adam.texts() == [
        "to the phone", "again", "missed", "to all devices", "to a device that is gone", "to the phone alone",
    ]  # fmt: skip
    assert other.texts() == ["to all devices"]
    assert client.end() == 0
    assert warnings() == 2, "only the lists that differ are complained of"


# ── What one device reads ─────────────────────────────────────────────────────────────────────────


def unread(device):
    """Return the number of unread messages by chat."""
    return {chat["id"]: chat["unread_count"] for chat in device.json("unread")}


def test_what_one_device_reads_the_others_of_the_account_know(
    device, listener, town, clients, newcomer, reem
):
    adam, zoe = newcomer("Adam"), newcomer("Zoe")
    group = town.group("Readers", adam, zoe, reem)
    second = clients(town, "second")
    second.link(reem)

    def came(chat, *messages):
        wait_for(lambda: unread(device).get(chat) == len(messages))
        for each in messages:
            second.wait("Message", lambda event, each=each: event["id"] == each)

    hellos = [adam.send(reem, "one"), adam.send(reem, "two")]
    said = [zoe.send(group, "to the group")]
    came(adam.pn, *hellos)
    came(group, *said)
    second.do("mark_read", ids=hellos, chat=adam.lid, sender=adam.lid)
    second.do("mark_read", ids=said, chat=group, sender=zoe.lid)
    wait_for(lambda: not {adam.pn, group} & set(unread(device)), what="what was read elsewhere")
    third = [adam.send(reem, "three")]
    came(adam.pn, *third)
    device.ok("read", adam.number, "--mark-read")
    got = second.wait("Receipt", lambda event: third == event["ids"] and event["from_me"])
    assert (got["kind"], got["chat"]) == ("READ", adam.lid)
    newest = [adam.send(reem, text) for text in ("four", "five", "six")]
    came(adam.pn, *newest)
    reem.receipt(adam, newest[:1], "read")
    wait_for(lambda: unread(device).get(adam.pn) == 2, what="the one that the phone read")
    reem.send(adam, "answered on the phone")
    wait_for(lambda: adam.pn not in unread(device), what="what the phone answered")


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["lid", "pn", pytest.param("sent", marks=pytest.mark.soak)])
def test_a_conversation_by_number_or_by_hidden_id_is_one_chat(
    device, listener, town, clients, newcomer, reem, form
):
    adam = newcomer("Adam")
    client = clients(town, "adam")
    client.link(adam)
    town.addressing(reem, adam, form)
    sent = device.json("send", adam.number, "Hello")["message_id"]
    got = client.wait("Message", lambda event: event["id"] == sent)
    assert (got["chat"], got["alt"].replace(":1@", "@")) == (
        (reem.pn, reem.lid) if form == "pn" else (reem.lid, reem.pn)
    )
    answer = client.do("send", to=reem.number, text="Hello yourself")["id"]
    from_phone = adam.send(reem, "and from my phone")
    wait_for(lambda: len(device.chat(adam)) == 3, what="the three messages, in one chat")
    client.do("mark_read", ids=[sent], chat=got["chat"], sender=got["sender"])
    wait_for(lambda: {row["message_id"]: row["status"] for row in device.chat(adam)}[sent] == "read")
    device.ok("read", adam.number, "--mark-read")
    receipt = client.wait("Receipt", lambda event: answer in event["ids"] and event["kind"] == "READ")
    assert (receipt["chat"], receipt["sender"]) == (got["chat"], got["sender"])
    wait_for(lambda: from_phone in [each for entry in adam.inbox() for each in entry.get("ids", [])])
    town.addressing(reem, adam, None)


def test_the_messages_of_an_account_whose_chats_are_addressed_by_number_are_refused(
    device, listener, town, adam, reem
):
    """The library writes to hidden ids alone; `wa` says that the message failed, and with which code."""
    reem.set(migrated=False)
    try:
        done = device.run("send", adam.number, "to a hidden id", "--json")
    finally:
        reem.set(migrated=True)
    assert (done.code, done.error["code"]) == (5, "send-failed")
    assert "400" in done.error["message"]
    assert [each["code"] for each in town.take_rejected()] == [400]
    assert adam.texts() == []


# ── Status posts ──────────────────────────────────────────────────────────────────────────────────


def test_a_status_reaches_its_audience_and_one_without_an_audience_is_refused(
    device, listener, town, clients, reem
):
    adam = town.person("Adam")
    client = clients(town, "adam")
    client.link(adam)
    assert "server returned error 479" in client.error("send", to="status@broadcast", text="to nobody")
    assert [each["code"] for each in town.take_rejected()] == [479]
    adam.set(contacts={reem.number: "Reem"})
    wait_for(lambda: "Reem" in [each["full"] for each in client.do("contacts").values()])
    client.do("send", to="status@broadcast", text="to all who know me")
    wait_for(lambda: "to all who know me" in reem.texts(), what="the status, on the phone")
    wait_for(lambda: device.chat("status@broadcast"), what="the status, on the linked device")
    assert [row["content"] for row in device.json("read", "status")] == ["to all who know me"]
    assert not any(chat["id"] == "status@broadcast" for chat in device.json("chats"))
    assert town.routed[-1]["kind"] == "status"
    assert reem.lid in town.routed[-1]["reached"]


# ── What reaches nobody, and what the relay cannot do ─────────────────────────────────────────────


@pytest.fixture
def nadia(town):
    """A person with a client of the bare library."""
    return town.person("Nadia")


@pytest.fixture
def client(town, nadia, clients):
    """A client of the library, linked to Nadia's account."""
    made = clients(town, "nadia")
    made.link(nadia)
    return made


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("an id that never came", "never told of NEVER"),
        ("nobody", "nobody has the address"),
        ("a group of others", "not in the group"),
        ("a participant of another group", "the participant is not in the group"),
    ],
)
def test_a_receipt_that_fits_nobody_fails_the_test_that_sends_it(town, client, nadia, adam, case, why):
    zoe = town.person("Zoe")
    ours, theirs = town.group("Ours", adam, nadia), town.group("Theirs", adam, zoe)
    came = adam.send(ours, "hello")
    client.wait("Message", lambda event: event["id"] == came)
    receipts = {
        "an id that never came": (["NEVER"], adam.lid, adam.lid),
        "nobody": ([came], "999999999999999@lid", "999999999999999@lid"),
        "a group of others": ([came], theirs, adam.lid),
        "a participant of another group": ([came], ours, zoe.lid),
    }
    ids, chat, sender = receipts[case]
    client.do("mark_read", ids=ids, chat=chat, sender=sender)
    (entry,) = wait_for(town.take_misdirected, what="the finding")
    assert why in entry["why"]


def test_a_step_of_a_call_that_nobody_made_fails_the_test_that_sends_it(town, client, adam):
    client.do("reject_call", by=adam.lid, call_id="NEVER")
    (entry,) = wait_for(town.take_misdirected, what="the finding")
    assert "no such call" in entry["why"]


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_an_exception_inside_the_relay_fails_the_test_that_causes_it(own_relay, clients, is_stopped):
    nadia, adam = own_relay.person("Nadia"), own_relay.person("Adam")
    client = clients(own_relay, "nadia")
    client.link(nadia)
    nadia.fault(mangle={"how": "in no known way", "count": 1})
    client.post("send", to=adam.number, text="never answered")
    wait_for(lambda: "mangle" not in own_relay.call("state")["accounts"][nadia.number]["faults"])
    client.kill()
    if is_stopped:
        own_relay.stop()
    with pytest.raises(AssertionError, match="unknown mistake"):
        own_relay.check_messages()
    if is_stopped:
        own_relay.start()
        own_relay.call("take_findings", names=["errors"])
