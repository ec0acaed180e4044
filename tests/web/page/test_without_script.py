"""The page in a browser that runs no scripts: scheduling, the queue, logging in, and bad input."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from conftest import ADAM, REEM, delivered, own
from web_client import ORIGIN, SECRET, serving
from web_page import Browser

from wa.connection.context import system_now
from wa.connection.programs import work

FAR = "2030-12-24 10:00"


@pytest.fixture
def browser(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister", "--tag", "family")
    wa("contacts", "add", "Adam Sample", ADAM)
    with serving() as api:
        yield Browser(api)


def test_a_message_is_scheduled_and_changed_and_sent(browser, wa, home, store):
    assert "Nothing waits." in browser.page.text
    browser.open("/schedule")
    form = browser.page.form("Schedule")
    typed = {"q": "sister", "text": "Line one\r\nLine two", "at": FAR}
    page = browser.press("Schedule", **typed)
    assert (page.path.partition("&")[0], page.status) == ("/?said=added", 200)
    assert "Reem Sample, +44 7700 900123. Scheduled: it goes out Tue 24 Dec 2030 10:00" in page.text
    # the same form again: a double click, or a reload
    fields = [(name, typed.get(name, text)) for name, text in form.fields] + [("do", "add")]
    assert "Scheduled" in browser.send("/schedule", fields).text
    (row,) = wa("schedule", "list", "--json").json
    assert (row["message"], row["created_from"], row["to_phone"]) == ("Line one\nLine two", "web", REEM)
    browser.open(f"/queue/{row['id']}/edit")
    page = browser.press("Save", text="Changed <b>text</b>", q="Adam Sample", to="")
    assert "Adam Sample, +44 7700 900456. Changed" in page.text
    browser.press("Hold")
    (row,) = wa("schedule", "list", "--json").json
    assert (row["status"], row["message"], row["to_phone"]) == ("held", "Changed <b>text</b>", ADAM)
    assert row["scheduled_at"] == "2030-12-24T10:00:00.000Z"
    assert "Released: it goes out" in browser.press("Release").text
    assert "Cancelled: it does not go out." in browser.press("Cancel").text
    assert "Changed <b>text</b>" in browser.open("/queue/all/cancelled").text
    browser.open("/schedule")
    browser.press("Send now", q=REEM, text="Now")
    own(system_now, lambda: delivered(home))
    assert delivered(home) == ["Now"]
    assert re.search(r"Reem Sample (Sent|Delivered|Read) · \d\d:\d\d", browser.open("/").text)


def test_a_draft_is_approved_and_what_may_have_been_sent_is_settled(browser, wa, store):
    wa("schedule", "add", "sister", "Shall I?", "--at", FAR, "--draft")
    page = browser.open("/")
    assert "Drafts to approve 1" in page.text
    assert "To +44 7700 900123 · Tue 24 Dec 2030 10:00" in page.text
    before = page.form("Approve")
    assert "Approved: it goes out Tue 24 Dec 2030" in browser.press("Approve").text
    assert "Approved" in browser.send(before.action, [*before.fields, ("do", "approve")]).text  # twice
    row_id = wa("schedule", "list", "--json").json[0]["id"]
    for ending, button in (("sent", "It arrived"), ("failed", "It did not arrive")):
        store.execute("UPDATE scheduled_messages SET status = 'unknown' WHERE id = ?", [row_id])
        page = browser.open("/")
        assert "It may have arrived" in page.text
        again = page.form("Send it again")
        assert "Settled" in browser.press(button).text
        assert wa("schedule", "show", row_id, "--json").json["status"] == ending
    # Try again: once for each time that it was seen not to be sent
    again = browser.page.form("Try again")
    browser.press("Try again")
    store.execute(
        "UPDATE scheduled_messages SET status = 'failed', updated_at = '2026-11-20T12:00:00.000Z'"
        " WHERE id = ?",
        [row_id],
    )
    page = browser.send(again.action, [*again.fields, ("do", "retry")])
    assert (page.status, "has changed meanwhile" in page.text) == (409, True)
    assert wa("schedule", "show", row_id, "--json").json["status"] == "failed"


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(browser, wa):
    wa("contacts", "add", "Reem Other", "+1 555 0100")
    wa("template", "add", "greeting", "Hello {first}, see you in {place}")
    text = "\nKept\n</textarea><b>"
    for field, typed in (
        ("at", {"at": "next blue moon"}),
        ("at", {"at": "2020-01-01 10:00"}),
        ("at", {"at": ""}),
        ("q", {"q": "+44 12"}),
        ("q", {"q": "Reem"}),
        ("q", {"q": "Nobody"}),
        ("q", {"q": ""}),
        ("every", {"rule": "never ever"}),
        ("until", {"every": "week", "until": "yesterday"}),
        ("count", {"every": "week", "count": "many"}),
        ("every", {"count": "3"}),
        ("tz", {"tz": "Mars/Olympus"}),
        ("tz", {"tz": "contact"}),
        ("grace", {"grace": "soon"}),
        ("template", {"template": "greeting"}),
        ("template", {"template": "greeting", "text": ""}),
        ("text", {"text": " "}),
        ("text", {"text": "x" * 65_537}),
    ):
        browser.open("/schedule")
        given = {"q": "sister", "text": text, "at": FAR, **typed}
        page = browser.press("Schedule", **given)
        assert page.status == 422, typed
        (wrong,) = [each for tag, each in page.tags if each.get("id") == f"{field}-wrong"]
        assert any(each.get("aria-describedby", "").startswith(wrong["id"]) for _, each in page.tags), typed
        kept = dict(page.form("Schedule").fields)
        assert {name: kept[name] for name in given} == given
        assert not re.search("--[a-z]", page.text), typed  # no option of a command
    assert wa("schedule", "list", "--json").json == []
    browser.open("/schedule")
    browser.press("Schedule", q="sister", template="greeting", at=FAR)
    page = browser.press("Schedule", **{"set.place": "Rome"})
    assert "Scheduled" in page.text
    assert wa("schedule", "list", "--json").json[0]["message"] == "Hello Reem, see you in Rome"


def test_a_store_in_use_is_said_and_the_form_is_sent_again_with_its_key(browser, wa, store, monkeypatch):
    monkeypatch.setattr(work, "LOCK_SECONDS", 0.1)
    browser.open("/schedule")
    with store.write():
        page = browser.press("Schedule", q="sister", text="Kept <i>", at=FAR)
    assert page.status == 503
    assert "Scheduled" in browser.press("Try again").text
    assert [row["message"] for row in wa("schedule", "list", "--json").json] == ["Kept <i>"]


def test_a_session_that_ended_leads_to_the_login_and_back(browser, wa):
    browser.open("/schedule?to=sister")
    ended = dict(browser.cookies)
    browser.send("/logout", [])
    page = browser.open("/schedule?to=sister")
    assert (page.path, page.status) == ("/login?next=/schedule%3Fto%3Dsister", 200)
    assert browser.press("Log in", secret="wrong").status == 401
    browser.cookies.update(ended)
    page = browser.press("Log in", secret=SECRET)
    assert page.path == "/schedule?to=sister"
    assert dict(page.form("Schedule").fields)["q"] == "Reem Sample"
    # with something typed: it is still there after logging in
    other = Browser(browser.api)
    browser.cookies.update(ended)
    page = browser.press("Schedule", text="Typed", at=FAR)
    assert (page.status, "The session has ended" in page.text) == (401, True)
    browser.cookies.update(other.cookies)
    assert "Scheduled" in browser.press("Send it again").text
    # a script's request is led there as a whole page, or told so beside what is typed
    browser.cookies.update(ended)
    script = {"hx_request": "true", "hx_current_url": "http://localhost:3002/?x=1"}
    reply = browser.send("/queue/1", [("do", "hold")], **script).reply
    assert (reply.status, reply.header("hx-redirect")) == (401, "/login?next=/%3Fx%3D1")
    reply = browser.send("/schedule", [("text", "x")], hx_source="form#form", **script).reply
    assert (reply.status, reply.header("hx-retarget")) == (401, "#alert")


def test_nobody_is_led_elsewhere(browser):
    for there in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        form = urlencode({"secret": SECRET, "next": there}).encode()
        reply = browser.api("POST", "/login", secret=None, raw=form, origin=ORIGIN, accept="text/html")
        assert (reply.status, reply.header("location")) == (303, "/")
        assert browser.send("/theme", [("back", there), ("theme", "dark")]).path == "/"
    assert 'data-theme="dark"' in browser.page.html


def test_the_front_page_tells_strangers_nothing(browser):
    for headers in ({}, {"host": "evil.example", "cookie": f"wa_session={browser.cookies['wa_session']}"}):
        reply = browser.api("GET", "/", secret=None, accept="text/html", **headers)
        assert (reply.status, b'name="secret"' in reply.body, b"Queue" in reply.body) == (200, True, False)
    assert browser.api("GET", "/", secret=None, accept="application/json").json["name"] == "wa"


def test_a_file_is_sent_with_the_form(browser, wa, store, monkeypatch):
    for text, name, content in (
        ("See", "a &b;.pdf", b"%PDF-1.4 made up"),
        ("", "b.txt", b"plain"),
        ("None", "", b""),
    ):
        browser.open("/schedule")
        fields = {
            **dict(browser.page.form("Schedule").fields),
            "q": "sister",
            "text": text,
            "at": FAR,
            "do": "add",
        }
        page = browser.send_file("/schedule", fields, name, content)
        assert page.path.startswith("/?said=added"), page.text
    found = {row["message"]: row["file_name"] for row in wa("schedule", "list", "--json").json}
    assert found == {"See": "a &b;.pdf", "": "b.txt", "None": None}
    assert "With the file a &b;.pdf" in browser.open("/").text
    browser.open("/schedule")
    fields = {**dict(browser.page.form("Schedule").fields), "q": "sister", "text": "Kept", "at": "never"}
    page = browser.send_file("/schedule", fields, "c.pdf", b"%PDF-1.4")
    assert (page.status, dict(page.form("Schedule").fields)["text"]) == (422, "Kept")
    assert "Choose the file again: c.pdf" in page.text
    # without a session, and with a store in use: all is kept but the file, which no browser fills in again
    fields.update(text="Once\nmore", at=FAR)
    browser.send("/logout", [])
    page = browser.send_file("/schedule", fields, "d.pdf", b"%PDF-1.4")
    assert page.status == 401
    kept = dict(page.form("Send it again").fields)
    assert {name: kept[name] for name in fields} == fields
    assert "Choose the file again: d.pdf" in page.text
    browser = Browser(browser.api)
    monkeypatch.setattr(work, "LOCK_SECONDS", 0.1)
    with store.write():
        page = browser.send_file("/schedule", fields, "d.pdf", b"%PDF-1.4")
    assert dict(page.form("Try again").fields)["text"] == "Once\nmore"
    assert "Choose the file again: d.pdf" in page.text
    assert browser.open("/nothing").reply.header("content-type") == "text/html; charset=utf-8"
