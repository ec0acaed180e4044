"""The paths of the page: which screen answers each, and how a request becomes a form and a view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI, Request
from starlette.responses import Response

from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.web import pages
from wa.web.access import Headers, Refused
from wa.web.answers import Answer
from wa.web.api import forms as uploads
from wa.web.api.fields import reply
from wa.web.page import chats, contacts, forms, frame, jobs, queue, reading, render, schedule, static
from wa.web.page.forms import Done, Form
from wa.web.page.render import View

_MONTH = 30 * 24 * 3600
Screen = Callable[[Context, View, Form], Answer]
"""A screen, or what a form does: the answer to a request, from what its query or form says."""


def view_of(request: Request) -> View:
    """Return how the answer to a request is to look."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    theme = request.cookies.get(render.THEME_COOKIE)
    is_part = request.headers.get("hx-request") == "true"
    return View(path, theme if theme in render.THEMES else None, is_part)


async def get(work: Work, request: Request, act: Screen) -> Response:
    """Answer with a screen, or a part of one; with a screen that says what is wrong in case of an error."""
    view = view_of(request)
    try:
        query = forms.read(request.url.query.encode())
        return reply(await work.read(lambda context: act(context, view, query)))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view))


async def post(work: Work, request: Request, act: Screen, *, waits: bool = False) -> Response:
    """Do what a form says, and answer. `waits` is for what must not keep others from writing meanwhile."""
    view, form = view_of(request), Form({})
    try:
        form = forms.read(await request.body())
        pool = work.read if waits else work.write
        return reply(await pool(lambda context: act(context, view, form)))
    except (WaError, Refused) as error:
        return reply(frame.trouble(error, view, form.fields))


async def front(work: Work, request: Request, *, is_admitted: bool) -> Response:
    """Answer at `/`, which all may ask: with the queue, or with the form to log in."""
    if is_admitted:
        return await get(work, request, queue.screen)
    return reply(pages.login(Headers(request.scope["headers"])))


def add_to(paths: FastAPI, work: Work) -> None:
    """Add the page."""
    for part in (_add_frame, _add_queue, _add_schedule, _add_chats, _add_contacts, _add_jobs):
        part(paths, work)


def _add_frame(paths: FastAPI, work: Work) -> None:
    @paths.get(static.PREFIX + "{name:path}", include_in_schema=False)
    async def file(name: str) -> Response:
        return reply(static.answer(name))

    @paths.get("/line", include_in_schema=False)
    async def line_(request: Request) -> Response:
        return await get(work, request, lambda context, view, query: frame.line_part(context))

    @paths.post("/line", include_in_schema=False)
    async def change_line(request: Request) -> Response:
        def act(context: Context, view: View, form: Form) -> Answer:
            frame.change_line(context, form["do"])
            return render.moved(view, pages.own_path(form["back"]))

        return await post(work, request, act, waits=True)

    @paths.post("/theme", include_in_schema=False)
    async def theme(request: Request) -> Response:
        form = forms.read(await request.body())
        made = reply(render.moved(view_of(request), pages.own_path(form["back"])))
        made.set_cookie(
            render.THEME_COOKIE, form["theme"] if form["theme"] in render.THEMES else "device",
            max_age=12 * _MONTH, httponly=True, samesite="strict", secure=request.url.scheme == "https",
        )  # fmt: skip
        return made


def _add_queue(paths: FastAPI, work: Work) -> None:
    @paths.get("/queue/all/{name}", include_in_schema=False)
    async def one_part(request: Request, name: str) -> Response:
        if name not in queue.SECTIONS:
            return reply(frame.trouble(Refused(404, "not-found", "there is no such page"), view_of(request)))
        return await get(
            work, request, lambda context, view, query: queue.one_part(context, view, name, query)
        )

    @paths.get("/queue/{row_id}/now", include_in_schema=False)
    async def now(request: Request, row_id: str) -> Response:
        return await get(work, request, lambda context, view, query: queue.now(context, row_id))

    @paths.post("/queue/{row_id}", include_in_schema=False)
    async def act(request: Request, row_id: str) -> Response:
        return await post(work, request, lambda context, view, form: queue.act(context, view, row_id, form))

    @paths.get("/queue/{row_id}/edit", include_in_schema=False)
    async def edit_screen(request: Request, row_id: str) -> Response:
        return await get(
            work, request, lambda context, view, query: schedule.edit_screen(context, view, row_id)
        )

    @paths.post("/queue/{row_id}/edit", include_in_schema=False)
    async def edit(request: Request, row_id: str) -> Response:
        return await post(
            work, request, lambda context, view, form: schedule.edit(context, view, row_id, form)
        )


