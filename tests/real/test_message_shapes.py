"""The shapes of a message that the relay takes from a client, those too that no client here sends."""

from __future__ import annotations

import pytest
from relay import deliveries, groups
from relay.hub import Hub
from relay.message_checks import Refused, check
from relay.model import Account, Device
from relay.trust import prepare
from relay.wabin import STATUS, Node, node

pytest_plugins = ["relay_fixture"]


@pytest.fixture(scope="module")
def town_hall(relay_folder):
    """The relay's state, without a server."""
    prepare(relay_folder)
    return Hub(relay_folder / "trust")


class Chat:
    """Reem's linked device, which sends; Adam with a phone and a linked device; Zoe; a group of the three."""

    def __init__(self, hub):
        hub.clear()
        self.hub = hub
        self.reem, self.adam, self.zoe = (
            Account(f"44770090000{number}", name) for number, name in enumerate(("Reem", "Adam", "Zoe"))
        )
        hub.accounts = {each.number: each for each in (self.reem, self.adam, self.zoe)}
        for account in (self.reem, self.adam):
            account.devices[1] = Device(account, 1, b"")
        self.sender, self.other = self.reem.devices[1], self.adam.devices[1]
        self.group = groups.create(hub, "Walks", self.reem, [self.adam, self.zoe]).jid

    def kind(self, *children, **attrs):
        """Return the kind of a message with the id ID, or the code with which it is refused."""
        names = {name.rstrip("_"): value for name, value in attrs.items()}
        try:
            return check(self.hub, self.sender, Node("message", {"id": "ID", **names}, list(children)))
        except Refused as refusal:
            return refusal.code


@pytest.fixture
def chat(town_hall):
    return Chat(town_hall)


@pytest.fixture
def sent(chat):
    """A chat in which Reem's device has sent a message with the id ID to Adam's devices."""
    stanza = Node(
        "message",
        {"id": "ID", "to": chat.adam.lid},
        [participants(chat.adam.lid, chat.other.lid, chat.reem.lid)],
    )
    record = deliveries.begin(chat.hub, chat.sender, stanza, "chat")
    record["reached"] += [str(chat.adam.lid), str(chat.other.lid)]
    return chat


def enc(kind="msg", content=b"text", **attrs):
    return node("enc", {"v": "2", "type": kind, **attrs}, content)


def participants(*devices):
    return node("participants", {}, *(node("to", {"jid": jid}, enc()) for jid in devices))


def test_a_message_has_participants_and_no_other_ciphertext(chat):
    all_devices = participants(chat.adam.lid, chat.other.lid, chat.reem.lid)
    assert chat.kind(all_devices, to=chat.adam.lid) == "chat"
    assert chat.kind(enc(), to=chat.adam.lid) == 479
    assert chat.kind(all_devices, enc(), to=chat.adam.lid) == 479
    assert chat.kind(all_devices, to=chat.other.lid) == 479
    assert chat.kind(all_devices) == 479
    assert chat.kind(all_devices, to=chat.adam.lid, id="") == 479
    assert chat.kind(participants(chat.adam.pn, chat.reem.lid), to=chat.adam.lid) == 400
    assert chat.kind(participants(chat.adam.lid), to=chat.adam.pn) == 400
    assert chat.kind(participants(chat.adam.pn), to=chat.adam.pn) == "chat"
    assert chat.kind(participants(chat.adam.lid.with_device(7)), to=chat.adam.lid) == 479


def test_a_message_to_oneself_may_name_a_device_twice(chat):
    mine = participants(chat.reem.lid, chat.reem.lid)
    assert chat.kind(mine, to=chat.reem.lid) == "chat"
    assert chat.kind(participants(chat.sender.lid), to=chat.reem.lid) == 479


def test_a_message_to_a_group_has_one_ciphertext_for_all(chat):
    keys = participants(chat.adam.lid, chat.other.lid, chat.zoe.lid, chat.reem.lid)
    assert chat.kind(keys, enc("skmsg"), to=chat.group, addressing_mode="lid") == "group"
    assert chat.kind(enc("skmsg"), to=chat.group) == "group"
    assert chat.kind(keys, to=chat.group) == 479
    assert chat.kind(keys, enc("skmsg"), enc("skmsg"), to=chat.group) == 479
    assert chat.kind(keys, enc("msg"), to=chat.group) == 479
    assert chat.kind(keys, enc("skmsg"), to=chat.group, addressing_mode="pn") == 421
    assert chat.kind(participants(chat.adam.pn), enc("skmsg"), to=chat.group) == 421


