"""What is done with a message over HTTP: reactions, edits and deletions, once, and told from what was not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import ADAM, REEM, REEM_JID, own, wait_for
from web_client import serving
from web_page import Browser

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.record import polls
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.times import to_iso
from wa.whatsapp.events import MessageReceived, Voted
from wa.whatsapp.loopback.server import Loopback

PATH = "/api/v1/messages"
POLL = {"question": "Lunch?", "options": ["Pizza", "Soup"]}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Do one action right after the other."""
    monkeypatch.setattr("wa.connection.actions.once.SPACING", timedelta())


@pytest.fixture
def api(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister")
    with serving() as client:
        yield client


@contextmanager
def owned(api):
    """Hold the connection in a thread of this process."""
    done = threading.Event()
    owner = threading.Thread(target=own, args=(system_now, done.is_set))
    owner.start()
    try:
        wait_for(lambda: api("GET", "/api/v1/status").json["connection"] == "connected")
        yield
    finally:
        done.set()
        wake_owner(Home(Path(os.environ["WA_HOME"])).socket)
        owner.join()


def say(wa, store, *lines):
    """Let messages come, and wait until they are stored."""
    wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines)))
    last = lines[-1]["id"]
    own(system_now, lambda: store.value("SELECT 1 FROM messages WHERE message_id = ?", [last]))


def done_with(home):
    """Return the changes that the stand-in accepted, in order: kind, message id and text of each."""
    server = Loopback(home)
    try:
        return server._db.execute("SELECT kind, about, content FROM changes ORDER BY id").fetchall()
    finally:
        server.close()


def test_a_message_is_reacted_to_edited_and_deleted_as_by_the_commands(api, wa, home, store):
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})
    with owned(api):
        sent = api("POST", f"{PATH}?wait=30", {"to": "sister", "text": "Yez"}).json["message_id"]
        number = store.value("SELECT id FROM messages WHERE message_id = ?", [sent])
        reacted = api("POST", f"{PATH}/A1/react", {"emoji": "👍"})
        assert (reacted.status, [each["emoji"] for each in reacted.json["reactions"]]) == (200, ["👍"])
        edited = api("POST", f"{PATH}/{number}/edit", {"text": "Yes"})
        assert (edited.json["content"], bool(edited.json["edited_at"])) == ("Yes", True)
        assert api("GET", f"{PATH}/{number}").json == edited.json
        deleted = api("POST", f"{PATH}/last/delete?chat=sister")
        assert (deleted.json["id"], deleted.json["content"]) == (number, None)
        assert deleted.json["deleted_at"]
        again = api("POST", f"{PATH}/{sent}/delete?chat=sister")
        assert (again.status, again.code) == (409, "wrong-state")
    assert api("GET", f"{PATH}?chat=sister").json == wa("read", "sister", "--json").json
    assert done_with(home) == [("react", "A1", "👍"), ("edit", sent, "Yes"), ("delete", sent, "")]


def test_the_lines_of_the_docs_do_what_they_say(api, wa, home, store):
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})
    docs = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    part = docs.partition("## What one does with a message")[2].partition("\n## ")[0]
    lines = [shlex.split(line) for line in re.findall(r"^\$ (curl .*)$", part, re.MULTILINE)]
    assert len(lines) == 5
    with owned(api):
        sent = api("POST", f"{PATH}?wait=30", {"to": "sister", "text": "On my way"}).json["message_id"]
        for words in lines:
            (path,) = [each.removeprefix("$WA_URL") for each in words if each.startswith("$WA_URL")]
            body = json.loads(words[words.index("--json") + 1]) if "--json" in words else None
            reply = api("POST" if body or "-X" in words else "GET", path, body)
            assert reply.status == (202 if path.endswith("/forward") else 200), words
    assert done_with(home) == [
        ("react", sent, "👍"),
        ("edit", sent, "On my way, with cake"),
        ("delete", sent, ""),
    ]


