"""The application: all endpoints, their errors, and their description as OpenAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from wa import __version__
from wa.as_json import to_json
from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.connection.status import status_of
from wa.errors import WaError
from wa.store.wake import wake_owner
from wa.web.access import Refused
from wa.web.answers import OF_HTTP, Answer, answer, failed
from wa.web.api import contacts, fields, jobs, media, messages, schedule, series, templates
from wa.web.api.route import Route
from wa.web.guard import ADMITTED
from wa.web.health import Health
from wa.web.page import site

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": ["string", "null"]},
            },
        }
    },
}
_ERRORS = {
    "400": "The request is not right.",
    "401": "There is no secret, or a wrong one.",
    "403": "The address, the host or the origin is not allowed.",
    "404": "There is no such thing, or several fit.",
    "409": "It is not in a state for this, or may have been sent.",
    "413": "The body is too large.",
    "422": "It was not sent.",
    "429": "Too many; `Retry-After` says when to come again.",
    "503": "Not linked, in use, or out of reach.",
}
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
    )
    made.router.route_class = Route
    made.state.home = work.home
    made.add_exception_handler(WaError, _on_error)
    made.add_exception_handler(Refused, _on_error)
    made.add_exception_handler(HTTPException, _on_http_error)
    made.add_exception_handler(RequestValidationError, _on_invalid)
    _add_open(made, work, health)
    _add_operations(made, work, health)
    for part in (schedule, messages, contacts, jobs, series, templates, media):
        part.add_to(made, work)
    site.add_to(made, work)
    described: list[bytes] = []

    async def describe() -> Response:
        if not described:
            described.append(_description(made))
        return fields.reply(Answer(200, described[0]))

    made.add_api_route("/openapi.json", describe, include_in_schema=False)
    return made


def _description(made: FastAPI) -> bytes:
    """Return the description of all endpoints as OpenAPI."""
    found = get_openapi(
        title=made.title, version=made.version, description=made.description, routes=made.routes
    )
    parts = found["components"]
    parts["schemas"]["Error"] = _ERROR
    parts["securitySchemes"] = {"secret": {"type": "apiKey", "in": "header", "name": "X-API-Secret"}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {status: {"description": text, "content": content} for status, text in _ERRORS.items()}
    for path, methods in found["paths"].items():
        for operation in methods.values():
            if path != _OPEN:
                operation["responses"].update(errors)
                operation["security"] = [{"secret": []}]
                operation["tags"] = [path.removeprefix("/api/v1/").strip("/").partition("/")[0]]
    return to_json(found).encode()


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
    given = failed(Refused(error.status_code, code, str(error.detail)))
    return fields.reply(Answer(given.status, given.body, {**given.headers, **(error.headers or {})}))


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Answer for a body or parameter of a wrong form; the refused value is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"])
    message = f"{where}: {first['msg']}"
    return fields.reply(failed(WaError("usage", message, "/openapi.json describes what is taken")))
