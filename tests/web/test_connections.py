"""Connections that bring no request: how long they stay, and how many there are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import uvicorn
from uvicorn.server import ServerState

from wa.web import server


def asked(*parts: bytes, first: int = 0) -> list[bytes]:
    """Return what the server answers to each part, on a connection of its own, behind `first` that stay.

    It answers a while after it has ended a connection that brought no request.
    """

    async def run() -> list[bytes]:
        is_ended = asyncio.Event()

        async def slow(scope, receive, send):
            await is_ended.wait()
            await asyncio.sleep(server.HEAD_SECONDS / 2)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        async def talk(reader, writer, part):
            try:
                writer.write(part)
                return await asyncio.wait_for(reader.read(), 20)
            except ConnectionError:
                return b""
            finally:
                is_ended.set()

        config = uvicorn.Config(slow, log_config=None, lifespan="off")
        config.load()
        state = ServerState()

        def connection() -> server.Connection:
            return server.Connection(config, state, {})

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connection, "127.0.0.1", 0)
        address = listening.sockets[0].getsockname()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(listening.wait_closed)
            stack.callback(listening.close)
            opened = [await asyncio.open_connection(*address) for _ in range(first + len(parts))]
            for _, writer in opened:
                stack.callback(writer.close)
            return await asyncio.gather(
                *(talk(*each, part) for each, part in zip(opened[first:], parts, strict=True))
            )

    return asyncio.run(run())


def test_a_head_that_does_not_come_ends_its_connection_and_a_slow_answer_does_not(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 1.0)  # in which all begin, also on a busy machine
    whole = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    nothing, half, answered, second = asked(b"", whole[:20], whole, whole + whole[:20])
    assert (nothing, half) == (b"", b"")
    assert answered.endswith(b"ok")
    assert second.endswith(b"ok")


def test_no_more_connections_are_taken_than_a_process_can_hold(monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    assert asked(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", first=3) == [b""]
