"""wa forward, and wa poll."""

from __future__ import annotations

import json
import re

import pytest
from conftest import ADAM, REEM, REEM_JID, own
from for_each import for_each
from media_samples import picture

from wa.connection.context import system_now
from wa.record import write
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.loopback.server import Loopback

NADIA, EVE = "447700900456", "447700900457"
CHAT = "Walks"


@pytest.fixture
def hear(wa, store):
    """Let people say something, as lines of `wa loopback say`, and record it."""

    def say(*lines):
        before = store.value("SELECT coalesce(max(id), 0) FROM messages")
        assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
        own(system_now, lambda: store.value("SELECT max(id) FROM messages") == before + len(lines))

    return say


@pytest.fixture
def put(store):
    """Record a message of Reem; return its id."""

    def record(content, kind="text", details=None, **more):
        number = store.value("SELECT count(*) FROM messages")
        at = int(system_now().timestamp()) - 100 + number
        event = MessageReceived(REEM_JID, f"M{number}", REEM_JID, at, content, kind, details=details, **more)
        with store.write():
            write.record(store, event, "live", system_now())
        return f"M{number}"

    return record


def accepted(home):
    """Return what the server accepted: to whom, kind, text, details."""
    server = Loopback(home)
    try:
        return [
            (row["to_jid"].partition("@")[0], row["kind"], row["content"], json.loads(row["details"]))
            for row in server.delivered()
        ]
    finally:
        server.close()


# ── Forwarding ──────────────────────────────────────────────────────────────────────────────────────


def test_a_text_goes_to_several_people_each_once(wa, home, put):
    wa("contacts", "add", "Adam", ADAM)
    people = {"mentions": [f"{NADIA}@s.whatsapp.net"]}
    put(f"ask @{NADIA}", details={**people, "link": {"url": "x"}, "forwarded": 3})
    done = wa("forward", REEM, "last", "adam", EVE, ADAM)
    assert (done.code, done.out) == (0, f"sent to Adam\nsent to +{EVE}\n")
    details = {**people, "forwarded": 4}
    assert accepted(home) == [(who, "text", f"ask @{NADIA}", details) for who in (ADAM, EVE)]
    (row,) = wa("read", "adam", "--json").json
    assert (row["is_from_me"], row["details"], row["quoted_id"]) == (True, details, None)
    assert wa("read", "adam").out.endswith(": ask @Adam (forwarded)\n")
    rows = wa("schedule", "list", "--status", "all", "--json").json
    assert [row["details"] for row in rows] == [details, details]
    assert wa("schedule", "list", "--status", "all").out.count("[forwarded]") == 2


@for_each(
    ("content", "kind", "details", "text", "kept"),
    [
        ("Home\n51.5, -0.1", "location", {"live": True}, "Home\n51.5, -0.1",
         {"location": {"latitude": 51.5, "longitude": -0.1, "name": "Home"}}),
        ("Home\n51.5, -0.1", "location", {"location": {"latitude": 51.5, "longitude": -0.1}},
         "Home\n51.5, -0.1", {"location": {"latitude": 51.5, "longitude": -0.1}}),
        ("Lunch?\nPizza\nSoup", "poll", None, "Lunch?\nPizza\nSoup",
         {"poll": {"question": "Lunch?", "options": ["Pizza", "Soup"]}}),
        ("x", "poll", {"poll": {"question": "Lunch?", "options": ["Pizza", "Soup"], "choices": 1}},
         "Lunch?\nPizza\nSoup", {"poll": {"question": "Lunch?", "options": ["Pizza", "Soup"], "choices": 1}}),
    ],
)  # fmt: skip
def test_places_and_polls_are_forwarded_from_the_store(wa, home, put, content, kind, details, text, kept):
    put(content, kind, details)
    assert wa("forward", REEM, "last", ADAM).code == 0
    assert accepted(home)[-1] == (ADAM, kind, text, {**kept, "forwarded": 1})


