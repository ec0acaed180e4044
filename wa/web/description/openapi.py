"""The description of the API as OpenAPI: what the framework tells of it, and rows, errors and files."""

from __future__ import annotations

import copy

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from wa.as_json import to_json
from wa.web.access import FILE_PATHS, OPEN_PATHS
from wa.web.description.rows import SCHEMAS, Schema, listed, ref

_ERRORS = {
    "400": "The request is not right.",
    "401": "There is no secret, or a wrong one.",
    "403": "The address, the host or the origin is not allowed.",
    "404": "There is no such thing, or several fit.",
    "405": "The path takes other methods; `Allow` names them.",
    "408": "The body does not come, or too slowly.",
    "409": "It is not in a state for this, or may have been sent.",
    "413": "The body is too large.",
    "422": "It was not sent.",
    "429": "Too many; `Retry-After` says when to come again.",
    "503": "Not linked, in use, or out of reach.",
}
_OF_FIRST = {
    "schedule": "Queued",
    "messages": "Queued",
    "chats": "Chat",
    "contacts": "Contact",
    "groups": "GroupChanged",
    "blocked": "Blocked",
    "jobs": "Job",
    "series": "Series",
    "templates": "Template",
    "status": "Status",
}
"""The row of an answer by the first word of its path, where `_OF_PATH` has no other."""
_OF_PATH = {
    "GET /api/v1/messages": listed(ref("Message")),
    "GET /api/v1/messages/search": listed(ref("FoundMessage")),
    "GET /api/v1/messages/{message}": ref("Message"),
    "POST /api/v1/messages/{message}/forward": listed(ref("Queued")),
    "POST /api/v1/messages/{message}/react": ref("Message"),
    "POST /api/v1/messages/{message}/edit": ref("Message"),
    "POST /api/v1/messages/{message}/delete": ref("Message"),
    "GET /api/v1/groups": listed(ref("Group")),
    "GET /api/v1/groups/{group}": ref("Group"),
    "POST /api/v1/groups/{group}/invite": ref("GroupWithLink"),
    "POST /api/v1/groups/join": ref("GroupJoined"),
    "GET /api/v1/blocked": listed(ref("Person")),
    "GET /api/v1/jobs/{id}": ref("JobWithParts"),
    "GET /api/v1/status": ref("Status"),
    "GET /health": ref("Health"),
    "POST /scheduler/refresh": ref("Refreshed"),
}
_VERBS = {"get": "show", "post": "add", "patch": "change", "put": "put", "delete": "remove"}
_PATH_WORDS = {
    "id": "The id, its beginning, or the part after `_`.",
    "who": "The id of a contact, a number, or the whole name.",
    "name": "The name of the template.",
    "group": "The name of a group, the beginning of it, or its JID.",
    "message": "The `id` of its row, or the `message_id` that WhatsApp gave it.",
}
_WORDS = {
    "alias": "Other names for the contact.",
    "archived": "Only chats that are archived on the phone.",
    "at": "When: `25 dec 10:00`, `tomorrow 9am`, ISO 8601.",
    "channels": "List the channels in place of the chats.",
    "chat": "The chat: a name or alias, a phone number, a JID, or me.",
    "count": "After how many dates the series ends.",
    "draft": "Whether somebody has to approve it before it goes out.",
    "ended": "List the series that have ended too.",
    "every": "A rule such as `2 weeks` or `last friday`.",
    "favorite": "Whether the contact is a favourite.",
    "favorites": "Only favourites.",
    "from": "Only messages of this person.",
    "grace": "How late it may still go out: `6h`.",
    "max_retries": "How often a message that failed is tried again.",
    "name": "The name.",
    "notes": "Notes about the contact.",
    "now": "Send it now, whatever its time was.",
    "force": "Send it even if it may have been sent already.",
    "outcome": "Whether the message is in the chat.",
    "part": "The messages, in order.",
    "muted": "Only chats that are muted on the phone.",
    "pinned": "Only chats that are pinned on the phone.",
    "q": "The words to search for.",
    "remove": "Remove them, in place of adding them.",
    "remove_phone": "Numbers to remove.",
    "status": "Only those with this status.",
    "tag": "Tags.",
    "text": "The text.",
    "title": "A name for the job.",
    "to": "A name or alias, a phone number, a JID, or me.",
    "type": "Only messages of this type.",
    "tz": "The time zone: an IANA name, for a message also `contact`.",
    "birthday": "`1985-01-15`, or `--01-15` without the year.",
    "unread": "Only chats with unread messages.",
    "until": "The day on which the series ends.",
    "words": "The aliases or tags.",
}
"""What is said of parameters and fields that say nothing of themselves."""
_EXAMPLES = {
    "at": "tomorrow 9am",
    "chat": "me",
    "every": "2 weeks",
    "gap": "30s",
    "grace": "6h",
    "q": "saturday",
    "text": "Hello",
    "to": "me",
    "tz": "Europe/London",
    "until": "2031-12-31",
}
_MADE = {
    "200": "The key's first message, as it is now.",
    "201": "A new row.",
    "202": "A new message that is queued, and not sent yet.",
}


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation: `schedule_list`, `schedule_show`, `schedule_cancel`."""
    words = [word for word in route.path.removeprefix("/api/v1").split("/") if word]
    method = min(route.methods or ()).lower()
    fixed = [word for word in words if not word.startswith("{")] or ["front"]
    if len(fixed) == 1 and words != ["health"]:
        is_list = method == "get" and len(words) == 1
        fixed.append(
            "list" if is_list and fixed[0] not in ("status", "metrics") else _VERBS.get(method, method)
        )
    return "_".join(fixed)


def described(made: FastAPI) -> bytes:
    """Return the description of all endpoints."""
    found = get_openapi(
        title=made.title, version=made.version, description=made.description, routes=made.routes
    )
    parts = found["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {"secret": {"type": "apiKey", "in": "header", "name": "X-API-Secret"}}
    for schema in parts["schemas"].values():
        for name, field in schema["properties"].items():
            _say(name, field, field)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation, parts["schemas"])
    parts["schemas"] |= SCHEMAS
    _link(found["paths"])
    return to_json(found).encode()


def _complete(path: str, method: str, operation: Schema, schemas: Schema) -> None:
    """Add to an operation what the framework does not know of it."""
    first = path.removeprefix("/api/v1").split("/")[1]
    operation["tags"] = [first]
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            each["description"] = _PATH_WORDS[each["name"]]
        else:
            _say(each["name"], each, each["schema"])
    if path == "/media/{id}":
        operation["parameters"][0]["description"] = "The `id` of the message's row."
    answers = operation["responses"]
    for status in [each for each in answers if each < "400"]:
        answers[status] |= _content(path, method, first)
    if path not in OPEN_PATHS:
        content = {"application/json": {"schema": ref("Error")}}
        answers |= {status: {"description": text, "content": content} for status, text in _ERRORS.items()}
        operation["security"] = [{"secret": []}]
    else:
        answers["503"] |= _content(path, method, first)
    makes_a_row = "201" in answers or "202" in answers
    if makes_a_row and any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", [])):
        content = _content(path, method, first)["content"]
        header = {"description": "The key of the message.", "schema": {"type": "string"}}
        answers |= {
            status: {"description": text, "content": content, "headers": {"Idempotency-Key": header}}
            for status, text in _MADE.items()
            if status != "202" or path.startswith("/api/v1/messages")
        }
    if path in FILE_PATHS and "requestBody" in operation:
        content = operation["requestBody"]["content"]
        content["multipart/form-data"] = {"schema": _form(content["application/json"]["schema"], schemas)}


def _say(name: str, told: Schema, schema: Schema) -> None:
    """Give a parameter or a field the description and the example that it lacks."""
    if not told.get("description"):
        told["description"] = _WORDS[name]
    if name in _EXAMPLES and "array" not in str(schema):
        schema["examples"] = [_EXAMPLES[name]]


def _content(path: str, method: str, first: str) -> Schema:
    """Return the content of an answer that is no error."""
    if path == "/metrics":
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    if path == "/media/{id}":
        return {"content": {"*/*": {}}}
    if path == "/api/v1/events":
        return {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    schema = _OF_PATH.get(f"{method.upper()} {path}")
    if schema is None:
        row = ref(_OF_FIRST[first])
        schema = listed(row) if method == "get" and not path.endswith("}") else row
    return {"content": {"application/json": {"schema": schema}}}


def _form(body: Schema, schemas: Schema) -> Schema:
    """Return the schema of a body as a form: nothing is null, and there may be a file."""
    form: Schema = copy.deepcopy(schemas[body["$ref"].rpartition("/")[2]])
    for name, field in form["properties"].items():
        kinds = [each for each in field.pop("anyOf", []) if each.get("type") != "null"]
        form["properties"][name] = {**(kinds[0] if kinds else {}), **field}
        if "default" in field and field["default"] is None:
            del form["properties"][name]["default"]
    form["properties"]["file"] = {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "description": "A file of up to 100 MB; the text is its caption.",
    }
    form["title"] = f"{form['title']}WithFile"
    return form


def _link(paths: Schema) -> None:
    """Say which operations take what an answer has: the id of a row, the name of a template."""
    for path, methods in paths.items():
        made = methods.get("post") or methods.get("put")
        name = next((each for each in ("id", "who", "name") if f"{path}/{{{each}}}" in paths), None)
        if path.endswith("/templates/{name}"):
            name, path = "name", path.removesuffix("/{name}")  # noqa: PLW2901
        if made is None or name is None:
            continue
        field = "name" if name == "name" else "id"
        links = {
            operation["operationId"]: {
                "operationId": operation["operationId"],
                "parameters": {name: f"$response.body#/{field}"},
            }
            for other, theirs in paths.items()
            for operation in theirs.values()
            if other.startswith(f"{path}/{{{name}}}") and operation is not made
        }
        for status in ("200", "201", "202"):
            if status in made["responses"]:
                made["responses"][status]["links"] = links
