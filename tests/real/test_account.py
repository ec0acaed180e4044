"""Our account beyond messages: app state, settings, groups, and what the server says by itself.

The phone, our home and a tablet with Baileys are devices of one account.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from baileys import NEWEST
from conftest import wait_for

pytest_plugins = ["baileys_fixture"]

SERVER = "s.whatsapp.net"
PATCHES_AT_ONCE = 5
"""The most patches that the relay gives out in one answer."""


@pytest.fixture(scope="module")
def client():
    """The newest Baileys; these tests are about the account, and need no other."""
    return NEWEST, "pn"


@pytest.fixture(scope="module")
def tablet(device, reem, start_baileys):
    """A second device of the same account, with another library than ours."""
    made = start_baileys("tablet")
    made.link(reem)
    return made


@pytest.fixture(autouse=True)
def asked_again(town):
    """Take the errors with which Baileys acknowledges what it could not decrypt and asks for again."""
    yield
    town.take_unhandled('error="500"')


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


def in_step_with(session, person, chat, *expected):
    """Wait until the library has the person's app state, and muted until, pinned and archived of a chat."""
    in_step(session, person)  # a version is stored before what came with it
    wait_for(lambda: of_chat(session, chat) == expected, what=f"{expected} of the chat")


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
    wait_for(lambda: name_of(device.home.session, adam) == "Adam Ali", what="the name in the address book")
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
    in_step_with(device.home.session, reem, adam, 1_900_000_000, 1, 1)
    device.alone()
    device.listening()
    (listed,) = wait_for(lambda: device.json("chats", "--archived", "--pinned", "--muted"), what="the chat")
    assert (listed["id"] in (adam.pn, adam.lid), listed["muted_until"]) == (True, 1_900_000_000)
    reem.write_settings("regular_low", pin(adam, on=False))
    reem.write_settings("regular_low", (["markChatAsRead", adam.lid], None))
    in_step_with(device.home.session, reem, adam, 1_900_000_000, 0, 1)
    wait_for(lambda: not device.json("chats", "--pinned"), what="the next look at the library's database")
    assert device.json("chats", "--archived")
    assert device.json("send", adam.number, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_a_device_that_was_away_catches_up(device, listener, adam, reem):
    device.alone()
    for number in range(2 * PATCHES_AT_ONCE + 1):
        reem.write_settings("regular_low", pin(adam, on=number % 2 == 0))
    device.listening()
    in_step_with(device.home.session, reem, adam, 0, 1, 0)


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
    in_step_with(device.home.session, reem, adam, 0, 1, 0)
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


# ── Settings of the account ───────────────────────────────────────────────────────────────────────


def told(town, reem, what):
    """Return how often our home was told of a change by another device of the account."""
    lines = town.call("log", match='type="account_sync"', last=5000)["log"]
    return sum(f">> {reem.number}:1@" in line and f"<{what}" in line for line in lines)


def test_privacy_block_list_and_texts_are_kept_and_told_to_other_devices(
    device, listener, town, tablet, adam, reem
):
    tablet.call("updateLastSeenPrivacy", "contacts")
    assert tablet.call("fetchPrivacySettings", True)["last"] == "contacts"
    adam.send(reem, "you know my hidden id now")
    tablet.wait("message", lambda event: event["key"]["remoteJid"] == adam.lid)
    tablet.call("updateBlockStatus", adam.lid, "block")
    assert tablet.call("fetchBlocklist") == [adam.lid]
    tablet.call("updateBlockStatus", adam.lid, "unblock")
    assert tablet.call("fetchBlocklist") == []
    tablet.call("updateDefaultDisappearingMode", 86400)
    (mode,) = tablet.call("fetchDisappearingDuration", reem.pn)
    assert mode["disappearing_mode"]["duration"] == 86400
    tablet.call("updateProfileStatus", "at the tests")
    (about,) = tablet.call("fetchStatus", reem.pn)
    assert about["status"]["status"] == "at the tests"
    wait_for(
        lambda: (
            [told(town, reem, each) for each in ("privacy", "blocklist", "disappearing_mode")] == [1, 2, 1]
        )
    )
    assert device.json("send", adam.number, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_what_a_client_asks_by_itself_is_answered(device, town, tablet, adam, reem):
    assert tablet.call("fetchAccountReachoutTimelock")["isActive"] is False
    assert tablet.call("fetchNewChatMessageCap")["capping_status"] == "NONE"
    assert tablet.call("getBusinessProfile", adam.pn) is None
    assert tablet.call("getBotListV2") == []
    tablet.call("digestKeyBundle")
    with pytest.raises(RuntimeError, match="item-not-found"):
        tablet.call("profilePictureUrl", adam.pn)
    assert town.unhandled == {}


def picture(client, target, data=None):
    """Ask for the picture of a person or group, or set it, as any device may; return the answer."""
    content = [{"tag": "picture", "attrs": {"type": "image"}, "content": data}] if data else []
    attrs = {"to": SERVER, "type": "set" if data else "get", "xmlns": "w:profile:picture", "target": target}
    return client.call("query", {"tag": "iq", "attrs": attrs, "content": content})["content"][0]


def test_pictures_of_people_and_groups_are_kept_and_told(device, listener, town, tablet, adam, reem):
    group = town.group("With a picture", adam, reem)
    seen = {"base64": base64.b64encode(b"a picture").decode()}
    for target in (reem.pn, group):
        number = picture(tablet, target, seen)["attrs"]["id"]
        assert picture(tablet, target)["attrs"]["id"] == number
        assert tablet.call("profilePictureUrl", target).endswith(number)
    with pytest.raises(RuntimeError, match="forbidden"):
        picture(tablet, adam.pn, seen)
    wait_for(lambda: told(town, reem, "picture") == 1, what="the notice to our home")
    assert device.json("send", group, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_a_rotated_signed_prekey_is_given_out(town, tablet, newcomer, reem):
    tablet.call("rotateSignedPreKey")
    sent = newcomer("New Friend").send(reem, "with your new key")
    assert tablet.message(sent)["message"]["conversation"] == "with your new key"


# ── Keys and devices of others, as the tablet meets them ──────────────────────────────────────────


def notices_taken(person):
    """Wait until all linked devices of a person have acknowledged what the server told them."""
    wait_for(lambda: not any(each["pending"] for each in person.devices().values()), what="the notices")


def test_the_tablet_writes_to_new_devices_and_not_to_removed_ones(
    device, listener, town, tablet, clients, adam, reem
):
    tablet.say(adam.pn, "to your phone")
    desktop = clients(town, "adam")
    desktop.link(adam)
    notices_taken(reem)
    sent = tablet.say(adam.pn, "to your desktop too")
    desktop.wait("Message", lambda event: event["id"] == sent)
    adam.unlink()
    desktop.wait("LoggedOut")
    notices_taken(reem)
    tablet.say(adam.pn, "to your phone alone")
    assert adam.texts() == ["to your phone", "to your desktop too", "to your phone alone"]


@pytest.mark.parametrize("notice", ["pn", "lid", ""], ids=["by number", "by hidden id", "not said"])
def test_a_person_who_reinstalled_reads_what_the_tablet_writes(tablet, adam, notice):
    tablet.say(adam.pn, "to your old phone")
    adam.reinstall(notice)
    tablet.say(adam.pn, "to your new phone")
    wait_for(lambda: adam.texts()[-1] == "to your new phone", what="the message to be read")


def test_the_tablet_uploads_prekeys_when_few_are_left(town, tablet, reem):
    tablet_s = f"{reem.number}:2@{SERVER}"
    town.call("few_prekeys", number=reem.number, left=1)
    wait_for(lambda: reem.devices()[tablet_s]["prekeys"] > 1, what="more prekeys")


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_a_group_are_changed_and_told(device, listener, town, tablet, adam, reem):
    group = town.group("Settings", reem, adam)
    for change in (
        ["groupSettingUpdate", "announcement"],
        ["groupSettingUpdate", "locked"],
        ["groupToggleEphemeral", 86400],
        ["groupUpdateDescription", "about us"],
        ["groupUpdateDescription", "about all of us"],
        ["groupMemberAddMode", "all_member_add"],
        ["groupJoinApprovalMode", "on"],
    ):
        tablet.call(change[0], group, *change[1:])
    code = tablet.call("groupInviteCode", group)
    assert tablet.call("groupRevokeInvite", group) != code
    state = town.call("group_state", group=group)
    assert {name: state[name] for name in ("announce", "locked", "ephemeral", "approval", "topic")} == {
        "announce": True,
        "locked": True,
        "ephemeral": 86400,
        "approval": True,
        "topic": "about all of us",
    }
    about = tablet.call("groupMetadata", group)
    assert (about["announce"], about["restrict"], about["ephemeralDuration"], about["desc"]) == (
        True,
        True,
        86400,
        "about all of us",
    )
    for change in (
        ["groupSettingUpdate", "not_announcement"],
        ["groupSettingUpdate", "unlocked"],
        ["groupToggleEphemeral", 0],
        ["groupUpdateDescription", ""],
    ):
        tablet.call(change[0], group, *change[1:])
    about = tablet.call("groupMetadata", group)
    assert (about["announce"], about["restrict"], about.get("ephemeralDuration"), about.get("desc")) == (
        False,
        False,
        None,
        None,
    )
    assert device.json("send", group, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_only_admins_write_in_an_announcement_group(device, listener, town, adam, reem):
    group = town.group("Announcements", adam, reem)
    device.json("send", group, "hello all")
    town.group_setting(group, adam, "announcement")
    refused = device.run("send", group, "may I?", "--json")
    assert (refused.code, refused.error["code"]) == (5, "send-failed")
    assert [each["code"] for each in town.take_rejected()] == [420]
    town.group_change(group, adam, "promote", reem)
    assert device.json("send", group, "now I may")["status"] == "sent"
    assert adam.texts() == ["hello all", "now I may"]


def test_a_group_is_joined_by_its_code(device, listener, town, tablet, adam, reem):
    group = town.group("By code", adam)
    code = town.call("group_state", group=group)["code"]
    assert tablet.call("groupGetInviteInfo", code)["subject"] == "By code"
    assert tablet.call("groupAcceptInvite", code) == group
    wait_for(lambda: "By code" in [each["name"] for each in device.json("groups")], what="the group")
    assert device.json("send", group, "here I am")["status"] == "sent"
    assert adam.texts() == ["here I am"]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (["groupInviteCode"], "not-authorized"),
        (["groupSettingUpdate", "locked"], "forbidden"),
        (["groupParticipantsUpdate", ["447700900999@s.whatsapp.net"], "add"], "forbidden"),
    ],
)
def test_what_only_admins_may_do_is_refused(town, tablet, adam, reem, call, error):
    group = town.group("Theirs", adam, reem)
    with pytest.raises(RuntimeError, match=error):
        tablet.call(call[0], group, *call[1:])


@pytest.mark.parametrize(("revoked", "error"), [(True, "gone"), (False, "not-acceptable")])
def test_a_code_that_does_not_count_is_refused(town, tablet, adam, reem, revoked, error):
    code = "NoSuchCodeAtAll"
    if revoked:
        code = tablet.call("groupInviteCode", group := town.group("Ours", reem, adam))
        tablet.call("groupRevokeInvite", group)
    with pytest.raises(RuntimeError, match=error):
        tablet.call("groupAcceptInvite", code)


def test_an_admin_approves_of_those_who_join_by_code(town, tablet, adam, reem):
    group = town.group("Approved", adam)
    town.group_setting(group, adam, "membership_approval_mode", state="on")
    code = town.call("group_state", group=group)["code"]
    tablet.call("groupAcceptInvite", code)
    assert town.call("group_state", group=group)["members"] == [adam.number]


# ── What the server says by itself ────────────────────────────────────────────────────────────────


@pytest.fixture
def says(reem, adam):
    """Let the server say something of a kind to all devices of our account."""
    text, mine = b"about Adam".hex(), {"from_": adam.pn, "t": 1_800_000_000}

    def one(tag, content=None, **attrs):
        return {"tag": tag, "attrs": attrs, "content": content}

    told = {
        "picture set": ("picture", one("set", jid=adam.pn, id="4711", author=adam.pn)),
        "picture deleted": ("picture", one("delete", jid=adam.pn, author=adam.pn)),
        "status": ("status", one("set", text)),
        "privacy_token": (
            "privacy_token",
            one("tokens", [one("token", "00" * 16, type="trusted_contact", t="1800000000")]),
        ),
        "mex": (
            "mex",
            one(
                "update",
                json.dumps({"data": {}}).encode().hex(),
                op_name="NotificationUserReachoutTimelockUpdate",
            ),
        ),
        "disappearing_mode": (
            "disappearing_mode",
            one("disappearing_mode", duration="86400", t="1800000000"),
        ),
        "unknown": ("made_up", one("something")),
    }

    def say(what):
        kind, child = told[what]
        reem.stanza(
            "notification", child, type=kind, id=f"SAY-{what.replace(' ', '-')}-{adam.number}", **mine
        )

    say.kinds = list(told)
    return say


def test_notifications_of_all_kinds_are_taken_and_we_go_on(device, listener, town, tablet, adam, reem, says):
    for each in says.kinds:
        says(each)
    notices_taken(reem)
    sent = device.json("send", adam.number, "and we go on")
    tablet.message(sent["message_id"])
    assert adam.texts() == ["and we go on"]
    assert town.unhandled == {}


def test_what_is_dirty_is_told_until_it_is_clean(device, listener, town, tablet, adam, reem):
    for kind in (
        "account_sync",
        "groups",
        "account_sync",
    ):  # Baileys cleans the first of a kind at the second
        town.call("dirty", number=reem.number, kind=kind)
    home, other = (f"{reem.number}:{number}@{SERVER}" for number in (1, 2))
    wait_for(lambda: reem.devices()[other]["dirty"] == {}, what="the tablet to have looked")
    assert set(reem.devices()[home]["dirty"]) == {"groups", "account_sync"}, "our library does not clean"
    device.alone()
    device.listening()
    assert device.json("send", adam.number, "and we go on")["status"] == "sent"
    assert town.unhandled == {}


def test_a_client_says_again_where_it_was_routed(device, listener, town, tablet, adam, reem):
    routing = {"tag": "edge_routing", "content": [{"tag": "routing_info", "content": "08020805"}]}
    reem.stanza("ib", routing, from_=SERVER)
    tablet.call("fetchBlocklist")  # the answer comes after what was said before
    tablet.close()
    tablet.connect()
    home, other = (f"{reem.number}:{number}@{SERVER}" for number in (1, 2))
    assert [reem.devices()[each]["routing_info"] for each in (home, other)] == ["", "08020805"]
    assert device.json("send", adam.number, "and we go on")["status"] == "sent"
