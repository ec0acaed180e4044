"""Posting an event to a web address, signed as the Standard Webhooks convention says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the signature is
the base64 of HMAC-SHA256 over `id.timestamp.body`, with the bytes of the secret as key.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import socket
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from wa.errors import WaError
from wa.hooks.program import Result

_GONE = 410


def check(address: str, *, allow_http: bool) -> str:
    """Return a web address. Raise WaError `usage` for one that events should not go to."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WaError("usage", "that is no web address", "https://example.org/hook") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f\x7f]", address):
        raise WaError("usage", "a webhook is an address that begins with https://", None)
    if parts.username is not None or parts.password is not None:
        hint = "the receiver knows us by the signature: `wa hooks show NAME --secret`"
        raise WaError("usage", "the address has a password in it, which would be logged", hint)
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        hint = "use https://, or --allow-http within a network that you trust"
        raise WaError("usage", f"messages would cross the network to {host} in the clear", hint)
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def signature(secret: str, number: str, seconds: int, body: bytes) -> str:
    """Return the signature of a body that is sent at a time in Unix seconds, under an id."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((number.encode(), str(seconds).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class Ending(threading.Event):
    """The end of a hook, or of wa; when it is set, it cuts the attempts that run."""

    def __init__(self) -> None:
        super().__init__()
        self.running: set[_Deadline] = set()

    def set(self) -> None:
        """Set it."""
        super().set()
        for each in self.running.copy():
            each.cut("wa ended")


class _Deadline:
    """The end of one attempt, which cuts its connections: the timeout of a socket is for each byte."""

    def __init__(self, seconds: float, ending: Ending) -> None:
        self._opened: list[socket.socket] = []
        self._ending = ending
        self.passed: str | None = None
        """Why it has passed, if it has."""
        self._timer = threading.Timer(seconds, self.cut, ["timed out"])
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        self._ending.running.add(self)
        if self._ending.is_set():
            self.cut("wa ended")
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._ending.running.discard(self)

    def cut(self, why: str) -> None:
        """End the attempt."""
        self.passed = self.passed or why
        for each in self._opened:
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def add(self, opened: socket.socket) -> None:
        """Watch a connection. Raise TimeoutError if it is too late for it."""
        self._opened.append(opened)
        if self.passed:
            raise TimeoutError(self.passed)

    def handler(self) -> urllib.request.BaseHandler:
        """Return what opens connections for urllib, over HTTP and HTTPS."""
        deadline = self

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                deadline.add(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                deadline.add(self.sock)

        class Opens(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
            def http_open(self, request: urllib.request.Request) -> HTTPResponse:
                return self.do_open(Plain, request)

            def https_open(self, request: urllib.request.Request) -> HTTPResponse:
                return self.do_open(Secure, request)

        return Opens()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that names another address is a refusal: events go where the user said."""

    def redirect_request(self, *args: Any, **how: Any) -> None:
        """Return None: it is not followed."""


def post(
    address: str,
    secret: str,
    event_id: int,
    event: str,
    seconds: float,
    now: datetime,
    ending: Ending | None = None,
) -> Result:
    """Post an event; it is taken if the answer is a 2xx.

    One attempt takes at most so many seconds, or until `ending` is set.
    """
    number, body = f"evt_{event_id}", event.encode()
    at = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "wa",
        "webhook-id": number,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, number, at, body),
    }
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310
    deadline = _Deadline(seconds, ending or Ending())
    handlers: list[Any] = [_NoRedirects, deadline.handler()]
    if _is_loopback(urlsplit(address).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        opener = urllib.request.build_opener(*handlers)
        with deadline, opener.open(request, timeout=seconds):
            if not deadline.passed:  # it is a 2xx: nothing behind its head matters
                return Result()
            raise TimeoutError
    except urllib.error.HTTPError as error:
        with error:
            is_gone = error.code == _GONE
            return Result(error=f"it answered {error.code}", again=not is_gone, gone=is_gone)
    except (OSError, HTTPException, ValueError) as error:
        why = deadline.passed or getattr(error, "reason", None) or error
        return Result(error=f"it was not reached: {why}"[:300], again=True)
