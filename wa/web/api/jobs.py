"""Jobs: messages to many people.

`ask`, which loads what holds the connection, is imported where it is used: a server is small without it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Annotated, Literal

from fastapi import FastAPI, Query
from pydantic import Field
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.queue.jobs import control, make, people, plan, sources, table
from wa.queue.jobs import show as job_rows
from wa.store.database import Row
from wa.times import parse_duration, to_iso
from wa.web.answers import Answer, answer
from wa.web.api import fields
from wa.web.api.fields import Body, BodyKey, Cursor, Hook, Key, Limit, Text, Words
from wa.when import parse_when

_Status = Literal["draft", "pending", "running", "paused", "completed", "failed", "cancelled"]
_After = Annotated[int, Query(ge=0, le=10_000_000, description="Leave the first recipients out.")]


class Part(Body):
    """A message of the job."""

    text: Text
    delay: Annotated[str | None, Field(description="The pause after it: `30s`.")] = None


class Add(Body):
    """A job: who gets it, and its messages in order."""

    title: str | None = None
    to: Annotated[list[str], Field(max_length=10_000, description="Recipients; or give tag.")] = Field([])
    tag: Words = Field([])
    part: Annotated[list[Part], Field(min_length=1, max_length=100)]
    at: str | None = None
    gap: Annotated[str | None, Field(description="The pause between two recipients: `30s`.")] = None
    grace: str | None = None
    max_retries: Annotated[int, Field(ge=0, le=100)] = plan.MAX_RETRIES
    set: Annotated[dict[str, str], Field(description="Values for fields of the texts.")] = Field({})
    key: BodyKey = None
    draft: bool = False


def _seconds(text: str | None, otherwise: float | None) -> float | None:
    return otherwise if text is None else parse_duration(text).total_seconds()


def _add(context: Context, body: Add, key: str) -> Answer:
    store, settings, now = context.store, context.settings, context.now()
    if bool(body.to) == bool(body.tag):
        raise WaError("usage", "recipients come from to or from tag", "give one of them")
    given = list(people.tagged(store, body.tag)) if body.tag else [sources.Given(word) for word in body.to]
    gap = _seconds(body.gap, plan.GAP)
    grace: timedelta = settings.grace if body.grace is None else parse_duration(body.grace)
    wish = people.Wish(
        body.title,
        [sources.Part(part.text, _seconds(part.delay, None)) for part in body.part],
        None if body.at is None else parse_when(body.at, now, settings.zone),
        settings.zone,
        plan.GAP if gap is None else gap,
        grace,
        body.max_retries,
        key,
        context.drafts(asked=body.draft),
        body.set,
    )
    frozen = people.freeze(store, settings, context.me, given, wish, now)
    context.counting((row["to_jid"] for row in frozen.rows), None)
    made_from = context.made_from("api")
    job, is_new = make.create(
        store, settings, wish, frozen, now, created_from=made_from, hook_id=context.hook_id
    )
    return answer(table.whole(store, job["id"]), 201 if is_new else 200, Idempotency_Key=key)


def _show(context: Context, job_id: str, limit: int, after: int) -> Answer:
    store, settings, now = context.store, context.settings, context.now()
    job = table.head(store, job_id)
    end = job_rows.expected_end(store, settings, job, now)
    most = limit * max(1, len(job["message_parts"]))
    return answer(
        {
            **job,
            "counts": job_rows.counts(store, job),
            "expected_end": to_iso(end) if end else None,
            "parts": list(islice(job_rows.parts(store, settings, job, now, after=after - 1), most)),
        }
    )


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /jobs."""

    @paths.get("/api/v1/jobs", summary="The jobs, the newest last")
    async def list_(status: _Status | None = None, limit: Limit = 200, cursor: Cursor = "") -> Response:
        def act(context: Context) -> Answer:
            return fields.page(table.listing(context.store, status), limit, cursor)

        return await fields.read(work, act)

    @paths.post("/api/v1/jobs", summary="Add a job", status_code=201)
    async def add(body: Add, key: Key = None, hook: Hook = None) -> Response:
        chosen = fields.key_of(key, body.key)
        return await fields.write(work, fields.as_hook(lambda context: _add(context, body, chosen), hook))

    @paths.get("/api/v1/jobs/{id}", summary="One job: its counts, and what each recipient got or gets")
    async def show(id: str, limit: Limit = 50, after: _After = 0) -> Response:  # noqa: A002
        def act(context: Context) -> Answer:
            return _show(context, table.find(context.store, id), limit, after)

        return await fields.read(work, act)

    async def move(word: str, change: Callable[[Context, str], object]) -> Response:
        def act(context: Context) -> Row:
            job_id = table.find(context.store, word)
            change(context, job_id)
            return table.whole(context.store, job_id)

        # as a reader: pausing waits for a message that is being sent, and must not keep other writers waiting
        return await fields.read(work, fields.changed(act))

    @paths.post("/api/v1/jobs/{id}/pause", summary="Stop a job for now")
    async def pause(id: str) -> Response:  # noqa: A002
        from wa.connection import ask

        return await move(id, ask.pause_job)

    @paths.post("/api/v1/jobs/{id}/cancel", summary="End a job; what is not sent yet is not sent")
    async def cancel(id: str) -> Response:  # noqa: A002
        from wa.connection import ask

        return await move(id, ask.cancel_job)

    @paths.post("/api/v1/jobs/{id}/resume", summary="Let a paused job go on")
    async def resume(id: str) -> Response:  # noqa: A002
        return await move(id, lambda context, job: control.resume(context.store, job, context.now()))

    @paths.post("/api/v1/jobs/{id}/retry", summary="Try the failed recipients again")
    async def retry(id: str) -> Response:  # noqa: A002
        return await move(id, lambda context, job: control.retry(context.store, job, context.now()))
