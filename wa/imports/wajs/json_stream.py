"""JSON read as a stream, element by element: a large file needs no more memory than a small one."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

import ijson

_CHUNK = 65_536
Event = tuple[str, Any]
T = TypeVar("T")


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""

    def close(self) -> None:
        """Close the stream."""


class Damaged(Exception):
    """The file is not JSON from some byte on; the elements before it were read."""


class Unreadable(Exception):
    """Returned in place of a value that is JSON but cannot be used."""


_NO_TEXT = "\ufdd0"
"""A noncharacter (Unicode §23.7), in the place of bytes that are not UTF-8."""
_WIDEST = 30
"""The most characters that the parser shows before and behind a fault."""
_SPACES = str.maketrans("\r\n", "  ")
_DEEPEST = 100
"""The most levels of nesting; json.dumps() fails at a thousand."""
_LARGEST = 10**40
"""The largest number that is accepted; SQLite cannot store integers of that size."""
_MOST_DIGITS = 1_000_000
"""The most digits of a number that is read, to be refused afterwards."""
codecs.register_error("wa-mark", lambda error: (_NO_TEXT, error.end))  # type: ignore[attr-defined]


class _Text:
    """A file as UTF-8 without a byte order mark, with a mark in place of bytes that are not UTF-8."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("wa-mark")
        self._last = ""
        """The newest piece, with the line before it as far as it belongs to the same line."""
        self._line = 1
        """The number of the line with which `_last` begins."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, none only at the end of the file."""
        while True:
            piece = self._stream.read(max(size, 1) if size else 0)
            text = self._decoder.decode(piece, final=not piece and bool(size))
            if text or not piece:
                if text:
                    self._line += self._last.count("\n")
                    self._last = self._last.rpartition("\n")[2][-_WIDEST:] + text
                return text.encode()

    def place_of(self, error: str) -> str:
        """Return the line of a fault of which the parser shows the text around it, `line 3, "[1,, 2]"`."""
        _, shown, mark = [*error.split("\n"), "", ""][:3]
        around = shown[max(0, mark.find("^") - _WIDEST) :].strip()
        found = self._last.translate(_SPACES).find(around)
        line = self._line + self._last.count("\n", 0, found + max(0, mark.find("^") - shown.find(around)))
        return f"line {line}, {around!r}" if around and found >= 0 else "its beginning"


def events(stream: Readable) -> Iterator[Event]:
    """Yield the events of the parser in order. Raise Damaged where the file is no JSON."""
    # Raise Python's limit for the digits of a number: there the parser loses the elements before it too.
    getattr(sys, "set_int_max_str_digits", int)(_MOST_DIGITS)
    text = _Text(stream)
    try:
        for event in ijson.basic_parse(text, buf_size=_CHUNK):  # noqa: UP028
            yield event  # `yield from` would pass an early close() on, which ijson takes for damage
    except (ijson.JSONError, ValueError) as error:
        raise Damaged(_what(str(error), text)) from None


def _what(error: str, text: _Text) -> str:
    """Return what is wrong, and where. The parser's fast form has one error for all faults."""
    if "premature EOF" in error or "ncomplete" in error:
        return "it ends in the middle"
    fault = error.split("\n")[0].partition(": ")[2].strip(".")
    return f"at {text.place_of(error)}: {fault or 'it is not JSON any more'}"


def elements(source: Iterator[Event], wrapper: str) -> Iterator[tuple[str | int, Event]]:
    """Yield the key and first event of each record, in a list or an object, or in one of these in `wrapper`.

    The key of a record in a list is its number, from 1. The caller reads each record,
    with `value` or by itself, before the next. Raise Damaged.
    """
    event, _ = next(source)
    yield from _inside(source, event, wrapper)
    next(source, None)  # bytes after the end are damage too


def _inside(source: Iterator[Event], kind: str, wrapper: str | None) -> Iterator[tuple[str | int, Event]]:
    for number, (event, scalar) in enumerate(source, 1):
        if kind == "start_array":
            if event == "end_array":
                return
            yield number, (event, scalar)
            continue
        if event == "end_map":
            return
        key, first = str(scalar), next(source)
        if key == wrapper and first[0] in ("start_array", "start_map"):
            yield from _inside(source, first[0], None)
        elif wrapper is None or first[0] in ("start_array", "start_map") or any(map(str.isdigit, key)):
            yield key, first  # but not the fields beside the records, such as a version or a date


def inside(source: Iterator[Event], first: Event) -> Iterator[tuple[str | int, Event]]:
    """Yield the key and first event of each element of the list or object that `first` begins."""
    return _inside(source, first[0], None)


def value(source: Iterator[Event], first: Event) -> Any:
    """Return the value that `first` begins; Unreadable if it is not UTF-8, too large or nested too deep."""
    trouble = _trouble(first[1])
    if first[0] not in ("start_map", "start_array"):
        return trouble or first[1]
    root: Any = {} if first[0] == "start_map" else []
    inner, around, key = root, [], ""
    """The list or object that is being filled, and those around it."""
    for event, scalar in source:
        if event == "map_key":
            if _NO_TEXT in scalar:
                trouble = _trouble(scalar)
            key = scalar
        elif scalar is not None or event == "null":
            # Calling _trouble() for each value would take a third of the time.
            kind = scalar.__class__
            if (kind is str and _NO_TEXT in scalar) or (kind is int and abs(scalar) > _LARGEST):
                trouble = _trouble(scalar)
            if inner.__class__ is dict:
                inner[key] = scalar
            else:
                inner.append(scalar)
        elif event in ("start_map", "start_array"):
            new: Any = {} if event == "start_map" else []
            if inner.__class__ is dict:
                inner[key] = new
            else:
                inner.append(new)
            around.append(inner)
            inner = new
            if len(around) >= _DEEPEST:
                trouble = trouble or Unreadable("it is nested too deeply")
        elif around:
            inner = around.pop()
        else:
            break
    return trouble or root


def _trouble(scalar: Any) -> Unreadable | None:
    if isinstance(scalar, str) and _NO_TEXT in scalar:
        return Unreadable("it has bytes in it that are not UTF-8")
    if isinstance(scalar, int) and abs(scalar) > _LARGEST:
        return Unreadable("a number in it is too large")
    return None


def next_batch(records: Iterator[T], size: int) -> tuple[list[T], Damaged | None]:
    """Return the next records, none at the end, and the damage that ends them, if any."""
    batch: list[T] = []
    try:
        batch.extend(islice(records, size))
    except Damaged as error:
        return batch, error
    return batch, None
