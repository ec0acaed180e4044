"""What a hook's program sends by a command or a call counts as the hook's reply, and is braked as that."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, own, wait_for
from web_client import serving

from wa.connection import requests
from wa.connection.context import Context, HookRun, system_now
from wa.connection.incoming.events import apply_event
from wa.connection.programs import agents
from wa.hooks import table
from wa.hooks.replies import MOST
from wa.settings import parse_settings
from wa.whatsapp.events import MessageReceived

SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")
FAR = "2030-12-24 10:00"


@pytest.fixture
def api(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--tag", "family")
    with serving() as client:
        yield client


def test_every_way_of_a_program_is_counted_and_one_too_many_is_refused(api, wa, store):
    for name in ("bot", "other"):
        assert wa("hooks", "add", name, "--exec", "true").code == 0

    def call(path, body, hook="1:5", **headers):
        return api("POST", f"/api/v1/{path}", body, **({"x_wa_hook": hook} if hook else {}), **headers)

    now = {"to": REEM, "text": "Hi"}
    later = {**now, "at": FAR}
    job = {"to": [REEM, ADAM_JID], "part": [{"text": "Part"}], "gap": "1s"}
    ways = (
        lambda: call("messages", now).status == 202,
        lambda: call("schedule", later).status == 201,
        lambda: call("schedule", {**later, "every": "week"}).status == 201,
        lambda: call("jobs", {**job, "to": [REEM]}).status == 201,
        lambda: wa("send", REEM, "Hi", "--no-wait", WA_HOOK="1:5").code == 0,
        lambda: wa("send", "--tag", "family", "Hi", "--yes", WA_HOOK="1:5").code == 0,
        lambda: wa("schedule", "add", REEM, "Hi", "--at", FAR, WA_HOOK="1:5").code == 0,
        lambda: wa("schedule", "add", REEM, "Hi", "--at", FAR, "--every", "day", WA_HOOK="1:5").code == 0,
        lambda: wa("jobs", "add", "--to", REEM, "--part", "Hi", WA_HOOK="1").code == 0,
        lambda: call("messages", now, idempotency_key="tenth").status == 202,
    )
    counted = "SELECT count(*) FROM scheduled_messages WHERE hook_id = 1"
    for number, way in enumerate(ways, 1):
        assert way(), number
        assert store.value(counted) == number
    assert number == MOST[0][0]
    made = store.rows("SELECT DISTINCT created_from FROM scheduled_messages")
    assert {row["created_from"] for row in made} == {"hook", "job", "series"}
    repeated = call("messages", now, idempotency_key="tenth")
    assert (repeated.status, table.get(store, "bot")["status"]) == (200, "active"), "it is there already"
    refused = call("messages", now)
    assert (refused.status, refused.code) == (429, "rate-limit-exceeded")
    assert table.get(store, "bot")["status"] == "resting"
    for path, body in (("schedule", later), ("schedule", {**later, "every": "week"}), ("jobs", job)):
        assert call(path, body).code == "rate-limit-exceeded"
    for command in (
        ["jobs", "add", "--to", REEM, "--part", "Hi"],
        ["schedule", "add", REEM, "x", "--at", FAR],
    ):
        assert wa(*command, "--json", WA_HOOK="1:6").error["code"] == "rate-limit-exceeded"
    assert call("messages", {**now, "to": ADAM_JID}).code == "rate-limit-exceeded", "it rests"
    assert store.value(counted) == number
    assert call("messages", now, hook="2:7").status == 202, "another hook"
    assert call("messages", now, hook=None).status == 202, "no hook"
    assert call("messages", now, hook="9:1").status == 202, "a hook that was removed"
    for wrong in ("bot", "1:", "-1:2", "1:2:3", "", "1" * 30):
        assert api("POST", "/api/v1/messages", now, x_wa_hook=wrong).status == 400, wrong


def test_reactions_of_a_program_count_too_and_those_of_a_hook_that_proposes_are_refused(wa, store, home):
    for name, more in (("bot", ()), ("careful", ("--draft",))):
        assert wa("hooks", "add", name, "--exec", "true", *more).code == 0
    with store.write():
        apply_event(store, MessageReceived(REEM_JID, "A1", REEM_JID, 1_700_000_000, "Hi"), system_now())

    def react(hook):
        done = wa("react", REEM, "A1", "👍", "--json", WA_HOOK=hook)
        return done.error["code"] if done.code else "done"

    args = {"chat": REEM_JID, "message_id": "A1", "text": "👍"}
    for _ in range(MOST[0][0] - 1):
        number = requests.put_once(store, "react", args, system_now(), system_now(), hook_id=1)
        requests.end(store, number, "done", {})
    done = threading.Event()
    owner = threading.Thread(target=own, args=(system_now, done.is_set))
    owner.start()
    try:
        with serving() as api:
            wait_for(lambda: api("GET", "/api/v1/status").json["connection"] == "connected")
            for hook, code in (("2:5", "wrong-state"), ("1:5", None), ("1:5", "rate-limit-exceeded")):
                reply = api("POST", "/api/v1/messages/A1/react", {"emoji": "👍"}, x_wa_hook=hook)
                assert (reply.code if reply.status >= 300 else None) == code
    finally:
        done.set()
        owner.join()
    with store.write():
        store.execute("DELETE FROM requests WHERE id = (SELECT max(id) FROM requests)")
    assert wa("hooks", "resume", "bot").code == 0
    assert [react("1:5"), react("1:5"), react("2:5")] == ["done", "rate-limit-exceeded", "wrong-state"]
    assert table.get(store, "bot")["status"] == "resting"


def test_what_a_program_does_with_groups_and_blocked_people_counts_together(wa, store):
    assert wa("hooks", "add", "bot", "--exec", "true").code == 0
    for kind, args in [("block", {"jid": REEM_JID}), ("group-leave", {"group_jid": "1@g.us"})] * 5:
        number = requests.put_once(store, kind, args, system_now(), system_now(), hook_id=1)
        requests.end(store, number, "done", {})
    assert wa("react", "me", "last", "👍", "--json", WA_HOOK="1:5").error["code"] == "not-found"
    done = wa("block", REEM, "--json", WA_HOOK="1:5")
    assert (done.error["code"], done.error["message"]) == (
        "rate-limit-exceeded",
        "the hook rests: it changed groups or blocked people 10 times within 10 minutes: it may be talking to"
        " another program",
    )


def test_what_a_hook_that_proposes_sends_is_a_draft(api, wa, store, home):
    assert wa("hooks", "add", "shy", "--exec", "true", "--draft").code == 0
    now, later = {"to": REEM, "text": "Hi"}, ["schedule", "add", REEM, "Hi", "--at", FAR]
    assert api("POST", "/api/v1/messages", now, x_wa_hook="1:5").json["status"] == "draft"
    assert api("POST", "/api/v1/schedule", {**now, "at": FAR}, x_wa_hook="1:5").json["status"] == "draft"
    job = {"to": [REEM], "part": [{"text": "Part"}]}
    assert api("POST", "/api/v1/jobs", job, x_wa_hook="1:5").json["status"] == "draft"
    commands = (
        ["send", REEM, "Hi"],
        later,
        [*later, "--every", "week"],
        ["send", "--tag", "family", "x", "--yes"],
    )
    for command in commands:
        assert wa(*command, "--json", WA_HOOK="1:5").json["status"] == "draft", command
    context = Context(home, SETTINGS, store, hook=HookRun(1))
    made = agents.send(context, agents.Allowed(send=True), REEM, "By an agent", "k", None)
    assert (made.row["status"], made.why) == ("draft", "the hook that started this server makes drafts alone")
    assert store.value("SELECT count(*) FROM scheduled_messages WHERE status != 'draft'") == 0
    # so is what a hook sends that answers by itself, about a message of three days ago
    assert wa("hooks", "add", "quick", "--exec", "true").code == 0
    for number, days in enumerate((3, 0)):
        now_then = system_now() - timedelta(days=days)
        at = int(now_then.timestamp())
        with store.write():
            apply_event(store, MessageReceived(REEM_JID, f"M{number}", REEM_JID, at, "Hi"), now_then)
    old, new = (row["id"] for row in store.rows("SELECT id FROM events WHERE type = 'message' ORDER BY id"))
    for event, status in ((old, "draft"), (new, "pending"), (0, "pending"), (new + 99, "pending")):
        sent = wa("send", ADAM_JID, "Hi", "--no-wait", "--json", WA_HOOK=f"2:{event}")
        assert sent.json["status"] == status, event
    assert wa("send", REEM, "Hi", "--no-wait", WA_HOOK="9" * 30).code == 0, "that names no hook"
    assert wa("send", REEM, "Hi", "--no-wait", "--json").json["status"] == "pending"


def test_a_job_counts_for_each_that_it_goes_to(api, wa, store):
    assert wa("hooks", "add", "bot", "--exec", "true").code == 0
    body = {"to": [REEM_JID, ADAM_JID], "part": [{"text": "Part"}], "gap": "1s"}
    assert api("POST", "/api/v1/jobs", body, x_wa_hook="1:5").status == 201
    (row,) = store.rows("SELECT to_jid, hook_id, created_from FROM scheduled_messages")
    assert row == {"to_jid": REEM_JID, "hook_id": 1, "created_from": "job"}
    assert wa("run-scheduler", "--once").code == 0
    found = store.rows("SELECT to_jid, hook_id FROM scheduled_messages ORDER BY id")
    assert found == [{"to_jid": REEM_JID, "hook_id": 1}, {"to_jid": ADAM_JID, "hook_id": 1}]
