"""wa search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.options import After, Before, Count, Json, app_of, chat_of, recipient, span
from wa.cli.show import body, sender_of, shown_time
from wa.errors import WaError
from wa.jids import show_jid
from wa.record import messages
from wa.record.search import Filter
from wa.record.search import search as search_messages

commands = typer.Typer()


@commands.command()
def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="Words or parts of words; a message must have all of them.")],
    chat: Annotated[str | None, typer.Option(metavar="C", help="Only messages in this chat.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="P", help="Only messages from this person.")
    ] = None,
    before: Before = None,
    after: After = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="K", help="Only messages of this type: text, image, voice …"),
    ] = None,
    limit: Count = 50,
    as_json: Json = False,
) -> None:
    """Find messages by any part of any word, newest first.

    Case and accents do not matter, and no character has a special meaning.

    Example: wa search saturday --from nadia
    """
    app = app_of(ctx)
    if kind is not None and kind not in messages.TYPES:
        raise WaError("usage", f"{kind!r} is not a type of message", "types: " + ", ".join(messages.TYPES))
    start, end = span(app, before, after)
    narrowed = Filter(
        chat=chat_of(app, chat).jid if chat else None,
        sender=recipient(app, sender).jid if sender else None,
        before=start,
        after=end,
        message_type=kind,
    )

    def cells(row: Mapping[str, Any]) -> list[object]:
        return [
            shown_time(app, row["timestamp"]),
            show_jid(row["chat_jid"], row["chat_name"]),
            sender_of(row),
            body(app, row, row["snippet"]),
        ]

    rows = search_messages(app.store, query, narrowed, limit)
    app.out.table(rows, ["time", "chat", "from", "text"], cells, "nothing found")
