"""Polls, places, contacts, stickers, mentions and what is seen once over HTTP: as the command makes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import webp
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, wait_for
from media_samples import picture
from test_changes import owned, say
from test_uploads import form, kept, post
from web_client import serving

PATH = "/api/v1/messages"
PNG = picture("PNG")
POLL = {"question": "Lunch?", "options": ["Pizza", "Soup"], "multi": 2}


@pytest.fixture
def api(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister")
    wa("contacts", "add", "Adam Sample", ADAM)
    with serving() as client:
        yield client


def same(wa, row, *args):
    """Check that a command makes the same message."""
    made = wa("send", "sister", *args, "--no-wait", "--json").json
    names = ("message", "media_type", "file_name", "details")
    assert {name: row[name] for name in names} == {name: made[name] for name in names}


def test_each_kind_is_made_as_the_command_makes_it(api, wa, home, tmp_path):
    def send(body):
        reply = api("POST", PATH, {"to": "sister", **body}, idempotency_key=str(body))
        assert reply.status == 202, reply.body
        again = api("POST", PATH, {"to": "sister", **body}, idempotency_key=str(body))
        assert (again.status, again.json["id"]) == (200, reply.json["id"])
        return reply.json

    same(
        wa, send({"poll": POLL}),
        "--poll", "Lunch?", "--option", "Pizza", "--option", "Soup", "--multi", "2",
    )  # fmt: skip
    place = {"latitude": -33.9, "longitude": 18, "name": "The station"}
    same(wa, send({"location": place}), "--location=-33.9,18", "--name", "The station")
    same(wa, send({"contact": ["adam", "sister"]}), "--contact", "adam", "--contact", "sister")
    same(wa, send({"text": "Ask @adam", "mention": ["adam"]}), "Ask @adam", "--mention", "adam")
    (tmp_path / "party.webp").write_bytes(webp.lossless())
    (tmp_path / "photo.png").write_bytes(PNG)
    stuck = post(api, PATH, form(webp.lossless(), "party.webp", to="sister", sticker="true"))
    assert stuck.status == 202, stuck.body
    same(wa, stuck.json, "--sticker", str(tmp_path / "party.webp"))
    once = post(api, PATH, form(PNG, to="sister", view_once="true", text="Look"))
    assert once.json["details"] == {"view_once": True}
    same(wa, once.json, "Look", "--file", str(tmp_path / "photo.png"), "--view-once")
    asked = post(api, PATH, form(to="sister", poll='{"question": "Q", "options": ["A", "B"]}'))
    assert asked.json["details"]["poll"]["options"] == ["A", "B"]


def test_the_bodies_of_the_docs_are_taken(api):
    docs = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    part = docs.partition("## Polls, places")[2].partition("\n## ")[0]
    bodies = re.search(r"^```json\n(.*?)^```", part, re.MULTILINE | re.DOTALL)[1].splitlines()
    assert [api("POST", PATH, json.loads(each)).status for each in bodies] == [202] * 4


def test_what_does_not_go_together_is_refused_and_leaves_nothing(api, store, home):
    for body, status, code in (
        ({"poll": {**POLL, "options": ["A"]}}, 400, "usage"),
        ({"poll": {**POLL, "options": ["A", "A"]}}, 400, "usage"),
        ({"poll": {**POLL, "options": [str(each) for each in range(13)]}}, 400, "usage"),
        ({"poll": {**POLL, "multi": 3}}, 400, "usage"),
        ({"poll": "Lunch?"}, 400, "usage"),
        ({"poll": POLL, "text": "x"}, 400, "usage"),
        ({"poll": POLL, "location": {"latitude": 1, "longitude": 1}}, 400, "usage"),
        ({"location": {"latitude": 90.1, "longitude": 1}}, 400, "usage"),
        ({"location": {"latitude": 1}}, 400, "usage"),
        ({"location": {"latitude": 1, "longitude": 1, "name": " "}}, 400, "usage"),
        ({"contact": ["nobody"]}, 404, "not-found"),
        ({"contact": ["adam"], "mention": ["adam"]}, 400, "usage"),
        ({"text": "x", "mention": ["nobody"]}, 404, "recipient-not-found"),
        ({"text": "x", "view_once": True}, 400, "usage"),
        ({"sticker": True}, 400, "usage"),
    ):
        reply = api("POST", PATH, {"to": "sister", **body})
        assert (reply.status, reply.code) == (status, code), (body, reply.body)
    for raw, code in (
        (form(PNG, to="sister", sticker="true"), "bad-data"),
        (form(b"%PDF-1.4 x", "a.pdf", to="sister", view_once="true"), "usage"),
        (form(PNG, to="sister", poll='{"question": "Q", "options": ["A", "B"]}'), "usage"),
        (form(PNG, to="sister", poll='{"question"'), "usage"),
    ):
        reply = post(api, PATH, raw)
        assert (reply.status, reply.code) == (400, code), reply.body
        assert str(home.path) not in reply.json["error"]["message"]
    assert kept(home) == []
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


# ── Forwarding ──────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_forwarded_to_each_once_for_the_key(api, wa, store, home):
    say(wa, store, {"from": REEM, "text": "The news", "id": "A1"})
    body = {"to": ["adam", "sister", ADAM]}
    made = api("POST", f"{PATH}/A1/forward", body, idempotency_key="f")
    assert (made.status, made.header("idempotency-key")) == (202, "f")
    assert [(row["to_jid"], row["message"], row["details"]) for row in made.json] == [
        (ADAM_JID, "The news", {"forwarded": 1}),
        (REEM_JID, "The news", {"forwarded": 1}),
    ]
    again = api("POST", f"{PATH}/A1/forward", body, idempotency_key="f")
    assert (again.status, [row["id"] for row in again.json]) == (200, [row["id"] for row in made.json])
    draft = api("POST", f"{PATH}/last/forward?chat=sister", {"to": ["me"], "draft": True, "key": "d"})
    assert (draft.status, [row["status"] for row in draft.json]) == (201, ["draft"])
    for path, to, status, code in (
        ("A1", ["adam", "nobody"], 404, "recipient-not-found"),
        ("A1", [], 400, "usage"),
        ("B1", ["adam"], 404, "not-found"),
    ):
        reply = api("POST", f"{PATH}/{path}/forward", {"to": to})
        assert (reply.status, reply.code) == (status, code)
    assert store.value("SELECT count(*) FROM scheduled_messages") == 3


def test_the_file_of_a_forward_is_fetched_first(api, wa, store, home):
    say(wa, store, {"from": REEM, "text": "Look", "id": "A1", "type": "image"})
    nobody = api("POST", f"{PATH}/A1/forward", {"to": ["adam"]})
    assert (nobody.status, nobody.code) == (503, "network-error")
    assert "could not be fetched" in nobody.json["error"]["message"]
    raw = PNG
    with store.write():
        store.execute("UPDATE messages SET raw_proto = ?", [raw])
    with owned(api):
        made = api("POST", f"{PATH}/A1/forward", {"to": ["adam"]})
        assert made.status == 202, made.body
        wait_for(lambda: api("GET", f"/api/v1/schedule/{made.json[0]['id']}").json["status"] == "sent")
    (row,) = made.json
    assert (row["media_type"], row["message"]) == ("image", "Look")
    assert (home.path / row["media_path"]).read_bytes() == raw
    store.execute("UPDATE messages SET deleted_at = 'then' WHERE message_id = 'A1'")
    gone = api("POST", f"{PATH}/A1/forward", {"to": ["adam"]})
    assert (gone.status, gone.code) == (409, "wrong-state")
