"""Who may use the API, rule by rule."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from for_each import for_each

from wa.errors import WaError
from wa.web import access
from wa.web.access import Caller, Headers, Link, Refused, Throttle
from wa.web.config import as_address, parse_config

SECRET = "a-secret-of-the-tests-0123456789"


def config(host: str = "127.0.0.1", **values: str) -> Any:
    return parse_config({"API_SECRET": SECRET, **values}, host)


def headers(**values: str) -> Headers:
    return Headers((name.replace("_", "-").encode(), value.encode()) for name, value in values.items())


def caller(address: str = "198.51.100.9", scheme: str = "http") -> Caller:
    return Caller(as_address(address), scheme)


def refused(function: Any, *args: Any) -> int:
    """Return the status with which a rule refuses."""
    with pytest.raises(Refused) as caught:
        function(*args)
    return caught.value.status


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("host", "values", "names"),
    [
        ("0.0.0.0", {}, "API_SECRET"),
        ("192.0.2.1", {}, "API_SECRET"),
        ("::", {}, "API_SECRET"),
        ("wa.example.org", {}, "API_SECRET"),
        ("127.0.0.1", {"API_SECRET": "nineteen-characters"}, "API_SECRET"),
        ("127.0.0.1", {"API_SECRET": "two words of many letters"}, "API_SECRET"),
        ("127.0.0.1", {"API_SECRET": "ünïcode-is-not-for-a-header"}, "API_SECRET"),
        ("127.0.0.1", {"API_ALLOWED_IPS": "192.0.2.300"}, "API_ALLOWED_IPS"),
        ("127.0.0.1", {"API_TRUSTED_PROXY": "proxy.example.org"}, "API_TRUSTED_PROXY"),
        ("127.0.0.1", {"API_HOSTS": "wa.example.org:3002"}, "API_HOSTS"),
        ("127.0.0.1", {"API_HOSTS": "https://wa.example.org"}, "API_HOSTS"),
        ("127.0.0.1", {"API_HOSTS": "*"}, "API_HOSTS"),
    ],
)
def test_settings_that_would_let_others_in_are_refused(host, values, names):
    with pytest.raises(WaError, match=names) as caught:
        parse_config(values, host)
    assert caught.value.code == "bad-setting"
    assert "nineteen" not in str(caught.value)


@for_each("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_without_a_secret_the_machine_alone_is_served(host):
    assert parse_config({"API_SECRET": "  "}, host).secret is None


def test_the_secret_is_not_in_what_is_printed_of_the_settings():
    assert SECRET not in repr(config())


# ── Addresses ───────────────────────────────────────────────────────────────────────────────────────


@for_each("address", ["192.0.2.7", "10.9.8.7", "::ffff:10.1.2.3", "2001:db8::5"])
def test_an_address_on_the_list_may(address):
    rules = config(API_ALLOWED_IPS="192.0.2.7, 10.0.0.0/8 2001:db8::/32")
    access.check_address(rules, access.caller_of(rules, address, headers()))


@for_each("address", ["192.0.2.8", "2001:db9::5", "::1", "127.0.0.1", None, "nonsense"])
def test_any_other_address_may_not(address):
    rules = config(API_ALLOWED_IPS="192.0.2.7,10.0.0.0/8,2001:db8::/32")
    assert refused(access.check_address, rules, access.caller_of(rules, address, headers())) == 403


@pytest.mark.parametrize("hops", ["192.0.2.7", "192.0.2.7, 127.0.0.1", "10.0.0.1, 192.0.2.7"])
def test_a_forwarded_address_counts_from_nobody_but_the_proxy(hops):
    spoofed = headers(x_forwarded_for=hops, x_forwarded_proto="https")
    found = access.caller_of(config(), "203.0.113.5", spoofed)
    assert (str(found.address), found.scheme) == ("203.0.113.5", "http")


@for_each(
    ("hops", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("10.0.0.1, 192.0.2.7", "192.0.2.7"),  # the client wrote the left one itself
        ("192.0.2.7, 127.0.0.9", "192.0.2.7"),  # a second proxy of ours
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("10.0.0.1, unknown", "None"),
        ("", "None"),
    ],
)
def test_the_proxy_tells_the_address_of_its_client(hops, address):
    rules = config(API_TRUSTED_PROXY="127.0.0.0/8")
    found = access.caller_of(rules, "127.0.0.1", headers(x_forwarded_for=hops, x_forwarded_proto="https"))
    assert (str(found.address), found.scheme) == (address, "https")


def test_a_proxy_that_names_no_client_is_the_client():
    assert str(access.caller_of(config(API_TRUSTED_PROXY="127.0.0.1"), "127.0.0.1", headers()).address) == (
        "127.0.0.1"
    )


# ── Host and Origin ─────────────────────────────────────────────────────────────────────────────────


@for_each("host", ["localhost", "localhost:3002", "LOCALHOST:1", "127.0.0.1:3002", "[::1]:3002", "192.0.2.1"])
def test_the_bound_address_and_this_machine_are_our_hosts(host):
    access.check_host(config(), headers(host=host), ["192.0.2.1"])


@for_each(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:x", "a b", "[::2]"],
)
def test_any_other_host_is_refused(host):
    assert refused(access.check_host, config(), headers(host=host), ["192.0.2.1"]) == 403


def test_no_host_and_two_hosts_are_refused():
    two = Headers([(b"host", b"localhost"), (b"Host", b"localhost")])
    assert refused(access.check_host, config(), headers(), []) == 403
    assert refused(access.check_host, config(), two, []) == 403


def test_the_hosts_of_the_settings_are_the_only_ones():
    rules = config(API_HOSTS="WA.example.org, [2001:db8::5]")
    access.check_host(rules, headers(host="wa.example.org:8443"), [])
    access.check_host(rules, headers(host="[2001:db8::5]"), [])
    assert refused(access.check_host, rules, headers(host="localhost"), ["127.0.0.1"]) == 403


@for_each(
    ("host", "origin", "scheme"),
    [
        ("localhost:3002", "http://localhost:3002", "http"),
        ("wa.example.org", "https://wa.example.org", "https"),
        ("wa.example.org:443", "https://WA.example.org", "https"),
        ("[::1]:3002", "http://[::1]:3002", "http"),
    ],
)
def test_our_own_page_is_no_foreign_origin(host, origin, scheme):
    for method in ("GET", "POST"):
        assert access.check_origin(caller(scheme=scheme), headers(host=host, origin=origin), method)


@for_each("method", ["GET", "POST", "DELETE"])
@for_each(
    "origin",
    [
        "https://evil.example",
        "http://localhost",
        "http://localhost:3003",
        "https://localhost:3002",
        "http://localhost:3002.evil.example",
        "http://localhost:3002@evil.example",
        "http://localhost:3002/",
        "null",
        "",
    ],
)
def test_a_foreign_origin_is_refused_whatever_else_comes(origin, method):
    asked = headers(host="localhost:3002", origin=origin, x_api_secret=SECRET)
    assert refused(access.check_origin, caller(), asked, method) == 403


def test_without_an_origin_a_cookie_counts_only_for_what_changes_nothing():
    assert access.check_origin(caller(), headers(host="localhost"), "GET")
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
        assert not access.check_origin(caller(), headers(host="localhost"), method)


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given",
    [
        {"x_api_secret": SECRET},
        {"authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer  {SECRET} "},
    ],
)
def test_the_right_secret(given):
    assert access.is_secret(config(), access.given_secret(headers(**given)))


@for_each(
    "given",
    [
        {"x_api_secret": ""},
        {"x_api_secret": SECRET[:-1]},
        {"x_api_secret": SECRET + "x"},
        {"x_api_secret": SECRET.upper()},
        {"x_api_secret": "ünïcode"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
    ],
)
def test_a_wrong_secret(given):
    found = access.given_secret(headers(**given))
    assert found is not None
    assert not access.is_secret(config(), found)


@pytest.mark.parametrize("given", [{}, {"authorization": f"Basic {SECRET}"}, {"cookie": SECRET}])
def test_no_secret(given):
    assert access.given_secret(headers(**given)) is None


def test_without_a_secret_of_ours_none_is_right():
    for given in (b"", b"None", SECRET.encode()):
        assert not access.is_secret(parse_config({}, "127.0.0.1"), given)


def test_secrets_are_compared_in_constant_time(monkeypatch):
    seen = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: seen.append(both) or compare(*both))
    access.is_secret(config(), b"wrong")
    assert seen == [(b"wrong", SECRET.encode())]


# ── Guessing ────────────────────────────────────────────────────────────────────────────────────────


def test_ten_wrong_secrets_in_a_minute_are_the_last_for_a_minute():
    throttle = Throttle()
    for second in range(10):
        throttle.check(caller(), second)
        throttle.note_wrong(caller(), second)
    with pytest.raises(Refused) as caught:
        throttle.check(caller(), 10)
    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    throttle.check(caller("198.51.100.10"), 10)  # another address
    throttle.check(caller(), 10 + caught.value.retry_after)


def test_the_addresses_of_one_ipv6_network_count_as_one():
    throttle = Throttle()
    for number in range(10):
        throttle.note_wrong(caller(f"2001:db8::{number}"), 0)
    assert refused(throttle.check, caller("2001:db8::ffff"), 1) == 429
    throttle.check(caller("2001:db8:0:1::1"), 1)


def test_the_memory_of_wrong_secrets_is_bounded(monkeypatch):
    monkeypatch.setattr(access, "_MOST_ADDRESSES", 3)
    throttle = Throttle()
    for number in range(50):
        throttle.note_wrong(caller(f"198.51.100.{number}"), number)
    assert len(throttle._wrong) == 3


# ── The printed link ────────────────────────────────────────────────────────────────────────────────


def test_a_link_works_once_and_for_ten_minutes():
    link = Link("key", 0)
    assert not link.use("another", 1)
    assert link.use("key", 599)
    assert not link.use("key", 599)
    assert not Link("key", 0).use("key", 601)