def test_a_message_has_a_known_type_and_edit_and_an_admins_deletion_is_for_groups(chat):
    every, shared = participants(chat.adam.lid, chat.other.lid, chat.reem.lid), enc("skmsg")
    for kind in ("text", "media", "reaction", "poll"):
        assert chat.kind(every, to=chat.adam.lid, type=kind) == "chat"
    for edit in ("1", "7"):
        assert chat.kind(every, to=chat.adam.lid, type="text", edit=edit) == "chat"
    assert chat.kind(every, to=chat.adam.lid, type="hologram") == 479
    assert chat.kind(every, to=chat.adam.lid, type="text", edit="9") == 479
    assert chat.kind(every, to=chat.adam.lid, type="text", edit="8") == 479
    assert chat.kind(shared, to=chat.group, type="text", edit="8") == "group"


def test_a_status_needs_an_audience_and_has_no_addressing_mode(chat):
    audience = participants(chat.adam.lid, chat.reem.lid)
    assert chat.kind(audience, enc("skmsg"), to=STATUS) == "status"
    assert chat.kind(audience, enc("skmsg"), to=STATUS, addressing_mode="lid") == 479
    assert chat.kind(participants(chat.reem.lid), enc("skmsg"), to=STATUS) == 479
    assert chat.kind(enc("skmsg"), to=STATUS) == 479


def test_a_message_to_an_own_device_is_one_ciphertext(chat):
    assert chat.kind(enc(), to=chat.reem.pn, category="peer") == "peer"
    assert chat.kind(enc(), to=chat.adam.pn, category="peer") == 479
    assert chat.kind(to=chat.reem.pn, category="peer") == 479
    assert chat.kind(participants(chat.reem.pn), to=chat.reem.pn, category="peer") == 479


def test_an_answer_to_a_retry_receipt_is_for_one_device(sent):
    answer, other = enc(count="1"), sent.other.lid
    assert sent.kind(answer, to=other, device_fanout="false") == "retry"
    assert sent.kind(answer, to=other, device_fanout="false", id="OTHER") == 479
    assert sent.kind(answer, answer, to=other, device_fanout="false") == 479
    assert sent.kind(answer, to=sent.adam.lid.with_device(7), device_fanout="false") == 479
    assert sent.kind(answer, to=sent.group, participant=sent.zoe.lid) == "retry"
    assert sent.kind(answer, to=sent.group, participant=sent.zoe.lid.with_device(3)) == 479


def test_the_answer_of_baileys_6_names_its_device_and_that_of_baileys_7_is_refused(sent):
    one = participants(sent.other.lid)
    assert sent.kind(one, to=sent.other.lid, device_fanout="false") == "retry"
    assert sent.kind(one, enc("skmsg"), to=sent.group, participant=sent.other.lid) == "retry"
    assert sent.kind(one, enc(count="1"), to=sent.other.lid, device_fanout="false") == 479
    assert sent.kind(one, enc(), to=sent.other.lid, device_fanout="false") == 479
    both = participants(sent.adam.lid, sent.other.lid)
    assert sent.kind(both, to=sent.other.lid, device_fanout="false") == 479


def test_a_repeat_is_for_the_devices_that_asked_for_it_again(sent):
    ((_, record),) = sent.sender.sent.items()
    assert deliveries.served(record) == [str(sent.adam.lid), str(sent.other.lid)]
    deliveries.note_retry(sent.sender, "ID", sent.adam, 0)
    assert deliveries.served(record) == [str(sent.other.lid)]
    assert deliveries.served(record) == [str(sent.adam.lid), str(sent.other.lid)]
    deliveries.note_retry(sent.sender, "ID", sent.adam, 0)
    deliveries.note_answer(sent.sender, {"id": "ID", "reached": [str(sent.adam.lid)]})
    assert deliveries.served(record) == [str(sent.adam.lid), str(sent.other.lid)]
