"""What a shell's completion offers beyond commands and options: the names of contacts."""

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
"""The characters that bash takes as they are after a backslash alone: in a bare word, in double quotes."""


class _Word(str):
    """A name as bash has to read it. Typer asks whether it begins with what was typed: `found` does."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        """Return True."""
        return True


def complete_contact(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names that begin with `incomplete`; none rather than an error.

    Bash puts them into the command line as they are, so they are quoted for it; other shells quote
    by themselves.
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
    """Return a name for bash, in a word that was begun with this character."""
    if opening == "'":
        return name.replace("'", r"'\''")
    return _NOT_PLAIN['"' if opening == '"' else ""].sub(r"\\\1", name)
