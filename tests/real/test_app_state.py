"""App state: what the phone or another device of ours sets reaches the others, and they can verify it."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import wait_for

pytest_plugins = ["baileys_fixture"]

PATCHES_AT_ONCE = 5
"""The most patches that the relay gives out in one answer."""


@pytest.fixture
def listener(device):
    """A listener that holds the connection."""
    return device.listening()


@pytest.fixture(scope="module")
def tablet(device, reem, start_baileys):
    """A second device of the same account, with another library than ours."""
    made = start_baileys("tablet")
    made.link(reem)
    return made


def in_step(session: Path, person):
    """Wait until the library with this database has verified what the phone has of app state."""
    wanted = {name: each["version"] for name, each in person.settings().items() if each["version"]}
    wait_for(
        lambda: (
            rows(session, "SELECT name, version FROM whatsmeow_app_state_version WHERE version > 0") == wanted
        )
    )


def rows(session, query, *arguments):
    """Return the rows of the library's database: the first column, and the others."""
    with closing(sqlite3.connect(f"file:{session}?mode=ro", uri=True)) as db:
        return {row[0]: row[1] if len(row) == 2 else row[1:] for row in db.execute(query, arguments)}


def of_chat(session, person):
    """Return muted until (Unix seconds), pinned and archived of a chat in the library's database."""
    query = "SELECT chat_jid, muted_until, pinned, archived FROM whatsmeow_chat_settings WHERE chat_jid = ?"
    return rows(session, query, person.lid).get(person.lid)


def pin(person, on=True):
    """Return the setting that a chat is pinned."""
    return ["pin_v1", person.lid], {"pinAction": {"pinned": on}}


def set_by_phone(person, kind, jid):
    """Return a setting as the phone of a person has it, without its time."""
    found = [each["values"].get(json.dumps([kind, jid])) for each in person.settings().values()]
    return next(({k: v for k, v in each.items() if k != "timestamp"} for each in found if each), None)


def test_a_contact_saved_on_the_phone_has_that_name_here(device, listener, adam, reem):
    reem.set(contacts={adam.number: "Adam Ali"})
    in_step(device.home.session, reem)
    adam.send(reem, "Who am I?")
    device.alone()
    device.listening()
    wait_for(lambda: [row["sender_name"] for row in device.chat(adam)] == ["Adam Ali"], what="the name")


