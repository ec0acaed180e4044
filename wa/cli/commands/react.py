"""wa react, wa edit and wa delete: changing a message for everyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Chat, Json, Mentions, Message, app_of, chat_of, read_text, recipient
from wa.cli.show import body, sender_of
from wa.jids import is_group, show_jid
from wa.texts import one_line

commands = typer.Typer()
_SHOWN = 40
"""The most characters that are shown of the message."""


@commands.command()
def react(
    ctx: typer.Context,
    chat: Chat,
    message: Message,
    emoji: Annotated[str, typer.Argument(metavar="EMOJI", help='One emoji; "" takes yours back.')],
    as_json: Json = False,
) -> None:
    """React to a message with an emoji.

    It takes the place of your earlier one.

    Example: wa react nadia last 👍
    """
    done = f"reacted {emoji} to" if emoji else "took back your reaction to"
    _change(app_of(ctx), "react", chat, message, emoji, done)


@commands.command()
def edit(
    ctx: typer.Context,
    chat: Chat,
    message: Message,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The new text; with -, standard input.")],
    mention: Mentions = None,
    as_json: Json = False,
) -> None:
    """Replace the text of a message of yours.

    It must be a text, and at most 15 minutes old: after that WhatsApp takes the
    edit, and people's apps ignore it. Whom the old text mentions, and the new one
    as `@447700900123` too, stays mentioned.

    Example: wa edit nadia last "See you at eleven"
    """
    from wa.queue.kinds import mentions

    app = app_of(ctx)
    people = {word: recipient(app, word) for word in mention or ()}
    said, mentioned = mentions.put(read_text(text), people)
    _change(app, "edit", chat, message, said, "edited", mentioned)


@commands.command()
def delete(ctx: typer.Context, chat: Chat, message: Message, as_json: Json = False) -> None:
    """Delete a message for everyone.

    It must be yours, or in a group whose admin you are, and at most 48 hours old:
    after that people's apps ignore the deletion. The chat keeps a line `(deleted)`.

    Example: wa delete nadia last
    """
    _change(app_of(ctx), "delete", chat, message, "", "deleted")


def _change(
    app: App, kind: str, chat: str, msg: str, text: str, done: str, mentions: Sequence[str] = ()
) -> None:
    """Let a message be changed, and print what was `done` with it."""
    from wa.connection.actions import message

    app.context.require_account()
    before, after = message.change(app.context, kind, chat_of(app, chat).jid, msg, text, mentions)
    app.out.success(after, f"{done} {_named(before)}: {_beginning(app, after if kind == 'edit' else before)}")


def _named(row: Mapping[str, Any]) -> str:
    """Return a message as `your message to Nadia` or `a message from Nadia`, with its group."""
    chat, is_in_group = show_jid(row["chat_jid"], row["chat_name"]), is_group(row["chat_jid"])
    if row["is_from_me"]:
        return one_line(f"your message {'in' if is_in_group else 'to'} {chat}")
    return one_line(f"a message from {sender_of(row)}" + (f" in {chat}" if is_in_group else ""))


def _beginning(app: App, row: Mapping[str, Any]) -> str:
    from wa.record.search import snippet

    return snippet(body(app, row), (), _SHOWN)
