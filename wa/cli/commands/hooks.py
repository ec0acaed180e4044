"""wa hooks: programs and web addresses that hear of what happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of, chat_of, recipient
from wa.errors import WaError
from wa.hooks import alert, bursts, deliveries, program, sessions, table
from wa.hooks import webhook as addresses
from wa.record.events import log
from wa.store.database import Row
from wa.texts import counted
from wa.times import from_iso, parse_duration

_NONE = ("0", "0s")
"""Texts for no time at all."""
commands = typer.Typer()
hooks = typer.Typer(help="Programs and addresses that hear of what happens.")
commands.add_typer(hooks, name="hooks")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the hook.")]
Exec = Annotated[str | None, typer.Option("--exec", metavar="CMD", help="A program: the event is its stdin.")]
Webhook = Annotated[str | None, typer.Option(metavar="URL", help="An address: the event is posted to it.")]
Events = Annotated[
    str | None, typer.Option(metavar="TYPES", help=f"With commas, of: {', '.join(log.TYPES)}.")
]
Chats = Annotated[
    list[str] | None, typer.Option("--chat", metavar="C", help="Only of this chat; may be repeated.")
]
Senders = Annotated[
    list[str] | None, typer.Option("--from", metavar="P", help="Only by this person; may be repeated.")
]
Groups = Annotated[str | None, typer.Option(metavar="no|also|only", help="Whether of groups too.")]
Own = Annotated[
    bool | None, typer.Option("--own/--not-own", help="Also of messages that you write on the phone.")
]
Strangers = Annotated[
    bool | None,
    typer.Option("--reply-to-strangers/--reply-to-contacts", help="Answer people who are no contacts."),
]
Timeout = Annotated[str | None, typer.Option(metavar="D", help="How long one run may take: 30s.")]
MaxAge = Annotated[
    str | None, typer.Option(metavar="D", help="What is older when it is handed over is late: 15m.")
]
Settle = Annotated[
    str | None,
    typer.Option(metavar="D", help="One event for what a person writes with pauses under D: 5s; 0 for none."),
]
Session = Annotated[
    str | None,
    typer.Option(metavar="MODE", help="Add the talk so far: time:02:00, duration:24h, same_day, off."),
]
Draft = Annotated[bool | None, typer.Option("--draft/--no-draft", help="Replies are drafts to approve.")]
AllowHttp = Annotated[bool | None, typer.Option("--allow-http/--https-only", help="Allow http:// anywhere.")]


def _values(
    app: App,
    exec_: str | None,
    address: str | None,
    events: str | None,
    chats: list[str] | None,
    senders: list[str] | None,
    groups: str | None,
    timeout: str | None,
    max_age: str | None,
    settle: str | None,
    session: str | None,
    **flags: bool | None,
) -> Row:
    """Return the columns that options give. Raise WaError `usage`."""
    found: Row = {name: value for name, value in flags.items() if value is not None}
    if exec_ is not None:
        program.split(exec_)
        found["exec"] = exec_
    if address is not None:
        found["webhook"] = addresses.check(address, allow_http=bool(flags.get("allow_http")))
    if events is not None:
        found["events"] = log.types_of(events)
    if groups is not None:
        if groups not in ("no", "also", "only"):
            raise WaError("usage", f"--groups is no, also or only, not {groups!r}", None)
        found["groups"] = groups
    if chats:
        found["chats"] = [_chat(app, each) for each in chats]
    if senders:
        found["senders"] = [recipient(app, each).jid for each in senders]
    if session is not None:
        sessions.parse(session)
        found["session"] = session
    for name, text in (("timeout", timeout), ("max_age", max_age)):
        if text is not None:
            found[name] = parse_duration(text).total_seconds()
    if found.get("timeout", 0) > table.LONGEST_RUN:
        raise WaError("usage", "--timeout is a day at most", "--timeout 5m")
    if settle is not None:
        found["settle"] = 0.0 if settle.strip() in _NONE else parse_duration(settle).total_seconds()
    return found


def _chat(app: App, text: str) -> str:
    """Return the JID of a chat, also of one in which nothing was said yet. Raise WaError `not-found`."""
    try:
        return chat_of(app, text).jid
    except WaError as error:
        if error.code != "not-found":
            raise
        try:
            return recipient(app, text).jid
        except WaError:
            raise error from None


@hooks.command()
def add(
    ctx: typer.Context,
    name: Name,
    exec_: Exec = None,
    webhook: Webhook = None,
    events: Events = None,
    chat: Chats = None,
    from_: Senders = None,
    groups: Groups = None,
    own: Own = None,
    reply_to_strangers: Strangers = None,
    timeout: Timeout = None,
    max_age: MaxAge = None,
    settle: Settle = None,
    session: Session = None,
    draft: Draft = None,
    allow_http: AllowHttp = None,
    since: Annotated[
        int | None, typer.Option(min=0, max=2**62, metavar="ID", help="Begin behind the event with this id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a program or a web address that hears of what happens.

    `wa listen` and `wa run-scheduler` serve it while they hold the connection. What
    a program prints for a message is sent as the reply. By default it hears of
    messages from people, and not from groups.

    Example: wa hooks add answers --exec "python3 bot.py" --from nadia
    """
    app = app_of(ctx)
    if name == alert.NAME:
        raise WaError("usage", f"the setting {name} makes the hook of this name", "choose another")
    if (exec_ is None) == (webhook is None):
        raise WaError("usage", "a hook is a program or an address", "give --exec or --webhook")
    values = _values(
        app, exec_, webhook, events, chat, from_, groups, timeout, max_age, settle, session, own=own,
        reply_to_strangers=reply_to_strangers, is_draft=draft, allow_http=allow_http,
    )  # fmt: skip
    row = table.add(app.store, name, values, app.now(), since=since)
    if exec_ is not None and (doubt := program.doubt(exec_)):
        app.out.note(f"warning: {doubt}")
    app.out.result(row, f"{name} hears of {', '.join(row['events'])}")
    if row["secret"] and not app.json:
        app.out.line(f"secret to verify the signatures with: {row['secret']}")


