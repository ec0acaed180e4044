"""Groups and blocked people over HTTP: the same rows as the commands, and each refusal with its reason."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID
from test_changes import owned
from test_description import fits
from web_client import serving

DOCS = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
GROUPS, BLOCKED = "/api/v1/groups", "/api/v1/blocked"
NADIA, NADIA_JID = "15550100", "15550100@s.whatsapp.net"


@pytest.fixture
def api(wa, monkeypatch):
    monkeypatch.setattr("wa.connection.actions.once.SPACING", timedelta())
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister")
    with serving() as client:
        yield client


@pytest.fixture
def ask(api):
    """Ask, and check that the answer has the columns that are described."""
    root = api("GET", "/openapi.json").json

    def ask(method, path, body=None, template=None, **how):
        reply = api(method, path, body, **how)
        assert reply.status < 300, reply.body
        described = root["paths"][template or path][method.lower()]["responses"][str(reply.status)]
        fits(reply.json, described["content"]["application/json"]["schema"], root, path)
        return reply

    return ask


def test_a_group_is_made_changed_and_left(api, ask, wa):
    group = GROUPS + "/{group}"
    with owned(api):
        body = {"name": "Garden party", "who": ["sister", ADAM]}
        made = ask("POST", GROUPS, body, idempotency_key="g")
        assert (made.status, made.json["name"]) == (201, "Garden party")
        assert [(each["jid"], each["done"]) for each in made.json["results"]] == [
            (REEM_JID, True), (ADAM_JID, True),
        ]  # fmt: skip
        again = ask("POST", GROUPS, body, idempotency_key="g")
        assert (again.status, again.json["id"]) == (200, made.json["id"])
        assert (
            ask("PATCH", f"{GROUPS}/garden", {"name": "Summer party"}, group).json["name"] == "Summer party"
        )
        path = f"{GROUPS}/{made.json['id']}"
        added = ask("POST", f"{path}/add", {"who": [NADIA, "sister"]}, f"{group}/add").json
        assert [(each["jid"], each["done"], each["why"]) for each in added["results"]] == [
            (NADIA_JID, True, None), (REEM_JID, False, "is in the group already"),
        ]  # fmt: skip
        for verb, who in (("promote", "sister"), ("demote", "sister"), ("remove", NADIA)):
            done = ask("POST", f"{path}/{verb}", {"who": [who]}, f"{group}/{verb}").json
            assert [each["done"] for each in done["results"]] == [True], verb
        link = ask("POST", f"{path}/invite", template=f"{group}/invite").json["link"]
        assert link.startswith("https://chat.whatsapp.com/")
        assert ask("POST", f"{path}/invite", {"renew": True}, f"{group}/invite").json["link"] != link
        assert ask("GET", GROUPS).json == wa("groups", "--json").json
        assert [each["member_jid"] for each in ask("GET", path, template=group).json["members"]][1:] == [
            REEM_JID, ADAM_JID,
        ]  # fmt: skip
        for where, body, status, code in (
            (f"{path}/add", {"who": ["sister"]}, 409, "wrong-state"),
            (f"{path}/remove", {"who": ["me"]}, 409, "wrong-state"),
            (f"{path}/add", {"who": []}, 400, "usage"),
            (f"{path}/add", {"who": ["nobody"]}, 404, "recipient-not-found"),
            (f"{GROUPS}/none/leave", None, 404, "not-found"),
            (f"{GROUPS}/join", {"link": "?"}, 400, "usage"),
            (f"{GROUPS}/join", {"link": link}, 404, "not-found"),
            (GROUPS, {"name": " ", "who": ["sister"]}, 400, "usage"),
            (GROUPS, {"name": "x" * 101, "who": ["sister"]}, 400, "usage"),
        ):
            reply = api("POST", where, body)
            assert (reply.status, reply.code) == (status, code), (where, body, reply.body)
        assert ask("POST", f"{path}/leave", template=f"{group}/leave").json["left_at"]
        assert api("POST", f"{path}/leave").code == "wrong-state"
    assert len(api("GET", GROUPS).json) == 1


def test_the_lines_of_the_docs_do_what_they_say(api):
    part = DOCS.partition("## Groups and blocked people")[2].partition("\n## ")[0]
    lines = [shlex.split(line) for line in re.findall(r"^\$ (curl .*)$", part, re.MULTILINE)]
    done = []
    with owned(api):
        for words in lines:
            (path,) = [each.removeprefix("$WA_URL") for each in words if each.startswith("$WA_URL")]
            body = json.loads(words[words.index("--json") + 1]) if "--json" in words else None
            method = words[words.index("-X") + 1] if "-X" in words else "POST"
            done.append(api(method, path, body).status)
    assert done == [201, 200, 200, 200, 400, 200]  # CODE is none


def test_people_are_blocked_and_listed(api, ask):
    one = BLOCKED + "/{who}"
    assert api("GET", BLOCKED).status == 503
    with owned(api):
        assert ask("PUT", f"{BLOCKED}/sister", template=one).json == {
            "jid": REEM_JID, "name": "Reem Sample", "is_blocked": True,
        }  # fmt: skip
        assert ask("GET", BLOCKED).json == [{"jid": REEM_JID, "name": "Reem Sample"}]
        assert ask("GET", f"{BLOCKED}/{REEM}", template=one).json["is_blocked"]
        assert not ask("DELETE", f"{BLOCKED}/sister", template=one).json["is_blocked"]
        assert not ask("GET", f"{BLOCKED}/{REEM}", template=one).json["is_blocked"]
        for who, status in (("nobody", 404), ("me", 400), ("120363000000000001@g.us", 400)):
            assert api("PUT", f"{BLOCKED}/{who}").status == status, who


def test_without_anybody_connected_nothing_is_done_now_or_later(api, store):
    reply = api("POST", GROUPS, {"name": "Garden party", "who": ["sister"]})
    assert (reply.status, reply.code) == (503, "network-error")
    assert "nothing was changed" in reply.json["error"]["hint"]
    assert api("PUT", f"{BLOCKED}/sister").status == 503
    assert store.value("SELECT count(*) FROM requests") == 0
