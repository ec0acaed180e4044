"""The queue: messages for later, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.connection.programs.sending import once, shown
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.media.uploads import Upload
from wa.queue import attention, compose, outcomes, pacing, rows, states
from wa.queue.series import create
from wa.store.database import Row, Store
from wa.times import parse_duration
from wa.web.answers import Answer, answer, listed
from wa.web.api import fields
from wa.web.api.fields import Body, BodyKey, Hook, Key, Limit, To, When, Words
from wa.web.api.route import file_of

_Status = Literal[
    "all", "draft", "pending", "held", "sending", "sent", "failed", "unknown", "cancelled", "missed"
]
_Cursor = Annotated[str | None, Query(max_length=200, description="The `Next-Cursor` of the page before.")]


class Add(fields.WithText):
    """A message for later, or with `every` again and again."""

    to: To
    at: When
    tz: Annotated[str | None, Field(description="The zone of `at`, or `contact`.")] = None
    every: Annotated[str | None, Field(description="A rule such as `2 weeks` or `last friday`.")] = None
    until: str | None = None
    count: Annotated[int | None, Field(ge=1, le=100_000)] = None
    without: Annotated[Words, Field(alias="except", description="Dates to leave out.")] = Field([])
    grace: Annotated[str | None, Field(description="How late it may still go out: `6h`.")] = None
    key: BodyKey = None
    draft: bool = False


class Change(Body):
    """What to change; the rest stays."""

    to: str | None = None
    text: str | None = None
    at: str | None = None
    tz: str | None = None


class Approve(Body):
    """Whether to send it now, whatever its time was."""

    now: bool = False


class Retry(Body):
    """Whether to send it even if it may have been sent already."""

    force: bool = False


class Resolve(Body):
    """Whether the message is in the chat."""

    outcome: Literal["sent", "failed"]


def make(
    context: Context, body: Add, key: str, created_from: str, file: Upload | None = None
) -> tuple[Row, bool]:
    """Queue what a body asks for, or find what its key made before. Return the row and whether it is new."""
    store, settings, now = context.store, context.settings, context.now()
    person = asked.recipient(context, body.to)
    zone = compose.zone_for(store, person, body.tz, settings.zone)
    words = fields.words_of(context, body, has_file=file is not None)
    options: dict[str, Any] = {
        "grace": None if body.grace is None else parse_duration(body.grace),
        "key": key,
        "draft": context.drafts(asked=body.draft),
        "created_from": context.made_from(created_from),
        "file": file.columns if file else None,
    }
    add_row: Callable[[], Row]
    if body.every is not None:
        when = create.timing(
            body.every,
            body.at,
            now,
            zone,
            until=body.until,
            count=body.count,
            without=body.without,
            of_contact=body.tz == "contact",
        )
        words.filled(context.store, person, create.times(when, now)[0].astimezone(zone))  # it can be filled
        options.update(template=words.template, fields=words.given)
        add_row = partial(create.schedule, store, settings, person, words.text, when, now, **options)
    elif body.until or body.count is not None or body.without:
        raise WaError("usage", "until, count and except are for a series", "give every too")
    else:
        at = compose.read_at(body.at, now, zone, of_contact=body.tz == "contact")
        said = words.filled(context.store, person, at.moment.astimezone(at.zone))
        options.update(zone=at.zone, of_contact=body.tz == "contact")
        add_row = partial(compose.schedule, store, settings, person, said, at.moment, now, **options)
    counted = context.counting([person.jid], key)
    row, is_new = once(store, key, lambda: counted(add_row()), file)
    context.wake_owner()
    return shown(context, row), is_new


def add(context: Context, body: Add, key: str, file: Upload | None) -> Answer:
    """Add what a body asks for."""
    row, is_new = make(context, body, key, "api", file)
    return answer(row, 201 if is_new else 200, Idempotency_Key=key)


def listing(context: Context, status: str | None, limit: int, cursor: str | None) -> Answer:
    """Return a page of the queue."""
    statuses = attention.UNSETTLED if status is None else rows.STATUSES if status == "all" else (status,)
    after = attention.from_cursor(cursor) if cursor is not None else None
    found, last = attention.page(context.store, statuses, limit, after)
    return listed((shown(context, row) for row in found), attention.as_cursor(last) if last else None)


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /schedule."""

    @paths.get("/api/v1/schedule", summary="List the queue: what is not settled yet, or by status")
    async def list_(status: _Status | None = None, limit: Limit = 50, cursor: _Cursor = None) -> Response:
        return await fields.read(work, lambda context: listing(context, status, limit, cursor))

    @paths.post("/api/v1/schedule", summary="Queue a message for later, or a series", status_code=201)
    async def add_(request: Request, body: Add, key: Key = None, hook: Hook = None) -> Response:
        chosen, file = fields.key_of(key, body.key), file_of(request)
        return await fields.write(
            work, fields.as_hook(lambda context: add(context, body, chosen, file), hook)
        )

    @paths.get("/api/v1/schedule/{id}", summary="One message of the queue")
    async def show(id: str) -> Response:  # noqa: A002
        def act(context: Context) -> Answer:
            return answer(shown(context, rows.get(context.store, rows.find(context.store, id))))

        return await fields.read(work, act)

    @paths.patch("/api/v1/schedule/{id}", summary="Change a message that is not sent yet")
    async def edit(id: str, body: Change) -> Response:  # noqa: A002
        def act(context: Context) -> Answer:
            store = context.store
            row_id = rows.find(store, id)
            person = None if body.to is None else asked.recipient(context, body.to)
            row = compose.edit(
                store,
                context.settings,
                row_id,
                context.now(),
                text=body.text,
                at=body.at,
                tz=body.tz,
                to=person,
            )
            return answer(shown(context, row))

        return await fields.write(work, act)

    async def move(word: str, change: Callable[[Store, str, datetime], Row]) -> Response:
        def act(context: Context) -> Row:
            return shown(context, change(context.store, rows.find(context.store, word), context.now()))

        return await fields.write(work, fields.changed(act))

    @paths.post("/api/v1/schedule/{id}/cancel", summary="Cancel it; then it does not go out")
    async def cancel(id: str) -> Response:  # noqa: A002
        return await move(id, states.cancel)

    @paths.post("/api/v1/schedule/{id}/hold", summary="Keep it from going out")
    async def hold(id: str) -> Response:  # noqa: A002
        return await move(id, states.hold)

    @paths.post("/api/v1/schedule/{id}/unhold", summary="Let it go out again")
    async def unhold(id: str) -> Response:  # noqa: A002
        return await move(id, states.unhold)

    @paths.post("/api/v1/schedule/{id}/approve", summary="Let a draft go out")
    async def approve(id: str, body: Approve | None = None) -> Response:  # noqa: A002
        return await move(id, partial(states.approve, at_once=bool(body and body.now)))

    @paths.post("/api/v1/schedule/{id}/resolve", summary="Settle what may have been sent")
    async def resolve(id: str, body: Resolve) -> Response:  # noqa: A002
        return await move(id, lambda store, row_id, now: outcomes.resolve(store, row_id, body.outcome, now))

    @paths.post("/api/v1/schedule/{id}/retry", summary="Send a failed or missed one again", status_code=202)
    async def retry(id: str, body: Retry | None = None) -> Response:  # noqa: A002
        force = bool(body and body.force)

        def act(context: Context) -> Answer:
            store, now, grace = context.store, context.now(), context.settings.grace
            pacing.rebase(store, now)
            row = states.retry(store, rows.find(store, id), now, force=force, grace=grace)
            context.wake_owner()
            return answer(shown(context, row), 202)

        return await fields.write(work, act)
