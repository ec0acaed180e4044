"""Odd texts in each part of each path, query and form of the page: an answer is never a fault of ours."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from conftest import REEM, REEM_JID
from web_client import serving
from web_page import Browser

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.whatsapp.events import MessageReceived

FAR = "2030-12-24 10:00"
FEW = ["", "9" * 30, "a~b", '\x00\u202e"><', "²"]
MORE = [
    "0", "-1", "1", "1~2", "~", "1~x", "٣", "é", "../../etc", "%", "%00", "x" * 5000, "contact", "today",
    "never", "in 1 day", "2030-13-45", "every", "1e9", "NaN", "null", "[]", "{x}", "{", "{{", "🎉" * 20,
    "me", "@g.us",
]  # fmt: skip


@pytest.mark.parametrize(
    "odd", [pytest.param(FEW, id="few"), pytest.param(MORE, id="more", marks=pytest.mark.soak)]
)
def test_odd_texts_are_answered(odd, wa, store):
    with store.write():
        apply_event(store, MessageReceived(REEM_JID, "A1", REEM_JID, 1_700_000_000, "Hi"), system_now())
    wa("contacts", "add", "Reem", REEM, "--tag", "family")
    wa("template", "add", "greeting", "Hi {x}")
    row = wa("schedule", "add", "Reem", "x", "--at", FAR, "--every", "week", "--json").json
    job = wa("jobs", "add", "--tag", "family", "--part", "hi", "--at", FAR, "--json").json["id"]
    edit, series, chat = f"/queue/{row['id']}/edit", f"/series/{row['series_id']}", f"/chats/{REEM}"
    paths = (
        "/queue/{}/now", "/queue/{}/edit", "/queue/all/{}", "/chats/{}", "/chats/{}/newer", "/chats/{}/one",
        "/contacts/{}", "/jobs/{}", "/series/{}", "/static/{}", f"{chat}/message/{{}}", "/chats/{}/message/1",
    )  # fmt: skip
    queries = {
        "/": "said id", "/schedule": "to copy template at every count q text", "/queue/all/sent": "after",
        "/chats": "after q", chat: "before q reply_to row", f"{chat}/newer": "after", f"{chat}/one": "id",
        "/contacts": "after q", "/jobs": "after before", f"/jobs/{job}": "after", "/people": "q",
        "/reading": "at moment every rule until count tz to grace", "/preview": "template to q at set.x",
        "/login": "next key", "/figures": "days by chat",
    }  # fmt: skip
    forms = {
        "/schedule": {
            "to": "", "q": "Reem", "text": "t", "at": FAR, "template": "", "every": "", "rule": "",
            "until": "", "count": "", "tz": "", "grace": "", "moment": "", "do": "add", "key": "k",
            "set.x": "",
        },
        f"/queue/{row['id']}": {"do": "hold", "seen": ""},
        edit: {"q": "Reem", "to": "", "text": "x", "text_before": "x", "at": FAR, "at_before": FAR, "tz": ""},
        "/contacts/1": {
            "name": "Reem", "phone": REEM, "aliases": "", "tags": "", "birthday": "", "timezone": "",
            "notes": "", "main": "0", "do": "save",
        },
        "/contacts/new": {"name": "New", "phone": "", "key": ""},
        chat: {"text": "hi", "reply_to": "", "key": "c", "do": "answer"},
        f"{chat}/message/1": {"do": "react", "emoji": "word", "text": "x", "q": "", "to": "", "key": "m"},
        f"/jobs/{job}": {"do": "pause"},
        "/line": {"do": "resume", "back": "/"},
        "/theme": {"theme": "dark", "back": "/"},
        series: {"text": "x", "at": "10:00", "every": "week", "do": "save"},
    }  # fmt: skip
    with serving() as api:
        browser = Browser(api)
        for text in odd:
            word = quote(text)
            for path in paths:
                assert browser.open(path.format(word)).status < 500, (path, text)
            for path, names in queries.items():
                for name in names.split():
                    assert browser.open(f"{path}?{name}={word}").status < 500, (path, name, text)
            for path, fields in forms.items():
                for name in fields:
                    page = browser.send(path, list({**fields, name: text}.items()))
                    is_nobody = page.status == 503 and "nothing is running" in page.text.lower()
                    assert page.status < 500 or is_nobody, (path, name, text, page.text)
