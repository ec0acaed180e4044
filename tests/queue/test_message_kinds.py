"""Messages that are more than a text: polls, places, contacts, stickers, mentions, what is viewed once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import webp
from conftest import REEM, delivered, own
from for_each import for_each
from media_samples import picture
from PIL import Image

from wa.connection.context import system_now
from wa.media import stickers
from wa.people.recipients import Recipient
from wa.queue.kinds import made, mentions
from wa.whatsapp.loopback.server import Loopback

NADIA, NADIA_JID = "447700900456", "447700900456@s.whatsapp.net"
LUNCH = ("--poll", "Lunch?", "--option", "Pizza", "--option", " Soup ")
RED = Image.new("RGB", (320, 200), "red")
LUNCH_DETAILS = {"poll": {"question": "Lunch?", "options": ["Pizza", "Soup"], "choices": 1}}


@pytest.fixture
def nadia(wa):
    """A contact with two numbers, and more that is nobody's business."""
    wa("contacts", "add", "Nadia Sample", NADIA, "--notes", "owes me money", "--tag", "work")
    wa("contacts", "edit", "nadia", "--phone", "447700900457")
    return "Nadia Sample"


@pytest.fixture
def put(tmp_path):
    """Write a file; return its path."""

    def write(name, data):
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture
def hear(wa, store):
    """Let somebody say something, as lines of `wa loopback say`, and record it."""

    def say(*lines):
        before = store.value("SELECT coalesce(max(id), 0) FROM messages")
        text = "\n".join(json.dumps(line) for line in lines)
        assert wa("loopback", "say", "-", stdin=text).code == 0
        own(system_now, lambda: store.value("SELECT max(id) FROM messages") == before + len(lines))

    return say


def accepted(home):
    """Return what the server accepted, each with kind, text and details."""
    server = Loopback(home)
    try:
        return [
            (row["kind"], row["content"], json.loads(row["details"] or "null")) for row in server.delivered()
        ]
    finally:
        server.close()


def sent(wa, home, *args):
    """Send a message to Reem; return its row, its message, and what the server accepted."""
    row = wa("send", REEM, *args, "--json")
    assert row.code == 0, row
    (message,) = wa("read", REEM, "1", "--json").json
    assert message["message_id"] == row.json["message_id"]
    return row.json, message, accepted(home)[-1]


def refused(wa, home, code, *args):
    """Check that a message is refused with a code and that nothing is queued; return the error."""
    done = wa("send", REEM, *args, "--json")
    assert done.code == {"usage": 2, "bad-data": 8, "not-found": 4, "recipient-not-found": 4}[code], done
    assert done.error["code"] == code
    assert wa("schedule", "list", "--status", "all", "--json").json == []
    assert not list((home.path / "media").glob("outbox/*"))
    return done.error["message"]


# ── Polls ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_poll_is_a_row_and_a_message_with_its_secret(wa, home, store):
    row, message, there = sent(wa, home, *LUNCH)
    assert (row["media_type"], row["message"], row["details"]) == (
        "poll",
        "Lunch?\nPizza\nSoup",
        LUNCH_DETAILS,
    )
    assert there == ("poll", "Lunch?\nPizza\nSoup", LUNCH_DETAILS)
    assert (message["message_type"], message["details"]) == ("poll", LUNCH_DETAILS)
    assert [each["name"] for each in message["poll"]["options"]] == ["Pizza", "Soup"]
    kept = store.row("SELECT m.secret AS theirs, q.secret AS ours FROM messages m, scheduled_messages q")
    assert kept["theirs"] == kept["ours"]
    assert len(kept["theirs"]) == 32


def test_a_text_has_no_secret_of_its_own(wa, home, store):
    sent(wa, home, "Hello")
    assert store.value("SELECT secret FROM messages") is None


def test_several_choices_and_twelve_options(wa, home):
    options = [part for number in range(12) for part in ("--option", f"{number}")]
    row, _, _ = sent(wa, home, "--poll", "Which?", *options, "--multi", "12")
    assert row["details"]["poll"]["choices"] == 12


