"""The other screens of the page in a browser without scripts: contacts, chats, jobs and series."""

from __future__ import annotations

from datetime import timedelta

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered, own
from web_client import serving
from web_page import Browser

from wa.connection.context import system_now
from wa.record import write
from wa.web.page.figures import screen
from wa.whatsapp.events import MessageReceived

FAR = "2030-12-24 10:00"


@pytest.fixture
def browser(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister", "--tag", "family")
    wa("contacts", "add", "Adam Sample", ADAM)
    with serving() as api:
        yield Browser(api)


def contact(wa, name):
    return wa("contacts", "show", name, "--json").json


def test_a_contact_is_added_changed_made_a_favourite_and_removed(browser, wa):
    page = browser.open("/contacts?q=sist")
    assert "Reem Sample" in page.text
    assert "Adam Sample" not in page.text
    browser.open("/contacts/new")
    form = browser.page.form("Save")
    page = browser.press("Save", name="Nadia <b>", phone="+1 555 0100", birthday="29 feb", aliases="Nad, N")
    made = contact(wa, "Nadia <b>")
    assert (made["phone"], made["birthday"], made["aliases"]) == ("15550100", "--02-29", ["Nad", "N"])
    typed = {"name": "Nadia <b>", "phone": "+1 555 0100"}
    again = browser.send(form.action, [(name, typed.get(name, text)) for name, text in form.fields])
    assert (again.path, again.status) == (f"/contacts/{made['id']}?saved=yes", 200)  # the same form twice
    browser.press("☆ Make a favourite")
    assert contact(wa, "Nad")["is_favorite"]
    assert "Favourites 1" in browser.open("/contacts").text
    browser.open(f"/contacts/{made['id']}")
    fields = [each for each in browser.page.form("Save").fields if each[0] != "phone"]
    phones = [("phone", "+1 555 0101"), ("phone", "+1 555 0102"), ("phone", "")]
    changed = {"aliases": "N, Dia", "tags": "friends", "birthday": "", "main": "1", "notes": "From Rome"}
    browser.send(
        browser.page.form("Save").action, [(name, changed.get(name, text)) for name, text in fields] + phones
    )
    after = contact(wa, "Dia")
    assert (after["phone"], after["birthday"], after["aliases"]) == ("15550102", None, ["N", "Dia"])
    assert [each["phone"] for each in after["phones"]] == ["15550102", "15550101"]
    assert (after["tags"], after["notes"], bool(after["is_favorite"])) == (["friends"], "From Rome", True)
    # what is wrong stands beside its field, and nothing of the rest is changed or lost
    for field, typed in (
        ("name", {"name": " "}),
        ("birthday", {"birthday": "31 feb"}),
        ("timezone", {"timezone": "Mars/Olympus"}),
        ("aliases", {"aliases": "sister"}),
        ("phone-0", {"phone": "12"}),
    ):
        browser.open(f"/contacts/{made['id']}")
        page = browser.press("Save", **{"notes": "\nnew", **typed})
        assert page.status in (400, 422), typed
        assert [each for _, each in page.tags if each.get("id") == f"{field}-wrong"], typed
        kept = dict(page.form("Save").fields)
        assert kept["notes"] == "\nnew"
        assert contact(wa, "Dia") == after
    browser.open(f"/contacts/{made['id']}")
    browser.press("Remove it")
    assert "Nadia" not in browser.open("/contacts").text
    assert browser.open(f"/contacts/{made['id']}").status == 404
    assert browser.open("/contacts/9" * 12).status == 404


def test_a_chat_is_read_searched_and_answered(browser, wa, home):
    for number in range(60):
        wa("loopback", "say", REEM, f"message {number}")
    own(system_now, lambda: [chat["unread_count"] for chat in wa("unread", "--json").json] == [60])
    page = browser.open("/chats")
    assert "Reem Sample 60 unread" in page.text
    page = browser.open(f"/chats/{REEM_JID}")
    assert "message 59" in page.text
    assert "message 9 " not in page.text
    earlier = next(each["href"] for tag, each in page.tags if "before=" in each.get("href", ""))
    page = browser.open(earlier)
    assert "message 9 " in page.text
    assert "message 10 " not in page.text
    assert "message 17" in browser.open(f"/chats/{REEM_JID}?q=sage+17").text
    assert "message 17" in browser.open("/chats?q=sage+17").text
    assert "Nothing has “Rome” in it" in browser.open("/chats?q=Rome").text
    page = browser.open(f"/chats/{REEM_JID}")
    quote = next(
        each["href"] for tag, each in reversed(page.tags) if each.get("href", "").endswith("#answer")
    )
    browser.open(quote.partition("#")[0])
    assert "Answer Reem Sample: “message 59”" in browser.page.text
    form = browser.page.form("Send")
    page = browser.press("Send", text="Yes\r\nplease")
    assert "Yes pleaseWaits to be sent" in page.text
    browser.send(
        form.action, [(name, "Yes\nplease" if name == "text" else text) for name, text in form.fields]
    )
    own(system_now, lambda: delivered(home))
    assert delivered(home) == ["Yes\nplease"]
    page = browser.open(f"/chats/{REEM_JID}")
    assert "You Reem Samplemessage 59 Yes please" in page.text
    browser.open("/chats")
    assert "unread" not in browser.page.text
    wa("loopback", "say", REEM, "one more")
    own(system_now, lambda: wa("unread", "--json").json)
    after = next(each["data-after"] for _, each in page.tags if "data-after" in each)
    newer = browser.open(f"/chats/{REEM_JID}/newer?after={after}")
    assert "one more" in newer.text
    assert "Yes please" not in newer.text
    told = wa("read", "sister", "1", "--json").json[0]["message_id"]
    assert browser.open(f"/chats/{REEM_JID}/one?id={told}").text.startswith("Reem Sample one more Answer")
    assert browser.open(f"/chats/{REEM_JID}/one?id=none").status == 404
    browser.open(f"/chats/{REEM_JID}")
    browser.press("Count as read, and tell nobody")
    assert wa("unread", "--json").json == []
    assert browser.press("Send", text=" ").status == 400
    for wrong in ("?before=x", "?before=1~x", "?before=" + "9" * 30 + "~1"):
        assert browser.open(f"/chats/{REEM_JID}{wrong}").status == 400
    assert browser.open("/chats/nobody").status == 404


def test_jobs_and_series_are_looked_at_and_changed(browser, wa):
    wa("contacts", "tag", "Adam Sample", "family")
    job = wa(
        "jobs", "add", "--title", "Party <i>", "--tag", "family", "--part", "Come", "--at", FAR, "--json"
    ).json
    page = browser.open("/jobs")
    assert "Party <i>" in page.text
    page = browser.open(f"/jobs/{job['id']}")
    assert "0 of 2 sent" in page.text
    assert "Adam Sample+44 7700 900456" in page.text
    for button, status in (("Pause", "paused"), ("Go on", "pending"), ("Cancel the rest", "cancelled")):
        form = browser.page.form(button)
        browser.press(button)
        do = next(value for _, value, label in form.buttons if label == button)
        assert browser.send(form.action, [*form.fields, ("do", do)]).status == 200  # a second click
        assert wa("jobs", "show", job["id"], "--json").json["status"] == status
    series = wa("schedule", "add", "sister", "Rent", "--at", FAR, "--every", "month", "--json").json["series"]
    page = browser.open("/jobs")
    assert "every month, 10:00" in page.text
    browser.press("Hold", near="/series/")
    assert "Held" in browser.page.text
    browser.press("Release", near="/series/")
    browser.open(f"/series/{series['id']}")
    assert browser.press("Save", every="never ever").status == 400
    assert "Not yet" not in browser.press("Save", text="The rent", every="last friday", at="11:30").text
    (row,) = wa("schedule", "list", "--json").json
    assert (row["message"], row["scheduled_at"][11:16]) == ("The rent", "11:30")
    page = browser.press("Skip this date") if "Skip this date" in browser.open("/").text else browser.page
    browser.open("/jobs")
    browser.press("End it", near="/series/")
    assert wa("schedule", "series", "--json").json == []
    assert browser.open("/jobs/none").status == 404


def test_figures_are_those_of_the_command(wa, store, monkeypatch):
    clock = FakeClock()
    wa("contacts", "add", "Reem Sample", REEM)
    wa("contacts", "add", "Adam Sample", ADAM)
    said = [(REEM_JID, 0, True), (REEM_JID, 0, False), (REEM_JID, 0, False), (ADAM_JID, 0, False)]
    said += [(REEM_JID, 20, False), (ADAM_JID, 20, False), (ADAM_JID, 200, False)]
    with store.write():
        for number, (chat, days, is_ours) in enumerate(said):
            at = int((clock() - timedelta(days=days)).timestamp()) + number
            event = MessageReceived(chat, f"M{number}", chat, at, "Hi", is_from_me=is_ours)
            write.record(store, event, "live", clock())
    with serving(now=clock) as api:
        browser = Browser(api)
        page = browser.open("/figures")
        found = wa("stats", "--by", "week", "--json", now=clock).json
        assert (found["sent"], found["received"]) == (1, 5)
        assert "Sent 1 Received 5" in page.text
        bars = [each["width"] for tag, each in page.tags if tag == "rect" and "height" in each]
        assert "100.0%" in bars
        counts = [f"{row['sent']} {row['received']}" for row in found["rows"]]
        assert all(each in page.text for each in counts)
        form = page.form("Show")  # it works without scripts
        assert (form.action, form.fields) == ("/figures", [("days", "30"), ("by", "week")])
        page = browser.open("/figures?days=365&by=person")
        assert "Who Sent Received Bar Reem Sample 1 3 Adam Sample 0 3" in page.text
        assert page.form("Show").fields == [("days", "365"), ("by", "person")]
        assert "Waiting for your answer Adam Sample since" in page.text
        # of one chat, which leads there
        page = browser.open(f"/chats/{ADAM_JID}")
        (path,) = {
            each["href"] for tag, each in page.tags if tag == "a" and "figures?" in each.get("href", "")
        }
        page = browser.open(path)
        assert "Figures of Adam Sample" in page.text
        assert "Sent 0 Received 2" in page.text
        assert page.form("Show").fields[0] == ("chat", ADAM_JID)
        page = browser.open(f"/figures?chat={ADAM_JID}&days=365&by=hour")
        assert "Figures of Adam Sample" in page.text
        assert "Received 3" in page.text
        assert browser.open("/figures?chat=nobody").status == 404
        # so many messages that they would keep the screen waiting: the newest of them
        monkeypatch.setattr(screen, "_MOST_MESSAGES", 4)
        page = browser.open("/figures?days=365")
        assert "Last 20 days" in page.text
        assert "Received 3" in page.text
        assert "the days of the newest 4" in page.text


def test_what_strangers_write_is_text_everywhere(browser, wa, home, store):
    bad = '"><img src=x onerror=alert(1)>\u202e\u2066\x1b[31m</textarea></script>{{7*7}}'
    seen = '"><img src=x onerror=alert(1)>[31m</textarea></script>{{7*7}}'
    wa("contacts", "add", bad, "+1 555 0101", "--alias", f"a{bad}", "--tag", f"t{bad}", "--notes", bad)
    wa("template", "put", "x", "y")
    wa("loopback", "say", "+15550101", bad)
    wa("loopback", "say", REEM, "x" * 30_000)
    own(system_now, lambda: len(wa("unread", "--json").json) == 2)
    row = wa("schedule", "add", "+15550101", bad, "--at", FAR, "--json").json
    wa("schedule", "add", "+15550101", bad, "--at", FAR, "--every", "week")
    wa("jobs", "add", "--title", bad, "--to", "+15550101", "--part", bad, "--at", FAR)
    job = wa("jobs", "list", "--json").json[0]
    number = wa("contacts", "list", "--json").json[0]["id"]
    chat = "15550101@s.whatsapp.net"
    paths = (
        "/", "/schedule?to=%2B15550101", f"/schedule?copy={row['id']}", f"/queue/{row['id']}/now", "/chats",
        f"/queue/{row['id']}/edit", f"/chats/{chat}", "/chats?q=onerror", f"/chats/{chat}?q=onerror",
        "/contacts", f"/contacts/{number}", "/contacts?q=onerror", "/people?q=onerror", "/jobs",
        f"/jobs/{job['id']}",
        f"/chats/{REEM_JID}", "/figures?by=person", "/figures?by=tag", f"/figures?chat={chat}",
    )  # fmt: skip
    # in the fields of a form, what is stored stands as it is
    raw = {f"/contacts/{number}", f"/queue/{row['id']}/edit", f"/schedule?copy={row['id']}"}
    for path in paths:
        page = browser.open(path)
        assert page.status == 200, path
        assert not any(tag == "img" or "onerror" in each for tag, each in page.tags), path
        assert "49" not in page.text or "{{7*7}}" in page.text
        if path not in raw:
            assert "\u202e" not in page.html, path
        if "schedule?to" not in path and path not in (f"/chats/{REEM_JID}", f"/queue/{row['id']}/now"):
            assert seen in page.text or seen in str(page.tags) or bad in str(page.forms), path
    # a text that is not touched in the form stays what it was
    browser.open(f"/queue/{row['id']}/edit")
    browser.press("Save", at="2031-01-01 10:00")
    assert store.value("SELECT message FROM scheduled_messages WHERE id = ?", [row["id"]]) == bad
