"""Two homes, Baileys and a phone in one group: what each does with messages, all others see and record."""

from __future__ import annotations

from pathlib import Path

import pytest
import webp
from baileys import NEWEST, encoded
from conftest import wait_for
from linked import DAY, Device, memory_folder, past
from media_samples import film, picture, voice
from second_client import sha256

pytest_plugins = ["baileys_fixture"]
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module", params=["pn", "lid"])
def client(request):
    """The version of Baileys, and the form of the addresses in chats with one person."""
    return NEWEST, request.param


class Home:
    """A home with `wa`, as one who acts and sees."""

    def __init__(self, device, person):
        self.device, self.person = device, person

    def says(self, group, text):
        return self.device.json("send", group, text)["message_id"]

    def does(self, kind, group, message_id, author, *words):
        self.device.ok(kind, group, message_id, *words)

    def makes(self, name, people):
        return self.device.json("groups", "create", name, *(each.number for each in people))["id"]

    def renames(self, group, name):
        self.device.ok("groups", "rename", group, name)

    def changes(self, group, how, who):
        self.device.ok("groups", how, group, who.number)

    def leaves(self, group):
        self.device.ok("groups", "leave", group)

    def knows(self, group, message_id):
        return any(row["message_id"] == message_id for row in self.device.chat(group))

    def sees(self, group, message_id):
        """Return text, reactions by number, and whether a message is deleted."""
        row = next(row for row in self.device.chat(group) if row["message_id"] == message_id)
        reactions = {each["sender"].split("@")[0]: each["emoji"] for each in row["reactions"]}
        deleted = bool(row["deleted_at"])
        return row["content"] or "", {} if deleted else reactions, deleted


class Phone:
    """A person's phone, as one who acts and sees."""

    def __init__(self, person):
        self.person = person

    def says(self, group, text):
        return self.person.send(group, text)

    def does(self, kind, group, message_id, author, *words):
        getattr(self.person, kind)(group, message_id, *words)

    def makes(self, name, people):
        return self.person.relay.group(name, self.person, *people)

    def renames(self, group, name):
        self.person.relay.group_subject(group, self.person, name)

    def changes(self, group, how, who):
        self.person.relay.group_change(group, self.person, how, who)

    def leaves(self, group):
        self.changes(group, "remove", self.person)

    def knows(self, group, message_id):
        return any(each["id"] == message_id for each in self.person.shown(group))

    def sees(self, group, message_id):
        shown = self.person.shows(message_id)
        return shown["text"], shown["reactions"], bool(shown["deleted"])


class Other(Phone):
    """A Baileys client; what it says is seen on its own phone, which gets the copies for its devices."""

    def __init__(self, baileys, person):
        super().__init__(person)
        self.baileys = baileys

    def says(self, group, text):
        return self.baileys.say(group, text)

    def does(self, kind, group, message_id, author, *words):
        key = {"remoteJid": group, "id": message_id, "fromMe": author is self.person}
        if author is not self.person:
            key["participant"] = author.lid
        content = {"react": {"text": words[0], "key": key}} if kind == "react" else {}
        content |= {"text": words[0], "edit": key} if kind == "edit" else {}
        content |= {"delete": key} if kind == "delete" else {}
        self.baileys.send(group, content)

    def makes(self, name, people):
        return self.baileys.call("groupCreate", name, [each.lid for each in people])["id"]

    def renames(self, group, name):
        self.baileys.call("groupUpdateSubject", group, name)

    def changes(self, group, how, who):
        self.baileys.call("groupParticipantsUpdate", group, [who.lid], how)

    def leaves(self, group):
        self.baileys.call("groupLeave", group)

    def knows(self, group, message_id):
        got = [each["key"]["id"] for each in self.baileys.events if each["event"] == "message"]
        return message_id in got and super().knows(group, message_id)


class Town:
    """All four, and their group."""

    def __init__(self, relay, group, reem, sara, adam, zoe):
        self.relay, self.group = relay, group
        self.all = {"wa": reem, "the other wa": sara, "Baileys": adam, "a phone": zoe}

    def say(self, who, text):
        """Let one of them say something; return its id when all have it."""
        message_id = self.all[who].says(self.group, text)
        for name, each in self.all.items():
            wait_for(lambda each=each: each.knows(self.group, message_id), what=f"{text!r} at {name}")
        return message_id

    def expect(self, message_id, *expected):
        """Wait until all of them see this of a message."""
        for name, each in self.all.items():
            wait_for(
                lambda each=each: each.sees(self.group, message_id) == expected,
                what=f"{expected} at {name}, where it is {each.sees(self.group, message_id)}",
            )


