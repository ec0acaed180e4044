"""A QR code as text for a terminal."""

from __future__ import annotations

QUIET = 2
"""Empty modules around the code. The standard asks for 4; phones can read a code with 2."""

# Black on white, whatever the colours of the terminal: phones cannot read an inverted code.
_ON_WHITE = "\x1b[38;5;16;48;5;231m"
_RESET = "\x1b[0m"
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


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
