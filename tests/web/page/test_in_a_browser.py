"""The page in Chromium: what a person does with it, by mouse and by keyboard alone, while things happen."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit

import pytest
from conftest import ADAM, REEM, REEM_JID, wait_for
from PIL import Image
from web_chromium import shifts, site_with_browser, violations

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.record import polls
from wa.store.database import Store
from wa.store.paths import Home
from wa.times import to_iso
from wa.whatsapp.events import MessageReceived, Voted

NADIA = "15550100"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with site_with_browser(tmp_path_factory.mktemp("page")) as made:
        made.wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister", "--tag", "family")
        made.wa("contacts", "add", "Adam <b>Sample</b>", ADAM, "--alias", "brother")
        made.wa("loopback", "say", REEM, 'Which book? <img src=x onerror="alert(1)">')
        made.wa("template", "add", "greeting", "Hello {first}, see you in {place}")
        yield made


def rows(site, *status):
    return site.wa("schedule", "list", "--json", *(("--status", *status) if status else ()))


def vote(site, poll, option):
    """Let Reem vote in a poll of ours."""
    at = int(system_now().timestamp())
    notice = MessageReceived(REEM_JID, "VOTE", REEM_JID, at, "", message_type="system", quoted_id=poll)
    store = Store(Home(site.home))
    with store.write():
        apply_event(store, Voted(notice, (polls.digest(option),), at * 1000), system_now())
    store.close()


def test_a_message_is_scheduled_by_an_alias_and_seen_to_go_out(site):
    with site.page() as page:
        page.get_by_role("link", name="Schedule", exact=True).click()
        page.get_by_label("To", exact=True).fill("sist")
        page.locator("#people").get_by_text("Reem Sample").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator("#goes").text_content() == "Goes to +44 7700 900123"
        page.get_by_label("Text", exact=True).fill("See you soon")
        page.get_by_label("When").fill("next blue moon")
        page.get_by_text("was not understood").wait_for()
        page.get_by_label("When").fill("in 3 seconds")
        page.get_by_text(re.compile("in [23] seconds")).wait_for()  # it is shown in whole seconds
        page.get_by_text("Sent once.").wait_for()
        with site.held("run-scheduler"):
            page.get_by_role("button", name="Schedule", exact=True).dblclick()
            page.wait_for_url("**/?said=added*")
            waiting = page.get_by_role("region", name="Waiting")
            waiting.get_by_text("See you soon").wait_for()
        waiting.get_by_text(re.compile("(Sent|Delivered) · [0-9]")).wait_for()
        assert shifts(page) == []
        assert len([row for row in rows(site, "all") if row["message"] == "See you soon"]) == 1
        page.reload()
        page.get_by_role("region", name="Sent").get_by_text("See you soon").wait_for()


def answer_after_the_stream(site, page, route):
    """Hold back the answer to a button until the page has heard from the stream what was done."""
    answer = route.fetch()
    with closing(sqlite3.connect(site.home / "wa.db")) as db:
        (newest,) = db.execute("SELECT max(id) FROM events").fetchone()
    wait_for(lambda: page.evaluate("Number(place)") >= newest)
    route.fulfill(response=answer)


def test_a_draft_is_approved_and_what_may_have_been_sent_is_settled(site):
    site.wa("schedule", "add", "sister", "Shall I?", "--at", "2030-12-24 10:00", "--draft")
    for text in ("Did it?", "Did it not?", "And again?"):
        site.wa("schedule", "add", "brother", text, "--at", "2030-12-24 10:00")
    store = sqlite3.connect(site.home / "wa.db", isolation_level=None)
    store.execute("UPDATE scheduled_messages SET status = 'unknown' WHERE message LIKE 'Did it%'")
    store.execute("UPDATE scheduled_messages SET status = 'unknown' WHERE message = 'And again?'")
    store.close()
    with site.page("desk") as page:
        drafts = page.get_by_role("region", name="Drafts")
        assert "+44 7700 900123" in drafts.inner_text()
        height = drafts.bounding_box()["height"]
        drafts.get_by_role("button", name="Approve").dblclick()
        drafts.get_by_text("Approved: it goes out Tue 24 Dec 2030").wait_for()
        assert drafts.bounding_box()["height"] == height
        needs = page.get_by_role("region", name="Needs you")
        page.route("**/queue/*", partial(answer_after_the_stream, site, page))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        for text, button, word in (
            ("Did it?", "It arrived", "Settled: it arrived"),
            ("Did it not?", "It did not arrive", "Settled: it did not arrive"),
        ):
            row = needs.get_by_role("listitem").filter(has_text=text)
            row.get_by_role("button", name=button).click()
            row.get_by_text(word).wait_for()
        page.unroute("**/queue/*")
        assert not [each for each in asked if each.endswith("/now")]
        row = needs.get_by_role("listitem").filter(has_text="And again?")
        row.locator("summary").click()
        row.get_by_role("button", name="Send it again").dblclick()
        row.get_by_text(re.compile("It is on its way again|Sent|Delivered")).first.wait_for()  # at once
        wait_for(lambda: "And again?" in [row["message"] for row in rows(site, "sent")])
        site.wa("send", "sister", "From elsewhere")
        page.get_by_role("link", name="The queue has changed. Show it anew").click()
        page.get_by_text("From elsewhere").wait_for()
        assert shifts(page) == []
    found = {row["message"]: row["status"] for row in rows(site, "all")}
    assert [found[each] for each in ("Shall I?", "Did it?", "Did it not?", "And again?")] == [
        "pending", "sent", "failed", "sent",
    ]  # fmt: skip


def test_a_contact_is_found_changed_and_made_a_favourite(site):
    with site.page() as page:
        page.get_by_role("link", name="Contacts").click()
        page.get_by_label("Search name, number, alias, tag").type("broth")
        page.get_by_role("link", name="Reem Sample").wait_for(state="detached")
        page.get_by_role("link", name="Adam <b>Sample</b>").click()
        page.get_by_label("Birthday").fill("31 feb")
        page.get_by_label("Notes").fill("Likes books")
        page.get_by_role("button", name="Save").click()
        page.locator("#birthday-wrong").wait_for()
        assert page.get_by_label("Notes").input_value() == "Likes books"
        page.get_by_label("Birthday").fill("15 jan 1985")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**saved=yes")
        page.get_by_role("button", name="Make a favourite").click()
        page.get_by_role("button", name="No longer a favourite").wait_for()
    (adam,) = site.wa("contacts", "search", "brother", "--json")
    assert (adam["birthday"], adam["notes"], adam["is_favorite"]) == ("1985-01-15", "Likes books", True)


def test_a_chat_is_searched_read_and_answered_while_somebody_writes(site):
    with site.page("desk", "dark") as page:
        page.get_by_role("link", name="Chats").click()
        page.get_by_label("Search all messages").fill("which boo")
        page.get_by_role("link", name="Which book?").click()
        page.get_by_text('Which book? <img src=x onerror="alert(1)">').first.wait_for()
        page.goto(f"{site.url}/chats/{REEM_JID}")
        page.get_by_label("Write to").fill("The blue one")
        page.get_by_role("button", name="Send").click()
        talk = page.locator("#talk")
        talk.get_by_text("The blue one").wait_for()
        talk.locator("li", has_text="The blue one").get_by_text("✓✓ Delivered").wait_for()
        site.wa("loopback", "say", REEM, "Good, that one")
        talk.get_by_text("Good, that one").wait_for()
        assert shifts(page) == []
        ours = talk.locator("li", has_text="The blue one")
        ours.get_by_role("link", name="More").click()
        page.get_by_label("New text").fill("The green one")
        page.get_by_role("button", name="Save").click()
        ours = talk.locator("li", has_text="The green one")
        ours.get_by_text("edited").wait_for()
        (sent,) = [row["message_id"] for row in rows(site, "sent") if row["message"] == "The blue one"]
        line = {"from": REEM, "react": sent, "text": "🎉"}
        site.wa("loopback", "say", "-", stdin=json.dumps(line))
        ours.get_by_text("🎉").wait_for()
        theirs = talk.locator("li", has_text="Good, that one")
        theirs.get_by_role("link", name="More").click()
        page.get_by_role("button", name="Heart").dblclick()
        theirs.get_by_text("❤").wait_for()
        row = site.wa("send", "sister", "--poll", "Tea?", "--option", "Yes", "--option", "No", "--json")
        asked = talk.locator("li", has_text="[poll] Tea?")
        asked.get_by_text("Yes: 0").wait_for()
        vote(site, row["message_id"], "Yes")
        asked.get_by_text("Yes: 1").wait_for()
    sent = [row for row in rows(site, "sent") if row["message"] == "The blue one"]
    assert len(sent) == 1


def test_the_keyboard_alone_is_enough(site):
    def reach(page, name):
        """Press Tab until a control has the focus, as everybody sees."""
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(() => { const at = document.activeElement;"
                " const label = at.labels?.[0]?.textContent ?? at.ariaLabel ?? at.textContent;"
                " return [label.trim(), getComputedStyle(at).outlineStyle]; })()"
            )
            if focused[0].startswith(name):
                assert focused[1] == "solid", name
                return
        raise AssertionError(f"{name} is not reached")

    with site.page() as page:
        reach(page, "Skip to the content")
        page.keyboard.press("Enter")
        reach(page, "New message")
        page.keyboard.press("Enter")
        page.wait_for_url("**/schedule")
        reach(page, "To")
        page.keyboard.type("brother")
        page.locator("#people").get_by_text("Adam").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
        page.locator("#people").wait_for(state="hidden")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        reach(page, "Text")
        page.keyboard.type("By keys")
        reach(page, "When")
        page.keyboard.type("24 dec 10:00")
        reach(page, "Repeat")
        page.keyboard.press("e")
        reach(page, "More")
        page.keyboard.press("Enter")
        reach(page, "Another rule")
        page.keyboard.type("last friday")
        reach(page, "Save as draft")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?said=draft*")
        reach(page, "Delete")
        page.keyboard.press("Enter")
        page.get_by_text("Cancelled: it does not go out.").wait_for()
        assert page.evaluate("document.activeElement.textContent").startswith("Cancelled")
        page.goto(site.url + "/contacts/new")
        reach(page, "Name")
        page.keyboard.type("Nadia")
        reach(page, "Another number")
        page.keyboard.type("+1 555 0100")
        page.keyboard.press("Enter")
        page.wait_for_url("**saved=yes")
    assert site.wa("contacts", "show", "Nadia", "--json")["phone"] == NADIA


def test_a_server_that_restarts_or_a_session_that_ends_loses_nothing(site):
    with site.page() as page:
        page.goto(site.url + "/schedule?to=" + REEM)
        page.get_by_label("Text", exact=True).fill("Kept")
        page.get_by_label("When").fill("2030-12-24 10:00")
        port = urlsplit(site.url).port
        site.stop("serve")
        page.get_by_role("button", name="Schedule", exact=True).click()
        page.get_by_text("The server does not answer.").wait_for()
        site.serve(port)
        cookies = page.context.cookies()
        page.context.clear_cookies()
        page.get_by_role("button", name="Schedule", exact=True).click()
        page.get_by_text("Your session has ended").wait_for()
        page.context.add_cookies(cookies)
        page.get_by_role("button", name="Schedule", exact=True).click()
        page.wait_for_url("**/?said=added*")
        page.context.clear_cookies()
        page.get_by_role("link", name="Contacts").click()
        page.wait_for_url("**/login?next=/contacts")
        expected = ("net::ERR_", "status of 401 (Unauthorized)", "htmx:error: Failed to fetch")
        site.said = [each for each in site.said if not any(known in each for known in expected)]
    assert len([row for row in rows(site) if row["message"] == "Kept"]) == 1


def test_pictures_are_shown_and_what_could_be_a_page_is_saved(site, tmp_path):
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    script = "<script>document.title = 'taken over'</script>"
    (tmp_path / "b.html").write_text(f"<!doctype html>{script}")
    (tmp_path / "c.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{script}</svg>')
    for path in sorted(tmp_path.glob("*.*")):
        site.wa("send", "brother", "--file", str(path))
    with site.page(accept_downloads=True) as page:
        page.goto(f"{site.url}/chats/{ADAM}@s.whatsapp.net#answer")
        picture = page.get_by_role("img", name="Picture")
        wait_for(lambda: picture.evaluate("(it) => it.complete && it.naturalWidth") == 40)
        assert picture.count() == 1
        for name in ("b.html", "c.svg"):
            with page.expect_download() as saved:
                page.get_by_role("link", name=f"Open {name}").click()
            assert saved.value.suggested_filename == name
        assert page.title() == "Adam <b>Sample</b> · wa"
        assert shifts(page) == []


def test_without_scripts_a_message_is_scheduled_and_a_draft_approved(site):
    with site.page(java_script_enabled=False) as page:
        page.get_by_role("button", name="New message").first.click()
        page.get_by_label("To", exact=True).fill("brother")
        page.get_by_label("Text", exact=True).fill("Without scripts")
        page.get_by_label("or pick it").fill("2030-12-24T10:00")
        page.get_by_role("button", name="Save as draft").click()
        page.get_by_text("Kept as a draft.").wait_for()
        draft = page.get_by_role("listitem").filter(has_text="Without scripts")
        assert "+44 7700 900456" in draft.inner_text()
        draft.get_by_role("button", name="Approve").click()
        page.get_by_text("Approved: it goes out Tue 24 Dec 2030").wait_for()
    assert [row["status"] for row in rows(site) if row["message"] == "Without scripts"] == ["pending"]


def test_a_file_is_checked_before_it_is_uploaded_and_sent_with_the_form(site, tmp_path):
    small, large = tmp_path / "small.pdf", tmp_path / "large.bin"
    small.write_bytes(b"%PDF-1.4 made up")
    with large.open("wb") as file:
        file.truncate(101 * 1024 * 1024)
    with site.page() as page:
        page.goto(f"{site.url}/schedule?to={REEM}")
        page.get_by_label("File").set_input_files(large)
        page.get_by_text("This file has 101.0 MB; up to 100 MB can be sent.").wait_for()
        page.get_by_label("When").fill("never")
        page.get_by_role("button", name="Schedule", exact=True).click()
        page.get_by_label("File").set_input_files(small)
        page.get_by_role("button", name="Schedule", exact=True).click()
        page.locator("#at-wrong").wait_for()  # what was large has not gone out
        page.get_by_label("When").fill("2030-12-24 10:00")
        page.get_by_role("button", name="Schedule", exact=True).click()  # the file is still chosen
        page.wait_for_url("**/?said=added*")
    assert "small.pdf" in [row["file_name"] for row in rows(site)]


def screens(site):
    """Return the paths of all screens."""
    site.wa("schedule", "add", "sister", "A draft", "--at", "2030-12-24 10:00", "--draft")
    row = site.wa(
        "schedule", "add", "sister", "Rent", "--at", "2030-12-24 10:00", "--every", "month", "--json"
    )
    job = site.wa(
        "jobs", "add", "--title", "Party", "--tag", "family", "--part", "Come", "--at", "in 2 hours", "--json"
    )
    number = site.wa("contacts", "show", "sister", "--json")["id"]
    # What other tests have queued has gone out: the number of messages sent stands beside a button.
    wait_for(lambda: all(row["scheduled_at"] > to_iso(system_now()) for row in rows(site, "pending")))
    wait_for(lambda: not rows(site, "sending"))
    return [
        "/", "/schedule", "/schedule?template=greeting&q=sister&at=never&rule=x", f"/queue/{row['id']}/edit",
        "/queue/all/sent", "/queue/all/cancelled", "/chats", "/chats?q=book", f"/chats/{REEM_JID}",
        f"/chats/{REEM_JID}?q=nothing", f"/chats/{REEM_JID}/message/1", "/contacts", f"/contacts/{number}",
        "/contacts/new", "/jobs",
        f"/jobs/{job['id']}", f"/series/{row['series_id']}", "/nothing", "/login",
        "/figures?by=day", f"/figures?chat={REEM_JID}&days=365&by=hour",
    ]  # fmt: skip


QUICK = {("phone", "light"): slice(0, None, 4), ("desk", "dark"): slice(2, None, 4)}
ALL = {(size, scheme): slice(None) for size in ("phone", "desk") for scheme in ("light", "dark")}


@pytest.mark.parametrize(
    "looks", [pytest.param(QUICK, id="every other"), pytest.param(ALL, id="all", marks=pytest.mark.soak)]
)
def test_nobody_is_kept_out(site, looks):
    """On each screen, axe-core finds nothing, nothing is too wide, and nothing moves after it loads."""
    paths = screens(site)
    for (size, scheme), part in looks.items():
        with site.page(size, scheme) as page:
            for path in paths[part]:
                page.goto(site.url + path)
                page.wait_for_load_state()
                assert violations(page) == [], (size, scheme, path)
                width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert width <= 0, (size, path)
                assert shifts(page) == [], (size, path)
            site.said = [each for each in site.said if not each.endswith("status of 404 (Not Found)")]