@pytest.fixture(scope="module")
def four(town, device, reem, client, old_friend, start_baileys):
    """Two homes with listeners, Baileys and a phone, in one group, and Reem its admin."""
    reem.set(addressing=client[1])
    sara = town.person("Sara", history=past(old_friend), addressing=client[1])
    adam = town.person("Adam", history=past(old_friend), addressing=client[1])
    zoe = town.person("Zoe", addressing=client[1])
    with memory_folder() as folder:
        other = Device(town, Path(folder) / "home")
        try:
            other.link(sara)
            baileys = start_baileys("adam")
            baileys.link(adam)
            group = town.group("All four", reem, sara, adam, zoe)
            for each in (device, other):
                each.listening()
                wait_for(lambda each=each: group in [row["id"] for row in each.json("groups")], what="it")
            yield Town(town, group, Home(device, reem), Home(other, sara), Other(baileys, adam), Phone(zoe))
        finally:
            other.end()


EVERYBODY = ("wa", "the other wa", "Baileys", "a phone")


@pytest.mark.parametrize("who", EVERYBODY)
def test_what_one_does_with_a_message_of_theirs_is_seen_by_all(four, who):
    one = four.all[who]
    sent = four.say(who, f"said by {who}")
    one.does("react", four.group, sent, one.person, "👍")
    four.expect(sent, f"said by {who}", {one.person.number: "👍"}, False)
    one.does("edit", four.group, sent, one.person, "in other words")
    four.expect(sent, "in other words", {one.person.number: "👍"}, False)
    one.does("react", four.group, sent, one.person, "")
    four.expect(sent, "in other words", {}, False)
    one.does("delete", four.group, sent, one.person)
    four.expect(sent, "", {}, True)


@pytest.mark.parametrize("who", EVERYBODY)
def test_everybody_reacts_to_what_one_said_and_the_admin_deletes_it(four, who):
    author = four.all[who].person
    sent = four.say(who, f"to react to, by {who}")
    expected = {}
    for each in four.all.values():
        each.does("react", four.group, sent, author, "🎉")
        expected[each.person.number] = "🎉"
    four.expect(sent, f"to react to, by {who}", expected, False)
    four.all["wa"].does("delete", four.group, sent, author)
    four.expect(sent, "", {}, True)


@pytest.mark.parametrize("who", ["wa", "the other wa", "Baileys"])
def test_in_a_chat_of_two_each_change_is_seen_by_the_other_and_on_both_phones(four, who):
    one, other = four.all[who], four.all["a phone"]
    chat = other.person.number if who != "Baileys" else other.person.lid
    sent = one.says(chat, "for you alone")
    for kind, *words in (("react", "👍"), ("edit", "for you"), ("react", "")):
        one.does(kind, chat, sent, one.person, *words)
    for phone in (one.person, other.person):
        wait_for(lambda phone=phone: phone.shows(sent)["text"] == "for you", what="the edit")
        wait_for(lambda phone=phone: phone.shows(sent)["reactions"] == {}, what="the end of the reaction")
    one.does("delete", chat, sent, one.person)
    for phone in (one.person, other.person):
        wait_for(lambda phone=phone: phone.shows(sent)["deleted"] == one.person.number, what="the end")


# ── Messages of all kinds ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def timed(four):
    """The group while its messages disappear after a day."""
    four.relay.group_setting(four.group, four.all["wa"].person, "ephemeral", expiration=str(DAY))
    four.say("a phone", "set")
    yield four.group
    four.relay.group_setting(four.group, four.all["wa"].person, "not_ephemeral")


def expected(zoe):
    """Return for each kind its options, its type in a record, and the field of its message."""
    return {
        "text": (["a text"], "text", "extendedTextMessage"),
        "reply": (["a reply", "--reply-to", "last"], "text", "extendedTextMessage"),
        "mention": ([f"hey @{zoe.number}", "--mention", zoe.number], "text", "extendedTextMessage"),
        "poll": (["--poll", "When?", "--option", "Sat", "--option", "Sun"], "poll", "pollCreationMessage"),
        "location": (["--location", "51.5,-0.1", "--name", "home"], "location", "locationMessage"),
        "contact": (["--contact", "Nadia"], "contact", "contactMessage"),
        "sticker": (["--sticker", "cat.webp"], "sticker", "stickerMessage"),
        "image": (["look", "--file", "pie.jpg"], "image", "imageMessage"),
        "video": (["--file", "film.mp4"], "video", "videoMessage"),
        "voice": (["--file", "note.ogg"], "voice", "audioMessage"),
        "document": (["--file", "list.txt"], "document", "documentMessage"),
        "once": (["--file", "pie.jpg", "--view-once"], "image", "imageMessage"),
    }


