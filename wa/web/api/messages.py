"""Messages: sending, reading a chat, searching."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import FastAPI, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs import asked, cursors, sending
from wa.connection.programs.work import Work
from wa.media.uploads import Upload
from wa.queue import waiting
from wa.record import chats as chat_list
from wa.record import messages, responses
from wa.record.changing import which
from wa.record.search import Filter
from wa.record.search import search as search_messages
from wa.store.database import Row
from wa.web.answers import Answer, answer, listed
from wa.web.api import fields
from wa.web.api.actions import kinds
from wa.web.api.fields import After, Before, BodyKey, Cursor, Flag, Hook, Key, Limit, To
from wa.web.api.route import file_of

LONGEST_WAIT = 30
_Type = Literal[
    "text", "image", "video", "audio", "voice", "document", "sticker", "location", "contact", "poll",
    "reaction", "system", "other",
]  # fmt: skip
_Wait = Annotated[
    float | None,
    Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="Seconds to wait until it is sent."),
]


class Send(kinds.Message):
    """A message to send now."""

    to: To
    reply_to: Annotated[str | None, Field(description="The id of the message to quote.")] = None
    key: BodyKey = None
    draft: bool = False
    wait: Annotated[
        float | None, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="As the parameter wait.")
    ] = None


def queue(
    context: Context, body: Send, key: str, created_from: str = "api", file: Upload | None = None
) -> tuple[Row, bool]:
    """Queue a message, or find the one of its key. Return its row and whether it is new."""
    context.require_account()
    person = asked.recipient(context, body.to)
    quoted = which.id_of(context.store, person.jid, body.reply_to) if body.reply_to else None
    part = kinds.made_of(context, person, body, quoted, file)
    row, is_new = sending.queue(
        context,
        person,
        part,
        key,
        created_from=context.made_from(created_from),
        is_draft=lambda: context.drafts(asked=body.draft),
        file=file,
    )
    return sending.shown(context, row), is_new


def outcome(row: Row, key: str, *, is_new: bool) -> Answer:
    """Return the answer for a message to be sent now. Raise WaError if it was not sent, or may have been."""
    is_queued = row["status"] in ("pending", "held", "sending")
    if not is_queued and row["status"] != "draft":
        waiting.sent_or_error(row)
    return answer(row, 200 if not is_new else 202 if is_queued else 201, Idempotency_Key=key)


def read_chat(
    context: Context, chat: str, limit: int, before: str | None, after: str | None, cursor: str
) -> Answer:
    """Return the newest messages of a chat; the cursor leads to older ones."""
    jid, span = asked.chat(context, chat).jid, asked.span(context, before, after)
    found = messages.conversation(context.store, jid, limit + 1, *span, cursors.place(cursor))
    shown = responses.counted(context.store, found[-limit:])
    return listed(shown, cursors.of_message(shown[0]) if len(found) > limit else None)


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /messages and /chats."""

    @paths.get("/api/v1/chats", summary="The chats, newest message first")
    async def chats(
        limit: Limit = 20,
        unread: Flag = False,
        channels: Flag = False,
        archived: Flag = False,
        pinned: Flag = False,
        muted: Flag = False,
        cursor: Cursor = "",
    ) -> Response:
        def act(context: Context) -> Answer:
            found = chat_list.listing(
                context.store,
                limit + 1,
                unread_only=unread,
                channels=channels,
                archived=archived,
                pinned=pinned,
                muted_at=int(context.now().timestamp()) if muted else None,
                after=cursors.chat(cursor),
            )
            return listed(found[:limit], cursors.of_chat(found[limit - 1]) if len(found) > limit else None)

        return await fields.read(work, act)

    @paths.get("/api/v1/messages", summary="The newest messages of a chat, oldest first")
    async def conversation(
        chat: str, limit: Limit = 50, before: Before = None, after: After = None, cursor: Cursor = ""
    ) -> Response:
        return await fields.read(work, lambda context: read_chat(context, chat, limit, before, after, cursor))

    @paths.get("/api/v1/messages/search", summary="Messages with all words of q, newest first")
    async def search(
        q: str,
        chat: str | None = None,
        sender: Annotated[str | None, Query(alias="from")] = None,
        kind: Annotated[_Type | None, Query(alias="type")] = None,
        before: Before = None,
        after: After = None,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        def act(context: Context) -> Answer:
            first, last = asked.span(context, before, after)
            narrowed = Filter(
                chat=asked.chat(context, chat).jid if chat else None,
                sender=asked.recipient(context, sender).jid if sender else None,
                before=first,
                after=last,
                message_type=kind,
                up_to=cursors.place(cursor),
            )
            found = search_messages(context.store, q, narrowed, limit + 1)
            return listed(found[:limit], cursors.of_message(found[limit - 1]) if len(found) > limit else None)

        return await fields.read(work, act)

    @paths.post("/api/v1/messages", summary="Send a message now", status_code=202)
    async def send(
        request: Request, body: Send, wait: _Wait = None, key: Key = None, hook: Hook = None
    ) -> Response:
        chosen = fields.key_of(key, body.key)
        act = partial(queue, body=body, key=chosen, file=file_of(request))
        row, is_new = await work.write(fields.as_hook(act, hook))
        row = await sending.settled(work, row, (body.wait if wait is None else wait) or 0)
        return fields.reply(outcome(row, chosen, is_new=is_new))
