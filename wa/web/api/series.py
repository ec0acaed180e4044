"""Series: messages that go out again and again. They are made through /schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.connection.programs.work import Work
from wa.queue.series import change, occurrences, table
from wa.store.database import Row, Store
from wa.web.answers import Answer, answer
from wa.web.api import fields
from wa.web.api.fields import Body, Cursor, Flag, Limit, Words


class Change(Body):
    """What to change from the next date on; the rest stays."""

    to: str | None = None
    text: str | None = None
    at: Annotated[str | None, Field(description="A time of day, or with a day to begin anew on that.")] = None
    tz: str | None = None
    every: str | None = None
    until: str | None = None
    count: Annotated[int | None, Field(ge=1, le=100_000)] = None
    without: Annotated[Words, Field(alias="except", description="Dates to leave out.")] = Field([])


def _shown(context: Context, row: Row) -> Row:
    return {**table.public(row), "next": occurrences.upcoming(context.store, row, context.now())}


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /series."""

    @paths.get("/api/v1/series", summary="The series; with ended those that have ended too")
    async def list_(ended: Flag = False, limit: Limit = 200, cursor: Cursor = "") -> Response:
        def act(context: Context) -> Answer:
            found = table.listing(context.store, ended=ended)
            return fields.page((_shown(context, row) for row in found), limit, cursor)

        return await fields.read(work, act)

    @paths.get("/api/v1/series/{id}", summary="One series, with its next times")
    async def show(id: str) -> Response:  # noqa: A002
        def act(context: Context) -> Answer:
            return answer(_shown(context, table.get(context.store, id)))

        return await fields.read(work, act)

    async def move(series_id: str, act: Callable[[Store, str, datetime], object]) -> Response:
        def work_(context: Context) -> Row:
            act(context.store, series_id, context.now())
            return _shown(context, table.get(context.store, series_id))

        return await fields.write(work, fields.changed(work_))

    @paths.post("/api/v1/series/{id}/cancel", summary="End a series, and cancel what of it is not sent yet")
    async def cancel(id: str) -> Response:  # noqa: A002
        return await move(id, change.cancel)

    @paths.post("/api/v1/series/{id}/hold", summary="Let its dates pass, until it is released")
    async def hold(id: str) -> Response:  # noqa: A002
        return await move(id, change.hold)

    @paths.post("/api/v1/series/{id}/unhold", summary="Let a held series go on")
    async def unhold(id: str) -> Response:  # noqa: A002
        return await move(id, change.unhold)

    @paths.patch("/api/v1/series/{id}", summary="Change a series from its next date on")
    async def edit(id: str, body: Change) -> Response:  # noqa: A002
        def act(context: Context) -> Row:
            change.edit(
                context.store,
                context.settings,
                id,
                context.now(),
                text=body.text,
                at=body.at,
                tz=body.tz,
                to=None if body.to is None else asked.recipient(context, body.to),
                every=body.every,
                until=body.until,
                count=body.count,
                without=body.without,
            )
            return _shown(context, table.get(context.store, id))

        return await fields.write(work, fields.changed(act))