def test_a_file_is_fetched_and_keeps_caption_name_and_type(wa, home, put):
    put("the cake", "image", {"mimetype": "image/jpeg", "part_of": "A", "width": 4}, raw=picture())
    put("plan.pdf", "document", {"file_name": "plan.pdf", "pages": 2}, raw=b"%PDF-1.4 plan")
    put("Nadia +44 7700 900456", "contact", {"cards": [{"name": "Nadia", "numbers": [NADIA]}]},
        raw=b"BEGIN:VCARD\nVERSION:3.0\nFN:Nadia\nEND:VCARD\n")  # fmt: skip
    put(None, "voice", {"seconds": 3}, raw=b"OggS")
    put("look", "document", {"file_name": "cake.jpg"}, raw=picture())
    expected = [
        ("image", "the cake", {"mimetype": "image/jpeg", "width": 4}),
        ("document", "", {"file_name": "plan.pdf", "pages": 2}),
        ("contact", "Nadia +44 7700 900456", {"cards": [{"name": "Nadia", "numbers": [NADIA]}]}),
        ("voice", "", {"seconds": 3}),
        ("document", "look", {"file_name": "cake.jpg"}),
    ]
    for number, (kind, text, details) in enumerate(expected):
        row = wa("forward", REEM, f"M{number}", ADAM, "--json").json
        assert accepted(home)[-1] == (ADAM, kind, text, {**details, "forwarded": 1})
        assert (row["media_type"], row["status"]) == (kind, "sent")
        assert (home.path / row["media_path"]).stat().st_size
        names = {"image": "image.jpg", "voice": "voice.ogg", "contact": "Nadia.vcf"}
        assert row["file_name"] == details.get("file_name", names.get(kind))
        message = wa("read", ADAM, "1", "--json").json[0]
        assert message["details"] == {**details, "forwarded": 1}
        assert message["media_path"] == row["media_path"]


def test_what_we_sent_ourselves_is_forwarded_without_a_connection_for_its_file(wa, home, tmp_path):
    (tmp_path / "cake.jpg").write_bytes(picture())
    sent = wa("send", REEM, "the cake", "--file", str(tmp_path / "cake.jpg"), "--json").json
    wa("loopback", "fault", "offline", "on")
    row = wa("forward", REEM, "last", ADAM, "--no-wait", "--json").json
    assert (row["status"], row["message"], row["media_path"]) == ("pending", "the cake", sent["media_path"])


@for_each(
    ("content", "kind", "more"),
    [
        ("", "text", {}),
        (None, "sticker", {"raw": b"PK\3\4"}),
        ("somewhere", "location", {}),
        ("Joined", "system", {}),
        (None, "other", {"raw": b"{}"}),
        ("A message to view once", "text", {"unavailable": "view_once"}),
        ("cake", "image", {"details": {"view_once": True}, "raw": b"x"}),
        ("Lunch?\nPizza: 2", "poll", {"details": {"results": []}}),
        ("no keys", "image", {}),
    ],
)
def test_what_cannot_be_forwarded_queues_nothing(wa, put, content, kind, more):
    message = put(content, kind, **more)
    error = wa("forward", REEM, message, ADAM, EVE, "--json").error
    assert error["code"] == {"sticker": "bad-data", "image": "not-found"}.get(kind, "wrong-state") or more
    assert wa("schedule", "list", "--status", "all", "--json").json == []


def test_a_tombstone_is_counted_and_not_forwarded(wa, store, put):
    put("gone")
    with store.write():
        found = store.row("SELECT * FROM messages")
        write.delete(store, found, system_now())
    assert wa("forward", REEM, "last", ADAM, "--json").error["code"] == "wrong-state"


@for_each(
    ("args", "code"),
    [
        (("M9", ADAM), "not-found"),
        (("last:9", ADAM), "not-found"),
        (("last", ADAM, "nobody"), "recipient-not-found"),
        (("last", ADAM, "status@broadcast"), "usage"),
        (("last", ADAM, EVE, "--key", "k"), "usage"),
        (("last",), "usage"),
    ],
)
def test_one_wrong_recipient_or_message_queues_nothing(wa, put, args, code):
    put("Hello")
    assert wa("forward", REEM, *args, "--json").error["code"] == code
    assert wa("schedule", "list", "--status", "all", "--json").json == []


def test_a_beginning_of_two_messages_is_ambiguous(wa, put):
    put("one")
    put("two")
    assert wa("forward", REEM, "M", ADAM, "--json").error["code"] == "ambiguous"


