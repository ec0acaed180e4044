"""A job in a file of the tool before this one: {"recipients": […], "messageParts": [{…}], "config": {…}}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.queue.jobs.sources import Given, Part, bad_line
from wa.store.files import storage_error
from wa.when import parse_when

_MOST_BYTES = 64 * 1024 * 1024
"""The largest file that is read, in bytes."""
_DONE = ("running", "completed", "failed", "cancelled")
_PROGRESS = (
    "current_recipient_index",
    "current_part_index",
    "recipients_sent",
    "recipients_failed",
    "last_sent_at",
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True)
class OldJob:
    """A job file of the tool before this one. What it does not say is None."""

    title: str | None
    start: datetime | None
    recipients: list[Given]
    parts: list[Part]
    gap: float | None
    max_retries: int | None


def read_old_job(path: Path, now: datetime, zone: ZoneInfo, *, with_start: bool) -> OldJob:
    """Return the job in a file of the tool before this one, with its start if that is wanted.

    Raise WaError `bad-data` with file and line, also for a job of which the old tool may have sent a part.
    """
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
    return _OldFile(path, text, found).job((now, zone) if with_start else None)


class _OldFile:
    """The reading of one job file; every error names the line."""

    def __init__(self, path: Path, text: str, found: Any) -> None:
        self._path, self._text, self._root = path, text, found

    def _fail(self, what: str, *place: str | int) -> NoReturn:
        hint = (
            'a job has "recipients": ["447700900123"] and "messageParts": [{"orderIndex": 0, "text": "Hi"}]'
        )
        raise bad_line(self._path, line_of(self._text, place), what, hint)

    def job(self, here: tuple[datetime, ZoneInfo] | None) -> OldJob:
        """Return the job, with its start as it is read `here`. Raise WaError."""
        root = self._root
        if not isinstance(root, dict):
            self._fail("it is not a job, which is a JSON object")
        title = root.get("title")
        if title is not None and not isinstance(title, str):
            self._fail("`title` is not a text", "title")
        config = root.get("config")
        if config is not None and not isinstance(config, dict):
            self._fail("`config` is not an object", "config")
        self._check_not_begun()
        gap = self._number(config or {}, "recipientGapSeconds", "config")
        retries = self._number(config or {}, "maxRetries", "config")
        if retries is not None and retries != int(retries):
            self._fail("`maxRetries` is not a whole number", "config", "maxRetries")
        return OldJob(
            title,
            self._start(*here) if here else None,
            self._recipients(),
            self._parts(),
            gap,
            None if retries is None else int(retries),
        )

    def _check_not_begun(self) -> None:
        """Raise WaError for a job of which something may have been sent: all of it would go out again."""
        begun = [("status",)] if self._root.get("status") in _DONE else []
        for place, known in (((), self._root), (("progress",), self._root.get("progress"))):
            if isinstance(known, dict):
                begun += [(*place, key) for key, value in known.items() if value and _snake(key) in _PROGRESS]
        if begun:
            raise bad_line(
                self._path,
                line_of(self._text, begun[0]),
                f"the job has begun: it has `{begun[0][-1]}`, and would go out again from its first message",
                "`wa migrate-s3` takes over a job that has begun",
            )

    def _start(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        key = "scheduledStartAt" if "scheduledStartAt" in self._root else "scheduled_start_at"
        found = self._root.get(key)
        if found is None:
            return None
        if not isinstance(found, str):
            self._fail(f"`{key}` is not a time", key)
        try:
            return parse_when(found, now, zone)
        except WaError as error:
            line = line_of(self._text, (key,))
            raise bad_line(
                self._path, line, f"`{key}`: {error.message}", "--at says when it begins"
            ) from None

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


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


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