@for_each(
    ("args", "said"),
    [
        (("--poll", "Q", "--option", "A"), "has 1"),
        (("--poll", "Q"), "has 0"),
        (("--poll", "Q", *("--option", "A b"), *("--option", " A  b")), "twice"),
        (("--poll", "Q", *("--option", "A"), *("--option", "  ")), "empty"),
        (("--poll", " ", *("--option", "A"), *("--option", "B")), "empty"),
        (("--poll", "Q" * 256, *("--option", "A"), *("--option", "B")), "256 characters"),
        (("--poll", "Q", *("--option", "A" * 101), *("--option", "B")), "101 characters"),
        ((*LUNCH, "--multi", "3"), "3 of 2"),
        ((*LUNCH, "--multi", "0"), "0 of 2"),
        ((*LUNCH, "and a text"), "a text cannot go with --poll"),
        ((*LUNCH, "--location", "1,1"), "two messages"),
        ((*LUNCH, "--mention", REEM), "--mention cannot go"),
        ((*LUNCH, "--name", "T"), "belongs to --location"),
        (("--option", "A", "Hello"), "belongs to --poll"),
        (("--multi", "1", "Hello"), "belongs to --poll"),
        ((*(part for n in range(13) for part in ("--option", f"{n}")), "--poll", "Q"), "has 13"),
    ],
)
def test_a_poll_that_is_none_is_refused(wa, home, args, said):
    assert said in refused(wa, home, "usage", *args)


# ── Places ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_place_south_of_the_equator(wa, home):
    row, message, there = sent(wa, home, "--location", "-33.9,18.4", "--name", "Table  Mountain")
    where = {"location": {"latitude": -33.9, "longitude": 18.4, "name": "Table Mountain"}}
    assert there == ("location", "Table Mountain\n-33.9, 18.4", where)
    assert (row["details"], message["details"], message["message_type"]) == (where, where, "location")
    assert made.place_in(message["content"]) == where["location"]


@for_each("typed", ["91,0", "-90.1,0", "0,180.5", "0", "a,b", "nan,0", "1e9,0", "", "1,2,3", "٣,٤", "1 2"])
def test_no_place_on_the_globe(wa, home, typed):
    refused(wa, home, "usage", "--location", typed)


@for_each("name", ["", "  ", "n" * 1001])
def test_a_name_of_a_place_that_is_none(wa, home, name):
    refused(wa, home, "usage", "--location", "1,1", "--name", name)


@for_each("typed", ["90,180", "-90,-180", " 51.5 , -0.1 ", "0,0", "+1.5;2."])
def test_the_edges_of_the_globe(typed):
    assert made.place_in(made.location(typed, None).text)


# ── Contacts and stickers ───────────────────────────────────────────────────────────────────────────


def test_a_contact_goes_out_with_name_and_numbers_alone(wa, home, nadia):
    row, message, there = sent(wa, home, "--contact", "nadia")
    text = "Nadia Sample +44 7700 900457, +44 7700 900456"
    details = {"cards": [{"name": nadia, "numbers": ["447700900457", NADIA]}]}
    assert there == ("contact", text, details)
    assert (message["content"], message["details"], row["file_name"]) == (text, details, "Nadia Sample.vcf")
    card = (home.path / row["media_path"]).read_text()
    assert card.startswith("BEGIN:VCARD\nVERSION:3.0\nFN:Nadia Sample\n")
    assert ";waid=447700900457:+447700900457\n" in card
    assert "money" not in card
    assert "work" not in card
    (fetched,) = wa("download", REEM, "contact", "--json").json
    assert fetched["path"].endswith(".vcf")


def test_several_contacts_are_one_message(wa, home, nadia):
    wa("contacts", "add", "Adam", "447700900789")
    row, _, (_, text, details) = sent(
        wa, home, "--contact", "adam", "--contact", "nadia", "--contact", "Adam"
    )
    assert [each["name"] for each in details["cards"]] == ["Adam", nadia]
    assert (len(text.splitlines()), row["file_name"]) == (2, "2 contacts.vcf")


def test_a_contact_that_is_none_or_has_no_number(wa, home):
    wa("contacts", "add", "Zoe")
    refused(wa, home, "not-found", "--contact", "nobody")
    assert "Zoe" in refused(wa, home, "usage", "--contact", "zoe")


@for_each(("data", "is_animated"), [(webp.lossless(), False), (webp.lossy(), False), (webp.moving(), True)])
def test_a_sticker(wa, home, put, data, is_animated):
    path = put("cat.png", data)
    row, message, there = sent(wa, home, "--sticker", path)
    assert there == ("sticker", "", None)
    assert (row["media_type"], message["message_type"], message["content"]) == ("sticker", "sticker", None)
    kept = home.path / message["media_path"]
    assert kept.read_bytes() == data
    about = stickers.look_at(kept)
    assert (about.width, about.height, about.is_animated) == (512, 512, is_animated)


