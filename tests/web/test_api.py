"""The endpoints under /api/v1: the same rows as the commands, keys, pages, and bad input."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from datetime import timedelta
from urllib.parse import quote

import pytest
from conftest import ADAM, REEM, REEM_JID, FakeClock, delivered, own
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_client import serving

from wa.connection.context import system_now

FAR = "2030-12-24 10:00"


@pytest.fixture
def api(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister", "--tag", "family")
    wa("contacts", "add", "Adam Sample", ADAM)
    with serving() as client:
        yield client


def test_what_is_scheduled_is_what_the_commands_show(api, wa):
    reply = api("POST", "/api/v1/schedule", {"to": "sister", "text": "Hi", "at": FAR, "tz": "Asia/Dubai"})
    assert reply.status == 201
    row = reply.json
    assert (row["to_jid"], row["timezone"], row["status"], row["created_from"]) == (
        REEM_JID, "Asia/Dubai", "pending", "api",
    )  # fmt: skip
    assert row == wa("schedule", "show", row["id"], "--json").json
    assert api("GET", f"/api/v1/schedule/{row['id'][-6:]}").json == row
    assert api("GET", "/api/v1/schedule").json == wa("schedule", "list", "--json").json == [row]
    changed = api("PATCH", f"/api/v1/schedule/{row['id']}", {"text": "Hello", "to": "Adam Sample"})
    assert (changed.json["message"], changed.json["to_phone"]) == ("Hello", ADAM)
    moved = [
        api("POST", f"/api/v1/schedule/{row['id']}/{verb}").json["status"]
        for verb in ("hold", "unhold", "cancel")
    ]
    assert moved == ["held", "pending", "cancelled"]
    again = api("POST", f"/api/v1/schedule/{row['id']}/cancel")
    assert (again.status, again.code) == (409, "wrong-state")
    assert api("GET", "/api/v1/schedule").json == []
    assert [each["status"] for each in api("GET", "/api/v1/schedule?status=all").json] == ["cancelled"]


def test_a_series_and_a_draft(api):
    body = {"to": REEM, "text": "Rent", "at": FAR, "every": "last friday", "except": ["2031-01-31"]}
    made = api("POST", "/api/v1/schedule", body, idempotency_key="rent")
    assert made.status == 201
    assert len(made.json["next"]) == 5
    assert not any(each.startswith("2031-01-31") for each in made.json["next"])
    again = api("POST", "/api/v1/schedule", body, idempotency_key="rent")
    assert (again.status, again.json["id"]) == (200, made.json["id"])
    (series,) = api("GET", "/api/v1/series").json
    assert (series["id"], series["created_from"]) == (made.json["series_id"], "api")
    assert api("GET", f"/api/v1/series/{series['id']}").json == series
    assert api("GET", "/api/v1/series/no").status == 404
    draft = api("POST", "/api/v1/messages", {"to": REEM, "text": "Shall I?", "draft": True})
    assert (draft.status, draft.json["status"]) == (201, "draft")
    approved = api("POST", f"/api/v1/schedule/{draft.json['id']}/approve", {"now": True})
    assert approved.json["status"] == "pending"


def test_templates_and_changes_of_a_series(api, wa, store):
    kept = api("PUT", "/api/v1/templates/greeting", {"text": "Hello {first}, see you in {place}"})
    assert kept.json == wa("template", "show", "greeting", "--json").json
    assert [row["name"] for row in api("GET", "/api/v1/templates").json] == ["greeting"]
    body = {"to": "sister", "template": "greeting", "set": {"place": "Rome"}, "at": FAR}
    assert api("POST", "/api/v1/schedule", body).json["message"] == "Hello Reem, see you in Rome"
    now = api("POST", "/api/v1/messages", {**body, "at": None})
    assert now.status == 400  # no field of this body
    del body["at"]
    assert api("POST", "/api/v1/messages", body).json["message"] == "Hello Reem, see you in Rome"
    for wrong in ({"set": {}}, {"text": "x"}, {"template": None}, {"set": {"a b": "c", "place": "Rome"}}):
        assert api("POST", "/api/v1/messages", {**body, **wrong}).status == 400
    assert api("POST", "/api/v1/messages", {**body, "template": "none"}).status == 404
    made = api("POST", "/api/v1/schedule", {**body, "at": FAR, "every": "week"}).json
    series = f"/api/v1/series/{made['series_id']}"
    assert api("GET", series).json["template"] == "greeting"
    assert api("DELETE", "/api/v1/templates/greeting").code == "wrong-state"
    assert api("POST", f"{series}/hold").json["status"] == "held"
    assert api("POST", f"{series}/unhold").json["status"] == "active"
    changed = api("PATCH", series, {"text": "See you", "every": "2 weeks"}).json
    assert (changed["message"], changed["template"]) == ("See you", None)
    assert api("POST", f"{series}/cancel").json["status"] == "ended"
    assert api("GET", "/api/v1/series").json == []
    assert [row["id"] for row in api("GET", "/api/v1/series?ended=true").json] == [made["series_id"]]
    assert api("DELETE", "/api/v1/templates/greeting").json["name"] == "greeting"
    assert api("GET", "/api/v1/templates/greeting").status == 404


def test_a_key_makes_one_row_whoever_repeats_it(api, store):
    body = {"to": REEM, "text": "Once", "at": FAR}
    first = api("POST", "/api/v1/schedule", body, idempotency_key="k1")
    second = api("POST", "/api/v1/schedule", {**body, "key": "k1"})
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert first.header("idempotency-key") == "k1"
    other = api("POST", "/api/v1/schedule", {**body, "text": "Other"}, idempotency_key="k1")
    assert (other.status, other.code) == (400, "usage")
    assert api("POST", "/api/v1/schedule", {**body, "key": "k2"}, idempotency_key="k3").status == 400
    assert api("POST", "/api/v1/schedule", body, idempotency_key="").status == 400
    without = api("POST", "/api/v1/schedule", body)
    assert without.header("idempotency-key") == without.json["idempotency_key"]
    repeated = api("POST", "/api/v1/schedule", body, idempotency_key=without.json["idempotency_key"])
    assert (repeated.status, repeated.json["id"]) == (200, without.json["id"])
    assert store.value("SELECT count(*) FROM scheduled_messages") == 2


def test_the_same_key_at_the_same_moment_makes_one_row(api, store):
    async def all_at_once():
        body = {"to": REEM, "text": "Once"}
        asked = (api.ask("POST", "/api/v1/messages", body, idempotency_key="k") for _ in range(20))
        return await asyncio.gather(*asked)

    replies = asyncio.run(all_at_once())
    assert sorted(each.status for each in replies) == [200] * 19 + [202]
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1


def test_a_message_is_queued_at_once_and_waited_for_if_asked(api, home):
    body = {"to": "sister", "text": "Now"}
    queued = api("POST", "/api/v1/messages", body, idempotency_key="m")
    assert (queued.status, queued.json["status"]) == (202, "pending")
    waited = api("POST", "/api/v1/messages?wait=0.2", body, idempotency_key="m")
    assert (waited.status, waited.json["status"]) == (200, "pending")
    done = threading.Event()
    owner = threading.Thread(target=own, args=(system_now, done.is_set))
    owner.start()
    try:
        sent = api("POST", "/api/v1/messages?wait=30", body, idempotency_key="m")
        assert (sent.status, sent.json["status"]) == (200, "sent")
        new = api("POST", "/api/v1/messages", {"to": "sister", "text": "Next", "wait": 30})
        assert (new.status, new.json["status"], new.json["created_from"]) == (201, "sent", "api")
    finally:
        done.set()
        owner.join()
    assert delivered(home) == ["Now", "Next"]


def test_what_was_not_sent_and_what_may_have_been_are_told_apart(api, wa, home):
    wa("loopback", "fault", "not-on-whatsapp", ADAM)
    failed = api("POST", "/api/v1/messages", {"to": ADAM, "text": "Hi"}, idempotency_key="failed")
    own(system_now, lambda: api("GET", f"/api/v1/schedule/{failed.json['id']}").json["status"] == "failed")
    again = api("POST", "/api/v1/messages", {"to": ADAM, "text": "Hi"}, idempotency_key="failed")
    assert (again.status, again.code) == (409, "wrong-state")
    wa("loopback", "fault", "reset")
    wa("loopback", "fault", "ack-lost", "on")
    wa("loopback", "fault", "receipts", "off")
    lost = api("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"}, idempotency_key="lost")
    path = f"/api/v1/schedule/{lost.json['id']}"
    own(system_now, lambda: api("GET", path).json["status"] == "unknown")
    for reply in (
        api("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"}, idempotency_key="lost"),
        api("POST", f"{path}/cancel"),
        api("POST", f"{path}/retry"),
    ):
        assert (reply.status, reply.code) == (409, "unknown-outcome")
    assert api("POST", f"{path}/resolve", {"outcome": "perhaps"}).status == 400
    assert api("POST", f"{path}/resolve", {"outcome": "failed"}).json["status"] == "failed"
    assert api("POST", f"{path}/retry").status == 202
    too_long = api("POST", "/api/v1/messages", {"to": REEM, "text": "x" * 65537})
    assert (too_long.status, too_long.code) == (422, "message-too-long")


def test_without_an_account_nothing_is_queued(wa, store, monkeypatch):
    monkeypatch.setenv("WA_TRANSPORT", "neonize")
    with serving() as api:
        reply = api("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"})
        assert (reply.status, reply.code) == (503, "not-authorized")
        assert api("GET", "/api/v1/status").json["account"] is None
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


def test_chats_messages_and_search(api, wa, store):
    for number, text in enumerate(("Are we on?", "Saturday then", "Ünïcode e")):
        wa("loopback", "say", "sister", text, "--id", f"A{number}")
    own(system_now, lambda: len(api("GET", "/api/v1/messages/search?q=e").json) == 3)
    (chat,) = api("GET", "/api/v1/chats").json
    assert (chat["name"], chat["is_group"]) == ("Reem Sample", False)
    assert api("GET", "/api/v1/chats?unread=true&limit=1").json == [chat]
    for said in ("archived", "pinned", "muted"):
        assert api("GET", f"/api/v1/chats?{said}=true").json == []
    with store.write():
        store.update("chats", REEM_JID, {"is_archived": 1, "is_pinned": 1, "muted_until": 4_102_444_800})
    for said in ("archived", "pinned", "muted"):
        (found,) = api("GET", f"/api/v1/chats?{said}=true").json
        assert found["id"] == REEM_JID
    rows = api("GET", "/api/v1/messages?chat=sister&limit=2").json
    assert rows == wa("read", "sister", "2", "--json").json
    assert [row["content"] for row in rows] == ["Saturday then", "Ünïcode e"]
    found = api("GET", "/api/v1/messages/search?q=SATUR&chat=sister&type=text").json
    assert found == wa("search", "SATUR", "--json").json
    assert api("GET", "/api/v1/messages/search?q=satur&from=adam").json == []
    reply = api("POST", "/api/v1/messages", {"to": "sister", "text": "Yes", "reply_to": "A1"})
    assert reply.json["quoted_id"] == "A1"
    assert api("GET", "/api/v1/messages?chat=nobody").status == 404
    assert api("GET", "/api/v1/messages").status == 400


def test_contacts(api, wa):
    body = {"name": "Zoe Sample", "phone": ["447700900789"], "tag": ["work"], "birthday": "1990-02-03"}
    added = api("POST", "/api/v1/contacts", body)
    assert added.status == 201
    who = f"/api/v1/contacts/{added.json['id']}"
    assert added.json == wa("contacts", "show", "zoe", "--json").json == api("GET", who).json
    assert api("POST", "/api/v1/contacts", body).status == 400  # the number is taken
    assert api("PATCH", who, {"name": "Zoë Sample", "notes": "Tea"}).json["notes"] == "Tea"
    assert api("PUT", f"{who}/favorite", {"favorite": True}).json["is_favorite"] is True
    assert api("POST", f"{who}/aliases", {"words": ["Zo"]}).json["aliases"] == ["Zo"]
    assert api("POST", f"{who}/aliases", {"words": ["sister"]}).status == 400
    assert api("POST", f"{who}/tags", {"words": ["work"], "remove": True}).json["tags"] == []
    assert [row["name"] for row in api("GET", "/api/v1/contacts?q=zo").json] == ["Zoë Sample"]
    assert [row["name"] for row in api("GET", "/api/v1/contacts?tag=family").json] == ["Reem Sample"]
    assert [row["name"] for row in api("GET", "/api/v1/contacts?favorites=true").json] == ["Zoë Sample"]
    assert api("DELETE", who).json["name"] == "Zoë Sample"
    assert api("DELETE", who).status == 404
    assert api("GET", "/api/v1/contacts/99").status == 404


def test_jobs(api, wa):
    body = {
        "title": "Party",
        "to": ["sister", ADAM],
        "part": [{"text": "Come {name}", "delay": "5s"}],
        "at": FAR,
    }
    made = api("POST", "/api/v1/jobs", body, idempotency_key="party")
    assert made.status == 201, made.body
    job = f"/api/v1/jobs/{made.json['id']}"
    again = api("POST", "/api/v1/jobs", body, idempotency_key="party")
    assert (again.status, again.json["id"]) == (200, made.json["id"])
    shown = api("GET", job).json
    assert [(part["contact_name"], part["status"]) for part in shown["parts"]] == [
        ("Reem Sample", "pending"),
        ("Adam Sample", "waiting"),
    ]
    assert [part["to_jid"] for part in api("GET", f"{job}?after=1").json["parts"]] == [
        f"{ADAM}@s.whatsapp.net"
    ]
    assert shown["created_from"] == "api"
    verbs = ("pause", "resume", "cancel")
    assert [api("POST", f"{job}/{verb}").json["status"] for verb in verbs] == [
        "paused",
        "pending",
        "cancelled",
    ]
    assert [row["id"] for row in api("GET", "/api/v1/jobs?status=cancelled").json] == [made.json["id"]]
    assert api("POST", "/api/v1/jobs", {"part": [{"text": "x"}], "to": ["nobody"]}).status == 404
    assert api("POST", "/api/v1/jobs", {"part": [{"text": "x"}]}).status == 400
    assert wa("jobs", "list", "--json").json[0]["title"] == "Party"


def test_the_queue_is_read_page_by_page_while_it_changes(api, wa, store):
    clock = FakeClock()
    rows = [("pending", 3), ("held", 2), ("draft", 2)]
    for status, number in rows:
        for each in range(number):
            at = (clock() + timedelta(days=400, minutes=each)).isoformat()
            row = api("POST", "/api/v1/schedule", {"to": REEM, "text": status, "at": at}).json
            store.execute("UPDATE scheduled_messages SET status = ? WHERE id = ?", [status, row["id"]])
    seen, path = [], "/api/v1/schedule?limit=2"
    cursor = ""
    while cursor is not None:
        reply = api("GET", path + cursor)
        seen += [(row["scheduled_at"], row["id"]) for row in reply.json]
        api("POST", f"/api/v1/schedule/{reply.json[0]['id']}/cancel")  # what was read may change
        found = reply.header("next-cursor")
        cursor = None if found is None else f"&cursor={found}"
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)
    assert api("GET", "/api/v1/schedule?cursor=nonsense").status == 400
    assert api("GET", "/api/v1/contacts?limit=1").header("next-cursor") == "1"


def test_every_list_has_pages(api, wa):
    for number in range(5):
        wa("loopback", "say", f"44770090080{number}", f"Saturday {number}", "--id", f"A{number}")
        wa("loopback", "say", REEM, "Hi", "--group", f"G{number}")
        wa("loopback", "say", REEM, f"Sunday {number}", "--id", f"B{number}")
        api("POST", "/api/v1/contacts", {"name": f"Zoe {number}", "tag": ["team"], "favorite": number > 2})
        api("PUT", f"/api/v1/templates/t{number}", {"text": "Hello"})
        api("POST", "/api/v1/jobs", {"to": [REEM], "part": [{"text": "x"}], "at": FAR})
        api("POST", "/api/v1/schedule", {"to": REEM, "text": f"{number}", "at": FAR, "every": "week"})
    own(system_now, lambda: len(api("GET", "/api/v1/messages/search?q=day").json) == 10)
    lists = [
        each for each, methods in api("GET", "/openapi.json").json["paths"].items()
        if any(one["name"] == "cursor" for one in methods.get("get", {}).get("parameters", []))
    ]  # fmt: skip
    assert len(lists) == 9
    for path in lists:
        more = {"/api/v1/messages": "&chat=sister", "/api/v1/messages/search": "&q=day"}.get(path, "")
        whole = api("GET", f"{path}?limit=200{more}")
        assert whole.header("next-cursor") is None
        seen, cursor = [], ""
        while cursor is not None:
            reply = api("GET", f"{path}?limit=2{more}{cursor and f'&cursor={quote(cursor)}'}")
            assert len(reply.json) <= 2
            seen += reply.json if path != "/api/v1/messages" else reply.json[::-1]
            cursor = reply.header("next-cursor")
        assert len(seen) >= 5, path
        assert seen == (whole.json if path != "/api/v1/messages" else whole.json[::-1]), path
        for wrong in ("nonsense", "-", "9" * 30):
            assert api("GET", f"{path}?cursor={wrong}{more}").code == "usage", (path, wrong)
    found = api("GET", "/api/v1/contacts?q=zoe&tag=team&favorites=true").json
    assert [row["name"] for row in found] == ["Zoe 3", "Zoe 4"]
    assert api("GET", "/api/v1/contacts?q=zoe&tag=none").json == []


# ── Bad input ───────────────────────────────────────────────────────────────────────────────────────

SECRET_TEXT = "do-not-repeat-this"


BAD_BODIES = [
    b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{'to': 1}", b"[" * 100_000,
    b'{"to": 1, "text": "x", "at": "x"}',
    b'{"to": "me", "text": "do-not-repeat-this", "at": "2030-12-24", "nonsense": "do-not-repeat-this"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "count": NaN, "every": "day"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "count": Infinity, "every": "day"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "count": 1.0, "every": "day"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "count": "2", "every": "day"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "count": 1' + b"0" * 5000 + b', "every": "day"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "draft": 1}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "text": "do-not-repeat-this"}',
    b'{"to": "me", "template": "x", "at": "2030-12-24", "set": {"a": "1", "a": "2"}}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "nonsense": -Infinity}',
    b'{"to": "me", "text": "\\ud800", "at": "2030-12-24"}',
    b'{"to": "me", "text": "", "at": "2030-12-24"}',
    b'{"to": "me", "text": "do-not-repeat-this", "at": ["do-not-repeat-this"]}',
    b'{"to": "me", "text": "x", "at": "03/04"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "tz": "../../etc/passwd"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "tz": "a\\u0000b"}',
    b'{"to": "me", "text": "x", "at": "2030-12-24", "file": "/etc/passwd"}',
]  # fmt: skip


def test_a_body_that_is_not_right_is_400_and_is_not_repeated(api, store):
    for raw in BAD_BODIES:
        reply = api("POST", "/api/v1/schedule", raw=raw, content_type="application/json")
        assert reply.status == 400, (raw[:200], reply.body)
        assert SECRET_TEXT.encode() not in reply.body
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


def test_bad_parameters_are_400(api):
    for path in (
        "/api/v1/chats?limit=0", "/api/v1/chats?limit=1.0", "/api/v1/chats?limit=%201",
        "/api/v1/chats?limit=x",
        "/api/v1/chats?limit=99999999999999999999", "/api/v1/chats?unread=perhaps",
        "/api/v1/schedule?status=perhaps", "/api/v1/messages/search?q=x&type=perhaps",
        "/api/v1/messages/search?q=x&before=perhaps", "/api/v1/contacts?cursor=-1",
    ):  # fmt: skip
        assert api("GET", path).status == 400, path
    assert api("POST", "/api/v1/messages?wait=31", {"to": "me", "text": "x"}).status == 400
    assert api("POST", "/api/v1/messages?wait=nan", {"to": "me", "text": "x"}).status == 400
    for wait in (31, -1, "1", True):
        assert api("POST", "/api/v1/messages", {"to": "me", "text": "x", "wait": wait}).status == 400
    nobody = api("POST", "/api/v1/messages", {"to": "nobody", "text": "x"})
    assert (nobody.status, nobody.code) == (404, "recipient-not-found")
    status = api("POST", "/api/v1/messages", {"to": "status@broadcast", "text": "x"})
    assert (status.status, status.code) == (400, "usage")


def test_what_nobody_takes_is_400_everywhere(api):
    """Unknown and repeated parameters of each endpoint, unknown fields of each body and inside of it."""
    root = api("GET", "/openapi.json").json

    def fields_of(schema):
        schema = next(each for each in schema.get("anyOf", [schema]) if each.get("type") != "null")
        name = schema["$ref"].rpartition("/")[2] if "$ref" in schema else None
        return root["components"]["schemas"][name] if name else schema

    asked = 0
    for path, methods in root["paths"].items():
        for method, operation in methods.items():
            if not path.startswith("/api/"):
                continue
            where = re.sub(r"\{\w+\}", "1", path)
            takes = operation.get("requestBody", {}).get("content", {}).get("application/json")
            body = {} if takes else None
            reply = api(method.upper(), f"{where}?nonsense=1", body)
            assert (reply.status, reply.code) == (400, "usage"), where
            assert "nonsense" in reply.json["error"]["message"]
            for each in operation.get("parameters", []):
                if each["in"] == "query":
                    twice = f"{where}?{each['name']}=1&{each['name']}=1"
                    assert "twice" in api(method.upper(), twice, body).json["error"]["message"]
            asked += 1
            if takes is None:
                if method != "get":
                    assert api(method.upper(), where, {"now": True}).status == 400, where
                continue
            reply = api(method.upper(), where, {"nonsense": 1})
            assert (reply.status, reply.code) == (400, "usage"), where
            for name, field in fields_of(takes["schema"])["properties"].items():
                if field.get("items", {}).get("$ref"):
                    inside = api(method.upper(), where, {name: [{"text": "x", "nonsense": 1}]})
                    assert (inside.status, inside.code) == (400, "usage")
    assert asked > 30
    reply = api("POST", "/api/v1/jobs", {"to": [REEM], "part": [{"text": "x", "nonsense": 1}]})
    assert "part.0.nonsense" in reply.json["error"]["message"]
    assert api("GET", "/api/v1/chats?limit=1&limit=2").status == 400
    assert api("GET", "/api/v1/chats?%FF").status == 400
    assert api("GET", "/health?nonsense=1", secret=None).status == 503  # the old ones never cared


def values_for(schema, root):
    """Return a strategy for values that fit a JSON schema, or nearly do."""
    if "$ref" in schema:
        return values_for(root["components"]["schemas"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return st.one_of(*(values_for(each, root) for each in schema["anyOf"]))
    texts = st.sampled_from(
        ["me", REEM, "sister", FAR, "in 2 hours", "last friday", "day", "1h", "1", "a\0b", "", "ß", "%", "_"]
    ) | st.text(max_size=8)
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | texts
    kinds = {
        "string": texts,
        "integer": st.integers(-1, 2**64) | st.integers(0, 5),
        "number": st.floats(-1, 0.01, allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    if schema.get("type") == "array":
        return st.lists(values_for(schema["items"], root), max_size=3)
    if schema.get("type") == "object" and "properties" in schema:
        required = schema.get("required", [])
        parts = {name: values_for(each, root) for name, each in schema["properties"].items()}
        needed = {name: parts.pop(name) for name in list(parts) if name in required}
        return st.fixed_dictionaries(needed, optional=parts)
    return kinds.get(schema.get("type"), texts)


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_no_request_that_the_description_allows_is_a_fault(api, rounds):
    root = api("GET", "/openapi.json").json
    jobs = [
        (path, method, each) for path, methods in root["paths"].items() for method, each in methods.items()
    ]

    @settings(
        max_examples=rounds * len(jobs),
        deadline=None,
        database=None,
        derandomize=rounds < 10,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data):
        path, method, operation = data.draw(st.sampled_from(jobs))
        if path in ("/health", "/metrics"):
            return
        named = {each["name"]: each for each in operation.get("parameters", []) if each["in"] == "query"}
        chosen = {
            name: data.draw(values_for(each["schema"], root))
            for name, each in named.items()
            if data.draw(st.booleans())
        }
        query = "&".join(
            f"{name}={quoted(str(value).lower() if isinstance(value, bool) else value)}"
            for name, value in chosen.items()
            if value is not None
        )
        where = re.sub(
            r"\{\w+\}",
            lambda _: data.draw(st.sampled_from(["1", "2", "nobody", "9" * 30, "a\0b", "ß"])),
            path,
        )
        body = None
        if "requestBody" in operation:
            body = data.draw(
                values_for(operation["requestBody"]["content"]["application/json"]["schema"], root)
            )
        reply = api(method.upper(), f"{where}?{query}", body)
        needs_somebody = re.match("/api/v1/(groups|blocked)", path) and reply.status == 503
        assert reply.status < 500 or (needs_somebody and "is connected" in reply.json["error"]["hint"]), (
            method, where, query, body, reply.body,
        )  # fmt: skip
        if reply.header("content-type").startswith("text/event-stream"):
            return
        json.loads(reply.body)
        if reply.status >= 400:
            assert reply.json["error"]["code"]

    ask()


def quoted(value):
    """Return a value of a query as it stands in an address."""
    return quote(str(value).encode("utf-8", "replace"))


# ── The threads behind it ───────────────────────────────────────────────────────────────────────────


def test_a_request_whose_turn_does_not_come_is_refused_and_not_done(api, store, monkeypatch):
    monkeypatch.setattr("wa.connection.programs.work.TURN_SECONDS", 0.2)
    hold = threading.Event()
    done = []

    async def both():
        pool = api.work._writer
        first = asyncio.create_task(pool.run(lambda context: hold.wait(30)))
        await asyncio.sleep(0)
        with pytest.raises(Exception, match="too many requests") as caught:
            await pool.run(lambda context: done.append(1))
        hold.set()
        await first
        return caught.value.code

    assert asyncio.run(both()) == "in-use"
    assert done == []


def test_a_locked_store_is_an_answer_and_reading_goes_on(api, store, monkeypatch):
    monkeypatch.setattr("wa.connection.programs.work.LOCK_SECONDS", 0.2)
    with store.write():
        began = time.monotonic()
        reply = api("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"}, idempotency_key="locked")
        assert (reply.status, reply.code) == (503, "in-use")
        assert api("GET", "/api/v1/contacts").status == 200
        assert time.monotonic() - began < 5
    assert api("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"}, idempotency_key="locked").status == 202


def test_a_store_that_goes_and_comes_back(api, home):
    away = home.path / "away.db"
    home.store.rename(away)
    reply = api("GET", "/api/v1/chats")
    assert (reply.status, reply.code) == (503, "storage-error")
    assert not home.store.exists()
    away.rename(home.store)
    assert api("GET", "/api/v1/chats").status == 200
