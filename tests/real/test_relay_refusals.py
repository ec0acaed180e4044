"""What the relay refuses or notes instead of saying yes to it; its state alone, without clients."""

from __future__ import annotations

import asyncio
import base64

import pytest
from relay import deliveries, group_queries, groups, keys, media, mex, queries, usync
from relay.hub import Hub
from relay.model import Account, Device
from relay.net import Request
from relay.refused import Unknown
from relay.wabin import GROUP_SERVER, JID, STATUS, node

pytest_plugins = ["relay_fixture"]

NOBODY = JID("999999999999999", "lid")


@pytest.fixture
def hub(running_relay, relay_folder):
    """The state of a relay."""
    return Hub(relay_folder / "trust")


@pytest.fixture
def reem(hub):
    """An account with a linked device."""
    account = hub.accounts.setdefault("447700900901", Account("447700900901", "Reem"))
    account.devices[1] = Device(account, 1, b"")
    return account


@pytest.fixture
def adam(hub):
    """An account with a phone alone."""
    return hub.accounts.setdefault("447700900902", Account("447700900902", "Adam"))


def test_a_new_group_names_whom_it_could_not_add(hub, reem, adam):
    wanted = [node("participant", {"jid": jid}) for jid in (adam.lid, NOBODY)]
    query = node("iq", {"to": GROUP_SERVER}, node("create", {"subject": "Walks"}, *wanted))
    (made,) = group_queries.answer(hub, reem, query)
    assert [each.jid("jid") for each in made.all("participant") if "error" in each.attrs] == [NOBODY]
    (group,) = hub.groups.values()
    assert group.members == [reem, adam]


def test_unknown_questions_about_people_are_noted(hub, reem):
    asked = node("query", {}, node("lid"), node("business"), node("shoe_size"))
    query = node("iq", {}, node("usync", {}, asked, node("list", {}, node("user", {"jid": reem.lid}))))
    usync.answer(hub, None, query)
    mex.answer(hub, None, node("iq", {}, node("query", {"query_id": "1"})))
    assert list(hub.unhandled) == ["usync protocol shoe_size", "GraphQL query 1"]


@pytest.mark.parametrize("space", ["passive", "w:p", "w:stats", "urn:xmpp:ping", "urn:xmpp:whatsapp:push"])
def test_a_query_with_an_unknown_part_is_not_answered_with_nothing(hub, space):
    with pytest.raises(Unknown):
        queries.ANSWERS[space](hub, None, node("iq", {}, node("unheard_of")))
    assert queries.ANSWERS[space](hub, None, node("iq")) == []


def ask(hub, account, method, path, body=b"", **query):
    """Send a request to the media host; return the status of its answer."""
    auth = media.connection(hub, account).text("auth")
    target = f"{path}?" + "&".join(f"{name}={value}" for name, value in {"auth": auth, **query}.items())
    return asyncio.run(media.answer(hub, Request(method, target, {}, body))).status


def test_the_media_host_knows_its_types_and_deletes_what_it_is_told_to(hub, reem):
    token = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU="  # of no bytes
    assert ask(hub, reem, "POST", f"/mms/hologram/{token}", token=token) == 404
    assert ask(hub, reem, "POST", f"/mms/image/{token}", token=token) == 200
    (place,) = hub.media
    named = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
    assert [ask(hub, reem, "DELETE", f"/mms/image/{token}", d_md=named) for _ in range(2)] == [200, 404]
    assert hub.media == {}


def test_a_status_for_a_person_is_for_all_of_the_persons_devices(hub, reem, adam):
    enc = node("enc", {"type": "msg"}, b"1")
    stanza = node(
        "message",
        {"to": STATUS, "id": "S"},
        node("participants", {}, node("to", {"jid": adam.lid}, enc)),
    )
    for linked in (False, True):
        if linked:
            adam.devices[1] = Device(adam, 1, b"", bundle=adam.phone.bundle())
        record = deliveries.begin(hub, reem.devices[1], stanza, "status")
        deliveries.note_missed(hub, reem.devices[1], stanza, record)
        assert record["missed"] == ([str(adam.lid.with_device(1))] if linked else [])


def test_who_left_a_group_or_has_a_new_phone_needs_the_sender_key_again(hub, reem, adam):
    group = groups.create(hub, "Walks", reem, [adam])
    keyed = reem.devices[1].keyed.setdefault(group.jid, {adam.lid, reem.lid})
    keys.reinstall(hub, adam, "")
    assert keyed == {reem.lid}
    keyed.add(adam.lid)
    groups.change(hub, group, reem, "remove", [adam])
    assert keyed == {reem.lid}


def test_a_restart_keeps_whose_message_has_an_id(hub, reem, relay_folder, tmp_path):
    hub.ids["3EB0"] = reem.number
    deliveries.begin(hub, reem.devices[1], node("message", {"to": reem.lid, "id": "3EB0"}), "chat")
    hub.save(tmp_path / "state")
    again = Hub(relay_folder / "trust")
    again.load(tmp_path / "state")
    assert again.ids == {"3EB0": reem.number}
    (sent,) = again.accounts[reem.number].devices[1].sent.values()
    assert [each is sent for each in again.routed] == [True]