@for_each(
    "data",
    [picture(), b"", b"RIFF", b"words", webp.lossy()[:11], webp.moving() + b"\0" * stickers.MOST_BYTES],
)
def test_a_sticker_that_is_no_webp_or_is_too_large(wa, home, put, data):
    refused(wa, home, "bad-data", "--sticker", put("cat.webp", data))


@for_each(
    "data", [webp.lossy()[:12], webp.lossy()[:23], webp.lossy(0, 0), b"RIFF\0\0\0\0WEBPVP9 " + bytes(20)]
)
def test_a_sticker_with_a_damaged_header_says_no_size(put, data):
    about = stickers.look_at(Path(put("cat.webp", data)))
    assert (about.width, about.height, about.is_animated) == (None, None, False)


@for_each("options", [{}, {"mode": "RGBA"}, {"lossless": True}, {"save_all": True, "append_images": [RED]}])
def test_the_size_of_a_sticker_is_the_one_that_pillow_reads(put, options):
    path = Path(put("cat.webp", picture("WEBP", **options)))
    about = stickers.look_at(path)
    with Image.open(path) as read:
        expected = (*read.size, getattr(read, "is_animated", False))
    assert (about.width, about.height, about.is_animated) == expected


def test_a_sticker_that_is_not_there(wa, home):
    refused(wa, home, "not-found", "--sticker", "nowhere.webp")


# ── Mentions, and what is viewed once ───────────────────────────────────────────────────────────────


def test_a_mention_takes_its_place_or_stands_at_the_end_and_is_read_by_name(wa, home, nadia):
    row, message, there = sent(wa, home, "ask @nadia!", "--mention", "nadia", "--mention", "447700900999")
    text = "ask @447700900457! @447700900999"
    details = {"mentions": ["447700900457@s.whatsapp.net", "447700900999@s.whatsapp.net"]}
    assert there == ("text", text, details)
    assert (row["message"], row["details"], message["details"]) == (text, details, details)
    assert "ask @Nadia Sample! @+447700900999" in wa("read", REEM).out


@for_each(
    ("text", "expected"),
    [
        ("@Ann and @Anna", "@1 and @2"),
        ("@Annabel", "@Annabel @1 @2"),
        ("mail ann@Anna.example", "mail ann@Anna.example @1 @2"),
        ("(@ANN) and @anna, @annı", "(@1) and @2, @annı"),
        ("@Anna @Anna", "@2 @2 @1"),
        ("", "@1 @2"),
    ],
)
def test_where_a_mention_goes(text, expected):
    people = {"Ann": Recipient("1@s.whatsapp.net", "1", None), "Anna": Recipient("2@lid", None, None)}
    said, jids = mentions.put(text, people)
    assert (said, jids) == (expected, ["1@s.whatsapp.net", "2@lid"])


def test_a_group_is_not_mentioned(wa, home, hear):
    hear({"from": REEM, "text": "Hello", "group": "Walks"})
    assert "people" in refused(wa, home, "usage", "Hi", "--mention", "Walks")


def test_a_picture_is_viewed_once_with_its_caption_and_mention(wa, home, put):
    cake = put("cake.jpg", picture())
    row, message, there = sent(
        wa, home, "look @447700900456", "--file", cake, "--view-once", "--mention", NADIA
    )
    details = {"mentions": [NADIA_JID], "view_once": True}
    assert there == ("image", "look @447700900456", details)
    assert message["details"] == details
    assert "[image view once] cake" not in wa("read", REEM).out
    assert "[image] view once · look" in wa("read", REEM).out
    assert "[view once image cake.jpg]" in wa("schedule", "list", "--status", "all").out
    assert row["details"] == details


def test_what_cannot_be_viewed_once(wa, home, put):
    assert "--file" in (wa("send", REEM, "Hi", "--view-once").err)
    notes = put("notes.txt", b"eggs")
    assert "document" in refused(wa, home, "usage", "--file", notes, "--view-once")
    refused(wa, home, "usage", "--file", put("cake.jpg", picture()), "--file", notes, "--view-once")
    refused(wa, home, "usage", "--sticker", put("cat.webp", webp.lossy()), "--view-once")


# ── All of them as rows of the queue ────────────────────────────────────────────────────────────────


