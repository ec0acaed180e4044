"""wa send."""

from __future__ import annotations

from typing import Annotated

import typer

from wa.cli.options import Files, Json, To, Wait, app_of, read_text, recipient
from wa.cli.show import note_what_keeps, who

commands = typer.Typer()


@commands.command()
def send(
    ctx: typer.Context,
    to: To,
    text: Annotated[
        str | None, typer.Argument(help="The text; without it, or with -, standard input.")
    ] = None,
    file: Files = None,
    reply_to: Annotated[
        str | None, typer.Option(metavar="ID", help="The id of the message to quote.")
    ] = None,
    wait: Wait = 90,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the message and return at once.")] = False,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="A message with the same key is never sent twice.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a message or files now, and wait until WhatsApp has it.

    The text is the caption of the first file. Files go out as pictures, videos or
    sound if their content is that, and as documents otherwise. If `wa listen` or
    `wa run-scheduler` holds the connection, that process sends the message;
    otherwise this command connects, sends and disconnects.

    Example: wa send 447700900123 "Here is the list" --file contacts/aliases.txt
    """
    from wa.connection.deliver import send_parts
    from wa.queue.compose import parts_of
    from wa.record.search import find_in_chat

    app = app_of(ctx)
    app.context.require_account()
    person = recipient(app, to)
    words = "" if text is None and file else read_text(text)
    quoted = find_in_chat(app.store, person.jid, reply_to) if reply_to else None
    parts = parts_of(app.home, words, file or [], quoted_id=quoted, key=key)
    rows = []
    for row, was_sent in send_parts(app.context, person, parts, key, None if no_wait else wait):
        rows.append(row)
        what = f"{row['file_name']} " if row["file_name"] else ""
        done = f"{'already sent' if was_sent else 'sent'} {what}to {who(row)}"
        if no_wait:
            done = f"queued {what}{row['id']} for {who(row)}"
        if len(parts) == 1:
            app.out.success(row, done)
        else:
            with app.out.even_unheard(done):
                app.out.line(done)
    if no_wait:
        note_what_keeps(app, rows[-1], scheduled=False)
    if len(parts) > 1 and app.json:
        with app.out.even_unheard(f"{len(rows)} messages are {'queued' if no_wait else 'sent'}"):
            app.out.table(rows, [], lambda row: [], "")
