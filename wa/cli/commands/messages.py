"""listen, send, chats, unread, groups, read, download, search.

What only a connection needs is imported where it is used: a list is shown at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import (
    Chat,
    Count,
    Files,
    Json,
    To,
    Wait,
    app_of,
    body,
    chat_of,
    kept_files,
    parts_of,
    read_text,
    recipient,
    shown_time,
    who,
)
from wa.cli.output import one_line
from wa.errors import WaError
from wa.jids import show_jid
from wa.queue import rows as schedule
from wa.record import chats as chat_list
from wa.record import messages
from wa.record.search import Filter
from wa.record.search import search as search_messages
from wa.times import parse_duration, parse_when
from wa.whatsapp.errors import not_linked

if TYPE_CHECKING:
    from wa.connection.owner import Owner

app = typer.Typer()

Before = Annotated[str | None, typer.Option(metavar="T", help="Only messages before this time.")]
After = Annotated[str | None, typer.Option(metavar="T", help="Only messages at this time or later.")]


@app.command()
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
    from wa.connection.deliver import deliver
    from wa.record.search import find_in_chat

    own = app_of(ctx)
    if own.context.me is None:
        raise not_linked()
    person = recipient(own, to)
    files = kept_files(own, file, key)
    said = "" if text is None and file else read_text(text)
    quoted = find_in_chat(own.store, person.jid, reply_to) if reply_to else None
    parts, rows = parts_of(said, files), list[dict[str, Any]]()
    for number, (words, part) in enumerate(parts):
        now = own.now()
        row = schedule.enqueue(
            own.store,
            person,
            words,
            now,
            now,
            grace=own.settings.grace,
            immediate=True,
            key=key,
            quoted_id=quoted if number == 0 else None,
            file=part,
        )
        what = f"{row['file_name']} " if part else ""
        done = f"queued {what}{row['id']} for {who(row)}"
        if no_wait:
            own.context.wake_owner()
        else:
            done = f"{'already sent' if row['sent_at'] else 'sent'} {what}to {who(row)}"
            row = deliver(own.context, row["id"], wait)
        rows.append(row)
        if len(parts) == 1:
            own.out.success(row, done)
        else:
            own.out.line(done)
    if len(parts) > 1 and own.json:
        own.out.table(rows, [], lambda row: [], "")


@app.command()
def listen(
    ctx: typer.Context,
    since: Annotated[
        int | None, typer.Option(min=0, max=2**62, metavar="ID", help="Begin after the message with this id.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="D", help="Stop after 90s, 15m, 6h …")
    ] = None,
    no_send: Annotated[bool, typer.Option("--no-send", help="Do not send scheduled messages.")] = False,
    as_json: Json = False,
) -> None:
    """Stay connected: record and print messages, send what is due.

    A second listener prints what the first one records, and takes over within
    two seconds when the first ends. --json prints one JSON object a line.

    Example: wa listen --for 10m --json
    """
    from wa.connection import hold
    from wa.queue.send import Scope

    own = app_of(ctx)
    feed = _Feed(own, messages.newest_id(own.store) if since is None else since)
    end = None if duration is None else time.monotonic() + parse_duration(duration).total_seconds()
    hold.serve(
        own.context,
        "listen --no-send" if no_send else "listen",
        Scope.UNSCHEDULED if no_send else Scope.ALL,
        until=lambda owner: end is not None and time.monotonic() >= end,
        tick=feed.print_new,
        every=hold.STANDBY_SECONDS,
    )


class _Feed:
    """Prints live messages as they are stored, whoever stores them, and trouble as it comes."""

    def __init__(self, own: App, cursor: int) -> None:
        self._own = own
        self._cursor = cursor
        self._version = -1
        self._said: str | None = None
        self._unknown = 0

    def print_new(self, owner: Owner | None) -> None:
        """What `hold.serve` calls after whatever happened."""
        from wa.connection.hold import describe_owner

        state = describe_owner(owner)
        if state is not None and state != self._said:
            self._said = state
            self._own.out.note(state)
        if (version := self._own.store.version()) == self._version:
            return
        self._version = version
        while rows := messages.live_after(self._own.store, self._cursor):
            for row in rows:
                self._own.out.event(row, _line(self._own, row))
                self._cursor = row["id"]
        self._warn()

    def _warn(self) -> None:
        unknown = schedule.counts(self._own.store).get("unknown", 0)
        if unknown > self._unknown:
            self._own.out.note(f"{unknown} may have been sent or not: `wa schedule list --status unknown`")
        self._unknown = unknown


def _line(own: App, row: Mapping[str, Any]) -> str:
    """A message on a line of its own; further lines of its text are set in, lest they pass for others."""
    chat = row["chat_name"] or show_jid(row["chat_jid"])
    sender = row["sender_name"] or show_jid(row["sender"])
    if row["is_from_me"]:
        names = f"→ {chat}"
    else:
        names = f"{chat} · {sender}" if row["chat_jid"] != row["sender"] else sender
    text = "\n    ".join(body(row).splitlines())
    marks = "".join(f" {each['emoji']}" for each in row.get("reactions", ()))
    edited = " (edited)" if row["edited_at"] and not row["deleted_at"] else ""
    return f"[{shown_time(own, row['timestamp'])}] {one_line(names)}: {text}{edited}{marks}"


@app.command()
def chats(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Argument(metavar="N", min=1, max=1_000_000, help="At most this many chats.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """List the chats, newest message first.

    Example: wa chats 5
    """
    _print_chats(app_of(ctx), limit, unread_only=False)


@app.command()
def unread(ctx: typer.Context, as_json: Json = False) -> None:
    """List the chats that have unread messages.

    Example: wa unread
    """
    _print_chats(app_of(ctx), 1_000, unread_only=True)


def _print_chats(own: App, limit: int, *, unread_only: bool) -> None:
    def cells(row: Mapping[str, Any]) -> list[object]:
        me = "→ " if row["last_is_from_me"] else ""
        last = {"content": row["last_message"], "message_type": row["last_message_type"] or "text"}
        last["deleted_at"] = row["last_deleted_at"]
        return [
            shown_time(own, row["last_message_time"]),
            row["name"] or show_jid(row["id"]),
            row["unread_count"] or "",
            me + body(last),
        ]

    rows = chat_list.listing(own.store, limit, unread_only=unread_only)
    empty = "nothing is unread" if unread_only else "no chats yet; `wa listen` records them"
    own.out.table(rows, ["time", "chat", "unread", "last message"], cells, empty)


@app.command()
def groups(ctx: typer.Context, as_json: Json = False) -> None:
    """List the groups and their members.

    It asks WhatsApp again for a list that is older than a day.

    Example: wa groups
    """
    from wa.connection.ask import refresh_groups

    def cells(row: Mapping[str, Any]) -> list[object]:
        members = ", ".join(each["name"] or show_jid(each["member_jid"]) for each in row["members"])
        return [row["name"] or row["id"], row["id"], members]

    own = app_of(ctx)
    if trouble := refresh_groups(own.context):
        own.out.note(f"as last known: {trouble.message}")
    own.out.table(chat_list.groups(own.store), ["group", "id", "members"], cells, "no groups yet")


@app.command()
def read(
    ctx: typer.Context,
    chat: Chat,
    limit: Annotated[
        int,
        typer.Argument(metavar="N", min=1, max=1_000_000, help="At most this many of the newest messages."),
    ] = 50,
    before: Before = None,
    after: After = None,
    mark_read: Annotated[
        bool, typer.Option("--mark-read", help="Tell the senders that you read it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a conversation, oldest message first.

    Example: wa read nadia 20 --after "yesterday 18:00"
    """
    own = app_of(ctx)
    found = chat_of(own, chat)
    rows = messages.conversation(own.store, found.jid, limit, *_span(own, before, after))
    shown = max((row["id"] for row in rows), default=0)
    if mark_read:
        from wa.connection import ask

        ask.mark_read(own.context, found.jid, shown)
    if own.json:
        own.out.table(rows, [], lambda row: [], "")
    for row in rows:
        own.out.line(_line(own, row))
    if not rows:
        own.out.note("no messages there")


