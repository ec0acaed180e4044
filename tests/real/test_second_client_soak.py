"""More of what Baileys and `wa` say to each other: rare kinds, forgeries, retries, ends, queries."""

from __future__ import annotations

import base64
import json
import subprocess
import time

import pytest
from baileys import NEWEST, OLDER, baileys_modules, content_of, encoded
from conftest import wait_for
from linked import past
from media_samples import film, mp3, picture
from relay.message_checks import INVALID
from sealing import digests, seal
from second_client import cross, sha256

pytest_plugins = ["baileys_fixture"]
pytestmark = pytest.mark.soak

CROSSING = 120


# ── Sealed with a message's secret ────────────────────────────────────────────────────────────────

OPEN = """
import { decryptEventResponse, decryptPollVote } from 'baileys/lib/Utils/process-message.js'
const [vote, answer, context] = process.argv.slice(1).map((each) => JSON.parse(each))
const bytes = ({ encIv, encPayload }) => ({
  encIv: Buffer.from(encIv, 'hex'), encPayload: Buffer.from(encPayload, 'hex'),
})
const { id, author, sender, secret } = context, key = Buffer.from(secret, 'hex')
const cast = decryptPollVote(bytes(vote), {
  pollCreatorJid: author, pollMsgId: id, pollEncKey: key, voterJid: sender,
})
const said = decryptEventResponse(bytes(answer), {
  eventCreatorJid: author, eventMsgId: id, eventEncKey: key, responderJid: sender,
})
const options = cast.selectedOptions.map((each) => Buffer.from(each).toString('hex'))
console.log(JSON.stringify({ options, response: said.response }))
"""


