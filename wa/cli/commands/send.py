"""wa send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Draft, Files, Json, To, Wait, app_of, read_text, recipient
from wa.cli.queue_rows import with_series
from wa.cli.show import note_what_keeps, when_due, who
from wa.times import from_iso

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
    draft: Draft = False,
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

    def tell(row: Mapping[str, Any], was_sent: bool) -> None:
        row = with_series(app, row)
        rows.append(row)
        done = _done(app, row, was_sent)
        if len(parts) == 1:
            app.out.success(row, done)
            return
        with app.out.even_unheard(done):
            app.out.line(done)
            if len(rows) == len(parts) and app.json:
                app.out.table(rows, [], lambda row: [], "")

    send_parts(app.context, person, parts, key, None if no_wait else wait, tell, draft=draft)
    if rows[-1]["status"] == "pending":
        note_what_keeps(app, rows[-1], scheduled=from_iso(rows[-1]["scheduled_at"]) > app.now())


def _done(app: App, row: Mapping[str, Any], was_sent: bool) -> str:
    """Return in words that a row was sent, or queued, or that it is due later."""
    what = f"{row['file_name']} " if row["file_name"] else ""
    if row["status"] == "sent":
        return f"{'already sent' if was_sent else 'sent'} {what}to {who(row)}"
    if row["status"] in ("draft", "held"):
        verb = "approve" if row["status"] == "draft" else "unhold"
        return f"{row['status']} {what}{row['id']} for {who(row)}: `wa schedule {verb}` lets it go out"
    due = f", due {when_due(app, row)}" if from_iso(row["scheduled_at"]) > app.now() else ""
    return f"queued {what}{row['id']} for {who(row)}{due}"
