"""The stream of events: what happens, line by line as it is recorded, for programs that stay connected.

It is a stream of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.record.events import log, told
from wa.store.database import Row
from wa.web.access import Refused
from wa.web.api import fields

MOST_STREAMS = 20
LOOK_SECONDS = 0.2
"""Seconds between two looks at the log, one for all streams."""
COMMENT_SECONDS = 15.0
"""Seconds of silence after which a comment shows both ends that the other is there."""
AT_ONCE, MOST_CHARACTERS = 100, 64 * 1024
"""Lines that a stream holds in memory at most; after so many characters of text it holds no more."""


class Tail:
    """The end of the log, at which all streams wait together."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._streams = 0
        self._newest = -1
        self._look: asyncio.Task[None] | None = None
        self.grown = asyncio.Event()
        """It is set when the log has grown; then another one is in its place."""

    def enter(self) -> None:
        """Count a stream. Raise Refused for one too many."""
        if self._streams >= MOST_STREAMS:
            hint = "close one of the others"
            raise Refused(429, "too-many-requests", f"{MOST_STREAMS} streams are open", hint, 5)
        self._streams += 1
        if self._look is None or self._look.done():
            self.grown = asyncio.Event()  # of the loop that runs now
            self._look = asyncio.create_task(self._watch())

    def leave(self) -> None:
        """Count a stream that has ended."""
        self._streams -= 1

    async def _watch(self) -> None:
        while self._streams:
            try:
                newest = await self._work.read(lambda context: log.newest(context.store))
            except WaError:
                newest = -1  # the streams meet the same error, and end
            if newest != self._newest:
                self._newest = newest
                self.grown.set()
                self.grown = asyncio.Event()
            await asyncio.sleep(LOOK_SECONDS)


class Stream(StreamingResponse):
    """A stream of events; its place among the others is free when it ends, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, tail: Tail, lines: AsyncGenerator[str, None]) -> None:
        super().__init__(lines, headers={"X-Accel-Buffering": "no"})
        self._tail, self._lines = tail, lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until either end closes the connection."""
        self._tail.enter()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._tail.leave()
            await self._lines.aclose()


def _start(context: Context, since: int | None) -> tuple[int, int]:
    """Return the place at which a stream begins, and how many lines behind `since` are deleted by now."""
    newest, oldest = log.newest(context.store), log.oldest(context.store)
    if since is None or since > newest:
        return newest, 0
    missed = (newest if oldest is None else oldest - 1) - since
    return (since + missed, missed) if missed > 0 else (since, 0)


def _next(context: Context, place: int, types: Sequence[str], chat: str | None) -> tuple[list[str], int]:
    """Return the next lines behind a place as text, and the place behind them."""
    newest = log.newest(context.store)
    texts: list[str] = []
    found = log.after(context.store, place, AT_ONCE, types=types, chat=chat)
    for row in found:
        texts.append(_text(row, context))
        place = row["id"]
        if sum(map(len, texts)) >= MOST_CHARACTERS:
            return texts, place
    return texts, place if len(found) == AT_ONCE else max(newest, place)


def _text(row: Row, context: Context) -> str:
    event = log.event_of(row, late=told.is_late(row, context.now()))
    return f"id: {row['id']}\nevent: {row['type']}\ndata: {event}\n\n"


async def _lines(
    work: Work, tail: Tail, place: int, missed: int, types: Sequence[str], chat: str | None
) -> AsyncGenerator[str, None]:
    yield ": the events follow\n\n"
    if missed:
        yield f'id: {place}\nevent: missed\ndata: {{"missed": {missed}}}\n\n'
    while True:
        grown, begin = tail.grown, place
        texts, place = await work.read(lambda context: _next(context, begin, types, chat))  # noqa: B023
        for text in texts:
            yield text
        if not texts:
            try:
                await asyncio.wait_for(grown.wait(), COMMENT_SECONDS)
            except asyncio.TimeoutError:
                yield ": still here\n\n"


_IN_WORDS: dict[int | str, dict[str, Any]] = {
    200: {"description": "For each event `id`, `event` (its type) and `data`: type, id, at, late, data."}
}


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoint /events."""
    tail = Tail(work)

    @paths.get(
        "/api/v1/events",
        summary="What happens, as it happens",
        status_code=200,
        response_class=Stream,
        responses=_IN_WORDS,
    )
    async def events(
        types: Annotated[str | None, Query(description="Only these types: `message,queue`.")] = None,
        chat: Annotated[str | None, Query(description="Only what is of this chat.")] = None,
        since: Annotated[
            fields.Number | None, Query(description="Begin behind the event with this id; without, now.")
        ] = None,
        last_event_id: Annotated[
            fields.Number | None,
            Header(alias="Last-Event-ID", description="As since, which it comes before; browsers send it."),
        ] = None,
    ) -> Response:
        wanted = [] if types is None else log.types_of(types)
        behind = since if last_event_id is None else last_event_id

        def begin(context: Context) -> tuple[int, int, str | None]:
            jid = None if chat is None else asked.chat(context, chat).jid
            return *_start(context, behind), jid

        # The place is found before the answer begins, so that no event behind it is left out.
        place, missed, jid = await work.read(begin)
        return Stream(tail, _lines(work, tail, place, missed, wanted, jid))
