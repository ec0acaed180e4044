"""The fields of a text: `{name}` is one, and `{{` and `}}` are braces. Nothing else is between braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wa.errors import WaError

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[^\W\d]\w*")


def names_in(text: str) -> set[str]:
    """Return the names of the fields in a text. Raise WaError `usage` for a brace that is none of a field."""
    names = set()
    for piece in _PIECE.finditer(text):
        if piece[0] in ("{{", "}}"):
            continue
        name = piece[1]
        if name is None or not _NAME.fullmatch(name):
            raise WaError(
                "usage", f"{piece[0]!r} in the text is no field", "a field is {name}; {{ and }} are braces"
            )
        names.add(name)
    return names


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its fields filled in, each of which has a value."""
    braces = {"{{": "{", "}}": "}"}
    return _PIECE.sub(lambda piece: braces.get(piece[0]) or values[piece[1]], text)


def missing(names: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Return the names of fields that have no value, or an empty one."""
    return sorted(name for name in names if not values.get(name, "").strip())


def typed(given: Iterable[str]) -> dict[str, str]:
    """Return the fields that `--set NAME=VALUE` gives. Raise WaError `usage` for another form."""
    fields = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise WaError("usage", f"--set {each!r} is not NAME=VALUE", "for example --set place=Rome")
        fields[name.strip()] = value
    return fields
