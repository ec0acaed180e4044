"""What the commands share: the context, common options and how a few things are shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from wa.cli.context import App
from wa.cli.output import one_line
from wa.errors import WaError
from wa.jids import show_jid
from wa.people import contacts
from wa.record.messages import moment
from wa.times import describe, from_iso, load_zone, parse_duration


def app_of(ctx: typer.Context) -> App:
    """The context object of this run."""
    found = ctx.find_object(App)
    assert found is not None  # noqa: S101
    return found


def _set_json(ctx: typer.Context, value: bool) -> None:
    if value:
        app_of(ctx).json = True


def _set_env_file(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        app_of(ctx).env_file = value


Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON instead of a table.", callback=_set_json, show_default=False),
]
EnvFile = Annotated[
    str | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        help="Read settings from this file, before the .env in WA_HOME.",
        callback=_set_env_file,
        show_default=False,
    ),
]
To = Annotated[
    str,
    typer.Argument(
        metavar="TO",
        help="A name or alias, a phone number, a JID, or me.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]
Chat = Annotated[
    str,
    typer.Argument(
        metavar="CHAT",
        help="A name, a phone number, a JID, or me.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]


def finite(value: float) -> float:
    """Return a number of seconds. Raise a usage error for `nan`."""
    if value != value:
        raise typer.BadParameter("nan is not a number of seconds")
    return value


Wait = Annotated[
    float,
    typer.Option(min=0, max=86400, metavar="S", help="Wait at most this many seconds.", callback=finite),
]
Count = Annotated[int, typer.Option(min=1, max=1_000_000, metavar="N", help="At most this many.")]


Files = Annotated[
    list[Path] | None, typer.Option("--file", metavar="F", help="A file to send; may be repeated.")
]


def kept_files(app: App, files: Sequence[Path] | None, key: str | None) -> list[dict[str, Any]]:
    """Copies of the files to send, safe from what happens to those later. Raises WaError for a bad one."""
    from wa.media import outgoing

    if files and len(files) > 1 and key is not None:
        raise WaError(
            "usage", "a key stands for one message, and these are several", "send each with its own"
        )
    for path in files or ():
        outgoing.check_sendable(path)
    kept = []
    for path in files or ():
        where, name = outgoing.keep(app.home, path)
        kind = outgoing.kind_for_sending(app.home.path / where)
        kept.append({"media_path": where, "media_type": kind.name, "file_name": name})
    return kept


def parts_of(text: str, files: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any] | None]]:
    """What is sent, one message after the other: the text is the first file's caption, where it can be."""
    if not files or (text and files[0]["media_type"] in ("audio", "voice")):  # sound has no caption
        return [(text, None), *(("", file) for file in files)]
    return [(text if number == 0 else "", file) for number, file in enumerate(files)]


def recipient(app: App, to: str) -> contacts.Recipient:
    """Whom the user means."""
    return contacts.resolve(app.store, to, app.settings.region, app.context.me)


def chat_of(app: App, chat: str) -> contacts.Recipient:
    """Which chat the user means."""
    return contacts.resolve_chat(app.store, chat, app.settings.region, app.context.me)


def read_text(text: str | None) -> str:
    """The text of a message: the argument, or standard input for `-` and for none."""
    if text is not None and text != "-":
        return text
    if text is None and sys.stdin.isatty():
        raise WaError("usage", "there is no text", "give it as an argument, or on standard input")
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise WaError(
            "usage",
            f"standard input is not UTF-8: byte {error.start} is {data[error.start]:#04x}",
            "convert it first, e.g. iconv -f latin1 -t utf-8",
        ) from None


def zone_for(app: App, person: contacts.Recipient, name: str | None) -> ZoneInfo:
    """The zone in which a time is read: the one named, the contact's own for `contact`, or ours."""
    if name is None:
        return app.settings.zone
    if name != "contact":
        return load_zone(name)
    known = contacts.timezone_of(app.store, person)
    if known is None:
        raise WaError(
            "usage", f"no time zone is known for {person.name or show_jid(person.jid)}", "give --tz a zone"
        )
    return load_zone(known)


def grace_of(app: App, grace: str | None) -> timedelta:
    """How late a message may go out."""
    return app.settings.grace if grace is None else parse_duration(grace)


def who(row: Mapping[str, Any]) -> str:
    """The recipient of a queue row, as people know them."""
    return one_line(row["contact_name"] or show_jid(row["to_jid"]))


def when_due(app: App, row: Mapping[str, Any]) -> str:
    """A queue row's time, in the zone it was given in."""
    try:
        zone = load_zone(row["timezone"] or "")
    except WaError:  # none was given, or one that this machine does not know
        zone = app.settings.zone
    return describe(from_iso(row["scheduled_at"]), zone, app.now())


def shown_time(app: App, timestamp: int | None) -> str:
    """A message's time, in our zone."""
    return app.out.time(moment(timestamp)) if timestamp is not None else ""


def body(row: Mapping[str, Any], content: str | None = None) -> str:
    """What to show for a message's content."""
    if row.get("deleted_at"):
        return "(deleted)"
    text = content if content is not None else row["content"] or ""
    kind = row["message_type"]
    return text if kind == "text" else f"[{kind}] {text}".rstrip()


def complete_contact(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names for the shell's completion; none rather than an error."""
    try:
        app = ctx.find_object(App) or App()
        return [row["name"] for row in contacts.listing(app.store)]
    except Exception:  # noqa: BLE001
        return []
