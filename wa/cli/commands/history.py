"""history status|fetch|import: the reach of each chat; older messages from the phone or "Export chat"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.options import Chat, Json, app_of, chat_of
from wa.cli.show import shown_time
from wa.cli.terminal import spans
from wa.errors import ExitStatus, WaError
from wa.jids import show_jid
from wa.record import history_sync, names
from wa.texts import counted

commands = typer.Typer()
history = typer.Typer(help="Older messages: how far back they reach, and more of them.")
commands.add_typer(history, name="history")


@history.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show how far back each chat reaches, and possible gaps.

    The phone sends its history after linking, all of it with
    `wa link --full-history`. If parts of it could not be read, `wa` says on standard
    error how many, and why the last of them could not: nobody knows whose messages
    they had, so no chat counts as complete. `wa history fetch` asks the phone for older
    messages, and `wa history import` reads a file of WhatsApp's own "Export chat".

    Example: wa history status
    """
    app = app_of(ctx)
    rows = history_sync.status(app.store)

    begin = min((row["oldest"] for row in rows if row["oldest"] is not None), default=None)
    end = int(app.now().timestamp())

    def bar(row: Mapping[str, Any]) -> str:
        """Return the time from the oldest message of all to now, filled where the chat has messages."""
        if begin is None or row["oldest"] is None:
            return ""
        edges = [row["oldest"], *(gap[edge] for gap in row["gaps"] for edge in ("after", "before"))]
        return spans(begin, end, zip(edges[::2], [*edges[1::2], row["newest"]], strict=True))

    def cells(row: Mapping[str, Any]) -> list[object]:
        oldest, newest = (shown_time(app, row[edge])[:10] for edge in ("oldest", "newest"))
        progress = f" {row['progress_percent']} %" if row["status"] == "in_progress" else ""
        state = row["status"].replace("_", " ") + progress
        cut = len("2026-11") if app.out.on_terminal else None
        days = [
            f"{shown_time(app, gap['after'])[:10][:cut]} to {shown_time(app, gap['before'])[:10][:cut]}"
            for gap in row["gaps"]
        ]
        between = ", ".join(days[:3]) + (f" and {len(days) - 3} more" if len(days) > 3 else "")
        head = [show_jid(row["chat_jid"], row["name"]), row["messages"], oldest]
        if not app.out.on_terminal:
            return [*head, newest, state, between]
        return [*head, bar(row), state + (f"; nothing {between}" if between else "")]

    app.out.table(rows, ["chat", "messages", "oldest", "covers", "sync"], cells, "no chats yet")
    if begin is not None and app.out.on_terminal:
        app.out.note(f"covers: the time from {shown_time(app, begin)[:10]} to now")
    whole = history_sync.sync_status(app.store)
    if whole and whole["damaged_parts"]:
        app.out.note(
            f"parts of the history that could not be read: {whole['damaged_parts']}"
            f" ({whole['error_message']}); `wa unlink`, then `wa link --full-history`"
            " let the phone send all of it again"
        )
    if not app.json:
        state = (
            f"{whole['status'].replace('_', ' ')}, {whole['progress_percent']} %" if whole else "not begun"
        )
        app.out.note(f"history from the phone: {state}; `wa history fetch` asks for older messages")


@history.command()
def fetch(
    ctx: typer.Context,
    chat: Chat,
    most: Annotated[
        int,
        typer.Option("--max", metavar="N", min=1, max=10_000, help="At most this many messages."),
    ] = 50,
    as_json: Json = False,
) -> None:
    """Ask the phone for older messages of a chat.

    It asks for what is older than the oldest message here, 50 messages at a time, and
    waits up to a minute for each answer. The library can send such a request only as a
    message to yourself: whether phones answer that is unknown. The same command goes on
    where the one before ended.

    Example: wa history fetch sister --max 200
    """
    from wa.connection.history.fetch import fetch as fetch_older

    app = app_of(ctx)
    found = chat_of(app, chat)
    known = names.stored_name(app.store, found.jid)
    name = show_jid(found.jid, known)
    app.context.note("asking the phone; whether phones answer this is unknown")

    @contextmanager
    def show() -> Iterator[Callable[[int], object]]:
        with app.out.progress(in_bytes=False) as bars:
            yield bars.begin(name, most)

    row = fetch_older(app.context, found.jid, most, show)
    came = f"{counted(row['received'], 'older message')}, {row['added']} of them new"
    if row["complete"]:
        came = f"{came}; the phone has no more" if row["received"] else "the phone has no older messages"
    app.out.result({"chat_name": known, **row}, f"{name}: {came}")


@history.command(name="import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .txt or .zip of Export chat, or a .jsonl of wa export.")
    ],
    chat: Annotated[
        str | None,
        typer.Option(metavar="C", help="The chat it belongs to; by default the file's name tells."),
    ] = None,
    me: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your own name in the file; - if you wrote nothing.")
    ] = None,
    date_order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="dmy, mdy or ymd, if the file does not tell.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import an "Export chat" of WhatsApp, or a `wa export`.

    The same file, or a later export of the same chat, may be imported again: the
    command recognises messages that are stored already.

    Example: wa history import "WhatsApp Chat with Nadia Sample.txt"
    """
    from wa.imports.export_chat.importer import import_chat
    from wa.imports.json_lines.importer import import_lines, is_json_lines
    from wa.people.skipped import lines_of

    app = app_of(ctx)
    if is_json_lines(file):
        if chat or me or date_order:
            raise WaError(
                "usage", f"{file} names its chats itself", "leave --chat, --me and --date-order out"
            )
        found = import_lines(app.store, file, app.now(), dry_run=dry_run, progress=app.out.progress)
        name = str(file)
    else:
        found = import_chat(
            app.store,
            file,
            app.now(),
            chat=chat,
            me=me,
            date_order=date_order,
            zone=app.settings.zone,
            region=app.settings.region,
            own_jid=app.context.me,
            dry_run=dry_run,
            progress=app.out.progress,
        )
        name = show_jid(found["chat_jid"], found["chat_name"])
    text = (
        f"{name}: {counted(found['read'], 'message')} read, {found['added']} added,"
        f" {found['already_there']} already there, {found['skipped']} skipped"
    )
    if any(found["media"].values()):
        taken, missing, omitted = (found["media"].get(each, 0) for each in ("taken", "missing", "omitted"))
        text += f"; files: {taken} taken, {missing} missing, {omitted} left out by the phone"
    app.out.result(found, text)
    if pruned := found.get("pruned"):
        app.out.note(f"pruned before: {pruned:,}; `wa db restore-archive` brings these back")
    for line in lines_of(found):
        app.out.note(f"skipped {line}")
    if dry_run:
        app.out.note("nothing was written")
    if found["skipped"]:
        raise typer.Exit(ExitStatus.BAD_DATA)
