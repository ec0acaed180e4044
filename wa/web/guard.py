"""The door in front of the API, as an ASGI application: it lets a request in, or answers it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any

from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.store import web_sessions
from wa.web import access, pages
from wa.web.access import Caller, Headers, Link, Refused, Throttle
from wa.web.answers import Answer, failed
from wa.web.api.body import MOST_BYTES, MOST_FORM_BYTES, Body, Message, Receive, replayed
from wa.web.config import Config

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_LOGIN_BYTES = 4096
COOKIE = "wa_session"
LOGIN, LOGOUT, FRONT = "/login", "/logout", "/"
ADMITTED = "wa.admitted"
"""The key in a request's scope that is true at FRONT, which all may ask, for a browser in a session."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self';"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Referrer-Policy: with no-referrer, browsers would send a form's Origin as null.
_ON_EVERY_ANSWER = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
_NOT_KEPT = (b"cache-control", b"no-store")
"""For every answer that says nothing else about how long it may be kept."""
log = logging.getLogger("wa.web")


def _cut_off(method: str, body: Body) -> Refused:
    """Return the error for a request that the end of the server cuts off. Without its body, nothing began."""
    if method in access.SAFE_METHODS or not body.is_read:
        return Refused(503, "in-use", "the server ends", "try again")
    hint = "look before you ask again, or ask with the same Idempotency-Key"
    return Refused(409, "unknown-outcome", "the server ends, and this may have been done", hint)


