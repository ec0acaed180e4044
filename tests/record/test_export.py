"""Exports: what comes back from them is the same, nothing in them is harmful, nothing is half-written."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import zipfile
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, WA, FakeClock, wait_for
from query_plans import plans
from web_chromium import chromium

from wa.connection import apply
from wa.imports.export_chat.reader import read
from wa.imports.export_chat.survey import Survey
from wa.record import polls, write
from wa.record.export import forms, page
from wa.record.export.job import Job
from wa.store.condition import check
from wa.store.files import part_path
from wa.store.open import open_store
from wa.store.paths import Home
from wa.texts import clean
from wa.times import load_zone
from wa.whatsapp.events import Deleted, Edited, GroupInfo, MessageReceived, Named, Reacted, ReceiptReceived

NOW = FakeClock()()
AT = 1_795_000_000
ISO = "2026-11-20T12:00:00.000Z"
GROUP = "1203630000000000001@g.us"
ME = "447700900999@s.whatsapp.net"
SARA = "447700900777@s.whatsapp.net"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HARMFUL = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\ttab", "\rreturn",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "\x1b[31mred\x1b[0m",
    "see https://example.com/?a=1&b=\"2\" and http://example.org/x.", "</article></main><style>*{}</style>",
]  # fmt: skip
TYPED = [
    "Hello", "two\nlines", "  indented", "ends with a line\n", "image omitted", "This message was deleted",
    "<Media omitted>", "\u200eNadia joined", "a <attached: x.jpg>", "it: has: colons",
    "forged\n[2026-11-20, 12:00:00] Adam: I owe you 100\nlast", "\u034fwith a mark\n\u034fof ours\u034f",
    "[2026-11-20, 12:00:00] Adam: at once", "Location: https://maps.google.com/?q=51.5,-0.1", "🎂 مرحبا 你好",
    "he said <This message was edited>", "20/11/2026, 12:00 - Adam: from Android",
]  # fmt: skip


@pytest.fixture
def put(store):
    """Record events."""

    def record(*events):
        with store.write():
            for event in events:
                apply.apply_event(store, event, NOW)

    return record


@pytest.fixture
def lived_in(store, put, home):
    """A home with messages of every kind."""
    with store.write():
        store.insert("device", {"id": 1, "jid": ME, "push_name": "Lea"})
    put(
        Named(REEM_JID, "Reem: sister"),
        Named(ADAM_JID, 'Adam "the one'),
        Named(SARA, "Reem: sister"),
        Named(ME, "Lea"),
        GroupInfo(GROUP, "Walks", ((ME, "admin"), (REEM_JID, "member"), (ADAM_JID, "member"))),
    )
    put(*(
        MessageReceived(REEM_JID, f"T{number}", REEM_JID, AT + number, text)
        for number, text in enumerate([*HARMFUL, *TYPED])
    ))  # fmt: skip
    put(
        MessageReceived(REEM_JID, "M1", ME, AT + 100, "Mine", is_from_me=True, quoted_id="T0"),
        MessageReceived(REEM_JID, "E1", REEM_JID, AT + 101, "Before"),
        Edited(REEM_JID, "E1", "After\nall", AT + 102),
        MessageReceived(REEM_JID, "D1", REEM_JID, AT + 103, "Gone"),
        Deleted(REEM_JID, "D1", AT + 104),
        MessageReceived(REEM_JID, "I1", REEM_JID, AT + 105, "Look\nhere", "image", details={"size": 44}),
        MessageReceived(REEM_JID, "V1", ME, AT + 106, None, "voice", is_from_me=True, details={"seconds": 7}),
        MessageReceived(REEM_JID, "L1", REEM_JID, AT + 107, "Park\n51.5, -0.1", "location"),
        MessageReceived(REEM_JID, "C1", REEM_JID, AT + 108, "Missed voice call", "system",
                        details={"call": {"outcome": "missed", "video": False}}),
        Reacted(REEM_JID, "M1", REEM_JID, "❤️", AT + 109),
        MessageReceived(GROUP, "G1", ME, AT + 110, "All?", is_from_me=True),
        ReceiptReceived(GROUP, ("G1",), REEM_JID, "read", AT + 111),
        MessageReceived(GROUP, "G2", ADAM_JID, AT + 112, f"Yes @{REEM}", details={"mentions": [REEM_JID]}),
        MessageReceived(GROUP, "P1", ADAM_JID, AT + 113, "When?\nSat\nSun", "poll",
                        details={"poll": {"question": "When?", "options": ["Sat", "Sun"]}}),
        MessageReceived(GROUP, "G3", SARA, AT + 114, "Same name", details=None),
        MessageReceived(GROUP, "G4", REEM_JID, AT + 115, "Other person"),
    )  # fmt: skip
    with store.write():
        for number, (voter, chosen) in enumerate([(SARA, ["Sat"]), (REEM_JID, ["Sun", "Sat"]), (ME, ["?"])]):
            vote = {"chat_jid": GROUP, "poll_id": "P1", "voter": voter}
            polls.vote(store, vote, [polls.digest(each) for each in chosen], AT * 1000 + number)
        home.media.mkdir()
        (home.media / "evil.html").write_bytes(b"<script>alert(1)</script>")
        (home.media / "look.png").write_bytes(PNG)
        for message_id, name in (("I1", "look.png"), ("V1", "evil.html")):
            number = store.value("SELECT id FROM messages WHERE message_id = ?", [message_id])
            write.attach_files(store, [(number, f"media/{name}", None)])
    return store


@pytest.fixture
def another(tmp_path, monkeypatch):
    """Go on in another, empty home; return it."""

    def go():
        made = Home(tmp_path / "another")
        made.prepare()
        open_store(made).close()
        monkeypatch.setenv("WA_HOME", str(made.path))
        return made

    return go


def texts(out):
    """Return (id, text) of the messages of the lines of an export."""
    return [(row["message_id"], row["content"]) for row in map(json.loads, out.splitlines())]


# ── jsonl ───────────────────────────────────────────────────────────────────────────────────────────


def test_lines_are_what_read_prints_and_come_back_as_the_same(wa, lived_in, another):
    whole = Path("all.jsonl")
    assert wa("export", "--all", "--out", str(whole), "--media").code == 0
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    assert [each for each in lines if each["chat_jid"] == REEM_JID] == wa("read", REEM, "--json").json
    group = wa("read", GROUP, "--json").json
    assert [each for each in lines if each["chat_jid"] == GROUP] == group
    assert group[0]["receipts"] == {"delivered": 1, "read": 1, "members": 2}
    assert group[2]["poll"]["unknown_votes"] == 1
    unread = wa("unread", "--json").json
    lived_in.close()

    home = another()
    report = wa("history", "import", str(whole), "--json").json
    assert (report["read"], report["added"], report["media"]) == (len(lines), len(lines), {"taken": 2})
    assert wa("export", "--all", "--out", "again.jsonl").code == 0
    assert Path("again.jsonl").read_text() == whole.read_text()
    assert (home.media / "look.png").read_bytes() == PNG
    names = ("id", "name", "unread_count", "last_message_time")
    assert [[each[name] for name in names] for each in wa("unread", "--json").json] == [
        [each[name] for name in names] for each in unread
    ]
    assert wa("search", "owe you", "--json").json[0]["message_id"] == "T22"
    again = wa("history", "import", str(whole), "--json").json
    assert (again["added"], again["already_there"], again["skipped"]) == (0, len(lines), 0)
    assert wa("export", "--all").out == whole.read_text()
    store = open_store(home)
    assert check(store) == []
    store.close()


def test_in_a_home_that_has_listened_imported_messages_are_no_news(wa, lived_in, another):
    wa("export", REEM, "--out", "reem.jsonl")
    lived_in.close()
    store = open_store(another())
    with store.write():
        apply.apply_event(store, MessageReceived(ADAM_JID, "X", ADAM_JID, AT, "Here first"), NOW)
    newest = store.value("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
    assert newest
    assert wa("history", "import", "reem.jsonl").code == 0
    assert store.value("SELECT count(*) FROM messages WHERE source = 'live'") == 1
    assert store.value("SELECT seq FROM sqlite_sequence WHERE name = 'events'") == newest
    store.close()


def test_a_message_from_an_older_import_is_the_same_message(wa, store, another):
    text = "[2026-11-20, 12:00:00] Reem: Hello\n[2026-11-20, 12:00:01] Reem: Hello\n"
    Path("chat.txt").write_text(text)
    assert wa("history", "import", "chat.txt", "--chat", REEM, "--me", "-").code == 0
    wa("export", REEM, "--out", "made-up.jsonl")
    rows = [json.loads(line) for line in Path("made-up.jsonl").read_text().splitlines()]
    real = [{**row, "message_id": f"3A{number}"} for number, row in enumerate(rows)]
    Path("real.jsonl").write_text("".join(json.dumps(row) + "\n" for row in real))
    assert wa("history", "import", "real.jsonl", "--json").json["added"] == 0
    assert texts(wa("export", REEM).out) == [("3A0", "Hello"), ("3A1", "Hello")]
    assert wa("history", "import", "made-up.jsonl", "--json").json["added"] == 0


NESTED = json.loads("[" * 500 + "]" * 500)
BAD = {
    "message_type": ["reaction", "?", None, 1], "timestamp": [-1, 1e300, "1", True, None, 10**30],
    "message_id": ["", None, 5, "x" * 1000], "chat_jid": ["", "nobody", None, "a b@c", "a\n@c"],
    "sender": [None, "", "\ud800"], "content": [5, ["x"], "\ud800", "a\0b"], "is_from_me": [None, "no", 2],
    "status": ["weird"], "edited_at": ["yesterday", 5], "created_at": [None, "x"],
    "id": [0.5, None, -1, 2**63],
    "details": [[], {"seconds": "7"}, {"mentions": "all"}, {"call": 1}, {"cards": [1]}, {"size": {}},
                {"file_name": 5}, {"poll": {}}, {"x": float("nan")}, {"x": NESTED}, {"x": "\ud800"},
                {"starts_at": "soon"}, {"counted": {"read": 5}}],
    "media_path": ["/etc/passwd", "../x", "media/../session.db", "session.db", "media", 5, "media/a\0b"],
    "reactions": [5, [{}], [{"sender": 1, "emoji": "x", "timestamp": 1}]],
    "poll": [{"options": [{}]}, {"options": [], "unknown_votes": -1}], "source": ["mine", None],
    "unavailable": [5, "<b>"], "receipts": [5, {}, {"delivered": "x", "read": 1, "members": 1}],
}  # fmt: skip


def test_lines_that_are_no_messages_are_skipped_and_the_others_taken(wa, store, put):
    put(MessageReceived(REEM_JID, "A", REEM_JID, AT, "Hello"))
    good = json.loads(wa("export", REEM).out)
    bad = [{**good, name: value, "n": n} for name, values in BAD.items() for n, value in enumerate(values)]
    lines = [json.dumps(each).encode() for each in bad]
    lines += [b"{", b"[]", b"\xff\xfe", b"5", b'{"event": "edited", "message_id": "A"}', b"[" * 100_000, b""]
    lines += [json.dumps({**good, "message_id": "B"}).encode(), json.dumps(good).encode()[:-9]]
    Path("bad.jsonl").write_bytes(b"{}\n" + b"\n".join(lines))
    result = wa("history", "import", "bad.jsonl", "--json")
    assert result.code == 8
    assert (result.json["read"], result.json["added"], result.json["skipped"]) == (1, 1, len(lines) - 1)
    assert texts(wa("export", REEM).out) == [("A", "Hello"), ("B", "Hello")]
    assert wa("history", "import", "bad.jsonl", "--chat", REEM).code == 2
    assert wa("history", "import", "bad.jsonl", "--dry-run", "--json").json["added"] == 0


# ── txt ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_is_read_back_by_the_import(wa, lived_in, another):
    name = "WhatsApp Chat with Reem_ sister.txt"
    assert wa("export", REEM, "--format", "txt", "--out", name).code == 0
    before = wa("read", REEM, "--json").json
    here = wa("history", "import", name, "--chat", REEM, "--json").json
    assert (here["added"], here["already_there"], here["skipped"]) == (0, len(before), 0)
    lived_in.close()
    another()
    report = wa("history", "import", name, "--chat", REEM, "--json").json
    assert (report["read"], report["skipped"]) == (len(before), 0)
    after = wa("read", REEM, "--json").json
    clean = {"\rreturn": "return", "\x1b[31mred\x1b[0m": "[31mred[0m"}
    names = ("timestamp", "is_from_me", "message_type", "content")
    shown = [[each[name] for name in names] for each in before]
    for row in shown:
        row[3] = clean.get(row[3], row[3])
    assert [[each[name] for name in names] for each in after] == shown
    assert [bool(each["deleted_at"]) for each in after] == [bool(each["deleted_at"]) for each in before]
    assert [bool(each["edited_at"]) for each in after] == [bool(each["edited_at"]) for each in before]


WORDS = [
    "Hello", "\n", " ", "\u200e", "\u034f", "[2026-11-20, 12:00:00] A: x", "image omitted", "<Media omitted>",
    "This message was deleted.", "<This message was edited>", "<attached: a.jpg>", ": ",
    "a.jpg (file attached)", "POLL:", "OPTION: x (2 votes)", "20/11/2026, 12:00 - B: y",
    "\t", "مرحبا", "“", "\u200f", "\u2028", "•", "🎂",
]  # fmt: skip
NAMES = [
    "Nadia", ": ", ":", '"', "“", "~", " ", "\u200e", "[2026-11-20, 12:00:00]", "A", " - ", "very long " * 12,
]  # fmt: skip


def test_whatever_is_typed_and_whoever_types_it_is_read_back(wa, store, put):
    chance = random.Random(17)  # noqa: S311
    people = [f"4477009{number:05}@s.whatsapp.net" for number in range(60)]
    put(*(Named(jid, "".join(chance.choices(NAMES, k=chance.randint(1, 4)))) for jid in people))
    typed = []
    for number in range(1500):
        text = "".join(chance.choices(WORDS, k=chance.randint(1, 6)))
        kind = chance.choice(["text", "text", "image", "voice", "document", "other", "location"])
        jid, message_id = chance.choice(people), f"{number}"
        put(MessageReceived(GROUP, message_id, jid, AT + number, text, kind))
        edited = chance.random() < 0.2
        if edited:
            put(Edited(GROUP, message_id, text, AT + number))
        typed.append((jid, kind, clean(text), edited))
    lines = [f"{line}\n" for line in wa("export", GROUP, "--format", "txt").out.split("\n")[:-1]]
    found = list(read(lines, Survey(lines, "x", date(2026, 11, 23)).form(None)))
    assert len(found) == len(typed)
    names = {}
    for each, (jid, kind, text, edited) in zip(found, typed, strict=True):
        assert (each.content.kind, each.content.text, each.content.is_edited) == (kind, text, edited)
        assert names.setdefault(each.sender, jid) == jid
    assert len(names) == len({jid for jid, *_ in typed})


def test_a_group_with_its_files_is_a_zip_in_which_each_sender_is_another(wa, lived_in, another):
    assert wa("export", GROUP, "--out", "WhatsApp Chat - Walks.zip", "--media").code == 0
    assert wa("export", REEM, "--out", "WhatsApp Chat - Reem.zip", "--media").code == 0
    names = zipfile.ZipFile("WhatsApp Chat - Reem.zip").namelist()
    assert names[0] == "WhatsApp Chat with Reem_ sister.txt"
    assert [re.sub("[0-9]+", "", each) for each in names[1:]] == ["-image.png", "PTT--voice.bin"]
    lived_in.close()
    home = another()
    taken = wa("history", "import", "WhatsApp Chat - Reem.zip", "--chat", REEM, "--json").json
    assert taken["media"] == {"taken": 2, "missing": 0, "omitted": 0}
    kept = {each.read_bytes() for each in (home.media / "import").iterdir()}
    assert kept == {PNG, b"<script>alert(1)</script>"}
    result = wa(
        "history", "import", "WhatsApp Chat - Walks.zip", "--chat", GROUP, "--me", "Lea", "--json"
    ).json
    assert {each["name"]: each["messages"] for each in result["participants"]} == {
        "Lea": 1, "Adam the one": 2, "Reem: sister": 1, f"+{REEM}": 1,
    }  # fmt: skip
    assert result["skipped"] == 0
    assert wa("export", "--all", "--format", "txt").code == 2
    assert wa("export", "--all", "--out", "each.zip").code == 0
    assert len(zipfile.ZipFile("each.zip").namelist()) == 2


# ── csv and html ────────────────────────────────────────────────────────────────────────────────────


def test_no_cell_of_a_table_is_a_formula(wa, lived_in):
    out = wa("export", "--all", "--format", "csv", WA_TZ="Asia/Tokyo").out
    rows = {row["message_id"]: row for row in csv.DictReader(io.StringIO(out, newline=""))}
    for number, text in enumerate(HARMFUL[:4]):
        assert rows[f"T{number}"]["content"] == f"'{text}"
    assert rows["T4"]["content"] == "'\ttab"
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows.values() for cell in row.values()
    )
    assert "\x1b" not in out
    assert rows["T14"]["content"] == "  indented"
    assert datetime.fromisoformat(rows["T0"]["at"]).timestamp() == AT
    assert rows["T0"]["at"].endswith("+09:00")


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_page_has_no_markup_but_ours(wa, lived_in):
    assert wa("export", "--all", "--out", "all.html", "--media").code == 0
    text = Path("all.html").read_text()
    found = Elements(text).found
    tags = [tag for tag, _ in found]
    assert tags.count("script") == tags.count("style") == tags.count("main") == 1
    assert not [name for _, given in found for name in given if name.startswith("on") or name == "style"]
    links = [given["href"] for tag, given in found if tag == "a"]
    assert links[:2] == ['https://example.com/?a=1&b="2"'.partition('"')[0], "http://example.org/x"]
    sources = [given["src"] for tag, given in found if "src" in given]
    assert [re.sub("[0-9]+", "", each) for each in sources] == ["./all-media/-image.png"]
    assert re.sub("[0-9]+", "", links[-1]) == "./all-media/-voice.bin"
    assert Path(sources[0]).read_bytes() == PNG
    assert {oct(each.stat().st_mode)[-3:] for each in Path("all-media").iterdir()} == {"600"}
    policy = next(given["content"] for tag, given in found if given.get("http-equiv"))
    assert policy == page.POLICY
    assert policy.startswith("default-src 'none'; img-src 'self' data:; media-src 'self'")
    assert "unsafe" not in policy
    assert '<blockquote dir="auto">=1+1</blockquote>' in text


def test_a_browser_shows_the_page_and_asks_nobody_for_anything(wa, lived_in):
    wa("export", "--all", "--out", "all.html", "--media")
    said, asked = [], []
    with chromium() as browser:
        for scheme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)")):
            context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
            context.on("console", lambda message: said.append(message.text))
            context.on("weberror", lambda error: said.append(str(error.error)))
            context.on("dialog", lambda dialog: said.append(dialog.message))
            context.on("request", lambda request: asked.append(request.url))
            opened = context.new_page()
            opened.goto(Path("all.html").resolve().as_uri())
            opened.get_by_text("<script>alert(1)</script>", exact=True).wait_for()
            assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == ground
            assert opened.evaluate("document.documentElement.scrollWidth") <= 390
            picture = opened.locator("img")
            picture.scroll_into_view_if_needed()
            wait_for(lambda opened=opened: opened.evaluate("document.querySelector('img').naturalWidth"))
            assert opened.locator("article:visible").count() == opened.locator("article").count() > 40
            opened.get_by_label("Search").fill("OWE you")
            opened.get_by_text("1 of ").wait_for()
            assert opened.locator("article:visible p").all_inner_texts() == [TYPED[10]]
            assert opened.locator("h2:visible").count() == 1
            context.close()
    assert said == []
    assert {url.partition(":")[0] for url in asked} == {"file"}


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_overwritten_without_force(wa, lived_in):
    for name in ("x.jsonl", "x.csv", "x.html", "x.txt", "x.zip"):
        Path(name).write_text("kept")
        assert wa("export", REEM, "--out", name).code == 2
        assert Path(name).read_text() == "kept"
        assert wa("export", REEM, "--out", name, "--force").code == 0
        assert Path(name).read_bytes() != b"kept"
    Path("y-media").mkdir()
    Path("y-media/mine").write_text("kept")
    assert wa("export", REEM, "--out", "y.html", "--media").code == 2
    assert not Path("y.html").exists()
    assert wa("export", REEM, "--out", "y.html", "--media", "--force").code == 0
    assert len(list(Path("y-media").iterdir())) == 2
    assert [each.name for each in Path().iterdir() if each.name.startswith(".")] == []
    assert wa("export", REEM, "--out", "/dev/null").code == 0  # a device is not replaced


@pytest.mark.soak
def test_a_million_messages_take_little_memory(tmp_path):
    home = Home(tmp_path / "large")
    home.prepare()
    store = open_store(home)
    with store.write(durable=False):
        store.execute(
            "INSERT INTO chats (id, name, created_at, updated_at) VALUES (?1, 'Reem', ?2, ?2)",
            [REEM_JID, ISO],
        )
        store.execute(
            "INSERT INTO messages (chat_jid, message_id, sender, content, timestamp, status, created_at)"
            " WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 999999)"
            " SELECT ?1, '3EB0' || i, ?1, 'Message ' || i || ' of somebody', ?2 + i, 'read', ?3 FROM c",
            [REEM_JID, AT - 10**7, ISO],
        )
    store.close()
    env = {**os.environ, "WA_HOME": str(home.path)}
    for name in ("x.jsonl", "x.csv", "x.html", "x.txt"):
        assert peak(["export", "--all" if name != "x.txt" else REEM, "--out", name], env) < 120
        assert Path(name).read_bytes().count(b"Message ") >= 10**6
    assert peak(["history", "import", "x.jsonl"], {**env, "WA_HOME": str(tmp_path / "again")}) < 120


def peak(args, env):
    """Run `wa` to its end; return its highest memory in megabytes. A small process starts it."""
    code = "import os, subprocess, sys; process = subprocess.Popen(sys.argv[1:]);"
    code += (
        "_, status, used = os.wait4(process.pid, 0); print(os.waitstatus_to_exitcode(status), used.ru_maxrss)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, WA, *args], capture_output=True, text=True, check=True, env=env
    )
    status, kilobytes = run.stdout.split()[-2:]
    assert status == "0", run
    return int(kilobytes) / 1024


@pytest.mark.parametrize("name", ["x.jsonl", "x.zip", "x.html"])
def test_a_full_disk_leaves_nothing_half_written(spawn, lived_in, name):
    lived_in.close()
    limited = ["/bin/sh", "-c", 'ulimit -f 1; exec "$0" "$@"', WA]
    result = spawn(
        "export", REEM, "--out", name, "--media", "--json", program=limited, PYTHONDONTWRITEBYTECODE="1"
    ).finish()
    assert (result.code, result.error["code"]) == (7, "storage-error"), result.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_end_half_way_leaves_nothing_under_the_final_name(spawn, lived_in, number):
    with lived_in.write():
        lived_in.execute(
            "INSERT INTO messages (chat_jid, message_id, sender, content, timestamp, status, created_at)"
            " WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 9999)"
            " SELECT ?1, 'K' || i, ?1, 'Message', ?2 + i, 'read', ?3 FROM c",
            [REEM_JID, AT, ISO],
        )
    lived_in.close()
    process = spawn("export", "--all", "--out", "x.html", "--media")
    parts = part_path(Path(), "*").name
    wait_for(lambda: len(list(Path().glob(parts))) == 2, what="a part of the page beside one of the folder")
    process.signal(number)
    assert process.finish().code in (-9, 130, 0)
    assert [path.name for path in Path().iterdir() if not path.match(parts)] == []
    assert number == signal.SIGKILL or list(Path().iterdir()) == []


def test_what_is_asked_for_wrongly_is_said(wa, lived_in, tmp_path):
    for args, code in [
        ([], 2), ([REEM, "--all"], 2), ([REEM, "--format", "pdf"], 2), ([REEM, "--media"], 2),
        ([REEM, "--json"], 2), (["nobody"], 4), ([REEM, "--out", "no/such/folder.csv"], 7),
        ([REEM, "--out", "x.txt", "--media"], 2), (["--all", "--out", "x.zip", "--media"], 2),
        ([REEM, "--after", "whenever"], 2),
    ]:  # fmt: skip
        assert wa("export", *args).code == code, args
    assert list(Path().iterdir()) == []
    assert wa("export", ADAM).code in (0, 4)


def test_a_span_of_time_and_no_table_read_whole(wa, lived_in):
    last = wa("export", "--all", "--after", "2026-11-18T11:08:20Z").out
    assert 0 < len(last.splitlines()) < 20
    job = Job(lived_in, load_zone("UTC"), lambda row: "", REEM_JID)
    found = plans(lived_in, lambda: [list(forms.lines(job)), job.total()])
    assert not [
        sql for sql, plan in found.items() if re.search(r"SCAN (m|messages|reactions|receipts)\b", plan)
    ]
