"""What the framework does not look at: parameters that nobody takes, bodies where none is taken, forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wa.errors import WaError
from wa.media.uploads import Upload
from wa.web.access import FILE_PATHS
from wa.web.api import forms
from wa.web.api.body import replayed

PREFIX = "/api/"
"""The beginning of the paths that are strict; the old ones never were."""
_HINT = "/openapi.json describes what is taken"
_MOST_PARAMETERS = 100
_FILE = "wa.file"


class _Request(Request):
    """A request whose JSON names every field once, and has numbers and characters that are some."""

    async def json(self) -> Any:
        """Return the body. Raise HTTPException and ValueError."""
        body = await self.body()
        found = json.loads(body, object_pairs_hook=_named_once, parse_constant=_no_number)
        if b"\\u" in body:
            _check_characters(found)
        return found


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise HTTPException(400, "body: a field is given twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise HTTPException(400, f"body: {word} is no number")


def _check_characters(found: Any) -> None:
    """Raise HTTPException for half of a pair of surrogates, which no text can have; escapes can name one."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise HTTPException(400, "body: a text has half of a character") from None


class Route(APIRoute):
    """A path with its method, where every part of a request has to be known."""

    @property
    def takes_a_file(self) -> bool:
        """Whether its body may be a form with a file."""
        return self.path in FILE_PATHS and self.methods == {"POST"}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        answer = super().get_route_handler()
        if not self.path.startswith(PREFIX):
            return answer
        known = {each.alias for each in self.dependant.query_params}
        model: Any = next((each.field_info.annotation for each in self.dependant.body_params), None)

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request.scope["query_string"], known)
            takes_none = model is None and request.method != "GET"
            if takes_none and (await request.body()).strip() not in (b"", b"{}"):
                raise WaError("usage", "body: nothing is taken here", _HINT)
            if not self.takes_a_file or not forms.is_form(request):
                return await answer(_Request(request.scope, request.receive, request._send))
            async with forms.reading(request, request.app.state.home) as form:
                return await answer(_as_json(request, form.as_json(model), form.file))

        return handle


def _check_query(query: bytes, known: set[str]) -> None:
    """Raise WaError `usage` for a parameter that is not known, or is there twice."""
    try:
        given = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise WaError("usage", "the query of the address is not right", _HINT) from None
    names = [name for name, _ in given]
    for name in names:
        if name not in known:
            raise WaError("usage", f"query.{name[:50]}: there is no such parameter", _HINT)
        if names.count(name) > 1:
            raise WaError("usage", f"query.{name}: it is given twice", _HINT)


def _as_json(request: Request, body: bytes, file: Upload | None) -> Request:
    """Return a request with a JSON body in place of a form, and the file of the form."""
    headers = [
        (name, b"application/json" if name == b"content-type" else value)
        for name, value in request.scope["headers"]
        if name != b"content-length"
    ]
    scope = {**request.scope, "headers": headers, _FILE: file}
    return Request(scope, replayed(body, request.receive), request._send)


def file_of(request: Request) -> Upload | None:
    """Return the file that came with a request."""
    found: Upload | None = request.scope.get(_FILE)
    return found
