"""The body of a request, as it comes in: how long it may be, and how long it may take."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from wa.media.uploads import MOST_BYTES as UPLOAD_BYTES
from wa.web.access import Headers, Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MOST_BYTES = 1024 * 1024
"""The most bytes in the body of a request."""
MOST_FORM_BYTES = UPLOAD_BYTES + MOST_BYTES
"""The most bytes in the body of a request with a file."""
BODY_SECONDS = 30.0
"""Seconds in which the body of a request must have come, or the next piece of a file."""
SLOWEST = 16 * 1024
"""The fewest bytes a second in which a file must come, on average."""


class Body:
    """The body of a request, as it comes in."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        self.headers = headers
        self.receive = receive
        self._length = headers.text(b"content-length") or "0"
        self.is_read = self._length == "0" and not headers.all(b"transfer-encoding")
        """Whether all of it has come."""
        self._most = MOST_BYTES
        self._size = 0
        self._until = math.inf

    def check_length(self, most: int) -> None:
        """Raise Refused for a body that says that it is longer than `most` bytes."""
        self._most = most
        if not self._length.isdecimal() or int(self._length[:20]) > most:
            raise too_large(most)

    async def read(self, most: int) -> bytes:
        """Return the whole body. Raise Refused if it is longer than `most` bytes, or does not come."""
        self.check_length(most)
        if self.is_read:
            return b""
        whole = bytearray()
        self._until = time.monotonic() + BODY_SECONDS
        while not self.is_read:
            message = await self._next(self._until)
            whole += message.get("body", b"")
        return bytes(whole)

    async def next_piece(self) -> Message:
        """Return the next piece, as `receive` does. Raise Refused as `read` does, and if it is slow."""
        if self.is_read:
            return await self.receive()
        now = time.monotonic()
        if self._until == math.inf:
            self._until = now + BODY_SECONDS
        return await self._next(min(now + BODY_SECONDS, self._until + self._size / SLOWEST))

    async def _next(self, until: float) -> Message:
        receiving = asyncio.ensure_future(self.receive())
        try:  # no wait_for, as in `Pool.run`
            done, _ = await asyncio.wait({receiving}, timeout=max(0.0, until - time.monotonic()))
        finally:
            receiving.cancel()
        if not done:
            raise Refused(408, "timeout", "the body does not come, or too slowly")
        message = receiving.result()
        if message["type"] == "http.disconnect":
            self.is_read = True
            raise Refused(400, "usage", "the body was cut off")
        self.is_read = not message.get("more_body")
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise too_large(self._most)
        return message


def too_large(most: int) -> Refused:
    """Return the error for a body, or a part of it, of more than `most` bytes."""
    return Refused(413, "too-large", f"it is larger than {most:,} bytes")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read already, and then what comes after it."""
    is_out = False

    async def again() -> Message:
        nonlocal is_out
        if is_out:
            return await receive()
        is_out = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
