"""Groups, and the people whom we have blocked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from wa.connection import ask
from wa.connection.actions import managing
from wa.connection.actions.managing import Wanted
from wa.connection.context import Context
from wa.connection.programs import acting, asked
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.jids import show_jid
from wa.record import chats
from wa.record.groups import outcomes, which
from wa.store.database import Row
from wa.web import access
from wa.web.answers import Answer, answer, listed
from wa.web.api import fields
from wa.web.api.fields import Body, Cursor, Hook, Key, Limit, Words

_Who = Annotated[Words, Field(description="Names or aliases, phone numbers, or JIDs of people.")]
_CHANGES = {
    "add": "Add people to a group",
    "remove": "Remove people from a group",
    "promote": "Make members of a group admins",
    "demote": "Take the rights of admins from members",
}


class Create(Body):
    """A new group."""

    name: str
    who: _Who


class Rename(Body):
    """Another name for a group."""

    name: str


class People(Body):
    """Members of a group, or those who are to become some."""

    who: _Who


class Invite(Body):
    """Whether the link is to be a new one."""

    renew: Annotated[bool, Field(description="Make a new link; the one before ends.")] = False


class Join(Body):
    """An invitation."""

    link: Annotated[str, Field(description="The link of an invitation, or its code.")]


async def manage(
    work: Work, kind: str, want: Callable[[Context], Wanted], hook: str | None, key: str | None = None
) -> tuple[Row, bool]:
    """Let something be done with a group or a person. Return its row, and whether the key is a new one."""
    wanted: list[Wanted] = []

    def find(context: Context) -> Row:
        wanted.append(want(context))
        return wanted[0].args

    def show(context: Context, args: Row, result: Row) -> Row:
        return wanted[0].answer(context, result)

    done = await acting.act(work, kind, find, show, key=key, hook=fields.run_of(hook))
    return done.row, done.is_new


def _group(context: Context, text: str) -> str:
    return str(which.find(context.store, text)["id"])


def _people(context: Context, who: list[str]) -> list[str]:
    return [asked.address(context, each).jid for each in who]


def _checked(kind: str, row: Row) -> Row:
    """Return the row of a group. Raise WaError, with the reasons, if nothing was done for anybody."""
    failure = outcomes.failure_of(kind, row["results"])
    if failure is None:
        return row
    reasons = "; ".join(f"{show_jid(each['jid'], each['name'])} {each['why']}" for each in row["results"])
    raise WaError(failure.code, f"{failure.message}: {reasons}", "nothing was changed")


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the endpoints under /groups and /blocked."""
    _add_groups(paths, work)
    _add_blocked(paths, work)

    def of_members(kind: Literal["add", "remove", "promote", "demote"]) -> None:
        @paths.post(
            f"/api/v1/groups/{{group}}/{kind}",
            summary=_CHANGES[kind],
            status_code=200,
            operation_id=f"groups_{kind}_people",  # `groups_add` is that a group is made
        )
        async def change(group: str, body: People, hook: Hook = None) -> Response:
            def want(context: Context) -> Wanted:
                people = _people(context, body.who)
                return managing.change_members(context, kind, _group(context, group), people)

            row, _ = await manage(work, f"group-{kind}", want, hook)
            return fields.reply(answer(_checked(kind, row)))

    of_members("add")
    of_members("remove")
    of_members("promote")
    of_members("demote")


def _add_groups(paths: FastAPI, work: Work) -> None:
    @paths.get("/api/v1/groups", summary="The groups with their members, by name")
    async def list_(limit: Limit = 50, cursor: Cursor = "") -> Response:
        return await fields.read(
            work, lambda context: fields.page(chats.groups(context.store), limit, cursor)
        )

    @paths.get("/api/v1/groups/{group}", summary="One group with its members")
    async def show(group: str) -> Response:
        def act(context: Context) -> Answer:
            return answer(chats.group(context.store, _group(context, group)) or {})

        return await fields.read(work, act)

    @paths.post("/api/v1/groups", summary="Make a group", status_code=201)
    async def create(body: Create, key: Key = None, hook: Hook = None) -> Response:
        chosen = fields.key_of(key, None)
        row, is_new = await manage(
            work,
            "group-create",
            lambda context: managing.create(context, body.name, _people(context, body.who)),
            hook,
            chosen,
        )
        return fields.reply(answer(row, 201 if is_new else 200, Idempotency_Key=chosen))

    @paths.patch("/api/v1/groups/{group}", summary="Give a group another name")
    async def rename(group: str, body: Rename, hook: Hook = None) -> Response:
        row, _ = await manage(
            work,
            "group-rename",
            lambda context: managing.rename(context, _group(context, group), body.name),
            hook,
        )
        return fields.reply(answer(row))

    @paths.post("/api/v1/groups/{group}/leave", summary="Leave a group", status_code=200)
    async def leave(group: str, hook: Hook = None) -> Response:
        row, _ = await manage(
            work, "group-leave", lambda context: managing.leave(context, _group(context, group)), hook
        )
        return fields.reply(answer(row))

    @paths.post(
        "/api/v1/groups/{group}/invite", summary="The link by which anybody can join a group", status_code=200
    )
    async def invite(group: str, body: Invite | None = None, hook: Hook = None) -> Response:
        renew = bool(body and body.renew)
        row, _ = await manage(
            work,
            "group-renew" if renew else "group-invite",
            lambda context: managing.invite(context, _group(context, group), is_new=renew),
            hook,
        )
        return fields.reply(answer(row))

    @paths.post("/api/v1/groups/join", summary="Join a group by the link of an invitation", status_code=200)
    async def join(body: Join, hook: Hook = None) -> Response:
        row, _ = await manage(work, "group-join", lambda context: managing.join(context, body.link), hook)
        return fields.reply(answer(row))


def _add_blocked(paths: FastAPI, work: Work) -> None:
    async def blocked() -> list[Row]:
        if work.settings.read_only:  # the one that is connected is asked
            raise access.read_only()
        done = await acting.ask(work, "blocked", {}, ask.REQUEST_SECONDS)
        return await work.read(lambda context: managing.people(context, done["jids"]))

    @paths.get("/api/v1/blocked", summary="The people whom you have blocked")
    async def list_() -> Response:
        return fields.reply(listed(await blocked()))

    @paths.get("/api/v1/blocked/{who}", summary="Whether a person is blocked")
    async def show(who: str) -> Response:
        jid, name = await work.read(lambda context: _person(context, who))
        is_blocked = any(each["jid"] == jid for each in await blocked())
        return fields.reply(answer({"jid": jid, "name": name, "is_blocked": is_blocked}))

    async def change(who: str, hook: str | None, *, is_blocked: bool) -> Response:
        row, _ = await manage(
            work,
            "block" if is_blocked else "unblock",
            lambda context: managing.block(context, _person(context, who)[0], is_blocked=is_blocked),
            hook,
        )
        return fields.reply(answer(row))

    @paths.put("/api/v1/blocked/{who}", summary="Block a person")
    async def block(who: str, hook: Hook = None) -> Response:
        return await change(who, hook, is_blocked=True)

    @paths.delete("/api/v1/blocked/{who}", summary="Unblock a person")
    async def unblock(who: str, hook: Hook = None) -> Response:
        return await change(who, hook, is_blocked=False)


def _person(context: Context, who: str) -> tuple[str, str | None]:
    found = asked.address(context, who)
    return found.jid, found.name