def test_what_the_tests_seal_as_phones_do_is_opened_by_another_implementation():
    secret, author, sender = b"s" * 32, "100000000000123@lid", "447700900456@s.whatsapp.net"
    (pizza,) = digests(["Pizza"])

    def sealed(label, content):
        iv, payload = seal(secret, "3A01", author, sender, label, content, names_sender=True)
        return json.dumps({"encIv": iv.hex(), "encPayload": payload.hex()})

    context = {"id": "3A01", "author": author, "sender": sender, "secret": secret.hex()}
    going = b"\x08\x01"  # response: GOING
    given = (sealed("Poll Vote", b"\x0a\x20" + pizza), sealed("Event Response", going), json.dumps(context))
    found = subprocess.run(
        ["node", "--input-type=module", "-e", OPEN, *given],
        cwd=baileys_modules(NEWEST), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(found) == {"options": [pizza.hex()], "response": 1}


def test_a_vote_in_a_poll_of_baileys_is_opened_with_the_secret_that_it_made(scene):
    asked = scene.comes({"poll": {"name": "Lunch?", "values": ["Pizza", "Soup"], "selectableCount": 1}})
    poll = asked["key"]["id"]
    secret = base64.b64decode(asked["message"]["messageContextInfo"]["messageSecret"])
    content = b"\x0a\x20" + digests(["Soup"])[0]
    iv, payload = seal(secret, poll, scene.adam.lid, scene.reem.lid, "Poll Vote", content, names_sender=True)
    vote = {"encIV": base64.b64encode(iv).decode(), "encPayload": base64.b64encode(payload).decode()}
    key = {"remoteJID": scene.adam.lid, "fromMe": False, "ID": poll}
    cast = scene.reem.send(scene.adam, pollUpdateMessage={"pollCreationMessageKey": key, "vote": vote})
    wait_for(
        lambda: [row for row in scene.device.chat(scene.adam) if row["message_id"] == cast], what="the vote"
    )
    assert scene.row(cast)["content"] == "Voted: Soup"
    assert [each["votes"] for each in scene.row(poll)["poll"]["options"]] == [0, 1]


# ── Rare kinds ────────────────────────────────────────────────────────────────────────────────────


def card(name):
    """Return the vCard of a person."""
    return f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL:+447700900199\nEND:VCARD"


TWO = [{"displayName": name, "vcard": card(name)} for name in ("Nadia", "Omar")]
PARTY = {
    "name": "Party",
    "description": "bring cake",
    "startDate": {"date": "2026-12-24T18:00:00Z"},
    "location": {"degreesLatitude": 1.0, "degreesLongitude": 2.0, "name": "home"},
}
CONTENTS = {
    "sticker": ({"sticker": encoded(picture("WEBP"))}, "sticker", None),
    "moving picture": (
        {"video": encoded(film()), "gifPlayback": True, "caption": "moves"}, "video", "moves",
    ),
    "video note": ({"video": encoded(film()), "ptv": True}, "video", None),
    "sound": ({"audio": encoded(mp3()), "mimetype": "audio/mpeg"}, "audio", None),
    "two contacts": ({"contacts": {"displayName": "2", "contacts": TWO}}, "contact",
        "Nadia +44 7700 900199\nOmar +44 7700 900199",
    ),
    "event": (
        {"event": PARTY}, "text",
        "Event: Party\nbring cake\nhome\n1.0, 2.0\nStarts 2026-12-24 18:00 UTC",
    ),
    "answer to a template": (
        {"buttonReply": {"displayText": "Yes", "id": "1", "index": 0}, "type": "template"}, "text", "Yes",
    ),
    "link": ({"text": "see https://example.com/x"}, "text", "see https://example.com/x"),
    "mention": (
        {"text": "hey @447700900001", "mentions": ["447700900001@s.whatsapp.net"]},
        "text", "hey @447700900001",
    ),
}  # fmt: skip
NO_FILE = {
    "url": "https://mmg.whatsapp.net/v/x",
    "directPath": "/v/x",
    "mediaKey": encoded(bytes(32)),
    "fileSha256": encoded(bytes(32)),
    "fileEncSha256": encoded(bytes(32)),
    "fileLength": 5,
}
BILL = {**NO_FILE, "mimetype": "application/pdf", "fileName": "a.pdf", "caption": "wrapped"}
VOICE = {**NO_FILE, "mimetype": "audio/ogg; codecs=opus", "ptt": True, "seconds": 2}
INVITE = {
    "groupJid": "120363000000000009@g.us",
    "groupName": "Come in",
    "inviteCode": "ABC",
    "caption": "join",
}
YES = {"buttonId": "1", "buttonText": {"displayText": "Yes"}, "type": 1}
LIVE = {"degreesLatitude": 1.5, "degreesLongitude": 2.5, "caption": "here", "sequenceNumber": 1}
MESSAGES = {
    "live location": ({"liveLocationMessage": LIVE}, "location", "here\n1.5, 2.5"),
    "wrapped document": (
        {"documentWithCaptionMessage": {"message": {"documentMessage": BILL}}}, "document", "wrapped",
    ),
    "wrapped text": (
        {"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "vanishes"}}}}, "text", "vanishes",
    ),
    "voice message to be heard once": (
        {"viewOnceMessageV2": {"message": {"audioMessage": VOICE}}}, "voice", None,
    ),
    "buttons": (
        {"buttonsMessage": {"contentText": "Choose", "footerText": "foot", "buttons": [YES]}},
        "text", "Choose\nfoot\nYes",
    ),
    "invitation": (
        {"groupInviteMessage": INVITE}, "text", "Group invitation: Come in\njoin\nInvite code: ABC",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENTS)
def test_rare_kinds_of_baileys_are_recorded(scene, kind):
    content, message_type, text = CONTENTS[kind]
    if kind == "event" and scene.version in OLDER:
        pytest.skip(f"Baileys {scene.version} makes no events")
    event = scene.printed(scene.comes(content)["key"]["id"])
    assert (event["message_type"], event["content"]) == (message_type, text)


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_as_phones_wrap_them_are_recorded(scene, kind):
    message, message_type, text = MESSAGES[kind]
    scene.listening()
    sent = scene.baileys.do("relay", to=scene.to_reem, message=message)
    event = scene.printed(sent)
    assert (event["message_type"], event["content"]) == (message_type, text)


def test_a_caption_that_baileys_edits_is_recorded(scene):
    sent = scene.comes({"image": encoded(picture()), "caption": "old caption"})["key"]
    scene.baileys.send(scene.to_reem, {"text": "new caption", "edit": sent})
    wait_for(lambda: scene.row(sent["id"])["content"] == "new caption", what="the edit")


def test_a_status_of_baileys_is_recorded(scene):
    # Baileys 6 takes a hidden id for a number there
    reem = scene.reem.pn if scene.version in OLDER else scene.to_reem
    sent = scene.comes({"text": "my status"}, to="status@broadcast", statusJidList=[reem])
    event = scene.printed(sent["key"]["id"])
    assert (event["content"], event["chat_jid"]) == ("my status", "status@broadcast")
    assert event["sender"] == scene.adam.pn
    if scene.version in OLDER:  # told numbers, it leaves out the phone of whom it writes to
        scene.relay.take_stale()


# ── Forgeries ─────────────────────────────────────────────────────────────────────────────────────


def settled(scene):
    """Return when all that Baileys has sent before has been applied."""
    scene.comes({"text": f"settled {time.monotonic()}"})


def test_baileys_cannot_change_or_delete_what_wa_wrote(scene):
    key = scene.goes("mine, nobody else's")["key"]
    for target in (key, {**key, "fromMe": True}):
        scene.baileys.send(scene.to_reem, {"text": "forged", "edit": target})
        scene.baileys.send(scene.to_reem, {"delete": target})
    scene.baileys.send(scene.to_reem, {"react": {"text": "👍", "key": {**key, "id": "NO-SUCH-MESSAGE"}}})
    settled(scene)
    row = scene.row(key["id"])
    assert (row["content"], row["edited_at"], row["deleted_at"]) == ("mine, nobody else's", None, None)
    assert row["reactions"] == []
    ignored = [each for each in scene.relay.take_ignored() if each["number"] == scene.reem.number]
    assert len(ignored) == 5
    assert {each["why"] for each in scene.relay.take_mislabelled()} == {"the edit is '7' in place of '8'"}


def test_baileys_cannot_write_in_our_name(scene):
    forged = {"destinationJid": scene.eve.lid, "message": {"conversation": "I owe Adam 100"}}
    scene.baileys.do("relay", to=scene.to_reem, message={"deviceSentMessage": forged})
    settled(scene)
    assert [row for row in scene.device.chat(scene.eve) if row["content"] == "I owe Adam 100"] == []
    assert [row for row in scene.device.json("search", "I owe Adam") if row["is_from_me"]] == []
    assert {each["number"] for each in scene.relay.take_ignored()} == {scene.reem.number}


def test_baileys_cannot_give_us_keys_or_a_history(scene):
    key = {
        "keyId": {"keyId": encoded(b"\0\0abcd")},
        "keyData": {"keyData": encoded(bytes(32)), "timestamp": 1},
    }
    before = history_states(scene)
    for protocol in (
        {"type": 6, "appStateSyncKeyShare": {"keys": [key]}},
        {"type": 5, "historySyncNotification": {"syncType": 0, **NO_FILE}},
    ):
        scene.baileys.do("relay", to=scene.to_reem, message={"protocolMessage": protocol})
    settled(scene)
    assert history_states(scene) == before


def history_states(scene):
    """Return how far the history of each chat is."""
    return {each["chat_jid"]: each["status"] for each in scene.device.json("history", "status")}


# ── Spoiled and refused messages ──────────────────────────────────────────────────────────────────


def test_a_spoiled_message_of_wa_arrives_after_a_retry(scene, fresh):
    client, person = fresh
    scene.device.json("send", person.number, "Hello")
    scene.reem.fault(corrupt={"count": 1})
    row = scene.device.json("send", person.number, "spoiled on the way to Baileys")
    got = client.message(row["message_id"])
    assert content_of(got) == ("conversation", "spoiled on the way to Baileys")
    assert client.received().count(row["message_id"]) == 1
    if scene.version == NEWEST:  # it says so besides asking again; the older ones only ask
        (refused,) = scene.relay.take_unhandled('error="500"')
        assert row["message_id"] in refused


def test_a_spoiled_message_of_baileys_arrives_in_the_end(scene, fresh):
    """After a retry. The answer of Baileys 7 is refused, as by the real server; then our own phone has it."""
    client, person = fresh
    scene.listening()
    scene.printed(client.say(scene.to_reem, "Hello"))
    person.fault(corrupt={"count": 1})
    sent = client.say(scene.to_reem, "spoiled on the way to wa")
    if scene.version == NEWEST:
        wait_for(lambda: refused(scene, sent), what="the refusal")
        assert {(each["id"], each["code"]) for each in scene.relay.take_rejected()} == {(sent, INVALID)}
    scene.printed(sent)
    wait_for(lambda: scene.row(sent, person.number)["content"] == "spoiled on the way to wa", what="the text")


def refused(scene, message_id):
    """Return whether the relay has refused a message."""
    return message_id in [each["id"] for each in scene.relay.routed if each["outcome"] == "refused"]


def test_baileys_learns_that_its_message_was_refused(scene, fresh):
    client, person = fresh
    person.fault(ack_error={"code": 463, "count": 1})
    sent = client.say(scene.to_reem, "refused")
    client.say(scene.to_reem, "accepted")  # Baileys 6 may keep an event back until the server says more

    def errors():
        said = [{"key": each["key"], **each["update"]} for each in client.updates("messages.update")]
        said += [event for event in client.events if event["event"] == "message"]  # an update may be in it
        return [each["key"]["id"] for each in said if "463" in (each.get("messageStubParameters") or ())]

    wait_for(errors, what="the error")
    assert errors() == [sent]


def test_120_messages_that_cross_arrive_once(scene, fresh):
    cross(scene, *fresh, CROSSING)


# ── While one is away ─────────────────────────────────────────────────────────────────────────────


def test_changes_that_baileys_makes_while_wa_is_off_are_applied(scene):
    scene.device.alone()
    edited, deleted = (
        scene.baileys.send(scene.to_reem, {"text": text})["key"] for text in ("typo", "regret")
    )
    scene.baileys.send(scene.to_reem, {"text": "typo fixed", "edit": edited})
    scene.baileys.send(scene.to_reem, {"react": {"text": "🙂", "key": edited}})
    scene.baileys.send(scene.to_reem, {"delete": deleted})
    settled(scene)
    first, second = scene.row(edited["id"]), scene.row(deleted["id"])
    assert (first["content"], [each["emoji"] for each in first["reactions"]]) == ("typo fixed", ["🙂"])
    assert (second["content"], bool(second["deleted_at"])) == (None, True)


def test_a_picture_that_wa_sends_while_baileys_is_off_is_downloaded(scene, tmp_path):
    scene.listening()
    (tmp_path / "cake.jpg").write_bytes(picture())
    scene.baileys.close()
    row = scene.device.json("send", scene.adam.number, "--file", str(tmp_path / "cake.jpg"))
    scene.baileys.connect()
    scene.baileys.message(row["message_id"])
    assert scene.baileys.sha256(row["message_id"]) == sha256((tmp_path / "cake.jpg").read_bytes())


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


def test_baileys_changes_a_group_and_wa_sees_it(scene):
    jid = scene.relay.group("First name", scene.adam, scene.reem)

    def group():
        return next((each for each in scene.device.json("groups") if each["id"] == jid), None)

    def members():
        return {each["member_jid"]: each["role"] for each in group()["members"]}

    scene.listening().wait(group, "the group")
    scene.baileys.call("groupUpdateSubject", jid, "By Baileys")
    scene.listening().wait(lambda: group()["name"] == "By Baileys", "the new name")
    eve = scene.eve.pn if scene.addressing == "pn" else scene.eve.lid
    for action, role in (("add", "member"), ("promote", "admin"), ("demote", "member"), ("remove", None)):
        scene.baileys.call("groupParticipantsUpdate", jid, [eve], action)
        scene.listening().wait(lambda role=role: members().get(scene.eve.pn) == role, f"{action}")
    scene.baileys.call("groupLeave", jid)
    scene.listening().wait(lambda: scene.adam.pn not in members(), "the end of the member")


def test_baileys_sees_what_a_phone_changes_in_a_group(scene):
    jid = scene.relay.group("Old name", scene.reem, scene.adam, scene.eve)
    wait_for(lambda: jid in [each["id"] for each in scene.baileys.updates("groups.upsert")], what="the group")
    scene.relay.group_subject(jid, scene.reem, "New name")
    wait_for(
        lambda: [
            each for each in scene.baileys.updates("groups.update") if each.get("subject") == "New name"
        ],
        what="the new name",
    )
    scene.relay.group_change(jid, scene.reem, "remove", scene.eve)
    wait_for(
        lambda: "remove" in [each["action"] for each in scene.baileys.updates("group-participants.update")],
        what="the end of the member",
    )


# ── Pairing, history, ends of a connection ────────────────────────────────────────────────────────


def test_baileys_pairs_by_code(scene, start_baileys):
    person = scene.relay.person("Gil", history=past(scene.eve))
    client = start_baileys("gil")
    client.do("connect")
    client.wait("connection", lambda event: event.get("qr"))
    assert person.enter(client.do("code", number=person.number))
    client.wait("synced")
    assert client.do("me")["id"].startswith(person.number)
    scene.relay.take_unhandled("before login: <presence/>")


def test_baileys_reads_a_whole_history(scene, start_baileys):
    history = past(scene.eve, 250) + past(scene.adam, 30)
    person = scene.relay.person("Fay", history=history, chunk=100, contacts={scene.adam.number: "Adam Saved"})
    client = start_baileys("fay", full=True)
    client.link(person)

    def found():
        return [each for part in client.updates("messaging-history.set") for each in part["messages"]]

    wait_for(lambda: len(found()) >= len(history), what="the history")
    assert {each["key"]["id"] for each in found()} == {each["id"] for each in history}
    contacts = [each for part in client.updates("messaging-history.set") for each in part["contacts"]]
    contacts += client.updates("contacts.upsert")
    assert "Adam Saved" in {each.get("name") for each in contacts}


def test_baileys_goes_on_after_its_connection_was_cut(scene, fresh):
    client, person = fresh
    for how in ({}, {"code": 503}, {"code": 516}):
        mark = len(client.events)
        person.drop(**how)
        client.wait("connection", lambda event: event.get("connection") == "open", after=mark)
    scene.printed(client.say(scene.to_reem, "still here"))
    refuses_what_it_could_not_finish(scene)


def test_baileys_learns_that_it_is_replaced_then_unlinked(scene, fresh):
    client, person = fresh
    mark = len(client.events)
    person.replaced()
    closed = client.wait("connection", lambda event: event.get("connection") == "close", after=mark)
    assert closed["code"] == 440
    client.connect()
    mark = len(client.events)
    person.unlink()
    closed = client.wait("connection", lambda event: event.get("connection") == "close", after=mark)
    assert closed["code"] == 401


def test_baileys_learns_of_a_ban(scene, fresh):
    client, person = fresh
    person.fault(refuse_login={"reason": 402, "code": 101, "expire": 3600, "count": 1})
    mark = len(client.events)
    person.drop()
    client.wait("connection", lambda event: event.get("code") == 402, after=mark)


def test_baileys_logs_out(scene, fresh):
    client, person = fresh
    assert len(person.devices()) == 1
    client.call("logout")
    wait_for(lambda: not person.devices(), what="the end of the device")
    refuses_what_it_could_not_finish(scene)


def refuses_what_it_could_not_finish(scene):
    """Forget that Baileys 6 refuses, as its connection ends, a message between its account's own devices."""
    if scene.version in OLDER:
        scene.relay.take_unhandled('error="487"')


# ── Queries ───────────────────────────────────────────────────────────────────────────────────────

SOMEBODY = "447700900001@s.whatsapp.net"
QUERIES = {
    "onWhatsApp": ["447700900001", "447700900555"],
    "fetchStatus": [SOMEBODY],
    "updateProfileName": ["Adam B"],
    "updateProfileStatus": ["hey"],
    "presenceSubscribe": [SOMEBODY],
    "sendPresenceUpdate": ["composing", SOMEBODY],
    "fetchBlocklist": [],
    "updateBlockStatus": [SOMEBODY, "block"],
    "fetchPrivacySettings": [True],
    "updateReadReceiptsPrivacy": ["none"],
    "updateDefaultDisappearingMode": [86_400],
    "getBusinessProfile": [SOMEBODY],
    "rotateSignedPreKey": [],
    "groupFetchAllParticipating": [],
}
UNKNOWN = {"profilePictureUrl": [SOMEBODY], "newsletterMetadata": ["jid", "120363000000000001@newsletter"]}
"""What is not there: a picture of an account, channels."""


def test_the_relay_answers_what_baileys_asks(scene, fresh):
    client, _ = fresh
    before = scene.relay.unhandled
    for name, args in QUERIES.items():
        if client.do("has", name=name):  # Baileys 6 has some of them
            client.call(name, *args)
    assert scene.relay.unhandled == before


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_relay_says_what_is_not_there(scene, name):
    if not scene.baileys.do("has", name=name):
        pytest.skip(f"Baileys {scene.version} has no {name}")
    with pytest.raises(RuntimeError, match="item-not-found|does not know this query"):
        scene.baileys.call(name, *UNKNOWN[name])
    assert len(scene.relay.take_unhandled("GraphQL query")) == (name == "newsletterMetadata")
