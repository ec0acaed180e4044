"""Text for a terminal: tables, long lines of a conversation, the paragraphs of a help text, a QR code."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from operator import le

INDENT = "    "
"""Before each further line of a message, so that it looks unlike the next message."""
# Columns that are never cut: what the user may have to type again, and times.
_TYPED = ("id", "phone", "when", "next", "time", "covers")
# Columns that say nothing when they are cut, so they are cut after all others.
_SHORT = ("status", "begins", "sent", "oldest")
_LEAST = 5
"""Characters of any other column that are kept while one of these can be cut."""
_WRAPPED = {"to": 22}
"""Columns that go on below as the last one does, and are not cut, with their least width."""
_LAST_WIDTH = 20
"""Characters of a terminal's width that are kept for the last column, the text."""
_BETWEEN = "  "
_BAR = 12
"""Columns of a bar for a span of time."""
QUIET = 2
"""Empty modules around the code. The standard asks for 4; phones can read a code with 2."""

# Black on white, whatever the colours of the terminal: phones cannot read an inverted code.
_ON_WHITE = "\x1b[38;5;16;48;5;231m"
_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def paragraphs(text: str) -> str:
    """Return a help text with each paragraph on one line, so that it is broken where the terminal ends.

    Typer does this to the first paragraph alone.
    """
    return re.sub(r"(?<!\n)\n(?=\S)", " ", inspect.cleandoc(text))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, bold: bool, is_short: bool = False
) -> str:
    """Return rows of cells as a table of at most `width` columns, with a line of names above.

    Of the last column, what has no room goes on below; with `is_short`, it is cut.
    """
    found = [columns, *rows]
    sizes = [[columns_of(cell) for cell in row] for row in found]
    shown = _shrunk(columns, [max(each) for each in zip(*sizes, strict=True)], width)
    shown.append(max(width - sum(shown) - len(_BETWEEN) * len(shown), 1))
    lines = []
    for row, taken in zip(found, sizes, strict=True):
        if all(map(le, taken, shown)):  # most rows: each cell has room
            padded = [cell + " " * (room - size) for cell, room, size in zip(row, shown, taken, strict=True)]
            lines.append(_BETWEEN.join(padded).rstrip())
            continue
        cells = [
            list(_broken(cell, size, size, whole=False))
            if not is_short and (name == columns[-1] or name in _WRAPPED)
            else [cut(cell, size)]
            for name, cell, size in zip(columns, row, shown, strict=True)
        ]
        for parts in zip_longest(*cells, fillvalue=""):
            lines.append(_BETWEEN.join(map(_padded, parts, shown)).rstrip())
    if bold:
        lines[0] = strong(lines[0])
    return "\n".join([*lines, ""])


def spans(begin: float, end: float, filled: Iterable[tuple[float, float]]) -> str:
    """Return a bar for the time from `begin` to `end`, with the parts of it that are filled."""
    length = max(end - begin, 1)
    cells: set[int] = set()
    for first, last in filled:
        places = [min(max(int((each - begin) / length * _BAR), 0), _BAR - 1) for each in (first, last)]
        cells.update(range(places[0], places[1] + 1))
    return "".join("█" if cell in cells else "·" for cell in range(_BAR))


def strong(text: str) -> str:
    """Return a text in bold."""
    return f"{_BOLD}{text}{_RESET}"


def _shrunk(columns: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """Return the widths of all columns but the last; cut the widest until the last one has room."""
    wanted = list(widths[:-1])
    room -= len(_BETWEEN) * len(wanted)
    numbers = [number for number in range(len(wanted)) if columns[number] not in _TYPED]
    for are_short, least, last in ((False, _LEAST, _LAST_WIDTH), (True, 1, _LAST_WIDTH // 2), (False, 1, 1)):
        cut = [number for number in numbers if (columns[number] in _SHORT) is are_short]
        room_for = {n: _WRAPPED.get(columns[n], least) if least == _LEAST else least for n in cut}
        while sum(wanted) + min(last, widths[-1]) > room:
            wide = [number for number in cut if wanted[number] > room_for[number]]
            if not wide:
                break
            wanted[max(wide, key=lambda number: wanted[number])] -= 1
    return wanted


def _padded(text: str, width: int) -> str:
    """Return a text with spaces up to `width` columns."""
    return text + " " * (width - columns_of(text))


def cut(text: str, width: int) -> str:
    """Return a text of at most `width` columns, with an ellipsis where its end is missing."""
    if columns_of(text) <= width:
        return text
    return text[: _fitting(text, width - 1)].rstrip() + "…"


def _fitting(text: str, width: int) -> int:
    """Return how many characters of a text have room in `width` columns."""
    used = 0
    for number, char in enumerate(text):
        used += columns_of(char)
        if used > width:
            return number
    return len(text)


def hanging(text: str, width: int | None = None, indent: str = INDENT) -> str:
    """Return a text with its further lines indented, and broken at `width` columns if that is given.

    A word that is longer than a line, such as an address, stays whole, so that it can be clicked and copied.
    """
    found = text.splitlines()
    if width is not None and width > 2 * len(indent):
        room = width - len(indent)
        found = [part for at, line in enumerate(found) for part in _broken(line, room if at else width, room)]
    return f"\n{indent}".join(found)


def _broken(line: str, first: int, room: int, *, whole: bool = True) -> Iterator[str]:
    """Yield a line in parts: the first of at most `first` columns, the others of `room`.

    A longer word stays `whole`, or is broken too.
    """
    if line.isascii() and len(line) <= min(first, room):
        yield line
        return
    shown, used, limit = "", 0, first
    for word in line.split(" "):
        size, at = columns_of(word), 0
        while not whole and size > room:
            if used:
                yield shown
            end = at + max(_fitting(word[at : at + room], room), 1)
            yield word[at:end]
            size -= columns_of(word[at:end])
            at, shown, used, limit = end, "", 0, room
        rest = word[at:]
        if used and used + 1 + size > limit:
            yield shown
            shown, used, limit = rest, size, room
        else:
            shown, used = (f"{shown} {rest}", used + 1 + size) if shown or used else (rest, size)
    yield shown


def columns_of(text: str) -> int:
    """Return the columns that a text takes on a terminal (Unicode UAX 11, and marks that take none)."""
    if text.isascii():
        return len(text)
    shown = (char for char in text if unicodedata.category(char) not in ("Mn", "Me", "Cf"))
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown)


def picture(data: str, *, colours: bool) -> str:
    """Return the QR code for some data; a character cell is two modules high.

    Without `colours`, phones can read it on a terminal with dark text on a light ground.
    """
    import segno

    modules = [[bool(module) for module in row] for row in segno.make_qr(data, error="l").matrix]
    empty = [False] * len(modules[0])
    rows = [empty] * QUIET + modules + [empty] * QUIET
    rows += [empty] * (len(rows) % 2)
    begin, end = (_ON_WHITE, _RESET) if colours else ("", "")
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        cells = "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        lines.append(f"{begin}{' ' * QUIET}{cells}{' ' * QUIET}{end}")
    return "\n".join(lines) + "\n"