def test_a_key_names_one_message_of_any_kind(wa, home, put, nadia):
    cat = put("cat.webp", webp.lossy())
    for key, args, others in (
        ("a", LUNCH, [(*LUNCH, "--multi", "2"), ("Lunch?\nPizza\nSoup",)]),
        ("b", ("--location", "1,2"), [("--location", "2,1"), ("1.0, 2.0",)]),
        ("c", ("--sticker", cat), [("--file", cat), ("--sticker", put("dog.webp", webp.moving()))]),
        ("d", ("Hi", "--file", cat), [("Hi", "--file", cat, "--view-once"), ("Hi",)]),
        ("e", ("--contact", "nadia"), [("Nadia Sample",)]),
        ("f", ("Hi @x", "--mention", REEM), [(f"Hi @x @{REEM}",)]),
    ):
        first = wa("send", REEM, *args, "--key", key, "--json")
        again = wa("send", REEM, *args, "--key", key, "--json")
        assert (first.code, again.code, again.json["id"]) == (0, 0, first.json["id"]), again
        for other in others:
            assert wa("send", REEM, *other, "--key", key, "--json").error["code"] == "usage", (key, other)
    assert len(delivered(home)) == 6


def test_drafts_previews_replies_and_what_is_only_queued(wa, home, hear):
    hear({"from": REEM, "text": "When?", "id": "A1"})
    shown = wa("send", REEM, *LUNCH, "--dry-run")
    assert shown.out.splitlines()[1:] == ["[poll] Lunch?", "Pizza", "Soup"]
    row = wa("send", REEM, *LUNCH, "--dry-run", "--json").json
    assert (row["media_type"], row["details"]) == ("poll", LUNCH_DETAILS)
    assert wa("schedule", "list", "--status", "all", "--json").json == []
    queued = wa("send", REEM, "--location", "1,2", "--no-wait", "--json").json
    draft = wa("send", REEM, *LUNCH, "--draft", "--reply-to", "A1", "--json").json
    assert (queued["status"], draft["status"], draft["quoted_id"]) == ("pending", "draft", "A1")
    assert "[poll]  Lunch? Pizza Soup" in wa("schedule", "list").out
    assert '"choices": 1' in wa("schedule", "show", draft["id"]).out
    for row in (queued, draft):
        assert wa("schedule", "edit", row["id"], "--text", "x", "--json").error["code"] == "wrong-state"
        assert wa("schedule", "edit", row["id"], "--to", NADIA).code == 0
    held = wa("schedule", "hold", queued["id"], "--json").json
    assert held["details"] == {"location": {"latitude": 1.0, "longitude": 2.0}}
    wa("schedule", "unhold", queued["id"])
    assert wa("schedule", "approve", draft["id"]).code == 0
    assert wa("run-scheduler", "--once").code == 0
    assert [(kind, about) for kind, _, about in accepted(home)] == [
        ("location", held["details"]), ("poll", LUNCH_DETAILS)
    ]  # fmt: skip


def test_another_text_mentions_only_whom_it_names(wa, home):
    row = wa("send", REEM, "Hi", "--mention", NADIA, "--mention", REEM, "--no-wait", "--json").json
    changed = wa("schedule", "edit", row["id"], "--text", f"Bye @{NADIA}", "--json").json
    assert changed["details"] == {"mentions": [NADIA_JID]}
    changed = wa("schedule", "edit", row["id"], "--text", f"Bye @{NADIA}1", "--json").json
    assert changed["details"] is None


def test_a_retry_after_a_failure_sends_the_poll_as_it_was(wa, home):
    wa("loopback", "fault", "refuse", "463")
    assert wa("send", REEM, *LUNCH, "--json").error["code"] == "send-failed"
    wa("loopback", "reset")
    (row,) = wa("schedule", "list", "--status", "failed", "--json").json
    assert wa("schedule", "retry", row["id"]).code == 0
    assert accepted(home) == [("poll", "Lunch?\nPizza\nSoup", LUNCH_DETAILS)]


def test_tags_and_templates_go_with_texts_alone(wa, home, nadia):
    assert "--tag sends texts" in wa("send", "--tag", "work", *LUNCH).err
    wa("template", "add", "hi", "Hi {first}")
    assert "a text cannot go" in refused(wa, home, "usage", *LUNCH, "--template", "hi")
    row, _, _ = sent(wa, home, "--template", "hi", "--set", "first=Al", "--mention", NADIA)
    assert row["message"] == f"Hi Al @{NADIA}"
