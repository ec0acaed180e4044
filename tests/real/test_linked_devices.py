"""Devices of the people we write to, and our own: linked and removed while we talk."""

from __future__ import annotations

import pytest
from conftest import wait_for
from impatient import patient_with_recipients

pytest_plugins = ["linked_fixture"]


@pytest.fixture
def link(town, clients):
    """Link a new device to the account of a person."""

    def made(person):
        client = clients(town, f"{person.number}-{len(person.devices())}")
        client.link(person)
        return client

    return made


def notices_taken(person):
    """Wait until all linked devices of a person have acknowledged what the server told them."""
    wait_for(lambda: not any(each["pending"] for each in person.devices().values()), what="the notices")


def times_asked(town, person):
    """Return how often clients have asked for the devices of a person."""
    asked = town.call("log", match="<devices version", last=5000)["log"]
    return sum(person.lid in line for line in asked)


def reached(town, row):
    """Return the devices to which a message of ours was encrypted."""
    (record,) = [each for each in town.call("state")["routed"] if each["id"] == row["message_id"]]
    return record["devices"]


@pytest.mark.parametrize(
    ("forms", "lie", "asked"),
    [
        pytest.param(["pn", "lid"], False, 0, id="the hash agrees", marks=pytest.mark.soak),
        pytest.param(["pn", "lid"], True, 1, id="the hash disagrees"),
        pytest.param(["update"], False, 1, id="only an update is said", marks=pytest.mark.soak),
    ],
)
def test_a_new_device_gets_the_next_message(device, listener, town, reem, adam, link, forms, lie, asked):
    adam.set(device_notices=forms)
    device.json("send", adam.number, "to your phone")
    before = times_asked(town, adam)
    adam.fault(wrong_device_hash={} if lie else None)
    desktop = link(adam)
    notices_taken(reem)
    row = device.json("send", adam.number, "to your desktop too")
    desktop.wait("Message", lambda event: event["id"] == row["message_id"])
    assert adam.texts() == ["to your phone", "to your desktop too"]
    assert times_asked(town, adam) == before + asked


def test_a_notice_by_number_alone_is_missed_by_the_library(device, listener, town, reem, adam, link):
    """The library keeps the lists of hidden ids apart, and the acknowledgement of a message corrects them."""
    adam.set(device_notices=["pn"])
    device.json("send", adam.number, "to your phone")
    desktop = link(adam)
    notices_taken(reem)
    missed = device.json("send", adam.number, "not to your desktop")
    assert [each["id"] for each in town.take_stale()] == [missed["message_id"]]
    row = device.json("send", adam.number, "to your desktop now")
    desktop.wait("Message", lambda event: event["id"] == row["message_id"])
    assert desktop.texts() == ["to your desktop now"]


def test_a_device_linked_while_we_were_away_gets_the_next_message(device, listener, reem, adam, link):
    device.json("send", adam.number, "to your phone")
    notices_taken(reem)
    device.alone()
    desktop = link(adam)
    assert [each["pending"] for each in reem.devices().values()] == [2]
    row = device.json("send", adam.number, "to your desktop too")
    desktop.wait("Message", lambda event: event["id"] == row["message_id"])
    device.listening()
    notices_taken(reem)


@pytest.mark.parametrize("lie", [False, True], ids=["the hash agrees", "the hash disagrees"])
def test_a_removed_device_gets_no_further_message(device, listener, town, reem, adam, link, lie):
    desktop = link(adam)
    notices_taken(reem)
    row = device.json("send", adam.number, "to both")
    desktop.wait("Message", lambda event: event["id"] == row["message_id"])
    before = times_asked(town, adam)
    adam.fault(wrong_device_hash={} if lie else None)
    adam.unlink()
    desktop.wait("LoggedOut")
    notices_taken(reem)
    last = device.json("send", adam.number, "to your phone alone")
    assert set(reached(town, row)) - set(reached(town, last)) == {adam.lid.replace("@", ":1@")}
    assert times_asked(town, adam) == before + lie


def test_another_device_of_ours_gets_what_we_send_until_it_is_removed(
    device, listener, town, reem, adam, link
):
    device.json("send", adam.number, "seen by my phone")
    tablet = link(reem)
    notices_taken(reem)
    row = device.json("send", adam.number, "seen by my tablet")
    seen = tablet.wait("Message", lambda event: event["id"] == row["message_id"])
    assert (seen["from_me"], seen["chat"]) == (True, adam.lid)
    tablet.do("logout")
    wait_for(lambda: len(reem.devices()) == 1, what="the tablet to be gone")
    notices_taken(reem)
    last = device.json("send", adam.number, "not seen by my tablet")
    assert len(reached(town, row)) - len(reached(town, last)) == 1


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────


NOTICES = pytest.mark.parametrize(
    "notice",
    [
        pytest.param("pn", id="said by number"),
        pytest.param("lid", id="said by hidden id", marks=pytest.mark.soak),
        pytest.param("", id="not said"),
    ],
)


@NOTICES
def test_a_person_who_reinstalled_reads_the_next_message(device, listener, adam, reem, notice):
    device.json("send", adam.number, "to your old phone")
    adam.reinstall(notice)
    row = device.json("send", adam.number, "to your new phone")
    got = wait_for(lambda: read(adam, row), what="the message to be read")
    assert got["text"] == "to your new phone"
    answer = adam.send(reem, "from my new phone")
    listener.event(lambda event: event["message_id"] == answer)


@NOTICES
def test_without_a_listener_a_person_who_reinstalled_reads_the_next_message(device, adam, notice):
    device.alone()
    device.json("send", adam.number, "to your old phone")
    adam.reinstall(notice)
    row = device.json("send", adam.number, "to your new phone")
    assert wait_for(lambda: read(adam, row), what="the message to be read")["text"] == "to your new phone"


def test_a_message_to_a_phone_that_is_off_is_said_to_be_sent_before_the_wait_for_its_answer(
    device, newcomer, reem
):
    device.alone()
    zoe, program = newcomer("Zoe", receipts=[]), patient_with_recipients(60)
    sending = device.start("send", zoe.number, "when you are back", "--json", program=program)
    row = sending.event(lambda row: row["status"] == "sent")
    assert sending.popen.poll() is None
    assert device.is_held
    zoe.receipt(reem, [row["message_id"]], "delivered")
    assert sending.finish(30).code == 0


@pytest.mark.parametrize("with_listener", [True, False], ids=["with a listener", "without one"])
def test_a_member_of_a_group_who_reinstalled_reads_the_next_message(
    device, listener, town, newcomer, adam, reem, with_listener
):
    group = town.group("Installed anew", reem, adam, newcomer("Eve"))
    device.json("send", group, "to your old phone")
    if not with_listener:
        device.alone()
    adam.reinstall("")
    row = device.json("send", group, "to your new phone")
    assert wait_for(lambda: read(adam, row), what="the message to be read")["text"] == "to your new phone"


def read(person, row):
    """Return the entry of a message of ours in a person's inbox, once their phone has decrypted it."""
    return next(
        (each for each in person.inbox() if each.get("id") == row["message_id"] and "text" in each), None
    )


@pytest.mark.parametrize("left", [0, 4])
def test_the_library_uploads_prekeys_when_few_are_left(device, listener, town, reem, left):
    town.call("few_prekeys", number=reem.number, left=left)
    wait_for(lambda: prekeys(reem) == [left + 50], what="50 more prekeys")
    notices_taken(reem)


def prekeys(person):
    """Return how many one-time prekeys the server has of each linked device of a person."""
    return [each["prekeys"] for each in person.devices().values()]