def test_the_same_key_does_it_once_and_what_changed_nothing_may_be_tried_again(api, wa, home, store):
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})
    body, key = {"emoji": "👍"}, {"idempotency_key": "k"}
    nobody = api("POST", f"{PATH}/A1/react", body, **key)
    assert (nobody.status, nobody.code) == (503, "network-error")
    assert "nothing was changed" in nobody.json["error"]["hint"]
    assert store.value("SELECT count(*) FROM requests") == 0  # and nothing is done later
    with owned(api):
        wa("loopback", "fault", "refuse", "463")
        assert api("POST", f"{PATH}/A1/react", body, **key).status == 422
        wa("loopback", "fault", "refuse", "off")

        async def at_once():
            return await asyncio.gather(*(api.ask("POST", f"{PATH}/A1/react", body, **key) for _ in range(4)))

        assert [each.status for each in asyncio.run(at_once())] == [200] * 4
        wa("pause")
        repeated = api("POST", f"{PATH}/A1/react", body, **key)
        assert (repeated.status, [each["emoji"] for each in repeated.json["reactions"]]) == (200, ["👍"])
        paused = api("POST", f"{PATH}/A1/react", {"emoji": ""})
        assert (paused.status, paused.code) == (409, "wrong-state")
        other = api("POST", f"{PATH}/A1/react", {"emoji": "😂"}, **key)
        assert (other.status, other.code) == (400, "usage")
    assert done_with(home) == [("react", "A1", "👍")]


def test_what_may_have_been_done_is_409_and_is_not_done_again(api, wa, home, store, monkeypatch):
    monkeypatch.setattr("wa.connection.actions.asking.PROOF_SECONDS", 0.1)
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})
    wa("loopback", "fault", "ack-lost", "on")
    wa("loopback", "fault", "ack-timeout", "0.1")
    wa("loopback", "fault", "receipts", "off")
    with owned(api):
        for _ in range(2):
            lost = api("POST", f"{PATH}/A1/react", {"emoji": "👍"}, idempotency_key="k")
            assert (lost.status, lost.code) == (409, "unknown-outcome")
    assert done_with(home) == [("react", "A1", "👍")]
    assert api("GET", f"{PATH}/A1").json["reactions"] == []


def test_a_server_that_ends_leaves_nothing_to_be_done_later(api, wa, home, store, monkeypatch):
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})

    async def cut():
        asking = asyncio.ensure_future(api.ask("POST", f"{PATH}/A1/react", {"emoji": "👍"}))
        while store.value("SELECT count(*) FROM requests") == 0:
            await asyncio.sleep(0.01)
        asking.cancel()
        return await asking

    monkeypatch.setattr("wa.connection.actions.once.SPACING", timedelta(seconds=5))
    with owned(api):
        store.set_state("acted_at", to_iso(system_now()))
        reply = asyncio.run(cut())
        wait_for(lambda: store.value("SELECT status FROM requests") == "withdrawn")
    assert done_with(home) == []
    assert (reply.status, reply.code) == (409, "unknown-outcome")  # the server did not wait to see


@pytest.mark.parametrize("pool", ["_readers", "_writer"])
def test_a_server_that_is_too_busy_to_look_withdraws_it_or_says_that_it_may_be_done(
    api, wa, home, store, monkeypatch, pool
):
    monkeypatch.setattr("wa.connection.programs.work.TURN_SECONDS", 0.2)
    monkeypatch.setattr("wa.connection.actions.once.SPACING", timedelta(seconds=30))
    say(wa, store, {"from": REEM, "text": "Lunch?", "id": "A1"})
    free = threading.Event()

    async def crowded():
        asking = asyncio.ensure_future(api.ask("POST", f"{PATH}/A1/react", {"emoji": "👍"}))
        while store.value("SELECT count(*) FROM requests") == 0:
            await asyncio.sleep(0.01)
        busy = getattr(api.work, pool)
        for _ in busy._threads:
            busy.leave(lambda context: free.wait(10))
        return await asking

    if pool == "_readers":
        store.set_state("acted_at", to_iso(system_now()))  # so that it waits for its turn
    else:
        wa("loopback", "fault", "ack-delay", "0.5")  # so that it is not over before the server is busy
    with owned(api):
        try:
            reply = asyncio.run(crowded())
        finally:
            free.set()
        wait_for(lambda: store.value("SELECT status FROM requests") in ("withdrawn", "done"))
    done = [] if pool == "_readers" else [("react", "A1", "👍")]
    expected = (409, "unknown-outcome", done) if done else (503, "in-use", done)
    assert (reply.status, reply.code, done_with(home)) == expected


