"""JSON files read as a stream, element by element: a large one needs no more memory than a small one."""

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
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    def close(self) -> None:
        """Have done with it."""


class Damaged(Exception):
    """The file is not JSON from some place on; what came before it was read."""


class Unreadable(Exception):
    """A value that is JSON, and yet makes no sense; it stands where the value would."""


_NO_TEXT = "\ufdd0"
"""A character that is none (Unicode §23.7), in the place of bytes that are not UTF-8."""
_DEEPEST = 100
"""Values inside one another; json.dumps() gives up at a thousand."""
_LARGEST = 10**40
"""No number of ours is near it, and SQLite takes none."""
_MOST_DIGITS = 1_000_000
"""Of a number that is still read, in order to be refused."""
codecs.register_error("wa-mark", lambda error: (_NO_TEXT, error.end))  # type: ignore[attr-defined]


class _Text:
    """A file as UTF-8, with a mark where single bytes of it are not; without a byte order mark."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("wa-mark")

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end of the file alone."""
        while True:
            piece = self._stream.read(max(size, 1) if size else 0)
            text = self._decoder.decode(piece, final=not piece and bool(size))
            if text or not piece:
                return text.encode()


def events(stream: Readable) -> Iterator[Event]:
    """What stands in the file, in order. Raises Damaged where it goes wrong."""
    # At Python's own limit for the digits of a number, the parser loses what stands before it too.
    getattr(sys, "set_int_max_str_digits", int)(_MOST_DIGITS)
    try:
        for event in ijson.basic_parse(_Text(stream), buf_size=_CHUNK):  # noqa: UP028
            yield event  # `yield from` would pass an early end on, which ijson takes for damage
    except ijson.IncompleteJSONError:
        raise Damaged("it ends in the middle") from None
    except (ijson.JSONError, ValueError):
        raise Damaged("it is not JSON any more") from None


def elements(source: Iterator[Event], wrapper: str) -> Iterator[tuple[str | int, Event]]:
    """Where each record of a file begins: of a list, of an object by id, of either inside `wrapper`.

    With it comes its key or its number, counted from 1. Whoever takes one reads
    it, with `value` or on its own, before the next. Raises Damaged.
    """
    event, _ = next(source)
    yield from _inside(source, event, wrapper)
    next(source, None)  # what stands behind the end is damage too


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
            yield key, first  # but for what stands beside the records: a version, a date


def inside(source: Iterator[Event], first: Event) -> Iterator[tuple[str | int, Event]]:
    """Where each element of the list or object begins that `first` has begun."""
    return _inside(source, first[0], None)


def value(source: Iterator[Event], first: Event) -> Any:
    """The whole value that `first` begins; Unreadable where it has bytes, numbers or depths that none has."""
    trouble = _trouble(first[1])
    if first[0] not in ("start_map", "start_array"):
        return trouble or first[1]
    root: Any = {} if first[0] == "start_map" else []
    open_ones, key = [root], ""
    for event, scalar in source:
        # _trouble() for each would take a third of the time.
        if (scalar.__class__ is str and _NO_TEXT in scalar) or (
            scalar.__class__ is int and abs(scalar) > _LARGEST
        ):
            trouble = _trouble(scalar)
        if event == "map_key":
            key = scalar
            continue
        if event in ("end_map", "end_array"):
            open_ones.pop()
            if not open_ones:
                break
            continue
        new: Any = {} if event == "start_map" else [] if event == "start_array" else scalar
        if isinstance(open_ones[-1], list):
            open_ones[-1].append(new)
        else:
            open_ones[-1][key] = new
        if event in ("start_map", "start_array"):
            open_ones.append(new)
            if len(open_ones) > _DEEPEST:
                trouble = trouble or Unreadable("it is nested too deeply")
    return trouble or root


def _trouble(scalar: Any) -> Unreadable | None:
    if isinstance(scalar, str) and _NO_TEXT in scalar:
        return Unreadable("it has bytes in it that are not UTF-8")
    if isinstance(scalar, int) and abs(scalar) > _LARGEST:
        return Unreadable("a number in it is too large")
    return None


def next_batch(records: Iterator[T], size: int) -> tuple[list[T], Damaged | None]:
    """The next records, none at the end, and the damage in which they end."""
    batch: list[T] = []
    try:
        batch.extend(islice(records, size))
    except Damaged as error:
        return batch, error
    return batch, None
