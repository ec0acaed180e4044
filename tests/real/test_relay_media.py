"""The relay's media host, as HTTP clients of any make meet it through the proxy."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import ssl
from http.client import HTTPResponse

import pytest
from conftest import wait_for

pytest_plugins = ["relay_fixture"]
HOST = "mmg.whatsapp.net"
FILE = random.Random(0).randbytes(300_000)


class Visitor:
    """A client of the media host that can say anything."""

    def __init__(self, relay, number):
        self.relay = relay
        self.auth = relay.call("media_auth", number=number)["auth"]
        self._tls = ssl.create_default_context(cafile=relay.environment()["SSL_CERT_FILE"])

    def connect(self):
        """Return a TLS connection to the media host, made by the proxy."""
        plain = socket.create_connection(("127.0.0.1", self.relay.ports["proxy"]), 20)
        plain.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += plain.recv(1)
        assert answer.startswith(b"HTTP/1.1 200")
        return self._tls.wrap_socket(plain, server_hostname=HOST)

    def say(self, request, then_close=False):
        """Send a request; return the status and the body of the answer, 0 if there is none."""
        with self.connect() as connection:
            connection.sendall(request)
            if then_close:
                return 0, b""
            answer = HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()

    def head(self, data, *headers, token=None, auth=None, path="/mms/document"):
        """Return the head of an upload."""
        name = token or base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        query = f"auth={self.auth if auth is None else auth}&token={name}"
        lines = [f"POST {path}/{name}?{query} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    def stored(self):
        """Return the sizes of all files on the media host."""
        return sorted(self.relay.call("state")["media"].values())


@pytest.fixture
def visitor(relay):
    """A client that has a right to upload."""
    return Visitor(relay, relay.person("Reem").number)


def chunks(data, size):
    """Return data as HTTP sends a stream whose length is not known."""
    parts = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"%x;name=value\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n"


@pytest.mark.parametrize("size", [1 << 20, 65_536, 1_000])
def test_an_upload_in_chunks_is_stored_whole(visitor, size):
    head = visitor.head(FILE, "Transfer-Encoding: chunked")
    status, answer = visitor.say(head + chunks(FILE, size) + b"Checksum: none\r\n\r\n")
    assert status == 200
    path = answer.split(b'"direct_path": "')[1].split(b'"')[0]
    assert visitor.say(b"GET %s&hash=x&mms-type=document HTTP/1.1\r\n\r\n" % path) == (200, FILE)


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("padding", ["=", ""])
def test_an_upload_is_stored_whatever_follows_it(visitor, connection, padding):
    token = base64.urlsafe_b64encode(hashlib.sha256(FILE).digest()).decode().rstrip("=") + padding
    about = (f"Content-Length: {len(FILE)}", f"Connection: {connection}")
    head = visitor.head(FILE, *about, token=token)
    assert visitor.say(head + FILE + b"GET /more HTTP/1.1\r\n\r\n")[0] == 200
    assert visitor.stored() == [len(FILE)]


def test_bytes_other_than_the_path_names_are_refused(visitor):
    head = visitor.head(FILE, f"Content-Length: {len(FILE)}")
    assert visitor.say(head + FILE[:-1] + b"\0")[0] == 400
    assert visitor.stored() == []


@pytest.mark.parametrize("said", [len(FILE) - 1, 0])
def test_a_file_longer_than_said_is_refused(visitor, said):
    assert visitor.say(visitor.head(FILE, f"Content-Length: {said}") + FILE)[0] == 400
    assert visitor.stored() == []


@pytest.mark.parametrize("form", [f"Content-Length: {len(FILE)}", "Transfer-Encoding: chunked"])
def test_a_client_that_goes_in_the_middle_of_an_upload_leaves_nothing(visitor, form):
    body = FILE if "Length" in form else chunks(FILE, 100_000)
    visitor.say(visitor.head(FILE, form) + body[: len(body) // 2], then_close=True)
    head = visitor.head(b"next", "Content-Length: 4")
    assert visitor.say(head + b"next")[0] == 200
    wait_for(lambda: visitor.stored() == [4])


@pytest.mark.parametrize(
    "body", [b"no size\r\n", b"4\r\nfour and more\r\n0\r\n\r\n"], ids=["no size", "too long"]
)
def test_chunks_that_are_none_are_refused(visitor, body):
    assert visitor.say(visitor.head(b"four", "Transfer-Encoding: chunked") + body)[0] == 400
    assert visitor.stored() == []


def test_an_upload_needs_a_right_that_is_valid(relay, visitor):
    about = (f"Content-Length: {len(FILE)}",)
    for wrong in ("", "made-up"):
        assert visitor.say(visitor.head(FILE, *about, auth=wrong) + FILE)[0] == 401
    relay.call("expire_media_auths", number=next(iter(relay.call("state")["accounts"])))
    assert visitor.say(visitor.head(FILE, *about) + FILE)[0] == 401
    assert visitor.stored() == []


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=299990-", 206, slice(299_990, None)),
        ("bytes=299990-400000", 206, slice(299_990, None)),
        ("bytes=300000-", 416, slice(0)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_a_part_of_a_file_can_be_downloaded(visitor, asked, status, part):
    _, answer = visitor.say(visitor.head(FILE, f"Content-Length: {len(FILE)}") + FILE)
    path = answer.split(b'"direct_path": "')[1].split(b'"')[0]
    request = b"GET %s HTTP/1.1\r\nRange: %s\r\n\r\n" % (path, asked.encode())
    assert visitor.say(request) == (status, FILE[part])
