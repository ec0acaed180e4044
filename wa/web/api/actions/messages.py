"""One message: as it is, and what is done with it for everyone: reactions, edits, deletions."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import Field
from starlette.responses import Response

from wa.connection.actions import changes
from wa.connection.actions.message import shown
from wa.connection.context import Context
from wa.connection.programs import acting, asked
from wa.connection.programs.work import Act, Work
from wa.record.changing import anywhere, which
from wa.store.database import Row
from wa.web.answers import Answer, answer
from wa.web.api import fields
from wa.web.api.fields import Body, Hook, Key, Text

Chat = Annotated[
    str | None,
    Query(description="Its chat, as everywhere; then also the beginning of the id, or `last`, names it."),
]


class React(Body):
    """A reaction, in the place of our earlier one."""

    emoji: Annotated[str, Field(description="One emoji; an empty text takes the reaction back.")]


class Edit(Body):
    """Another text for a message of ours."""

    text: Text


def named(context: Context, text: str, chat: str | None) -> Row:
    """Return the columns CHANGED of the message that a path names. Raise WaError."""
    if chat is None:
        return anywhere.find(context.store, text)
    return which.find(context.store, asked.chat(context, chat).jid, text)


async def change(
    work: Work, kind: str, text: str, key: str | None, found: Act[Row], hook: str | None = None
) -> tuple[Row, bool]:
    """Let a message be changed once for a key, `kind` being `react`, `edit` or `delete`.

    Return its row, and whether the key is a new one.
    """

    def find(context: Context) -> Row:
        row = found(context)
        return {"chat": row["chat_jid"], "message_id": row["message_id"], "text": text}

    def check(context: Context, args: Row) -> None:
        changes.check(kind, context.store, found(context), args["text"], context.now())

    def show(context: Context, args: Row, result: Row) -> Row:
        return shown(context, args)

    done = await acting.act(work, kind, find, show, check, key, fields.run_of(hook))
    return done.row, done.is_new


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /messages/{message}."""

    async def changed(
        kind: str, word: str, chat: str | None, text: str, key: str | None, hook: str | None
    ) -> Response:
        row, _ = await change(work, kind, text, key, lambda context: named(context, word, chat), hook)
        return fields.reply(answer(row))

    @paths.get("/api/v1/messages/{message}", summary="One message, with its reactions, receipts and votes")
    async def show(message: str, chat: Chat = None) -> Response:
        def act(context: Context) -> Answer:
            found = named(context, message, chat)
            return answer(shown(context, {"chat": found["chat_jid"], "message_id": found["message_id"]}))

        return await fields.read(work, act)

    @paths.post("/api/v1/messages/{message}/react", summary="React to it with an emoji", status_code=200)
    async def react(
        message: str, body: React, chat: Chat = None, key: Key = None, hook: Hook = None
    ) -> Response:
        return await changed("react", message, chat, body.emoji, key, hook)

    @paths.post("/api/v1/messages/{message}/edit", summary="Give one of ours another text", status_code=200)
    async def edit(
        message: str, body: Edit, chat: Chat = None, key: Key = None, hook: Hook = None
    ) -> Response:
        return await changed("edit", message, chat, body.text, key, hook)

    @paths.post("/api/v1/messages/{message}/delete", summary="Delete it for everyone", status_code=200)
    async def delete(message: str, chat: Chat = None, key: Key = None, hook: Hook = None) -> Response:
        return await changed("delete", message, chat, "", key, hook)