def test_one_who_is_not_on_whatsapp_does_not_keep_it_from_the_others(wa, home, put):
    put("Hello")
    wa("loopback", "fault", "not-on-whatsapp", ADAM)
    done = wa("forward", REEM, "last", ADAM, EVE)
    assert (done.code, done.out) == (4, f"sent to +{EVE}\n")
    assert f"error: to +{ADAM}: " in done.err
    assert [who for who, *_ in accepted(home)] == [EVE]


def test_a_key_forwards_once_and_a_draft_waits(wa, home, put):
    put("Hello")
    first, again = (wa("forward", REEM, "last", ADAM, "--key", "k", "--json").json for _ in range(2))
    assert first["id"] == again["id"]
    draft = wa("forward", REEM, "M0", EVE, "--draft", "--json").json
    edit = wa("schedule", "edit", draft["id"], "--text", "Bye", "--json")
    assert (draft["status"], edit.error["code"]) == ("draft", "wrong-state")
    wa("schedule", "approve", draft["id"])
    wa("run-scheduler", "--once")
    assert [who for who, *_ in accepted(home)] == [ADAM, EVE]


# ── Polls ───────────────────────────────────────────────────────────────────────────────────────────


def vote(poll, who, *options, at, **more):
    """Return the line of a vote, at a second."""
    now = int(system_now().timestamp())
    return {"from": who, "vote": poll, "options": options, "group": CHAT, "timestamp": now + at, **more}


def test_votes_of_three_one_changed_one_taken_back(wa, hear):
    wa("contacts", "add", "Adam", ADAM)
    hear({"from": REEM, "text": "Hello", "group": CHAT})
    given = ("--poll", "Lunch?", "--option", "Pizza", "--option", "Soup", "--multi", "2")
    poll = wa("send", CHAT, *given, "--json").json["message_id"]
    hear(
        vote(poll, REEM, "Pizza", at=0), vote(poll, ADAM, "Pizza", "Soup", at=1),
        vote(poll, EVE, "Soup", at=2), vote(poll, ADAM, "Soup", at=3), vote(poll, EVE, at=4),
        vote(poll, "me", "Salad", at=5),
    )  # fmt: skip
    row = wa("poll", CHAT, poll[:9], "--json").json
    assert [(each["name"], each["votes"]) for each in row["poll"]["options"]] == [("Pizza", 1), ("Soup", 1)]
    assert (row["poll"]["unknown_votes"], row["message_id"], row["reactions"]) == (1, poll, [])
    shown = wa("poll", CHAT, poll)
    assert shown.out.splitlines() == [
        "Lunch?", f"Pizza\t1\t33%\t+{REEM}", "Soup\t1\t33%\tAdam",
        "(an option that is not known here)\t1\t33%\tme",
    ]  # fmt: skip
    assert shown.err == "3 people have voted; one may choose 2 options\n"
    screen = wa("poll", CHAT, poll, terminal=(80, 24)).out
    assert ["Soup", "1", "33%", "███", "Adam"] in [line.split() for line in screen.splitlines()]
    assert all(len(line) <= 80 + 8 for line in screen.splitlines())


def test_what_a_poll_asks_cannot_write_on_the_terminal(wa, put):
    odd = "Lunch?\x1b]0;title\x07\u202e\nPizza\t9"
    about = {"poll": {"question": odd, "options": [odd, "Soup"]}}
    put(f"{odd}\n{odd}\nSoup", "poll", about)
    for terminal in (None, (80, 24)):
        shown = wa("poll", REEM, "last", terminal=terminal).out
        assert not set("\x1b\x07\u202e") & set(re.sub("\x1b\\[[0-9]*m", "", shown))
        assert "Lunch?]0;title Pizza 9" in shown


def test_a_poll_without_votes_and_what_is_no_poll(wa, put):
    put("Lunch?\nPizza\nSoup", "poll")
    done = wa("poll", REEM, "last")
    assert (done.out, done.err) == ("Lunch?\nPizza\t0\t0%\t\nSoup\t0\t0%\t\n", "nobody has voted\n")
    put("Lunch?\nPizza: 2", "poll", {"results": []})
    put("Hello")
    for message, said in (("last", "type text"), ("last:2", "result of a poll")):
        error = wa("poll", REEM, message, "--json").error
        assert (error["code"], said in error["message"]) == ("wrong-state", True)
    assert wa("poll", REEM, "M7", "--json").error["code"] == "not-found"
