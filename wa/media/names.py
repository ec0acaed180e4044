"""Safe names of files, made of names that somebody else chose. A foreign name is never used unchanged."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path

_LONGEST = 120
"""Bytes; filesystems allow 255 or a little less, and ` (2)` has to fit."""
_JOINERS = "\u200c\u200d"
"""Joiners, which Persian, Indic scripts and emoji need; the other invisible characters are removed."""
_EDGES = f" .{_JOINERS}"
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\.|\Z)", re.IGNORECASE
)
_SUFFIX = re.compile(r"(?<=.)\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,10}\Z", re.DOTALL)


def safe_name(name: str | None, fallback: str, extension: str) -> str:
    """Return a file name made of `name`, or of `fallback`, with `extension` if it has no extension.

    The name cannot leave its folder, is visible, is no option of a command, is
    harmless to a terminal, works on Windows, and has at most 120 bytes. Letters
    of all scripts stay as they are.
    """
    made = _cleaned(name or "") or _cleaned(fallback) or "file"
    if not _SUFFIX.search(made) and re.fullmatch(r"\.[A-Za-z0-9]{1,10}", extension):
        made += extension
    if _RESERVED.match(made):
        made = f"_{made}"
    if len(made.encode()) <= _LONGEST:
        return made
    suffix = found[0] if (found := _SUFFIX.search(made)) else ""
    stem = made.removesuffix(suffix).encode()[: _LONGEST - len(suffix)]
    return stem.decode(errors="ignore").rstrip(_EDGES) + suffix


def _cleaned(name: str) -> str:
    spaced = " ".join(name[:1000].split())
    # Cc: controls, Cf: direction marks and other invisible ones, Cs: surrogates, which are no characters
    seen = (
        each for each in spaced if each in _JOINERS or unicodedata.category(each) not in ("Cc", "Cf", "Cs")
    )
    one_line = " ".join(unicodedata.normalize("NFC", "".join(seen)).split())
    parts = (part for part in re.split(r"[/\\]", one_line) if part.strip(_EDGES))
    return _FORBIDDEN.sub("_", "_".join(parts)).lstrip(f"-{_EDGES}").rstrip(_EDGES)


def plain_name(name: str) -> str:
    """Return the end of a file name, at most 100 bytes, with `_` for all but letters, digits, `.` and `-`."""
    plain = re.sub(r"[^\w.\-]+", "_", re.split(r"[/\\]", name)[-1]).lstrip(".-")
    while len(plain.encode()) > 100:
        plain = plain[1:]
    return plain or "file"


def free_name(folder: Path, name: str) -> Path:
    """Return a path that does not exist yet: `name.ext`, else `name (2).ext` and so on."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file")
    return next(folder / each for each in _numbered(name) if not os.path.lexists(folder / each))


def free_among(taken: set[str], name: str) -> str:
    """Return a name as `free_name` does, and add it to the names that are taken; case makes no difference."""
    found = next(each for each in _numbered(name) if each.casefold() not in taken)
    taken.add(found.casefold())
    return found


def _numbered(name: str) -> Iterator[str]:
    stem, suffix = os.path.splitext(name)
    return (name if number == 1 else f"{stem} ({number}){suffix}" for number in count(1))
