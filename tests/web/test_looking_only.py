"""A read-only server: it answers, and writes nothing."""

from __future__ import annotations

from conftest import REEM, REEM_JID
from web_client import ORIGIN, SECRET, serving

from wa.web.guard import COOKIE


def test_it_answers_and_refuses_what_changes_something(wa, home):
    wa("loopback", "say", REEM, "Yes, on Saturday")
    wa("send", REEM, "Are you coming?")
    before = home.store.read_bytes()

    with serving(WA_READ_ONLY="1") as client:
        assert client("GET", f"/api/v1/messages?chat={REEM}").json[0]["content"]
        for path in ("/api/v1/chats", "/api/v1/schedule", "/api/v1/status", "/metrics", "/openapi.json"):
            assert client("GET", path).status == 200, path
        assert client("GET", "/health", secret=None).status in (200, 503)
        refused = client("POST", "/api/v1/messages", {"to": REEM, "text": "Hello"})
        assert (refused.status, refused.code) == (403, "forbidden")
        assert "read-only" in refused.json["error"]["message"]
        for method, path in (
            ("DELETE", f"/api/v1/contacts/{REEM}"),
            ("POST", "/api/v1/messages/1/react"),
            ("POST", "/api/v1/messages/1/delete"),
            ("PATCH", "/api/v1/groups/Family"),
            ("PUT", f"/api/v1/blocked/{REEM}"),
            ("GET", "/api/v1/blocked"),
        ):
            assert client(method, path).status == 403, path
        assert client("POST", "/api/v1/messages", {"to": REEM, "text": "Hello"}, secret="wrong").status == 401

    assert home.store.read_bytes() == before
    assert {each.name for each in home.path.iterdir()} >= {"wa.db", "loopback.db"}
    assert not home.store.with_name("wa.db-wal").exists()


def test_nobody_logs_in_and_who_was_logged_in_looks_at_the_page(wa, home):
    wa("loopback", "say", REEM, "Yes, on Saturday")
    wa("send", REEM, "Are you coming?")
    form = f"secret={SECRET}".encode()
    with serving() as client:
        cookie = client("POST", "/login", raw=form, secret=None, origin=ORIGIN).header("set-cookie")
    browser = {"secret": None, "cookie": cookie.partition(";")[0], "accept": "text/html"}
    assert browser["cookie"].startswith(COOKIE)

    with serving(WA_READ_ONLY="1") as client:
        told = client("POST", "/login", raw=form, secret=None, origin=ORIGIN, accept="text/html")
        assert (told.status, b"read-only" in told.body) == (403, True)
        for path in ("/", "/schedule", "/chats", f"/chats/{REEM_JID}", "/contacts", "/jobs", "/figures"):
            assert client("GET", path, **browser).status == 200, path
        assert client("POST", "/logout", **browser, origin=ORIGIN).status == 403
