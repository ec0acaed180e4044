"""Recipients and parts of a job as the user gives them, and the texts with their fields filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wa.errors import WaError
from wa.store.database import Row

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class Given:
    """A recipient as it was given: a word, the fields beside it, and its place, such as `a.csv, line 3`."""

    word: str
    fields: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None


@dataclass(frozen=True)
class Part:
    """A message of a job: its text, the seconds after it, its file, and whether `{…}` is a field."""

    text: str
    delay: float | None = None
    file: Path | None = None
    has_fields: bool = True


def bad_line(path: Path, line: int, what: str, hint: str) -> WaError:
    """Return the error of a file, with its line."""
    return WaError("bad-data", f"{path}, line {line}: {what}", hint)


def names_in(text: str) -> set[str]:
    """Return the names of the fields in a text. Raise WaError `usage` for a brace that is none of a field."""
    names = set()
    for piece in _PIECE.finditer(text):
        if piece[0] in ("{{", "}}"):
            continue
        name = piece[1]
        if name is None or not re.fullmatch(r"[^\W\d]\w*", name):
            raise WaError(
                "usage", f"{piece[0]!r} in the text is no field", "a field is {name}; {{ and }} are braces"
            )
        names.add(name)
    return names


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its fields filled in, each of which has a value."""
    braces = {"{{": "{", "}}": "}"}
    return _PIECE.sub(lambda piece: braces.get(piece[0]) or values[piece[1]], text)


def missing(names: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Return the names of fields that have no value, or an empty one."""
    return sorted(name for name in names if not values.get(name, "").strip())


def text_for(part: Row, person: Row) -> str:
    """Return the text of a part of a job for a recipient."""
    text = str(part["text"])
    return fill(text, json.loads(person["fields"] or "{}")) if part.get("hasFields") else text
