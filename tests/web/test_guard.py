"""The door: what each request has to bring, and what is on every answer."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import timedelta

import pytest
from conftest import FakeClock
from web_client import HOST, ORIGIN, SECRET, serving

from wa.web import access, pages

FOREIGN = "https://evil.example"


@pytest.fixture
def api():
    with serving() as client:
        yield client


def endpoints(api):
    """Return each endpoint of the application but the open ones, as (method, path) with made-up ids.

    They are those that the description names, and those that it does not; the styles and scripts, which the
    form to log in needs too, are for everybody at an address that may.
    """
    described = {
        (method.upper(), path)
        for path, methods in api("GET", "/openapi.json", peer="192.0.2.1").json["paths"].items()
        for method in methods
    }
    served = {
        (method, route.path) for route in api.guard._inner.routes for method in getattr(route, "methods", ())
    }
    assert described < served
    found = {*served, ("GET", "/nothing"), ("POST", "/logout")}
    return sorted(
        (method, re.sub(r"\{\w+\}", "1", path))
        for method, path in found
        if path not in access.OPEN_PATHS and not path.startswith(pages.STATIC)
    )


def login(api, secret=SECRET, **headers):
    """Log in as a browser does; return the answer."""
    form = f"secret={secret}".encode()
    return api("POST", "/login", secret=None, raw=form, origin=ORIGIN, **headers)


def cookie(reply):
    """Return the cookie that an answer sets, as a browser sends it back."""
    return reply.header("set-cookie").partition(";")[0]


def test_every_endpoint_wants_the_secret(api):
    """Each with none, a wrong one, the right one, under a foreign host, from a foreign page, old cookies."""
    found = endpoints(api)
    assert len(found) > 40
    ended = cookie(login(api))
    api("POST", "/logout", secret=None, cookie=ended, origin=ORIGIN)
    refused = {
        401: [
            {"secret": None},
            {"secret": "wrong"},
            {"secret": SECRET[:-1]},
            {"secret": SECRET.swapcase()},
            {"secret": None, "authorization": f"Basic {SECRET}"},
            {"secret": None, "cookie": "wa_session=old", "origin": ORIGIN},
            {"secret": None, "cookie": ended, "origin": ORIGIN},
            {"secret": None, "x_forwarded_for": "127.0.0.1"},
        ],
        403: [
            {"secret": None, "host": "evil.example"},
            {"host": "evil.example"},
            {"host": None},
            {"origin": FOREIGN},
            {"origin": "null"},
            {"secret": None, "origin": FOREIGN},
            {"secret": "wrong", "origin": FOREIGN},
        ],
    }
    for number, (method, path) in enumerate(found):
        peer = f"192.0.2.{number}"  # each address may guess a few times
        for status, ways in refused.items():
            for how in ways:
                reply = api(method, path, peer=peer, **how)
                assert reply.status == status, (method, path, how, reply)
                assert reply.json["error"]["code"] == ("unauthorized" if status == 401 else "forbidden")
        assert api(method, path, peer=peer).status not in (401, 403, 429, 500), path


def test_a_cookie_counts_everywhere_and_for_changes_with_our_own_origin_alone(api):
    mine = cookie(login(api))
    for number, (method, path) in enumerate(endpoints(api)):
        if path == "/logout":
            continue
        how = {"secret": None, "cookie": mine, "peer": f"192.0.2.{number}"}
        assert api(method, path, **how, origin=FOREIGN).status == 403
        assert api(method, path, **how, origin=ORIGIN).status not in (401, 403, 429, 500)
        if method not in access.SAFE_METHODS:
            assert api(method, path, **how).status == 403


def test_the_address_is_looked_at_first():
    with serving(API_ALLOWED_IPS="192.0.2.0/24") as api:
        for method, path in [*endpoints(api), ("GET", "/login"), ("POST", "/login")]:
            for how in ({}, {"x_forwarded_for": "192.0.2.1"}, {"secret": "wrong"}, {"host": "evil.example"}):
                reply = api(method, path, peer="198.51.100.1", **how)
                assert (reply.status, reply.code) == (403, "forbidden"), path
        assert api("GET", "/api/v1/chats", peer="192.0.2.9").status == 200
        for path in access.OPEN_PATHS:
            assert api("GET", path, secret=None, peer="198.51.100.1", host="any").status in (200, 503)


def test_a_trusted_proxy_speaks_for_its_client():
    with serving(
        API_ALLOWED_IPS="192.0.2.0/24", API_TRUSTED_PROXY="127.0.0.1", API_HOSTS="wa.example.org"
    ) as api:
        options = {"host": "wa.example.org", "x_forwarded_proto": "https"}
        assert api("GET", "/api/v1/chats", x_forwarded_for="192.0.2.1", **options).status == 200
        assert api("GET", "/api/v1/chats", x_forwarded_for="198.51.100.1", **options).status == 403
        assert api("GET", "/api/v1/chats", **options).status == 403
        page = {"origin": "https://wa.example.org", "x_forwarded_for": "192.0.2.1", **options}
        reply = api("POST", "/login", secret=None, raw=f"secret={SECRET}".encode(), **page)
        assert "; Secure" in reply.header("set-cookie")


def test_a_browser_logs_in_and_out(api):
    assert b"<form" in api("GET", "/login", secret=None).body
    reply = login(api)
    assert (reply.status, reply.header("location")) == (303, "/")
    for part in ("HttpOnly", "SameSite=Strict", "Max-Age=2592000", "Path=/"):
        assert part in reply.header("set-cookie")
    mine = cookie(reply)
    assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 200
    refresh = ("POST", "/scheduler/refresh")
    assert api(*refresh, secret=None, cookie=mine).status == 403  # a change, and no Origin
    assert api(*refresh, secret=None, cookie=mine, origin=FOREIGN).status == 403
    assert api(*refresh, secret=None, cookie=mine, origin=ORIGIN).json["success"] is True
    out = api("POST", "/logout", secret=None, cookie=mine, origin=ORIGIN)
    assert (out.status, out.header("location")) == (303, "/login")
    assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 401


def test_a_session_is_a_hash_in_the_store_and_ends_with_another_secret(store):
    with serving() as api:
        mine = cookie(login(api))
    token = mine.partition("=")[2]
    known = store.state()["web_sessions"]
    assert len(known) == 1
    assert token not in str(known)
    with serving() as api:  # another process with the same secret
        assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 200
    with serving(API_SECRET="another-secret-of-the-tests-42") as api:
        assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 401


def test_a_session_that_was_ended_does_not_come_back_with_a_backup(wa, store):
    with serving() as api:
        first = cookie(login(api))
        wa("backup")
        second = cookie(login(api))
        api("POST", "/logout", secret=None, cookie=first, origin=ORIGIN)
    assert wa("backup", "restore", "latest").code == 0
    with serving() as api:
        assert api("GET", "/api/v1/chats", secret=None, cookie=first).status == 401
        assert api("GET", "/api/v1/chats", secret=None, cookie=second).status == 200


def test_a_session_lasts_thirty_days_from_its_last_use(store):
    clock = FakeClock()
    with serving(clock) as api:
        mine = cookie(login(api))
        for _ in range(3):
            clock.advance(days=29)
            reply = api("GET", "/api/v1/chats", secret=None, cookie=mine)
            assert reply.status == 200
            assert cookie(reply) == mine  # the browser keeps it for another 30 days
        assert api("GET", "/api/v1/chats", secret=None, cookie=mine).header("set-cookie") is None
        clock.at += timedelta(days=30, seconds=1)
        assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 401


def test_a_wrong_login_says_so_and_counts(api):
    for _ in range(10):
        reply = login(api, "wrong")
        assert (reply.status, reply.header("set-cookie")) == (401, None)
    assert login(api).status == 429
    assert api("GET", "/api/v1/chats").status == 429


def test_logins_whose_bodies_come_late_are_counted_too(api):
    async def guess():
        form = {"raw": b"secret=wrong", "secret": None, "origin": ORIGIN}
        return await asyncio.gather(*(api.ask("POST", "/login", **form) for _ in range(30)))

    statuses = Counter(reply.status for reply in asyncio.run(guess()))
    assert statuses == {401: 10, 429: 20}


def test_a_login_comes_from_our_own_page(api):
    form = f"secret={SECRET}".encode()
    assert api("POST", "/login", secret=None, raw=form).status == 403
    assert api("POST", "/login", secret=None, raw=form, origin=FOREIGN).status == 403
    assert api("POST", "/login", secret=None, raw=form, origin="null").status == 403
    assert api("DELETE", "/login", secret=None).status == 405


def test_after_ten_wrong_secrets_only_a_cookie_counts(api):
    mine = cookie(login(api))
    for number in range(10):
        assert api("GET", "/api/v1/chats", secret=f"wrong{number}").status == 401
    for secret in ("wrong", SECRET):
        reply = api("GET", "/api/v1/chats", secret=secret)
        assert (reply.status, reply.code) == (429, "too-many-requests")
        assert 1 <= int(reply.header("retry-after")) <= 61
    assert api("GET", "/api/v1/chats", secret=None).status == 401
    assert api("GET", "/api/v1/chats", secret=None, cookie=mine).status == 200
    assert api("GET", "/api/v1/chats", peer="127.0.0.2").status == 200


def test_without_a_secret_a_printed_link_lets_a_browser_in():
    with serving(API_SECRET="") as api:
        assert api("GET", "/api/v1/chats").status == 401
        assert api("GET", "/login?key=wrong", secret=None).status == 403
        api.link._until = float("inf")
        reply = api("GET", f"/login?key={api.link.key}", secret=None)
        assert (reply.status, reply.header("location")) == (303, "/")
        assert api("GET", "/api/v1/chats", secret=None, cookie=cookie(reply)).status == 200
        assert api("GET", f"/login?key={api.link.key}", secret=None).status == 403


def test_every_answer_has_the_policy(api):
    asked = [
        api("GET", "/health", secret=None),
        api("GET", "/", secret=None, accept="text/html"),
        api("GET", "/api/v1/chats", secret=None),
        api("GET", "/api/v1/chats"),
        api("GET", "/nothing"),
        api("PUT", "/api/v1/chats"),
        api("POST", "/api/v1/messages", raw=b"{"),
        api("GET", "/login", secret=None),
        login(api),
        api("GET", "/metrics"),
    ]
    for reply in asked:
        policy = reply.header("content-security-policy")
        assert policy.startswith("default-src 'none'; script-src 'self';"), reply
        assert "frame-ancestors 'none'; base-uri 'none'" in policy
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("access-control-allow-origin") is None
    assert asked[-1].status == 200


def test_errors_have_one_form(api):
    for reply, status, code in (
        (api("GET", "/nothing"), 404, "not-found"),
        (api("PUT", "/api/v1/chats"), 405, "method-not-allowed"),
        (api("GET", "/api/v1/chats/"), 404, "not-found"),  # no redirect to a Host that the client names
        (api("GET", "/docs"), 404, "not-found"),
    ):
        assert (reply.status, reply.code) == (status, code)
        assert set(reply.json["error"]) == {"code", "message", "hint"}


def test_a_body_over_a_megabyte_is_refused_however_it_comes(api):
    path = "/api/v1/messages"
    assert api("POST", path, raw=b"x" * (1024 * 1024 + 1)).code == "too-large"
    assert api("POST", path, raw=b"{}", content_length="99999999999").status == 413
    assert api("POST", path, pieces=[b"x" * 65536] * 17).status == 413  # sent in pieces, with no length
    assert api("POST", path, pieces=[b"x" * 65536] * 17, secret=None).status == 401  # not even read
    assert api("POST", "/login", secret=None, raw=b"secret=" + b"x" * 5000, origin=ORIGIN).status == 413
    assert api("POST", path, pieces=[b"x" * 65536] * 15).status == 400


def test_the_old_paths_are_there(api):
    assert api("GET", "/", secret=None).json["name"] == "wa"
    assert api("GET", "/ping", secret=None).json["status"] == "ok"
    assert api("HEAD", "/health", secret=None).status == 503
    refreshed = {"success": True, "message": "Scheduler state refreshed"}
    assert api("POST", "/scheduler/refresh").json == refreshed
    assert api("POST", "/scheduler/refresh", secret=None).json["error"]["code"] == "unauthorized"
    page = api("GET", "/", secret=None, accept="text/html,*/*", host="anything.example")
    assert page.body.startswith(b"<!doctype html>")
    assert HOST not in page.body.decode()