def _add_schedule(paths: FastAPI, work: Work) -> None:
    @paths.get("/schedule", include_in_schema=False)
    async def screen(request: Request) -> Response:
        def act(context: Context, view: View, query: Form) -> Answer:
            return schedule.screen(context, view, schedule.prefilled(context, query))

        return await get(work, request, act)

    @paths.post("/schedule", include_in_schema=False)
    async def add(request: Request) -> Response:
        if not uploads.is_form(request):
            return await post(work, request, schedule.add)
        view, form = view_of(request), Form({})
        try:
            async with uploads.reading(request, work.home) as given:
                form = Form(given.texts)
                return reply(await work.write(lambda context: schedule.add(context, view, form, given.file)))
        except (WaError, Refused) as error:
            return reply(frame.trouble(error, view, form.fields))

    for path, act in (("/people", reading.people), ("/reading", reading.time), ("/preview", reading.preview)):
        paths.add_api_route(path, partial(_fragment, work, act), include_in_schema=False)


async def _fragment(work: Work, act: Callable[[Context, Form], Answer], request: Request) -> Response:
    return await get(work, request, lambda context, view, query: act(context, query))


def _add_chats(paths: FastAPI, work: Work) -> None:
    @paths.get("/chats", include_in_schema=False)
    async def screen(request: Request) -> Response:
        return await get(work, request, chats.screen)

    @paths.get("/chats/{chat}", include_in_schema=False)
    async def conversation(request: Request, chat: str) -> Response:
        return await get(
            work, request, lambda context, view, query: chats.conversation(context, view, chat, query)
        )

    @paths.get("/chats/{chat}/newer", include_in_schema=False)
    async def newer(request: Request, chat: str) -> Response:
        return await get(work, request, lambda context, view, query: chats.newer(context, chat, query))

    @paths.post("/chats/{chat}", include_in_schema=False)
    async def act(request: Request, chat: str) -> Response:
        return await post(work, request, lambda context, view, form: chats.act(context, view, chat, form))


def _add_contacts(paths: FastAPI, work: Work) -> None:
    done = Done()

    @paths.get("/contacts", include_in_schema=False)
    async def screen(request: Request) -> Response:
        return await get(work, request, contacts.screen)

    @paths.get("/contacts/{number}", include_in_schema=False)
    async def form_screen(request: Request, number: str) -> Response:
        return await get(
            work, request, lambda context, view, query: contacts.form_screen(context, view, _id(number))
        )

    @paths.post("/contacts/{number}", include_in_schema=False)
    async def save(request: Request, number: str) -> Response:
        def act(context: Context, view: View, form: Form) -> Answer:
            add = partial(contacts.save, context, view, _id(number), form)
            return done.once(form["key"], add) if number == NEW else add()

        return await post(work, request, act)


NEW = "new"
"""In place of the id of a contact, one that is to be added."""


def _id(text: str) -> int | None:
    """Return the id in a path, None for NEW. Raise WaError `not-found` for what is no id."""
    if text == NEW:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WaError("not-found", "there is no such contact")
    return int(text)


def _add_jobs(paths: FastAPI, work: Work) -> None:
    @paths.get("/jobs", include_in_schema=False)
    async def screen(request: Request) -> Response:
        return await get(work, request, jobs.screen)

    @paths.get("/jobs/{job}", include_in_schema=False)
    async def one_job(request: Request, job: str) -> Response:
        return await get(work, request, lambda context, view, query: jobs.one_job(context, view, job, query))

    @paths.post("/jobs/{job}", include_in_schema=False)
    async def act(request: Request, job: str) -> Response:
        # pausing waits for a message that is being sent
        return await post(
            work, request, lambda context, view, form: jobs.act(context, view, job, form), waits=True
        )

    @paths.get("/series/{series}", include_in_schema=False)
    async def series_screen(request: Request, series: str) -> Response:
        return await get(
            work, request, lambda context, view, query: jobs.series_screen(context, view, series)
        )

    @paths.post("/series/{series}", include_in_schema=False)
    async def change_series(request: Request, series: str) -> Response:
        return await post(
            work, request, lambda context, view, form: jobs.change_series(context, view, series, form)
        )
