"""A tiny HTTP server, and the proxy through which clients reach the relay and no other host."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

WEB_HOST, MEDIA_HOST = "web.whatsapp.com", "mmg.whatsapp.net"
LOCAL = "127.0.0.1"
PIECE = 1 << 16
"""The most bytes of a body that are read at once."""
GOES_WITHIN = 2.0
"""The seconds that a client has to close an answered connection, until the server closes it."""


@dataclass(frozen=True)
class Request:
    """A request: `target` is its path with its query, `headers` have names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer: status, body, its type, more headers."""

    status: int
    body: bytes = b""
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Reply]]
CutAfter = Callable[[Request], "int | None"]


def _never(request: Request) -> int | None:
    return None


async def serve_http(
    handler: Handler, port: int, tls: ssl.SSLContext | None = None, cut_after: CutAfter = _never
) -> asyncio.Server:
    """Serve HTTP, one request per connection.

    `cut_after` is asked when the head of a request has come: the connection is cut after that many bytes of
    the body. `handler` sees no such request, and no request that the client itself cuts short.
    """

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            try:
                reply = await _reply(reader, handler, cut_after)
            except ValueError as error:  # what was sent is not HTTP
                reply = Reply(400, str(error).encode(), "text/plain")
            if reply is None:
                writer.transport.abort()
                return
            writer.write(_head(reply) + reply.body)
            await writer.drain()
            await _until_it_goes(reader)
        writer.close()

    return await asyncio.start_server(client, LOCAL, port, ssl=tls, limit=PIECE)


async def _reply(reader: asyncio.StreamReader, handler: Handler, cut_after: CutAfter) -> Reply | None:
    """Read a request, and return its answer; None when the connection has to be cut."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    most, body = cut_after(Request(method, target, headers)), b""
    async for piece in _body(reader, headers):
        body += piece
        if most is not None and len(body) >= most:
            return None
    return await handler(Request(method, target, headers, body))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the body of a request in pieces, by its length or in chunks."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        async for piece in _pieces(reader, int(headers.get("content-length", "0"))):
            yield piece
        return
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        async for piece in _pieces(reader, size):
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("a chunk is longer than it says")
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers after the last chunk


async def _pieces(reader: asyncio.StreamReader, left: int) -> AsyncIterator[bytes]:
    while left > 0:
        piece = await reader.read(min(PIECE, left))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


def _head(reply: Reply) -> bytes:
    about = {"Content-Type": reply.kind, "Content-Length": str(len(reply.body)), "Connection": "close"}
    lines = [f"{name}: {value}" for name, value in (about | reply.headers).items()]
    return "\r\n".join([f"HTTP/1.1 {reply.status} X", *lines, "", ""]).encode()


async def _until_it_goes(reader: asyncio.StreamReader) -> None:
    """Read what a client sends after its request: a close with data unread would destroy the answer."""

    async def read() -> None:
        while await reader.read(PIECE):
            pass

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), GOES_WITHIN)


async def serve_proxy(routes: dict[str, int], port: int, refuse: Callable[[str], None]) -> asyncio.Server:
    """Serve a CONNECT proxy that knows only `routes` (host:443 to a local port); other hosts get a 403."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        target = routes.get(request[1]) if request[0] == "CONNECT" else None
        if target is None:
            refuse(f"{request[0]} {request[1]}")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(LOCAL, target)
        except ConnectionError:  # the relay itself is going down
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))

    return await asyncio.start_server(client, LOCAL, port)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
