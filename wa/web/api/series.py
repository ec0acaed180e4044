"""Series: messages that go out again and again. They are made through /schedule."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from wa.connection.context import Context
from wa.queue.series import occurrences, table
from wa.store.database import Row
from wa.web.answers import Answer, answer, listed
from wa.web.api import fields
from wa.web.api.fields import Flag
from wa.web.work import Work


def _shown(context: Context, row: Row) -> Row:
    return {**table.public(row), "next": occurrences.upcoming(context.store, row, context.now())}


def router(work: Work) -> APIRouter:
    """Return the endpoints under /series."""
    paths = APIRouter(prefix="/series", tags=["series"])

    @paths.get("", summary="The series; with ended those that have ended too")
    async def list_(ended: Flag = False) -> Response:
        def act(context: Context) -> Answer:
            return listed(_shown(context, row) for row in table.listing(context.store, ended=ended))

        return await fields.read(work, act)

    @paths.get("/{id}", summary="One series, with its next times")
    async def show(id: str) -> Response:  # noqa: A002
        def act(context: Context) -> Answer:
            return answer(_shown(context, table.get(context.store, id)))

        return await fields.read(work, act)

    return paths
