"""Parts that the endpoints share: their parameters, recipients, and the key of a message."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import Header, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from wa.connection.context import Context, HookRun
from wa.connection.programs import cursors
from wa.connection.programs.work import Act, Work
from wa.errors import WaError
from wa.queue.templates import words
from wa.store.database import Row
from wa.web.answers import Answer, answer, listed

MOST_ROWS = 200
T = TypeVar("T")


class Body(BaseModel):
    """A body whose fields have exactly their types, and which has no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _digits(value: Any) -> Any:
    """Return a number written in plain digits; other texts stay, and are refused."""
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) <= 18:
            return int(value)
        raise ValueError("a whole number in digits")
    return value


def _yes_or_no(value: Any) -> Any:
    """Return a flag written as true or false; other texts are refused."""
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("true or false")
    return value


Number = Annotated[int, Field(ge=0), BeforeValidator(_digits)]
Limit = Annotated[int, BeforeValidator(_digits), Query(ge=1, le=MOST_ROWS, description="At most this many.")]
Flag = Annotated[bool, BeforeValidator(_yes_or_no)]
Cursor = Annotated[
    str, Query(max_length=300, description="The `Next-Cursor` of the page before; without, the first page.")
]
Before = Annotated[str | None, Query(description="Only messages before this time.")]
After = Annotated[str | None, Query(description="Only messages at this time or later.")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key never makes a second one.", max_length=255),
]
Hook = Annotated[
    str | None,
    Header(
        alias="X-Wa-Hook",
        description="From a hook's program, its `WA_HOOK`: what is sent counts as the hook's reply.",
        pattern=r"^[0-9]{1,15}(:[0-9]{1,15})?$",
    ),
]
BodyKey = Annotated[str | None, Field(max_length=255, description="As the header Idempotency-Key.")]
To = Annotated[str, Field(description="A name or alias, a phone number, a JID, or me.")]
Text = Annotated[str, Field(description="The text.")]
When = Annotated[str, Field(description="When: `25 dec 10:00`, `tomorrow 9am`, ISO 8601 ...")]
Words = Annotated[list[str], Field(max_length=1000)]


class WithText(Body):
    """A body with a text, or a template."""

    text: Annotated[str | None, Field(description="The text; or give `template`.")] = None
    template: Annotated[str | None, Field(description="The name of a template.")] = None
    set: Annotated[dict[str, str], Field(description="Values for fields of the template.")] = Field({})


def reply(given: Answer) -> Response:
    """Return an answer as the framework's response."""
    return Response(given.body, given.status, dict(given.headers), given.kind)


def run_of(hook: str | None) -> HookRun | None:
    """Return the run of a hook's program that makes a request, if one does."""
    return None if hook is None else HookRun.parse(hook)


def as_hook(act: Act[T], hook: str | None) -> Act[T]:
    """Return the work of a request, for the hook whose program makes it, if one does."""
    if hook is None:
        return act
    return lambda context: act(replace(context, hook=run_of(hook)))


async def read(work: Work, act: Act[Answer]) -> Response:
    """Do work that changes nothing, and reply."""
    return reply(await work.read(act))


async def write(work: Work, act: Act[Answer]) -> Response:
    """Do work that changes the store, and reply."""
    return reply(await work.write(act))


def words_of(context: Context, body: WithText, *, has_file: bool) -> words.Words:
    """Return the text that a body gives, an empty one for a file alone.

    Raise WaError `usage` for no text and no file, and for two texts; `not-found`.
    """
    has_none = body.text is None and body.template is None
    if (has_none and not has_file) or (body.text is not None and body.template is not None):
        raise WaError("usage", "the text comes from text or from template", "give one of them")
    if body.template is not None:
        return words.of_template(context.store, body.template, (f"{k}={v}" for k, v in body.set.items()))
    if body.set:
        raise WaError("usage", "set gives fields of a template", "name one as template")
    return words.Words(body.text or "", None, {})


def page(found: Iterable[Row], limit: int, cursor: str) -> Answer:
    """Return a page of rows; its cursor says how many are on the pages before."""
    start = cursors.number(cursor)
    rows = list(islice(found, start, start + limit + 1))
    return listed(rows[:limit], str(start + limit) if len(rows) > limit else None)


def key_of(header: str | None, body: str | None) -> str:
    """Return the key of a message, a new one where none is given. Raise WaError `usage` for two.

    So it is for one that the answer's header cannot repeat, as control characters could end the header.
    """
    if header is not None and body is not None and header != body:
        raise WaError("usage", "the header and the body have different keys", "give one of them")
    given = header if header is not None else body
    if given is not None and re.search(r"[^\x20-\x7e\x80-\xff]", given):
        raise WaError("usage", "the key has characters that a header cannot carry", "make it of ASCII")
    return secrets.token_urlsafe(18) if given is None else given


def changed(act: Callable[[Context], Any]) -> Act[Answer]:
    """Return the work that changes a row, wakes the owner of the connection and answers with the row."""

    def work(context: Context) -> Answer:
        row = act(context)
        context.wake_owner()
        return answer(row)

    return work
