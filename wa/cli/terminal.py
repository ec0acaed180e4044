"""Text for a terminal: long lines of a conversation, the paragraphs of a help text, a QR code."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Iterator

INDENT = "    "
"""Before each further line of a message, so that it looks unlike the next message."""
QUIET = 2
"""Empty modules around the code. The standard asks for 4; phones can read a code with 2."""

# Black on white, whatever the colours of the terminal: phones cannot read an inverted code.
_ON_WHITE = "\x1b[38;5;16;48;5;231m"
_RESET = "\x1b[0m"
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def paragraphs(text: str) -> str:
    """Return a help text with each paragraph on one line, so that it is broken where the terminal ends.

    Typer does this to the first paragraph alone.
    """
    return re.sub(r"(?<!\n)\n(?=\S)", " ", inspect.cleandoc(text))


def hanging(text: str, width: int | None = None) -> str:
    """Return a text with its further lines indented, and broken at `width` columns if that is given.

    A word that is longer than a line, such as an address, stays whole, so that it can be clicked and copied.
    """
    found = text.splitlines()
    if width is not None and width > 2 * len(INDENT):
        found = [part for at, line in enumerate(found) for part in _broken(line, width, is_first=at == 0)]
    return f"\n{INDENT}".join(found)


def _broken(line: str, width: int, *, is_first: bool) -> Iterator[str]:
    if line.isascii() and len(line) <= width - len(INDENT):
        yield line
        return
    room = width if is_first else width - len(INDENT)
    shown, used = "", 0
    for word in line.split(" "):
        size = _columns(word)
        if used and used + 1 + size > room:
            yield shown
            shown, used, room = word, size, width - len(INDENT)
        else:
            shown, used = (f"{shown} {word}", used + 1 + size) if shown or used else (word, size)
    yield shown


def _columns(text: str) -> int:
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
