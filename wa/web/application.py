"""The application: all endpoints, their errors, and their description as OpenAPI."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from wa import __version__
from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.connection.status import status_of
from wa.errors import WaError
from wa.store.wake import wake_owner
from wa.web import pages
from wa.web.access import Headers, Refused
from wa.web.answers import OF_HTTP, Answer, answer, failed
from wa.web.api import contacts, events, fields, jobs, media, messages, schedule, series, templates
from wa.web.api.actions import forward, groups
from wa.web.api.actions import messages as one_message
from wa.web.api.route import Route
from wa.web.description.openapi import described, operation_id
from wa.web.guard import ADMITTED
from wa.web.health import Health
from wa.web.page import site

_OPEN = "/health"
"""The path in the description that needs no secret."""


def make_application(work: Work, health: Health) -> FastAPI:
    """Return the application. It trusts its caller: `guard.Guard` stands in front of it."""
    made = FastAPI(
        title="wa",
        version=__version__,
        description="Your own WhatsApp account, for programs.",
        openapi_url=None,  # and with it the pages that load scripts from other hosts
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    made.router.route_class = Route
    made.state.home = work.home
    made.add_exception_handler(WaError, _on_error)
    made.add_exception_handler(Refused, _on_error)
    made.add_exception_handler(HTTPException, _on_http_error)
    made.add_exception_handler(RequestValidationError, _on_invalid)
    _add_open(made, work, health)
    _add_operations(made, work, health)
    for part in (
        messages,
        one_message,
        forward,
        groups,
        schedule,
        contacts,
        jobs,
        series,
        templates,
        events,
        media,
    ):
        part.add_to(made, work)
    site.add_to(made, work)
    known: list[bytes] = []

    async def describe() -> Response:
        if not known:
            known.append(described(made))
        return fields.reply(Answer(200, known[0]))

    made.add_api_route("/openapi.json", describe, include_in_schema=False)
    return made


def _add_open(paths: FastAPI, work: Work, health: Health) -> None:
    """Add the endpoints that answer everybody."""

    @paths.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def front(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return await site.front(work, request, is_admitted=request.scope.get(ADMITTED, False))
        report = await health.look()
        shown = {name: report.values[name] for name in ("status", "healthy", "timestamp")}
        return fields.reply(answer({"name": "wa", "version": __version__, **shown}))

    @paths.api_route("/ping", methods=["GET", "HEAD"], include_in_schema=False)
    async def ping() -> Response:
        return fields.reply(answer({"status": "ok", "message": "pong"}))

    @paths.get(_OPEN, summary="How things are", responses={503: {"description": "Something is wrong."}})
    async def look() -> Response:
        report = await health.look()
        return fields.reply(answer(report.values, report.status))

    paths.add_api_route(_OPEN, look, methods=["HEAD"], include_in_schema=False)


def _add_operations(paths: FastAPI, work: Work, health: Health) -> None:
    """Add the endpoints for those who run it."""

    @paths.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def show(request: Request) -> Response:
        from wa.web import metrics  # its library is loaded for those who ask for figures

        return fields.reply(metrics.figures(await health.look(), request.headers.get("accept", "")))

    @paths.post("/scheduler/refresh", summary="Let the scheduler look for new work")
    async def refresh() -> Response:
        wake_owner(work.home.socket)
        return fields.reply(answer({"success": True, "message": "Scheduler state refreshed"}))

    @paths.get("/api/v1/status", summary="The account, the connection, and what waits to be sent")
    async def status() -> Response:
        def act(context: Context) -> Answer:
            return answer(status_of(context).values)

        return await fields.read(work, act)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, (WaError, Refused))  # noqa: S101
    return fields.reply(failed(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer for what the framework itself refuses: unknown paths, other methods, a body that is no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101
    code = OF_HTTP.get(error.status_code, "usage")
    refused = Refused(error.status_code, code, str(error.detail))
    given = pages.failed(Headers(request.scope["headers"]), request.url.path, refused)
    headers = {**given.headers, **(error.headers or {})}
    if error.status_code == 405:  # the framework names the methods of one of the path's routes
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return fields.reply(Answer(given.status, given.body, headers, given.kind))


def _methods_of(request: Request) -> set[str]:
    """Return the methods that the path of a request takes: `/groups/join` is no group's path."""
    matching = [each for each in request.app.routes if each.matches(request.scope)[0] != Match.NONE]
    exact = [each for each in matching if getattr(each, "path", None) == request.url.path]
    return {method for each in exact or matching for method in getattr(each, "methods", None) or ()}


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Answer for a body or parameter of a wrong form; the refused value is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"])
    message = f"{where}: {first['msg']}"
    return fields.reply(failed(WaError("usage", message, "/openapi.json describes what is taken")))
