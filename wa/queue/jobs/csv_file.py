"""The recipients of a job in a CSV file, with the fields of each in further columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wa.errors import WaError
from wa.queue.jobs.sources import Given, bad_line
from wa.store.files import storage_error

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_csv(path: Path) -> tuple[list[str], Iterator[Given]]:
    """Return the fields that a CSV file has beside `to`, and its recipients, read as they are taken.

    It may be in UTF-8, or UTF-16 with a byte order mark, with commas, semicolons or tabs; empty lines are
    left out.
    Raise WaError `bad-data` with file and line.
    """
    lines = _lines(path)
    number, first = _first_line(path, lines)
    dialect = first.partition("=")[2].strip("\r\n") if re.fullmatch(r"sep=.\r?\n?", first, re.I) else None
    if dialect:  # Excel's own first line
        number, first = _first_line(path, lines, number)
    delimiter = dialect or max(",;\t", key=lambda each: len(next(csv.reader([first], delimiter=each))))
    reader = csv.reader(_again(first, lines), delimiter=delimiter, strict=True)
    header = [cell.strip() for cell in _next(path, reader, number - 1) or []]
    names = [name.casefold() for name in header]
    if "to" not in names:
        raise bad_line(path, number, "there is no column `to`", f"the header has: {', '.join(header)}")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise bad_line(
            path, number, f"the header has {', '.join(twice)} twice", "give each column its own name"
        )
    return [name for name in header if name and name.casefold() != "to"], _people(
        path, reader, header, number
    )


def _people(path: Path, reader: Any, header: list[str], header_line: int) -> Iterator[Given]:
    before = header_line - 1
    while True:
        line = before + reader.line_num + 1
        cells = _next(path, reader, before)
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise bad_line(
                path, line, f"it has {len(cells)} cells, and the header {len(header)}", "quote its commas"
            )
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        word = next((value for name, value in row.items() if name.casefold() == "to"), "")
        if not word:
            raise bad_line(path, line, "`to` is empty", "name a recipient, or remove the line")
        fields = {name: value for name, value in row.items() if name and name.casefold() != "to"}
        yield Given(word, fields, f"{path}, line {line}")


def _next(path: Path, reader: Any, before: int) -> list[str] | None:
    """Return the next row, None at the end."""
    line = before + reader.line_num + 1
    try:
        cells: list[str] | None = next(reader, None)
    except csv.Error as error:
        raise bad_line(path, line, f"it is not CSV: {error}", 'a `"` in a cell is written twice') from None
    except UnicodeError:
        raise bad_line(path, line, "its characters cannot be read", "save the file as UTF-8") from None
    for cell in cells or ():
        if re.search("[\ud800-\udfff]", cell):
            raise bad_line(path, line, "its characters are not UTF-8", "save the file as UTF-8")
    return cells


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as raw:
            start = raw.read(3)
        encoding = next((name for mark, name in _BOMS if start.startswith(mark)), "utf-8")
        how = "strict" if encoding == "utf-16" else "surrogateescape"
        with path.open(encoding=encoding, errors=how, newline="") as file:
            yield from file
    except FileNotFoundError:
        raise WaError("not-found", f"there is no file {path}", "check the name") from None
    except OSError as error:
        raise storage_error(error, path) from error


def _first_line(path: Path, lines: Iterator[str], number: int = 0) -> tuple[int, str]:
    """Return number and text of the next line that is not empty."""
    try:
        for line in lines:
            number += 1
            if line.strip():
                return number, line
    except UnicodeError:
        raise bad_line(path, number + 1, "its characters cannot be read", "save the file as UTF-8") from None
    raise bad_line(path, max(number, 1), "it is empty", "the first line names the columns: to,name,…")


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
