"""Completion of the names of contacts in a shell."""

from __future__ import annotations

import re

import typer

from wa.cli.context import App
from wa.cli.output import one_line
from wa.people import contacts

_NOT_PLAIN = {
    "": re.compile(r"([^\w@%+:,./-])"),
    '"': re.compile(r'([\\"$`])'),
}
"""The characters that need a backslash in bash, in a bare word and in double quotes."""


class _Word(str):
    """A name quoted for bash. Typer keeps only words that begin with the typed text, so this always does."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        """Return True."""
        return True


def complete_contact(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names that begin with `incomplete`, none in case of an error.

    Bash puts them into the command line unchanged, so they are quoted for it; other shells quote by
    themselves.
    """
    try:
        app = ctx.find_object(App) or App()
        names = [one_line(row["name"]) for row in contacts.listing(app.store)]
        found = [name for name in names if name.startswith(incomplete)]
        if app.environ.get("_WA_COMPLETE") != "complete_bash":
            return found
        words = app.environ["COMP_WORDS"].split("\n")
        typed = words[int(app.environ["COMP_CWORD"])] if len(words) > int(app.environ["COMP_CWORD"]) else ""
        return [_Word(_quoted(name, typed[:1])) for name in found]
    except Exception:  # noqa: BLE001
        return []


def _quoted(name: str, opening: str) -> str:
    """Return a name quoted for bash, in a word that begins with the character `opening`."""
    if opening == "'":
        return name.replace("'", r"'\''")
    return _NOT_PLAIN['"' if opening == '"' else ""].sub(r"\\\1", name)