def test_what_is_cut_off_late_in_its_work_is_not_said_to_have_waited_in_vain(api, monkeypatch):
    """The answer to one that waited too long for its turn is that nothing was done."""
    monkeypatch.setattr("wa.connection.programs.work.TURN_SECONDS", 0)
    begun, free = threading.Event(), threading.Event()
    pool = api.work._writer

    class Waiting:
        get, _put = pool._waiting.get, pool._waiting.put

        def put(self, item):
            self._put(item)
            if item is not None:
                assert begun.wait(30)

    monkeypatch.setattr(pool, "_waiting", Waiting())

    def work(context):
        begun.set()
        free.wait(30)

    async def cut_off():
        asking = asyncio.ensure_future(api.work.write(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        asking.cancel()
        await asking

    try:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cut_off())
    finally:
        free.set()


def test_a_server_that_is_too_busy_to_look_does_not_say_that_a_message_was_refused(
    api, wa, store, monkeypatch
):
    monkeypatch.setattr("wa.connection.programs.work.TURN_SECONDS", 0.1)
    free = threading.Event()
    for _ in api.work._readers._threads:
        api.work._readers.leave(lambda context: free.wait(10))
    reply = api("POST", f"{PATH}?wait=1", {"to": "sister", "text": "Hello"})
    free.set()
    assert (reply.status, reply.json["status"]) == (202, "pending")


def test_bad_input_is_refused_before_anybody_is_asked(api, wa, store):
    say(
        wa, store,
        {"from": REEM, "text": "One", "id": "AB1"},
        {"from": REEM, "text": "Two", "id": "AB2"},
        {"from": ADAM, "text": "Three", "id": "AB1"},
        {"from": REEM, "text": "Old", "id": "OLD", "timestamp": 1_700_000_000},
    )  # fmt: skip
    for path, body, status, code in (
        (f"{PATH}/NONE/react", {"emoji": "👍"}, 404, "not-found"),
        (f"{PATH}/{'9' * 30}/react", {"emoji": "👍"}, 404, "not-found"),
        (f"{PATH}/AB1/react", {"emoji": "👍"}, 404, "ambiguous"),
        (f"{PATH}/AB/react?chat=sister", {"emoji": "👍"}, 404, "ambiguous"),
        (f"{PATH}/AB2/react?chat={ADAM}", {"emoji": "👍"}, 404, "not-found"),
        (f"{PATH}/last:0/react?chat=sister", {"emoji": "👍"}, 400, "usage"),
        (f"{PATH}/AB2/react", {"emoji": "word"}, 400, "usage"),
        (f"{PATH}/AB2/react", {"emoji": None}, 400, "usage"),
        (f"{PATH}/AB2/edit", {"text": ""}, 400, "usage"),
        (f"{PATH}/AB2/edit", {"text": "Mine"}, 409, "wrong-state"),
        (f"{PATH}/AB2/delete", None, 409, "wrong-state"),
        (f"{PATH}/AB2/delete", {"for": "me"}, 400, "usage"),
        (f"{PATH}/AB2/edit", {"text": "\ud800"}, 400, "usage"),
        (f"{PATH}/AB2/forward", {"to": ["\ud800"]}, 400, "usage"),
        (f"{PATH}/AB2/forward", {"to": ["sister"], "key": "a\r\nb: c"}, 400, "usage"),
        (PATH, {"to": "sister", "text": "Hello", "key": "\u2013"}, 400, "usage"),
        (PATH, {"to": "sister", "poll": {"question": "Lunch?", "options": ["Soup", "\udfff"]}}, 400, "usage"),
    ):
        reply = api("POST", path, body)
        assert (reply.status, reply.code) == (status, code), path
    empty = api("POST", f"{PATH}/AB2/react", {"emoji": "👍"}, idempotency_key="")
    assert (empty.status, empty.code) == (400, "usage")
    assert api("GET", f"{PATH}/AB1?chat={ADAM}").json["content"] == "Three"
    assert store.value("SELECT count(*) FROM requests") == 0
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


def test_the_page_shows_what_became_of_a_message_and_changes_it(api, wa, home, store):
    say(
        wa, store,
        {"from": REEM, "text": "Lunch?", "id": "A1"},
        {"from": "me", "to": REEM_JID, "text": "Yez", "id": "B1", "reply_to": "A1"},
    )  # fmt: skip
    browser = Browser(api)

    def open_message(text):
        number = store.value("SELECT id FROM messages WHERE content = ?", [text])
        page = browser.open(f"/chats/{REEM_JID}")
        href = f"/chats/{REEM_JID}/message/{number}"
        assert href in [each.get("href") for _, each in page.tags]
        return browser.open(href)

    page = open_message("Lunch?")
    buttons = [label for form in page.forms for _, _, label in form.buttons]
    assert "Save" not in buttons
    assert "Delete it" not in buttons
    page = browser.press("👍")
    assert (page.status, "nothing is running" in page.text.lower()) == (503, True)
    with owned(api):
        browser.press("👍")
        assert browser.page.path == f"/chats/{REEM_JID}"
        assert "👍" in browser.page.text
        page = open_message("Lunch?")
        assert "👍 You" in page.text
        for emoji in ("👍", "😂", "👍"):  # from one form, as after the button Back
            browser.page = page
            browser.press(emoji)
            assert emoji in browser.page.text
        browser.page = page
        page = browser.press("React", emoji="word")
        assert (page.status, "is not one emoji" in page.text) == (400, True)
        browser.press("Take 👍 back")
        assert "👍" not in browser.page.text
        page = open_message("Lunch?")
        assert (browser.press("Forward").status, "say to whom" in browser.page.text.lower()) == (400, True)
        page = browser.press("Forward", q="nobody at all")
        assert (page.status, dict(page.form("Forward").fields)["q"]) == (404, "nobody at all")
        browser.press("Forward", q="me")
        assert re.fullmatch(r"/chats/12025550100@s.whatsapp.net\?row=.+", browser.page.path)
        polled = api("POST", f"{PATH}?wait=30", {"to": "sister", "poll": POLL}).json["message_id"]
        notice = MessageReceived(REEM_JID, "V1", REEM_JID, 1, "", message_type="system", quoted_id=polled)
        with store.write():
            apply_event(store, Voted(notice, (polls.digest("Soup"),), 1), system_now())
        assert "PizzaNobody SoupReem Sample" in open_message("Lunch?\nPizza\nSoup").text
        page = open_message("Yez")
        browser.press("Save", text="Yes\r\nplease")
        assert "Yes please Answer" in browser.page.text
        assert "edited" in browser.page.text
        form = open_message("Yes\nplease").form("Delete it")
        page = browser.press("Delete it")
        assert "(deleted)" in page.text
        again = browser.send(form.action, [*form.fields, ("do", "delete")])
        assert again.path == f"/chats/{REEM_JID}"  # the same form twice
        page = browser.open(form.action)
        assert [each for each in page.forms if each.action == form.action] == []
    assert [each[0] for each in done_with(home)] == [*["react"] * 5, "edit", "delete"]
    for path in (f"/chats/{REEM_JID}/message/99", f"/chats/{REEM_JID}/message/x", f"/chats/{ADAM}/message/1"):
        assert browser.open(path).status == 404
    assert browser.send(form.action, [("do", "explode")]).status == 400
