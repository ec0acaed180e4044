"""The options and arguments that commands share, and their parsing."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.errors import WaError
from wa.people import recipients

SENDING = ("send", "forward", "react", "edit", "delete", "groups", "block", "unblock", "schedule", "jobs")
"""Commands that SIGTERM ends with 130, and not with 0: that would say that it is done, or queued."""


def app_of(ctx: typer.Context) -> App:
    """Return the context of this run."""
    found = ctx.find_object(App)
    assert found is not None  # noqa: S101
    return found


def _set_json(ctx: typer.Context, value: bool) -> None:
    if value:
        app_of(ctx).json = True


def _set_env_file(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        app_of(ctx).env_file = value


def _set_home(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        app_of(ctx).home_option = value


def _set_read_only(ctx: typer.Context, value: bool) -> None:
    if value:
        app_of(ctx).is_read_only = True


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
HomeDir = Annotated[
    str | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Use this home in place of WA_HOME: another account, for one command.",
        callback=_set_home,
        show_default=False,
    ),
]
ReadOnly = Annotated[
    bool,
    typer.Option(
        "--read-only",
        help="Refuse whatever sends or changes something; also WA_READ_ONLY=1.",
        callback=_set_read_only,
        show_default=False,
    ),
]
_TO = typer.Argument(
    metavar="TO",
    help="A name or alias, a phone number, a JID, or me.",
    autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
)
To = Annotated[str, _TO]
MaybeTo = Annotated[str | None, _TO]
_CHAT = typer.Argument(
    metavar="CHAT",
    help="A name, a phone number, a JID, or me.",
    autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
)
Chat = Annotated[str, _CHAT]
Mentions = Annotated[
    list[str] | None,
    typer.Option(
        "--mention",
        metavar="WHO",
        help="Whom @WHO in the text means; else added to it; may be repeated.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]
Message = Annotated[
    str,
    typer.Argument(
        metavar="MSG", help="Its id or the beginning of it, last, or last:3 for the third from the end."
    ),
]
MaybeChat = Annotated[str | None, _CHAT]


Before = Annotated[
    str | None, typer.Option(metavar="T", help='Only messages before this time: "last week" …')
]
After = Annotated[str | None, typer.Option(metavar="T", help='Only messages since then: "2 days ago" …')]


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

Draft = Annotated[
    bool,
    typer.Option("--draft", help="Only a proposal: it goes out after `wa schedule approve`."),
]
Files = Annotated[
    list[Path] | None, typer.Option("--file", metavar="F", help="A file to send; may be repeated.")
]


def recipient(app: App, to: str) -> recipients.Recipient:
    """Return the recipient for the argument TO."""
    return recipients.resolve(app.store, to, app.settings.region, app.context.me)


def address(app: App, who: str) -> recipients.Recipient:
    """Return what the argument WHO means, be it a group that we have left."""
    return recipients.resolve_address(app.store, who, app.settings.region, app.context.me)


def chat_of(app: App, chat: str) -> recipients.Recipient:
    """Return the chat for the argument CHAT."""
    return recipients.resolve_chat(app.store, chat, app.settings.region, app.context.me)


def read_text(text: str | None) -> str:
    """Return the text of a message: the argument, or standard input for `-` and for None."""
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


def span(app: App, before: str | None, after: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the moments for --before and --after."""
    if before is None and after is None:
        return None, None
    from wa.when import parse_when

    now, zone = app.now(), app.settings.zone
    first, last = (
        None if text is None else parse_when(text, now, zone, past=True) for text in (before, after)
    )
    return first, last
