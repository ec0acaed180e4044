"""The paths of the page: which screen answers each, and how a request becomes a form and a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from fastapi import FastAPI, Request
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.record.events import log
from wa.web import pages
from wa.web.access import Headers, Refused
from wa.web.answers import Answer
from wa.web.api import forms as uploads
from wa.web.api.fields import reply
from wa.web.page import chats, contacts, forms, frame, jobs, queue, reading, render, schedule, static
from wa.web.page.figures import screen as figures
from wa.web.page.forms import Done, Form
from wa.web.page.message import screen as message
from wa.web.page.render import View

_YEAR = 365 * 24 * 3600
NEW = "new"
"""In place of the id of a contact, one that is to be added."""
Where = Mapping[str, str]
"""The parts of a path that differ, by name."""
Act = Callable[[Context, View, Form, Where], Answer]
Screen = Callable[[Context, View, Form], Answer]
"""A screen, or what a form does: the answer to a request, from what its query or form says."""


def view_of(request: Request) -> View:
    """Return how the answer to a request is to look."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    theme = request.cookies.get(render.THEME_COOKIE)
    is_part = request.headers.get("hx-request") == "true"
    return View(path, theme if theme in render.THEMES else None, is_part)


def _from_here(context: Context, view: View) -> View:
    """Return the view of a screen that is about to be read from the store."""
    return replace(view, since=log.newest(context.store))


async def get(work: Work, request: Request, act: Screen) -> Response:
    """Answer with a screen, or a part of one; with a screen that says what is wrong in case of an error."""
    view = view_of(request)
    try:
        query = forms.read(request.url.query.encode())
        return reply(await work.read(lambda context: act(context, _from_here(context, view), query)))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view))


async def post(work: Work, request: Request, act: Screen, *, waits: bool = False) -> Response:
    """Do what a form says, and answer. `waits` is for what must not keep others from writing meanwhile."""
    view, form = view_of(request), Form({})
    try:
        form = forms.read(await request.body())
        pool = work.read if waits else work.write
        return reply(await pool(lambda context: act(context, _from_here(context, view), form)))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view, form))


