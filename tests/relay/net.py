"""A tiny HTTP server, and the proxy through which clients reach the relay and no other host."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable

WEB_HOST, MEDIA_HOST = "web.whatsapp.com", "mmg.whatsapp.net"
LOCAL = "127.0.0.1"
Reply = tuple[int, str, bytes]
Handler = Callable[[str, str, bytes], Awaitable[Reply]]


async def serve_http(handler: Handler, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Serve HTTP, one request per connection; `handler(method, target, body)` gives status, type and body."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ", 2)
            sizes = (line.split(":")[1] for line in head if line.lower().startswith("content-length:"))
            body = await reader.readexactly(int(next(sizes, "0")))
            status, kind, out = await handler(method, target, body)
            lines = f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(out)}"
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + out)
            await writer.drain()
        writer.close()

    return await asyncio.start_server(client, LOCAL, port, ssl=tls, limit=1 << 16)


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
