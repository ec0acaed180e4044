"""Forwarding a message: a row of the queue for each recipient."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs import forwarding
from wa.connection.programs.work import Act, Work
from wa.store.database import Row
from wa.web.answers import listed
from wa.web.api import fields
from wa.web.api.actions.messages import Chat, named
from wa.web.api.fields import Body, BodyKey, Hook, Key

_MOST = 100
"""The most recipients at once."""


class Forward(Body):
    """Whom a message is forwarded to."""

    to: Annotated[
        list[str],
        Field(min_length=1, max_length=_MOST, description="Names or aliases, phone numbers, JIDs, or me."),
    ]
    key: BodyKey = None
    draft: bool = False


async def send(
    work: Work, found: Act[Row], body: Forward, key: str, created_from: str, hook: str | None = None
) -> tuple[list[Row], bool]:
    """Queue a message for each recipient, as `forwarding.queue` does, with its file."""
    if number := await work.read(lambda context: forwarding.missing(context, found, body.to)):
        await forwarding.fetch(work, number)

    def queue(context: Context) -> tuple[list[Row], bool]:
        return forwarding.queue(
            context,
            found,
            body.to,
            key,
            created_from=context.made_from(created_from),
            is_draft=lambda: context.drafts(asked=body.draft),
        )

    return await work.write(fields.as_hook(queue, hook))


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoint."""

    @paths.post(
        "/api/v1/messages/{message}/forward", summary="Forward it to others, a row for each", status_code=202
    )
    async def forward(
        message: str, body: Forward, chat: Chat = None, key: Key = None, hook: Hook = None
    ) -> Response:
        chosen = fields.key_of(key, body.key)
        found, source = (lambda context: named(context, message, chat)), "api"
        rows, is_new = await send(work, found, body, chosen, source, hook)
        given = listed(rows)
        status = 200 if not is_new else 201 if body.draft else 202
        return Response(given.body, status, {"Idempotency-Key": chosen}, given.kind)
