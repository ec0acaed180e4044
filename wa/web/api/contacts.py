"""Contacts: finding, adding, changing and removing them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import Field
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.people import edit, recipients
from wa.people.search import narrowed
from wa.store.database import Row
from wa.web.answers import Answer, answer
from wa.web.api import fields
from wa.web.api.fields import Body, Cursor, Flag, Limit, Words


class Add(Body):
    """A new contact."""

    name: str
    phone: Annotated[Words, Field(description="Numbers; the first is the main one.")] = Field([])
    alias: Words = Field([])
    tag: Words = Field([])
    notes: str | None = None
    tz: str | None = None
    birthday: Annotated[str | None, Field(description="`1985-01-15`, or `--01-15` without the year.")] = None
    favorite: bool = False
    force: Annotated[bool, Field(description="Take an alias even if it is somebody else's name.")] = False


class Change(Body):
    """What to change; an empty text removes notes, tz and birthday."""

    name: str | None = None
    phone: Annotated[Words, Field(description="Numbers to add; the last becomes the main one.")] = Field([])
    remove_phone: Words = Field([])
    notes: str | None = None
    tz: str | None = None
    birthday: str | None = None


class Favorite(Body):
    """Whether the contact is a favourite."""

    favorite: bool = True


class Names(Body):
    """Aliases or tags to add, or to remove."""

    words: Annotated[list[str], Field(min_length=1, max_length=100)]
    remove: bool = False
    force: Annotated[bool, Field(description="Take an alias even if it is somebody else's name.")] = False


def _find(context: Context, who: str, *, exact: bool) -> Row:
    return recipients.find(context.store, who, context.settings.region, exact=exact)


def _today(context: Context) -> date:
    return context.now().astimezone(context.settings.zone).date()


def _add(context: Context, body: Add) -> Answer:
    row = edit.add(
        context.store,
        body.name,
        body.phone,
        context.now(),
        region=context.settings.region,
        aliases=body.alias,
        tags=body.tag,
        notes=body.notes,
        timezone=body.tz,
        birthday=body.birthday,
        today=_today(context),
        is_favorite=body.favorite,
        force=body.force,
    )
    return answer(row, 201)


def _change(context: Context, who: str, body: Change) -> Answer:
    row = edit.edit(
        context.store,
        _find(context, who, exact=True)["id"],
        context.now(),
        region=context.settings.region,
        name=body.name,
        phones=body.phone,
        without=body.remove_phone,
        notes=body.notes,
        timezone=body.tz,
        birthday=body.birthday,
        today=_today(context),
    )
    return answer(row)


def _change_words(context: Context, who: str, column: str, body: Names) -> Answer:
    number = _find(context, who, exact=True)["id"]
    row = edit.change_words(
        context.store, number, column, body.words, context.now(), remove=body.remove, force=body.force
    )
    return answer(row)


def _remove(context: Context, who: str) -> Answer:
    row = _find(context, who, exact=True)
    edit.remove(context.store, row["id"])
    return answer(row)


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /contacts. A contact is named by its id, a number, or its whole name."""

    @paths.get(
        "/api/v1/contacts",
        summary="The contacts, favourites first; with q the best match first",
    )
    async def list_(
        q: Annotated[str | None, Query(description="Part of a name, alias, number, tag or note.")] = None,
        tag: str | None = None,
        favorites: Flag = False,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        def act(context: Context) -> Answer:
            return fields.page(narrowed(context.store, q, tag, favorites=favorites), limit, cursor)

        return await fields.read(work, act)

    @paths.post("/api/v1/contacts", summary="Add a contact", status_code=201)
    async def add(body: Add) -> Response:
        return await fields.write(work, lambda context: _add(context, body))

    @paths.get("/api/v1/contacts/{who}", summary="One contact")
    async def show(who: str) -> Response:
        return await fields.read(work, lambda context: answer(_find(context, who, exact=False)))

    @paths.patch("/api/v1/contacts/{who}", summary="Change a contact")
    async def change(who: str, body: Change) -> Response:
        return await fields.write(work, lambda context: _change(context, who, body))

    @paths.delete("/api/v1/contacts/{who}", summary="Remove a contact; the chat stays")
    async def remove(who: str) -> Response:
        return await fields.write(work, lambda context: _remove(context, who))

    @paths.put("/api/v1/contacts/{who}/favorite", summary="Make it a favourite, or an ordinary contact again")
    async def favorite(who: str, body: Favorite) -> Response:
        def act(context: Context) -> Answer:
            number = _find(context, who, exact=True)["id"]
            return answer(edit.set_favorite(context.store, number, body.favorite, context.now()))

        return await fields.write(work, act)

    @paths.post("/api/v1/contacts/{who}/aliases", summary="Add or remove aliases")
    async def aliases(who: str, body: Names) -> Response:
        return await fields.write(work, lambda context: _change_words(context, who, "aliases", body))

    @paths.post("/api/v1/contacts/{who}/tags", summary="Add or remove tags")
    async def tags(who: str, body: Names) -> Response:
        return await fields.write(work, lambda context: _change_words(context, who, "tags", body))
