"""wa forward."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.completion import complete_contact
from wa.cli.options import Chat, Draft, Json, Message, Wait, app_of, chat_of, recipient
from wa.cli.queue_rows import Told
from wa.cli.show import who
from wa.errors import ExitStatus, WaError

_OF_ONE = (ExitStatus.NOT_SENT, ExitStatus.NOT_FOUND)
"""Exit codes of errors that concern one recipient, and not the next one."""
commands = typer.Typer()


@commands.command()
def forward(
    ctx: typer.Context,
    chat: Chat,
    message: Message,
    to: Annotated[
        list[str],
        typer.Argument(
            metavar="TO…",
            help="Names or aliases, phone numbers, JIDs, or me.",
            autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
        ),
    ],
    wait: Wait = 90,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Queue the messages and return at once.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="A message with the same key is never sent twice.")
    ] = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Forward a message to others.

    It may be a text, a file with its caption, a sticker, a place, contacts or a poll.
    A file that is not here yet is downloaded first; if WhatsApp no longer has it, nothing
    is queued. People see that it was forwarded. A poll begins anew, without votes.

    Example: wa forward sister last omar
    """
    from wa.connection.actions import forward as forwarding
    from wa.connection.deliver import send_parts
    from wa.record.changing import which

    app = app_of(ctx)
    app.context.require_account()
    found = chat_of(app, chat)
    message_id = which.id_of(app.store, found.jid, message)
    people = list({person.jid: person for person in (recipient(app, each) for each in to)}.values())
    if key is not None and len(people) > 1:
        raise WaError(
            "usage", "one key cannot stand for several messages", "forward to each with a key of its own"
        )
    part = forwarding.part_of(app.context, found.jid, message_id)
    tell, errors = Told(app, len(people)), list[WaError]()
    for person in people:
        try:
            send_parts(app.context, person, [part], key, None if no_wait else wait, tell, draft=draft)
        except WaError as error:
            if error.exit_status not in _OF_ONE or len(people) == 1:
                raise
            name = who({"contact_name": person.name, "to_jid": person.jid})
            errors.append(WaError(error.code, f"to {name}: {error.message}", error.hint))
    tell.note_what_keeps()
    if errors:
        for each in errors[1:]:
            app.out.note(f"error: {each.message}")
        raise errors[0]