@hooks.command(name="list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the hooks, and how many events each did not take.

    Example: wa hooks list
    """
    app = app_of(ctx)
    rows = [
        {**table.public(row), "failed": deliveries.failed(app.store, row["id"])}
        for row in table.listing(app.store)
    ]
    app.out.table(
        rows,
        ["name", "status", "events", "failed", "runs"],
        lambda row: [
            row["name"],
            _status(row),
            ", ".join(row["events"]),
            row["failed"],
            _what(row),
        ],
        "no hooks",
    )


def _what(row: Mapping[str, Any]) -> str:
    """Return what hears of the events."""
    return str(row["exec"] or row["webhook"] or "a message to oneself")


def _outcome(each: Mapping[str, Any]) -> str:
    """Return what came of an event, or the event in which it was handed over."""
    if each["folded_into"]:
        return f"with event {each['folded_into']}"
    return str(each["error"] or (f"reply {each['row_id']}" if each["row_id"] else each["output"] or ""))


def _status(row: Mapping[str, Any]) -> str:
    return f"{row['status']}: {row['reason']}" if row["reason"] else str(row["status"])


@hooks.command()
def show(
    ctx: typer.Context,
    name: Name,
    secret: Annotated[bool, typer.Option("--secret", help="Show the secret of a webhook too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="So many events.")] = 20,
    as_json: Json = False,
) -> None:
    """Show a hook, and what became of its newest events.

    Example: wa hooks show bot
    """
    app = app_of(ctx)
    row = table.get(app.store, name)
    found = deliveries.recent(app.store, row["id"], limit)
    row = {**(row if secret else table.public(row)), "failed": deliveries.failed(app.store, row["id"])}
    if app.json:
        app.out.result({**row, "deliveries": found}, "")
        return
    app.out.line(f"{name}: {_what(row)}")
    app.out.line(
        f"{_status(row)}; hears of {', '.join(row['events'])}; has heard up to event {row['cursor']}"
    )
    if row["settle"]:
        app.out.line(f"waits {row['settle']:g} s for what a person writes next")
    if row["missed"]:
        app.out.line(f"deleted before it could hear of them: {counted(row['missed'], 'event')}")
    if secret and row["secret"]:
        app.out.line(f"secret: {row['secret']}")
    app.out.table(
        found,
        ["event", "type", "status", "attempts", "when", "what"],
        lambda each: [
            each["event_id"], each["type"], each["status"], each["attempts"],
            app.out.time(from_iso(each["updated_at"])),
            _outcome(each),
        ],
        "it has heard of nothing yet",
    )  # fmt: skip


@hooks.command()
def edit(
    ctx: typer.Context,
    name: Name,
    exec_: Exec = None,
    webhook: Webhook = None,
    events: Events = None,
    chat: Chats = None,
    from_: Senders = None,
    groups: Groups = None,
    own: Own = None,
    reply_to_strangers: Strangers = None,
    timeout: Timeout = None,
    max_age: MaxAge = None,
    settle: Settle = None,
    session: Session = None,
    draft: Draft = None,
    allow_http: AllowHttp = None,
    as_json: Json = False,
) -> None:
    """Change a hook; what is not named stays.

    Example: wa hooks edit bot --timeout 60s --draft
    """
    app = app_of(ctx)
    row = table.get(app.store, name)
    if (exec_ is not None and row["webhook"]) or (webhook is not None and row["exec"]):
        raise WaError("usage", "a program stays a program, an address an address", "add another hook")
    values = _values(
        app, exec_, webhook, events, chat, from_, groups, timeout, max_age, settle, session, own=own,
        reply_to_strangers=reply_to_strangers, is_draft=draft,
        allow_http=row["allow_http"] if allow_http is None else allow_http,
    )  # fmt: skip
    merged = {**row, **values}
    bursts.check(merged["settle"], merged["max_age"])
    table.change(app.store, row["id"], app.now(), **values)
    row = table.get(app.store, name)
    app.out.result(table.public(row), f"{name} hears of {', '.join(row['events'])}")
