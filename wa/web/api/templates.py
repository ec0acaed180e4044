"""Templates: texts with fields, kept under a name."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.queue.templates import table
from wa.web.answers import Answer, answer
from wa.web.api import fields
from wa.web.api.fields import Body, Cursor, Limit


class Put(Body):
    """The text of a template."""

    text: Annotated[str, Field(description="The text; `{name}` is a field, `{{` and `}}` are braces.")]


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /templates."""

    @paths.get("/api/v1/templates", summary="The templates, by name")
    async def list_(limit: Limit = 200, cursor: Cursor = "") -> Response:
        return await fields.read(
            work, lambda context: fields.page(table.listing(context.store), limit, cursor)
        )

    @paths.get("/api/v1/templates/{name}", summary="One template")
    async def show(name: str) -> Response:
        return await fields.read(work, lambda context: answer(table.get(context.store, name)))

    @paths.put(
        "/api/v1/templates/{name}",
        summary="Keep a text under a name, for its series too",
    )
    async def put(name: str, body: Put) -> Response:
        def act(context: Context) -> Answer:
            return answer(table.put(context.store, name, body.text, context.now()))

        return await fields.write(work, act)

    @paths.delete("/api/v1/templates/{name}", summary="Remove a template that no series uses")
    async def remove(name: str) -> Response:
        return await fields.write(work, lambda context: answer(table.remove(context.store, name)))
