"""Forms with a file (multipart/form-data): the fields become the JSON body that they stand for.

The file streams into the home, whatever its size; the fields of a form have at most a megabyte together.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, get_args, get_origin

from starlette.requests import Request

from wa.errors import WaError
from wa.media.uploads import MOST_BYTES, Upload, receiving
from wa.store.paths import Home
from wa.web.access import Refused
from wa.web.api.body import MOST_BYTES as MOST_TEXT
from wa.web.api.body import Receive, too_large
from wa.web.api.fields import Body

FILE = "file"
"""The field of a form that holds the file."""
_AT_ONCE = 256 * 1024
"""Bytes of a file to gather before they are written."""
_MOST_PARTS = 2000
_NAME = 200
"""The most bytes of a field's name."""


class Form:
    """The texts of a form by field, and its file."""

    def __init__(self) -> None:
        self.texts: defaultdict[str, list[str]] = defaultdict(list)
        self.file: Upload | None = None

    def as_json(self, model: Any) -> bytes:
        """Return the fields as the JSON body of a model: what is no number, flag or object stays a text.

        A list is a field that is repeated, an object is written as JSON. Raise WaError `usage` for another
        field that is repeated.
        """
        kinds = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
        return json.dumps(
            {name: _value(name, texts, kinds.get(name)) for name, texts in self.texts.items()}
        ).encode()


def _value(name: str, texts: list[str], kind: Any) -> Any:
    if get_origin(kind) is list:
        return texts
    if len(texts) > 1:
        raise WaError("usage", f"body.{name}: it is given twice", "/openapi.json describes what is taken")
    (text,) = texts
    kinds = (kind, *get_args(kind))
    if get_origin(kind) is dict or any(isinstance(each, type) and issubclass(each, Body) for each in kinds):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if bool in kinds:
        return {"true": True, "false": False}.get(text, text)
    if float in kinds:
        try:
            return float(text)
        except ValueError:
            return text
    if int in kinds and text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text


def is_form(request: Request) -> bool:
    """Return whether the body of a request is a form with parts."""
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    return kind.strip().lower() == "multipart/form-data"


@asynccontextmanager
async def reading(request: Request, home: Home) -> AsyncIterator[Form]:
    """Read a form. Its file is removed at the end of the block unless it was kept.

    Raise Refused and WaError for a body that is no form, or has two files, or too much of anything.
    """
    length = request.headers.get("content-length")
    most = int(length) if length else MOST_BYTES
    form = Form()
    with ExitStack() as stack:
        reader = _Reader(form, lambda: stack.enter_context(receiving(home, min(most, MOST_BYTES))))
        await reader.read(request.headers["content-type"], request.receive)
        yield form


class _Reader:
    """A form while it comes in. The parser calls back for each part; what it found waits in `_found`."""

    def __init__(self, form: Form, open_file: Callable[[], Upload]) -> None:
        self._form = form
        self._open_file = open_file
        self._found: list[tuple[str, bytes]] = []
        self._header = b""
        self._headers: dict[bytes, bytes] = {}
        self._name = self._file_name = ""
        self._is_file = False
        self._data = bytearray()
        self._text_bytes = self._parts = 0

    async def read(self, content_type: str, receive: Receive) -> None:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        _, options = parse_options_header(content_type.encode("latin-1"))
        if not options.get(b"boundary"):
            raise WaError("usage", "the form names no boundary", "let a library write the form")

        def data_of(kind: str) -> Any:
            return lambda data, start, end: self._found.append((kind, data[start:end]))

        def mark(kind: str) -> Any:
            return lambda: self._found.append((kind, b""))

        calls = {
            "on_part_begin": mark("begin"),
            "on_header_field": data_of("name"),
            "on_header_value": data_of("value"),
            "on_header_end": mark("header"),
            "on_headers_finished": mark("headers"),
            "on_part_data": data_of("data"),
            "on_part_end": mark("part"),
            "on_end": mark("end"),
        }
        is_whole, more = False, True
        try:
            parser = MultipartParser(options[b"boundary"], calls)  # type: ignore[arg-type]
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "usage", "the body was cut off")
                more = message.get("more_body", False)
                parser.write(message.get("body", b""))
                found, self._found = self._found, []
                for kind, data in found:
                    is_whole |= kind == "end"
                    await self._take(kind, data)
        except FormParserError as error:
            raise WaError("usage", "the body is not a form", "let a library write the form") from error
        if not is_whole:  # the parser does not tell
            raise WaError("usage", "the form has no end", "let a library write the form")

    async def _take(self, kind: str, data: bytes) -> None:
        if kind == "begin":
            self._headers = {}
            self._parts += 1
            if self._parts > _MOST_PARTS:
                raise WaError("usage", f"the form has more than {_MOST_PARTS:,} parts")
        elif kind == "name":
            self._header += data
        elif kind == "value":
            name = self._header.lower()
            self._headers[name] = self._headers.get(name, b"") + data
        elif kind == "header":
            self._header = b""
        elif kind == "headers":
            self._begin()
        elif kind == "data":
            await self._add(data)
        elif kind == "part":
            await self._end()

    def _begin(self) -> None:
        from python_multipart.multipart import parse_options_header

        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"")
        if disposition != b"form-data" or not name or len(name) > _NAME:
            raise WaError("usage", "a part of the form has no name", "let a library write the form")
        self._name = _text("a name", name)
        self._is_file = b"filename" in options
        # %22 is how browsers and curl write a quote there (HTML, 4.10.22.8)
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace").replace("%22", '"')
        self._data.clear()
        if self._is_file != (self._name == FILE):
            raise WaError("usage", f"body.{self._name}: a form has its file, and that alone, as `{FILE}`")
        if self._is_file and self._form.file is not None:
            raise WaError("usage", "a message carries one file", "send each file with a key of its own")

    async def _add(self, data: bytes) -> None:
        self._data += data
        if not self._is_file:
            self._text_bytes += len(data)
            if self._text_bytes > MOST_TEXT:
                raise too_large(MOST_TEXT)
        elif len(self._data) >= _AT_ONCE:
            await self._write()

    async def _write(self) -> None:
        file, data = self._form.file, bytes(self._data)
        if file is None:
            file = self._form.file = await asyncio.to_thread(self._open_file)
        if file.size + len(data) > MOST_BYTES:
            raise too_large(MOST_BYTES)
        await asyncio.to_thread(file.write, data)
        self._data.clear()

    async def _end(self) -> None:
        if not self._is_file:
            self._form.texts[self._name].append(_text(f"body.{self._name}", bytes(self._data)))
            return
        if not self._data and not self._file_name and self._form.file is None:
            return  # what a browser sends for a field where no file was chosen
        await self._write()
        assert self._form.file is not None  # noqa: S101
        await asyncio.to_thread(self._form.file.end, self._file_name)


def _text(where: str, data: bytes) -> str:
    """Return a field's text, its line breaks (CRLF in forms: HTML, 4.10.22.7) as in other texts."""
    try:
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise WaError("usage", f"{where}: it is not UTF-8", "write the form in UTF-8") from None