def test_settings_of_a_chat_come_from_the_phone_and_go_again(device, listener, town, adam, reem):
    muted = {"muteAction": {"muted": True, "muteEndTimestamp": "1900000000000"}}
    read = {"markChatAsReadAction": {"read": True}}
    reem.write_settings(
        "regular_low", pin(adam), (["archive", adam.lid], {"archiveChatAction": {"archived": True}})
    )
    reem.write_settings("regular_low", (["markChatAsRead", adam.lid], read))
    reem.write_settings("regular_high", (["mute", adam.lid], muted))
    in_step(device.home.session, reem)
    assert of_chat(device.home.session, adam) == (1_900_000_000, 1, 1)
    reem.write_settings("regular_low", pin(adam, on=False))
    reem.write_settings("regular_low", (["markChatAsRead", adam.lid], None))
    in_step(device.home.session, reem)
    assert of_chat(device.home.session, adam) == (1_900_000_000, 0, 1)
    assert device.json("send", adam.number, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_a_device_that_was_away_catches_up(device, listener, adam, reem):
    device.alone()
    for number in range(2 * PATCHES_AT_ONCE + 1):
        reem.write_settings("regular_low", pin(adam, on=number % 2 == 0))
    device.listening()
    in_step(device.home.session, reem)
    assert of_chat(device.home.session, adam)[1] == 1


def test_a_new_device_begins_with_a_snapshot_and_later_patches(clients, town, newcomer, memory_path):
    """Each patch has another person: of two names in one sync, the library keeps the older one."""
    sara, book = newcomer("Sara"), {}
    for number in range(3):
        person = newcomer(f"Person {number}")
        book[person.number] = person.name
        sara.set(contacts=book)
        client = clients(town, f"sara{number}")
        client.link(sara)
        in_step(memory_path / f"sara{number}.db", sara)
        wait_for(lambda client=client: full_names(client) == set(book.values()), what="the names")
    assert town.unhandled == {}


def full_names(client):
    """Return the names in the address book of a client."""
    return {each["full"] for each in client.do("contacts").values() if each["full"]}


def name_of(session, person):
    """Return the full name of a person in the library's database."""
    return rows(session, "SELECT their_jid, full_name FROM whatsmeow_contacts").get(person.pn)


def test_what_one_device_sets_reaches_the_phone_and_the_other_device(
    device, listener, town, tablet, adam, reem
):
    tablet.call("chatModify", {"pin": True}, adam.lid)
    in_step(device.home.session, reem)
    assert of_chat(device.home.session, adam) == (0, 1, 0)
    assert set_by_phone(reem, "pin_v1", adam.lid) == {"pinAction": {"pinned": True}}
    tablet.call("addOrEditContact", adam.pn, {"fullName": "Adam of the Tablet", "firstName": "Adam"})
    in_step(device.home.session, reem)
    wait_for(lambda: name_of(device.home.session, adam) == "Adam of the Tablet", what="the name")
    assert set_by_phone(reem, "contact", adam.pn)["contactAction"]["fullName"] == "Adam of the Tablet"
    assert town.unhandled == {}


def test_another_device_sees_what_the_phone_sets(device, town, tablet, adam, reem):
    mark = len(tablet.events)
    reem.write_settings("regular_low", pin(adam))
    tablet.wait("chats.update", lambda event: pinned(event["data"], adam), after=mark)


def pinned(chats, person):
    """Return whether an update says that a chat is pinned."""
    return any(chat["id"] == person.lid and chat.get("pinned") for chat in chats)


# ── What the server refuses ───────────────────────────────────────────────────────────────────────


def ask(client, name, version, *patch):
    """Ask for a collection, or send a patch for it, as any device may; return the <collection>."""
    bodies = [{"base64": base64.b64encode(each).decode()} for each in patch]
    patches = [{"tag": "patch", "attrs": {}, "content": each} for each in bodies]
    attrs = {"name": name, "version": str(version), "return_snapshot": "false"}
    collection = {"tag": "collection", "attrs": attrs, "content": patches}
    sync = {"tag": "sync", "attrs": {}, "content": [collection]}
    to = {"to": "s.whatsapp.net", "type": "set", "xmlns": "w:sync:app:state"}
    return client.call("query", {"tag": "iq", "attrs": to, "content": [sync]})["content"][0]["content"][0]


def test_a_patch_on_an_old_version_is_refused_with_what_is_missing(tablet, adam, reem):
    reem.write_settings("regular_low", pin(adam))
    reem.write_settings("regular_low", pin(adam, on=False))
    version = reem.settings()["regular_low"]["version"]
    missing = ask(tablet, "regular_low", version - 1)["content"][0]["content"]
    newest = base64.b64decode(missing[0]["content"]["base64"])
    refused = ask(tablet, "regular_low", version - 2, newest)
    error, patches = refused["content"]
    assert (refused["attrs"]["type"], error["attrs"]["code"]) == ("error", "409")
    assert len(patches["content"]) == 2
    assert patches["content"][1] == missing[0]
    assert reem.settings()["regular_low"]["version"] == version


@pytest.mark.parametrize(
    ("name", "patch"), [("regular_low", b"\xff\xff"), ("regular_low", b"\x22\x00"), ("other", b"\x08\x01")]
)
def test_a_patch_that_is_none_is_refused(tablet, reem, name, patch):
    version = reem.settings()["regular_low"]["version"]
    refused = ask(tablet, name, version, patch)
    assert refused["content"][0]["attrs"]["code"] == "400"
    assert reem.settings()["regular_low"]["version"] == version
