"""A client of the HTTP API inside the test's own process: the real application, without a socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wa.cli.context import App
from wa.connection.context import system_now
from wa.connection.programs.work import Work
from wa.web.access import Link
from wa.web.application import make_application
from wa.web.config import parse_config
from wa.web.guard import Guard
from wa.web.health import Health

SECRET = "a-secret-of-the-tests-0123456789"
HOST = "localhost:3002"
ORIGIN = f"http://{HOST}"


@dataclass
class Reply:
    """An answer: its status, its headers in lower case, its body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the JSON value of the body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of the error."""
        return str(self.json["error"]["code"])

    def header(self, name: str) -> str | None:
        """Return a header; a test fails when there are two."""
        found = [text for each, text in self.headers if each == name]
        assert len(found) < 2, found
        return found[0] if found else None


@dataclass
class Client:
    """The server's side of the API, and how to ask it."""

    guard: Any
    work: Work
    link: Link | None

    def __call__(self, method: str, path: str, body: Any = None, **how: Any) -> Reply:
        """Ask one thing, as `ask` does."""
        return asyncio.run(self.ask(method, path, body, **how))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        secret: str | None = SECRET,
        host: str | None = HOST,
        peer: str = "127.0.0.1",
        raw: bytes | None = None,
        pieces: list[bytes] | None = None,
        **headers: str,
    ) -> Reply:
        """Ask one thing within a running loop.

        `body` is sent as JSON, `raw` as it is, `pieces` one after the other.
        """
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        pairs = [(name.replace("_", "-").lower(), text) for name, text in headers.items()]
        named = {name for name, _ in pairs}
        if host is not None:
            pairs.append(("host", host))
        if secret is not None:
            pairs.append(("x-api-secret", secret))
        if body is not None and "content-type" not in named:
            pairs.append(("content-type", "application/json"))
        if pieces is not None:
            pairs.append(("transfer-encoding", "chunked"))
        elif data and "content-length" not in named:
            pairs.append(("content-length", str(len(data))))
        where, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": where,
            "raw_path": where.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode("latin-1"), text.encode("utf-8")) for name, text in pairs],
            "client": (peer, 4711),
            "server": ("127.0.0.1", 3002),
        }
        waiting = list(pieces if pieces is not None else [data])
        got: list[Any] = []
        streamed = asyncio.Event()

        async def receive() -> Any:
            if waiting:
                piece = waiting.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(waiting)}
            await streamed.wait()  # the client stays, until it has the first piece of a stream
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            got.append(message)
            if got[1:] and any(b"text/event-stream" in value for _, value in got[0]["headers"]):
                streamed.set()

        answering: Callable[..., Awaitable[None]] = self.guard
        await answering(scope, receive, send)
        head = [(name.decode().lower(), text.decode("latin-1")) for name, text in got[0]["headers"]]
        return Reply(got[0]["status"], head, b"".join(each.get("body", b"") for each in got[1:]))


@contextmanager
def serving(
    now: Callable[[], datetime] = system_now, host: str = "127.0.0.1", **values: str
) -> Iterator[Client]:
    """Serve the home of this test; `values` are settings of the API."""
    values = {"API_SECRET": SECRET, **values}
    app = App(environ={**os.environ, **values}, now=now)
    config = parse_config(app.values, host)
    _ = app.store
    work, health = Work(app.home, app.settings, now), Health(app.home, app.settings, now)
    link = Link("the-key-of-the-link", 0) if config.secret is None else None
    try:
        yield Client(Guard(make_application(work, health), config, work, host, link), work, link)
    finally:
        health.stop()
        work.stop()
        app.close()
