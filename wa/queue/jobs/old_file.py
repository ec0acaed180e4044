"""A job in a file of the tool before this one: {"recipients": […], "messageParts": [{…}], "config": {…}}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from wa.errors import WaError
from wa.queue.jobs.sources import Given, Part, bad_line
from wa.store.files import storage_error

_MOST_BYTES = 64 * 1024 * 1024
"""The largest file that is read, in bytes."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True)
class OldJob:
    """A job file of the tool before this one. What it does not say is None."""

    title: str | None
    recipients: list[Given]
    parts: list[Part]
    gap: float | None
    max_retries: int | None


def read_old_job(path: Path) -> OldJob:
    """Return the job in a file of the tool before this one. Raise WaError `bad-data` with file and line."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except FileNotFoundError:
        raise WaError("not-found", f"there is no file {path}", "check the name") from None
    except OSError as error:
        raise storage_error(error, path) from error
    if raw is None:
        raise bad_line(path, 1, "it is larger than 64 MB", "make several jobs of it")
    try:
        text = raw.decode("utf-8-sig")
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise bad_line(
            path, raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8", "save it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise bad_line(path, error.lineno, f"it is not JSON: {error.msg}", "mend it there") from None
    except (RecursionError, ValueError) as error:
        raise bad_line(path, 1, f"it cannot be read: {error}", "mend it") from None
    return _OldFile(path, text, found).job()


class _OldFile:
    """The reading of one job file; every error names the line."""

    def __init__(self, path: Path, text: str, found: Any) -> None:
        self._path, self._text, self._root = path, text, found

    def _fail(self, what: str, *place: str | int) -> NoReturn:
        hint = (
            'a job has "recipients": ["447700900123"] and "messageParts": [{"orderIndex": 0, "text": "Hi"}]'
        )
        raise bad_line(self._path, line_of(self._text, place), what, hint)

    def job(self) -> OldJob:
        """Return the job. Raise WaError."""
        root = self._root
        if not isinstance(root, dict):
            self._fail("it is not a job, which is a JSON object")
        title = root.get("title")
        if title is not None and not isinstance(title, str):
            self._fail("`title` is not a text", "title")
        config = root.get("config")
        if config is not None and not isinstance(config, dict):
            self._fail("`config` is not an object", "config")
        gap = self._number(config or {}, "recipientGapSeconds", "config")
        retries = self._number(config or {}, "maxRetries", "config")
        if retries is not None and retries != int(retries):
            self._fail("`maxRetries` is not a whole number", "config", "maxRetries")
        return OldJob(
            title, self._recipients(), self._parts(), gap, None if retries is None else int(retries)
        )

    def _number(self, record: dict[str, Any], name: str, *place: str | int) -> float | None:
        value = record.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 10**8:
            self._fail(f"`{name}` is not a number from 0 up", *place, name)
        return float(value)

    def _recipients(self) -> list[Given]:
        found = self._root.get("recipients")
        if not isinstance(found, list) or not found:
            self._fail("`recipients` is missing, empty or not a list", "recipients")
        for number, each in enumerate(found):
            if not isinstance(each, str) or not each.strip():
                self._fail(f"recipient {number + 1} is empty or not a text", "recipients", number)
        return [
            Given(each, {}, f"{self._path}, line {line}")
            for each, line in zip(found, lines_of(self._text, "recipients", len(found)), strict=True)
        ]

    def _parts(self) -> list[Part]:
        key = "messageParts" if "messageParts" in self._root else "message_parts"
        found = self._root.get(key)
        if not isinstance(found, list) or not found:
            self._fail("`messageParts` is missing, empty or not a list", key)
        order: dict[int, Part] = {}
        for number, each in enumerate(found):
            if not isinstance(each, dict):
                self._fail(f"part {number + 1} is not an object", key, number)
            text = each.get("text")
            if not isinstance(text, str) or not text.strip():
                self._fail(f"part {number + 1} has no text", key, number)
            index = each.get("orderIndex", number)
            if isinstance(index, bool) or not isinstance(index, int) or index in order:
                self._fail(f"the orderIndex of part {number + 1} is no number, or there twice", key, number)
            if not 0 <= index < len(found):
                self._fail(f"the orderIndex {index} leaves a hole: there are {len(found)} parts", key, number)
            delay = self._number(each, "delayAfterSeconds", key, number)
            order[index] = Part(text, delay, has_fields=False)
        return [order[index] for index in sorted(order)]


def line_of(text: str, place: tuple[str | int, ...]) -> int:
    """Return the line of a value in a JSON text, by its keys and indexes, or of the nearest around it."""
    line = 1
    for depth in range(1, len(place) + 1):
        found = _positions(text, place[:depth])
        if found is None:
            break
        line = text.count("\n", 0, found) + 1
    return line


def lines_of(text: str, key: str, size: int) -> list[int]:
    """Return the line of each element of the list under a key of a JSON object."""
    starts = dict(_walk(text))
    lines, line, at = [], 1, 0
    for number in range(size):
        start = starts[(key, number)]
        line, at = line + text.count("\n", at, start), start
        lines.append(line)
    return lines


def _positions(text: str, place: tuple[str | int, ...]) -> int | None:
    return next((start for each, start in _walk(text) if each == place), None)


def _walk(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield place and offset of each value in a valid JSON text; of a key given twice, both."""
    stack: list[list[Any]] = []  # of each open list or object: its present index or key
    key: str | None = None
    is_key = False
    for token in _TOKEN.finditer(text):
        what = token[0]
        if what in "]}":
            stack.pop()
        elif what == ",":
            is_key = stack[-1][0] is None
            stack[-1][1] += 1
        elif what == ":":
            is_key = False
        elif is_key and what[0] == '"':
            key = json.loads(what)
            stack[-1][2] = key
        else:
            yield tuple(each[1] if each[0] == "list" else each[2] for each in stack), token.start()
            if what in "[{":
                stack.append(["list" if what == "[" else None, 0, None])
                is_key = what == "{"
                continue
        if what in "]}" and stack:
            is_key = False
