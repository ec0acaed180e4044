"""/openapi.json: everything is described, answers have the columns that it names, and Schemathesis agrees."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REEM, delivered, own
from test_serve import Server
from web_client import SECRET, serving

from wa.connection.context import system_now

FAR = "2030-12-24 10:00"
NEEDS_SOMEBODY = re.compile(r".* /api/v1/(groups|blocked|messages/\{message\}/(react|edit|delete))")
"""What needs somebody who is connected; it is tried in test_changes.py and test_groups_over_http.py."""
KINDS = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
ST = str(Path(sys.executable).parent / "st")


@pytest.fixture
def api(wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister")
    with serving() as client:
        yield client


def operations(root):
    """Yield each operation with its method and path."""
    for path, methods in root["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_everything_is_described(api):
    root = api("GET", "/openapi.json").json
    names = set()
    for where, operation in operations(root):
        assert operation["summary"], where
        names.add(operation["operationId"])
        for each in operation.get("parameters", []):
            assert each.get("description"), (where, each["name"])
        good = [answer for status, answer in operation["responses"].items() if status < "300"]
        assert good, where
        for answer in good:
            assert answer["description"], where
            assert answer["content"], where
        if where != "GET /health":
            statuses = set(operation["responses"])
            assert statuses >= {"400", "401", "403", "404", "408", "409", "413", "422", "429", "503"}, where
            assert operation["security"] == [{"secret": []}]
        if "messages" in where or "schedule" in where:
            assert ("multipart/form-data" in str(operation.get("requestBody"))) is (
                where in ("POST /api/v1/messages", "POST /api/v1/schedule")
            )
    assert len(names) == len(list(operations(root)))
    for name, schema in root["components"]["schemas"].items():
        if "required" not in schema or set(schema["required"]) != set(schema["properties"]):  # of a request
            for field, described in schema["properties"].items():
                assert described.get("description"), (name, field)


def resolved(schema, root):
    """Return a schema, the one that it refers to if it does."""
    if "$ref" in schema:
        return root["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def fits(value, schema, root, where):
    """Check that a value has exactly the columns of its schema, and their types."""
    schema = resolved(schema, root)
    if "anyOf" in schema:
        return fits(value, schema["anyOf"][0 if value is not None else 1], root, where)
    named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert type(value) in [KINDS[each] for each in named], (where, value)
    if "enum" in schema:
        assert value in schema["enum"], where
    if isinstance(value, list):
        for each in value:
            fits(each, schema["items"], root, where)
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) == set(schema["properties"]), where
        for name, field in schema["properties"].items():
            fits(value[name], field, root, f"{where}.{name}")
    return None


def test_answers_have_exactly_the_columns_that_are_described(api, wa, home):
    wa("loopback", "say", "sister", "Saturday")
    root = api("GET", "/openapi.json").json
    seen = set()

    def ask(method, path, body=None, template=None, **how):
        where = f"{method} {template or path.partition('?')[0]}"
        reply = api(method, path, body, **how)
        answer = root["paths"][where.split()[1]][method.lower()]["responses"][str(reply.status)]
        fits(reply.json, answer["content"]["application/json"]["schema"], root, where)
        assert reply.status < 300 or where == "GET /health", reply.body
        assert reply.json != [], where
        seen.add(where)
        return reply.json

    ask("GET", "/health")
    ask("POST", "/scheduler/refresh")
    added = ask(
        "POST", "/api/v1/contacts", {"name": "Zoe Sample", "phone": ["447700900789"], "tag": ["work"]}
    )
    contact = f"/api/v1/contacts/{added['id']}"
    ask("PATCH", contact, {"notes": "Tea"}, "/api/v1/contacts/{who}")
    ask("PUT", f"{contact}/favorite", {}, "/api/v1/contacts/{who}/favorite")
    ask("POST", f"{contact}/aliases", {"words": ["Zo"]}, "/api/v1/contacts/{who}/aliases")
    ask("POST", f"{contact}/tags", {"words": ["team"]}, "/api/v1/contacts/{who}/tags")
    ask("GET", contact, template="/api/v1/contacts/{who}")
    ask("GET", "/api/v1/contacts")
    ask("GET", "/api/v1/contacts?q=zo")
    ask("PUT", "/api/v1/templates/hello", {"text": "Hello {first} {x}"}, "/api/v1/templates/{name}")
    ask("GET", "/api/v1/templates/hello", template="/api/v1/templates/{name}")
    ask("GET", "/api/v1/templates")
    series = ask(
        "POST",
        "/api/v1/schedule",
        {"to": "sister", "template": "hello", "set": {"x": "you"}, "at": FAR, "every": "week", "count": 3},
    )
    row = ask("POST", "/api/v1/schedule", {"to": "sister", "text": "Hi", "at": FAR, "key": "k"})
    ask("POST", "/api/v1/schedule", {"to": "sister", "text": "Hi", "at": FAR, "key": "k"})
    path, named = f"/api/v1/schedule/{row['id']}", "/api/v1/schedule/{id}"
    ask("GET", path, template=named)
    ask("PATCH", path, {"text": "Hello"}, named)
    for verb in ("hold", "unhold"):
        ask("POST", f"{path}/{verb}", template=f"{named}/{verb}")
    draft = ask("POST", "/api/v1/schedule", {"to": "sister", "text": "Hi", "at": FAR, "draft": True})
    ask("POST", f"/api/v1/schedule/{draft['id']}/approve", {}, f"{named}/approve")
    ask("GET", "/api/v1/schedule?status=all")
    path, named = f"/api/v1/series/{series['series_id']}", "/api/v1/series/{id}"
    ask("GET", "/api/v1/series")
    ask("GET", path, template=named)
    ask("PATCH", path, {"every": "2 weeks"}, named)
    for verb in ("hold", "unhold", "cancel"):
        ask("POST", f"{path}/{verb}", template=f"{named}/{verb}")
    job = ask("POST", "/api/v1/jobs", {"to": ["sister"], "part": [{"text": "Hi"}, {"text": "Ho"}], "at": FAR})
    path, named = f"/api/v1/jobs/{job['id']}", "/api/v1/jobs/{id}"
    ask("GET", "/api/v1/jobs")
    ask("GET", path, template=named)
    for verb in ("pause", "resume", "cancel"):
        ask("POST", f"{path}/{verb}", template=f"{named}/{verb}")
    ask("GET", path, template=named)
    ask("POST", "/api/v1/messages", {"to": "sister", "text": "Now"})
    own(system_now, lambda: delivered(home) == ["Now"])
    wa("loopback", "fault", "not-on-whatsapp", REEM)
    failed = ask("POST", "/api/v1/messages", {"to": "sister", "text": "Again"})
    path, named = f"/api/v1/schedule/{failed['id']}", "/api/v1/schedule/{id}"
    own(system_now, lambda: api("GET", path).json["status"] == "failed")
    ask("POST", f"{path}/retry", {}, f"{named}/retry")
    ask("POST", f"{path}/cancel", template=f"{named}/cancel")
    (message, *_) = ask("GET", "/api/v1/messages?chat=sister")
    ask("GET", f"/api/v1/messages/{message['id']}", template="/api/v1/messages/{message}")
    ask(
        "POST",
        f"/api/v1/messages/{message['id']}/forward",
        {"to": ["me"]},
        "/api/v1/messages/{message}/forward",
    )
    ask("GET", "/api/v1/messages/search?q=satur")
    ask("GET", "/api/v1/chats")
    ask("GET", "/api/v1/status")
    ask("DELETE", "/api/v1/templates/hello", template="/api/v1/templates/{name}")
    ask("DELETE", contact, template="/api/v1/contacts/{who}")
    rest = {where for where, _ in operations(root)} - seen
    assert {where for where in rest if not NEEDS_SOMEBODY.match(where)} <= {
        "GET /metrics", "GET /media/{id}", "GET /api/v1/events", "POST /api/v1/schedule/{id}/resolve",
        "POST /api/v1/jobs/{id}/retry",
    }  # fmt: skip


def test_405_names_every_method_of_the_path(api):
    root = api("GET", "/openapi.json").json
    for path, methods in root["paths"].items():
        reply = api("OPTIONS", re.sub(r"\{\w+\}", "1", path))
        allowed = {each.strip() for each in reply.header("allow").split(",")}
        assert (reply.status, allowed - {"HEAD"}) == (405, {method.upper() for method in methods})


@pytest.mark.parametrize(
    ("phases", "examples", "seed"),
    [
        ("examples,coverage", 1, 1),
        pytest.param("examples,coverage,fuzzing,stateful", 60, 1, marks=pytest.mark.soak),
        pytest.param("examples,coverage,fuzzing,stateful", 60, 2, marks=pytest.mark.soak),
    ],
)
def test_schemathesis_finds_no_fault(spawn, wa, phases, examples, seed, tmp_path):
    """No 5xx, and answers of the statuses, types and columns that are described.

    Left out is that every valid request succeeds: a schema cannot say which texts are times. Wrong secrets
    would make the other requests wait. Nobody is connected who would say who is blocked, or join a group.
    """
    wa("contacts", "add", "Reem Sample", REEM)
    wa("loopback", "say", REEM, "Hello")
    server = Server(spawn("serve", "--port", "0", API_SECRET=SECRET))
    found = subprocess.run(
        [
            ST, "run", f"http://127.0.0.1:{server.port}/openapi.json", "-H", f"X-API-Secret: {SECRET}",
            "--phases", phases, "--max-examples", str(examples), "--seed", str(seed),
            "--no-color", "--no-shrink",
            "--exclude-checks", "positive_data_acceptance,ignored_auth",
            "--exclude-path", "/health", "--exclude-path", "/api/v1/events",
            "--exclude-path", "/api/v1/blocked", "--exclude-path", "/api/v1/groups/join",
        ],
        cwd=tmp_path,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-10_000:] + found.stderr[-2000:]
    assert server.ask("GET", "/api/v1/status")[0] == 200