def test_every_kind_is_recorded_by_the_other_home_shown_by_baileys_and_the_phone_and_has_the_timer(
    four, timed, put
):
    ours, other = four.all["wa"].device, four.all["the other wa"].device
    zoe, baileys = four.all["a phone"].person, four.all["Baileys"].baileys
    if ours.run("contacts", "show", "Nadia").code:
        ours.ok("contacts", "add", "Nadia", "447700900456")
    data = {
        "cat.webp": webp.lossless(200, 100),
        "pie.jpg": picture(),
        "film.mp4": film(),
        "note.ogg": voice(),
        "list.txt": b"eggs",
    }
    files = {name: put(name, content) for name, content in data.items()}
    sent = {}
    for kind, (args, _, _) in expected(zoe).items():
        row = ours.json("send", timed, *(files.get(each, each) for each in args))
        sent[kind] = row["message_id"]
    (forwarded,) = [ours.json("forward", timed, sent["image"], timed)]
    sent["forward"] = forwarded["message_id"]
    wanted = expected(zoe) | {"forward": ([], "image", "imageMessage")}
    for kind, (_, message_type, field) in wanted.items():
        message_id = sent[kind]
        wait_for(lambda at=message_id: four.all["the other wa"].knows(timed, at), what=f"{kind} there")
        (row,) = [row for row in other.chat(timed) if row["message_id"] == message_id]
        assert (kind, row["message_type"], row["is_from_me"]) == (kind, message_type, False)
        shown = zoe.shows(message_id)
        assert (kind, shown["kind"], shown["expiration"]) == (kind, field, DAY)
        assert field in str(baileys.message(message_id)["message"])
    assert zoe.shows(sent["mention"])["mentions"] == [zoe.number]
    assert zoe.shows(sent["reply"])["quoted"] == sent["text"]
    assert [kind for kind in sent if zoe.shows(sent[kind])["view_once"]] == ["once"]
    assert [kind for kind in sent if zoe.shows(sent[kind])["forwarded"]] == ["forward"]
    assert baileys.sha256(sent["forward"]) == sha256(data["pie.jpg"])
    (got,) = other.json("download", timed, "sticker", "1")
    assert Path(got["path"]).read_bytes() == data["cat.webp"]


def test_every_kind_of_baileys_is_recorded_by_both_homes(four):
    zoe, baileys = four.all["a phone"].person, four.all["Baileys"].baileys
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:Nadia\nTEL;waid=447700900456:+44 7700 900456\nEND:VCARD"
    place = {"degreesLatitude": 51.5, "degreesLongitude": -0.1, "name": "home"}
    contents = {
        "poll": ({"poll": {"name": "Where?", "values": ["Here", "There"], "selectableCount": 1}}, "poll"),
        "location": ({"location": place}, "location"),
        "contact": ({"contacts": {"displayName": "Nadia", "contacts": [{"vcard": card}]}}, "contact"),
        "sticker": ({"sticker": encoded(webp.lossless(100, 100))}, "sticker"),
        "mention": ({"text": f"hey @{zoe.lid.split('@')[0]}", "mentions": [zoe.lid]}, "text"),
        "once": ({"image": encoded(picture()), "viewOnce": True}, "image"),
    }
    sent = {kind: baileys.send(four.group, content)["key"]["id"] for kind, (content, _) in contents.items()}
    (text,) = [baileys.say(four.group, "pass it on")]
    sent["forward"] = baileys.send(four.group, {"forward": {"message": text}, "force": True})["key"]["id"]
    for home in (four.all["wa"], four.all["the other wa"]):
        for kind, message_id in sent.items():
            wait_for(lambda home=home, at=message_id: home.knows(four.group, at), what=kind)
        rows = {row["message_id"]: row for row in home.device.chat(four.group)}
        for kind, (_, message_type) in contents.items():
            assert (kind, rows[sent[kind]]["message_type"]) == (kind, message_type)
        assert rows[sent["once"]]["details"]["view_once"] is True
        assert rows[sent["forward"]]["details"]["forwarded"]
        assert rows[sent["mention"]]["details"]["mentions"] == [zoe.pn]