class Guard:
    """The rules of `access`, applied to each request before the application sees it."""

    def __init__(self, inner: Application, config: Config, work: Work, bound: str, link: Link | None) -> None:
        self._inner = inner
        self._config = config
        self._work = work
        self._bound = bound
        self._link = link
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._inner(scope, receive, send)
            return
        begun = False

        async def send_marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*_marked(message["headers"]), *cookies]}
            await send(message)

        cookies: list[tuple[bytes, bytes]] = []
        body = Body(Headers(scope["headers"]), receive)
        try:
            given = await self._admit(scope, body, cookies)
            if isinstance(given, Answer):
                await respond(send_marked, given)
            else:
                await self._inner(scope, given, send_marked)
        except (Refused, WaError) as error:
            await respond(send_marked, pages.failed(body.headers, scope["path"], error))
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            if not begun:
                await respond(send_marked, failed(_cut_off(scope["method"], body)))
        except Exception as error:
            log.info("a request failed", exc_info=True)
            if begun:
                raise
            fault = WaError(
                "internal", type(error).__name__, "a fault of wa's own; `wa -v serve` shows where"
            )
            await respond(send_marked, pages.failed(body.headers, scope["path"], fault))

    async def _admit(self, scope: Scope, body: Body, cookies: list[tuple[bytes, bytes]]) -> Answer | Receive:
        """Return an answer, or a `receive` with the body for the application. Raise Refused.

        The body is whole, unless it is a form for a path that takes files.
        """
        headers = body.headers
        method, path = scope["method"], scope["path"]
        peer = scope.get("client")
        caller = access.caller_of(self._config, peer[0] if peer else None, headers)
        if path not in access.OPEN_PATHS:
            self._check_place(scope, headers, caller)
        cookie_counts = access.check_origin(caller, headers, method)
        if path == LOGIN:
            self._check_method(method)
            return await self._login(scope, body, caller, cookie_counts=cookie_counts)
        if path.startswith(pages.STATIC) and method in access.SAFE_METHODS:
            return replayed(await body.read(MOST_BYTES), body.receive)
        token = pages.cookie(headers, COOKIE) if cookie_counts else None
        if path == FRONT and pages.is_for_people(headers):
            with suppress(Refused):
                self._check_place(scope, headers, caller)
                scope[ADMITTED] = token is not None and await self._is_session(token, caller, cookies)
        elif path not in access.OPEN_PATHS and not (token and await self._is_session(token, caller, cookies)):
            is_browser = cookie_counts and access.given_secret(headers) is None
            if is_browser and pages.is_for_people(headers):
                form = await body.read(MOST_BYTES)
                return pages.without_session(headers, method, _whole_path(scope), form)
            lacks_origin = not cookie_counts and pages.cookie(headers, COOKIE) is not None
            self._check_secret(caller, headers, lacks_origin=lacks_origin)
        self._check_method(method)
        if path == LOGOUT and method == "POST":
            return await self._logout(token)
        if access.takes_a_file(method, path, headers):
            body.check_length(MOST_FORM_BYTES)
            return body.next_piece
        return replayed(await body.read(MOST_BYTES), body.receive)

    def _check_place(self, scope: Scope, headers: Headers, caller: Caller) -> None:
        """Raise Refused for an address that is not on the list, and for a foreign host."""
        server = scope.get("server")
        access.check_address(self._config, caller)
        access.check_host(self._config, headers, [self._bound, *([server[0]] if server else [])])

    def _check_method(self, method: str) -> None:
        """Raise Refused for what may change something if wa is read-only; a log-in stores a session."""
        if self._work.settings.read_only and method not in access.SAFE_METHODS:
            raise access.read_only()

    def _check_secret(self, caller: Caller, headers: Headers, *, lacks_origin: bool) -> None:
        given = access.given_secret(headers)
        if given is None:
            if lacks_origin:
                hint = "browsers send one; programs send X-API-Secret instead"
                raise Refused(403, "forbidden", "with a cookie, a change needs an Origin", hint)
            raise Refused(401, "unauthorized", "there is no secret", "send it as X-API-Secret")
        self._throttle.check(caller, time.monotonic())
        if not access.is_secret(self._config, given):
            self._throttle.note_wrong(caller, time.monotonic())
            raise Refused(401, "unauthorized", "the secret is wrong", "API_SECRET holds the right one")

    async def _is_session(self, token: str, caller: Caller, cookies: list[tuple[bytes, bytes]]) -> bool:
        secret = self._config.secret
        is_valid, is_older = await self._work.read(
            lambda context: web_sessions.use(context.store, secret, token, context.now())
        )
        if is_older:
            cookies.append(_cookie(token, caller))
        return is_valid

    # ── Logging in and out ──────────────────────────────────────────────────────────────────────────

    async def _login(self, scope: Scope, body: Body, caller: Caller, *, cookie_counts: bool) -> Answer:
        method = scope["method"]
        if method in ("GET", "HEAD"):
            key = pages.field(scope["query_string"], "key")
            then = pages.own_path(pages.field(scope["query_string"], "next"))
            if key is None:
                return pages.login(body.headers, then=then)
            self._throttle.check(caller, time.monotonic())
            if self._link is None or not self._link.use(key, time.monotonic()):
                self._throttle.note_wrong(caller, time.monotonic())
                return pages.login(
                    body.headers, 403, "This link has been used, or is older than ten minutes."
                )
            return await self._welcome(caller)
        if method != "POST":
            raise Refused(405, "method-not-allowed", "this path takes GET and POST")
        if not cookie_counts:
            raise Refused(403, "forbidden", "the form comes from no page", "log in with a browser")
        form = await body.read(MOST_LOGIN_BYTES)
        self._throttle.check(caller, time.monotonic())  # behind the body, whose sender decides when it comes
        given, then = pages.field(form, "secret"), pages.own_path(pages.field(form, "next"))
        if given is None or not access.is_secret(self._config, given.encode("utf-8", "replace")):
            self._throttle.note_wrong(caller, time.monotonic())
            return pages.login(body.headers, 401, "This is not the secret.", then)
        return await self._welcome(caller, then)

    async def _welcome(self, caller: Caller, then: str = "/") -> Answer:
        secret = self._config.secret
        token = await self._work.write(
            lambda context: web_sessions.begin(context.store, secret, context.now())
        )
        name, value = _cookie(token, caller)
        return Answer(303, b"", {"Location": then, name.decode(): value.decode()}, "text/plain")

    async def _logout(self, token: str | None) -> Answer:
        secret = self._config.secret
        if token is not None:
            await self._work.write(
                lambda context: web_sessions.end(context.store, secret, token, context.now())
            )
        gone = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        return Answer(303, b"", {"Location": LOGIN, "set-cookie": gone}, "text/plain")


def _marked(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with those of every answer; its own policy is added to ours."""
    policy = _POLICY.encode()
    kept, is_kept = [], False
    for name, value in headers:
        if name == b"content-security-policy":
            policy += b"; " + value
        else:
            is_kept |= name == _NOT_KEPT[0]
            kept.append((name, value))
    lasts = [] if is_kept else [_NOT_KEPT]
    return [*kept, (b"content-security-policy", policy), *_ON_EVERY_ANSWER, *lasts]


def _whole_path(scope: Scope) -> str:
    """Return the path of a request with its query."""
    query = scope["query_string"].decode("latin-1")
    return str(scope["path"]) + (f"?{query}" if query else "")


def _cookie(token: str, caller: Caller) -> tuple[bytes, bytes]:
    age = int(web_sessions.LASTS.total_seconds())
    secure = "; Secure" if caller.scheme == "https" else ""
    text = f"{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", text.encode()


async def respond(send: Send, given: Answer) -> None:
    """Send an answer."""
    head = {"content-type": given.kind, "content-length": str(len(given.body)), **given.headers}
    pairs = [(name.lower().encode(), text.encode("latin-1", "replace")) for name, text in head.items()]
    await send({"type": "http.response.start", "status": given.status, "headers": pairs})
    await send({"type": "http.response.body", "body": given.body})