async def front(work: Work, request: Request, *, is_admitted: bool) -> Response:
    """Answer at `/`, which all may ask: with the queue, or with the form to log in."""
    if is_admitted:
        return await get(work, request, queue.screen)
    return reply(pages.login(Headers(request.scope["headers"])))


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the page. Its paths are plain ones, which take a tenth of the memory of the API's."""
    done = Done()

    def on_get(path: str, act: Act) -> None:
        async def answer(request: Request) -> Response:
            where = request.path_params
            return await get(work, request, lambda context, view, query: act(context, view, query, where))

        paths.add_route(path, answer, ["GET"], include_in_schema=False)

    def on_post(path: str, act: Act, *, waits: bool = False) -> None:
        async def answer(request: Request) -> Response:
            where = request.path_params
            return await post(
                work, request, lambda context, view, form: act(context, view, form, where), waits=waits
            )

        paths.add_route(path, answer, ["POST"], include_in_schema=False)

    async def file(request: Request) -> Response:
        return reply(static.answer(request.path_params["name"]))

    paths.add_route(static.PREFIX + "{name:path}", file, ["GET"], include_in_schema=False)
    paths.add_route("/theme", _theme, ["POST"], include_in_schema=False)
    on_get("/line", lambda context, view, query, where: frame.line_part(context))
    on_post("/line", _change_line, waits=True)

    on_get("/queue/all/{name}", lambda c, v, query, where: queue.one_part(c, v, where["name"], query))
    on_get("/queue/{row}/now", lambda c, v, query, where: queue.now(c, where["row"]))
    on_get("/queue/{row}/edit", lambda c, v, query, where: schedule.edit_screen(c, v, where["row"]))
    on_post("/queue/{row}/edit", lambda c, v, form, where: schedule.edit(c, v, where["row"], form))
    on_post("/queue/{row}", lambda c, v, form, where: queue.act(c, v, where["row"], form))

    async def add(request: Request) -> Response:
        return await _add(work, request)

    on_get("/schedule", lambda c, v, query, where: schedule.screen(c, v, schedule.prefilled(c, query)))
    paths.add_route("/schedule", add, ["POST"], include_in_schema=False)
    on_get("/people", lambda c, v, query, where: reading.people(c, query))
    on_get("/reading", lambda c, v, query, where: reading.time(c, query))
    on_get("/preview", lambda c, v, query, where: reading.preview(c, query))

    on_get("/chats", lambda c, v, query, where: chats.screen(c, v, query))
    on_get("/chats/{chat}", lambda c, v, query, where: chats.conversation(c, v, where["chat"], query))
    on_get("/chats/{chat}/newer", lambda c, v, query, where: chats.newer(c, where["chat"], query))
    on_get("/chats/{chat}/one", lambda c, v, query, where: chats.one(c, where["chat"], query))
    on_get(
        "/chats/{chat}/message/{id}",
        lambda c, v, query, where: message.screen(c, v, where["chat"], where["id"], query),
    )

    async def change(request: Request) -> Response:
        return await _change(work, request)

    paths.add_route("/chats/{chat}/message/{id}", change, ["POST"], include_in_schema=False)
    on_post("/chats/{chat}", lambda c, v, form, where: chats.act(c, v, where["chat"], form))

    on_get("/contacts", lambda c, v, query, where: contacts.screen(c, v, query))
    on_get("/contacts/{id}", lambda c, v, query, where: contacts.form_screen(c, v, _id(where["id"])))
    on_post("/contacts/{id}", lambda c, v, form, where: _save_contact(done, c, v, form, where["id"]))

    on_get("/jobs", lambda c, v, query, where: jobs.screen(c, v, query))
    on_get("/jobs/{job}", lambda c, v, query, where: jobs.one_job(c, v, where["job"], query))
    # pausing waits for a message that is being sent
    on_post("/jobs/{job}", lambda c, v, form, where: jobs.act(c, v, where["job"], form), waits=True)
    on_get("/figures", lambda c, v, query, where: figures.screen(c, v, query))
    on_get("/series/{series}", lambda c, v, query, where: jobs.series_screen(c, v, where["series"]))
    on_post("/series/{series}", lambda c, v, form, where: jobs.change_series(c, v, where["series"], form))


async def _change(work: Work, request: Request) -> Response:
    """Change a message as a form says; the process that holds the connection does it."""
    view, form = view_of(request), Form({})
    try:
        form, where = forms.read(await request.body()), request.path_params
        return reply(await message.act(work, view, where["chat"], where["id"], form))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view, form))


async def _theme(request: Request) -> Response:
    form = forms.read(await request.body())
    made = reply(render.moved(view_of(request), pages.own_path(form["back"])))
    theme = form["theme"] if form["theme"] in render.THEMES else "device"
    made.set_cookie(render.THEME_COOKIE, theme, max_age=_YEAR, httponly=True, samesite="strict")
    return made


def _change_line(context: Context, view: View, form: Form, where: Where) -> Answer:
    frame.change_line(context, form["do"])
    return render.moved(view, pages.own_path(form["back"]))


async def _add(work: Work, request: Request) -> Response:
    """Queue what the form of `schedule` asks for, with its file if it has one."""
    if not uploads.is_form(request):
        return await post(work, request, schedule.add)
    view, form, name = view_of(request), Form({}), None
    try:
        async with uploads.reading(request, work.home) as given:
            form, name = Form(given.texts), given.file.columns["file_name"] if given.file else None
            return reply(await work.write(lambda context: schedule.add(context, view, form, given.file)))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view, form, name))


def _save_contact(done: Done, context: Context, view: View, form: Form, text: str) -> Answer:
    save = partial(contacts.save, context, view, _id(text), form)
    return done.once(form["key"], save) if text == NEW else save()


def _id(text: str) -> int | None:
    """Return the id in a path, None for NEW. Raise WaError `not-found` for what is no id."""
    if text == NEW:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WaError("not-found", "there is no such contact")
    return int(text)