def test_votes_of_wa_polls_are_counted_alike_in_both_homes(four):
    ours, zoe = four.all["wa"].device, four.all["a phone"].person
    poll = ours.json("send", four.group, "--poll", "When?", "--option", "Sat", "--option", "Sun")[
        "message_id"
    ]
    for each in four.all.values():
        wait_for(lambda each=each: each.knows(four.group, poll), what="the poll")
    people = [each.person for each in four.all.values()]
    for person, choice in zip(people, ("Sat", "Sat", "Sun", "Sun"), strict=True):
        person.vote(four.group, poll, choice)
    people[0].vote(four.group, poll, "Sun")
    zoe.vote(four.group, poll)

    def count(home):
        found = home.device.json("poll", four.group, poll)["poll"]["options"]
        return {each["name"]: sorted(each["voters"]) for each in found}

    expected = {"Sat": [people[1].pn], "Sun": sorted([people[0].pn, people[2].pn])}
    for home in (four.all["wa"], four.all["the other wa"]):
        wait_for(lambda home=home: count(home) == expected, what=f"the votes: {count(home)}")


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


def members(home, group):
    """Return name and roles of a group as a home lists it, and whether it is in it; None if unknown."""
    found = [row for row in home.device.json("groups") if row["id"] == group]
    if not found:
        return None
    roles = {each["member_jid"].split("@")[0]: each["role"] for each in found[0]["members"]}
    return found[0]["name"], roles, found[0]["left_at"] is None


def known_alike(four, group, *homes):
    """Wait until homes know name, members and admins of a group as the server has them."""

    def expected():
        state = four.relay.group_state(group)
        return state["subject"], sorted(state["members"]), sorted(state["admins"])

    def known(home):
        name, roles, _ = members(home, group) or ("", {}, False)
        return name, sorted(roles), sorted(number for number, role in roles.items() if role != "member")

    for home in homes:
        wait_for(lambda home=home: known(home) == expected(), what=f"{expected()}, where it is {known(home)}")


@pytest.mark.parametrize("maker", ["wa", "Baileys", "a phone"])
def test_what_one_does_with_a_group_is_known_by_both_homes_and_the_server(four, maker):
    wa, other = four.all["wa"], four.all["the other wa"]
    reem, sara, adam, zoe = (each.person for each in four.all.values())
    one, omar = four.all[maker], four.relay.person("Omar")
    group = one.makes("Made", [each for each in (reem, sara, adam, zoe) if each is not one.person])
    known_alike(four, group, wa, other)
    one.renames(group, "Renamed")
    for how, who in (("add", omar), ("promote", sara), ("demote", sara), ("remove", omar), ("promote", sara)):
        one.changes(group, how, who)
        known_alike(four, group, wa, other)
    one.leaves(group)
    known_alike(four, group, other, *([wa] if maker != "wa" else []))
    assert one.person.number not in four.relay.group_state(group)["members"]
    if maker == "wa":
        assert not members(wa, group)[2]
    said = other.says(group, "you are gone")
    assert said not in [each["id"] for each in one.person.shown(group)]


def test_the_other_home_joins_by_the_link_of_the_first_and_a_renewed_one_ends_it(four):
    wa, other = four.all["wa"], four.all["the other wa"]
    adam = four.all["Baileys"].person
    group = wa.device.json("groups", "create", "By link", adam.number)["id"]
    link = wa.device.json("groups", "invite", group)["link"]
    assert four.all["Baileys"].baileys.call("groupGetInviteInfo", link.split("/")[-1])["subject"] == "By link"
    joined = other.device.json("groups", "join", link)
    assert (joined["id"], joined["name"]) == (group, "By link")
    known_alike(four, group, wa, other)
    other.device.ok("groups", "leave", group)
    known_alike(four, group, wa)
    newer = wa.device.json("groups", "invite", group, "--renew")["link"]
    done = other.device.run("groups", "join", link, "--json")
    assert (done.code, done.error["code"]) == (4, "not-found")
    other.device.ok("groups", "join", newer)
    known_alike(four, group, wa, other)


def test_who_is_blocked_is_heard_neither_here_nor_on_the_phone(four):
    wa, other = four.all["wa"], four.all["the other wa"]
    reem, sara = wa.person, other.person
    wa.device.ok("block", sara.number)
    assert reem.blocked() == [sara.number]
    unheard = other.says(reem.number, "unheard")
    wa.device.ok("unblock", sara.number)
    heard = other.says(reem.number, "heard")
    wait_for(lambda: wa.knows(sara.number, heard), what="the message after it")
    assert not wa.knows(sara.number, unheard)
    assert unheard not in [each["id"] for each in reem.shown(sara)]
    assert reem.blocked() == []
