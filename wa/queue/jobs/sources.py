"""Recipients and parts of a job as the user gives them, and the texts with their fields filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wa.errors import WaError
from wa.queue.templates.fields import fill
from wa.store.database import Row


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


def text_for(part: Row, person: Row) -> str:
    """Return the text of a part of a job for a recipient."""
    text = str(part["text"])
    return fill(text, json.loads(person["fields"] or "{}")) if part.get("hasFields") else text
