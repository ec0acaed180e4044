"""Forms: their fields as they were typed, the key that each carries, and what was done for a key already."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from wa.errors import WaError
from wa.web.answers import Answer
from wa.web.page.render import Typed

MOST_FIELDS = 500
_REMEMBERED = 1_000
"""Forms whose answers are remembered."""


class Form(Mapping[str, str]):
    """The fields of a form or of a query. A field that is not there is empty; line ends are `\\n`."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self.fields = {name: [_plain(text) for text in texts] for name, texts in fields.items()}

    def __getitem__(self, name: str) -> str:
        return Typed((self.fields.get(name) or [""])[-1])

    def __contains__(self, name: object) -> bool:
        return name in self.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def all(self, name: str) -> list[str]:
        """Return all values of a field, in order."""
        return [Typed(text) for text in self.fields.get(name, [])]

    def number(self, name: str) -> int:
        """Return a field as a number of rows to leave out; 0 for what is none."""
        text = self[name]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0

    @property
    def key(self) -> str:
        """The key that the form was made with, a new one if it has none."""
        return self["key"] or new_key()


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(encoded: bytes) -> Form:
    """Return the form in a body or query. Raise WaError `usage` if it is none."""
    try:
        fields = parse_qs(encoded.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise WaError("usage", "the form cannot be read", "go back to the page and send it again") from None
    return Form(fields)


def read_body(body: bytes, content_type: str) -> tuple[Form, str | None]:
    """Return the form in a whole body, and the name of its file; an empty form if it cannot be read."""
    try:
        if not content_type.lower().startswith("multipart/form-data"):
            return read(body), None
        from python_multipart import parse_form
        from python_multipart.exceptions import FormParserError
    except WaError:
        return Form({}), None
    fields: dict[str, list[str]] = {}
    names: list[str] = []

    def on_field(field: Any) -> None:
        name, text = (field.field_name or b"").decode("utf-8", "replace"), field.value or b""
        fields.setdefault(name, []).append(text.decode("utf-8", "replace"))

    with suppress(FormParserError):
        headers = {"Content-Type": content_type.encode("latin-1"), "Content-Length": str(len(body)).encode()}
        parse_form(
            headers,
            BytesIO(body),
            on_field,
            lambda file: names.append((file.file_name or b"").decode("utf-8", "replace")),
        )
    return Form(fields), next(filter(None, names), None)


def new_key() -> str:
    """Return the key for a new form."""
    return secrets.token_urlsafe(18)


class Done:
    """The answers to forms that were done, by their keys: a double click does nothing a second time.

    Messages are kept apart by their keys in the store for good. This is for all else, for as long as the
    server runs; it is used by one thread, the one that writes.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def once(self, key: str, act: Callable[[], Answer]) -> Answer:
        """Return what was answered to a form with this key, else do it; errors are not remembered."""
        if key and key in self._answers:
            return self._answers[key]
        given = act()
        if key and given.status < 400:
            self._answers[key] = given
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return given
