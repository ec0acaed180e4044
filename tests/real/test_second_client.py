"""`wa` and Baileys, an implementation of its own, talk over the relay: what each sends arrives at the other.

`pytest -m "soak or not soak" tests/real/test_second_client*.py` also runs all of it with older versions of
Baileys, and with people addressed by hidden id.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import webp
from baileys import HERE, OLDER, OLDEST, STATUS, content_of, encoded
from conftest import wait_for
from linked import Device, past
from media_samples import film, picture, voice
from second_client import cross, sent_ids, sha256

pytest_plugins = ["baileys_fixture"]

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 8
FILES = {
    "image": ("cake.jpg", "image/jpeg", picture()),
    "video": ("party.mp4", "video/mp4", film()),
    "voice": ("note.ogg", "audio/ogg; codecs=opus", voice()),
    "document": ("bill März.pdf", "application/pdf", PDF),
}
BACKLOG = 30
CROSSING = 20


# ── No other host ─────────────────────────────────────────────────────────────────────────────────

OTHER_HOSTS = """
const [net, tls, http, dgram, dns] = ['net', 'tls', 'http', 'dgram', 'dns'].map(require)
const port = Number(process.argv[1])
const ways = [
  () => net.connect(80, '192.0.2.1'),
  () => new net.Socket().connect({ port: 80, host: '192.0.2.1' }),
  () => net.connect('/tmp/socket'),
  () => net.connect(port),
  () => tls.connect({ port: 443, host: 'web.invalid' }),
  () => http.get('http://web.invalid'),
  () => dgram.createSocket('udp4'),
  () => dns.lookup('web.invalid', () => {}),
  () => new dns.promises.Resolver().resolve4('web.invalid')
]
for (const way of ways) try { way(); console.log('no refusal of', String(way)) } catch (error) {}
fetch('https://web.invalid').then(() => console.log('no refusal of fetch'), () => {})
net.connect(port, '127.0.0.1').on('data', data => console.log(String(data)))
"""


def test_a_guarded_process_reaches_this_machine_and_no_other(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    log = tmp_path / "refused"
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen(
            [node, "-r", str(HERE / "baileys_guard.cjs"), "-e", OTHER_HOSTS, str(server.getsockname()[1])],
            env={**os.environ, "GUARD_REFUSED": str(log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        server.settimeout(20)
        with server.accept()[0] as connection:
            connection.sendall(b"welcome")
        assert process.communicate(timeout=20) == ("welcome\n", None)
    assert log.read_text().splitlines() == [
        "a socket to 192.0.2.1",
        "a socket to 192.0.2.1",
        "a socket to /tmp/socket",
        "a socket to localhost",
        "a socket to web.invalid",
        "a socket to web.invalid",
        "a datagram socket",
        "a lookup of web.invalid",
        "a lookup of web.invalid",
        "a socket to web.invalid",
    ]


# ── Baileys to wa ─────────────────────────────────────────────────────────────────────────────────

CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Nadia Sample\nTEL;type=CELL;waid=447700900199:+44 7700 900199\nEND:VCARD"
PALACE = {"degreesLatitude": 51.501, "degreesLongitude": -0.1419, "name": "The Palace", "address": "London"}
CONTENTS = {
    "text": ({"text": "Good morning 😀\nsecond line"}, {}, "Good morning 😀\nsecond line"),
    "location": ({"location": PALACE}, {}, "The Palace\nLondon\n51.501, -0.1419"),
    "contact": (
        {"contacts": {"contacts": [{"displayName": "Nadia Sample", "vcard": CARD}]}}, {},
        "Nadia Sample +44 7700 900199",
    ),
    "poll": (
        {"poll": {"name": "Which day?", "values": ["Monday", "Tuesday"], "selectableCount": 1}}, {},
        "Which day?\nMonday\nTuesday",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_baileys_writes_is_recorded(scene, kind):
    content, options, text = CONTENTS[kind]
    sent = scene.comes(content, **options)
    event = scene.printed(sent["key"]["id"])
    assert (event["message_type"], event["content"]) == (kind.split()[0], text)
    assert (event["chat_jid"], event["sender"], event["is_from_me"]) == (scene.adam.pn, scene.adam.pn, False)


def test_a_chat_that_baileys_lets_disappear_gets_ours_with_its_timer(scene):
    sent = scene.comes({"text": "gone in a day"}, ephemeralExpiration=86_400)
    assert scene.printed(sent["key"]["id"])["content"] == "gone in a day"
    _, content = content_of(scene.goes("ours too"))
    assert (content["text"], content["contextInfo"]["expiration"]) == ("ours too", 86_400)
    scene.baileys.send(scene.to_reem, {"disappearingMessagesInChat": False})
    wait_for(lambda: scene.device.chat(scene.adam)[-1]["message_type"] == "system", what="the end of it")
    assert content_of(scene.goes("for good")) == ("conversation", "for good")


FILE_CONTENTS = {
    "image": {"caption": "a cake", "mimetype": "image/jpeg"},
    "video": {"caption": "a film", "mimetype": "video/mp4"},
    "voice": {"ptt": True, "mimetype": "audio/ogg; codecs=opus"},
    "document": {"caption": "the bill", "mimetype": "application/pdf", "fileName": "bill März.pdf"},
    "image to be seen once": {"caption": "once", "viewOnce": True},
}


@pytest.mark.parametrize("name", FILE_CONTENTS)
def test_a_file_of_baileys_is_downloaded_unchanged(scene, name):
    kind, about = name.split()[0], FILE_CONTENTS[name]
    data = FILES[kind][-1] + os.urandom(8)
    sent = scene.comes({"audio" if kind == "voice" else kind: encoded(data), **about})
    event = scene.printed(sent["key"]["id"])
    assert (event["message_type"], event["content"]) == (kind, about.get("caption"))
    (row,) = scene.device.json("download", scene.adam.number, kind, "1")
    assert row["message_id"] == sent["key"]["id"]
    assert sha256(Path(row["path"]).read_bytes()) == sha256(data)


def test_an_answer_of_baileys_names_the_quoted_message(scene):
    question = scene.goes("Tea or coffee?")
    sent = scene.comes({"text": "Tea"}, quoted={"message": question["key"]["id"]})
    assert scene.printed(sent["key"]["id"])["quoted_id"] == question["key"]["id"]


def test_a_reaction_of_baileys_is_recorded_and_taken_back(scene):
    key = scene.goes("react to this")["key"]

    def reactions():
        return [each["emoji"] for each in scene.row(key["id"])["reactions"]]

    for emoji, expected in (("👍", ["👍"]), ("", [])):
        scene.baileys.send(scene.to_reem, {"react": {"text": emoji, "key": key}})
        wait_for(lambda expected=expected: reactions() == expected, what=f"{expected}")


def test_an_edit_and_a_deletion_of_baileys_are_recorded(scene):
    edited, deleted = scene.comes({"text": "before"})["key"], scene.comes({"text": "regretted"})["key"]
    scene.baileys.send(scene.to_reem, {"text": "after", "edit": edited})
    scene.baileys.send(scene.to_reem, {"delete": deleted})
    wait_for(lambda: scene.row(deleted["id"])["deleted_at"], what="the deletion")
    assert scene.row(deleted["id"])["content"] is None
    row = scene.row(edited["id"])
    assert (row["content"], bool(row["edited_at"])) == ("after", True)


def test_what_wa_does_with_a_message_is_seen_by_baileys(scene):
    device, chat, sent = scene.device, scene.adam.number, scene.goes("before")["key"]["id"]

    def seen():
        found = [each for each in scene.baileys.updates("messages.update") if each["key"]["id"] == sent]
        texts = [str(each["update"].get("message")) for each in found if "message" in each["update"]]
        reactions = [each for each in scene.baileys.updates("messages.reaction") if each["key"]["id"] == sent]
        return [each["reaction"].get("text", "") for each in reactions], texts

    device.ok("react", chat, sent, "👍")
    device.ok("edit", chat, sent, "after")
    device.ok("delete", chat, sent)
    wait_for(lambda: seen()[0] and len(seen()[1]) == 2, what="a reaction, an edit and a deletion")
    reactions, (edit, deletion) = seen()
    assert (reactions, "after" in edit, deletion) == (["👍"], True, "None")


# ── wa to Baileys ─────────────────────────────────────────────────────────────────────────────────


def test_a_text_reaches_baileys(scene):
    got = scene.goes("Grüße 👋\nsecond line")
    assert content_of(got) == ("conversation", "Grüße 👋\nsecond line")
    assert got["key"]["remoteJid"] in (scene.reem.pn, scene.reem.lid)
    assert not got["key"]["fromMe"]


def test_an_answer_names_to_baileys_the_message_that_it_quotes(scene):
    question = scene.comes({"text": "Red or blue?"})
    _, content = content_of(scene.goes("Blue", "--reply-to", question["key"]["id"]))
    assert content["text"] == "Blue"
    assert content["contextInfo"]["stanzaId"] == question["key"]["id"]


def test_what_is_more_than_a_text_reaches_baileys(scene, tmp_path):
    for name, data in (("cat.webp", webp.lossy()), ("cake.jpg", picture())):
        (tmp_path / name).write_bytes(data)
    scene.device.run("contacts", "add", "Nadia Sample", "447700900199")
    poll = ("--poll", "Lunch?", "--option", "Pizza", "--option", "Soup")
    field, content = content_of(scene.goes(*poll))
    assert (field, content["name"], content["selectableOptionsCount"]) == ("pollCreationMessage", "Lunch?", 1)
    field, content = content_of(scene.goes("--location", "-33.9,18.4", "--name", "Cape Town"))
    assert (field, content["degreesLatitude"], content["name"]) == ("locationMessage", -33.9, "Cape Town")
    field, content = content_of(scene.goes("--contact", "nadia"))
    assert (field, content["displayName"]) == ("contactMessage", "Nadia Sample")
    sticker = scene.goes("--sticker", str(tmp_path / "cat.webp"))
    assert content_of(sticker)[0] == "stickerMessage"
    assert scene.baileys.sha256(sticker["key"]["id"]) == sha256(webp.lossy())
    _, content = content_of(scene.goes("Hi @me", "--mention", "me"))
    assert content["contextInfo"]["mentionedJid"] in ([scene.reem.pn], [scene.reem.lid])
    field, content = content_of(scene.goes("look", "--file", str(tmp_path / "cake.jpg"), "--view-once"))
    assert (field, content["message"]["imageMessage"]["viewOnce"]) == ("viewOnceMessage", True)
    cake = picture()
    came = scene.comes({"image": encoded(cake), "caption": "a cake"})["key"]["id"]
    row = scene.device.json("forward", scene.adam.number, came, scene.adam.number)
    back = scene.baileys.message(row["message_id"])
    assert content_of(back)[1]["contextInfo"]["forwardingScore"] == 1
    assert content_of(back)[1]["caption"] == "a cake"
    assert scene.baileys.sha256(row["message_id"]) == sha256(cake)


@pytest.mark.parametrize("kind", FILES)
def test_baileys_downloads_a_file_unchanged(scene, tmp_path, kind):
    name, mimetype, data = FILES[kind]
    path = tmp_path / name
    path.write_bytes(data)
    words = [] if kind == "voice" else ["look at this"]
    got = scene.goes(*words, "--file", str(path))
    field, content = content_of(got)
    assert field == ("audioMessage" if kind == "voice" else f"{kind}Message")
    assert (content["mimetype"], bool(content.get("ptt"))) == (mimetype, kind == "voice")
    assert content.get("caption", "") == "".join(words)
    if kind == "document":
        assert content["fileName"] == name
    assert scene.baileys.sha256(got["key"]["id"]) == sha256(data)


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


def test_receipts_of_baileys_make_a_message_delivered_then_read(scene):
    got = scene.goes("did you get this?")["key"]
    wait_for(lambda: scene.row(got["id"])["status"] == "delivered", what="delivered")
    scene.baileys.read([got["id"]])
    wait_for(lambda: scene.row(got["id"])["status"] == "read", what="read")


def test_baileys_sees_that_its_message_was_delivered_then_read(scene):
    sent = scene.comes({"text": "and did you?"})["key"]["id"]
    wait_for(lambda: scene.baileys.status(sent) == STATUS["DELIVERY_ACK"], what="delivered")
    scene.device.ok("read", scene.adam.number, "--mark-read")
    wait_for(lambda: scene.baileys.status(sent) == STATUS["READ"], what="read")


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


def skip_without_groups(scene):
    """Skip a test in which a version of Baileys would have to write to a group, and cannot."""
    if scene.version == OLDEST:
        pytest.skip(f"Baileys {OLDEST} takes the hidden ids of a group for numbers, and reaches nobody")
    if scene.version in OLDER and scene.addressing == "lid":
        pytest.skip("Baileys 6 has one list of a person's devices for chats, without the phone, and groups")


@pytest.mark.parametrize("creator", ["Baileys", "a phone"])
def test_both_talk_in_a_group(scene, creator):
    skip_without_groups(scene)
    name = f"Made by {creator}"
    if creator == "Baileys":
        jid = scene.baileys.call("groupCreate", name, [scene.reem.pn, scene.eve.pn])["id"]
    else:
        jid = scene.relay.group(name, scene.eve, scene.reem, scene.adam)
    scene.listening().wait(lambda: jid in [group["id"] for group in scene.device.json("groups")], "the group")
    for text in ("the key comes with the first", "and not with the second"):
        event = scene.printed(scene.comes({"text": text}, to=jid)["key"]["id"])
        assert (event["content"], event["chat_jid"], event["sender"]) == (text, jid, scene.adam.pn)
        assert event["chat_name"] == name
        assert content_of(scene.goes(f"answer to {text}", to=jid)) == ("conversation", f"answer to {text}")
    in_group = [entry["text"] for entry in scene.eve.inbox() if entry.get("chat") == jid]
    assert len([text for text in in_group if text]) == 4
    got = scene.goes("who has read this?", to=jid)["key"]
    scene.baileys.read([got["id"]])
    wait_for(lambda: scene.row(got["id"], jid)["receipts"]["read"] == 1, what="the receipt")
    assert scene.row(got["id"], jid)["status"] != "read"
    scene.eve.receipt(scene.reem, [got["id"]], "read", jid)
    wait_for(lambda: scene.row(got["id"], jid)["status"] == "read", what="the other receipt")


# ── Backlogs and crossing messages ────────────────────────────────────────────────────────────────


def test_what_baileys_writes_while_wa_is_off_comes_in_order(scene):
    scene.device.alone()
    ids = [scene.baileys.say(scene.to_reem, f"you are away {number}") for number in range(BACKLOG)]
    scene.printed(ids[-1])
    got = [(row["message_id"], row["content"]) for row in scene.device.chat(scene.adam)[-BACKLOG:]]
    assert got == [(each, f"you are away {number}") for number, each in enumerate(ids)]


def test_what_wa_sends_while_baileys_is_off_comes_in_order(scene):
    scene.listening()
    scene.baileys.close()
    queued = [
        scene.device.json("send", scene.adam.number, f"Baileys is away {number}", "--no-wait")
        for number in range(BACKLOG)
    ]
    ids = sent_ids(scene, queued)
    mark = len(scene.baileys.events)
    scene.baileys.connect()
    wait_for(lambda: len(scene.baileys.received(mark)) >= BACKLOG, what="the backlog")
    assert scene.baileys.received(mark) == ids


def test_messages_that_cross_arrive_once(scene, fresh):
    cross(scene, *fresh, CROSSING)


# ── Another device of our own account ─────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def other(scene, start_baileys):
    """A Baileys client that is linked to the account of Reem, beside `wa`."""
    made = start_baileys("other")
    made.link(scene.reem)
    return made


def test_our_other_device_sees_what_we_send(scene, other):
    sent = scene.goes("seen by my other device")["key"]["id"]
    got = other.message(sent)
    assert content_of(got) == ("conversation", "seen by my other device")
    assert got["key"]["fromMe"]
    assert scene.adam.lid in got["key"].values() or scene.adam.pn in got["key"].values()


def test_we_see_what_our_other_device_sends(scene, other):
    sent = other.say(scene.adam.pn, "from my other device")
    event = scene.printed(sent)
    assert (event["content"], event["is_from_me"]) == ("from my other device", True)
    assert (event["chat_jid"], event["sender"]) == (scene.adam.pn, scene.reem.pn)
    assert content_of(scene.baileys.message(sent))[1]["text"] == "from my other device"


def test_what_our_other_device_does_with_messages_is_recorded_as_ours(scene, other):
    came = scene.comes({"text": "from Adam"})["key"]["id"]
    sent = other.say(scene.adam.pn, "before")
    scene.printed(sent)
    theirs = {"remoteJid": scene.adam.lid, "fromMe": False, "id": came}
    ours = {"remoteJid": scene.adam.lid, "fromMe": True, "id": sent}
    other.send(scene.adam.pn, {"react": {"text": "🎉", "key": theirs}})
    other.send(scene.adam.pn, {"text": "after", "edit": ours})
    wait_for(lambda: scene.row(sent)["content"] == "after", what="the edit")
    reacted = [(each["sender"], each["emoji"]) for each in scene.row(came)["reactions"]]
    assert reacted == [(scene.reem.pn, "🎉")]
    other.send(scene.adam.pn, {"delete": ours})
    wait_for(lambda: scene.row(sent)["deleted_at"], what="the deletion")
    scene.device.ok("react", scene.adam.number, came, "👍")

    def seen():
        found = [each for each in other.updates("messages.reaction") if each["key"]["id"] == came]
        return [each["reaction"]["text"] for each in found]

    wait_for(lambda: "👍" in seen(), what="our reaction, there")


def test_we_see_what_our_other_device_sends_to_a_group(scene, other):
    skip_without_groups(scene)
    jid = scene.relay.group("Both devices", scene.reem, scene.adam)
    sent = other.say(jid, "to the group from my other device")
    event = scene.printed(sent)
    assert (event["content"], event["is_from_me"]) == ("to the group from my other device", True)
    assert (event["chat_jid"], event["sender"]) == (jid, scene.reem.pn)
    assert content_of(scene.baileys.message(sent))[1]["text"] == "to the group from my other device"


@pytest.mark.parametrize("reader", ["the other device", "wa"])
def test_a_message_read_on_one_device_is_read_on_the_other(scene, other, reader):
    scene.device.ok("read", scene.adam.number, "--mark-read")
    sent = scene.comes({"text": f"for both, read by {reader}"})["key"]["id"]
    other.message(sent)
    assert unread(scene) == 1
    if reader == "wa":
        scene.device.ok("read", scene.adam.number, "--mark-read")
        wait_for(lambda: other.status(sent) == STATUS["READ"], what="read")
    else:
        other.read([sent])
        wait_for(lambda: unread(scene) == 0, what="read")


def unread(scene):
    """Return the number of unread messages of Adam."""
    counts = {chat["id"]: chat["unread_count"] for chat in scene.device.json("unread")}
    return counts.get(scene.adam.pn, 0)


# ── A restart of the server ───────────────────────────────────────────────────────────────────────


def test_nothing_is_lost_or_doubled_when_the_relay_restarts(client, own_relay, start_baileys, memory_path):
    _, addressing = client
    friend = own_relay.person("Old Friend")
    reem, adam = (
        own_relay.person(name, history=past(friend), addressing=addressing) for name in ("Reem", "Adam")
    )
    device, baileys = Device(own_relay, memory_path / "home"), start_baileys("restarted", own_relay)
    try:
        device.link(reem)
        baileys.link(adam)
        listener, to_reem = device.listening(), reem.pn if addressing == "pn" else reem.lid
        written, texts = [baileys.say(to_reem, "before")], ["after", "before", "during 1", "during 2"]
        device.json("send", adam.number, "before")
        listener.event(lambda event: event["message_id"] == written[0])
        wait_for(lambda: not pending(reem, adam), what="both acknowledgements")
        own_relay.stop()
        for text in ("during 1", "during 2"):
            device.json("send", adam.number, text, "--no-wait")
        error = baileys.error("send", to=to_reem, content={"text": "during"}, options={})
        assert "Connection Closed" in error
        mark = len(baileys.events)
        own_relay.start()
        baileys.wait("connection", lambda event: event.get("connection") == "open", after=mark)
        device.json("send", adam.number, "after")
        wait_for(lambda: len(baileys.received()) >= len(texts), what="all of wa's messages")
        written += [baileys.say(to_reem, f"after {number}") for number in range(3)]
        got = [content_of(baileys.message(each)) for each in baileys.received()]
        assert sorted(got) == [("conversation", text) for text in texts]  # a try that failed waits a little
        rows = device.json("schedule", "list", "--status", "all")
        assert {row["message_id"] for row in rows if row["status"] == "sent"} == {*baileys.received()}
        listener.event(lambda event: event["message_id"] == written[-1])
        assert [row["message_id"] for row in listener.messages if not row["is_from_me"]] == written
    finally:
        device.end()


def pending(*people):
    """Return the numbers of stanzas that the devices of these people have not acknowledged, but for zeros."""
    return [each["pending"] for person in people for each in person.devices().values() if each["pending"]]


# ── The end ───────────────────────────────────────────────────────────────────────────────────────


def test_the_relay_knows_what_baileys_says(scene):
    """Beside the error with which Baileys acknowledges what it could not decrypt and asked for again."""
    unknown = [stanza for stanza in scene.relay.unhandled if 'error="500"' not in stanza]
    assert unknown == []
