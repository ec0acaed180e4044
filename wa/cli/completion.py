"""Completion of the names of contacts and templates in bash, zsh and fish: a name is one word there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import typer

from wa.cli.context import App
from wa.people import contacts
from wa.record import chats
from wa.store.database import Store
from wa.texts import one_line

Found = TypeVar("Found")
_NOT_PLAIN = {
    "": re.compile(r"([^\w@%+:,./-])"),
    '"': re.compile(r'([\\"$`])'),
}
"""The characters that need a backslash in bash, in a bare word and in double quotes."""


def register(shell: str) -> None:
    """Let Typer complete for zsh and fish in our way, which keeps a name with spaces and quotes one word.

    `shell` is the value of the variable with which the shell's function asks, such as `complete_zsh`.
    """
    from typer._click.shell_completion import add_completion_class, split_arg_string
    from typer._completion_classes import FishComplete, ZshComplete

    def arguments() -> tuple[list[str], str]:
        """Return the words before the cursor's, and the part of that one before the cursor."""
        # The mark is at the cursor: it tells a word that ends in a space from a space before a new word.
        *args, last = split_arg_string(os.environ.get("_TYPER_COMPLETE_ARGS", "") + _CURSOR)
        return args[1:], last.removesuffix(_CURSOR)

    class Zsh(ZshComplete):
        def get_completion_args(self) -> tuple[list[str], str]:
            return arguments()

        def complete(self) -> str:
            found = self.get_completions(*self.get_completion_args())
            if not found:
                return "_files"
            names = " ".join(_zsh_word(each.value) for each in found)
            shown = " ".join(_zsh_word(f"{each.value}  {each.help or ''}".strip()) for each in found)
            # zsh quotes the words itself, as the place where they go needs it.
            return f"local -a wa_names wa_shown; wa_names=({names}); wa_shown=({shown}); {_COMPADD}"

    class Fish(FishComplete):
        def get_completion_args(self) -> tuple[list[str], str]:
            return arguments()

    if shell == "complete_zsh":
        add_completion_class(Zsh, "zsh")
    if shell == "complete_fish":
        add_completion_class(Fish, "fish")


_MOST_GROUPS = 100
_CURSOR = "\x01"
_COMPADD = "compadd -l -d wa_shown -a -- wa_names"


def _zsh_word(text: str) -> str:
    """Return a text as one word of zsh in which no character but letters means anything."""
    return "$'" + re.sub(r"[^\w]", lambda match: _escaped(match[0]), text) + "'"


def _escaped(char: str) -> str:
    return f"\\x{ord(char):02x}" if char.isascii() else char


class _Word(str):
    """A name quoted for bash. Typer keeps only words that begin with the typed text, so this always does."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        """Return True."""
        return True


def complete_contact(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of contacts that begin with `incomplete`, none in case of an error."""
    return _named(ctx, incomplete, lambda store: contacts.beginning(store, incomplete))


def complete_group(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of groups that begin with `incomplete`, none in case of an error."""
    return _named(ctx, incomplete, lambda store: chats.named_groups(store, incomplete, _MOST_GROUPS))


def complete_template(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of templates that begin with `incomplete`, none in case of an error."""
    from wa.queue.templates import table

    return _named(ctx, incomplete, table.listing)


def _named(
    ctx: typer.Context, incomplete: str, listing: Callable[[Store], Iterable[Mapping[str, Any]]]
) -> list[str]:
    """Return the names in a list that begin with `incomplete`, none in case of an error.

    Bash puts them into the command line unchanged, so they are quoted for it; other shells quote by
    themselves.
    """

    def names(app: App) -> list[str]:
        found = [one_line(row["name"]) for row in listing(app.store)]
        found = [name for name in found if name.startswith(incomplete)]
        if app.environ.get("_WA_COMPLETE") != "complete_bash":
            return found
        words = app.environ["COMP_WORDS"].split("\n")
        typed = words[int(app.environ["COMP_CWORD"])] if len(words) > int(app.environ["COMP_CWORD"]) else ""
        return [_Word(_quoted(name, typed[:1])) for name in found]

    return or_none(ctx, names)


def or_none(ctx: typer.Context, read: Callable[[App], list[Found]]) -> list[Found]:
    """Return what `read` finds for the shell's completion, none in case of an error."""
    try:
        return read(ctx.find_object(App) or App())
    except Exception:  # noqa: BLE001
        return []


def _quoted(name: str, opening: str) -> str:
    """Return a name quoted for bash, in a word that begins with the character `opening`."""
    if opening == "'":
        return name.replace("'", r"'\''")
    if opening == '"':  # a `!` begins a line of the history there, with a backslash too
        return _NOT_PLAIN['"'].sub(r"\\\1", name).replace("!", "\"'!'\"")
    return _NOT_PLAIN[""].sub(r"\\\1", name)