@app.command()
def download(
    ctx: typer.Context,
    chat: Chat,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"{', '.join(messages.FILES)}, or all.")
    ] = "all",
    limit: Annotated[
        int, typer.Argument(metavar="N", min=1, max=1_000_000, help="At most this many of the newest files.")
    ] = 10,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to put the files into.")] = None,
    max_size: Annotated[
        float, typer.Option(metavar="MB", min=0.001, help="Skip files larger than this many megabytes.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Download the newest files of a chat.

    Files that are already here are not downloaded again. Without --out, files go
    into media/ in WA_HOME. WhatsApp keeps files for some weeks; the command names
    those that are gone, and downloads the others.

    Example: wa download nadia image 20 --out ~/Pictures
    """
    from wa.connection import ask
    from wa.media.received import check_folder
    from wa.record.search import files as files_of

    own = app_of(ctx)
    if kind not in ("all", *messages.FILES):
        raise WaError("usage", f"{kind!r} is not a kind of file", f"kinds: {', '.join(messages.FILES)}, all")
    found = chat_of(own, chat)
    rows = files_of(own.store, found.jid, None if kind == "all" else kind, limit)
    if out is not None:
        check_folder(out)
    rows = ask.fetch(own.context, rows, out, int(max_size * 1_000_000))

    def cells(row: Mapping[str, Any]) -> list[object]:
        return [shown_time(own, row["timestamp"]), row["message_type"], row["path"] or f"({row['error']})"]

    own.out.table(rows, ["time", "kind", "file"], cells, "no files there")
    if failure := ask.failure_of(rows):
        raise failure


@app.command()
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
    own = app_of(ctx)
    if kind is not None and kind not in messages.TYPES:
        raise WaError("usage", f"{kind!r} is not a type of message", "types: " + ", ".join(messages.TYPES))
    start, end = _span(own, before, after)
    narrowed = Filter(
        chat=chat_of(own, chat).jid if chat else None,
        sender=recipient(own, sender).jid if sender else None,
        before=start,
        after=end,
        message_type=kind,
    )

    def cells(row: Mapping[str, Any]) -> list[object]:
        return [
            shown_time(own, row["timestamp"]),
            row["chat_name"] or show_jid(row["chat_jid"]),
            "me" if row["is_from_me"] else row["sender_name"] or show_jid(row["sender"]),
            body(row, row["snippet"]),
        ]

    rows = search_messages(own.store, query, narrowed, limit)
    own.out.table(rows, ["time", "chat", "from", "text"], cells, "nothing found")


def _span(own: App, before: str | None, after: str | None) -> tuple[Any, Any]:
    now, zone = own.now(), own.settings.zone
    return tuple(None if text is None else parse_when(text, now, zone, past=True) for text in (before, after))  # type: ignore[return-value]
